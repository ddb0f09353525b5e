"""Tail sampling: export unsampled traces that failed or were slow, decided when their root span ends.

The spans of an unsampled trace wait in memory until its last local root span (one without a parent, or with a remote
parent) has ended. Then they are exported or discarded. Memory is bounded by traces, spans and age; spans without room
are counted with the reasons `keep_full` and `keep_expired`, since they might have been exported.

Exported copies have the flag "sampled", or a Collector that samples by that flag would drop them. The caller and the
called processes received the flag "not sampled", so their part of the trace is not exported.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Collection
from threading import Lock
from time import monotonic
from typing import Final, Literal

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from ael_otel.core.faults import fault_barrier
from ael_otel.core.metrics import Level
from ael_otel.sdk.batch_processors import DropCounter, span_size
from ael_otel.sdk.run_spans import starter
from ael_otel.sdk.span_copy import SpanCopy

type Kind = Literal["errors", "slow"]
type Verdict = Literal["keep", "leave", "keep_full", "keep_expired"]

MAX_TRACES: Final = 1_000
MAX_SPANS: Final = 1_000
"""Maximum spans of one trace; its root spans are always added."""

MAX_TOTAL: Final = 20_000
"""Maximum spans of all traces together: about 20 MB."""

MAX_AGE: Final = 3_600.0
"""Seconds after which a trace whose root span has not ended is dropped."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum bytes of all traces together, as `span_size` counts them."""

_DECIDED: Final = 4_096
"""Maximum number of decisions in memory, for spans that end after the root span or after a drop of their trace."""


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of a recorded span with the flag "sampled"."""
    context = span.context
    assert context is not None
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return SpanCopy(
        span,
        context=SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state),
    )


class _Trace:
    __slots__ = ("failed", "left_out", "open_roots", "since", "size", "slow", "spans")

    def __init__(self, since: float) -> None:
        self.since = since
        self.open_roots = 0
        self.failed = False
        self.slow = False
        self.spans: list[ReadableSpan] = []
        self.left_out = 0
        self.size = 0


class TailSampler(SpanProcessor):
    """Exports unsampled traces that failed or were slow.

    Args:
        export: called with each span of such a trace, with the flag "sampled".
        keep: traces to export: `errors` (one of their spans failed), `slow` (a root span took `slow_over` or longer).
        slow_over: seconds.
        on_drop: called for spans that were dropped undecided, or left out of an exported trace.
        max_traces: maximum open traces; one more drops the oldest.
        max_spans: maximum spans of one trace.
        max_total: maximum spans of all; more drop the oldest traces.
        max_bytes: their bytes, as `span_size` counts them.
        max_age: seconds that a trace may stay open; checked when another one begins.
        clock: returns monotonic seconds.

    It receives only recorded spans: the sampler must be a `RecordingSampler`.
    """

    run_span_starter = staticmethod(starter)

    def __init__(
        self,
        export: Callable[[ReadableSpan], object],
        keep: Collection[Kind],
        slow_over: float,
        on_drop: DropCounter,
        *,
        max_traces: int = MAX_TRACES,
        max_spans: int = MAX_SPANS,
        max_total: int = MAX_TOTAL,
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._export = export
        self._errors = "errors" in keep
        self._slow_ns = slow_over * 1e9 if "slow" in keep else None
        self._on_drop = on_drop
        self._limits = (max_traces, max_spans, max_total, max_age)
        self._max_bytes = max_bytes
        self._clock = clock
        self._traces: OrderedDict[int, _Trace] = OrderedDict()
        self._verdicts: OrderedDict[int, Verdict] = OrderedDict()
        self._total = 0
        self._bytes = 0
        self._lock = Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.after_fork)

    @property
    def waiting(self) -> int:
        """How many spans wait for a decision."""
        return self._total

    @property
    def level(self) -> Level:
        """The fill level of spans that wait for a decision; read without a lock."""
        max_traces, _, max_total, _ = self._limits
        items, size = self._total, self._bytes
        fill = max(len(self._traces) / max_traces, items / max_total, size / self._max_bytes)
        return Level(items, size, fill)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Record a root span of an unsampled trace."""
        context = span.context
        if context is None or context.trace_flags.sampled or not _is_topmost(span):
            return
        with fault_barrier("keep.on_start"):
            self._begin(context.trace_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Store a span of an unsampled trace; decide when its last root span has ended."""
        context = span.context
        if context is None or context.trace_flags.sampled:
            return
        with fault_barrier("keep.on_end"):
            self._end(span, context.trace_id)

    def _begin(self, trace_id: int) -> None:
        max_traces, _, _, max_age = self._limits
        now = self._clock()
        expired = full = 0
        with self._lock:
            trace = self._traces.get(trace_id)
            if trace is None:
                while self._traces and now - next(iter(self._traces.values())).since > max_age:
                    expired += self._give_up_oldest("keep_expired")
                while len(self._traces) >= max_traces:
                    full += self._give_up_oldest("keep_full")
                trace = self._traces[trace_id] = _Trace(now)
            trace.open_roots += 1
        self._count(full, expired)

    def _give_up_oldest(self, verdict: Verdict) -> int:
        trace_id, trace = self._traces.popitem(last=False)
        self._forget(trace)
        self._remember(trace_id, verdict)
        return len(trace.spans) + trace.left_out

    def _forget(self, trace: _Trace) -> None:
        self._total -= len(trace.spans)
        self._bytes -= trace.size

    def _remember(self, trace_id: int, verdict: Verdict) -> None:
        self._verdicts[trace_id] = verdict
        while len(self._verdicts) > _DECIDED:
            self._verdicts.popitem(last=False)

    def _count(self, full: int, expired: int = 0) -> None:
        if full:
            self._on_drop("traces", "keep_full", full)
        if expired:
            self._on_drop("traces", "keep_expired", expired)

    def _end(self, span: ReadableSpan, trace_id: int) -> None:
        _, max_spans, max_total, _ = self._limits
        topmost = _is_topmost(span)
        verdict: Verdict = "leave"
        full = 0
        with self._lock:
            trace = self._traces.get(trace_id)
            if trace is None:
                # A trace without a stored decision was dropped long ago: counted, since it might have failed.
                verdict = self._verdicts.get(trace_id, "keep_full")
            else:
                if topmost or len(trace.spans) < max_spans:
                    size = span_size(span)
                    trace.spans.append(span)
                    trace.size += size
                    self._total += 1
                    self._bytes += size
                else:
                    trace.left_out += 1
                trace.failed = trace.failed or span.status.status_code is StatusCode.ERROR
                if topmost:
                    trace.open_roots -= 1
                    trace.slow = trace.slow or self._is_slow(span)
                    if trace.open_roots == 0:
                        self._settle(trace_id, trace)
                while self._traces and (self._total > max_total or self._bytes > self._max_bytes):
                    full += self._give_up_oldest("keep_full")
        self._count(full)
        if verdict == "keep":
            self._export(_sampled(span))
        elif verdict != "leave":
            self._on_drop("traces", verdict, 1)
        elif trace is not None and topmost and trace.open_roots == 0 and self._is_worth_it(trace):
            self._hand_over(trace)

    def _settle(self, trace_id: int, trace: _Trace) -> None:
        del self._traces[trace_id]
        self._forget(trace)
        self._remember(trace_id, "keep" if self._is_worth_it(trace) else "leave")

    def _is_slow(self, span: ReadableSpan) -> bool:
        took = (span.end_time or 0) - (span.start_time or 0)
        return self._slow_ns is not None and took >= self._slow_ns

    def _is_worth_it(self, trace: _Trace) -> bool:
        return (self._errors and trace.failed) or trace.slow

    def _hand_over(self, trace: _Trace) -> None:
        for span in trace.spans:
            self._export(_sampled(span))
        self._count(trace.left_out)

    def shutdown(self) -> None:
        """Export traces that have failed already, and count the undecided rest as dropped by the exit."""
        with self._lock:
            traces = list(self._traces.values())
            self._traces.clear()
            self._total = self._bytes = 0
        undecided = 0
        for trace in traces:
            if self._is_worth_it(trace):
                self._hand_over(trace)
            else:
                undecided += len(trace.spans) + trace.left_out
        if undecided:
            self._on_drop("traces", "shutdown_timeout", undecided)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: open traces cannot be decided yet."""
        return True

    def after_fork(self) -> None:
        """Start empty in a child process: the parent decides its own traces."""
        self._lock = Lock()
        self._traces, self._verdicts = OrderedDict(), OrderedDict()
        self._total = self._bytes = 0


def _is_topmost(span: ReadableSpan) -> bool:
    return span.parent is None or span.parent.is_remote
