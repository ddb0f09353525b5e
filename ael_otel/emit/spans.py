"""Start, complete and fail spans: the functions that generated span functions call."""

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
"""Maximum combinations of start attributes that are cached per type of span, so that a repeated step builds none."""


PLAIN: Final = frozenset({str, bool, int, float})
"""Types of attribute values that the SDK stores unchanged, if no limit of their length applies."""


class PlainAttributes(dict[str, AttributeValue]):
    """Attributes with non-empty texts as keys, and only values of `PLAIN` types."""


class DroppedSpan(NonRecordingSpan):  # pyright: ignore[reportMissingSuperCall]
    """A span that the sampler dropped, as it drops each span below it: has only ids.

    Its context is created on demand; most frames of a run do not need it.
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
    """Starts spans that cost less than those of the SDK."""

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
        """Return a span below a dropped one; None if the sampler must decide."""
        ...


STARTER: Final = "run_span_starter"
"""Attribute of our own classes of span processors: a function of the SDK's tracer and the processors of its provider,
which returns a `Starter`, or None."""


class RunTracer(Tracer):
    """Starts the spans of runs: cheaper ones than the SDK's while all processors of the provider are ours.

    Args:
        tracer: a tracer of any provider, also of one that will be set later.
    """

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self._starter: tuple[object, Starter | None] = (None, None)

    def start_span(self, *args: Any, **options: Any) -> Span:
        """Start any span, through the tracer."""
        return self.tracer.start_span(*args, **options)

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        """Start any span, through the tracer."""
        return self.tracer.start_as_current_span(*args, **options)

    def starter(self) -> Starter | None:
        """Return the starter of spans now; None if the tracer starts them."""
        # The API's stand-in for a provider that is set later has the real tracer here.
        real: Any = getattr(self.tracer, "_tracer", self.tracer)
        try:
            processors = real.span_processor._span_processors  # noqa: SLF001
        except AttributeError:
            return None
        seen, start = self._starter
        if processors is not seen:  # the SDK replaces the whole object when one is added
            start = _starter(real, processors)
            self._starter = (processors, start)
        return start


def _starter(tracer: Any, processors: Any) -> Starter | None:
    if type(processors) is not tuple:
        return None
    found: Callable[[Any, Any], Starter | None] | None = None
    for each in cast("tuple[object, ...]", processors):
        kind: Any = type(each)
        # Only in the class itself: a subclass of ours may do anything with a span.
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
        """Return the span of a frame below a dropped one, before its name and attributes are built.

        None if a span has to be started.
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
        """Start a span at `start_time`, in nanoseconds since 1970 (default now).

        An exception inside it becomes a log record (decision 3a), not a span event.
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
    """Return attributes for repeated use, marked if they are plain."""
    return PlainAttributes(attributes) if are_plain(attributes) else attributes


def are_plain(attributes: Mapping[Any, Any]) -> bool:
    """Return whether the SDK stores these keys and values unchanged."""
    return all(type(key) is str and key and type(value) in PLAIN for key, value in attributes.items())


def fail(span: Span, kind: str, attributes: Attributes) -> None:
    """Set the status ERROR of a recorded span, and attributes with the reason, never a message."""
    if span.is_recording():
        span.set_attributes(attributes)
        span.set_status(_error(kind))


def add_event(span: Span, name: str, attributes: Attributes) -> None:
    """Add an event to a recorded span."""
    if span.is_recording():
        span.add_event(name, attributes)


@lru_cache(maxsize=256)
def _error(kind: str) -> Status:
    return Status(StatusCode.ERROR, kind)
