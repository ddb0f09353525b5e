"""Jaeger's JSON: what the Jaeger interface opens as a file, and what its `/api/traces` answers.

Jaeger takes OTLP on the wire: to send runs there, push OTLP to its port 4318.
"""

import math
from collections.abc import Sequence
from typing import Any

from ael_otel.export.span_tree import Span, SpanEvent
from ael_otel.export.zipkin import text
from ael_otel.store.content import clean

_LARGEST_EXACT = 2**53


def as_jaeger(spans: Sequence[Span]) -> dict[str, Any]:
    """Return the spans of one trace; times are microseconds."""
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
        case int() if abs(value) < _LARGEST_EXACT:  # a browser reads it
            return {"key": key, "type": "int64", "value": value}
        case float() if math.isfinite(value):
            return {"key": key, "type": "float64", "value": value}
        case _:
            return {"key": key, "type": "string", "value": text(value)}
