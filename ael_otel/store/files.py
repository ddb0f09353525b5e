"""Write private files atomically, create private folders, and lock folders."""

import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from ael_otel.errors import AelOtelError


def write_file(path: Path, parts: Iterable[bytes]) -> int:
    """Write parts to a file atomically, readable by this user only; return the number of bytes.

    A device or a pipe is written to directly.

    Raises:
        AelOtelError: the file cannot be written; the message names it.
    """
    size = 0
    temporary = None
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe is written to: replacing it by a file would take it away from all its users.
            with path.open("wb") as file:
                return sum(file.write(part) for part in parts)
        target = path.resolve()  # a link is kept
        # In the same folder, so that it can be renamed; mkstemp makes it readable by its owner only.
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                size += file.write(part)
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise AelOtelError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
    return size


def make_private(folder: Path) -> None:
    """Create a folder that only this user can enter, and its parent folder."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, folder.parent):
            each.chmod(0o700)


def make_store_folder(folder: Path) -> None:
    """Create the folder of a run store if there is none: only this user can enter it, and Git ignores it."""
    if folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        folder.chmod(0o700)
    if folder.name == ".ael":
        # A telemetry store does not belong in a repository.
        with suppress(OSError):
            (folder / ".gitignore").write_text("*\n", "ascii")


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lock a folder against other processes; if files cannot be locked, the last writer wins."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
