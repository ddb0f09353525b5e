"""Ending telemetry in bounded time: all signals at once, on threads that exist before they are needed.

The SDK shuts its signals down one after the other, each waiting for a retry deadline: 14 to 16 s with the Collector
away. Threads are started early because Python 3.12.0 to 3.12.2 refuse to start any while the interpreter exits.
"""

import os
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Final

GRACE_SECONDS: Final = 0.2
"""What an aborted export may take to return after the deadline."""


class ParallelShutdown:
    """Runs closing functions side by side and stops waiting at a deadline.

    Args:
        closers: one function per signal; each may block, and may raise, which is ignored.
        aborts: functions that make blocked closers return (an exporter's `shutdown` ends its retries).
    """

    def __init__(self, closers: list[Callable[[], object]], aborts: list[Callable[[], object]]) -> None:
        self._closers = closers
        self._aborts = aborts
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._go = Event()
        self._done = [Event() for _ in self._closers]
        for index, closer in enumerate(self._closers):
            Thread(
                target=self._run,
                args=(closer, self._done[index]),
                name=f"ael-otel-shutdown-{index}",
                daemon=True,
            ).start()

    def run(self, timeout_s: float) -> bool:
        """Close everything; returns whether all closers ended within `timeout_s` seconds. A second call only waits."""
        if self._process != os.getpid():
            self._start()  # a forked child has none of the threads
        self._go.set()
        deadline = monotonic() + timeout_s
        finished = self._wait(deadline)
        if not finished:
            for abort in self._aborts:
                _quietly(abort)
            self._wait(monotonic() + GRACE_SECONDS)
        return finished

    def _wait(self, deadline: float) -> bool:
        for done in self._done:
            done.wait(max(0.0, deadline - monotonic()))
        return all(done.is_set() for done in self._done)

    def _run(self, closer: Callable[[], object], done: Event) -> None:
        self._go.wait()
        _quietly(closer)
        done.set()


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except Exception:
        return
