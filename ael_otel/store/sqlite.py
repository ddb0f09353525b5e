"""The store in one SQLite file, the default: no installation, no server, several processes at a time.

WAL with `synchronous=NORMAL` loses at most the last transactions on a power cut, and nothing when a process dies.
Deleted content is removed from the disk: pages are released (`incremental_vacuum`), overwritten content is zeroed
(`secure_delete`), the file is rewritten (`VACUUM`), and the log is truncated (`wal_checkpoint(TRUNCATE)`).
"""

# ruff: noqa: S608 - only names from this package are put into statements; values are parameters

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ael_otel.core.faults import logger, pause
from ael_otel.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreNotFoundError,
    StoreReadOnlyError,
)
from ael_otel.store.database import Copies
from ael_otel.store.files import make_store_folder
from ael_otel.store.migrations import SCHEMA_VERSION, SQLITE, refuse_newer, statements
from ael_otel.store.query import DeleteReport, PruneReport, StoreInfo
from ael_otel.store.sql import SqlBackend
from ael_otel.store.sqlite_file import OpenFile
from ael_otel.store.times import FIRST_US, LAST_US, from_us
from ael_otel.version import __version__

if TYPE_CHECKING:
    from ael_otel.store.where.statement import SqliteJson

BUSY_S: Final = 10.0
"""Seconds that a writer waits for another one."""

APPLICATION_ID: Final = 0x41454C31
"""`AEL1` in the file's header: distinguishes our files from those of other programs."""

_VACUUM_PAGES: Final = 2_000

REWRITTEN_BYTES: Final = 512 * 1_048_576
"""Largest file that is rewritten after runs were deleted; takes some seconds, in which no other process can write."""

_A_TIME: Final = f" WHERE typeof(started_us) = 'integer' AND started_us BETWEEN {FIRST_US} AND {LAST_US}"
"""Ignores values of a damaged row that are not times."""

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_TRANSIENT: Final = _FULL | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_SCHEMA,
}
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "make room on the disk, or check it",
    sqlite3.SQLITE_CANTOPEN: "let this user write the file and its folder, make room on the disk, or name another file"
    " (AEL_TELEMETRY_DB or --db)",
}
"""Remedies for errors of which SQLite reports only the number."""

_REPAIR: Final = "`ael trace repair` copies what can be read into a new file"

_WRONG_PLACE: Final = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
"""Errors of the operating system that do not go away by waiting."""


class SqliteStore(SqlBackend):
    """A store in the file `path`.

    Args:
        path: the file. It and its folder are created if missing, readable by this user only.
        create: False to open only an existing file.
        copies: copies of the runs outside the file, from which deleted runs are removed too.

    Raises:
        StoreNotFoundError: the file does not exist, and `create` is False.
        SchemaTooNewError: a newer version wrote it.
        StoreError: it cannot be opened, or is not a store.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        copies: Copies | None = None,
    ) -> None:
        super().__init__(copies)
        self.path = path
        self._create = create
        self._lock = RLock()
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._file: OpenFile | None = None
        self._needs_room = self._alone = False
        self._connect()

    def _connect(self) -> sqlite3.Connection:
        """Open the file, and create it if `create` is true."""
        path, create = self.path, self._create
        try:
            if path.is_dir():
                raise StoreError(f"{path} is a folder; the run store is a file")
            if create:
                _make_file(path)
            elif not path.is_file() or not path.stat().st_size:
                # An empty file is just being created, or is unused: a reader does not create the tables.
                raise StoreNotFoundError(f"{path}: no runs have been recorded here yet")
            # A file that this user can only read, or on a disk that accepts no writes, can still be read.
            writes = create or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK))
            self._needs_room = False
            try:
                connection = self._open() if writes else self._open_to_read()
            except sqlite3.Error as error:
                if create or not isinstance(error_of(error, path), StoreFullError):
                    raise
                # A full disk has no space for a writer's log, but reading may be all that is wanted.
                writes, self._needs_room = False, True
                connection = self._open_to_read()
            try:
                self._file = OpenFile(path, connection, writes=writes)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise error_of(error, path, "the run store cannot be opened: ") from error
        self._connection = connection
        return connection

    def _ready(self) -> sqlite3.Connection:
        """Return the connection; open a new one if the file is no longer the one that was opened."""
        if self._closed:
            raise StoreError(f"{self.path}: the run store has been closed")
        if self._alone and self._connection is not None:
            return self._connection
        if self._file is not None and self._connection is not None:
            fault = self._file.fault()
            if fault is None:
                return self._connection
            self._abandon()
            logger.warning("%s: the run store is reopened: %s", self.path, fault)
        if self._file is not None:
            if self._file.remove_stale_log():
                logger.warning("%s: the log of the previous file does not fit and is removed", self.path)
            self._file = None
        return self._connect()

    def _abandon(self) -> None:
        """Close the connection without changing a file: SQLite would apply its log to the current file."""
        connection, self._connection = self._connection, None
        if connection is not None and self._file is not None:
            with suppress(sqlite3.Error):
                connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            with suppress(sqlite3.Error):
                connection.close()
            self._file.release()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            if not connection.execute("PRAGMA page_count").fetchone()[0]:
                # The setting for releasing pages works only before the first table exists.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone())
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            # Deleted or replaced content is zeroed. FAST would skip free pages, but those may be used for shorter texts
            # before `shrink` releases them, and then the rest of the old text would remain behind the new one.
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            self._migrate(connection)
            connection.create_function("ael_matches", 2, _matches, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_to_read(self) -> sqlite3.Connection:
        # If a log exists beside the file, another process may be writing; without one nobody is, and none is created.
        log = Path(f"{self.path}-wal")
        if not log.exists() or not log.stat().st_size:
            return self._look("ro&immutable=1")
        try:
            return self._look("ro")
        except sqlite3.OperationalError:
            if not self._needs_room:
                raise
            # No space for the index of the log: SQLite keeps it in memory for the only user of a file.
            return self._look("rw", "PRAGMA locking_mode = EXCLUSIVE")

    def _look(self, mode: str, *first: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for sql in first:
                connection.execute(sql)
            version = self._version(connection)
            if not version:
                raise StoreNotFoundError(f"{self.path}: no runs have been recorded here yet")
            if version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} has schema {version} and cannot be migrated to {SCHEMA_VERSION}, since it cannot be"
                    " written here: use a copy of it"
                )
            connection.create_function("ael_matches", 2, _matches, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) == SCHEMA_VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            applied = self._version(connection)
            for number, step in statements(SQLITE, applied):
                for sql in step:
                    connection.execute(sql)
                connection.execute(
                    "INSERT INTO ael_versions (version, written_by) VALUES (?, ?)", (number, __version__)
                )
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            # On a full disk SQLite has rolled back already; the first error is reported.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _version(self, connection: sqlite3.Connection) -> int:
        """Return the schema version, 0 for an empty file."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and tables:
            raise StoreError(
                f"{self.path} is the database of another program; choose another file in telemetry.store.path"
            )
        if not tables:
            if connection.in_transaction:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("CREATE TABLE ael_versions (version INTEGER PRIMARY KEY, written_by TEXT)")
            return 0
        if version > SCHEMA_VERSION:
            written_by = connection.execute(
                "SELECT written_by FROM ael_versions ORDER BY version DESC LIMIT 1"
            ).fetchone()
            refuse_newer(version, written_by[0] if written_by else "", str(self.path))
        return version

    # --- statements ---------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Generator["_Transaction"]:
        """Take the write lock at once, since a later lock request would fail instead of waiting.

        Raises:
            StoreBusyError: the file cannot be written now, or was replaced meanwhile; nothing was written, try again.
        """
        with self._lock, self._errors():
            connection = self._ready()
            connection.execute("BEGIN IMMEDIATE")
            try:
                if self._file is not None:
                    self._file.begin_generation(connection)
                yield _Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            if self._file is not None and (fault := self._file.fault()) is not None:
                raise StoreBusyError(f"{self.path}: {fault}")

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects."""
        with self._lock, self._errors():
            connection = self._ready()
            try:
                return connection.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                # Python's error has no number. A text that is not UTF-8 must not hide all other rows.
                known = connection.text_factory is _text_or_bytes
                if known or getattr(error, "sqlite_errorcode", None) is not None:
                    raise
            self.odd_text = True
            connection.text_factory = _text_or_bytes
            return connection.execute(sql, parameters).fetchall()

    def interrupt(self) -> None:
        """End the statement that another thread runs now."""
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):  # closed meanwhile
                connection.interrupt()

    @contextmanager
    def looking(self) -> Generator[sqlite3.Connection]:
        """Return the connection for statements that only read; works even if nothing can be written."""
        with self._lock, self._errors():
            yield self._ready()

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise error_of(error, self.path) from error

    def among(self, column: str, values: Sequence[str | int]) -> tuple[str, Any]:
        """Return the condition that a column has one of the values, in one statement for any number of them."""
        return f"{column} IN (SELECT value FROM json_each(?))", msgspec.json.encode(values).decode()

    def contains(self, column: str, pattern: str) -> tuple[str, Any]:
        """Return the condition that a column is LIKE the pattern."""
        return f"{column} LIKE ? ESCAPE '!'", pattern

    def json(self) -> "SqliteJson":
        """Return the query language's dialect for values inside JSON."""
        from ael_otel.store.where.statement import SqliteJson

        return SqliteJson()

    # --- maintenance --------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Return the bytes of the pages in use."""
        pages, free, each = (
            self.read(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * each)

    def shrink(self, *, rewrite: bool = False) -> bool:
        """Release free pages and empty the log; return False if a reader prevents the latter.

        Args:
            rewrite: also rewrite all pages, if the file is not larger than `REWRITTEN_BYTES`. When SQLite moves a row
                to another page, the old copy stays, and `secure_delete` does not zero it later.
        """
        while self.read("PRAGMA freelist_count")[0][0]:
            with self._lock, self._errors():
                connection = self._ready()
                before = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
                if connection.execute("PRAGMA page_count").fetchone()[0] >= before:
                    break
        if rewrite and self.size() <= REWRITTEN_BYTES:
            # If the disk is full, or another process is writing, the file stays as it is.
            with suppress(StoreError), self._lock, self._errors():
                self._ready().execute("VACUUM")
        return not self.read("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs; if the disk is too full for a journal, with the journal in memory and exclusive access to the
        file.

        Raises:
            StoreFullError: the disk is full, and another process uses the store.
        """
        if dry_run or not self._needs_room:
            try:
                return super().prune(older_than=older_than, max_mb=max_mb, dry_run=dry_run)
            except StoreFullError:
                if dry_run:
                    raise
        with self._without_log():
            return super().prune(older_than=older_than, max_mb=max_mb)

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs; on a full disk in the same way as `prune`.

        Raises:
            StoreFullError: the disk is full, and another process uses the store.
        """
        wanted = list(execution_ids)
        if not self._needs_room:
            with suppress(StoreFullError):
                return super().delete(wanted)
        with self._without_log():
            return super().delete(wanted)

    @contextmanager
    def _without_log(self) -> Generator[None]:
        """Use the file exclusively and without a log on disk; a power failure meanwhile would damage the file."""
        with self._lock, self._errors():
            if self._connection is not None:
                self._connection.close()
            if self._file is not None:
                self._file.release()
                self._file = None
            self._connection = connection = sqlite3.connect(
                self.path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._alone = True
            try:
                try:
                    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                    (mode,) = connection.execute("PRAGMA journal_mode = MEMORY").fetchone()
                except sqlite3.OperationalError as error:
                    mode = str(error)
                if mode != "memory":
                    raise StoreFullError(
                        f"{self.path}: the disk is full ({mode}): stop the engine that uses the store, or make"
                        " some room on the disk, then run this again"
                    )
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON").fetchone()
                yield
            finally:
                self._alone, self._connection = False, None
                connection.close()

    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size, which is that of the files."""
        count, running, oldest, newest = self.read(
            "SELECT (SELECT count(*) FROM executions),"
            " (SELECT count(*) FROM executions WHERE status IN ('pending', 'running')),"
            f" (SELECT started_us FROM executions{_A_TIME} ORDER BY started_us LIMIT 1),"
            f" (SELECT started_us FROM executions{_A_TIME} ORDER BY started_us DESC LIMIT 1)"
        )[0]
        size = 0
        for name in ("", "-wal", "-shm"):
            with suppress(OSError):
                size += Path(f"{self.path}{name}").stat().st_size
        return StoreInfo(
            "sqlite",
            str(self.path),
            SCHEMA_VERSION,
            count,
            running,
            size,
            None if oldest is None else from_us(oldest),
            None if newest is None else from_us(newest),
        )

    def close(self, timeout_s: float = 5.0) -> None:
        """Close the file; the last process to do so empties its log."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._connection is None or self._file is None:
                return
            if self._file.fault() is not None:
                self._abandon()
                return
            if self._connection.total_changes:
                # Counting rows takes as long as a whole command that only reads.
                with suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA optimize")
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
            self._file.release()


def _matches(body: bytes, expression: str) -> bool:
    from ael_otel.store.where.document import matches

    return matches(body, expression)


def _text_or_bytes(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, parameters).rowcount

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * (columns.count(",") + 1))
        self._connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def ids(self, count: int) -> list[int]:
        # No other process writes meanwhile, so the next ids are free.
        (last,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM executions").fetchone()
        return list(range(last + 1, last + 1 + count))


def error_of(error: Exception, path: Path, doing: str = "") -> StoreError:
    """Return our error for one of SQLite or the operating system, chosen by its code."""
    if isinstance(error, StoreError):
        return error
    text = f"{path}: {doing}{error}"
    if isinstance(error, UnicodeDecodeError) or str(error).startswith("Could not decode to UTF-8"):
        # Python's message for an error of SQLite, or for a stored text; it quotes the text.
        return StoreDamagedError(f"{path}: {doing}a text in it is not UTF-8; {_REPAIR}")
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            return StoreDamagedError(f"{text}; {_REPAIR}")
        if code in _FULL:
            return StoreFullError(f"{text}; {_REMEDIES[code]}")
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            # Our statements get this error if the schema lacks a table or column.
            text += f"; if the file is damaged, {_REPAIR}"
        moved = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED
        if code == sqlite3.SQLITE_READONLY and not moved:
            return StoreReadOnlyError(
                f"{text}; this user may not write the file or its folder, or the file system is read-only"
            )
        return (StoreBusyError if code in _TRANSIENT else StoreError)(text)
    if isinstance(error, OSError) and error.errno not in _WRONG_PLACE:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        if full:
            text += (
                f"; {_REMEDIES[sqlite3.SQLITE_IOERR if error.errno == errno.EIO else sqlite3.SQLITE_FULL]}"
            )
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return StoreReadOnlyError(
                f"{text}; name another file (AEL_TELEMETRY_DB or --db), or let this user write this one"
            )
        return (StoreFullError if full else StoreBusyError)(text)
    return StoreError(text)


def _make_file(path: Path) -> None:
    """Create the file and its folder, readable by this user only; SQLite gives its log the same mode."""
    make_store_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _patiently[T](action: Callable[[], T]) -> T:
    """Try again while another process opens the file for the first time: SQLite itself does not wait for that."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not locked or time.monotonic() > deadline:
                raise
            pause(0.01)
