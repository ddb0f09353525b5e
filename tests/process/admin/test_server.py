"""The admin server: metrics and health for well-formed requests, and no client can block it."""

import gzip
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ael_otel.admin import AdminServer
from ael_otel.admin.server import MAX_CONNECTIONS
from ael_otel.core.faults import RAISE_FAULTS_VARIABLE
from ael_otel.core.metrics import AelMetrics
from ael_otel.errors import AelOtelError
from ael_otel.sdk.prometheus_reader import PrometheusReader

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Answer:
    """One HTTP answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> object:
        """Return the parsed body; the content type must be JSON."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


class Client:
    """Asks one server."""

    def __init__(self, server: AdminServer) -> None:
        self.server = server
        address = urlsplit(server.url)
        self.address = (address.hostname or "", address.port or 0)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """Send one request."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        with closing(connection):
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())

    def hang(self) -> socket.socket:
        """Connect and send half a request."""
        connection = socket.create_connection(self.address, 10)
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        return connection


type Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers on free ports; they are closed afterwards."""
    servers: list[AdminServer] = []
    providers: list[MeterProvider] = []

    def start(**options: object) -> Client:
        pull = PrometheusReader()
        provider = MeterProvider([pull.reader], Resource({}), shutdown_on_exit=False)
        providers.append(provider)
        metrics = AelMetrics(provider)
        metrics.expect_tool("echo")
        span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("step")
        metrics.error.bind(type="timeout", component="tool").add(errors=2, context=set_span_in_context(span))
        servers.append(AdminServer(pull, **{"port": 0} | options))
        return Client(servers[-1])

    yield start
    for server in servers:
        server.close()
    for provider in providers:
        provider.shutdown()


def test_metrics_as_text_by_default(serve: Serve) -> None:
    """A client that asks for nothing special gets the classic format."""
    answer = serve().ask("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert values["ael_errors_total", "timeout", "tool"] == 2
    assert values["ael_tool_invocations_total", "echo", "error"] == 0
    assert values["ael_active_workflows",] == 0
    assert b"trace_id" not in answer.body


def test_openmetrics_with_exemplars_when_asked(serve: Serve) -> None:
    """A Prometheus server with exemplar storage asks for OpenMetrics and gets the trace of the last error."""
    answer = serve().ask("/metrics", Accept=f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    (exemplar,) = [
        sample.exemplar
        for family in openmetrics.text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if sample.exemplar
    ]
    assert re.fullmatch("[0-9a-f]{32}", exemplar.labels["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", exemplar.labels["span_id"])


def test_metrics_are_compressed_when_asked(serve: Serve) -> None:
    """Scrapers that take gzip get it."""
    client = serve()
    answer = client.ask("/metrics", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == client.ask("/metrics").body


def test_the_path_of_the_metrics_can_be_chosen(serve: Serve) -> None:
    """The configured path serves the metrics, the default one then does not."""
    client = serve(path="/own")
    assert client.server.url.endswith("/own")
    assert client.ask("/own").status == 200
    missing = client.ask("/metrics")
    assert (missing.status, missing.json) == (
        404,
        {"error": "not found", "paths": ["/own", "/livez", "/readyz"]},
    )


def test_health(serve: Serve) -> None:
    """Alive as soon as it answers; ready as long as the engine reports ready."""
    state = {"ready": False}
    client = serve(ready=lambda: state["ready"])
    live, ready = client.ask("/livez"), client.ask("/readyz")
    assert (live.status, live.json) == (200, {"status": "alive"})
    assert (ready.status, ready.json) == (503, {"status": "starting"})
    state["ready"] = True
    ready = client.ask("/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready"})


def test_a_readiness_check_that_fails_is_not_ready(
    serve: Serve, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the check is an answer, not a traceback on the engine's stderr."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, "0")

    def broken() -> bool:
        raise RuntimeError("engine is gone")

    client = serve(ready=broken)
    assert client.ask("/readyz").status == 503
    assert client.ask("/livez").status == 200
    assert capfd.readouterr().err == ""


def test_a_collection_that_fails_is_an_answer(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in a scrape is a 500 with a hint where to look, not a traceback on the engine's stderr."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, "0")

    class Broken(PrometheusReader):
        def collect(self):
            raise RuntimeError("no families")

    server = AdminServer(Broken(), port=0)
    answer = Client(server).ask("/metrics")
    assert (answer.status, answer.json) == (500, {"error": "see the log of this process"})
    assert Client(server).ask("/livez").status == 200
    server.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metricsx", "/live", "/api/v1", "/%2e%2e/etc"])
def test_other_paths_are_not_found(serve: Serve, path: str) -> None:
    """The answer to a wrong path names the right ones."""
    answer = serve().ask(path)
    assert (answer.status, answer.json) == (
        404,
        {"error": "not found", "paths": ["/metrics", "/livez", "/readyz"]},
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/livez", "/nowhere"])
def test_other_methods_are_refused(serve: Serve, method: str, path: str) -> None:
    """Methods that change something are refused, and the answer names the allowed ones."""
    answer = serve().ask(path, method, b"data")
    assert (answer.status, answer.json) == (405, {"error": "only GET"})
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/nowhere"])
def test_head_has_no_body(serve: Serve, path: str) -> None:
    """HEAD answers like GET, without the content."""
    client = serve()
    head, get = client.ask(path, "HEAD"), client.ask(path)
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])
    assert head.body == b""


def test_loopback_by_default(serve: Serve) -> None:
    """Metrics have no password, so by default only this machine can reach them."""
    client = serve()
    assert client.address[0] == "127.0.0.1"
    assert client.server.url == f"http://127.0.0.1:{client.address[1]}/metrics"
    assert client.server._server.socket.getsockname()[0] == "127.0.0.1"


def test_ipv6(serve: Serve) -> None:
    """The loopback address of IPv6 works and is printed in brackets."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("beyond CI: this machine has no IPv6 loopback")
    client = serve(host="::1")
    assert client.server.url == f"http://[::1]:{client.address[1]}/metrics"
    assert client.ask("/livez").status == 200


def test_port_in_use_is_reported_with_the_key_to_set(serve: Serve) -> None:
    """The error is one line that names the address, the cause and the two keys that help."""
    port = serve().address[1]
    with pytest.raises(AelOtelError) as caught:
        serve(port=port)
    assert str(caught.value) == (
        f"metrics cannot be served on 127.0.0.1:{port} (Address already in use): "
        "set telemetry.metrics.port to a free port, or telemetry.metrics.enabled to false"
    )


def test_address_of_another_machine_is_reported_with_the_key_to_set(serve: Serve) -> None:
    """So does a host that is not ours or does not exist."""
    for host in ("203.0.113.7", "no such host"):
        with pytest.raises(
            AelOtelError, match=rf"metrics cannot be served on {host}:0 \(.+\): set telemetry"
        ):
            serve(host=host)


def test_close_frees_the_port(serve: Serve) -> None:
    """Closing is quick, the port can be used at once, and closing again does nothing."""
    client = serve()
    client.ask("/metrics")
    before = time.monotonic()
    client.server.close()
    assert time.monotonic() - before < 2
    with pytest.raises(ConnectionRefusedError):
        client.ask("/livez")
    again = serve(port=client.address[1])
    assert again.ask("/livez").status == 200
    client.server.close()


def test_scrapes_at_once_are_all_answered(serve: Serve) -> None:
    """More clients than the server takes at a time all get the same answer."""
    client = serve()
    answers: list[tuple[int, bytes]] = []

    def scrape() -> None:
        answer = client.ask("/metrics", Accept=OPENMETRICS)
        answers.append((answer.status, re.sub(rb"# \{.*", b"", answer.body)))

    threads = [threading.Thread(target=scrape) for _ in range(MAX_CONNECTIONS * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == MAX_CONNECTIONS * 2
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1


def test_slow_clients_do_not_block_others(serve: Serve) -> None:
    """Clients that send half a request block their own connection only."""
    client = serve()
    hanging = [client.hang() for _ in range(MAX_CONNECTIONS - 1)]
    before = time.monotonic()
    assert client.ask("/metrics").status == 200
    assert time.monotonic() - before < 5
    for connection in hanging:
        connection.close()


def test_slow_clients_do_not_block_shutdown(serve: Serve) -> None:
    """Closing stays within its bound for any number of hanging clients."""
    client = serve()
    hanging = [client.hang() for _ in range(MAX_CONNECTIONS + 4)]
    time.sleep(0.2)
    before = time.monotonic()
    client.server.close()
    assert time.monotonic() - before < 2
    for connection in hanging:
        connection.close()


def test_disconnecting_client_leaves_no_trace(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed for broken connections and broken requests: the engine's stderr is not ours."""
    client = serve()
    for data in (b"", b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 70_000):
        with socket.create_connection(client.address, 10) as connection:
            connection.sendall(data)
    assert client.ask("/livez").status == 200
    assert capfd.readouterr() == ("", "")
