"""End telemetry in bounded time: all signals in parallel, on threads that are started before they are needed.

The SDK shuts its signals down one after the other, each waiting for a retry deadline: 14 to 16 s without a Collector.
Threads are started early because Python 3.12.0 to 3.12.2 refuse to start one while the interpreter exits.
"""

import os
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Final

GRACE_SECONDS: Final = 0.1
"""Seconds before the deadline at which exports are aborted, so that they have returned by then."""

GRACE_SHARE: Final = 0.25
"""The same as a maximum share of a short time-out."""


class ParallelShutdown:
    """Runs closing functions in parallel and stops waiting at a deadline.

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
        """Close everything; return whether all closers returned without an abort within `timeout_s` seconds.

        The aborts are called `grace_of(timeout_s)` before that. A second call only waits.
        """
        if self._process != os.getpid():
            self._start()  # a forked child does not have the threads
        self._go.set()
        deadline = monotonic() + timeout_s
        finished = self._wait(deadline - self.grace_of(timeout_s))
        if not finished:
            for abort in self._aborts:
                _quietly(abort)
            self._wait(deadline)
        return finished

    def grace_of(self, timeout_s: float) -> float:
        """Return how many seconds of a time-out are for closers that have been aborted."""
        return min(GRACE_SECONDS, timeout_s * GRACE_SHARE) if self._aborts else 0.0

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
