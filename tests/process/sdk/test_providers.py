"""The whole pipeline in a fresh process, against a Collector in the test (OTLP over HTTP)."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ael_otel import __version__
from ael_otel._generated.metrics import PROCESS_RUNNING
from tests.support.interpreters import answer, environment, python

REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, or refuses it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.status = 200
        self.requests: list[Any] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.server_port}"

    def resources(self, signal: str) -> list[Any]:
        """Return the items received for one signal, by resource."""
        return [
            resource
            for request in self.requests
            if isinstance(request, REQUESTS[f"/v1/{signal}"])
            for resource in getattr(request, f"resource_{signal.removesuffix('traces') or 'spans'}")
        ]


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take one request."""
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.status == 200:
            self.server.requests.append(REQUESTS[self.path].FromString(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A Collector on a free port."""
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def env(collector: Collector | None = None, **extra: str) -> dict[str, str]:
    """An environment for `start`, without other people's instrumentations."""
    where = {}
    if collector is not None:
        where = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
    return environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="all", **(where | extra))


START = """
import io, json, logging, os, sys
from ael_otel.config import Settings, with_environment
from ael_otel.sdk.providers import start
from opentelemetry.trace import get_tracer, get_tracer_provider
from opentelemetry.metrics import get_meter_provider
from opentelemetry._logs import get_logger_provider

log = io.StringIO()
pipeline = start(with_environment(Settings(), os.environ), log_stream=log, pull=True)
"""

EMIT = """
for number in range(600):
    with get_tracer("test").start_as_current_span("work"):
        logging.getLogger("some.module").info("line %d", number)
pipeline.metrics.error.bind(type="timeout", component="tool").add(errors=3)
"""


def test_everything_arrives_once(collector: Collector) -> None:
    """Spans, log lines and metrics all reach the Collector, each once, under one resource; `flush` returns True."""
    said = answer(START + EMIT + "print(pipeline.flush()); pipeline.shutdown()", env=env(collector))
    assert said == "True"
    spans = [
        span for part in collector.resources("traces") for scope in part.scope_spans for span in scope.spans
    ]
    records = [
        record
        for part in collector.resources("logs")
        for scope in part.scope_logs
        for record in scope.log_records
    ]
    assert Counter(record.body.string_value for record in records) == Counter(
        f"line {number}" for number in range(600)
    )
    assert {record.span_id for record in records} == {span.span_id for span in spans}
    assert len(spans) == 600
    errors = [
        metric.sum.data_points[0].as_int
        for part in collector.resources("metrics")
        for scope in part.scope_metrics
        for metric in scope.metrics
        if metric.name == "ael.errors"
    ]
    assert set(errors) == {3}
    for signal in ("traces", "logs", "metrics"):
        resources = {
            tuple(sorted((pair.key, pair.value.string_value) for pair in part.resource.attributes))
            for part in collector.resources(signal)
        }
        (resource,) = map(dict, resources)
        assert resource["service.name"] == "ael"
        assert resource["ael.otel.version"] == __version__
        assert resource["ael.engine.version"] == version("ploston-core")


def test_flush_reports_that_nothing_was_accepted(collector: Collector) -> None:
    """`flush` returns False for a Collector that refuses the items, also if it answers quickly."""
    collector.status = 400
    said = answer(START + EMIT + "print(pipeline.flush()); pipeline.shutdown()", env=env(collector))
    assert said == "False"


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("pipeline.shutdown()", 0),
        ("pipeline.flush(); os.kill(os.getpid(), 9)", 1),
    ],
)
def test_an_end_in_order_differs_from_a_kill(collector: Collector, end: str, last: int) -> None:
    """The metric of running processes is 0 in the last export of a process that ended, and stays 1 after a kill."""
    done = python(f"{START}pipeline.flush(); {end}", env=env(collector))
    assert done.returncode == (0 if last == 0 else -9), done.stderr
    exported_counts = [
        metric.sum.data_points[0].as_int
        for part in collector.resources("metrics")
        for scope in part.scope_metrics
        for metric in scope.metrics
        if metric.name == PROCESS_RUNNING.name
    ]
    assert exported_counts[0] == 1
    assert exported_counts[-1] == last


def test_forked_child_does_not_report_its_parent_as_stopped(collector: Collector) -> None:
    """A child that shuts down the inherited pipeline reports no value below zero, and no value of its own."""
    code = """
pipeline.flush()
child = os.fork()
if child == 0:
    pipeline.shutdown(0.1)
    print(pipeline.metrics.process.bind().running, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(pipeline.metrics.process.bind().running)
pipeline.shutdown()
"""
    assert answer(START + code, env=env(collector)).split() == ["0", "1"]


def test_a_second_shutdown_does_nothing(collector: Collector) -> None:
    """Shutting down twice sends nothing twice, and lines that come later are on the stream only."""
    code = """
pipeline.shutdown()
logging.getLogger("some.module").warning("late")
pipeline.shutdown()
print(json.loads(log.getvalue().splitlines()[-1])["message"])
"""
    assert answer(START + EMIT + code, env=env(collector)) == "late"
    records = [
        record.body.string_value
        for part in collector.resources("logs")
        for scope in part.scope_logs
        for record in scope.log_records
    ]
    assert len(records) == 600


PROCESSORS = """
def names(provider):
    parts = getattr(provider, "_active_span_processor", None) or provider._multi_log_record_processor
    return [
        type(getattr(getattr(part, "_batch_processor", part), "_exporter", part)).__name__
        for part in (getattr(parts, "_span_processors", None) or parts._log_record_processors)
    ]

print(json.dumps({"traces": names(get_tracer_provider()), "logs": names(get_logger_provider())}))
pipeline.shutdown()
"""


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {"traces": ["BoundedSpanProcessor"], "logs": ["BoundedLogProcessor"]}),
        (
            {"OTEL_TRACES_EXPORTER": "console,otlp", "OTEL_LOGS_EXPORTER": "otlp"},
            {"traces": ["ConsoleSpanExporter", "BoundedSpanProcessor"], "logs": ["BoundedLogProcessor"]},
        ),
        (
            {"OTEL_TRACES_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "none"},
            {"traces": ["ConsoleSpanExporter"], "logs": []},
        ),
    ],
    ids=["default", "console beside ours", "console instead of ours"],
)
def test_other_exporters_are_kept(
    collector: Collector, extra: dict[str, str], expected: dict[str, list[str]]
) -> None:
    """Only OTLP is ours: a console exporter that the user names stays, beside it or instead of it."""
    done = python(START + PROCESSORS, env=env(collector, **extra))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0]) == expected


@pytest.mark.parametrize("disabled", ["settings", "environment"])
def test_switched_off(disabled: str) -> None:
    """Without telemetry nothing is exported and no connection is made, and log lines are still written."""
    start = START if disabled == "environment" else START.replace("Settings()", "Settings(enabled=False)")
    said = answer(
        start
        + EMIT
        + """
print(pipeline.pull, pipeline.flush(), len(log.getvalue().splitlines()))
pipeline.shutdown()
""",
        env=env(**({"OTEL_SDK_DISABLED": "true"} if disabled == "environment" else {})),
    )
    assert said == "None True 600"


def test_detach_gives_the_root_logger_back(collector: Collector) -> None:
    """A process that continues without telemetry has its own handlers again."""
    code = """
import io, logging, os, sys
mine = logging.StreamHandler(sys.stderr)
logging.getLogger().addHandler(mine)
"""
    check = """
during = mine in logging.getLogger().handlers
pipeline.detach()
pipeline.detach()
print(during, logging.getLogger().handlers == [mine])
"""
    assert answer(code + START + check, env=env(collector)) == "False True"


@pytest.mark.parametrize(
    ("listening", "reachable"), [(True, "True"), (False, "False")], ids=["somebody", "nobody"]
)
def test_listening_port_is_detected(collector: Collector, listening: bool, reachable: str) -> None:
    """The question whether a Collector is there is answered in a moment, either way."""
    if not listening:
        collector.shutdown()
        collector.server_close()
    code = """
import time
before = time.monotonic()
answer = pipeline.otlp_reachable
assert time.monotonic() - before < 2
print(answer)
pipeline.shutdown(0.1)
"""
    assert answer(START + code, env=env(collector)) == reachable
