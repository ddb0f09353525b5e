"""Writing a file that appears whole or not at all, for its owner only; folders for the same, and locks on them."""

import os
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from ael_otel.errors import AelOtelError


def write_file(path: Path, parts: Iterable[bytes]) -> int:
    """Write parts to a file that only this user can read; it appears whole or not at all. Returns its bytes.

    A device or a pipe takes them as they come.

    Raises:
        AelOtelError: it cannot be written; the message names it.
    """
    size = 0
    temporary = None
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe is written to; putting a file in its place would take it away from everybody.
            with path.open("wb") as file:
                return sum(file.write(part) for part in parts)
        target = path.resolve()  # a link stays one
        # Beside the file, so that it can be renamed; mkstemp makes it readable for its owner only.
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
    """Make a folder that only this user can enter, with the folder that it is in."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, folder.parent):
            each.chmod(0o700)


def make_store_folder(folder: Path) -> None:
    """Make the folder of a run store, if there is none, so that only this user can enter it and git leaves it alone."""
    if folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        folder.chmod(0o700)
    if folder.name == ".ael":
        # A telemetry store does not belong into a repository.
        with suppress(OSError):
            (folder / ".gitignore").write_text("*\n", "ascii")


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep other processes from what is in a folder; where files cannot be locked, the last writer wins."""
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
