"""Write and read Jaeger's JSON: the files that its interface opens, and the responses of its `/api/traces`.

Jaeger accepts OTLP: to send runs there, push OTLP to its port 4318.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast, get_args

from ael_otel.errors import ImportFormatError
from ael_otel.export.span_tree import Kind, Span, SpanEvent, SpanStatus
from ael_otel.export.zipkin import text
from ael_otel.store.content import clean

_LARGEST_EXACT = 2**53


def as_jaeger(spans: Sequence[Span]) -> dict[str, Any]:
    """Return the spans of one trace as a document; times are microseconds."""
    processes = {
        service: f"p{number}" for number, service in enumerate({span.service: 0 for span in spans}, 1)
    }
    return {
        "traceID": spans[0].trace_id,
        "spans": [_span(span, processes[span.service]) for span in spans],
        "processes": {
            process: {"serviceName": clean(service), "tags": list[Any]()}
            for service, process in processes.items()
        },
    }


def _span(span: Span, process: str) -> dict[str, Any]:
    tags = [*span.attributes.items(), ("span.kind", span.kind), ("otel.scope.name", span.scope)]
    if span.status != "unset":
        tags.append(("otel.status_code", span.status.upper()))
    if span.status == "error":
        tags += [("error", True), ("otel.status_description", span.status_message)]
    references: list[dict[str, str]] = []
    if span.parent_id:
        references = [{"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent_id}]
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "flags": 1,
        "operationName": clean(span.name),
        "references": references,
        "startTime": span.start_ns // 1000,
        "duration": max(0, span.end_ns - span.start_ns) // 1000,
        "tags": [_tag(key, value) for key, value in tags],
        "logs": [_log(event) for event in span.events],
        "processID": process,
        "warnings": None,
    }


def _log(event: SpanEvent) -> dict[str, Any]:
    fields = [("event", event.name), *event.attributes.items()]
    return {"timestamp": event.time_ns // 1000, "fields": [_tag(key, value) for key, value in fields]}


def _tag(key: str, value: Any) -> dict[str, Any]:
    key = clean(key)
    match value:
        case bool():
            return {"key": key, "type": "bool", "value": value}
        case int() if abs(value) < _LARGEST_EXACT:  # a browser can represent it
            return {"key": key, "type": "int64", "value": value}
        case float() if math.isfinite(value):
            return {"key": key, "type": "float64", "value": value}
        case _:
            return {"key": key, "type": "string", "value": text(value)}


# --- reading ----------------------------------------------------------------------------------------------------------

_OWN_TAGS: Final = frozenset(
    {
        "span.kind",
        "error",
        "otel.status_code",
        "otel.status_description",
        "otel.scope.name",
        "otel.scope.version",
        "otel.library.name",
        "otel.library.version",
    }
)
"""Tags that correspond to fields of a span."""

_KINDS: Final = cast("tuple[Kind, ...]", get_args(Kind.__value__))
_STATUSES: Final = cast("tuple[SpanStatus, ...]", get_args(SpanStatus.__value__))


def is_jaeger(document: Mapping[str, Any]) -> bool:
    """Return whether a document is one trace in Jaeger's JSON."""
    return isinstance(document.get("spans"), list) and ("processes" in document or "traceID" in document)


def spans_in_trace(trace: Mapping[str, Any], on_bad: Callable[[ImportFormatError], None]) -> list[Span]:
    """Return the spans of one trace; `on_bad` is called with the reason for each one that cannot be read."""
    found: list[Span] = []
    processes = _map(trace.get("processes"))
    for span in _maps(trace.get("spans")):
        try:
            found.append(
                _read_span(span, _map(processes.get(str(span.get("processID"))) or span.get("process")))
            )
        except (TypeError, ValueError, OverflowError) as error:
            on_bad(ImportFormatError(f"a span in Jaeger's JSON cannot be read: {error}"))
    return found


def _read_span(span: Mapping[str, Any], process: Mapping[str, Any]) -> Span:
    tags = dict(_read_tags(span.get("tags")))
    start_us = _micros(span.get("startTime"), "startTime")
    status = str(tags.get("otel.status_code", "")).lower()
    if tags.get("error") in (True, "true"):
        status = "error"
    kind = str(tags.get("span.kind", "internal")).lower()
    return Span(
        trace_id=_read_id(span.get("traceID"), 32, "traceID"),
        span_id=_read_id(span.get("spanID"), 16, "spanID"),
        parent_id=_parent(span),
        name=str(span.get("operationName") or ""),
        kind=kind if kind in _KINDS else "internal",
        start_ns=start_us * 1000,
        end_ns=(start_us + _micros(span.get("duration") or 0, "duration")) * 1000,
        attributes={key: value for key, value in tags.items() if key not in _OWN_TAGS},
        events=[_read_log(log) for log in _maps(span.get("logs"))],
        status=status if status in _STATUSES else "unset",
        status_message=str(tags.get("otel.status_description") or ""),
        service=str(process.get("serviceName") or "unknown_service"),
        scope=str(tags.get("otel.scope.name") or tags.get("otel.library.name") or ""),
    )


def _parent(span: Mapping[str, Any]) -> str:
    trace_id = _read_id(span.get("traceID"), 32, "traceID")
    for reference in _maps(span.get("references")):
        # A reference to another trace is a link.
        if reference.get("refType") == "CHILD_OF" and trace_id == _read_id(
            reference.get("traceID") or trace_id, 32, "traceID"
        ):
            return _read_id(reference.get("spanID"), 16, "spanID")
    return _read_id(parent, 16, "parentSpanID") if (parent := span.get("parentSpanID")) else ""


def _read_id(value: Any, digits: int, field: str) -> str:
    """Return an id in full length: Jaeger omits leading zeros, and the first half of a trace id if it is zero."""
    if isinstance(value, str) and 0 < len(value) <= digits and value.isascii() and value.isalnum():
        number = int(value, 16)
        if number:
            return f"{number:0{digits}x}"
    raise ValueError(f"{field} must be up to {digits} hex digits that are not all 0, not {value!r}")


def _micros(value: Any, field: str) -> int:
    if isinstance(value, (int, str)) and not isinstance(value, bool) and 0 <= int(value) < 2**63 // 1000:
        return int(value)
    raise ValueError(f"{field} must be microseconds, not {value!r}")


def _read_log(log: Mapping[str, Any]) -> SpanEvent:
    fields = dict(_read_tags(log.get("fields")))
    name = str(fields.pop("event", ""))
    return SpanEvent(name, _micros(log.get("timestamp"), "timestamp") * 1000, fields)


def _read_tags(tags: Any) -> Iterator[tuple[str, Any]]:
    for tag in _maps(tags):
        value = tag.get("value")
        if isinstance(value, str):
            match tag.get("type"):
                case "bool":
                    value = value == "true"
                case "int64":
                    value = int(value)
                case "float64":
                    value = float(value)
                case _:
                    pass
        yield str(tag.get("key") or ""), value


def _map(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Mapping[str, Any]]:
    items = cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else ()
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, dict)]
