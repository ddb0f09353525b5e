"""Finding the store's file, the same for the engine that writes and for the command that reads."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "AEL_TELEMETRY_DB"
DEFAULT_PATH: Final = ".ael/telemetry.db"

__all__ = ["DEFAULT_PATH", "VARIABLE", "locate"]


def locate(
    path: str = DEFAULT_PATH, *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> Path:
    """Return the store's file, whether or not it exists yet.

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
        return here / wanted
    candidates = [folder / wanted for folder in (here, *here.parents)]
    home = os.path.expanduser("~")  # noqa: PTH111 - no error without a home: a container's arbitrary user has none
    at_home = None if home == "~" else Path(home) / wanted
    for candidate in (*candidates, *([] if at_home is None else [at_home])):
        # `Path.is_file` raises where a folder may not be searched: what cannot be seen is passed over.
        if os.path.isfile(candidate):  # noqa: PTH113
            return candidate
    return candidates[0] if at_home is None or _can_make(candidates[0]) else at_home


def _can_make(path: Path) -> bool:
    folder = path.parent
    while not os.path.exists(folder):  # noqa: PTH110 - no error where it cannot be seen
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
