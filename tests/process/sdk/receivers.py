"""Receivers of OTLP on loopback, over gRPC and HTTP, that behave as a test sets and record their requests."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import add_LogsServiceServicer_to_server
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server

REQUESTS = {
    "/v1/traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "/v1/logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "/v1/metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
}


@dataclass
class Refusal:
    """How a receiver refuses a request: gRPC's code, HTTP's status, and the seconds to wait if it names any."""

    code: grpc.StatusCode
    status: int
    wait_s: float | None = None


def _set() -> threading.Event:
    """An event that has happened."""
    event = threading.Event()
    event.set()
    return event


@dataclass
class Behaviour:
    """Behaviour of a receiver; a test may change it at any time.

    `delay_s` is before each answer, which also waits for `open`; `refusal` refuses; `rejects` of each request are
    not taken (partial success); `largest` items of a request are taken, more are refused as too large; `cut` is where
    an answer over HTTP is cut off: before it begins or within its body. `arrived` counts requests, `requests` those
    that were looked at.
    """

    delay_s: float = 0
    open: threading.Event = field(default_factory=_set)
    refusal: Refusal | None = None
    rejects: int = 0
    largest: int | None = None
    cut: Literal["before", "within"] | None = None
    arrived: int = 0
    requests: int = 0
    delivered: Counter[str] = field(default_factory=Counter)
    sums: dict[str, float] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)

    def take(self, request: Any) -> tuple[Refusal | None, int]:
        """Take a request; returns why not, or how many of its items were rejected."""
        with self.lock:
            self.arrived += 1
        self.open.wait(30)
        if self.delay_s:
            time.sleep(self.delay_s)  # wait: slow receivers are the subject
        ids = ids_of(request)
        with self.lock:
            self.requests += 1
            if self.refusal is not None:
                return self.refusal, 0
            if self.largest is not None and len(ids) > self.largest:
                return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, 413), 0
            rejected = min(self.rejects, len(ids))
            self.delivered.update(ids[rejected:])
            self.sums.update(sums_of(request))
            return None, rejected


def ids_of(request: Any) -> list[str]:
    """The unique ids of the items of a request: attribute `n` of spans, body of log records."""
    if isinstance(request, traces.ExportTraceServiceRequest):
        return [
            attribute.value.string_value
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            for attribute in span.attributes
            if attribute.key == "n"
        ]
    if isinstance(request, logs.ExportLogsServiceRequest):
        return [
            record.body.string_value
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
    return []


def sums_of(request: Any) -> dict[str, float]:
    """The value of each sum of a request of metrics."""
    if not isinstance(request, metrics.ExportMetricsServiceRequest):
        return {}
    return {
        metric.name: sum(point.as_int or point.as_double for point in metric.sum.data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def _partial(response: Any, rejected: int) -> Any:
    answer = response()
    if rejected:
        for name in ("rejected_spans", "rejected_log_records", "rejected_data_points"):
            if hasattr(answer.partial_success, name):
                setattr(answer.partial_success, name, rejected)
        answer.partial_success.error_message = "not these"
    return answer


class _Service:
    def __init__(self, behaviour: Behaviour, response: Any) -> None:
        self._behaviour = behaviour
        self._response = response

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the service's own name
        """Take a request."""
        refusal, rejected = self._behaviour.take(request)
        if refusal is not None:
            if refusal.wait_s is not None:
                info = RetryInfo()
                info.retry_delay.nanos = int(refusal.wait_s * 1e9)
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", info.SerializeToString()),))
            context.abort(refusal.code, "refused by the test")
        return _partial(self._response, rejected)


@contextmanager
def grpc_receiver(behaviour: Behaviour, port: int = 0) -> Iterator[int]:
    """A gRPC receiver; yields its port."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_TraceServiceServicer_to_server(_Service(behaviour, REQUESTS["/v1/traces"][1]), server)
    add_LogsServiceServicer_to_server(_Service(behaviour, REQUESTS["/v1/logs"][1]), server)
    add_MetricsServiceServicer_to_server(_Service(behaviour, REQUESTS["/v1/metrics"][1]), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield bound
    server.stop(None).wait()


@contextmanager
def http_receiver(behaviour: Behaviour, port: int = 0) -> Iterator[int]:
    """An HTTP receiver; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request, response = REQUESTS[self.path]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refusal, rejected = behaviour.take(request.FromString(body))
            answer = b"" if refusal is not None else _partial(response, rejected).SerializeToString()
            if behaviour.cut == "before":
                self.close_connection = True
                return
            self.send_response(200 if refusal is None else refusal.status)
            if refusal is not None and refusal.wait_s is not None:
                self.send_header("Retry-After", str(refusal.wait_s))
            lacking = 10 if behaviour.cut == "within" else 0
            self.send_header("Content-Length", str(len(answer) + lacking))
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = bool(lacking)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Log nothing: clients that gave up are part of the tests."""

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def silent_receiver() -> Iterator[int]:
    """A port where connections are accepted and nothing is ever answered; yields it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextmanager
def hanging_up_receiver() -> Iterator[int]:
    """A port where each connection is closed once something was sent on it (half-open); yields it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        ended = threading.Event()
        listener.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    try:
                        connection.recv(65_536)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join(5)


def closed_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


RECEIVERS: dict[str, Callable[..., Any]] = {"grpc": grpc_receiver, "http/protobuf": http_receiver}
