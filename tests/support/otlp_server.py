"""A server that takes OTLP over gRPC: what becomes of a request, those say who build on it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import add_LogsServiceServicer_to_server
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server


class _Service:
    """The service of one signal: all three have this one method."""

    def __init__(self, take: Callable[[Any], None], answer: Callable[[], Any]) -> None:
        self._take = take
        self._answer = answer

    def Export(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: N802 - the service's own name
        """Take a request and acknowledge it."""
        self._take(request)
        return self._answer()


LARGEST = 24 * 1024 * 1024
"""Bytes of a request that is taken, as the stack's Tempo does."""


class OtlpServer(ABC):
    """Listens from the moment it is made until `stop`; requests come on several threads.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = grpc.server(
            futures.ThreadPoolExecutor(4, thread_name_prefix="otlp-server"),
            options=[("grpc.max_receive_message_length", LARGEST)],
        )
        for add, answer in (
            (add_TraceServiceServicer_to_server, ExportTraceServiceResponse),
            (add_MetricsServiceServicer_to_server, ExportMetricsServiceResponse),
            (add_LogsServiceServicer_to_server, ExportLogsServiceResponse),
        ):
            add(_Service(self.take, answer), self._server)
        self.port = self._server.add_insecure_port(f"{host}:{port}")
        self.endpoint = f"http://{host}:{self.port}"
        self._server.start()

    @abstractmethod
    def take(self, request: Any) -> None:
        """Do with a request of any signal what this server is for; it is acknowledged when this returns."""

    def stop(self) -> None:
        """Stop listening; what was taken stays readable."""
        self._server.stop(grace=0.2).wait()
