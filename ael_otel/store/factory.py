"""Open the configured store: to write to it, or to read from it."""

import errno
import os
import stat
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ael_otel.config import Settings
from ael_otel.config.settings import MEBIBYTE
from ael_otel.core.faults import logger
from ael_otel.errors import ConfigError, StoreBusyError, StoreError
from ael_otel.store.location import DEFAULT_PATH, VARIABLE, find_store, locate, refuse_address
from ael_otel.store.protocol import TelemetryStore
from ael_otel.version import install_command

if TYPE_CHECKING:
    from ael_otel.store.background_writer import OnDrop
    from ael_otel.store.database import Copies, Victim
    from ael_otel.store.sql import SqlBackend

MIRROR_FOLDER: Final = "traces"

_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EINTR})
"""Errors of the operating system that may be gone by the time a run is stored."""


def open_store(
    settings: Settings,
    *,
    on_drop: "OnDrop | None" = None,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> TelemetryStore:
    """Return the configured store for a process that runs workflows: written in the background, pruned automatically.

    It returns at once and never raises: later errors are logged and counted.

        >>> import ael_otel
        >>> store = ael_otel.open_store(ael_otel.load_settings("ael-config.yaml"))
        >>> ael_otel.configure("ael-config.yaml", store=store)
        >>> with ael_otel.tool_call("search"):
        ...     pass
        >>> store.count(ael_otel.RunQuery(tool="search"))
        2
        >>> store.close()

    Args:
        settings: the configuration (`store`, `retention`).
        on_drop: called with the reason and the number of dropped runs.
        environ: the environment (`AEL_TELEMETRY_DB`); default that of the process.
        start: base folder of a relative path; default the working directory.
    """
    if settings.store.backend == "memory":
        from ael_otel.store.memory import MemoryStore

        return MemoryStore(settings.limits.memory_runs, settings.limits.memory_mb * MEBIBYTE)
    if skipped := skipped_folder(settings, environ=environ, start=start):
        logger.warning("%s", skipped)
    from ael_otel.store.background_writer import QueuedStore
    from ael_otel.store.mirror import Mirror
    from ael_otel.store.pruning import Retention
    from ael_otel.store.rolling_mirror import RollingMirror

    mirrors: list[Mirror | RollingMirror] = []
    if settings.store.json_mirror:
        folder, form = mirror_folder(settings, environ, start), settings.store.mirror_form
        if form != "lines":
            mirrors.append(Mirror(folder))
        if form != "files":
            mirrors.append(RollingMirror(folder, settings.store.mirror_max_mb))

    def connect() -> "SqlBackend":
        return _backend(settings, environ, start, create=True)

    return QueuedStore(
        connect,
        on_drop=on_drop,
        retention=Retention(settings.retention.days, settings.retention.max_mb),
        mirrors=mirrors,
        capacity=settings.limits.store_runs,
        capacity_bytes=settings.limits.store_mb * MEBIBYTE,
    )


def skipped_folder(
    settings: Settings, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> str | None:
    """Return a warning about a folder that may contain the store but that this user cannot use, or None.

    The warning names that folder, the store that is used instead, and what to set.
    """
    if settings.store.backend != "sqlite":
        return None
    return find_store(settings.store.path, environ=environ, start=start).skipped


def refuse_unusable(
    settings: Settings, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> None:
    """Check before the first run that the configured store can be written.

    An unreachable server or a full disk is not an error here: both can change, and runs are queued meanwhile.

    Args:
        settings: the configuration.
        environ: the environment; default that of the process.
        start: base folder of a relative path; default the working directory.

    Raises:
        ConfigError: PostgreSQL without a usable `dsn` or without its driver; a file or folder of a wrong type, or that
            this user cannot write. The message names the key and the remedy.
    """
    if not settings.enabled or settings.store.backend == "memory":
        return
    environ = os.environ if environ is None else environ
    if settings.store.backend == "postgresql":
        refuse_address(environ)  # the mirror and the file of the last start are stored beside that file
        _refuse_unusable_dsn(settings.store.dsn)
        return
    key = VARIABLE if environ.get(VARIABLE) else "telemetry.store.path"
    path = locate(settings.store.path, environ=environ, start=start)
    folder = path.parent
    # Not `Path.exists`, which raises if a folder may not be searched.
    while not os.path.exists(folder) and _may_enter(folder.parent):  # noqa: PTH110
        folder = folder.parent
    if not _may_enter(folder.parent):
        wrong = f"the folder {folder.parent} cannot be entered by this user: choose a path in one that can"
    elif path.is_dir():
        wrong = f"{path} is a folder: set it to a file in it, such as {path / 'telemetry.db'}"
    elif fault := _not_a_file(path):
        wrong = f"{path} {fault}: remove it, or choose another path"
    elif not folder.is_dir():
        wrong = f"{folder} is a file, and {path} is to be below it: remove the file, or choose another path"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = "is on a read-only file system" if _read_only(folder) else "cannot be written by this user"
        wrong = f"the folder {folder} {why}: choose a path in one that can be written"
    elif path.exists() and not os.access(path, os.W_OK):
        wrong = f"{path} cannot be written by this user: choose another path, or change its mode"
    elif not path.exists() and (fault := _takes_no_file(folder)):
        wrong = f"the folder {folder} does not accept a file ({fault}): choose a path in another one"
    else:
        return
    file = "" if key == VARIABLE else f"{VARIABLE} to a file, or "
    raise ConfigError(
        f"{key}: {wrong} (or set {file}telemetry.store.backend to memory to store no runs)", key=key
    )


def _may_enter(folder: Path) -> bool:
    """Return whether this user can list a folder; True if the folder does not exist."""
    return not os.path.isdir(folder) or os.access(folder, os.X_OK)  # noqa: PTH112 - no error without permission


def _not_a_file(path: Path) -> str | None:
    """Return why the path of the store is not a file that SQLite can open (for a pipe, it would wait), or None."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "is a symbolic link that leads to itself" if error.errno == errno.ELOOP else None
    return None if stat.S_ISREG(mode) else "is not a regular file"


def _takes_no_file(folder: Path) -> str | None:
    """Return why a folder rejects a new file although its mode allows one, as /proc does; None for a full disk."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return None if error.errno in _PASSING else error.strerror or str(error)


def _read_only(folder: Path) -> bool:
    """Return whether the file system of a folder is read-only; False if that cannot be determined."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except (AttributeError, OSError):  # Windows has no such call
        return False


def _refuse_unusable_dsn(dsn: str) -> None:
    key = "telemetry.store.dsn"
    if not dsn:
        raise ConfigError(
            f"{key} is empty, and telemetry.store.backend is postgresql: set it to the connection string of the"
            " database, such as postgresql://USER@HOST/DATABASE",
            key=key,
        )
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ConfigError(
            "telemetry.store.backend is postgresql, which needs psycopg: install it with"
            f" `{install_command('postgres')}`, or set the key to sqlite",
            key="telemetry.store.backend",
        ) from None
    try:
        conninfo_to_dict(dsn)
    except ProgrammingError:
        # The error's text may contain the password.
        raise ConfigError(
            f"{key} is not a connection string of PostgreSQL: write postgresql://USER@HOST/DATABASE", key=key
        ) from None


def open_reader(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
    create: bool = False,
) -> TelemetryStore:
    """Return the configured store for a command that reads, prunes or imports; each call does its work at once.

    Runs whose process has died are marked as interrupted first.

        >>> import ael_otel
        >>> store = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
        >>> page = store.query(ael_otel.RunQuery(status="completed"))
        >>> [(run.workflow_name, run.status) for run in page.runs]
        [('triage', 'completed')]

    Args:
        settings: the configuration.
        environ: the environment; default that of the process.
        start: base folder of a relative path; default the working directory.
        create: create the store if there is none, to import into it.

    Raises:
        StoreNotFoundError: nothing has been recorded here yet.
        StoreError: it cannot be opened, a newer version wrote it, or it would be empty (memory).
    """
    if settings.store.backend == "memory":
        raise StoreError(
            "telemetry.store.backend is memory: runs are lost when their process ends; set sqlite to store them"
        )
    if skipped := skipped_folder(settings, environ=environ, start=start):
        logger.warning("%s", skipped)
    backend = _backend(settings, environ, start, create=create)
    with suppress(StoreBusyError):  # a reader need not be able to write
        backend.mark_interrupted()
    return backend


def open_database(settings: Settings, *, start: Path | None = None, create: bool = True) -> "SqlBackend":
    """Return the configured database, for data besides runs.

    Args:
        settings: the configuration.
        start: base folder of a relative path; default the working directory.
        create: create the database if there is none.

    Raises:
        StoreNotFoundError: there is no database, and `create` is False.
        StoreError: it cannot be opened, or a newer version wrote it.
    """
    return _backend(settings, None, start, create=create)


def _backend(
    settings: Settings, environ: Mapping[str, str] | None, start: Path | None, *, create: bool
) -> "SqlBackend":
    copies = _Mirrors(mirror_folder(settings, environ, start))
    if settings.store.backend == "postgresql":
        from ael_otel.store.postgresql import PostgresStore

        return PostgresStore(settings.store.dsn, copies=copies)
    from ael_otel.store.sqlite import SqliteStore

    path = locate(settings.store.path, environ=environ, start=start)
    return SqliteStore(path, create=create, copies=copies)


class _Mirrors:
    """The mirrors beside a store, including those that are no longer written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _all(self) -> "tuple[Copies, ...]":
        if not self._folder.is_dir():
            return ()
        from ael_otel.store.mirror import Mirror
        from ael_otel.store.rolling_mirror import RollingMirror

        return Mirror(self._folder), RollingMirror(self._folder)

    def remove(self, victims: "Sequence[Victim]") -> None:
        """Remove runs that have been pruned."""
        for each in self._all():
            each.remove(victims)

    def remove_before(self, us: int, last: Collection[str] = ()) -> None:
        """Remove all runs that started before this time, and those of `last`."""
        for each in self._all():
            each.remove_before(us, last)

    def delete(self, victims: "Sequence[Victim]") -> None:
        """Remove these runs now."""
        for each in self._all():
            each.delete(victims)


def mirror_folder(settings: Settings, environ: Mapping[str, str] | None, start: Path | None) -> Path:
    """Return the folder of the mirrors, which is beside the store's file."""
    sqlite = settings.store.backend == "sqlite"
    path = locate(settings.store.path if sqlite else DEFAULT_PATH, environ=environ, start=start)
    return path.parent / MIRROR_FOLDER
