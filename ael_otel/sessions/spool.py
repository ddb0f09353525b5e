"""The spool that `ael-hook` fills: one small file per event, read oldest first and deleted after it is stored."""

import json
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from ael_otel.core.faults import pause
from ael_otel.sessions.agents import events_of, spooled_of
from ael_otel.sessions.events import SessionEvent
from ael_otel.store.files import make_store_folder, write_file

MAX_FILE: Final = 512 * 1024
"""Maximum bytes of one file; `ael-hook` does not write larger ones."""

MAX_DEAD: Final = 1_000
_STALE_S: Final = 3600.0
_ATTEMPTS: Final = 5


class Batch(NamedTuple):
    """Events of some files of the spool, the files, and those that contain no event."""

    events: list[SessionEvent]
    files: list[Path]
    bad: list[Path]


class Spool:
    """The spool below a home folder of hooks.

    Args:
        home: `ael_hook.home_folder()`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "spool"
        self._new = self.folder / "new"

    def batch(self, limit: int) -> Batch:
        """Read the oldest files of the spool, at most `limit`."""
        events: list[SessionEvent] = []
        files: list[Path] = []
        bad: list[Path] = []
        for path in self._oldest(limit):
            try:
                events += events_of(spooled_of(_read(path)))
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                bad.append(path)
            else:
                files.append(path)
        return Batch(events, files, bad)

    def waits(self) -> bool:
        """Return whether the spool has files."""
        return bool(self._oldest(1))

    def counted(self, name: str) -> int:
        """Return a counter of hooks for something that they could not do: the size of a file."""
        try:
            return (self.folder / name).stat().st_size
        except OSError:
            return 0

    def remove(self, files: Iterable[Path]) -> None:
        """Delete files whose events are stored."""
        for path in files:
            with suppress(OSError):
                path.unlink()

    def bury(self, files: Iterable[Path]) -> None:
        """Delete files that contain no event, and write a dead letter without values for each."""
        dead = self.folder / "dead"
        with suppress(OSError):
            make_store_folder(dead)
            if len(os.listdir(dead)) < MAX_DEAD:  # noqa: PTH208 - names only
                for path in files:
                    write_file(
                        dead / path.name, [json.dumps({"v": 1, "why": "not written by ael-hook"}).encode()]
                    )
        self.remove(files)

    def sweep(self, now_s: float) -> None:
        """Delete files that a killed hook left incomplete, after an hour."""
        with suppress(OSError):
            for entry in os.scandir(self.folder / "tmp"):
                with suppress(OSError):
                    if now_s - entry.stat(follow_symlinks=False).st_mtime > _STALE_S:
                        Path(entry.path).unlink()

    @contextmanager
    def lock(self) -> Generator[bool]:
        """Hold the lock of the worker; yield False if another worker holds it."""
        make_store_folder(self.folder)
        file = os.open(self.folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _locked(file)
        finally:
            os.close(file)

    def _oldest(self, limit: int) -> list[Path]:
        try:
            names = sorted(
                entry.name for entry in os.scandir(self._new) if entry.is_file(follow_symlinks=False)
            )
        except OSError:
            return []
        return [self._new / name for name in names[:limit]]


def _locked(file: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True  # Windows: even two workers at once store nothing twice
    for _ in range(_ATTEMPTS):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        pause(0.02)  # a hook that checks for a worker holds it for a moment
    return False


def _read(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        ValueError: it is too large, or is not a regular file of this user.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(file, "rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ValueError("too large for an event")
    return data
