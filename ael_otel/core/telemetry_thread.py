"""Bounded queues of notes, each with one thread that works on them: what the caller's thread need not do itself.

The caller appends an immutable note; redaction, formatting and writing happen on the thread, in batches and in the
order of the calls. A full queue never blocks: it drops by reason (`submit`), or leaves the work to the caller
(`offer`). The law of the other queues holds: accepted = delivered + dropped + pending, at any time.

A process has two: one for log lines, and one for the content and the ends of runs, which reach the run store also
while nobody reads the stream that log lines are written to.
"""

import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from threading import Condition, RLock, Thread, get_ident
from time import monotonic
from typing import Any, Final, Protocol

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import pause
from ael_otel.core.metrics import Level

MAX_NOTES: Final = 16_384
MAX_BYTES: Final = 32 * 1024 * 1024
"""Notes and bytes queued before the configuration is known (`limits.note_items`, `limits.note_mb`).

A note beyond either is dropped (`queue_full`).
"""

RESERVE: Final = 64
"""Notes beyond `MAX_NOTES` for the event that says that notes are dropped."""

GATHER_SECONDS: Final = 0.05
"""How long the first note waits for others: what a kill loses of an idle process."""

HURRY: Final = 512
"""So many notes do not wait."""

SLICE: Final = 32
"""Notes worked on before the thread lets another one run: about a millisecond of the GIL."""

RUN_SLICE: Final = 4
"""The same for values of runs, which take longer each."""

FLUSH_SECONDS: Final = 2.0
"""How long the end of a process waits for what is noted."""

FORK_SECONDS: Final = 0.2
"""How long a fork waits for the batch in hand, so that the child inherits no half-written stream."""


class Consumer[Note](Protocol):
    """Works on notes; called by one thread at a time."""

    def take(self, notes: Sequence[Note], /) -> None:
        """Work on notes in their order; what it raises loses all of them (`internal`)."""
        ...

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Count notes that were not worked on; called without a lock held."""
        ...


class WorkLock:
    """A re-entrant lock that a thread holds while it works, and that a fork waits for, 0.2 s at most.

    A forked child would otherwise inherit what is half done, with locks that nobody there lets go of. The hooks of
    `os.register_at_fork` are its owner's to register; the child makes a new one.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._forking: set[int] = set()

    def acquire(self, timeout: float = -1) -> bool:
        """Take the lock as `threading.RLock` does; returns whether it was taken within `timeout` seconds."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def __enter__(self) -> None:
        """Take the lock."""
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        self._lock.release()

    def before_fork(self) -> None:
        """Wait for the work in hand."""
        if self._lock.acquire(timeout=FORK_SECONDS):
            self._forking.add(get_ident())

    def after_fork_in_parent(self) -> None:
        """Let the work go on."""
        if get_ident() in self._forking:
            self._forking.discard(get_ident())
            self._lock.release()


class TelemetryThread:
    """Bounded queue with a thread that starts with the first note, and again in a forked child.

    Args:
        max_notes: notes queued.
        max_bytes: bytes queued.
        gather_s: how long the first note waits for others.
        notes_at_once: notes worked on before the thread lets another one run.
        name: the thread's name.
    """

    def __init__(
        self,
        *,
        max_notes: int = MAX_NOTES,
        max_bytes: int = MAX_BYTES,
        gather_s: float = GATHER_SECONDS,
        notes_at_once: int = SLICE,
        name: str = "ael-telemetry",
    ) -> None:
        self._max_notes = max_notes
        self._max_bytes = max_bytes
        self._gather_s = gather_s
        self._notes_at_once = notes_at_once
        self._name = name
        self._finalized_in = 0
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Start empty, also in a forked child: what the parent has queued is the parent's."""
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
        self._worker: Thread | None = None
        self.accepted = 0
        self.delivered = 0
        self.dropped = 0

    def limit(self, max_notes: int, max_bytes: int) -> None:
        """Queue as much as the configuration says."""
        with self._changed:
            self._max_notes, self._max_bytes = max_notes, max_bytes

    # --- callers ------------------------------------------------------------------------------------------------------

    def submit[Note](
        self, consumer: Consumer[Note], note: Note, size: int, *, reserved: bool = False
    ) -> bool:
        """Queue a note of `size` bytes for `consumer`; returns False, and counts a drop, if the queue is full.

        `reserved` is for what reports the drops: it has `RESERVE` places of its own. Where no thread can be started the
        caller does the work.
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
        """Queue a note as `submit` does, but count nothing if the queue is full: the caller does the work then."""
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
        except RuntimeError:  # the interpreter is going down, or the process may have no more threads
            return False
        self._worker = worker
        self._flush_when_multiprocessing_ends()
        return True

    def _flush_when_multiprocessing_ends(self) -> None:
        """Have a child of `multiprocessing` do what is noted: it runs the finalizers of that module, and no others."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and self._finalized_in != os.getpid():
            self._finalized_in = os.getpid()
            util.Finalize(None, lambda: self.flush(FLUSH_SECONDS), exitpriority=-1000)

    @property
    def pending(self) -> int:
        """How many notes are queued or being worked on."""
        with self._changed:
            return len(self._notes) + self._in_hand

    @property
    def level(self) -> Level:
        """What is queued or worked on; read without a lock, so it may be one note off."""
        items, size = len(self._notes) + self._in_hand, self._bytes + self._in_hand_bytes
        return Level(items, size, min(1.0, max(items / self._max_notes, size / self._max_bytes)))

    def flush(self, timeout_s: float) -> bool:
        """Have the thread work on what is queued now; returns whether all of it was done within `timeout_s` seconds.

        Without a thread the caller does it. A flush from within that work returns False at once.
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
        """Work on what is queued now, on the caller's thread.

        Returns False where that, or another thread's batch before it, is not done within `timeout_s` seconds (None:
        no limit), or where the caller is in the middle of this work: then its note is next.
        """
        target = self.accepted
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while self._settled < target:
            left = None if deadline is None else deadline - monotonic()
            if (left is not None and left <= 0) or not self._step(left):
                break
        return self._settled >= target

    def close(self, timeout_s: float) -> bool:
        """Flush and end the thread; callers of `submit` do the work from now on. Returns whether time sufficed.

        For a queue of one's own: that of the process lives as long as the process.
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
        """Wait for notes and work on them, as long as the process has not forked."""
        changed = self._changed
        try:
            while True:
                with changed:
                    while not self._notes:
                        if self._closed:
                            # Under the lock: the next caller of `submit` does the work.
                            self._worker = None
                            return
                        self._hurry = False
                        self._waiting = True
                        changed.wait()
                    if not self._hurry and not self._closed and len(self._notes) < HURRY:
                        self._waiting = True
                        changed.wait(self._gather_s)
                    self._waiting = False
                while self._step(None):
                    # Another thread waits up to 5 ms for the GIL otherwise.
                    pause(0)
        finally:
            if changed is self._changed:
                self._worker = None

    def _step(self, timeout_s: float | None) -> bool:
        """Work on the next notes; False where there are none, or where this cannot be begun in time."""
        working, changed = self._working, self._changed
        if not working.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        try:
            if self._busy:
                return False
            # Set before the notes are taken: a signal handler that drains in between would write later notes first.
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
        """Take the next notes of one consumer, `SLICE` at most; None where there are none."""
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
                if changed is self._changed:  # else this is a child that was forked in the middle
                    self._in_hand = self._in_hand_bytes = 0
                    self.dropped += count if failed else 0
                    self.delivered += 0 if failed else count
                    changed.notify_all()

    # --- forks --------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait for the batch in hand: the child would inherit a stream with half of it in its buffer, locked."""
        self._working.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the thread go on."""
        self._working.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Start anew, with locks of its own; the thread begins with the first note."""
        self._begin()


@cache
def telemetry_thread() -> TelemetryThread:
    """Return the queue of log lines of this process."""
    return _forgetting(TelemetryThread())


@cache
def run_thread() -> TelemetryThread:
    """Return the queue of this process for what its runs have shown and for their ends."""
    return _forgetting(TelemetryThread(notes_at_once=RUN_SLICE, name="ael-runs"))


def _forgetting(made: TelemetryThread) -> TelemetryThread:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=made.before_fork,
            after_in_parent=made.after_fork_in_parent,
            after_in_child=made.after_fork_in_child,
        )
    return made
