"""OTLP requests with fixed ids, a sender that counts acknowledged items, and a sink in place of Tempo."""

import fcntl
import socket
import struct
import threading
import time
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tools.otlp_server import OtlpServer

SIOCGIFADDR = 0x8915
SERVICE = "stack-test"


def bridge_address() -> str:
    """Return the host's address on Docker's bridge, host-gateway in containers; the loopback on other systems."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", b"docker0"))
        except OSError:
            return "127.0.0.1"
    return socket.inet_ntoa(answer[20:24])


class Sink(OtlpServer):
    """Stores every span that it receives, as Tempo would, and the requests of all three signals."""

    def __init__(self) -> None:
        """Listen on the address at which containers reach this host."""
        self.spans: list[Span] = []
        self.traces: list[ExportTraceServiceRequest] = []
        self.logs: list[ExportLogsServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self._lock = threading.Lock()
        super().__init__(bridge_address())

    def take(self, request: Any) -> None:
        """Store a request, and its spans if it has some."""
        with self._lock:
            match request:
                case ExportTraceServiceRequest():
                    self.traces.append(request)
                    self.spans += [
                        span
                        for group in request.resource_spans
                        for scope in group.scope_spans
                        for span in scope.spans
                    ]
                case ExportLogsServiceRequest():
                    self.logs.append(request)
                case _:
                    self.metrics.append(request)


def text(key: str, value: str) -> KeyValue:
    """Return a string attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def trace_id(number: int) -> bytes:
    """Return the id of trace `number`."""
    return (0xAE1 << 116 | number).to_bytes(16, "big")


def spans(first: int, count: int, *attributes: KeyValue) -> ExportTraceServiceRequest:
    """Return a request with `count` spans, each in a separate trace."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.append(text("service.name", SERVICE))
    scope = group.scope_spans.add()
    now = time.time_ns()
    for number in range(first, first + count):
        span = scope.spans.add(
            trace_id=trace_id(number), span_id=(number + 1).to_bytes(8, "big"), name="step"
        )
        span.start_time_unix_nano, span.end_time_unix_nano = now - 1_000_000, now
        span.attributes.extend(attributes)
    return request


def logs(first: int, count: int, *attributes: KeyValue, body: str = "line") -> ExportLogsServiceRequest:
    """Return a request with `count` log records, each in a separate trace."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.append(text("service.name", SERVICE))
    scope = group.scope_logs.add()
    for number in range(first, first + count):
        record = scope.log_records.add(trace_id=trace_id(number), span_id=(number + 1).to_bytes(8, "big"))
        record.time_unix_nano = record.observed_time_unix_nano = time.time_ns()
        record.severity_text = "INFO"
        record.body.string_value = f"{body} {number}"
        record.attributes.extend(attributes)
    return request


def counter(value: int, start_ns: int, *, exemplar: int) -> ExportMetricsServiceRequest:
    """Return a request with one cumulative counter of the contract, and one histogram with an exemplar."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend([text("service.name", SERVICE), text("service.instance.id", "one")])
    scope = group.scope_metrics.add()
    now = time.time_ns()
    total = scope.metrics.add(name="ael.workflow.executions", unit="{run}")
    total.sum.is_monotonic = True
    total.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    point = total.sum.data_points.add(start_time_unix_nano=start_ns, time_unix_nano=now, as_int=value)
    point.attributes.extend([text("workflow", "nightly"), text("status", "success")])
    duration = scope.metrics.add(name="ael.workflow.duration", unit="s")
    duration.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    bucket = duration.histogram.data_points.add(start_time_unix_nano=start_ns, time_unix_nano=now)
    bucket.attributes.append(text("workflow", "nightly"))
    bucket.count, bucket.sum = value, value * 0.5
    bucket.explicit_bounds.extend([1.0, 10.0])
    bucket.bucket_counts.extend([value, 0, 0])
    seen = bucket.exemplars.add(time_unix_nano=now, as_double=0.5, trace_id=trace_id(exemplar))
    seen.span_id = (exemplar + 1).to_bytes(8, "big")
    return request


class Sender:
    """Sends telemetry to the Collector and returns when it is acknowledged, like an exporter with retries."""

    def __init__(self, port: int) -> None:
        """Connect to the Collector's OTLP port on the loopback."""
        # Reconnect within a second: gRPC's own back-off would outlast the restart that the tests make.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._traces = TraceServiceStub(self._channel)
        self._logs = LogsServiceStub(self._channel)
        self._metrics = MetricsServiceStub(self._channel)
        self.retries = 0

    def send(
        self,
        request: ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest,
        patience_s: float = 60,
    ) -> None:
        """Send a request, and retry it until it is acknowledged."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self._once(request)
            except grpc.RpcError:
                if time.monotonic() > deadline:
                    raise
                self.retries += 1
                time.sleep(0.1)
            else:
                return

    def _once(
        self, request: ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
    ) -> None:
        if isinstance(request, ExportTraceServiceRequest):
            self._traces.Export(request, timeout=5)
        elif isinstance(request, ExportLogsServiceRequest):
            self._logs.Export(request, timeout=5)
        else:
            self._metrics.Export(request, timeout=5)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()
