"""Spans as stored by the suite's own sink or by Tempo, and a run's tree as text."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status, TracesData
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.stack.otlp import bridge_address
from tools.otlp_server import OtlpServer

OURS = "ael"
"""The instrumentation scope of the spans of the contract."""


@dataclass(frozen=True)
class StoredSpan:
    """One span as a store gives it back; ids in hexadecimal, times in nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    scope: str
    service: str
    start: int
    end: int
    error: str
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...]


class Traces(Protocol):
    """A store of traces."""

    def of_service(self, service: str) -> dict[str, list[StoredSpan]]:
        """All traces of a service by id, in whole."""
        ...

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """The spans of one trace, none when it is unknown."""
        ...


class TraceSink(OtlpServer):
    """Accepts OTLP over gRPC in Tempo's place and stores all spans; a repeated one is stored once, and counted."""

    def __init__(self) -> None:
        """Listen on the address that containers reach this host by."""
        self._kept: dict[str, StoredSpan] = {}
        self._guard = threading.Lock()
        self.repeated = 0
        super().__init__(bridge_address())

    def take(self, request: Any) -> None:
        """Keep the spans of a request, and nothing of the other signals."""
        if not isinstance(request, ExportTraceServiceRequest):
            return
        found = list(stored_spans(request.resource_spans))
        with self._guard:
            for span in found:
                self.repeated += span.span_id in self._kept
                self._kept[span.span_id] = span

    def of_service(self, service: str) -> dict[str, list[StoredSpan]]:
        """All traces of a service by id."""
        traces: dict[str, list[StoredSpan]] = defaultdict(list)
        with self._guard:
            kept = list(self._kept.values())
        for span in kept:
            if span.service == service:
                traces[span.trace_id].append(span)
        return dict(traces)

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """The spans of one trace, none when it is unknown."""
        with self._guard:
            return [span for span in self._kept.values() if span.trace_id == trace_id]


class Tempo:
    """The real Tempo: its search finds the ids, its look-up by id the spans."""

    def __init__(self, url: str) -> None:
        """Keep Tempo's address."""
        self._url = url
        self._session = requests.Session()

    def of_service(self, service: str) -> dict[str, list[StoredSpan]]:
        """All traces of a service by id."""
        query = {"q": f'{{resource.service.name="{service}"}}', "limit": "2000"}
        found = self._session.get(f"{self._url}/api/search", params=query, timeout=10)
        found.raise_for_status()
        # Search leaves out an id's leading zeros.
        ids = [trace["traceID"].rjust(32, "0") for trace in found.json().get("traces", [])]
        return {trace_id: self.trace(trace_id) for trace_id in ids}

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """The spans of one trace, none when it is unknown."""
        answer = self._session.get(f"{self._url}/api/v2/traces/{trace_id}", timeout=10)
        answer.raise_for_status()
        data = json_format.ParseDict(
            answer.json().get("trace") or {}, TracesData(), ignore_unknown_fields=True
        )
        return list(stored_spans(data.resource_spans))


def stored_spans(groups: Iterable[ResourceSpans]) -> Iterable[StoredSpan]:
    """Read OTLP."""
    for group in groups:
        service = str(_attributes(group.resource.attributes).get("service.name", ""))
        for scope in group.scope_spans:
            for span in scope.spans:
                yield StoredSpan(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    name=span.name,
                    kind=ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    scope=scope.scope.name,
                    service=service,
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    error=span.status.message if span.status.code == Status.STATUS_CODE_ERROR else "",
                    attributes=_attributes(span.attributes),
                    events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
                )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def root_of(spans: list[StoredSpan]) -> StoredSpan:
    """The one span whose parent is not in the trace; two of them are an orphan."""
    ids = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in ids]
    assert len(roots) == 1, f"{len(roots)} roots in one trace: {[root.name for root in roots]}"
    return roots[0]


def tree(spans: list[StoredSpan]) -> str:
    """One line per span, indented below its parent: name, what the contract's attributes say, the error."""
    children: dict[str, list[StoredSpan]] = defaultdict(list)
    for span in spans:
        children[span.parent_id].append(span)
    lines: list[str] = []

    def show(span: StoredSpan, depth: int) -> None:
        error = f" ERROR {span.error}" if span.error else ""
        lines.append("  " * depth + f"{span.name}{_details(span)}{error}")
        for name, facts in span.events:
            lines.append("  " * (depth + 1) + f"* {name} {' '.join(str(value) for value in facts.values())}")
        for child in sorted(children[span.span_id], key=lambda each: (each.start, each.end)):
            show(child, depth + 1)

    show(root_of(spans), 0)
    return "\n".join(lines)


_TOLD = (
    "ael.workflow.name",
    "ael.workflow.status",
    "ael.step.name",
    "ael.step.status",
    "ael.step.skip_reason",
    "ael.tool.name",
    "ael.mcp.server",
)


def _details(span: StoredSpan) -> str:
    facts = dict(span.attributes)
    if span.name.startswith("Step"):
        # Its request names the tool, its root the workflow.
        facts.pop("ael.workflow.name", None)
        facts.pop("ael.tool.name", None)
    return "".join(f" {facts[key]}" for key in _TOLD if key in facts)
