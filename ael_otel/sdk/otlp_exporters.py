"""OTLP exporters that redact items, encode them with the SDK's encoders, send and retry, and count every drop.

A batch that cannot be encoded or is too large is halved until the faulty item is alone, so that the others are still
sent. A batch is retried while the receiver asks for it and `patience_s` lasts.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import uniform
from threading import Event
from time import monotonic
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import pause
from ael_otel.core.redaction import active_redaction
from ael_otel.privacy import turns
from ael_otel.sdk.export_queue import DropCounter
from ael_otel.sdk.metric_preferences import aggregation, temporality
from ael_otel.sdk.otlp_transport import ATTEMPT_SECONDS, Answer, Signal, Transport
from ael_otel.sdk.redacting_exporters import Resources, clean_log, clean_metrics, clean_span

PATIENCE_SECONDS: Final = 60.0
"""Seconds that spans and logs are retried while the Collector restarts; `OTEL_EXPORTER_OTLP_TIMEOUT` overrides it.

The SDK's default of 10 s ends its retries after 7 s, so an outage of a few seconds more lost the current batch although
the queue had room for minutes. Metrics use the default: the next export contains the same sums.
"""

MAX_REQUEST_BYTES: Final = 15 * 1024 * 1024
"""Maximum bytes of a request, just below the limit of the stack's Collector (16 MiB)."""

SLICE: Final = 32
"""Items redacted or encoded before other threads run: less than a millisecond of the GIL.

The event loop waits up to 5 ms for a computing thread, each time it needs the GIL.
"""

GIVE_WAY_SECONDS: Final = 0.0001
"""Seconds that the exporting thread sleeps after a slice: with less, it would run next again."""

QUIET_SECONDS: Final = 60.0
_NESTED: Final[Mapping[Signal, Sequence[tuple[str, str]]]] = {
    "traces": (("resource_spans", "resource"), ("scope_spans", "scope"), ("spans", "")),
    "logs": (("resource_logs", "resource"), ("scope_logs", "scope"), ("log_records", "")),
}
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0
_LONGEST_MESSAGE: Final = 300

logger = logging.getLogger("ael_otel")


class Attempts:
    """Sends one request, and retries it while the responses and the time allow.

    Args:
        signal: for the log.
        transport: the connection.
    """

    def __init__(self, signal: Signal, transport: Transport) -> None:
        self._signal: Signal = signal
        self._transport = transport
        self._aborted = Event()
        self._hurried = Event()
        self._said: dict[str, float] = {}

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted.is_set()

    def send(self, body: bytes, deadline: float) -> Answer:
        """Return the last answer, or `timeout` if an earlier answer was lost, since that request may have arrived."""
        pause = _FIRST_PAUSE
        unanswered = False
        while True:
            left = deadline - monotonic()
            answer = self._transport.send(body, min(ATTEMPT_SECONDS, max(left, 0.05)))
            if self.aborted:
                return answer if answer.reason is None else Answer("shutdown_timeout")
            if answer.reason is None:
                if answer.rejected:
                    self._log("rejected", f"{answer.rejected} refused", answer)
                return answer
            unanswered = unanswered or answer.reason == "timeout"
            wait = uniform(0.8, 1.2) * pause  # noqa: S311 - jitter
            if answer.after_s is not None:
                wait = max(
                    answer.after_s, _FIRST_PAUSE
                )  # no pause at all would flood a receiver that is full
            left = deadline - monotonic()
            if not answer.again or wait >= left:
                self._log(answer.reason, "given up", answer)
                return answer._replace(reason="timeout") if unanswered else answer
            self._log(f"{answer.reason}, again", f"trying again for {left:.0f} s", answer)
            # A pause that the receiver asks for is respected, also at shutdown.
            asked = answer.after_s is not None
            hurried = (self._aborted if asked else self._hurried).wait(wait)
            if self._aborted.is_set():
                return Answer("shutdown_timeout")
            self._hurried.clear()
            pause = _FIRST_PAUSE if hurried else min(2 * pause, _LONGEST_PAUSE)

    def hurry(self) -> None:
        """End the pause before the next attempt, or skip the next one, because little time is left."""
        self._hurried.set()

    def end_hurry(self) -> None:
        """Give way and pause again: what `hurry` was called for has been sent."""
        self._hurried.clear()
        if self._aborted.is_set():
            self._hurried.set()

    def give_way(self) -> None:
        """Let other threads run, unless little time is left."""
        pause(0 if self._hurried.is_set() else GIVE_WAY_SECONDS)

    def abort(self) -> None:
        """Close the connection and make no further attempt."""
        self._aborted.set()
        self._hurried.set()
        self._transport.close()

    def _log(self, kind: str, what: str, answer: Answer) -> None:
        """Log a response, at most once a minute for each kind: without a Collector there is one each second."""
        now = monotonic()
        last = self._said.get(kind)
        if last is not None and now - last < QUIET_SECONDS:
            return
        self._said[kind] = now
        logger.warning(
            "%s to %s: %s (%s): %s",
            self._signal,
            self._transport.address,
            what,
            answer.reason or "partial success",
            active_redaction().text(answer.message[:_LONGEST_MESSAGE]),
        )


class OtlpDelivery[T]:
    """Sends batches of spans or log records to an OTLP receiver.

    Args:
        signal: `traces` or `logs`.
        transport: the connection.
        clean: redacts one item; raises nothing.
        encode: encodes items into one request.
        patience_s: how long a batch is retried, in seconds.
        max_request_bytes: the largest request that is sent.
    """

    def __init__(
        self,
        signal: Signal,
        transport: Transport,
        *,
        clean: Callable[[T], T],
        encode: Callable[[Sequence[T]], Any],
        patience_s: float = PATIENCE_SECONDS,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._signal: Signal = signal
        self._attempts = Attempts(signal, transport)
        self._clean = clean
        self._encode = encode
        self._patience_s = patience_s
        self._max_request_bytes = max_request_bytes

    def deliver(self, batch: Sequence[T], settled: Callable[[int, TelemetryDropReason | None], None]) -> None:
        """Redact, encode and send a batch; a call of `hurry` counts to its end at most."""
        try:
            clean = self._redacted(batch)
            if clean is None:
                settled(len(batch), "shutdown_timeout")
                return
            self._send(clean, settled, monotonic() + self._patience_s)
        finally:
            self._attempts.end_hurry()

    def _redacted(self, batch: Sequence[T]) -> list[T] | None:
        """Redact a batch, and give way between items and inside long ones; None if the delivery was aborted."""
        clean: list[T] = []
        turns.begin(self._attempts.give_way)
        try:
            for count, item in enumerate(batch, 1):
                if self._attempts.aborted:
                    return None
                clean.append(self._clean(item))
                if not count % SLICE:
                    self._attempts.give_way()
        finally:
            turns.begin(None)
        return clean

    def hurry(self) -> None:
        """Make a delivery that pauses retry now."""
        self._attempts.hurry()

    def abort(self) -> None:
        """End a delivery that waits."""
        self._attempts.abort()

    def _send(
        self,
        items: Sequence[T],
        settled: Callable[[int, TelemetryDropReason | None], None],
        deadline: float,
    ) -> None:
        reason: TelemetryDropReason | None
        rejected = 0
        if self._attempts.aborted:
            reason = "shutdown_timeout"
        else:
            try:
                body = self._body(items)
            except Exception:
                reason = "serialization"
            else:
                if len(body) > self._max_request_bytes:
                    reason = "too_large"
                else:
                    answer = self._attempts.send(body, deadline)
                    reason, rejected = answer.reason, min(answer.rejected, len(items))
        if reason in {"serialization", "too_large"} and len(items) > 1:
            middle = len(items) // 2
            self._send(items[:middle], settled, deadline)
            self._send(items[middle:], settled, deadline)
            return
        settled(len(items) - rejected, reason)
        settled(rejected, "rejected")

    def _body(self, items: Sequence[T]) -> bytes:
        """Encode items into one request, a slice at a time."""
        whole = self._encode(items[:SLICE])
        for start in range(SLICE, len(items), SLICE):
            self._attempts.give_way()
            _append(whole, self._encode(items[start : start + SLICE]), _NESTED[self._signal])
        body: bytes = whole.SerializeToString()
        return body


def _append(whole: Any, part: Any, fields: Sequence[tuple[str, str]]) -> None:
    """Append one message to another; items of the same resource and scope join those that are there.

    Args:
        whole: the message that grows.
        part: the message to append.
        fields: of each level, the list and what its elements are the same by; empty for the items themselves.
    """
    (name, key), *inner = fields
    there = getattr(whole, name)
    if not key:
        there.extend(getattr(part, name))
        return
    for new in getattr(part, name):
        for old in there:
            if old.schema_url == new.schema_url and getattr(old, key) == getattr(new, key):
                _append(old, new, inner)
                break
        else:
            there.append(new)


def span_delivery(
    transport: Transport, patience_s: float = PATIENCE_SECONDS, max_request_bytes: int = MAX_REQUEST_BYTES
) -> OtlpDelivery[ReadableSpan]:
    """Return the delivery of spans over `transport`, which retries each batch for `patience_s` seconds."""
    resources = Resources()
    return OtlpDelivery(
        "traces",
        transport,
        clean=lambda span: clean_span(span, active_redaction(), resources),
        encode=encode_spans,
        patience_s=patience_s,
        max_request_bytes=max_request_bytes,
    )


def log_delivery(
    transport: Transport, patience_s: float = PATIENCE_SECONDS, max_request_bytes: int = MAX_REQUEST_BYTES
) -> OtlpDelivery[ReadableLogRecord]:
    """Return the delivery of log records over `transport`, which retries each batch for `patience_s` seconds."""
    resources = Resources()
    return OtlpDelivery(
        "logs",
        transport,
        clean=lambda record: clean_log(record, active_redaction(), resources),
        encode=encode_logs,
        patience_s=patience_s,
        max_request_bytes=max_request_bytes,
    )


class OtlpMetricExporter(MetricExporter):
    """Sends collected metrics; an export that did not arrive is counted, and its sums come with the next one.

    Args:
        transport: the connection.
        on_drop: called with each lost export, as one item.
        timeout_s: the longest an export may take, retries included; None takes what the reader passes.
    """

    def __init__(self, transport: Transport, on_drop: DropCounter, timeout_s: float | None = None) -> None:
        super().__init__(preferred_temporality=temporality(), preferred_aggregation=aggregation())
        self._attempts = Attempts("metrics", transport)
        self._on_drop = on_drop
        self._timeout_s = timeout_s
        self._resources = Resources()
        self._uncounted: deque[None] = deque()  # its `pop` is atomic, and no fork finds it locked
        self.lost = 0

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send one collection, redacted."""
        deadline = monotonic() + (timeout_millis / 1e3 if self._timeout_s is None else self._timeout_s)
        reason: TelemetryDropReason | None
        rejected = 0
        self._uncounted.append(None)
        try:
            clean = clean_metrics(metrics_data, active_redaction(), self._resources)
            body: bytes = encode_metrics(clean).SerializeToString()
        except Exception:
            reason = "serialization"
        else:
            answer = self._attempts.send(body, deadline)
            reason, rejected = answer.reason, answer.rejected
        try:
            self._uncounted.pop()
        except IndexError:
            return MetricExportResult.FAILURE  # counted by `abandon`
        if reason is None and not rejected:
            return MetricExportResult.SUCCESS
        self._lose(reason or "rejected")
        return MetricExportResult.FAILURE

    def abandon(self) -> None:
        """Count an export that is still waiting for its answer: the process may end before it returns."""
        try:
            self._uncounted.pop()
        except IndexError:
            return
        self._lose("shutdown_timeout")

    def _lose(self, reason: TelemetryDropReason) -> None:
        self.lost += 1
        self._on_drop("metrics", reason, 1)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Return True: nothing is buffered here."""
        return True

    def hurry(self) -> None:
        """Make an export that pauses retry now."""
        self._attempts.hurry()

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End an export that waits, and send nothing more."""
        self.abort()

    def abort(self) -> None:
        """End an export that waits, and send nothing more."""
        self._attempts.abort()
