"""Write Zipkin v2 JSON: the body of `POST /api/v2/spans`, and a file that Zipkin's own interface opens.

Follows OpenTelemetry's mapping (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/): attributes are
text tags, events are annotations, an error is the tag `error`.
"""

import sys
from typing import Any, Final

import msgspec

from ael_otel._generated import attributes as attr
from ael_otel.export.span_tree import Kind, Span
from ael_otel.store.content import clean, to_json

_KINDS: Final[dict[Kind, str]] = {
    "client": "CLIENT",
    "server": "SERVER",
    "producer": "PRODUCER",
    "consumer": "CONSUMER",
}


def as_zipkin(span: Span) -> dict[str, Any]:
    """Return one span in Zipkin's form; times are microseconds, and the minimum duration is 1."""
    written: dict[str, Any] = {"traceId": span.trace_id, "id": span.span_id}
    if span.parent_id:
        written["parentId"] = span.parent_id
    written["name"] = clean(span.name)
    if span.kind in _KINDS:
        written["kind"] = _KINDS[span.kind]
    written["timestamp"] = max(1, span.start_ns // 1000)
    written["duration"] = max(1, (span.end_ns - span.start_ns) // 1000)
    written["localEndpoint"] = {"serviceName": clean(span.service)}
    server = span.attributes.get(attr.AEL_MCP_SERVER)
    if span.kind in ("client", "producer") and isinstance(server, str):
        written["remoteEndpoint"] = {"serviceName": clean(server)}
    if span.events:
        written["annotations"] = [
            {"timestamp": max(1, event.time_ns // 1000), "value": _annotation(event.name, event.attributes)}
            for event in span.events
        ]
    tags = {clean(key): text(value) for key, value in span.attributes.items()}
    tags["otel.scope.name"] = span.scope
    if span.status != "unset":
        tags["otel.status_code"] = span.status.upper()
    if span.status == "error":
        tags["error"] = clean(span.status_message)
    written["tags"] = tags
    return written


def text(value: Any) -> str:
    """Return an attribute as a tag: text unchanged, everything else as JSON."""
    return clean(value) if isinstance(value, str) else to_json(value, sys.maxsize).decode()


def _annotation(name: str, attributes: dict[str, Any]) -> str:
    if not attributes:
        return clean(name)
    return msgspec.json.encode({clean(name): {clean(k): text(v) for k, v in attributes.items()}}).decode()
