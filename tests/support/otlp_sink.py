"""An OTLP receiver in the test's own process: stores traces, metrics and logs, and returns them decoded.

    with OtlpSink() as sink:
        run_something(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        sink.wait_until(lambda: len(sink.spans()) == 5)

Decoded values are JSON-like values, with ids as lower-case hex; `raw` is every byte that arrived.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tools.otlp_server import OtlpServer

type Values = dict[str, Any]


class OtlpSink(OtlpServer):
    """Stores every request; also a context manager; thread-safe."""

    def __init__(self, host: str = "127.0.0.1", port: int | None = 0, http_port: int | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[Any] = []
        super().__init__(host, port, http_port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
        """Wait until `condition` is true, at most `timeout_s` seconds; return whether it was."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    # --- what arrived -----------------------------------------------------------------------------------------------

    def requests(self, kind: type[Any] | None = None) -> list[Any]:
        """Return the requests in order of arrival; those of one message type, or all."""
        with self._lock:
            return [request for request in self._requests if kind is None or isinstance(request, kind)]

    def raw(self) -> bytes:
        """Return every byte of every request, in which text is UTF-8."""
        return b"\n".join(request.SerializeToString() for request in self.requests())

    def counts(self) -> dict[str, int]:
        """Return how many items arrived per signal; for metrics, how many data points."""
        points = sum(
            len(rows)
            for request in self.requests(ExportMetricsServiceRequest)
            for rows in _rows(request).values()
        )
        return {"spans": len(self.spans()), "logs": len(self.logs()), "points": points}

    def spans(self) -> list[Values]:
        """Return all spans, in order of arrival."""
        return [
            _span(span, scope.scope.name, group.resource)
            for request in self.requests(ExportTraceServiceRequest)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[Values]:
        """Return all log records, in order of arrival."""
        return [
            {
                "body": _value(record.body),
                "severity": record.severity_text,
                "event": record.event_name,
                "trace_id": record.trace_id.hex() or "0" * 32,
                "span_id": record.span_id.hex() or "0" * 16,
                "attributes": _attributes(record.attributes),
                "time": record.time_unix_nano,
                "scope": scope.scope.name,
                "resource": _attributes(group.resource.attributes),
            }
            for request in self.requests(ExportLogsServiceRequest)
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return the latest value of each series of each metric.

        A key is `label=value,...`, sorted by label; a histogram has its count there and its sum in `<key> sum`.
        """
        latest: dict[str, dict[str, float]] = {}
        for request in self.requests(ExportMetricsServiceRequest):
            for name, rows in _rows(request).items():
                latest.setdefault(name, {}).update(rows)
        return latest

    def take(self, request: Any) -> None:
        """Store a request."""
        with self._lock:
            self._requests.append(request)


def _span(span: Span, scope: str, resource: Any) -> Values:
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "scope": scope,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "status": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        "description": span.status.message or None,
        "attributes": _attributes(span.attributes),
        "events": [{"name": each.name, "attributes": _attributes(each.attributes)} for each in span.events],
        "links": len(span.links),
        "resource": _attributes(resource.attributes),
    }


def _rows(request: ExportMetricsServiceRequest) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for group in request.resource_metrics:
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                rows = found.setdefault(metric.name, {})
                for point in _points(metric):
                    labels = _attributes(point.attributes)
                    row = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
                    if hasattr(point, "bucket_counts"):
                        rows[row], rows[f"{row} sum"] = point.count, point.sum
                    else:
                        rows[row] = point.as_int if point.HasField("as_int") else point.as_double
    return found


def _points(metric: Metric) -> Iterable[Any]:
    kind = metric.WhichOneof("data")
    return () if kind is None else getattr(metric, kind).data_points


def _attributes(pairs: Iterable[KeyValue]) -> Mapping[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case kind:
            return getattr(value, kind)
