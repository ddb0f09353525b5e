"""`ael trace show --logs` with a Loki that responds, returns garbage, or does not respond."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.cli.trace.runs import ael, runs

ADA, BOB, DECLINED, DECLINED_2, DIRECT, RUNNING = runs()


class _Loki(BaseHTTPRequestHandler):
    asked: dict[str, list[str]] = {}  # noqa: RUF012 - one request, one test
    answer: object = None

    def do_GET(self):
        """Answer as Loki does."""
        type(self).asked = parse_qs(urlsplit(self.path).query)
        body = json.dumps(self.answer).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def loki(monkeypatch):
    """A server with answers that a test sets."""
    server = HTTPServer(("127.0.0.1", 0), _Loki)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AEL_LOKI_URL", f"http://127.0.0.1:{server.server_port}")
    yield _Loki
    server.shutdown()
    server.server_close()


def test_log_lines_come_from_loki_in_order(place, loki):
    """Queried by trace id within the time of the run; control characters are escaped."""
    second, first = "1795176300020000000", "1795176300010000000"
    loki.answer = {
        "data": {
            "result": [
                {"stream": {"severity_text": "ERROR"}, "values": [[second, "it \x1b[31mfailed"]]},
                {"stream": {"severity_text": "INFO"}, "values": [[first, "it began"]]},
            ]
        }
    }
    text = ael("show", "c3d45e60", "--logs").stdout
    assert f'trace_id="{DECLINED.trace_id}"' in loki.asked["query"][0]
    assert int(loki.asked["start"][0]) < DECLINED.started_at.timestamp() * 1e9 < int(loki.asked["end"][0])
    assert text.index("INFO      it began") < text.index("ERROR     it \N{REPLACEMENT CHARACTER}[31mfailed")


@pytest.mark.parametrize("answer", [{"data": []}, [], {"data": {"result": [{"stream": {}, "values": [[]]}]}}])
def test_something_else_than_loki_is_a_failure(place, loki, answer):
    """Exit code 1 and one line."""
    loki.answer = answer
    done = ael("show", "a0f6", "--logs")
    assert done.exit_code == 1
    assert "the response is not one of Loki" in done.stderr


@pytest.mark.parametrize(
    ("url", "said"), [("http://127.0.0.1:9", "cannot be reached"), ("loki", "must be a URL")]
)
def test_unreachable_loki_is_a_failure(place, monkeypatch, url, said):
    """A missing file that was asked for is reported."""
    monkeypatch.setenv("AEL_LOKI_URL", url)
    done = ael("show", "a0f6", "--logs")
    assert done.exit_code == 1
    assert said in done.stderr
