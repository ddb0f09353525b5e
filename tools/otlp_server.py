"""A server that accepts OTLP over gRPC and HTTP; subclasses process the requests."""

import base64
import gzip
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from threading import Thread
from typing import Any, cast

LARGEST = 24 * 1024 * 1024
"""Maximum bytes of a request, as in the stack's Tempo."""
_SIGNALS = {"/v1/traces": "trace", "/v1/metrics": "metrics", "/v1/logs": "logs"}
"""HTTP path -> name of the signal in the names of modules and messages."""
_IDS = ("traceId", "spanId", "parentSpanId")


class OtlpServer(ABC):
    """Listens from its creation until `stop`; requests arrive on several threads.

    Args:
        host: the address to listen on.
        port: the port for gRPC; 0 chooses a free one, None opens none.
        http_port: the port for HTTP, likewise.

    Raises:
        OSError: a port cannot be used.
    """

    def __init__(self, host: str = "127.0.0.1", port: int | None = 0, http_port: int | None = None) -> None:
        self._grpc: Any = None
        self._http: ThreadingHTTPServer | None = None
        self.port = self.http_port = 0
        if http_port is not None:
            self._http = ThreadingHTTPServer((host, http_port), _handler(self.take))
            self._http.daemon_threads = True
            self.http_port = int(self._http.server_address[1])
            Thread(target=self._http.serve_forever, args=(0.05,), name="otlp-http", daemon=True).start()
        if port is not None:
            self._open_grpc(f"{host}:{port}")
        self.endpoint = f"http://{host}:{self.port}"
        self.http_endpoint = f"http://{host}:{self.http_port}"

    @abstractmethod
    def take(self, request: Any) -> None:
        """Process a request of any signal; it is acknowledged when this returns."""

    def stop(self) -> None:
        """Stop listening; received requests stay readable."""
        if self._grpc is not None:
            self._grpc.stop(grace=0.2).wait()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    def _open_grpc(self, address: str) -> None:
        grpc: Any = import_module("grpc")  # ships no types
        # Without so_reuseport=0 two servers can share a port, and each gets half of the requests.
        options = [("grpc.max_receive_message_length", LARGEST), ("grpc.so_reuseport", 0)]
        server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="otlp-grpc"), options=options)
        for signal in _SIGNALS.values():
            handler = grpc.unary_unary_rpc_method_handler(
                self._export(_message(signal, "Response")),
                request_deserializer=_message(signal, "Request").FromString,
                response_serializer=_message(signal, "Response").SerializeToString,
            )
            service = f"opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service"
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
            )
        try:
            self.port = int(server.add_insecure_port(address))
        except RuntimeError as error:
            self.stop()
            raise OSError(f"{address} cannot be listened on") from error
        server.start()
        self._grpc = server

    def _export(self, response: Any) -> Callable[[Any, Any], Any]:
        def export(request: Any, _context: Any) -> Any:
            self.take(request)
            return response()

        return export


def _handler(take: Callable[[Any], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Process one request in protobuf or JSON, compressed or not."""
            signal = _SIGNALS.get(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            if signal is None or not 0 <= length <= LARGEST:
                self.send_error(404 if signal is None else 413)
                return
            kind = self.headers.get_content_type()
            try:
                body = self.rfile.read(length)
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request = _parsed(signal, body, as_json=kind == "application/json")
            except Exception:  # noqa: BLE001 - any unreadable request is answered as not OTLP
                self.send_error(400)
                return
            take(request)
            answer = b"{}" if kind == "application/json" else b""
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class names it so
            """Write nothing."""

    return Handler


def _parsed(signal: str, body: bytes, *, as_json: bool) -> Any:
    message = _message(signal, "Request")
    if not as_json:
        return message.FromString(body)
    parse: Any = import_module("google.protobuf.json_format").ParseDict
    return parse(json.loads(body, object_hook=_with_base64_ids), message(), ignore_unknown_fields=True)


def _with_base64_ids(values: dict[str, Any]) -> dict[str, Any]:
    """OTLP/JSON writes ids in hex, where the JSON form of protobuf wants base64."""
    return {
        key: base64.b64encode(bytes.fromhex(cast("str", value))).decode() if key in _IDS else value
        for key, value in values.items()
    }


def _message(signal: str, kind: str) -> Any:
    module = import_module(f"opentelemetry.proto.collector.{signal}.v1.{signal}_service_pb2")
    return getattr(module, f"Export{signal.capitalize()}Service{kind}")
