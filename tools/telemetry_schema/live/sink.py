"""A place on loopback that takes OTLP over gRPC and HTTP and hands every request on, for a check of what is emitted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Final, Self, cast

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.samples import Batch, read
from tools.telemetry_schema.live.sources import from_message

LOOPBACK: Final = "127.0.0.1"
MAX_BODY: Final = 64 * 1024 * 1024
_SIGNALS: Final[Mapping[str, str]] = {"trace": "traces", "metrics": "metrics", "logs": "logs"}

type Take = Callable[[list[Batch]], None]


class Sink:
    """OTLP receivers as a context manager; `take` is given what arrives, one request at a time.

    Args:
        take: given the batches of each request.
        grpc: address of the gRPC receiver, `host:port`; port 0 takes a free one; None opens none.
        http: the same for HTTP.
    """

    def __init__(self, take: Take, *, grpc: str | None = None, http: str | None = None) -> None:
        self._take = take
        self._lock = Lock()
        self._grpc_address, self._http_address = grpc, http
        self._grpc: Any = None
        self._http: ThreadingHTTPServer | None = None
        self.grpc_port = 0
        self.http_port = 0
        self.requests = 0

    def __enter__(self) -> Self:
        if self._grpc_address is not None:
            self.grpc_port = self._open_grpc(*_host_and_port(self._grpc_address))
        if self._http_address is not None:
            self.http_port = self._open_http(*_host_and_port(self._http_address))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._grpc is not None:
            self._grpc.stop(1).wait(2)
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    def taken(self, batches: list[Batch]) -> None:
        """Hand on the batches of one request."""
        with self._lock:
            self.requests += 1
            self._take(batches)

    def _open_grpc(self, host: str, port: int) -> int:
        grpc: Any = import_module("grpc")
        options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_BODY))
        server = grpc.server(ThreadPoolExecutor(4, "otlp-sink"), options=options)
        for module in _SIGNALS:
            service = f"opentelemetry.proto.collector.{module}.v1.{module.capitalize()}Service"
            messages = _messages(module)
            name = f"Export{module.capitalize()}ServiceRequest"
            handler = grpc.unary_unary_rpc_method_handler(
                self._answer(getattr(messages, name.replace("Request", "Response"))),
                request_deserializer=getattr(messages, name).FromString,
                response_serializer=_serialize,
            )
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
            )
        try:
            bound = int(server.add_insecure_port(f"{host}:{port}"))
        except RuntimeError as error:
            raise SchemaError(f"{host}:{port}", "", "cannot be listened on; choose another port") from error
        server.start()
        self._grpc = server
        return bound

    def _answer(self, response: Callable[[], object]) -> Callable[[object, object], object]:
        def export(request: object, _context: object) -> object:
            self.taken(list(from_message(request)))
            return response()

        return export

    def _open_http(self, host: str, port: int) -> int:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sink.answer_http(self)

            def log_message(self, *_: object, **__: object) -> None:
                """Write nothing."""

        try:
            server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise SchemaError(f"{host}:{port}", "", "cannot be listened on; choose another port") from error
        server.daemon_threads = True
        Thread(target=server.serve_forever, name="otlp-sink-http", daemon=True).start()
        self._http = server
        return int(server.server_address[1])

    def answer_http(self, request: BaseHTTPRequestHandler) -> None:
        """Take one POST of protobuf or JSON, also compressed."""
        module = next((name for name, signal in _SIGNALS.items() if request.path == f"/v1/{signal}"), None)
        length = int(request.headers.get("Content-Length") or 0)
        if module is None or not 0 <= length <= MAX_BODY:
            request.send_error(404 if module is None else 413)
            return
        kind = request.headers.get_content_type()
        try:
            body = request.rfile.read(length)
            if request.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if kind == "application/json":
                batches = list(read(cast("Mapping[str, Any]", json.loads(body))))
                answer = b"{}"
            else:
                message = getattr(_messages(module), f"Export{module.capitalize()}ServiceRequest").FromString(
                    body
                )
                batches = list(from_message(message))
                answer = b""
        except Exception:  # noqa: BLE001 - whatever was sent, the answer is that it is not OTLP
            request.send_error(400)
            return
        self.taken(batches)
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)


def _serialize(message: Any) -> bytes:
    return cast("bytes", message.SerializeToString())


def _messages(module: str) -> Any:
    return import_module(f"opentelemetry.proto.collector.{module}.v1.{module}_service_pb2")


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise SchemaError(address, "", "is no address; write host:port, such as 127.0.0.1:4317")
    return host or LOOPBACK, int(port)
