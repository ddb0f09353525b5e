"""Determine which process executes a run, and whether it is alive, for runs whose process ended before they did."""

import os
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from ael_otel.store.records import INTERRUPTED, ErrorRecord, ExecutionRecord
from ael_otel.store.times import DAY_US

FOREIGN_US = DAY_US
"""Age after which a run on a machine or in a container that is not visible from here counts as interrupted."""


def this_process() -> str:
    """Return `host/boot/namespace/pid/start`; boot and start distinguish a process from a later one with its pid."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(owner: str, started_us: int, now_us: int) -> bool:
    """Return whether the process `owner` has ended; if it is not visible from here, True after a day."""
    host, _, rest = owner.partition("/")
    boot, _, rest = rest.partition("/")
    namespace, _, rest = rest.partition("/")
    pid, _, start = rest.partition("/")
    my_host, my_boot, my_namespace = _place().split("/")
    if not pid.isdigit() or host != my_host:
        return now_us - started_us > FOREIGN_US
    if boot != my_boot:
        return True
    if namespace != my_namespace:
        return now_us - started_us > FOREIGN_US
    return not _runs(int(pid)) or _started(int(pid)) != start


def interrupt(record: ExecutionRecord) -> ExecutionRecord:
    """Return a run with everything in flight in it marked as ended with its process, at an unknown time."""
    error = ErrorRecord(
        INTERRUPTED, "workflow_engine", "the process that ran it ended before the run did", retryable=True
    )
    record.status, record.error = "failed", error
    for step in record.steps:
        if step.status in ("pending", "running"):
            step.status, step.error = "failed", error
    for call in (*record.tool_calls, *(call for step in record.steps for call in step.tool_calls)):
        if call.status == "running":
            call.status, call.error = "error", error
    return record


@lru_cache(maxsize=1)
def _place() -> str:
    import socket

    return f"{socket.gethostname().replace('/', '-')}/{_boot()}/{_namespace()}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        import subprocess

        try:
            done = subprocess.run(
                ["sysctl", "-n", "kern.bootsessionuuid"],
                capture_output=True,
                text=True,
                timeout=2,
                check=True,
            )
            return done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return "-"


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:").strip("[]")
    except OSError:
        return "-"


def _runs(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill would terminate it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(pid: int) -> str:
    try:
        # The name in parentheses may contain anything; the start is the 20th word after it.
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return "-"
    # A zombie: the process has ended, but its parent has not waited for it yet.
    return "ended" if state[0] in "ZX" else state[19]


def now_us() -> int:
    """Return the current time in the store's unit, microseconds."""
    return int(datetime.now(UTC).timestamp() * 1e6)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_place.cache_clear)
