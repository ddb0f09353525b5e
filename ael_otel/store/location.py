"""Find the store's file, in the same way for the engine that writes and for the command that reads."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ael_otel.errors import ConfigError

VARIABLE: Final = "AEL_TELEMETRY_DB"
DEFAULT_PATH: Final = ".ael/telemetry.db"
_NO_FOLDER: Final = "is not a folder"

__all__ = ["DEFAULT_PATH", "VARIABLE", "Location", "find_store", "locate", "refuse_address"]


class Location(NamedTuple):
    """The store's file, and a warning about a folder that was skipped although it may contain the store, or None."""

    path: Path
    skipped: str | None = None


def locate(
    path: str = DEFAULT_PATH, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> Path:
    """Return the store's file, whether or not it exists yet; arguments as in `find_store`."""
    return find_store(path, environ=environ, start=start).path


def find_store(
    path: str = DEFAULT_PATH, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> Location:
    """Return where the store is, whether or not it exists yet.

    `AEL_TELEMETRY_DB` takes precedence. A relative path is looked up in the working directory and its parent folders,
    as Git does with its repository, then in the home directory. If the file exists in none of them, the result is the
    one in the working directory, or in the home directory if the working directory cannot be written.

    Args:
        path: `telemetry.store.path`.
        environ: the environment; default that of the process.
        start: folder in which to begin; default the working directory.

    Raises:
        ConfigError: `AEL_TELEMETRY_DB` is the address of a database.
    """
    environ = os.environ if environ is None else environ
    refuse_address(environ)
    wanted = Path(os.path.expanduser(environ.get(VARIABLE) or path))  # noqa: PTH111 - no error without a home
    here = (start or Path.cwd()).absolute()
    if wanted.is_absolute() or environ.get(VARIABLE):
        return Location(here / wanted)
    candidates = [folder / wanted for folder in (here, *here.parents)]
    home = os.path.expanduser("~")  # noqa: PTH111 - no error without a home: a container's arbitrary user has none
    at_home = None if home == "~" else Path(home) / wanted
    closed: list[Path] = []
    for candidate in (*candidates, *([] if at_home is None else [at_home])):
        # `Path.is_file` raises if a folder may not be searched: such a folder is skipped.
        if os.path.isfile(candidate):  # noqa: PTH113
            return _location(candidate, closed)
        if len(wanted.parts) > 1 and not _may_look(candidate.parent):
            closed.append(candidate.parent)
    first = candidates[0]
    if at_home is None or _can_make(first):
        return _location(first, closed)
    if len(wanted.parts) > 1 and os.path.lexists(first.parent):
        closed.insert(0, first.parent)
    return _location(at_home, closed)


def refuse_address(environ: Mapping[str, str]) -> None:
    """Raise an error if `AEL_TELEMETRY_DB` is the address of a database; otherwise do nothing.

    Raises:
        ConfigError: it is an address. The message does not quote it, because an address may contain a password.
    """
    if environ.get(VARIABLE, "").lower().startswith(("postgresql:", "postgres:")):
        raise ConfigError(
            f"{VARIABLE}: it names the file of a SQLite store, not a database: unset it, and set"
            " telemetry.store.backend to postgresql and telemetry.store.dsn to the address"
        )


def _location(path: Path, closed: list[Path]) -> Location:
    """Return the location, with a warning about the first folder that could not be used if another one is used."""
    folder = next((each for each in closed if each != path.parent), None)
    if folder is None:
        return Location(path)
    fault = _fault(folder)
    remedy = "move it away" if fault == _NO_FOLDER else "make the folder this user's"
    return Location(
        path,
        f"{folder} {fault}; the run store is {path} instead: {remedy}, or set {VARIABLE} or telemetry.store.path",
    )


def _fault(folder: Path) -> str:
    if not os.path.isdir(folder):  # noqa: PTH112 - no error where it cannot be seen
        return _NO_FOLDER
    with suppress(OSError, AttributeError):  # Windows has no user ids
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            return f"belongs to another user (uid {owner})"
    return "cannot be used by this user"


def _may_look(folder: Path) -> bool:
    """Return whether this user can list a folder; True if nothing has that name."""
    return not os.path.lexists(folder) or (os.path.isdir(folder) and os.access(folder, os.X_OK))  # noqa: PTH112


def _can_make(path: Path) -> bool:
    folder = path.parent
    while not os.path.exists(folder):  # noqa: PTH110 - no error where it cannot be seen
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
