"""Spans of runs without the SDK's cost, as long as only our own processors receive them.

A span of the SDK takes 12 us to start and end with five attributes: each value is checked, three containers with a lock
each are created, and a second object at the end. Attributes of our spans are texts, numbers and booleans, almost no
span has an event or a link, and our processors change nothing. `RunSpan` uses a dict until more is needed; from then
on it behaves like any other span of the SDK, by the SDK's own code, so limits, checks and warnings are the same
(`tests/unit/sdk/test_run_spans.py` compares them).

This uses private names of the SDK; with a version that has others, `starter` returns None and the SDK creates the spans
(docs/adr/0016).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from threading import Lock
from time import time_ns
from types import MappingProxyType
from typing import Any, Final, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, Span, SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, StaticSampler
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
)

from ael_otel.emit.spans import PLAIN, DroppedSpan, PlainAttributes, Starter, are_plain

_MAX_SPAN_ID: Final = (1 << 64) - 1

_UNSET: Final = Status(StatusCode.UNSET)
_FLAGS: Final = tuple(TraceFlags(number) for number in range(4))
_FIELDS: Final = frozenset(
    [
        "_name",
        "_context",
        "_kind",
        "_instrumentation_info",
        "_instrumentation_scope",
        "_parent",
        "_start_time",
        "_end_time",
        "_attributes",
        "_events",
        "_links",
        "_resource",
        "_status",
        "_sampler",
        "_trace_config",
        "_record_exception",
        "_set_status_on_exception",
        "_span_processor",
        "_limits",
        "_lock",
        "_record_end_metrics",
    ]
)
"""The attributes of a span in the SDK versions that this module supports."""


class RunSpan(Span):
    """A span of the SDK whose attributes are a plain dict; when it ends, processors get this object itself."""

    # The attributes that the SDK sets in each span. `_events` and `_links` are created by `__getattr__` on first use.
    _instrumentation_info = None
    _attributes: Any
    _end_time: int | None = None
    _status = _UNSET
    _trace_config = None
    _record_exception = False
    _set_status_on_exception = False
    _record_end_metrics = None

    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self,
        made_by: "_Starter",
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Any,
        start_time: int,
    ) -> None:
        self._made_by = made_by
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._attributes = attributes
        self._start_time = start_time
        self._resource = made_by.tracer.resource
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that few spans have, created now, or one that is the same for all spans of a tracer."""
        parts: dict[str, Any] = cast("Any", self.__dict__)
        made_by: _Starter = parts["_made_by"]
        limits = made_by.limits
        # `setdefault` of a dict is atomic: threads that get here at the same time receive the same list.
        if name == "_events":
            return parts.setdefault(name, BoundedList(limits.max_events))
        if name == "_links":
            return parts.setdefault(name, BoundedList(limits.max_links))
        if name in made_by.shared:
            return made_by.shared[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    # --- writing ------------------------------------------------------------------------------------------------------

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        attributes: dict[str, Any] = self._attributes
        if type(attributes) is dict and type(value) in PLAIN and type(key) is str and key:
            with self._lock:
                if (
                    self._end_time is None
                    and self._attributes is attributes
                    and len(attributes) < self._made_by.most
                ):
                    attributes.pop(
                        key, None
                    )  # an attribute that is set again moves to the end, as in the SDK
                    attributes[key] = value
                    return
        self.use_sdk_attributes()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        self.use_sdk_attributes()
        super().set_attributes(attributes)

    def use_sdk_attributes(self) -> None:
        """Move the attributes into the SDK's own container, which checks, counts and limits them."""
        with self._lock:
            attributes: dict[str, Any] = self._attributes
            if type(attributes) is dict:
                limits = self._made_by.limits
                made = BoundedAttributes(
                    limits.max_span_attributes,
                    attributes,
                    immutable=self._end_time is not None,
                    max_value_len=limits.max_span_attribute_length,
                )
                self._attributes = made

    def end(self, end_time: int | None = None) -> None:
        """End the span and pass it to the processors."""
        made_by = self._made_by
        if made_by.processors is not made_by.multi._span_processors:  # noqa: SLF001
            self.use_sdk_attributes()  # a processor that is not ours receives it too
            super().end(end_time)
            return
        with self._lock:
            ended = self._end_time is not None
            if not ended:
                self._end_time = time_ns() if end_time is None else end_time
                if type(self._attributes) is not dict:
                    self._attributes._immutable = True  # noqa: SLF001
        if ended:
            super().end(end_time)  # logs the warning about a second end
            return
        for on_end in made_by.on_end:
            on_end(self)

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def attributes(self) -> Any:
        """The attributes, read-only."""
        if self._end_time is None:
            self.use_sdk_attributes()  # safe to read while another thread sets an attribute
        return MappingProxyType(self._attributes)

    @property
    def events(self) -> Sequence[Event]:
        """The events."""
        return tuple(self.__dict__.get("_events", ()))

    @property
    def links(self) -> Sequence[Link]:
        """The links."""
        return tuple(self.__dict__.get("_links", ()))

    @property
    def dropped_events(self) -> int:
        """How many events were dropped because of the SDK's limit."""
        found = self.__dict__.get("_events")
        return 0 if found is None else cast("int", found.dropped)

    @property
    def dropped_links(self) -> int:
        """How many links were dropped because of the SDK's limit."""
        found = self.__dict__.get("_links")
        return 0 if found is None else cast("int", found.dropped)


class _Starter:
    """Starts the spans of one tracer while its processors are unchanged."""

    __slots__ = (
        "below",
        "limits",
        "most",
        "multi",
        "on_end",
        "on_start",
        "processors",
        "sampler",
        "shared",
        "tracer",
    )

    def __init__(self, tracer: SdkTracer, multi: Any, processors: tuple[SpanProcessor, ...]) -> None:
        self.tracer: Any = tracer
        self.sampler = self.tracer.sampler
        self.below = _below(self.sampler)
        self.multi = multi
        self.processors = processors
        self.on_start = [
            each.on_start for each in processors if type(each).on_start is not SpanProcessor.on_start
        ]
        self.on_end = [each.on_end for each in processors]
        self.limits = limits = self.tracer._span_limits  # noqa: SLF001
        # 0 if each value has to be checked: attributes are then never kept in a dict.
        most = limits.max_span_attributes
        self.most: float = float("inf") if most is None else most
        if limits.max_span_attribute_length is not None:
            self.most = 0
        self.shared = {
            "_instrumentation_scope": self.tracer._instrumentation_scope,  # noqa: SLF001
            "_instrumentation_info": self.tracer.instrumentation_info,
            "_sampler": self.tracer.sampler,
            "_span_processor": multi,
            "_limits": limits,
        }

    def start(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        start_time: int | None,
    ) -> Any:
        """Return a started span, as the SDK's tracer would create it."""
        tracer = self.tracer
        around = get_current_span(context).get_span_context()
        if not tracer._tracer_config.is_enabled:  # noqa: SLF001
            return NonRecordingSpan(around)
        ids = tracer.id_generator
        trace_id, _, is_remote, around_flags, state, is_valid = around
        decision = None
        if is_valid:
            parent = around
            if not is_remote and tracer.sampler is self.sampler:
                decision = self.below[around_flags & 1]
            flags = around_flags & 2
        else:
            parent = None
            trace_id = ids.generate_trace_id()
            flags = 2 if ids.is_trace_id_random() else 0
        if decision is None:
            sampled = tracer.sampler.should_sample(context, trace_id, name, kind, attributes, ())
            decision, attributes, state = sampled.decision, sampled.attributes, sampled.trace_state
        span_id = ids.generate_span_id()
        if decision is Decision.RECORD_AND_SAMPLE:
            flags |= 1
        elif decision is Decision.DROP:
            return self._drop(trace_id, span_id, _FLAGS[flags], state)
        of_span = SpanContext(trace_id, span_id, False, _FLAGS[flags], state)
        plain = dict(attributes)
        span = RunSpan(
            self, name, of_span, parent, kind, plain, time_ns() if start_time is None else start_time
        )
        if len(plain) > self.most or not (type(attributes) is PlainAttributes or are_plain(plain)):
            span.use_sdk_attributes()
        for on_start in self.on_start:
            on_start(span, parent_context=context)
        return span

    def dropped(self, around: DroppedSpan) -> Any:
        """Return a span below a dropped one; None if the sampler must decide."""
        tracer = self.tracer
        if tracer.sampler is not self.sampler or not tracer._tracer_config.is_enabled:  # noqa: SLF001
            return None
        return self._drop(around.trace_id, tracer.id_generator.generate_span_id(), around.flags, around.state)

    def _drop(self, trace_id: int, span_id: int, flags: TraceFlags, state: TraceState) -> Any:
        if self.below[0] is Decision.DROP and trace_id and 0 < span_id <= _MAX_SPAN_ID:
            return DroppedSpan(self, trace_id, span_id, flags, state)
        return NonRecordingSpan(SpanContext(trace_id, span_id, False, flags, state))


def _below(sampler: Sampler) -> tuple[Decision | None, Decision | None]:
    """Return a sampler's decisions below a local parent that is not sampled, and one that is; None if it varies."""
    if type(sampler).should_sample is ParentBased.should_sample:
        parts: Any = sampler
        with suppress(AttributeError):
            return (
                _always(parts._local_parent_not_sampled),  # noqa: SLF001
                _always(parts._local_parent_sampled),  # noqa: SLF001
            )
    decision = _always(sampler)
    return decision, decision


def _always(sampler: Sampler) -> Decision | None:
    """Return the decision of a sampler that always makes the same one and adds nothing; None for any other sampler."""
    if type(sampler).should_sample is not StaticSampler.should_sample:
        return None
    return sampler.should_sample(None, 1, "").decision


def starter(tracer: Any, processors: tuple[SpanProcessor, ...]) -> Starter | None:
    """Return a starter of spans for a tracer of the SDK; None if the SDK must create them.

    Args:
        tracer: a tracer of the SDK.
        processors: the processors of its provider, each one of ours.
    """
    with suppress(AttributeError, TypeError, ValueError):
        multi = tracer.span_processor
        internal: Any = tracer
        if (
            type(tracer) is SdkTracer
            and type(multi) is SynchronousMultiSpanProcessor
            and type(internal._tracer_metrics).__name__ == "NoOpTracerMetrics"  # noqa: SLF001
            and _is_known()
        ):
            return _Starter(tracer, multi, processors)
    return None


@cache
def _is_known() -> bool:
    """Return whether this SDK's spans have the structure that `RunSpan` imitates, by creating a test span."""
    provider = TracerProvider(ALWAYS_ON, Resource({}), shutdown_on_exit=False)
    span = provider.get_tracer("probe").start_span("probe")
    context = SpanContext(1, 2, True, _FLAGS[1], TraceState())
    return vars(span).keys() == _FIELDS and tuple(context) == (1, 2, True, 1, TraceState(), True)
