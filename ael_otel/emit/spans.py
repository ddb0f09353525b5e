"""Starting, completing and failing spans: the calls that generated span functions make."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ael_otel.emit.activity import activity

type Attributes = Mapping[str, AttributeValue]

CACHED: Final = 4_096
"""Combinations of start attributes kept per type of span, so that a step that runs again builds none."""


class SpanType:
    """Starts the spans of one type."""

    __slots__ = ("_activity", "_kind")

    def __init__(self, name: str, kind: SpanKind) -> None:
        self._activity = activity("spans", name)
        self._kind = kind

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
