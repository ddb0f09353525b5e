"""A small HTTP server for `/metrics`, `/livez`, `/readyz` and, if it is enabled, the live schema."""

import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, Any, Final, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app  # pyright: ignore[reportUnknownVariableType]
from prometheus_client.registry import Collector

from ael_otel.admin.answers import answer
from ael_otel.admin.live_schema import PATH, LiveSchema
from ael_otel.core.faults import fault_barrier
from ael_otel.errors import AelOtelError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MAX_CONNECTIONS: Final = 16
REQUEST_SECONDS: Final = 10
POLL_SECONDS: Final = 0.05
"""Seconds between two checks for `close` in the server's loop; the library's default is 0.5 s."""


class AdminServer:
    """Serves metrics and health on its own daemon threads until `close`.

    Args:
        collector: returns the metrics (`Pipeline.pull`).
        host: address to listen on, default loopback.
        port: port to listen on; 0 selects a free one, which `url` contains.
        path: path of the metrics; OpenMetrics with exemplars for clients that accept it, else Prometheus text 0.0.4.
        ready: whether the engine accepts work (`/readyz` answers 503 until it does).
        live_schema: answers `GET /api/v1/telemetry/live-schema`; with None that path is a 404.

    Raises:
        AelOtelError: the address cannot be used.
    """

    def __init__(
        self,
        collector: Collector,
        *,
        host: str = "127.0.0.1",
        port: int = 9464,
        path: str = "/metrics",
        ready: Callable[[], bool] = lambda: True,
        live_schema: LiveSchema | None = None,
    ) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        application = _router(cast("WSGIApplication", make_wsgi_app(registry)), path, ready, live_schema)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = type("_Server", (_BoundedServer,), {"address_family": family})
        try:
            self._server: WSGIServer = make_server(host, port, application, server, _QuietHandler)
        except OSError as error:
            raise AelOtelError(
                f"metrics cannot be served on {host}:{port} ({error.strerror or error}): "
                "set telemetry.metrics.port to a free port, or telemetry.metrics.enabled to false"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}{path}"
        self._thread = Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="ael-otel-admin", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def abandon(self) -> None:
        """Close the listening socket in a forked child; the parent continues to serve."""
        self._server.socket.close()


def _router(
    metrics: "WSGIApplication", path: str, ready: Callable[[], bool], live_schema: LiveSchema | None
) -> "WSGIApplication":
    known = [path, "/livez", "/readyz", *([PATH] if live_schema is not None else [])]

    def route(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if live_schema is not None and environ.get("PATH_INFO") == PATH:
            return live_schema(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            allow = ("Allow", "GET, HEAD")
            return answer(start_response, "405 Method Not Allowed", {"error": "only GET"}, allow)
        match environ.get("PATH_INFO", "/"):
            case where if where == path:
                return metrics({**environ, "REQUEST_METHOD": "GET"}, start_response)
            case "/livez":
                return answer(start_response, "200 OK", {"status": "alive"})
            case "/readyz":
                is_ready = False
                with fault_barrier("readyz"):
                    is_ready = ready()
                status = "200 OK" if is_ready else "503 Service Unavailable"
                return answer(start_response, status, {"status": "ready" if is_ready else "starting"})
            case _:
                return answer(start_response, "404 Not Found", {"error": "not found", "paths": known})

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with fault_barrier("admin"):
            content = route(environ, start_response)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else content
        return answer(start_response, "500 Internal Server Error", {"error": "see the log of this process"})

    return application


class _BoundedServer(ThreadingMixIn, WSGIServer):
    """HTTP server with one thread per request, at most `MAX_CONNECTIONS`; further clients wait in the listen queue."""

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def server_bind(self) -> None:
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)
        self._closing = False
        super().server_bind()

    def shutdown(self) -> None:
        """End the loop, even while it waits for a free connection slot."""
        self._closing = True
        super().shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:
        while not self._slots.acquire(timeout=POLL_SECONDS):
            if self._closing:
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that disconnected is not worth a traceback on the engine's stderr."""


class _QuietHandler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        """Log nothing: scrapes come every few seconds."""
