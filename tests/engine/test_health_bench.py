"""`make bench-health` fails, with a reason, if an engine did not start or answer, or a run did not complete."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.waiting import until

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import health

type Answers = Callable[[int], tuple[int, bytes]]


@contextmanager
def answering(answer: Answers) -> Iterator[int]:
    """Serve in place of the engine, and yield the port; the first request is number 1."""
    asked = 0

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            nonlocal asked
            asked += 1
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = answer(asked)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - names of the base class

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


COMPLETED = b'{"status": "completed"}'


def test_run_that_fails_beside_the_questions_fails_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of the runs ended silently, and the answers of an idle engine were reported."""
    monkeypatch.setattr(health, "BETWEEN_S", 0)
    with (
        answering(lambda number: (200, COMPLETED) if number < 3 else (500, b"out of order")) as port,
        pytest.raises(health.FailedError, match="answered 500: b'out of order'"),
        health.Runs(port, "", 20) as runs,
    ):
        until(lambda: not runs._thread.is_alive())


def test_measurement_without_a_run_beside_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run, before the questions, is not enough."""
    monkeypatch.setattr(health, "BETWEEN_S", 60)
    with (
        answering(lambda _: (200, COMPLETED)) as port,
        pytest.raises(health.FailedError, match="too few"),
        health.Runs(port, "", 20),
    ):
        pass


def test_engine_that_is_not_healthy_fails_the_measurement() -> None:
    """An answer other than 200, and none at all."""
    with (
        answering(lambda _: (503, b"not yet")) as port,
        pytest.raises(health.FailedError, match="503: b'not yet'"),
    ):
        health.asked(port, 30)
    with pytest.raises(health.FailedError, match="no answer"):
        health.asked(port, 30)


@pytest.mark.parametrize("error", [AssertionError("it ended: no such file"), FileNotFoundError("ael")])
def test_engine_that_does_not_start_ends_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """Exit code 1, and the reason on stderr."""

    def served(*_: object) -> object:
        raise error

    monkeypatch.setattr(health, "receiver", lambda: nullcontext("http://127.0.0.1:1"))
    monkeypatch.setattr(health, "Served", served)
    monkeypatch.setattr(sys, "argv", ["health.py"])
    assert health.main() == 1
    printed = capsys.readouterr()
    assert "did not start" in printed.err
    assert str(error) in printed.err
    assert printed.out == ""
