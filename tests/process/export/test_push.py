"""Sending runs: requests, retries and refusals."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ael_otel.errors import ExportError
from ael_otel.export import http, push
from ael_otel.export.otlp import decode


class Server(ThreadingHTTPServer):
    """Stores requests and gives the answers that a test sets: (status, headers, body), the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"{}")]
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        """Keep and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )
        answers = self.server.answers
        status, headers, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port."""
    found = Server()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    found: list[float] = []
    monkeypatch.setattr(http.time, "sleep", found.append)
    return found


def test_otlp_goes_to_v1_traces_as_json(server, full, direct):
    """With the headers; the received spans are those of the runs."""
    sent = push.push([full, direct], server.url, headers={"x-key": "value"})
    [(path, headers, body)] = server.requests
    assert (path, headers["content-type"], headers["x-key"]) == ("/v1/traces", "application/json", "value")
    assert {span.trace_id for span in decode(body)} == {full.trace_id, direct.trace_id}
    assert sent == push.Sent(runs=2, spans=11, requests=1, rejected=0)


def test_zipkin_goes_to_its_own_address(server, full):
    """As a list of spans."""
    push.push([full], server.url, "zipkin")
    [(path, _, body)] = server.requests
    assert (path, len(json.loads(body))) == ("/api/v2/spans", 10)


def test_many_runs_are_several_requests_and_no_run_is_cut(server, full, monkeypatch):
    """Each request has whole traces; progress is reported after each."""
    monkeypatch.setattr(push, "SPANS_A_REQUEST", 25)
    reported: list[int] = []
    sent = push.push([full] * 7, server.url, on_sent=reported.append)
    assert [len(decode(body)) for _, _, body in server.requests] == [20, 20, 20, 10]
    assert (sent.runs, sent.spans, sent.requests, reported) == (7, 70, 4, [2, 4, 6, 7])


def test_no_request_is_sent_for_no_runs(server):
    """No request without a run."""
    assert push.push([], server.url) == push.Sent(0, 0, 0, 0)
    assert server.requests == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_asks_for_patience_gets_it(server, full, waits, status):
    """The same request again, after the time in `Retry-After`."""
    server.answers = [
        (status, {"Retry-After": "3"}, b""),
        (status, {"Retry-After": "soon"}, b""),
        (200, {}, b""),
    ]
    assert push.push([full], server.url).requests == 1
    assert waits == [3.0, 0.8]
    assert len({body for _, _, body in server.requests}) == 1


def test_patience_ends(server, full, waits):
    """After four attempts, with the server's own words."""
    server.answers = [(503, {"Retry-After": "9999"}, b'{"message": "queue is full"}')]
    with pytest.raises(ExportError, match="answers 503 Service Unavailable: queue is full"):
        push.push([full], server.url)
    assert waits == [http.MAX_WAIT_S] * 3


@pytest.mark.parametrize("status", [400, 401, 404, 301, 307])
def test_a_refusal_is_final(server, full, waits, status):
    """A redirect too: the body would be lost, and headers would go to another host."""
    server.answers = [(status, {"Location": f"{server.url}/other"}, b"<html>no</html>")]
    with pytest.raises(ExportError, match=f"answers {status}") as caught:
        push.push([full], server.url)
    assert "html" not in str(caught.value)
    assert (len(server.requests), waits) == (1, [])


def test_unreachable_server_is_reported_without_the_password(full, waits):
    """One line with the address and the reason."""
    with pytest.raises(ExportError) as caught:
        push.push([full], "http://me:hunter2@127.0.0.1:9")  # hygiene: made up
    assert str(caught.value) == "http://***@127.0.0.1:9/v1/traces cannot be reached: Connection refused"
    assert len(waits) == 3


def test_credentials_in_the_address_are_sent_as_such(server, full):
    """As basic authentication, and not in the request's line."""
    push.push([full], server.url.replace("//", "//me:p%40ss@"))  # hygiene: made up
    [(path, headers, _)] = server.requests
    assert (path, headers["authorization"]) == ("/v1/traces", "Basic bWU6cEBzcw==")
    assert "@" not in headers["host"]


def test_a_proxy_is_not_asked_for_this_machine(server, full, monkeypatch):
    """It could not reach it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert push.push([full], server.url).requests == 1


@pytest.mark.parametrize(
    ("body", "rejected"),
    [
        (b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}', 3),
        (b'{"partialSuccess": {"rejectedSpans": 2}}', 2),
        (b'{"partialSuccess": {}}', 0),
        (b"", 0),
        (b"accepted", 0),
        (b"[]", 0),
    ],
)
def test_spans_rejected_by_the_server_are_counted(server, full, body, rejected):
    """In any form of answer."""
    server.answers = [(200, {}, body)]
    assert push.push([full], server.url).rejected == rejected


@pytest.mark.parametrize(
    ("endpoint", "protocol", "url"),
    [
        ("http://h:4318", "otlp", "http://h:4318/v1/traces"),
        ("http://h:4318/", "otlp", "http://h:4318/v1/traces"),
        ("https://h/otlp/v1/traces?x=1", "otlp", "https://h/otlp/v1/traces?x=1"),
        ("http://h:9411", "zipkin", "http://h:9411/api/v2/spans"),
        ("http://[::1]:9411", "zipkin", "http://[::1]:9411/api/v2/spans"),
    ],
)
def test_an_address_without_a_path_gets_that_of_the_protocol(endpoint, protocol, url):
    """An endpoint with a path is used unchanged."""
    assert push.address(endpoint, protocol) == url


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("localhost:4318", "must be a URL"),
        ("file:///etc/passwd", "must be a URL"),
        ("http://", "must be a URL"),
        ("http://h:http", "not a URL"),
        ("http://localhost:4317", "OTLP over gRPC"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(endpoint, said):
    """Before anything is sent."""
    with pytest.raises(ExportError, match=said):
        push.address(endpoint, "otlp")


# --- the real Collector -----------------------------------------------------------------------------------------------
