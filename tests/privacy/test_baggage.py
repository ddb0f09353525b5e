"""Baggage in a real request over HTTP, of an application under `opentelemetry-instrument`."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.lab.client import clean_environment
from tests.engine.lab.serving import BIN
from tests.privacy.canaries import found, made_up
from tests.support.needs import require

CALLER = """
import json, os, sys, urllib.request
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import attach

for key, value in json.loads(os.environ["BAGGAGE"]).items():
    attach(baggage.set_baggage(key, value))
if sys.argv[2:] == ["without"]:
    from ael_otel import AelInstrumentor
    AelInstrumentor().uninstrument()
with trace.get_tracer("application").start_as_current_span("out"):
    headers = {}
    propagate.inject(headers)
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers)).read()
"""
CANARIES = {kind: made_up()[kind] for kind in ("email", "ssn", "github", "aws", "jwt", "keyed")}


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """Serve one request; yield the address, and a list that gets the bytes of the request."""
    taken: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                taken.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", taken


def sent(folder: Path, *words: str) -> bytes:
    """Run the application, and return its request."""
    script = folder / "application.py"
    script.write_text(CALLER, "utf-8")
    entries = {"tenant": "t1", "api_key": CANARIES["keyed"], f"who-{CANARIES['github']}": "x"}
    entries |= {kind: f"it is {canary}" for kind, canary in CANARIES.items() if kind != "keyed"}
    environment = clean_environment(HOME=str(folder), PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    environment |= {
        "BAGGAGE": json.dumps(entries),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
    }
    environment["OTEL_LOGS_EXPORTER"] = "none"
    with listening() as (address, taken):
        command = [str(BIN / "opentelemetry-instrument"), sys.executable, str(script), address, *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
    (request,) = taken
    return request


@pytest.fixture(autouse=True, scope="module")
def _engine() -> None:
    require("engine")


def test_a_real_request_carries_no_secret_of_the_baggage(tmp_path: Path) -> None:
    """Proves it for values by shape and by name and for names; the trace and harmless values are sent."""
    request = sent(tmp_path)
    assert [kind for kind, _, _ in found(CANARIES, {"request": request})] == []
    assert b"tenant=t1" in request
    assert b"raceparent: 00-" in request
    assert b"api_key=%5BAPI_KEY%5D" in request


def test_without_the_instrumentation_it_would(tmp_path: Path) -> None:
    """Proves that the search finds each, and that taking the instrumentation away gives the propagator back."""
    request = sent(tmp_path, "without")
    assert {kind for kind, _, _ in found(CANARIES, {"request": request})} == set(CANARIES)
