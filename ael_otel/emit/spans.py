"""Starting, completing and failing spans: the calls that generated span functions make."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import AttributeValue

from ael_otel.emit.activity import activity

type Attributes = Mapping[str, AttributeValue]

CACHED: Final = 4_096
"""Combinations of start attributes kept per type of span, so that a step that runs again builds none."""


PLAIN: Final = frozenset({str, bool, int, float})
"""Types of attribute values that the SDK keeps as they are, if no limit of their length applies."""


class PlainAttributes(dict[str, AttributeValue]):
    """Attributes whose keys are texts that are not empty, and whose values are all of `PLAIN` types."""


class DroppedSpan(NonRecordingSpan):  # pyright: ignore[reportMissingSuperCall]
    """A span that the sampler dropped, as it drops each span below it: ids only.

    Its context is made when somebody asks for it, which most frames of a run do not.
    """

    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self, made_by: "Starter", trace_id: int, span_id: int, flags: TraceFlags, state: TraceState
    ) -> None:
        self.made_by = made_by
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state
        self._made: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        """Return the context."""
        made = self._made
        if made is None:
            made = self._made = SpanContext(self.trace_id, self.span_id, False, self.flags, self.state)
        return made

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.get_span_context()


class Starter(Protocol):
    """Starts cheaper spans than those of the SDK."""

    def start(
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        start_time: int | None,
    ) -> Span:
        """Start a span as the SDK's tracer would."""
        ...

    def dropped(self, around: DroppedSpan) -> Span | None:
        """Return a span below one that was dropped; None where the sampler must be asked."""
        ...


STARTER: Final = "run_span_starter"
"""Attribute of a class of span processors that are ours: a function of a tracer of the SDK and the processors of its
provider, which returns a `Starter`, or None."""


class RunTracer(Tracer):
    """Starts the spans of runs: cheaper ones than the SDK's while all processors of the provider are ours.

    Args:
        tracer: of any provider, also one that will be set later.
    """

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self._starter: tuple[object, Starter | None] = (None, None)

    def start_span(self, *args: Any, **options: Any) -> Span:
        """Start any span, by the tracer."""
        return self.tracer.start_span(*args, **options)

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        """Start any span, by the tracer."""
        return self.tracer.start_as_current_span(*args, **options)

    def starter(self) -> Starter | None:
        """Return what starts spans now; None where the tracer does."""
        # The API's stand-in for a provider that is set later has the real tracer there.
        real: Any = getattr(self.tracer, "_tracer", self.tracer)
        try:
            processors = real.span_processor._span_processors  # noqa: SLF001
        except AttributeError:
            return None
        seen, start = self._starter
        if processors is not seen:  # the SDK replaces them as a whole for each new one
            start = _starter(real, processors)
            self._starter = (processors, start)
        return start


def _starter(tracer: Any, processors: Any) -> Starter | None:
    if type(processors) is not tuple:
        return None
    found: Callable[[Any, Any], Starter | None] | None = None
    for each in cast("tuple[object, ...]", processors):
        kind: Any = type(each)
        # In the class itself: one that is derived from ours may do anything with a span.
        if STARTER not in vars(kind):
            return None
        found = getattr(kind, STARTER)
    return None if found is None else found(tracer, processors)


class SpanType:
    """Starts the spans of one type."""

    __slots__ = ("_activity", "_kind")

    def __init__(self, name: str, kind: SpanKind) -> None:
        self._activity = activity("spans", name)
        self._kind = kind

    def dropped(self, tracer: Tracer, context: Context | None) -> Span | None:
        """Return the span of a frame below one that was dropped, before its name and attributes are put together.

        None where a span has to be started.
        """
        around = get_current_span(context)
        if type(around) is not DroppedSpan or type(tracer) is not RunTracer:
            return None
        starter = tracer.starter()
        if starter is None or starter is not around.made_by:
            return None
        span = starter.dropped(around)
        if span is not None:
            self._activity.note()
        return span

    def start(
        self,
        tracer: Tracer,
        name: str,
        attributes: Attributes,
        context: Context | None,
        start_time: int | None = None,
    ) -> Span:
        """Start one at `start_time`, in nanoseconds since 1970 (default now).

        An exception inside it is a log record (decision 3a), not a span event.
        """
        self._activity.note()
        if type(tracer) is RunTracer:
            starter = tracer.starter()
            if starter is not None:
                return starter.start(name, context, self._kind, attributes, start_time)
            tracer = tracer.tracer
        return tracer.start_span(
            name,
            context,
            self._kind,
            attributes,
            start_time=start_time,
            record_exception=False,
            set_status_on_exception=False,
        )


def given(attributes: Mapping[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    """Return the attributes that have a value."""
    return {key: value for key, value in attributes.items() if value is not None}


def prepared(attributes: Attributes) -> Attributes:
    """Return attributes that are used many times, marked where they are plain."""
    return PlainAttributes(attributes) if are_plain(attributes) else attributes


def are_plain(attributes: Mapping[Any, Any]) -> bool:
    """Return whether keys and values are such that the SDK keeps them as they are."""
    return all(type(key) is str and key and type(value) in PLAIN for key, value in attributes.items())


def fail(span: Span, kind: str, attributes: Attributes) -> None:
    """Give a recorded span the status ERROR and the attributes that say why, never a message."""
    if span.is_recording():
        span.set_attributes(attributes)
        span.set_status(_error(kind))


def add_event(span: Span, name: str, attributes: Attributes) -> None:
    """Add an event to a span that is recorded."""
    if span.is_recording():
        span.add_event(name, attributes)


@lru_cache(maxsize=256)
def _error(kind: str) -> Status:
    return Status(StatusCode.ERROR, kind)
