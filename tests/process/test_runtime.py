"""The telemetry of one `ael` process, put together: each in a fresh interpreter, since providers are set once."""

import json
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.process.sdk.test_providers import Collector
from tests.support.interpreters import WRAPPER, answer, environment, python
from tests.support.otlp_sink import OtlpSink

START = """
import dataclasses, io, json, logging, os, sys, time, urllib.error, urllib.request
import msgspec
from ael_otel import runtime
from ael_otel.config import Settings, with_environment
from ael_otel.instrument.active import current
from ael_otel.store import MemoryStore

log, store = io.StringIO(), MemoryStore()


def settings(**sections):
    made = Settings()
    for name, changes in sections.items():
        changed = msgspec.structs.replace(getattr(made, name), **changes) if isinstance(changes, dict) else changes
        made = msgspec.structs.replace(made, **{name: changed})
    return with_environment(made, os.environ)


def start(ready=lambda: True, serve=True, port=0, **sections):
    # Port 0 selects a free one, which a file cannot name.
    sections["metrics"] = {"port": port, **sections.get("metrics", {})}
    return runtime.start(settings(**sections), log_stream=log, serve_metrics=serve, store=store, ready=ready)


def said():
    return [json.loads(line)["message"] for line in log.getvalue().splitlines()]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()
"""


def env(**extra: str) -> dict[str, str]:
    """An environment where nothing is exported unless a test enables it."""
    quiet = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    return environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="requests,httpx,logging", **(quiet | extra))


def run(code: str, **extra: str) -> object:
    """Run `code` after START and return what it printed as JSON."""
    return json.loads(answer(START + code, env=env(**extra)).splitlines()[-1])


def test_a_recorded_run_is_everywhere() -> None:
    """One frame shows in the metrics that are served, in the store and in the log; shutdown stops the serving."""
    assert run("""
running = start()
recorder = current().recorder
from ael_otel.lifecycle import Execution
with Execution(recorder, "hello", execution_id="exec-1"):
    logging.getLogger("some.module").info("inside")
text = get(running.metrics_url)
line = json.loads(log.getvalue().splitlines()[0])
running.shutdown()
try:
    get(running.metrics_url or "http://127.0.0.1:1/")
    closed = False
except urllib.error.URLError:
    closed = True
print(json.dumps({
    "counted": 'ael_workflow_executions_total{status="success",workflow="hello"} 1.0' in text,
    "kept": store.get("exec-1").status,
    "ids": [line["execution_id"], line["trace_id"] == store.get("exec-1").trace_id],
    "url": running.metrics_url,
    "closed": closed,
}))
""") == {"counted": True, "kept": "completed", "ids": ["exec-1", True], "url": None, "closed": True}


def test_the_settings_reach_the_instrumentation() -> None:
    """The file selects whose MCP spans are recorded and whether the engine's own telemetry runs."""
    assert run("""
running = start(traces={"mcp_spans": "both"}, engine={"native_spans": True, "telemetry_store": True})
active = current()
print(json.dumps([active.recorder.mcp_spans, active.native_spans, active.native_store, active.recorder.store is store]))
running.shutdown()
""") == ["both", True, True, True]


@pytest.mark.parametrize(
    ("sections", "serve"),
    [("metrics={'enabled': False}", True), ("metrics={'prometheus_enabled': False}", True), ("", False)],
    ids=["no metrics", "not served (engine's key)", "a verb that serves nothing"],
)
def test_metrics_are_served_only_when_asked(sections: str, *, serve: bool) -> None:
    """Where the file or the verb wants no endpoint there is none, and all else works."""
    assert run(f"""
running = start(serve={serve}{", " + sections if sections else ""})
print(json.dumps([running.metrics_url, said()]))
running.shutdown()
""") == [None, []]


def test_port_in_use_is_reported_and_the_rest_continues() -> None:
    """The engine starts without its endpoint: one line has reason and remedy, metrics still go out by OTLP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url, log_lines, active = run(f"""
running = start(port={port})
print(json.dumps([running.metrics_url, said(), current() is not None]))
running.shutdown()
""")
    assert url is None
    (line,) = log_lines
    assert line == (
        f"metrics cannot be served on 127.0.0.1:{port} (Address already in use): set telemetry.metrics.port to "
        "a free port, or telemetry.metrics.enabled to false"
    )
    assert active


def test_readiness_is_the_callers() -> None:
    """`/readyz` answers with the caller's function."""
    assert run("""
state = {"ready": False}
running = start(ready=lambda: state["ready"])
base = running.metrics_url.removesuffix("/metrics")
try:
    get(base + "/readyz")
except urllib.error.HTTPError as error:
    status = error.code
state["ready"] = True
print(json.dumps([status, get(base + "/readyz"), get(base + "/livez")]))
running.shutdown()
""") == [503, '{"status": "ready"}\n', '{"status": "alive"}\n']


def test_notices_are_logged_once() -> None:
    """Each notice about the configuration is a warning."""
    assert run("""
running = start(notices=("telemetry.export is the short form", "another"))
print(json.dumps(said()))
running.shutdown()
""") == ["telemetry.export is the short form", "another"]


def test_children_are_not_wrapped() -> None:
    """The wrapper's entry leaves PYTHONPATH, so that helper processes start without an SDK; the others stay."""
    path = "/x/opentelemetry/instrumentation/auto_instrumentation:/somewhere/else"
    assert run(
        """
running = start()
print(json.dumps(os.environ["PYTHONPATH"].split(os.pathsep)[:2]))
running.shutdown()
""",
        PYTHONPATH=environment()["PYTHONPATH"] + ":" + path,
    ) == [environment()["PYTHONPATH"], "/somewhere/else"]


def test_shutdown_stops_in_time_while_clients_hang() -> None:
    """Neither a client of the endpoint nor an absent Collector delays the end: shutdown stays below 2.5 s."""
    taken = run(
        """
import socket, time
from urllib.parse import urlsplit
running = start()
address = urlsplit(running.metrics_url)
hanging = [socket.create_connection((address.hostname, address.port)) for _ in range(20)]
for connection in hanging:
    connection.sendall(b"GET /metrics HTTP/1.1\\r\\n")
time.sleep(0.2)
before = time.monotonic()
running.shutdown()
print(json.dumps(time.monotonic() - before))
""",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="otlp",
    )
    assert taken < 2.5


def test_under_the_wrapper_it_is_the_same() -> None:
    """Under `opentelemetry-instrument` the SDK is already set up: nothing is sent twice."""
    code = (
        START
        + """
from opentelemetry.trace import get_tracer_provider
provider = get_tracer_provider()
running = start()
print(json.dumps([
    get_tracer_provider() is provider,
    provider.resource.attributes["service.name"],
    len([part for part in provider._active_span_processor._span_processors]),
]))
running.shutdown()
"""
    )
    wrapper = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    done = python(
        wrapper, WRAPPER, "--service_name", "mine", "python", "-c", code, env=env(OTEL_TRACES_EXPORTER="none")
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [True, "mine", 0]
    assert "Overriding" not in done.stderr
    assert "already instrumented" not in done.stderr


def test_process_sends_its_queue_and_ends() -> None:
    """`flush` and `shutdown` hand everything to a Collector that is there, and the exit adds nothing to wait for."""
    collector = Collector()
    said = answer(
        START
        + """
import time
from tempfile import TemporaryDirectory
from ael_otel.lifecycle import Execution
running = start()
for number in range(50):
    with Execution(current().recorder, "hello", execution_id=f"exec-{number}"):
        pass
print(json.dumps(running.flush()))
running.shutdown()
print(json.dumps(time.time()), flush=True)
""",
        env=environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="requests,httpx,logging,urllib3",
        ),
    ).splitlines()
    assert time.time() - json.loads(said[-1]) < 2
    assert said[0] == "true"
    names = [
        span.name
        for part in collector.resources("traces")
        for scope in part.scope_spans
        for span in scope.spans
    ]
    assert names == ["Workflow Execution"] * 50
    collector.shutdown()
    collector.server_close()


NOTES = """
def run_to_the_end(synchronous, end):
    running = runtime.start(settings(), log_stream=sys.stdout, store=store, synchronous_logs=synchronous)
    for number in range(50):
        print("print", number, flush=True)
        logging.getLogger("app").info("line %d", number)
    end(running)
"""


def words(output: str) -> list[str]:
    """Return the lines that a program printed and logged, in the order of writing."""
    found = [json.loads(each)["message"] if each.startswith("{") else each for each in output.splitlines()]
    return [each for each in found if each.startswith(("print ", "line "))]


def test_synchronous_log_stands_between_the_prints_around_it() -> None:
    """As for `ael run -v`, also where stderr is piped: prints and log lines are in the order of the calls."""
    done = python(START + NOTES + "run_to_the_end(True, lambda _running: os._exit(0))", env=env())
    assert words(done.stdout) == [
        word for number in range(50) for word in (f"print {number}", f"line {number}")
    ]


@pytest.mark.parametrize(
    "end", ["running.flush()", "running.shutdown()", "running.pipeline.write_logs(5, through=True)"]
)
def test_noted_lines_are_written_by_each_way_of_asking_for_it(end: str) -> None:
    """A process that dies right after a flush, a shutdown or the stop of its server has written every line."""
    code = START + NOTES + f"run_to_the_end(False, lambda running: ({end}, os._exit(0)))"
    assert [each for each in words(python(code, env=env()).stdout) if each.startswith("line ")] == [
        f"line {number}" for number in range(50)
    ]


def test_process_that_dies_after_its_server_has_stopped_loses_no_line() -> None:
    """Uvicorn raises the signal again once it has stopped: lines logged before that and in between are written."""
    code = """
from pathlib import Path
from ael_otel.runtime import hosting
path = Path(sys.argv[1], "ael-config.yaml")
path.write_text("telemetry: {store: {backend: memory}, metrics: {enabled: false}}")
hosting.configure(path)
for number in range(50):
    logging.getLogger("app").info("line %d", number)
hosting._State.host.server_stopped()
for number in range(50, 100):
    logging.getLogger("app").info("line %d", number)
os._exit(0)
"""
    with TemporaryDirectory() as folder:
        done = python(START + code, folder, env=env())
    assert words(done.stdout) == [f"line {number}" for number in range(100)], done.stderr


def test_server_that_stops_before_its_runs_are_stored_reports_it() -> None:
    """Uvicorn raises the signal again once it has stopped: runs not written in time are reported before that."""
    code = """
from pathlib import Path
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.runtime import hosting
path = Path(sys.argv[1], "ael-config.yaml")
path.write_text(f"telemetry: {{store: {{path: {sys.argv[1]}/runs.db}}, metrics: {{enabled: false}}}}")
hosting.configure(path)
class Held:
    def take(self, notes): pass
    def dropped(self, reason, count): pass
with run_thread()._working:
    run_thread().offer(Held(), 1, 10)
    hosting._State.host.server_stopped()
    os._exit(0)
"""
    with TemporaryDirectory() as folder:
        done = python(START + code, folder, env=env())
    assert "the run store did not write all runs" in done.stdout, done.stderr
    assert "telemetry.limits.shutdown_seconds" in done.stdout


def test_fill_of_the_notes_is_exported() -> None:
    """The queue of log lines shows among the other buffers, with bounds of the configuration."""
    found = run("""
running = start(limits={"note_items": 3, "note_mb": 1})
from ael_otel.core.telemetry_thread import telemetry_thread
queue = telemetry_thread()
shown = [line for line in get(running.metrics_url).splitlines() if 'queue="notes"' in line]

class Held:
    def take(self, notes): pass
    def dropped(self, reason, count): pass

with queue._working:
    accepted = [queue.submit(Held(), number, 10) for number in range(5)]
    full = [line for line in get(running.metrics_url).splitlines() if 'queue="notes"' in line]
print(json.dumps([shown, accepted, full]))
running.shutdown()
""")
    assert isinstance(found, list)
    shown, accepted, full = found
    assert accepted == [True] * 3 + [False] * 2
    assert {line.partition("{")[0] for line in shown} == {
        "ael_telemetry_queue_items",
        "ael_telemetry_queue_size_bytes",
        "ael_telemetry_queue_fill_ratio",
    }
    values = {line.partition("{")[0]: float(line.split()[-1]) for line in full}
    assert values == {
        "ael_telemetry_queue_items": 3.0,
        "ael_telemetry_queue_size_bytes": 30.0,
        "ael_telemetry_queue_fill_ratio": 1.0,
    }


def test_runs_lost_at_the_end_are_in_the_last_metric_export(tmp_path: Path) -> None:
    """A store that is locked until after the end costs its runs, and the receiver has their count; a store that works
    is written first, and nothing is counted.
    """
    code = """
import sqlite3
from pathlib import Path
from ael_otel.lifecycle import Execution
path = Path(sys.argv[1])
store = None
running = start(serve=False, store={"path": str(path)})
with Execution(current().recorder, "hello", execution_id="exec-1"):
    pass
running.store.flush()
holder = sqlite3.connect(path, isolation_level=None)
if sys.argv[2] == "locked":
    holder.execute("BEGIN IMMEDIATE")
for number in range(2, 5):
    with Execution(current().recorder, "hello", execution_id=f"exec-{number}"):
        pass
before = time.monotonic()
running.shutdown()
taken = time.monotonic() - before
holder.close()
print(json.dumps({"taken": taken, "kept": sqlite3.connect(path).execute("SELECT count(*) FROM executions").fetchone()}))
"""
    for how, kept, lost in (("free", 4, {}), ("locked", 1, {"reason=shutdown_timeout,signal=store": 3})):
        with OtlpSink() as sink:
            said = json.loads(
                answer(
                    START + code, str(tmp_path / f"{how}.db"), how,
                    env=env(OTEL_METRICS_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint),
                ).splitlines()[-1]
            )  # fmt: skip
            dropped = sink.metrics().get("ael.telemetry.dropped", {})
        assert {row: count for row, count in dropped.items() if count} == lost
        assert said["kept"] == [kept]
        assert said["taken"] < 2.5
