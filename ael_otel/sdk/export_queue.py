"""An export queue that never blocks callers: each item is delivered, dropped by a counted reason, or queued.

The SDK's batch processors drop the oldest item if their queue is full, lose the rest if shutdown runs out of time
(without counting either), bound only the number of items, and hold a whole batch in a call that cannot be interrupted.
Here `put` costs one lock and an append; one thread takes batches and passes them to `deliver`, which reports the
outcome of each part.
"""

import logging
import os
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, RLock, Thread, get_ident
from typing import Final, Protocol

from opentelemetry.instrumentation.utils import suppress_instrumentation

from ael_otel._generated.attributes import TelemetryDropReason, TelemetrySignal
from ael_otel.core.metrics import Level

logger = logging.getLogger("ael_otel")

BATCH_SIZE: Final = 512
BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bytes at which a batch ends; one larger item is a batch by itself."""

GRACE_SECONDS: Final = 0.2
"""Seconds that an aborted delivery may take to return after the deadline."""


class DropCounter(Protocol):
    """Called with a signal, a reason, and the number of items that were dropped."""

    def __call__(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int, /) -> None:
        """Count dropped items."""
        ...


class Delivery[T](Protocol):
    """Sends batches; used by the queue's thread."""

    def deliver(self, batch: Sequence[T], settled: Callable[[int, TelemetryDropReason | None], None]) -> None:
        """Send `batch`, and call `settled` with each number of items and the drop reason (None: delivered)."""
        ...

    def hurry(self) -> None:
        """Make a `deliver` that pauses before a retry continue now; called from another thread."""
        ...

    def abort(self) -> None:
        """Make a `deliver` that waits return soon; called from another thread."""
        ...


class ExportQueue[T]:
    """Queue bounded by items and bytes, with exact counts: accepted = delivered + dropped + pending, at any time.

    Args:
        signal: the signal for the drop counter.
        delivery: sends the batches.
        on_drop: called for each drop.
        size_of: returns the approximate bytes of an item in memory; must be fast and deterministic.
        max_items: maximum items queued.
        max_bytes: maximum bytes queued; one larger item is dropped (`too_large`).
        interval_s: seconds that an item waits for a batch.
    """

    def __init__(
        self,
        signal: TelemetrySignal,
        delivery: Delivery[T],
        on_drop: DropCounter,
        *,
        size_of: Callable[[T], int],
        max_items: int,
        max_bytes: int,
        interval_s: float,
    ) -> None:
        self.signal: TelemetrySignal = signal
        self.delivery = delivery
        self._on_drop = on_drop
        self._size_of = size_of
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._interval_s = interval_s
        self._forked = False
        self._begin()
        ours = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _after_fork(ours()))

    def _begin(self) -> None:
        """Start empty, also in a forked child: items in the parent's queue are left to the parent."""
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._accepted = 0
        self._settled = 0
        self.lost = 0
        self._flush_to = 0
        self._closing = False
        self._closed = False
        self._worker: Thread | None = None
        if not self._forked:
            self._start()

    # --- callers ------------------------------------------------------------------------------------------------------

    def put(self, item: T) -> bool:
        """Queue an item; if there is no room for it, return False and count a drop."""
        size = self._size_of(item)
        reason: TelemetryDropReason
        with self._lock:  # not through the condition, whose methods are Python code
            self._accepted += 1
            if self._closing:
                reason = "shutdown_timeout"
            elif size > self._max_bytes:
                reason = "too_large"
            elif len(self._items) >= self._max_items or self._bytes + size > self._max_bytes:
                reason = "queue_full"
            else:
                self._items.append((item, size))
                self._bytes += size
                if len(self._items) in {1, BATCH_SIZE} or self._bytes - size < BATCH_BYTES <= self._bytes:
                    self._changed.notify_all()
                if self._worker is None:
                    self._start()
                return True
            self._settled += 1
            self.lost += 1
        self._on_drop(self.signal, reason, 1)
        return False

    def _start(self) -> None:
        worker = Thread(target=self._work, name=f"ael-otel-{self.signal}", daemon=True)
        with suppress(RuntimeError):  # the interpreter is exiting: `close` counts queued items
            worker.start()
            self._worker = worker

    def after_fork(self) -> None:
        """Start empty in a child process; its thread starts with its first item."""
        self._forked = True
        self._begin()

    @property
    def pending(self) -> int:
        """How many items are queued or being delivered."""
        with self._changed:
            return len(self._items) + self._in_flight

    @property
    def level(self) -> Level:
        """The fill level; read without a lock, so it may be off by one item."""
        items, size = len(self._items), self._bytes
        return Level(items, size, max(items / self._max_items, size / self._max_bytes))

    @property
    def fill(self) -> float:
        """How full the queue is, 0 to 1, by items or by bytes, whichever is greater."""
        return self.level.fill

    def flush(self, timeout_s: float) -> bool:
        """Deliver what is queued now; return whether all of it was settled within `timeout_s` seconds."""
        with self._changed:
            if self._worker is not None and get_ident() == self._worker.ident:
                return False  # a delivery that flushes would wait for itself
            target = self._accepted
            self._flush_to = max(self._flush_to, target)
            self._hurry()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= target or self._closed, timeout_s)

    def begin_close(self) -> None:
        """Accept no further items and start to deliver the queued ones, without waiting."""
        with self._changed:
            self._closing = True
            self._hurry()
            self._changed.notify_all()

    def _hurry(self) -> None:
        # After an outage the next attempt may be seconds away, longer than `flush` and `close` may take.
        if self._in_flight:
            self.delivery.hurry()

    def close(self, timeout_s: float) -> bool:
        """Accept no further items, deliver the queued ones, and count the rest after `timeout_s` seconds as dropped.

        Returns whether time sufficed. A second call only waits for the first one to end.
        """
        self.begin_close()
        with self._changed:
            done = self._changed.wait_for(self._is_empty, timeout_s)
        if not done:
            self.delivery.abort()
            with self._changed:
                self._changed.wait_for(lambda: self._in_flight == 0, GRACE_SECONDS)
        return self.abandon() == 0 and done

    def abandon(self) -> int:
        """Count pending and all later items as dropped by the process's exit; return the number of pending ones."""
        with self._changed:
            left = len(self._items) + self._in_flight
            self._items.clear()
            self._bytes = self._in_flight = 0
            self._closing = self._closed = True
            self._settled += left
            self.lost += left
            self._changed.notify_all()
        if left:
            self._on_drop(self.signal, "shutdown_timeout", left)
        return left

    def _is_empty(self) -> bool:
        return not self._items and self._in_flight == 0

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        with suppress_instrumentation():
            while batch := self._next():
                self._deliver(batch)

    def _deliver(self, batch: list[T]) -> None:
        left = len(batch)

        def settled(count: int, lost: TelemetryDropReason | None) -> None:
            nonlocal left
            left -= count
            self._settle(count, lost)

        try:
            self.delivery.deliver(batch, settled)
        except Exception as error:
            logger.error("a fault in the export of %s: %s", self.signal, type(error).__name__)
        if left > 0:  # a faulty delivery has not reported their outcome
            self._settle(left, "internal")

    def _next(self) -> list[T]:
        """Wait for a batch and return it; empty when the queue has ended."""
        with self._changed:
            while not self._closed:
                if not self._items:
                    if self._closing:
                        break
                    self._changed.wait()
                elif self._is_due() or not self._changed.wait_for(self._is_due, self._interval_s):
                    return self._take()
        return []

    def _is_due(self) -> bool:
        return (
            len(self._items) >= BATCH_SIZE
            or self._bytes >= BATCH_BYTES
            or self._flush_to > self._settled
            or self._closing
        )

    def _take(self) -> list[T]:
        batch: list[T] = []
        size = 0
        while self._items and len(batch) < BATCH_SIZE and size < BATCH_BYTES:
            item, bytes_of = self._items.popleft()
            batch.append(item)
            size += bytes_of
        self._bytes -= size
        self._in_flight += len(batch)
        return batch

    def _settle(self, count: int, lost: TelemetryDropReason | None) -> None:
        if count <= 0:
            return
        with self._changed:
            if self._closed:
                return  # `abandon` has counted them, and no caller waits for this delivery
            self._in_flight -= count
            self._settled += count
            self.lost += 0 if lost is None else count
            self._changed.notify_all()
        if lost is not None:
            self._on_drop(self.signal, lost, count)


def _after_fork[T](queue: ExportQueue[T] | None) -> None:
    if queue is not None:
        queue.after_fork()
