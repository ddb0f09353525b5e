"""Opening the store that the settings name: to feed it, or to read it."""

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
from ael_otel.store.location import DEFAULT_PATH, VARIABLE, find_store, locate
from ael_otel.store.protocol import TelemetryStore
from ael_otel.version import install_command

if TYPE_CHECKING:
    from ael_otel.store.background_writer import OnDrop
    from ael_otel.store.database import Copies, Victim
    from ael_otel.store.sql import SqlBackend

MIRROR_FOLDER: Final = "traces"

_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EINTR})
"""Errors that may be gone when a run is to be kept."""


def open_store(
    settings: Settings,
    *,
    on_drop: "OnDrop | None" = None,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> TelemetryStore:
    """Return the configured store for a process that runs workflows: fed in the background, kept in order by itself.

    It returns at once and raises nothing: what goes wrong later is logged and counted.

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
        on_drop: called with how many runs were lost and why.
        environ: the environment (`AEL_TELEMETRY_DB`); default that of the process.
        start: where a relative path begins; default the working directory.
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
        folder, form = _mirror_folder(settings, environ, start), settings.store.mirror_form
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
    """Return a line on a folder that may hold the store and that this user cannot use, None if there is none.

    It names that folder, the store that is used instead, and what to set.
    """
    if settings.store.backend != "sqlite":
        return None
    return find_store(settings.store.path, environ=environ, start=start).skipped


def refuse_unusable(
    settings: Settings, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> None:
    """Check before the first run that the configured store can keep it.

    A server that is away or a disk that is full is no reason: both can change, and runs wait for it.

    Args:
        settings: the configuration.
        environ: the environment; default that of the process.
        start: where a relative path begins; default the working directory.

    Raises:
        ConfigError: PostgreSQL without a usable `dsn` or without its driver; a file or folder that is not one or that
            this user cannot write. The message names the key and what to do.
    """
    if not settings.enabled or settings.store.backend == "memory":
        return
    if settings.store.backend == "postgresql":
        _refuse_unusable_dsn(settings.store.dsn)
        return
    environ = os.environ if environ is None else environ
    key = VARIABLE if environ.get(VARIABLE) else "telemetry.store.path"
    path = locate(settings.store.path, environ=environ, start=start)
    folder = path.parent
    # Not `Path.exists`, which raises where a folder may not be searched.
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
        wrong = f"the folder {folder} takes no file ({fault}): choose a path in one that does"
    else:
        return
    file = "" if key == VARIABLE else f"{VARIABLE} to a file, or "
    raise ConfigError(
        f"{key}: {wrong} (or set {file}telemetry.store.backend to memory to keep no runs)", key=key
    )


def _may_enter(folder: Path) -> bool:
    """Return whether this user can see what is in a folder; True where there is no such folder."""
    return not os.path.isdir(folder) or os.access(folder, os.X_OK)  # noqa: PTH112 - no error where it cannot be seen


def _not_a_file(path: Path) -> str | None:
    """Return what is in the place of the store that SQLite cannot open, such as a pipe, which it would wait for."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "is a symbolic link that leads to itself" if error.errno == errno.ELOOP else None
    return None if stat.S_ISREG(mode) else "is not a regular file"


def _takes_no_file(folder: Path) -> str | None:
    """Return why a folder refuses a new file although its mode allows one, as /proc does; None on a full disk."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return None if error.errno in _PASSING else error.strerror or str(error)


def _read_only(folder: Path) -> bool:
    """Return whether nobody can write to the file system of a folder; False where that cannot be asked."""
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
        # The error's text may show the password.
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
    """Return the configured store for a command that looks, prunes or imports; each call does its work at once.

    Runs whose process has died are marked first.

        >>> import ael_otel
        >>> store = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
        >>> page = store.query(ael_otel.RunQuery(status="completed"))
        >>> [(run.workflow_name, run.status) for run in page.runs]
        [('triage', 'completed')]

    Args:
        settings: the configuration.
        environ: the environment; default that of the process.
        start: where a relative path begins; default the working directory.
        create: make the store if there is none, to import into it.

    Raises:
        StoreNotFoundError: nothing has been recorded here yet.
        StoreError: it cannot be opened, a newer version wrote it, or it would be empty (memory).
    """
    if settings.store.backend == "memory":
        raise StoreError(
            "telemetry.store.backend is memory: runs end with the process that ran them; set sqlite to keep them"
        )
    if skipped := skipped_folder(settings, environ=environ, start=start):
        logger.warning("%s", skipped)
    backend = _backend(settings, environ, start, create=create)
    with suppress(StoreBusyError):  # who only looks need not be able to write
        backend.mark_interrupted()
    return backend


def _backend(
    settings: Settings, environ: Mapping[str, str] | None, start: Path | None, *, create: bool
) -> "SqlBackend":
    copies = _Mirrors(_mirror_folder(settings, environ, start))
    if settings.store.backend == "postgresql":
        from ael_otel.store.postgresql import PostgresStore

        return PostgresStore(settings.store.dsn, copies=copies)
    from ael_otel.store.sqlite import SqliteStore

    path = locate(settings.store.path, environ=environ, start=start)
    return SqliteStore(path, create=create, copies=copies)


class _Mirrors:
    """The mirrors beside a store, kept in step also where they are not written any more."""

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


def _mirror_folder(settings: Settings, environ: Mapping[str, str] | None, start: Path | None) -> Path:
    """Return where the mirrors beside the store's file are."""
    sqlite = settings.store.backend == "sqlite"
    path = locate(settings.store.path if sqlite else DEFAULT_PATH, environ=environ, start=start)
    return path.parent / MIRROR_FOLDER
