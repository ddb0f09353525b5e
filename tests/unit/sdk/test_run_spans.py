"""Our spans and the SDK's, put through the same calls, give every reader the same."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ael_otel.emit.spans import DroppedSpan, RunTracer
from ael_otel.sdk.batch_processors import BoundedSpanProcessor
from ael_otel.sdk.run_spans import RunSpan, starter
from ael_otel.sdk.sampling import RecordingSampler
from ael_otel.sdk.tail_sampling import TailSampler
from ael_otel.sdk.unknown_names import UnknownNames


class Keeping(SpanProcessor):
    """Stores spans as they start and as they end."""

    def __init__(self) -> None:
        self.started: list[tuple[str, dict[str, Any], SpanContext]] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Record the state at the start; reading `attributes` would turn our span into one of the SDK."""
        around = trace.get_current_span(parent_context).get_span_context()
        self.started.append((span.name, dict(span._attributes), around))

    def on_end(self, span: ReadableSpan) -> None:
        """Keep an ended span."""
        self.ended.append(span)


class Ours(Keeping):
    """The same, marked as a processor of ours."""

    run_span_starter = staticmethod(starter)


class Counting(IdGenerator):
    """Ids in a row, so that two providers make the same ones."""

    def __init__(self, *, random: bool) -> None:
        self._last = 0
        self._random = random

    def generate_span_id(self) -> int:
        """Return the next id."""
        self._last += 1
        return self._last

    generate_trace_id = generate_span_id

    def is_trace_id_random(self) -> bool:
        """Sample by the parent's trace flag."""
        return self._random


class Adding(Sampler):
    """Adds attributes and a trace state."""

    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        """Sample."""
        del parent_context, trace_id, name, kind, links, trace_state
        added = {**(attributes or {}), "sampler": ["a", "b"]}
        return SamplingResult(Decision.RECORD_AND_SAMPLE, added, TraceState([("a", "1")]))

    def get_description(self) -> str:
        """Name it."""
        return "adding"


class Fickle(StaticSampler):
    """Samples by the name, which its base class does not look at."""

    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        """Sample what is below the first span."""
        self._decision = Decision.RECORD_AND_SAMPLE if "child" in name else Decision.DROP
        return super().should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)


class Strange:
    """A value that has no word in telemetry."""

    def __str__(self) -> str:
        return "strange"


keys = st.sampled_from(["", "a", "b", "c", "ael.step.name", "d" * 9])
scalars = st.one_of(
    st.text(max_size=12),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.none(),
    st.builds(Strange),
)
values = st.one_of(
    scalars,
    st.lists(st.text(max_size=3), max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)
attributes = st.dictionaries(keys, values, max_size=6)
times = st.integers(1, 2**62)
statuses = st.sampled_from(
    [
        (StatusCode.OK,),
        (StatusCode.ERROR, "why"),
        (StatusCode.UNSET,),
        (Status(StatusCode.ERROR, "also"),),
        (Status(StatusCode.OK), "ignored"),
    ]
)
operations = st.one_of(
    st.tuples(st.just("set_attribute"), st.tuples(keys, values)),
    st.tuples(st.just("set_attributes"), st.tuples(attributes)),
    st.tuples(st.just("add_event"), st.tuples(st.text(max_size=4), attributes, times)),
    st.tuples(
        st.just("add_link"), st.tuples(st.builds(SpanContext, times, times, st.booleans()), attributes)
    ),
    st.tuples(st.just("set_status"), statuses),
    st.tuples(st.just("update_name"), st.tuples(st.text(max_size=5))),
    st.tuples(st.just("end"), st.tuples(times)),
    st.tuples(st.just("read"), st.just(())),
)
limits = st.builds(
    SpanLimits,
    max_span_attributes=st.sampled_from([None, 0, 1, 3]),
    max_events=st.sampled_from([None, 0, 2]),
    max_links=st.sampled_from([None, 0, 2]),
    max_span_attribute_length=st.sampled_from([None, 0, 5]),
    max_attribute_length=st.sampled_from([None, 4]),
    max_event_attributes=st.sampled_from([None, 1]),
)
SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "on": lambda: ALWAYS_ON,
    "off": lambda: ALWAYS_OFF,
    "parent": lambda: DEFAULT_ON,
    "parent, other delegates": lambda: ParentBased(
        ALWAYS_ON, local_parent_not_sampled=Adding(), local_parent_sampled=ALWAYS_OFF
    ),
    "parent or ratio": lambda: ParentBased(TraceIdRatioBased(0.5)),
    "fickle": lambda: Fickle(Decision.DROP),
    "ratio": lambda: TraceIdRatioBased(0.5),
    "record": lambda: RecordingSampler(ALWAYS_OFF),
    "adding": Adding,
}
parents = st.one_of(
    st.none(),
    st.just(SpanContext(0, 0, is_remote=False)),
    st.builds(
        SpanContext,
        st.integers(1, 2**128 - 1),
        st.integers(1, 2**64 - 1),
        st.booleans(),
        st.integers(0, 3).map(TraceFlags),
        st.sampled_from([None, TraceState([("vendor", "x")])]),
    ),
)


def dump(span: Any) -> dict[str, Any]:
    """Return every field of a span."""
    if not isinstance(span, ReadableSpan):
        return {"context": span.get_span_context(), "recording": span.is_recording()}
    return {
        "name": span.name,
        "context": span.context,
        "same context": span.get_span_context(),
        "parent": span.parent,
        "kind": span.kind,
        "times": (span.start_time, span.end_time),
        "attributes": list((span.attributes or {}).items()),
        "events": [
            (each.name, list((each.attributes or {}).items()), each.timestamp, each.dropped_attributes)
            for each in span.events
        ],
        "links": [
            (each.context, list((each.attributes or {}).items()), each.dropped_attributes)
            for each in span.links
        ],
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "status": (span.status.status_code, span.status.description),
        "resource": span.resource,
        "scope": span.instrumentation_scope,
        "json": as_json(span),
    }


def as_json(span: ReadableSpan) -> str:
    """Return the output of the SDK's console exporter; it has no form for bytes."""
    try:
        return span.to_json()
    except TypeError as error:
        return str(error)


class Side:
    """One of the two ways, with all that comes out of it."""

    def __init__(self, kept: Keeping, sampler: Sampler, bounds: SpanLimits, *, random: bool) -> None:
        self.kept = kept
        self.provider = TracerProvider(
            sampler,
            Resource({"service.name": "test"}),
            shutdown_on_exit=False,
            id_generator=Counting(random=random),
            span_limits=bounds,
        )
        self.provider.add_span_processor(kept)
        self.tracer = RunTracer(self.provider.get_tracer("ael", "1", "https://example.com/schema"))

    def start(self, name: str, context: Context | None, kind: SpanKind, at: int | None, facts: Any) -> Any:
        """Start a span as `SpanType.start` does."""
        starter = self.tracer.starter()
        if starter is not None:
            around = trace.get_current_span(context)
            below = starter.dropped(around) if type(around) is DroppedSpan else None
            return starter.start(name, context, kind, facts, at) if below is None else below
        return self.tracer.start_span(
            name,
            context,
            kind,
            facts,
            start_time=at,
            record_exception=False,
            set_status_on_exception=False,
        )


class Warnings(logging.Handler):
    """Stores the SDK's log records."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one text."""
        self.texts.append(record.getMessage())


def play(side: Side, plan: dict[str, Any]) -> list[Any]:
    """Put a span and its child through the plan, and return all that could be seen."""
    parent = plan["parent"]
    context = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())
    seen: list[Any] = []
    heard = Warnings()
    loggers = [logging.getLogger(name) for name in ("opentelemetry.attributes", "opentelemetry.sdk.trace")]
    for logger in loggers:
        logger.addHandler(heard)
    try:
        span = side.start(plan["name"], context, plan["kind"], plan["at"], plan["facts"])
        inside = trace.set_span_in_context(span)
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, inside)
        seen.append(carrier)
        child = side.start("child", inside, SpanKind.CLIENT, 5, {"n": 1})
        below = side.start("grandchild", trace.set_span_in_context(child), SpanKind.CLIENT, 6, {"n": 2})
        for call, arguments in plan["calls"]:
            if call == "read":
                seen.append(dump(span))
            else:
                getattr(span, call)(*arguments)
                seen.append(span.is_recording())
        below.end(6)
        child.end(7)
        span.end(9)
        seen += [dump(below), dump(child), dump(span)]
    finally:
        for logger in loggers:
            logger.removeHandler(heard)
    ended = side.kept.ended
    wire = encode_spans(ended).SerializeToString() if ended else b""
    return [*seen, heard.texts, side.kept.started, [dump(each) for each in ended], wire]


plans = st.fixed_dictionaries(
    {
        "name": st.text(max_size=5),
        "kind": st.sampled_from(SpanKind),
        "at": times,
        "facts": attributes,
        "parent": parents,
        "calls": st.lists(operations, max_size=8),
    }
)
PLAIN = {"name": "x", "kind": SpanKind.INTERNAL, "at": 1, "parent": None}


@given(plan=plans, sampler=st.sampled_from(sorted(SAMPLERS)), bounds=limits, random=st.booleans())
@example(
    plan=PLAIN | {"facts": {"a": 1, "b": "x"}, "calls": [("set_attribute", ("a", 2)), ("read", ())]},
    sampler="on",
    bounds=SpanLimits(),
    random=True,
)
@example(
    plan=PLAIN | {"facts": {"a": [1]}, "calls": [("set_attribute", ("", 2))]},
    sampler="on",
    bounds=SpanLimits(),
    random=True,
)
@example(
    plan=PLAIN | {"facts": {}, "calls": [("end", (2,)), ("set_attribute", ("a", 2))]},
    sampler="on",
    bounds=SpanLimits(),
    random=True,
)
def test_our_span_equals_one_of_the_sdk(
    plan: dict[str, Any], sampler: str, bounds: SpanLimits, random: bool
) -> None:
    """Context, live reads, warnings, spans at processors and the bytes of OTLP are the same after any calls."""
    ours = Side(Ours(), SAMPLERS[sampler](), bounds, random=random)
    theirs = Side(Keeping(), SAMPLERS[sampler](), bounds, random=random)
    assert ours.tracer.starter() is not None
    assert theirs.tracer.starter() is None
    assert play(ours, plan) == play(theirs, plan)


def side(*processors: SpanProcessor, sampler: Sampler = ALWAYS_ON) -> RunTracer:
    """Return the tracer of a provider with these processors."""
    provider = TracerProvider(sampler, Resource({}), shutdown_on_exit=False)
    for each in processors:
        provider.add_span_processor(each)
    return RunTracer(provider.get_tracer("ael"))


class Derived(Ours):
    """A class of somebody else's that builds on ours."""


@pytest.mark.parametrize("kind", [BoundedSpanProcessor, TailSampler, UnknownNames])
def test_processors_of_ours_get_our_spans(kind: type) -> None:
    """Each processor of the package is marked: one without the mark would bring the SDK's cost back for all."""
    own: Any = vars(kind)["run_span_starter"]
    assert own.__func__ is starter


@pytest.mark.parametrize("foreign", [Keeping, Derived])
def test_a_processor_that_is_not_ours_gets_spans_of_the_sdk(foreign: type[Keeping]) -> None:
    """Also if it is added later, beside ours, or is a subclass of ours."""
    ours, other = Ours(), foreign()
    tracer = side(ours)
    start = tracer.starter()
    assert start is not None
    open_span = start.start("open", None, SpanKind.INTERNAL, {"a": 1}, 1)
    assert type(open_span) is RunSpan
    real: Any = tracer.tracer
    real.span_processor.add_span_processor(other)
    assert tracer.starter() is None
    open_span.end(2)
    for kept in (ours, other):
        assert type(kept.ended[0]) is ReadableSpan
        assert dict(kept.ended[0].attributes or {}) == {"a": 1}
    assert side(foreign()).starter() is None
    assert side().starter() is None


def test_a_disabled_tracer_starts_no_span() -> None:
    """A span around it stays the current one."""
    tracer = side(Ours())
    real: Any = tracer.tracer
    real._tracer_config.is_enabled = False
    start = tracer.starter()
    assert start is not None
    span = start.start("x", None, SpanKind.INTERNAL, {}, 1)
    assert not span.is_recording()
    assert not span.get_span_context().is_valid


def test_dropped_span_asks_a_sampler_that_replaces_the_one_that_dropped_it() -> None:
    """Until then the spans below it are dropped without asking; each prints as the SDK's do."""
    tracer = side(Ours(), sampler=ALWAYS_OFF)
    real: Any = tracer.tracer
    start = tracer.starter()
    assert start is not None
    span = start.start("x", None, SpanKind.INTERNAL, {}, 1)
    assert type(span) is DroppedSpan
    below = start.dropped(span)
    assert type(below) is DroppedSpan
    assert below.get_span_context().trace_id == span.get_span_context().trace_id
    assert repr(below) == repr(trace.NonRecordingSpan(below.get_span_context()))
    real.sampler = ALWAYS_ON
    assert start.dropped(span) is None
    again = start.start("x", trace.set_span_in_context(span), SpanKind.INTERNAL, {}, 1)
    assert again.get_span_context().trace_flags.sampled
    assert again.parent == span.get_span_context()


def test_view_of_a_live_span_reflects_later_changes() -> None:
    """As with the SDK, this holds for an earlier view too."""
    start = side(Ours()).starter()
    assert start is not None
    span = start.start("x", None, SpanKind.INTERNAL, {"a": 1}, 1)
    view = span.attributes
    span.set_attribute("b", 2)
    assert dict(view) == {"a": 1, "b": 2}
    with pytest.raises(TypeError):
        view["c"] = 3
