"""The store in PostgreSQL, for several machines, or where a server with backups exists; needs the extra `postgres`.

Everything is in the schema `ael`. New runs are inserted in batches by COPY. Deleted rows are vacuumed at once; the
server's write-ahead log and backups may still contain them.
"""

# ruff: noqa: S608 - only names from this package are put into statements; values are parameters

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ael_otel.errors import StoreBusyError, StoreError
from ael_otel.store.database import Copies
from ael_otel.store.migrations import POSTGRESQL, SCHEMA_VERSION, refuse_newer, statements
from ael_otel.store.query import StoreInfo
from ael_otel.store.sql import SqlBackend
from ael_otel.store.times import from_us
from ael_otel.version import __version__, install_command

if TYPE_CHECKING:
    import psycopg

    from ael_otel.store.where.statement import PostgresJson

CONNECT_S: Final = 5
_COPY_FROM: Final = 8
"""Minimum number of rows for which COPY is faster than INSERT."""

_LOCK: Final = 0x41454C31
"""Advisory lock during a schema change, so that only one of several processes makes it."""


class PostgresStore(SqlBackend):
    """A store in the database `dsn`.

    Args:
        dsn: a libpq connection string or URL. Messages contain only its host and database.
        copies: copies of the runs outside the database, from which deleted runs are removed too.

    Raises:
        SchemaTooNewError: a newer version wrote it.
        StoreBusyError: the server cannot be reached.
        StoreError: psycopg is not installed, or the database rejects the connection.
    """

    def __init__(self, dsn: str, copies: Copies | None = None) -> None:
        super().__init__(copies)
        if not dsn:
            raise StoreError("telemetry.store.dsn is empty: set it to the connection string of the database")
        try:
            import_module("psycopg")
        except ImportError as error:
            raise StoreError(
                f"the store on PostgreSQL needs psycopg: install it with `{install_command('postgres')}`"
            ) from error
        self._dsn = dsn
        self.where = _shown(dsn)
        self._lock = RLock()
        self._closed = False
        self._connection = self._connect()

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        import psycopg

        try:
            connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=CONNECT_S, application_name="ael-otel"
            )
        except psycopg.OperationalError as error:
            # The error's text may contain the connection string.
            raise StoreBusyError(f"{self.where} cannot be reached ({type(error).__name__})") from None
        except psycopg.Error as error:
            raise StoreError(
                f"{self.where}: telemetry.store.dsn is not usable ({type(error).__name__})"
            ) from None
        try:
            self._migrate(connection)
        except psycopg.OperationalError as error:
            connection.close()
            raise StoreBusyError(f"{self.where}: {_first_line(error)}") from error
        except psycopg.Error as error:
            connection.close()
            raise StoreError(f"{self.where}: {_first_line(error)}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        def run(sql: str, *parameters: Any) -> "psycopg.Cursor[tuple[Any, ...]]":
            return connection.execute(sql.encode(), parameters or None)

        run("SET search_path TO ael")
        if self._version(connection) == SCHEMA_VERSION:
            return
        with connection.transaction():
            run("SELECT pg_advisory_xact_lock(%s)", _LOCK)
            run("CREATE SCHEMA IF NOT EXISTS ael")
            run("CREATE TABLE IF NOT EXISTS ael_versions (version INTEGER PRIMARY KEY, written_by TEXT)")
            for number, step in statements(POSTGRESQL, self._version(connection)):
                for sql in step:
                    run(sql)
                run("INSERT INTO ael_versions (version, written_by) VALUES (%s, %s)", number, __version__)

    def _version(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> int:
        found = connection.execute("SELECT to_regclass('ael.ael_versions')").fetchone()
        if found is None or found[0] is None:
            return 0
        newest = connection.execute(
            "SELECT version, written_by FROM ael.ael_versions ORDER BY version DESC LIMIT 1"
        ).fetchone()
        if newest is None:
            return 0
        refuse_newer(newest[0], newest[1], self.where)
        return int(newest[0])

    # --- statements ---------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Generator["_Transaction"]:
        """Begin, then commit or roll back."""
        with self._lock, self._mapped_errors():
            connection = self._alive()
            with connection.transaction():
                yield _Transaction(connection)

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects."""
        with self._lock, self._mapped_errors():
            return _execute(self._alive(), sql, parameters).fetchall()

    def interrupt(self) -> None:
        """Ask the server to end the statement that another thread runs now."""
        import psycopg

        with suppress(psycopg.Error):
            self._connection.cancel()

    def _alive(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """Return the connection; open a new one if the server has closed it."""
        if self._closed:
            raise StoreError(f"{self.where}: the run store has been closed")
        if self._connection.closed:
            self._connection = self._connect()
        return self._connection

    @contextmanager
    def _mapped_errors(self) -> Generator[None]:
        import psycopg

        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UniqueViolation) as error:
            # Another process has just stored the same run; the next attempt finds it.
            raise StoreBusyError(f"{self.where}: {_first_line(error)}") from error
        except psycopg.Error as error:
            raise StoreError(f"{self.where}: {_first_line(error)}") from error

    def among(self, column: str, values: Sequence[str | int]) -> tuple[str, Any]:
        """Return the condition that a column has one of the values."""
        return f"{column} = ANY(?)", list(values)

    def contains(self, column: str, pattern: str) -> tuple[str, Any]:
        """Return the condition that a column is LIKE the pattern; the collation C folds A to Z only."""
        return f"{column} COLLATE \"C\" ILIKE ? ESCAPE '!'", pattern

    def json(self) -> "PostgresJson":
        """Return the query language's dialect for values inside JSON."""
        from ael_otel.store.where.statement import PostgresJson

        return PostgresJson()

    # --- maintenance --------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Return the bytes of the records: the tables shrink only some time later."""
        return int(self.read("SELECT coalesce(sum(bytes), 0) FROM executions")[0][0])

    def shrink(self, *, rewrite: bool = False) -> bool:
        """Let the server reuse the space of deleted rows; `rewrite` has no effect: the server manages its pages."""
        self.read_nothing(
            "VACUUM ael.bodies, ael.tool_calls, ael.errors, ael.redactions, ael.model_calls,"
            " ael.context_bytes, ael.executions"
        )
        self.read_nothing(
            "VACUUM ael.attribution_sketches, ael.attribution_versions, ael.attribution_files, ael.attribution_changes"
        )
        return True

    def read_nothing(self, sql: str) -> None:
        """Run a statement outside any transaction."""
        with self._lock, self._mapped_errors():
            _execute(self._alive(), sql, ())

    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size, which is that of the tables."""
        count, running, oldest, newest, size = self.read(
            "SELECT count(*), count(*) FILTER (WHERE status IN ('pending', 'running')), min(started_us),"
            " max(started_us), (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'ael'::regnamespace) FROM executions"
        )[0]
        return StoreInfo(
            "postgresql",
            self.where,
            SCHEMA_VERSION,
            count,
            running,
            int(size or 0),
            None if oldest is None else from_us(oldest),
            None if newest is None else from_us(newest),
        )

    def close(self, timeout_s: float = 5.0) -> None:
        """Close the connection."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()


class _Transaction:
    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return _execute(self._connection, sql, parameters).rowcount

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_placed(sql), parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return _execute(self._connection, sql, parameters).fetchall()

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        if len(rows) < _COPY_FROM:
            marks = ", ".join("?" * (columns.count(",") + 1))
            self.many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            return
        sql = f"COPY {table} ({columns}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def ids(self, count: int) -> list[int]:
        found = self.rows("SELECT nextval('execution_ids') FROM generate_series(1, ?)", [count])
        return [row[0] for row in found]


def _placed(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _execute(
    connection: "psycopg.Connection[tuple[Any, ...]]", sql: str, parameters: Sequence[Any]
) -> "psycopg.Cursor[tuple[Any, ...]]":
    return connection.execute(_placed(sql), parameters or None)


def _shown(dsn: str) -> str:
    """Return host and database of a connection string, without user, password and parameters."""
    if "://" in dsn:
        url = urlsplit(dsn)
        port = f":{url.port}" if url.port else ""
        return f"postgresql://{url.hostname or 'local'}{port}{url.path}"
    parts: dict[str, str] = {}
    for part in dsn.split():
        name, _, value = part.partition("=")
        parts[name] = value
    return f"postgresql://{parts.get('host', 'local')}/{parts.get('dbname', '')}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
