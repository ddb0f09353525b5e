"""What waits to be written: rows of runs, and unfinished runs that have changed. Bounded; many threads, one writer."""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Condition, Event, Lock
from typing import Final, NamedTuple

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.metrics import Level
from ael_otel.store.records import ExecutionRecord
from ael_otel.store.rows import Row

BATCH: Final = 500
"""Runs written in one transaction."""


class Waiting(NamedTuple):
    """One row that waits; `final` says that the run has ended, or is kept as it is."""

    execution_id: str
    row: Row
    final: bool


class Taken(NamedTuple):
    """What the writer takes at once: rows, records that changed, runs that were lost, the number of the last of all."""

    items: list[Waiting]
    records: list[ExecutionRecord]
    lost: list[str]
    number: int


class RunQueue:
    """A queue between the threads that run workflows and the one that writes.

    Args:
        capacity: runs that may wait.
        capacity_bytes: their bytes.
    """

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._lock = Lock()
        self._items: deque[Waiting] = deque()
        self._bytes = 0
        self._changed: dict[str, ExecutionRecord] = {}
        self._lost: set[str] = set()
        self._refusal: TelemetryDropReason | None = None
        self._flushing = 0
        self._held = 0
        self._abandoned = False
        self._enqueued = self._done = 0
        self._written = Condition(Lock())
        self.hurry = Event()
        """Set when what waits is worth a transaction."""
        self.ended = False
        """Whether nothing will be taken any more."""

    # --- for those who feed it ----------------------------------------------------------------------------------------

    def add(self, item: Waiting) -> TelemetryDropReason | None:
        """Let a row wait; returns why it does not, or None."""
        size = len(item.row.body)
        with self._lock:
            if item.final:
                self._changed.pop(item.execution_id, None)
            if self._refusal is not None:
                return self._refusal
            full = len(self._items) >= self._capacity or self._bytes + size > self._capacity_bytes
            if full and self._items:
                if item.final:
                    # What is stored of it by now would stay there as a run that never ends.
                    self._lost.add(item.execution_id)
                return "queue_full"
            self._items.append(item)
            self._bytes += size
            self._enqueued += 1
            if len(self._items) == BATCH:
                self.hurry.set()
        return None

    def went_on(self, record: ExecutionRecord) -> bool:
        """Note that a run has changed; returns False if that was noted already: it is looked at later than now."""
        if self._changed.get(record.execution_id) is record:
            return False
        with self._lock:
            self._changed[record.execution_id] = record
            self._enqueued += 1
        return True

    def refuse(self, reason: TelemetryDropReason) -> bool:
        """Take nothing more, for this reason; returns False if that was so already. Closing wins over a fault."""
        with self._lock:
            if self._refusal in ("shutdown_timeout", reason):
                return False
            self._refusal = reason
            return True

    @property
    def closing(self) -> bool:
        """Whether nothing more is taken because the store is being closed."""
        return self._refusal == "shutdown_timeout"

    def abandon(self) -> int:
        """Let go of all that waits or is being written; returns how many runs that ended were among them.

        The writer must not store any of them any more. A second call returns 0: each run is counted once.
        """
        with self._lock:
            left = self._held + sum(item.final for item in self._items)
            self._items.clear()
            self._bytes = self._held = 0
            self._abandoned = True
        return left

    @property
    def abandoned(self) -> bool:
        """Whether what was taken is counted as lost already, and must not be stored."""
        return self._abandoned

    @property
    def level(self) -> Level:
        """What waits to be taken; read without a lock."""
        items, size = len(self._items), self._bytes
        return Level(items, size, max(items / self._capacity, size / self._capacity_bytes))

    @property
    def queued(self) -> int:
        """How many runs that ended are neither stored nor lost yet: those that wait, and those being written."""
        with self._lock:
            return self._held + sum(item.final for item in self._items)

    # --- for those who wait -------------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The number of what was added last."""
        with self._lock:
            return self._enqueued

    def is_done(self, number: int) -> bool:
        """Return whether everything up to that number has been written, or lost, and nothing waits."""
        return self._done >= number and not self._items

    @contextmanager
    def urgently(self) -> Generator[None]:
        """Let the writer make no pauses meanwhile."""
        with self._lock:
            self._flushing += 1
        self.hurry.set()
        try:
            yield
        finally:
            with self._lock:
                self._flushing -= 1

    def wait_done(self, number: int, timeout_s: float) -> bool:
        """Wait until everything up to that number has been written, or lost; returns whether that was so in time."""
        self._wait(lambda: self._done >= number or self.ended, timeout_s)
        return self._done >= number

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait until the writer has ended; returns whether that was so in time."""
        return self._wait(lambda: self.ended, timeout_s)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._written:
            return self._written.wait_for(condition, timeout_s)

    # --- for the writer -----------------------------------------------------------------------------------------------

    def take(self, count: int, *, snapshots: bool) -> Taken:
        """Hand over up to `count` rows, and with `snapshots` all records that changed."""
        with self._lock:
            items = [self._items.popleft() for _ in range(min(count, len(self._items)))]
            self._bytes -= sum(len(item.row.body) for item in items)
            self._held += sum(item.final for item in items)
            lost: list[str] = []
            if not self._items:  # or what is still in it would come back
                lost, self._lost = list(self._lost), set()
            records: list[ExecutionRecord] = []
            if snapshots:
                records, self._changed = list(self._changed.values()), {}
            waits = bool(self._items or self._changed)
            return Taken(items, records, lost, self._done if waits else self._enqueued)

    def settle(self, count: int) -> bool:
        """Note that so many runs that were taken are stored or lost; False if they were counted as lost meanwhile."""
        with self._lock:
            if self._abandoned:
                return False
            self._held -= count
            return True

    def taken(self, number: int) -> None:
        """Note that everything up to that number has been written, or lost."""
        with self._written:
            self._done = max(self._done, number)
            self._written.notify_all()

    def end(self) -> None:
        """Note that the writer has ended."""
        with self._written:
            self.ended = True
            self._written.notify_all()

    @property
    def waits(self) -> bool:
        """Whether rows wait to be taken."""
        return bool(self._items)

    @property
    def changed(self) -> bool:
        """Whether an unfinished run has changed since the last snapshot."""
        return bool(self._changed)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for what is in it."""
        return self._flushing > 0 or self.closing

    @property
    def batch_waits(self) -> bool:
        """Whether what waits is worth a transaction already."""
        return len(self._items) >= BATCH or self.urgent
