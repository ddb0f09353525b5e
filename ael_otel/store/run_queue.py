"""The queue of the store: rows of runs, and unfinished runs that have changed. Bounded; many producers, one writer."""

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
    """One row in the queue; `final` says that the run has ended, or that it is stored unchanged."""

    execution_id: str
    row: Row
    final: bool


class Taken(NamedTuple):
    """One batch for the writer: rows, changed records, runs that were dropped, and the number of the last entry."""

    items: list[Waiting]
    records: list[ExecutionRecord]
    lost: list[str]
    number: int


class RunQueue:
    """A queue between the threads that run workflows and the thread that writes.

    Args:
        capacity: maximum runs in the queue.
        capacity_bytes: maximum bytes of these runs.
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
        """Set when the queue contains enough for a transaction."""
        self.ended = False
        """Whether the queue accepts no further rows."""

    # --- for producers ------------------------------------------------------------------------------------------------

    def add(self, item: Waiting) -> TelemetryDropReason | None:
        """Queue a row; return the drop reason if it was dropped, else None."""
        size = len(item.row.body)
        with self._lock:
            if item.final:
                self._changed.pop(item.execution_id, None)
            if self._refusal is not None:
                return self._refusal
            full = len(self._items) >= self._capacity or self._bytes + size > self._capacity_bytes
            if full and self._items:
                if item.final:
                    # The part of it that is stored already would otherwise remain as a run that never ends.
                    self._lost.add(item.execution_id)
                return "queue_full"
            self._items.append(item)
            self._bytes += size
            self._enqueued += 1
            if len(self._items) == BATCH:
                self.hurry.set()
        return None

    def went_on(self, record: ExecutionRecord) -> bool:
        """Mark a run as changed; return False if it is marked already: its next snapshot will include the change."""
        if self._changed.get(record.execution_id) is record:
            return False
        with self._lock:
            self._changed[record.execution_id] = record
            self._enqueued += 1
        return True

    def refuse(self, reason: TelemetryDropReason) -> bool:
        """Accept no further rows, for this reason; return False if that was so already. Closing overrides a fault."""
        with self._lock:
            if self._refusal in ("shutdown_timeout", reason):
                return False
            self._refusal = reason
            return True

    @property
    def closing(self) -> bool:
        """Whether the queue accepts no further rows because the store is being closed."""
        return self._refusal == "shutdown_timeout"

    def abandon(self) -> int:
        """Drop all rows that are queued or being written; return how many ended runs were among them.

        The writer must not store any of them afterwards. A second call returns 0: each run is counted once.
        """
        with self._lock:
            left = self._held + sum(item.final for item in self._items)
            self._items.clear()
            self._bytes = self._held = 0
            self._abandoned = True
        return left

    @property
    def abandoned(self) -> bool:
        """Whether the rows taken from the queue are counted as dropped already, and must not be stored."""
        return self._abandoned

    @property
    def level(self) -> Level:
        """The fill level; read without a lock."""
        items, size = len(self._items), self._bytes
        return Level(items, size, max(items / self._capacity, size / self._capacity_bytes))

    @property
    def queued(self) -> int:
        """How many ended runs are neither stored nor dropped yet: those queued, and those being written."""
        with self._lock:
            return self._held + sum(item.final for item in self._items)

    # --- for callers that wait ----------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The number of the last entry that was added."""
        with self._lock:
            return self._enqueued

    def is_done(self, number: int) -> bool:
        """Return whether everything up to that number has been written or dropped, and nothing is queued."""
        return self._done >= number and not self._items

    @contextmanager
    def urgently(self) -> Generator[None]:
        """Make the writer skip its pauses until the end."""
        with self._lock:
            self._flushing += 1
        self.hurry.set()
        try:
            yield
        finally:
            with self._lock:
                self._flushing -= 1

    def wait_done(self, number: int, timeout_s: float) -> bool:
        """Wait until everything up to that number has been written or dropped; return whether that was so in time."""
        self._wait(lambda: self._done >= number or self.ended, timeout_s)
        return self._done >= number

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait until the writer has ended; return whether that was so in time."""
        return self._wait(lambda: self.ended, timeout_s)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._written:
            return self._written.wait_for(condition, timeout_s)

    # --- for the writer -----------------------------------------------------------------------------------------------

    def take(self, count: int, *, snapshots: bool) -> Taken:
        """Return up to `count` rows for writing, and with `snapshots` all records that changed."""
        with self._lock:
            items = [self._items.popleft() for _ in range(min(count, len(self._items)))]
            self._bytes -= sum(len(item.row.body) for item in items)
            self._held += sum(item.final for item in items)
            lost: list[str] = []
            if not self._items:  # otherwise its remaining entries would be written again
                lost, self._lost = list(self._lost), set()
            records: list[ExecutionRecord] = []
            if snapshots:
                records, self._changed = list(self._changed.values()), {}
            waits = bool(self._items or self._changed)
            return Taken(items, records, lost, self._done if waits else self._enqueued)

    def settle(self, count: int) -> bool:
        """Mark that many taken runs as stored or dropped; return False if `abandon` has counted them."""
        with self._lock:
            if self._abandoned:
                return False
            self._held -= count
            return True

    def taken(self, number: int) -> None:
        """Mark everything up to that number as written or dropped."""
        with self._written:
            self._done = max(self._done, number)
            self._written.notify_all()

    def end(self) -> None:
        """Mark the writer as ended."""
        with self._written:
            self.ended = True
            self._written.notify_all()

    @property
    def waits(self) -> bool:
        """Whether rows are queued."""
        return bool(self._items)

    @property
    def changed(self) -> bool:
        """Whether an unfinished run has changed since the last snapshot."""
        return bool(self._changed)

    @property
    def urgent(self) -> bool:
        """Whether a caller is waiting for the queue to be written."""
        return self._flushing > 0 or self.closing

    @property
    def batch_waits(self) -> bool:
        """Whether the queue contains enough for a transaction."""
        return len(self._items) >= BATCH or self.urgent
