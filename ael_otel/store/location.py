"""Finding the store's file, the same for the engine that writes and for the command that reads."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "AEL_TELEMETRY_DB"
DEFAULT_PATH: Final = ".ael/telemetry.db"
_NO_FOLDER: Final = "is not a folder"

__all__ = ["DEFAULT_PATH", "VARIABLE", "Location", "find_store", "locate"]


class Location(NamedTuple):
    """The store's file, and a line on a folder that was skipped although it may hold the store; None if none was."""

    path: Path
    skipped: str | None = None


def locate(
    path: str = DEFAULT_PATH, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> Path:
    """Return the store's file, whether or not it exists yet; arguments as for `find_store`."""
    return find_store(path, environ=environ, start=start).path


def find_store(
    path: str = DEFAULT_PATH, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> Location:
    """Return where the store is, whether or not it exists yet.

    `AEL_TELEMETRY_DB` wins. A relative path is looked for in the working directory and the folders above it, as git
    looks for its own, then in the home directory. Where none exists, it is the one in the working directory, or in
    the home directory if that cannot be written.

    Args:
        path: `telemetry.store.path`.
        environ: the environment; default that of the process.
        start: where to begin; default the working directory.
    """
    environ = os.environ if environ is None else environ
    wanted = Path(os.path.expanduser(environ.get(VARIABLE) or path))  # noqa: PTH111 - no error without a home
    here = (start or Path.cwd()).absolute()
    if wanted.is_absolute() or environ.get(VARIABLE):
        return Location(here / wanted)
    candidates = [folder / wanted for folder in (here, *here.parents)]
    home = os.path.expanduser("~")  # noqa: PTH111 - no error without a home: a container's arbitrary user has none
    at_home = None if home == "~" else Path(home) / wanted
    closed: list[Path] = []
    for candidate in (*candidates, *([] if at_home is None else [at_home])):
        # `Path.is_file` raises where a folder may not be searched: what cannot be seen is passed over.
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


def _location(path: Path, closed: list[Path]) -> Location:
    """Return the location with a line on the first folder that could not be used, if that is another one."""
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
    """Return whether this user can see what is in a folder; True where there is nothing of that name."""
    return not os.path.lexists(folder) or (os.path.isdir(folder) and os.access(folder, os.X_OK))  # noqa: PTH112


def _can_make(path: Path) -> bool:
    folder = path.parent
    while not os.path.exists(folder):  # noqa: PTH110 - no error where it cannot be seen
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
