"""Span and log record processors with an export queue: they never block, and count drops by reason."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from ael_otel.core.attributes import readable_fast
from ael_otel.sdk.export_queue import Delivery, DropCounter, ExportQueue
from ael_otel.sdk.run_spans import starter

__all__ = ["BoundedLogProcessor", "BoundedSpanProcessor", "DropCounter", "queue_items"]

QUEUE_SIZE: Final = 16_384
"""Maximum items queued per signal while the Collector is slow or unreachable.

`OTEL_BSP_MAX_QUEUE_SIZE` and `OTEL_BLRP_MAX_QUEUE_SIZE` take precedence.
"""

QUEUE_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes queued per signal, as `span_size` and `log_size` count them."""

INTERVAL_SECONDS: Final = 1.0
"""Seconds an item waits for a batch; `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BLRP_SCHEDULE_DELAY` (ms) take precedence."""

SHUTDOWN_SECONDS: Final = 5.0
"""Seconds that a provider's own `shutdown` waits; `ael_otel` closes the queue earlier, with another bound."""

_LARGEST: Final = 2_147_483_647
"""Upper bound of an unchecked variable: threads cannot wait for many more milliseconds."""

_ITEM: Final = 512
_VALUE: Final = 32


def _size(attributes: Mapping[str, Any] | None) -> int:
    if not attributes:
        return 0
    size = _VALUE * len(attributes)
    for value in readable_fast(attributes).values():
        if type(value) is str or isinstance(value, str | bytes):
            size += len(value)
        elif isinstance(value, tuple | list):
            parts = cast("Sequence[object]", value)
            size += sum(_VALUE + (len(each) if isinstance(each, str) else 0) for each in parts)
    return size


def span_size(span: ReadableSpan) -> int:
    """Return the approximate bytes of a span in memory."""
    size = _ITEM + len(span.name) + _size(span.attributes)
    for event in span.events:
        size += _ITEM + _size(event.attributes)
    for link in span.links:
        size += _ITEM + _size(link.attributes)
    return size


def log_size(record: ReadableLogRecord) -> int:
    """Return the approximate bytes of a log record in memory."""
    inner = record.log_record
    body = inner.body
    return _ITEM + (len(body) if isinstance(body, str | bytes) else len(repr(body))) + _size(inner.attributes)


class BoundedSpanProcessor(SpanProcessor):
    """Queues sampled spans when they end.

    Args:
        delivery: sends the spans.
        on_drop: called for each drop.
        max_items: maximum spans queued; default `OTEL_BSP_MAX_QUEUE_SIZE` or 16,384.
        max_bytes: maximum bytes queued.
    """

    run_span_starter = staticmethod(starter)

    def __init__(
        self,
        delivery: Delivery[ReadableSpan],
        on_drop: DropCounter,
        max_items: int | None = None,
        max_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.queue = ExportQueue(
            "traces",
            delivery,
            on_drop,
            size_of=span_size,
            max_items=queue_items("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SIZE) if max_items is None else max_items,
            max_bytes=max_bytes,
            interval_s=_number("OTEL_BSP_SCHEDULE_DELAY", int(INTERVAL_SECONDS * 1e3)) / 1e3,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue an ended span if it is sampled."""
        context = span.context
        if context is not None and context.trace_flags.sampled:
            self.queue.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; return whether that finished in time."""
        return self.queue.flush(timeout_millis / 1e3)

    def shutdown(self) -> None:
        """Send what is queued within `SHUTDOWN_SECONDS`, and count the rest as dropped."""
        self.queue.close(SHUTDOWN_SECONDS)


class BoundedLogProcessor(LogRecordProcessor):
    """Queues log records.

    Args:
        delivery: sends the log records.
        on_drop: called for each drop.
        max_items: maximum records queued; default `OTEL_BLRP_MAX_QUEUE_SIZE` or 16,384.
        max_bytes: maximum bytes queued.
    """

    def __init__(
        self,
        delivery: Delivery[ReadableLogRecord],
        on_drop: DropCounter,
        max_items: int | None = None,
        max_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.queue = ExportQueue(
            "logs",
            delivery,
            on_drop,
            size_of=log_size,
            max_items=queue_items("OTEL_BLRP_MAX_QUEUE_SIZE", QUEUE_SIZE) if max_items is None else max_items,
            max_bytes=max_bytes,
            interval_s=_number("OTEL_BLRP_SCHEDULE_DELAY", int(INTERVAL_SECONDS * 1e3)) / 1e3,
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a log record."""
        self.queue.put(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource({}),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; return whether that finished in time."""
        return self.queue.flush(timeout_millis / 1e3)

    def shutdown(self) -> None:
        """Send what is queued within `SHUTDOWN_SECONDS`, and count the rest as dropped."""
        self.queue.close(SHUTDOWN_SECONDS)


def queue_items(variable: str, default: int) -> int:
    """Return the maximum items of a queue: the value of `variable`, else `default`."""
    return _number(variable, default)


def _number(variable: str, default: int) -> int:
    """Return the positive whole number in a variable, 2147483647 at most; `default` if there is none."""
    try:
        return min(max(1, int(os.environ.get(variable, ""))), _LARGEST)
    except ValueError:
        return default
