"""Batch processors that never block and count what they lose, by reason.

The SDK's batch processors drop the oldest item when their queue is full, and lose what is left when shutdown runs out
of time, without counting either. Here a ledger lets an item in only when there is room, and follows it to the exporter
and out: exact numbers with public interfaces only, at the price of two integers per item.
"""

import os
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, Protocol

from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from ael_otel._generated.attributes import TelemetryDropReason, TelemetrySignal

QUEUE_SIZE: Final = 16_384
"""Items kept per signal while the Collector is slow or away: about 16 MB of spans; `OTEL_BSP_MAX_QUEUE_SIZE` wins."""

BATCH_SIZE: Final = 512


class DropCounter(Protocol):
    """Takes the number of items that a signal lost and the reason."""

    def __call__(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int, /) -> None:
        """Count a loss."""
        ...


class Ledger:
    """Keeps the balance of one queue: each item is delivered, counted as dropped by reason, or still `pending`.

    `lost` is how many were dropped since the start. The queue itself never overflows: `admit` turns away what finds no
    room. It counts a place as free only when the exporter has taken the item out, a moment after the SDK has, so the
    books are exact and never short.

    Args:
        signal: `traces` or `logs`, for the drop counter.
        capacity: the queue's size.
        on_drop: told of each loss.
    """

    __slots__ = ("_capacity", "_closed", "_in_flight", "_lock", "_on_drop", "_queued", "lost", "signal")

    def __init__(self, signal: TelemetrySignal, capacity: int, on_drop: DropCounter) -> None:
        self.signal: TelemetrySignal = signal
        self.lost = 0
        self._capacity = capacity
        self._on_drop = on_drop
        self._lock = Lock()
        self._queued = 0
        self._in_flight = 0
        self._closed = False

    @property
    def pending(self) -> int:
        """How many items are queued or in the exporter's hands."""
        with self._lock:
            return self._queued + self._in_flight

    def admit(self) -> bool:
        """Take a place in the queue for one item; False, and counted as dropped, when there is none."""
        with self._lock:
            if self._queued < self._capacity and not self._closed:
                self._queued += 1
                return True
            reason: TelemetryDropReason = "shutdown_timeout" if self._closed else "queue_full"
            self.lost += 1
        self._on_drop(self.signal, reason, 1)
        return False

    def handed_over(self, count: int) -> None:
        """Note items that the exporter has taken from the queue."""
        with self._lock:
            if not self._closed:
                self._queued -= count
                self._in_flight += count

    def settled(self, count: int, lost: TelemetryDropReason | None) -> None:
        """Note what became of items that were handed over: delivered (`lost` None) or lost for a reason."""
        with self._lock:
            if self._closed:
                return  # `abandon` has counted them: nobody waits for this exporter any more.
            self._in_flight -= count
            self.lost += 0 if lost is None else count
        if lost is not None:
            self._on_drop(self.signal, lost, count)

    def abandon(self) -> int:
        """Count what is pending, and whatever comes later, as lost to the end of the process; returns how many are."""
        with self._lock:
            left = self._queued + self._in_flight
            self._queued = self._in_flight = 0
            self._closed = True
            self.lost += left
        if left:
            self._on_drop(self.signal, "shutdown_timeout", left)
        return left

    def after_fork(self) -> None:
        """Start anew in a child process, whose queue is empty."""
        self._lock = Lock()
        self._queued = self._in_flight = self.lost = 0


def _hand_over[Item](
    ledger: Ledger, items: Sequence[Item], send: Callable[[Sequence[Item]], object], success: object
) -> bool:
    ledger.handed_over(len(items))
    return _send(ledger, items, send, success)


def _send[Item](
    ledger: Ledger, items: Sequence[Item], send: Callable[[Sequence[Item]], object], success: object
) -> bool:
    try:
        delivered = send(items) is success
    except Exception:
        # The exporter raises only for data it cannot encode: the one item that is to blame must not take its whole
        # batch with it, and retrying that one would never end.
        if len(items) > 1:
            middle = len(items) // 2
            halves = [_send(ledger, half, send, success) for half in (items[:middle], items[middle:])]
            return all(halves)
        ledger.settled(len(items), "serialization")
        return False
    ledger.settled(len(items), None if delivered else "export_failed")
    return delivered


class CountedSpanExporter(SpanExporter):
    """Passes spans on and writes failures to the ledger."""

    def __init__(self, inner: SpanExporter, ledger: Ledger) -> None:
        self._inner = inner
        self._ledger = ledger

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans`; FAILURE when the inner exporter fails or raises."""
        sent = _hand_over(self._ledger, spans, self._inner.export, SpanExportResult.SUCCESS)
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Shut the inner exporter down, which ends its retries."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter."""
        return self._inner.force_flush(timeout_millis)


class CountedLogExporter(LogRecordExporter):
    """Passes log records on and writes failures to the ledger."""

    def __init__(self, inner: LogRecordExporter, ledger: Ledger) -> None:
        self._inner = inner
        self._ledger = ledger

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export `batch`; FAILURE when the inner exporter fails or raises."""
        sent = _hand_over(self._ledger, batch, self._inner.export, LogRecordExportResult.SUCCESS)
        return LogRecordExportResult.SUCCESS if sent else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Shut the inner exporter down, which ends its retries."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter; always True for one that has nothing to flush."""
        flush = getattr(self._inner, "force_flush", None)
        return True if flush is None else bool(flush(timeout_millis))


class BoundedSpanProcessor(BatchSpanProcessor):
    """A batch span processor with a ledger.

    Args:
        exporter: where spans go.
        on_drop: told of each loss.
        queue_size: spans kept while the exporter is busy; default `OTEL_BSP_MAX_QUEUE_SIZE` or 16384.
    """

    def __init__(self, exporter: SpanExporter, on_drop: DropCounter, queue_size: int | None = None) -> None:
        size = _queue_size("OTEL_BSP_MAX_QUEUE_SIZE", queue_size)
        self.ledger = Ledger("traces", size, on_drop)
        self.exporter = exporter
        os.register_at_fork(after_in_child=self.ledger.after_fork)
        super().__init__(
            CountedSpanExporter(exporter, self.ledger),
            max_queue_size=size,
            max_export_batch_size=min(BATCH_SIZE, size),
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue an ended span if it is sampled."""
        context = span.context
        if context is not None and context.trace_flags.sampled and self.ledger.admit():
            super().on_end(span)


class BoundedLogProcessor(BatchLogRecordProcessor):
    """A batch log record processor with a ledger.

    Args:
        exporter: where log records go.
        on_drop: told of each loss.
        queue_size: records kept while the exporter is busy; default `OTEL_BLRP_MAX_QUEUE_SIZE` or 16384.
    """

    def __init__(
        self, exporter: LogRecordExporter, on_drop: DropCounter, queue_size: int | None = None
    ) -> None:
        size = _queue_size("OTEL_BLRP_MAX_QUEUE_SIZE", queue_size)
        self.ledger = Ledger("logs", size, on_drop)
        self.exporter = exporter
        os.register_at_fork(after_in_child=self.ledger.after_fork)
        super().__init__(
            CountedLogExporter(exporter, self.ledger),
            max_queue_size=size,
            max_export_batch_size=min(BATCH_SIZE, size),
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a log record."""
        if self.ledger.admit():
            super().on_emit(log_record)


def _queue_size(variable: str, explicit: int | None) -> int:
    if explicit is not None:
        return explicit
    try:
        return max(1, int(os.environ.get(variable, "")))
    except ValueError:
        return QUEUE_SIZE
