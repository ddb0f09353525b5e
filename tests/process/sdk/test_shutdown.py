"""The end of a process: bounded for any behaviour of the Collector, with every drop counted."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.interpreters import answer, environment

COLLECTOR_DOWN = """
import io, json, logging, sys, time
from ael_otel import runtime
from ael_otel.config import Settings, with_environment
from ael_otel.core.metrics import shared_metrics
from ael_otel.store import MemoryStore
from opentelemetry.trace import get_tracer
import os

log = io.StringIO()
running = runtime.start(with_environment(Settings(), os.environ), log_stream=log, store=MemoryStore())
tracer = get_tracer("test")
items, text = int(sys.argv[2]), "a build log of many words " * (int(sys.argv[3]) // 26)
for number in range(items):
    with tracer.start_as_current_span("work", attributes={"text": text}):
        logging.getLogger("some.module").info("line %d", number)
running.pipeline.metrics.error.bind(type="timeout", component="tool").add(errors=1)
time.sleep(float(sys.argv[1]))  # wait: how long the exporters have been trying
before = time.monotonic()
running.shutdown()
taken = time.monotonic() - before
running.shutdown()
dropped = {
    signal: sum(
        running.pipeline.metrics.telemetry.bind(signal=signal, reason=reason).dropped
        for reason in ("queue_full", "unavailable", "serialization", "shutdown_timeout")
    )
    for signal in ("traces", "logs")
}
lines = [json.loads(line) for line in log.getvalue().splitlines()]
messages = [line["message"] for line in lines if line["component"] == "ael_otel"]
print(json.dumps({"taken": taken, "dropped": dropped, "messages": messages, "ended": time.time()}), flush=True)
"""


@contextmanager
def nowhere(kind: str) -> Iterator[str]:
    """Endpoints without a Collector: no listener, or a listener that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if kind == "closed port":
            listener.close()
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("kind", "protocol", "wait_s"),
    [
        ("closed port", "grpc", "0"),
        ("closed port", "http/protobuf", "1.2"),
        ("black hole", "grpc", "1.2"),
        ("black hole", "http/protobuf", "0"),
    ],
)
def test_without_a_collector_a_process_ends_in_time(kind: str, protocol: str, wait_s: str) -> None:
    """With the real exporters: shutdown takes at most 2.5 s, the exit 3.5 s, every drop is counted and logged.

    The SDK alone takes 14 to 16 s. `wait_s` is how long the exporters have been trying by then.
    """
    with nowhere(kind) as endpoint:
        ends_in_time(endpoint, protocol, wait_s)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_process_with_9_mb_attributes_ends_in_time(protocol: str) -> None:
    """Redaction and encoding of queued items do not delay the end, for any size of the items."""
    with nowhere("black hole") as endpoint:
        ends_in_time(endpoint, protocol, "0", items=6, size=9_000_000)


def ends_in_time(endpoint: str, protocol: str, wait_s: str, *, items: int = 700, size: int = 0) -> None:
    """Run a process with telemetry to this endpoint, and look at its end."""
    env = environment(
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="all",
    )
    said = json.loads(answer(COLLECTOR_DOWN, wait_s, str(items), str(size), env=env))
    exit_seconds = time.time() - said["ended"]
    assert said["taken"] < 2.5
    assert said["taken"] + exit_seconds < 3.5
    assert said["dropped"] == {"traces": items, "logs": items}
    assert any("were not delivered" in line for line in said["messages"]), said["messages"]
