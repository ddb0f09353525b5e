"""Store foreign spans as runs: for any agent in this process that OpenTelemetry instruments.

    provider.add_span_processor(StoreSpanProcessor(open_store(settings)))

Our own runs are left out, since the lifecycle stores them. Spans wait until the topmost span of their trace in this
process has ended, then the whole run is stored; its row is visible from the first span that names an agent. Traces
without an agent are not stored. Sampling applies: a span that a sampler drops is not in the store either; a span that
it answers with RECORD_ONLY is.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.config.settings import MEBIBYTE, Limits
from ael_otel.core.faults import fault_barrier, report_fault
from ael_otel.core.metrics import SCOPE, Level, shared_metrics
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.privacy.markers import REDACTED
from ael_otel.store.background_writer import OnDrop
from ael_otel.store.content import Capture
from ael_otel.store.derive import derive, tells_of_an_agent
from ael_otel.store.model_calls import add_call_result
from ael_otel.store.model_metrics import count_model_calls
from ael_otel.store.protocol import TelemetryStore
from ael_otel.store.records import INTERRUPTED, ErrorRecord, ExecutionRecord
from ael_otel.store.span_content import calls_of, input_of, output_of
from ael_otel.store.times import from_us

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

MAX_TRACES: Final = 1_000
MAX_SPANS: Final = 10_000
"""Maximum spans of one trace; further ones are left out of the record, which counts them."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes of all traces together, roughly."""

_CALL_BYTES: Final = 1_024
"""Approximate bytes of a model call in memory."""

_SPAN: Final = 512
_VALUE: Final = 32


class Event(NamedTuple):
    """An event of a span."""

    name: str
    attributes: Mapping[str, Any]


class Ended(NamedTuple):
    """An ended span, as `derive` reads it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    events: tuple[Event, ...]
    status: str
    status_message: str


def facts_of(span: "ReadableSpan") -> Ended:
    """Return the data that `derive` needs of a span of the SDK."""
    context, parent = span.context, span.parent
    return Ended(
        format(context.trace_id, "032x") if context else "",
        format(context.span_id, "016x") if context else "",
        format(parent.span_id, "016x") if parent else "",
        span.name,
        span.start_time or 0,
        span.end_time or span.start_time or 0,
        dict(span.attributes or {}),
        tuple(Event(event.name, dict(event.attributes or {})) for event in span.events),
        span.status.status_code.name.lower(),
        span.status.description or "",
    )


def _attributes_size(attributes: Mapping[str, Any]) -> int:
    size = 0
    for value in attributes.values():
        size += _VALUE
        if isinstance(value, str | bytes):
            size += len(value)
        elif isinstance(value, tuple | list):
            parts = cast("Sequence[object]", value)
            size += sum(_VALUE + (len(each) if isinstance(each, str | bytes) else 0) for each in parts)
    return size


def _size(span: Ended) -> int:
    """Return the approximate bytes of a span in memory."""
    size = _SPAN + len(span.name) + len(span.status_message) + _attributes_size(span.attributes)
    return size + sum(_VALUE + len(each.name) + _attributes_size(each.attributes) for each in span.events)


class _Trace:
    __slots__ = ("ended", "left_out", "open", "record", "root", "size")

    def __init__(self, root: int) -> None:
        self.root = root
        self.open = 0
        self.ended: list[Ended] = []
        self.left_out = 0
        self.size = 0
        self.record: ExecutionRecord | None = None


class StoreSpanProcessor:
    """A span processor (with the SDK's interface) that stores foreign traces as runs.

    Args:
        store: stores the runs; use one that writes in the background, since spans end in the application's threads.
        keep: returns whether a span, by name and attributes, makes its trace worth storing; default spans of agents,
            models and tools.
        max_traces: maximum number of open traces; a further one drops the oldest.
        max_spans: maximum spans of one trace; the record counts the further ones.
        max_bytes: maximum bytes of all traces; beyond it the oldest traces are dropped, and spans of a trace that is
            larger by itself.
        limits: sets the three from a configuration (`Settings.limits`) instead.
        on_drop: called with the reason and the number of dropped traces; None counts them as dropped runs of the store.
    """

    def __init__(
        self,
        store: TelemetryStore,
        *,
        keep: Callable[[str, Mapping[str, Any] | None], bool] = tells_of_an_agent,
        max_traces: int = MAX_TRACES,
        max_spans: int = MAX_SPANS,
        max_bytes: int = MAX_BYTES,
        limits: Limits | None = None,
        on_drop: OnDrop | None = None,
    ) -> None:
        if limits is not None:
            max_traces, max_spans = limits.foreign_traces, limits.foreign_spans_per_trace
            max_bytes = limits.foreign_mb * MEBIBYTE
        self._store = store
        self._keep = keep
        self._capture = Capture(redact=lambda value: active_redaction().content(value))
        self._max_traces = max_traces
        self._max_spans = max_spans
        self._max_bytes = max_bytes
        self._spans = self._bytes = 0
        self._on_drop = on_drop if on_drop is not None else _count_lost
        self._traces: OrderedDict[int, _Trace] = OrderedDict()
        self._lock = Lock()
        shared_metrics().watch("foreign", self)

    @property
    def level(self) -> Level:
        """The fill level of the open traces; read without a lock."""
        size = self._bytes
        return Level(self._spans, size, max(len(self._traces) / self._max_traces, size / self._max_bytes))

    def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:
        """Add the span; the first one that `keep` accepts makes the run visible."""
        try:
            self._started(span)
        except Exception as error:
            report_fault("store.on_start", error, component="store")

    def _started(self, span: "Span") -> None:
        context, scope = span.context, span.instrumentation_scope
        if context is None or (scope is not None and scope.name == SCOPE):
            return
        local = span.parent is not None and not span.parent.is_remote
        given_up: list[_Trace] = []
        with self._lock:
            trace = self._traces.get(context.trace_id)
            if trace is None:
                if local:
                    return  # part of a trace that began before this processor, or was dropped
                if len(self._traces) >= self._max_traces:
                    given_up.append(self._give_up_oldest())
                trace = self._traces[context.trace_id] = _Trace(context.span_id)
            trace.open += 1
            shown = trace.record is not None
        self._count(given_up)
        if not shown and self._keep(span.name, span.attributes):
            trace.record = self._begun(span, trace)
            self._store.start_execution(trace.record)

    def _give_up_oldest(self) -> _Trace:
        """Remove the oldest trace; the caller holds the lock."""
        _, trace = self._traces.popitem(last=False)
        self._forget(trace)
        return trace

    def _forget(self, trace: _Trace) -> None:
        self._spans -= len(trace.ended)
        self._bytes -= trace.size

    def _count(self, given_up: Sequence[_Trace]) -> None:
        """Count dropped traces; a run that is visible already ends, since no more of it will be stored."""
        if given_up:
            self._on_drop("queue_full", len(given_up))
        self._interrupt(
            given_up, "too many spans of other instrumentations were open: this trace was dropped"
        )

    def _interrupt(self, traces: Sequence[_Trace], why: str) -> None:
        """End the visible runs of these traces, without their spans."""
        for trace in traces:
            if trace.record is not None:
                trace.record.metadata["spans_left_out"] = len(trace.ended) + trace.left_out + trace.open
                trace.record.status = "failed"
                trace.record.completed_at = from_us(time_ns() // 1000)
                trace.record.error = ErrorRecord(code=INTERRUPTED, category="store", message=why)
                self._store.finish_execution(trace.record)

    def _begun(self, span: "Span", trace: _Trace) -> ExecutionRecord:
        assert span.context is not None
        trace_id = format(span.context.trace_id, "032x")
        return ExecutionRecord(
            execution_id=f"{trace_id}-{trace.root:016x}",
            type="workflow",
            status="running",
            started_at=from_us((span.start_time or 0) // 1000),
            workflow_name=active_redaction().name(span.name),
            metadata={"source": "spans"},
            trace_id=trace_id,
            span_id=format(trace.root, "016x"),
        )

    def on_end(self, span: "ReadableSpan") -> None:
        """Add the ended span until its trace is complete."""
        try:
            self._ended(span)
        except Exception as error:
            report_fault("store.on_end", error, component="store")

    def _ended(self, span: "ReadableSpan") -> None:
        context, scope = span.context, span.instrumentation_scope
        if context is None or (scope is not None and scope.name == SCOPE):
            return
        with self._lock:
            trace = self._traces.get(context.trace_id)
            if trace is None:
                return
            given_up = self._add(trace, facts_of(span), is_root=context.span_id == trace.root)
            trace.open -= 1
            if context.span_id == trace.root:
                del self._traces[context.trace_id]
                self._forget(trace)
        self._count(given_up)
        if context.span_id != trace.root:
            return
        if trace.record is not None or any(self._keep(each.name, each.attributes) for each in trace.ended):
            self._hand_over(trace)

    def _add(self, trace: _Trace, span: Ended, *, is_root: bool) -> list[_Trace]:
        """Add a span, and return the older traces that were dropped for it; the caller holds the lock."""
        size = _size(span)
        given_up: list[_Trace] = []
        if not is_root and (len(trace.ended) >= self._max_spans or trace.size + size > self._max_bytes):
            trace.left_out += 1
            return given_up
        trace.ended.append(span)
        trace.size += size
        self._spans += 1
        self._bytes += size
        while self._bytes > self._max_bytes:
            oldest = next(
                (key for key, each in self._traces.items() if each is not trace and each.ended), None
            )
            if oldest is None:
                break  # only the root is left, which ends its trace
            given_up.append(self._traces.pop(oldest))
            self._forget(given_up[-1])
        return given_up

    def _hand_over(self, trace: _Trace) -> None:
        guard = active_redaction()
        ended = [_clean(each, guard) for each in trace.ended]
        spans = {each.span_id: each for each in ended}
        records = [record for record in derive(ended) if record.span_id == format(trace.root, "016x")]
        for record in records:
            if trace.left_out or trace.open:
                record.metadata["spans_left_out"] = trace.left_out + trace.open
            root = spans[record.span_id].attributes
            record.inputs, record.outputs = self._inputs(root, guard), self._outputs(root, guard)
            record.caller_id = _text(root.get("user.id") or root.get("enduser.id"))
            for call in calls_of(record):
                facts = spans[call.span_id].attributes
                mode = "excluded" if guard.excludes(input_of(facts)) else guard.mode(call.tool_name)
                call.params = self._inputs(facts, guard, mode)
                call.result = self._outputs(facts, guard, mode)
                add_call_result(record, call, output_of(facts))
        self._put(records)

    def _put(self, records: list[ExecutionRecord]) -> None:
        """Store runs; those with model calls in another thread, because loading their prices may take time."""
        if getattr(self._store, "takes_notes", False) and any(record.model_calls for record in records):
            queue, size = run_thread(), sum(_CALL_BYTES * len(record.model_calls) for record in records)
            if queue.offer(self, records, size + _SPAN):
                return
        self._store_now(records)

    def take(self, notes: Sequence[list[ExecutionRecord]]) -> None:
        """Store queued runs; called by the thread of runs."""
        for records in notes:
            with fault_barrier("store.put"):
                self._store_now(records)

    def _store_now(self, records: list[ExecutionRecord]) -> None:
        self._store.put(records)
        for record in records:
            count_model_calls(shared_metrics(), record)

    def dropped(self, reason: TelemetryDropReason, count: int) -> None:
        """Count runs that were not stored."""
        self._on_drop(reason, count)

    def _inputs(self, facts: Mapping[str, Any], guard: ActiveRedaction, mode: str = "redacted") -> Any:
        return self._content(input_of(facts), mode, blank=guard.hides_inputs)

    def _outputs(self, facts: Mapping[str, Any], guard: ActiveRedaction, mode: str = "redacted") -> Any:
        if mode == "excluded":
            return guard.excluded(None)
        return self._content(output_of(facts), mode, blank=guard.hides_outputs)

    def _content(self, value: Any, mode: str, *, blank: bool) -> Any:
        if value is None or mode == "none":
            return None
        # With `full` foreign spans are redacted all the same: their creator may send them elsewhere too.
        return REDACTED if blank else self._capture(value, "keys" if mode == "keys" else "redacted")

    def _on_ending(self, span: "Span") -> None:
        """Do nothing; newer SDKs call this."""

    def shutdown(self) -> None:
        """Store complete traces, and end and count incomplete ones; the store stays open, since the caller owns it."""
        with self._lock:
            traces = [trace for trace in self._traces.values() if trace.record is not None]
            self._traces.clear()
            self._spans = self._bytes = 0
        if traces:
            self._on_drop("shutdown_timeout", len(traces))
        self._interrupt(traces, "the process ended before this trace did")
        self._store.flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Store complete traces."""
        return self._store.flush(timeout_millis / 1000)


def _clean(span: Ended, guard: ActiveRedaction) -> Ended:
    """Return a span without secrets, including its content."""
    return span._replace(
        name=guard.name(span.name),
        attributes=guard.attributes(span.attributes) or {},
        events=tuple(
            Event(guard.name(event.name), guard.attributes(event.attributes) or {}) for event in span.events
        ),
        status_message=guard.text(span.status_message),
    )


def _count_lost(reason: TelemetryDropReason, count: int) -> None:
    shared_metrics().lost("store", reason, count)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
