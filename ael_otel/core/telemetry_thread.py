"""Bounded queues of notes, each with one thread that processes them, for work that the caller's thread need not do.

The caller appends an immutable note; redaction, formatting and writing happen on the thread, in batches and in the
order of the calls. A full queue never blocks: it drops by reason (`submit`), or leaves the work to the caller
(`offer`). The invariant is that of the other queues: accepted = delivered + dropped + pending, at any time.

A process has two queues: one for log lines, and one for the content and the ends of runs, which are stored even if the
stream of log lines is blocked.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from threading import Condition, RLock, Thread, get_ident
from time import monotonic
from typing import Any, Final, Protocol

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import fault_barrier, pause
from ael_otel.core.metrics import Level
from ael_otel.privacy import turns

MAX_NOTES: Final = 16_384
MAX_BYTES: Final = 32 * 1024 * 1024
"""Maximum notes and bytes queued before the configuration is read (`limits.note_items`, `limits.note_mb`).

A note beyond either is dropped (`queue_full`).
"""

RESERVE: Final = 64
"""Notes beyond `MAX_NOTES`, reserved for the event that reports dropped notes."""

GATHER_SECONDS: Final = 0.05
"""Seconds that the first note waits for others; a kill of an idle process loses the notes of this time."""

HURRY: Final = 512
"""From this number of notes on, the thread does not wait."""

SLICE: Final = 8
"""Notes processed before the thread yields: less than half a millisecond of the GIL."""

RUN_SLICE: Final = 4
"""The same for values of runs, each of which takes longer."""

GIVE_WAY_SECONDS: Final = 0.0001
"""Seconds the thread sleeps after each millisecond of work on a long value: with less, it would run next again."""

FLUSH_SECONDS: Final = 2.0
"""Seconds that the exit of a process waits for notes to be processed."""

FORK_SECONDS: Final = 0.2
"""Seconds that a fork waits for the current batch, so that the child inherits no half-written stream."""


class Consumer[Note](Protocol):
    """Processes notes; called by one thread at a time."""

    def take(self, notes: Sequence[Note], /) -> None:
        """Process notes in order; if it raises, all of them are dropped (`internal`)."""
        ...

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Count notes that were dropped; called without a lock held."""
        ...


class WorkLock:
    """A re-entrant lock that a thread holds while it works, and that a fork waits for, 0.2 s at most.

    Otherwise a forked child would inherit half-done work, with locks that no thread of the child releases. The owner of
    the lock registers the hooks with `os.register_at_fork`; the child creates a new lock.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._forking: set[int] = set()

    def acquire(self, timeout: float = -1) -> bool:
        """Acquire the lock like `threading.RLock`; return whether that succeeded within `timeout` seconds."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def __enter__(self) -> None:
        """Acquire the lock."""
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._lock.release()

    def before_fork(self) -> None:
        """Wait for the current work."""
        if self._lock.acquire(timeout=FORK_SECONDS):
            self._forking.add(get_ident())

    def after_fork_in_parent(self) -> None:
        """Let the work continue."""
        if get_ident() in self._forking:
            self._forking.discard(get_ident())
            self._lock.release()


class TelemetryThread:
    """Bounded queue with a thread that starts with the first note, and again in a forked child.

    Args:
        max_notes: maximum notes queued.
        max_bytes: maximum bytes queued.
        gather_s: seconds that the first note waits for others.
        notes_at_once: notes processed before the thread yields.
        name: the thread's name.
        alarm: called by the thread after it has processed notes, and when the number of seconds that it returned has
            passed; with None the thread only waits for notes.
    """

    def __init__(
        self,
        *,
        max_notes: int = MAX_NOTES,
        max_bytes: int = MAX_BYTES,
        gather_s: float = GATHER_SECONDS,
        notes_at_once: int = SLICE,
        name: str = "ael-telemetry",
        alarm: Callable[[], float | None] | None = None,
    ) -> None:
        self._max_notes = max_notes
        self._max_bytes = max_bytes
        self._gather_s = gather_s
        self._notes_at_once = notes_at_once
        self._name = name
        self._alarm = alarm
        self._finalized_in = 0
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Start empty, also in a forked child: notes in the parent's queue are left to the parent."""
        # Re-entrant, since a signal handler or a finalizer may log in the middle of a call.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._working = WorkLock()
        self._notes: deque[tuple[Consumer[Any], Any, int]] = deque()
        self._bytes = 0
        self._in_hand = 0
        self._in_hand_bytes = 0
        self._busy = False
        self._waiting = False
        self._hurry = False
        self._rings_at: float | None = None
        self._worker: Thread | None = None
        self.accepted = 0
        self.delivered = 0
        self.dropped = 0

    def limit(self, max_notes: int, max_bytes: int) -> None:
        """Set the maximum notes and bytes, as the configuration says."""
        with self._changed:
            self._max_notes, self._max_bytes = max_notes, max_bytes

    # --- callers ------------------------------------------------------------------------------------------------------

    def submit[Note](
        self, consumer: Consumer[Note], note: Note, size: int, *, reserved: bool = False
    ) -> bool:
        """Queue a note of `size` bytes for `consumer`; return False, and count a drop, if the queue is full.

        `reserved` is for the report of drops, for which `RESERVE` places are kept free. If no thread can be started,
        the caller does the work.
        """
        with self._lock:
            started = self._append(consumer, note, size, RESERVE if reserved else 0)
            if started is None:
                self.accepted += 1
                self.dropped += 1
        if started is None:
            consumer.dropped("queue_full", 1)
        elif not started:
            self.drain()
        return started is not None

    def offer[Note](self, consumer: Consumer[Note], note: Note, size: int) -> bool:
        """Queue a note like `submit`, but count nothing if the queue is full: the caller then does the work."""
        with self._lock:
            started = self._append(consumer, note, size, 0)
        if started is False:
            self.drain()
        return started is not None

    def _append(self, consumer: Consumer[Any], note: Any, size: int, reserve: int) -> bool | None:
        """Queue a note; the caller holds the lock.

        Returns:
            Whether a thread works on it; None if the queue is full.
        """
        notes = self._notes
        count = len(notes)
        held = count + self._in_hand
        full = held >= self._max_notes or self._bytes + self._in_hand_bytes + size > self._max_bytes
        if full and (not reserve or held >= self._max_notes + reserve):
            return None
        self.accepted += 1
        notes.append((consumer, note, size))
        self._bytes += size
        if self._waiting and count in (0, HURRY):
            self._changed.notify_all()
        return self._worker is not None or self._start()

    def _start(self) -> bool:
        if self._closed:
            return False
        worker = Thread(target=self._work, name=self._name, daemon=True)
        try:
            worker.start()
        except RuntimeError:  # the interpreter is exiting, or the process has reached its limit of threads
            return False
        self._worker = worker
        self._flush_when_multiprocessing_ends()
        return True

    def _flush_when_multiprocessing_ends(self) -> None:
        """Process notes at the exit of a `multiprocessing` child, which runs only the finalizers of that module."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and self._finalized_in != os.getpid():
            self._finalized_in = os.getpid()
            util.Finalize(None, lambda: self.flush(FLUSH_SECONDS), exitpriority=-1000)

    @property
    def pending(self) -> int:
        """How many notes are queued or being processed."""
        with self._changed:
            return len(self._notes) + self._in_hand

    @property
    def level(self) -> Level:
        """The fill level with notes in progress; read without a lock, so it may be off by one note."""
        items, size = len(self._notes) + self._in_hand, self._bytes + self._in_hand_bytes
        return Level(items, size, min(1.0, max(items / self._max_notes, size / self._max_bytes)))

    def flush(self, timeout_s: float) -> bool:
        """Process on the thread what is queued now; return whether all of it was done within `timeout_s` seconds.

        Without a thread the caller does it. A flush from within a consumer returns False at once.
        """
        changed = self._changed
        with changed:
            worker = self._worker
            if worker is not None and worker.is_alive() and worker.ident != get_ident():
                target = self.accepted
                self._hurry = True
                changed.notify_all()
                return changed.wait_for(lambda: self._settled >= target, timeout_s)
        return self.drain(timeout_s)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Process what is queued now, on the caller's thread.

        Returns False if that, or a batch of another thread before it, is not done within `timeout_s` seconds (None: no
        limit), or if the caller is a consumer at work: then its note is processed next.
        """
        target = self.accepted
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while self._settled < target:
            left = None if deadline is None else deadline - monotonic()
            if (left is not None and left <= 0) or not self._step(left):
                break
        return self._settled >= target

    def close(self, timeout_s: float) -> bool:
        """Flush and end the thread; later callers of `submit` do the work. Return whether time sufficed.

        For a private queue: that of the process lives as long as the process.
        """
        done = self.flush(timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return done

    @property
    def _settled(self) -> int:
        return self.delivered + self.dropped

    # --- the work -----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Wait for notes and process them, as long as the process has not forked."""
        changed = self._changed
        try:
            while True:
                with changed:
                    while not self._notes and not self._rings():
                        if self._closed:
                            # Under the lock: from now on the next caller of `submit` does the work.
                            self._worker = None
                            return
                        self._hurry = False
                        self._waiting = True
                        changed.wait(
                            None if self._rings_at is None else max(0.0, self._rings_at - monotonic())
                        )
                    if self._notes and not self._hurry and not self._closed and len(self._notes) < HURRY:
                        self._waiting = True
                        changed.wait(self._gather_s)
                    self._waiting = False
                turns.begin(self._give_way)
                while self._step(None):
                    # Another thread waits up to 5 ms for the GIL otherwise.
                    if self._notes:
                        self._give_way()
                    else:
                        pause(0)
                    turns.begin(self._give_way)
                if self._alarm is not None and changed is self._changed:
                    self._ring(self._alarm)
        finally:
            if changed is self._changed:
                self._worker = None

    def _give_way(self) -> None:
        """Let other threads run, without a sleep where one waits for this work: a flush, the end of the process."""
        pause(0 if self._hurry or self._closed else GIVE_WAY_SECONDS)

    def _rings(self) -> bool:
        return not self._closed and self._rings_at is not None and monotonic() >= self._rings_at

    def _ring(self, alarm: Callable[[], float | None]) -> None:
        """Call the alarm if it is due, and set when it is due next."""
        self._rings_at = None
        with fault_barrier("telemetry_thread.alarm"):
            seconds = alarm()
            self._rings_at = None if seconds is None else monotonic() + seconds

    def _step(self, timeout_s: float | None) -> bool:
        """Process the next notes; return False if there are none, or if this cannot begin in time."""
        working, changed = self._working, self._changed
        if not working.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        try:
            if self._busy:
                return False
            # Set before the notes are removed: a signal handler that drains in between would write later notes first.
            self._busy = True
            try:
                taken = self._take()
                if taken is not None:
                    self._hand_over(*taken, changed)
            finally:
                self._busy = False
        finally:
            working.release()
        return taken is not None

    def _take(self) -> tuple[Consumer[Any], list[Any]] | None:
        """Return the next notes of one consumer, `SLICE` at most; None if there are none."""
        with self._changed:
            notes = self._notes
            if not notes:
                return None
            consumer = notes[0][0]
            batch: list[Any] = []
            while notes and len(batch) < self._notes_at_once and notes[0][0] is consumer:
                _, note, size = notes.popleft()
                batch.append(note)
                self._in_hand_bytes += size
            self._bytes -= self._in_hand_bytes
            self._in_hand = len(batch)
            return consumer, batch

    def _hand_over(self, consumer: Consumer[Any], batch: list[Any], changed: Condition) -> None:
        count = len(batch)
        failed = True
        try:
            consumer.take(batch)
            failed = False
        except Exception:
            with suppress(Exception):
                consumer.dropped("internal", count)
        finally:
            with changed:
                if changed is self._changed:  # otherwise this is a child that was forked in the meantime
                    self._in_hand = self._in_hand_bytes = 0
                    self.dropped += count if failed else 0
                    self.delivered += 0 if failed else count
                    changed.notify_all()

    # --- forks --------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait for the current batch: the child would inherit a locked stream with half of the batch in its buffer."""
        self._working.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the thread continue."""
        self._working.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Start empty, with new locks; the thread starts with the first note."""
        self._begin()


@cache
def telemetry_thread() -> TelemetryThread:
    """Return the queue of log lines of this process."""
    return _forgetting(TelemetryThread())


@cache
def run_thread() -> TelemetryThread:
    """Return the queue of this process for the values of its runs and for their ends."""
    return _forgetting(TelemetryThread(notes_at_once=RUN_SLICE, name="ael-runs"))


def _forgetting(made: TelemetryThread) -> TelemetryThread:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=made.before_fork,
            after_in_parent=made.after_fork_in_parent,
            after_in_child=made.after_fork_in_child,
        )
    return made
