"""Read spans that OpenTelemetry's console exporter printed: an indented JSON object for each."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast, get_args

from ael_otel._generated import attributes as attr
from ael_otel.errors import ImportFormatError
from ael_otel.export.span_tree import Kind, Span, SpanEvent, SpanStatus
from ael_otel.store.times import to_us

_KINDS: Final = cast("tuple[Kind, ...]", get_args(Kind.__value__))
_STATUSES: Final = cast("tuple[SpanStatus, ...]", get_args(SpanStatus.__value__))


def is_console_span(document: Mapping[str, Any]) -> bool:
    """Return whether a document is one span of the console exporter."""
    return "trace_id" in _map(document.get("context")) and "start_time" in document


def span_in(document: Mapping[str, Any]) -> Span:
    """Return the span in a document. Raises ImportFormatError."""
    context, status = _map(document.get("context")), _map(document.get("status"))
    kind = str(document.get("kind") or "").removeprefix("SpanKind.").lower()
    code = str(status.get("status_code") or "").lower()
    resource = _map(_map(document.get("resource")).get("attributes"))
    try:
        start = _nanoseconds(document["start_time"])
        parent = document.get("parent_id")
        return Span(
            trace_id=_id(context.get("trace_id"), 32),
            span_id=_id(context.get("span_id"), 16),
            parent_id=_id(parent, 16) if parent else "",
            name=str(document.get("name") or ""),
            kind=kind if kind in _KINDS else "internal",
            start_ns=start,
            end_ns=_nanoseconds(document["end_time"]) if document.get("end_time") else start,
            attributes=dict(_map(document.get("attributes"))),
            events=[
                SpanEvent(
                    str(event.get("name") or ""),
                    _nanoseconds(event["timestamp"]),
                    dict(_map(event.get("attributes"))),
                )
                for event in map(_map, cast("Iterable[Any]", document.get("events") or ()))
            ],
            status=code if code in _STATUSES else "unset",
            status_message=str(status.get("description") or ""),
            service=str(resource.get(attr.SERVICE_NAME) or "unknown_service"),
            scope="",
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ImportFormatError(f"a span of the console exporter cannot be read: {error}") from None


def _id(value: Any, digits: int) -> str:
    number = int(str(value), 16)
    if not 0 < number < 16**digits:
        raise ValueError(f"an id must be {digits} hex digits that are not all 0, not {value!r}")
    return f"{number:0{digits}x}"


def _nanoseconds(value: Any) -> int:
    return to_us(datetime.fromisoformat(str(value))) * 1000


def _map(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
