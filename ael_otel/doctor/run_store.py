"""Check the run store: its place, whether it can be written, its size, schema and content, and the free disk space."""

import os
import shutil
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

from ael_otel.config import Settings
from ael_otel.config.settings import MEBIBYTE
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.errors import AelOtelError, ConfigError
from ael_otel.store.factory import refuse_unusable
from ael_otel.store.location import find_store
from ael_otel.store.migrations import SCHEMA_VERSION, refuse_newer
from ael_otel.store.sqlite import APPLICATION_ID

AREA: Final = "store"

LOW_BYTES: Final = 1024 * MEBIBYTE
EMPTY_BYTES: Final = 64 * MEBIBYTE
"""Free disk space below which a finding is a warning, and a failure."""

_VERIFY_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 5
_REPAIR: Final = "`ael trace repair` copies the runs that can be read into a new file"


def check(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Check the configured store; nothing is created, changed or migrated."""
    if settings.store.backend == "memory":
        return [ok(AREA, "telemetry.store.backend is memory: runs are lost when their process ends")]
    try:
        # Creates a file without a name where the store would be; it is gone when it is closed.
        refuse_unusable(settings, environ=environ)
    except ConfigError as error:
        return [failure(AREA, str(error), f"correct {error.key or 'telemetry.store'}")]
    if settings.store.backend == "postgresql":
        return [_postgresql(settings.store.dsn)]
    place = find_store(settings.store.path, environ=environ)
    found = [] if place.skipped is None else [warning(AREA, place.skipped, "do one of the three")]
    found.append(_file(place.path, settings) if place.path.exists() else _absent(place.path))
    folder = place.path.parent
    while not folder.exists():
        folder = folder.parent
    space = shutil.disk_usage(folder)
    return [*found, space_finding(folder, space.free, space.total)]


def space_finding(folder: Path, free: int, total: int) -> Finding:
    """Return the finding on the disk that holds a folder, with `free` of `total` bytes."""
    cause = f"{_size(free)} of {_size(total)} are free on the disk of {folder}"
    if free < EMPTY_BYTES:
        return failure(
            AREA, f"{cause}: runs cannot be stored", "free disk space, or prune (`ael trace prune`)"
        )
    if free < LOW_BYTES:
        return warning(AREA, cause, "free disk space, or set telemetry.retention.max_mb")
    return ok(AREA, cause)


def _absent(path: Path) -> Finding:
    return ok(AREA, f"{path} does not exist yet; the first run creates it")


def _file(path: Path, settings: Settings) -> Finding:
    size = sum(os.path.getsize(each) for each in _files(path) if os.path.exists(each))  # noqa: PTH110, PTH202
    try:
        with read_only(path) as connection:
            version = _version(connection, path)
            damage = _damage(connection)
            runs = connection.execute("SELECT count(*) FROM executions").fetchone()[0] if version else 0
    except (sqlite3.Error, AelOtelError) as error:
        if isinstance(error, AelOtelError):
            return failure(
                AREA, str(error), "install that version, or set telemetry.store.path to another file"
            )
        return failure(AREA, f"{path} is damaged or is not a SQLite file: {error}", _REPAIR)
    if damage is not None:
        return failure(AREA, f"{path} is damaged: {damage}", _REPAIR)
    cause = f"{path}: {runs} runs, {_size(size)}, schema {version} of {SCHEMA_VERSION}, can be written"
    limit = settings.retention.max_mb * MEBIBYTE
    if limit and size > 1.5 * limit:
        return warning(
            AREA,
            f"{cause}; larger than telemetry.retention.max_mb ({settings.retention.max_mb} MiB)",
            "run `ael trace prune`; a running engine prunes at 03:00 UTC",
        )
    return ok(AREA, cause)


def _files(path: Path) -> tuple[str, str]:
    return str(path), f"{path}-wal"


@contextmanager
def read_only(path: Path) -> Generator[sqlite3.Connection]:
    """Open a store without creating the files that SQLite keeps beside one that is open.

    Where another process has it open, these files exist and its latest runs are read; otherwise the file alone is read.
    """
    opened = all(os.path.exists(f"{path}{each}") for each in ("-wal", "-shm"))  # noqa: PTH110 - no error without access
    options = "mode=ro" if opened else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=2.0)
    try:
        yield connection
    finally:
        connection.close()


def _version(connection: sqlite3.Connection, path: Path) -> int:
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise AelOtelError(f"{path} is the database of another program")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        row = connection.execute(
            "SELECT written_by FROM ael_versions ORDER BY version DESC LIMIT 1"
        ).fetchone()
        refuse_newer(version, str(row[0]) if row else "", str(path))
    return version


def _damage(connection: sqlite3.Connection) -> str | None:
    """Return the first damage that SQLite detects within the time limit, or None."""
    deadline = monotonic() + _VERIFY_SECONDS
    connection.set_progress_handler(lambda: int(monotonic() > deadline), 10_000)
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None  # large and sound so far
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return None if found == "ok" else found


def _postgresql(dsn: str) -> Finding:
    import psycopg

    try:
        with psycopg.connect(
            dsn, connect_timeout=_CONNECT_SECONDS, application_name="ael-doctor", autocommit=True
        ) as connection:
            version = _postgresql_version(connection)
    except psycopg.Error as error:
        # The error's text may contain the connection string.
        return failure(
            AREA,
            f"the database of telemetry.store.dsn cannot be used ({type(error).__name__})",
            "start the server, or correct host, database, user and password in telemetry.store.dsn",
        )
    except AelOtelError as error:
        return failure(AREA, str(error), "install that version, or use another database")
    return ok(AREA, f"PostgreSQL answers; schema {version} of {SCHEMA_VERSION}")


def _postgresql_version(connection: Any) -> int:
    if connection.execute("SELECT to_regclass('ael.ael_versions')").fetchone()[0] is None:
        return 0
    row = connection.execute(
        "SELECT version, written_by FROM ael.ael_versions ORDER BY version DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return 0
    refuse_newer(row[0], row[1], "the database")
    return int(row[0])


def _size(number: int) -> str:
    return f"{number / 1024**3:.1f} GiB" if number >= 1024**3 else f"{number / MEBIBYTE:.1f} MiB"
