"""End the worker that a hook has started: it is not a child process of the test, so it has to be searched for."""

import os
import signal
from pathlib import Path

from tests.support.waiting import until


def stop_worker(home: Path, by: signal.Signals = signal.SIGTERM) -> int:
    """End the worker of a home folder and wait until it is gone; return how many there were."""
    ended = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_worker(entry, home):
            os.kill(int(entry.name), by)
            until(lambda entry=entry: not _is_worker(entry, home))  # type: ignore[misc]
            ended += 1
    return ended


def _is_worker(entry: Path, home: Path) -> bool:
    try:
        if b"session_worker" not in (entry / "cmdline").read_bytes():
            return False
        return f"AEL_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
