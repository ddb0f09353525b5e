"""The exit hook under `opentelemetry-instrument`: the exit of any wrapped process is bounded."""

import json
import time
from importlib.metadata import entry_points

from ael_otel.hooks import EXIT_SECONDS, post_instrument
from tests.support.interpreters import answer, environment, python

STOCK = """
import json, sys, time
from opentelemetry.instrumentation.auto_instrumentation import initialize

initialize()
from opentelemetry._logs import get_logger_provider
from opentelemetry._logs import LogRecord
from opentelemetry.metrics import get_meter
from opentelemetry.trace import get_tracer

get_meter("test").create_counter("calls").add(1)
for _ in range(100):
    get_tracer("test").start_span("work").end()
    get_logger_provider().get_logger("test").emit(LogRecord(body="line"))
print(json.dumps(time.time()), flush=True)
"""


def test_the_wrapper_finds_the_hook() -> None:
    """The entry point is this function, and the bound is the promised one."""
    (entry,) = entry_points(group="opentelemetry_post_instrument", name="ael")
    assert entry.load() is post_instrument
    assert EXIT_SECONDS <= 2.0


def test_the_stock_sdk_ends_in_time_without_a_collector() -> None:
    """A wrapped process with the SDK's own OTLP exporters (14 to 16 s by itself) ends within the bound."""
    env = environment(
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="all",
    )
    said = answer(STOCK, env=env)
    assert time.time() - json.loads(said.splitlines()[-1]) < EXIT_SECONDS + 2.5


def test_queued_items_are_sent_at_exit() -> None:
    """The bound does not cost telemetry: with somebody to take it, everything is out before the process ends."""
    env = environment(
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="all",
    )
    said = answer(STOCK, env=env)
    assert said.count('"name": "work"') == 100


def test_without_telemetry_nothing_is_registered() -> None:
    """With the SDK disabled, or without providers, the hook does not change the exit and raises nothing."""
    code = """
import atexit, logging, threading
from ael_otel.hooks import post_instrument
before = atexit._ncallbacks(), threading.active_count()
post_instrument()
print(atexit._ncallbacks() - before[0], threading.active_count() - before[1])
"""
    disabled = python(code, env=environment(OTEL_SDK_DISABLED="true"))
    assert (disabled.returncode, disabled.stdout.split()) == (0, ["0", "0"])
    bare = python(code)
    assert (bare.returncode, bare.stderr) == (0, "")


def test_a_fault_in_the_hook_does_not_keep_the_process_from_starting() -> None:
    """The wrapper's later hooks and the application start all the same."""
    code = """
import ael_otel.sdk.shutdown as shutdown
def broken(*arguments):
    raise RuntimeError("no threads")
shutdown.ParallelShutdown = broken
from ael_otel.hooks import post_instrument
post_instrument()
print("started")
"""
    assert answer(code) == "started"
