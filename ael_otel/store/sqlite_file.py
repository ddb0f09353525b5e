"""Detect that the file of an open SQLite store was deleted, replaced or overwritten.

SQLite does not notice any of these: it writes to the deleted file until the process ends, or mixes a file that was
copied over the open one with its own write-ahead log. Two checks before each transaction detect them, in microseconds:

- device and inode of the file and of its log are still those that were opened (otherwise it was deleted or renamed
over);
- the file itself, without the log, still contains the mark that every transaction writes: a random id of the store and
  a generation. Another id, or a generation older than one read from the file before, means that a copy was written over
  it. A copy with the same generation has the same pages, and the log fits it.
"""

import os
import re
import secrets
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from ael_otel.errors import StoreBusyError

SETTLED_S: Final = 0.3
"""Minimum seconds since the last change of a replaced file: a copy that is still being written cannot be opened."""

_KEY: Final = "generation"
_MARK: Final = re.compile(rb"ael-generation-(\d{15})-([0-9a-f]{16})")
_CAN_PEEK: Final = hasattr(os, "pread")


class Mark(NamedTuple):
    """The mark of a store: a counter of its transactions, and a random id."""

    generation: int
    store: str

    def __str__(self) -> str:
        return f"ael-generation-{self.generation:015d}-{self.store}"


class OpenFile:
    """The state of the file behind an open connection, at the time when it was opened.

    Args:
        path: the file.
        connection: the connection to it, outside any transaction.
        writes: whether the connection writes: only then is the mark written and checked.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writes: bool) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._file_id = _identity(path)
        self._log_id = _identity(self._log) if writes else None
        self._page = self._page_size = 0
        self._handle: int | None = None
        self._mark: Mark | None = None
        self._in_file: Mark | None = None
        if writes and _CAN_PEEK and self._file_id is not None:
            self._handle = _borrow(path, self._file_id)
            try:
                self._locate_mark(connection)
            except sqlite3.OperationalError:
                self.release()
                raise
            except sqlite3.DatabaseError:
                self.release()  # the page of the mark is damaged; the rest of the store can still be used

    def _locate_mark(self, connection: sqlite3.Connection) -> None:
        self._page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        (self._page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ael_meta' AND type = 'table'"
        ).fetchone()
        self._mark = _stored_mark(connection)
        if self._mark is not None:
            self._in_file = self._peek()

    def begin_generation(self, connection: sqlite3.Connection) -> None:
        """Write the next mark; call this in each transaction that writes."""
        if self._handle is None:
            return
        before = _stored_mark(connection)
        self._mark = Mark(before.generation + 1, before.store) if before else Mark(1, secrets.token_hex(8))
        connection.execute(
            "INSERT INTO ael_meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_KEY, str(self._mark)),
        )

    def fault(self) -> str | None:
        """Return how the file differs from the one that was opened, None if it does not."""
        now = _identity(self._path)
        if now is None:
            return "its file was deleted"
        if now != self._file_id:
            return "its file was replaced by another one"
        if self._log_id is not None and _identity(self._log) != self._log_id:
            return "its log was deleted"
        if self._mark is None:
            return None
        found = self._peek()
        if self._follows(found):
            self._in_file = found
            return None
        return "a copy was written over its file"

    def _follows(self, found: Mark | None) -> bool:
        """Return whether the file may contain this mark: a checkpoint advances it, only other content sets it back."""
        before, mine = self._in_file, self._mark
        if found is None:
            return before is None
        return mine is None or (
            found.store == mine.store and (before is None or found.generation >= before.generation)
        )

    def _peek(self) -> Mark | None:
        """Return the mark in the file itself, None if no transaction has reached it yet."""
        assert self._handle is not None
        page = os.pread(self._handle, self._page_size, (self._page - 1) * self._page_size)
        found = [Mark(int(each[1]), each[2].decode()) for each in _MARK.finditer(page)]
        return max(found, default=None)

    def remove_stale_log(self) -> bool:
        """Remove the log if it was written for another content of the file; return whether it was.

        Call this after the connection is closed: SQLite would apply that log to the current file.

        Raises:
            StoreBusyError: the file is still being written.
        """
        with suppress(OSError):
            if 0 <= time.time() - self._path.stat().st_mtime < SETTLED_S:
                raise StoreBusyError(f"{self._path} is being replaced")
        if self._log_id is None or self._mark is None:
            return False
        with _locked(self._path.parent):
            if _identity(self._log) != self._log_id or self._follows_alone():
                return False
            for name in ("-wal", "-shm"):
                Path(f"{self._path}{name}").unlink(missing_ok=True)
        return True

    def _follows_alone(self) -> bool:
        """Return whether the file without its log belongs to the store that was opened."""
        if not self._path.exists():
            return False
        try:
            alone = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            return False
        try:
            return self._follows(_stored_mark(alone))
        except sqlite3.Error:
            return self._in_file is None and self._file_id == _identity(self._path)
        finally:
            alone.close()

    def release(self) -> None:
        """Close the file handle; call this after the connection is closed."""
        if self._handle is not None and self._file_id is not None:
            self._handle = None
            _give_back(self._file_id)


def _stored_mark(connection: sqlite3.Connection) -> Mark | None:
    found = connection.execute("SELECT value FROM ael_meta WHERE key = ?", (_KEY,)).fetchone()
    mark = None if found is None else _MARK.fullmatch(str(found[0]).encode())
    return None if mark is None else Mark(int(mark[1]), mark[2].decode())


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None if the file does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, before each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


# Closing any handle of a file releases this process's POSIX locks on it, including SQLite's: there is one handle per
# file, shared by all stores of the process and closed after the last one's connection.
_handles: dict[tuple[int, int], tuple[int, int]] = {}
_lock: Final = Lock()


def _borrow(path: Path, identity: tuple[int, int]) -> int:
    with _lock:
        handle, users = _handles.get(identity, (-1, 0))
        if not users:
            handle = os.open(path, os.O_RDONLY)
        _handles[identity] = handle, users + 1
        return handle


def _give_back(identity: tuple[int, int]) -> None:
    with _lock:
        handle, users = _handles.pop(identity)
        if users > 1:
            _handles[identity] = handle, users - 1
        else:
            os.close(handle)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lock the folder against other processes that do the same; if files cannot be locked, no lock is acquired."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
