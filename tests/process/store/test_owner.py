"""The owner of a run after its process has ended."""

import os
import subprocess
import sys

from ael_otel.store.owner import is_gone, now_us, this_process


def _changed(position: int, value: str) -> str:
    parts = this_process().split("/")
    parts[position] = value
    return "/".join(parts)


def test_ended_process_counts_as_ended_before_and_after_wait() -> None:
    """Proves that neither a zombie nor a free pid counts as running."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = _changed(3, str(child.pid))
    with open(f"/proc/{child.pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - the system's own file
        start = file.read().rpartition(")")[2].split()[19]
    owner = owner.rpartition("/")[0] + f"/{start}"
    assert not is_gone(owner, 0, now_us())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(owner, 0, now_us()), "a zombie"
    child.wait()
    assert is_gone(owner, 0, now_us())
