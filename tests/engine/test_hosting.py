"""The engine inside a FastAPI application: each documented way stores runs, serves metrics, and ends in time."""

import doctest
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import ael_otel
from tests.engine.lab.client import ROOT, clean_environment
from tests.engine.lab.files import json_lines, write_configuration
from tests.engine.lab.serving import BIN, Served
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port
from tests.support.variables import NOWHERE

APP = "tests.engine.lab.hosted"
UVICORN = ("uvicorn", f"{APP}:app", "--port", "{port}")
SCRIPT = ("python", "-m", APP, "{port}")
WRAPPED = ("opentelemetry-instrument", *SCRIPT)
WORKERS = ("--workers", "2", "--timeout-worker-healthcheck", "60")
STOP_S = 3.5
"""An end takes 2 s at most beside what uvicorn needs, and a loaded machine some more."""
TEARDOWN_S = 6
"""What Python needs after SIGINT to take the engine's half second of objects apart, with and without telemetry; after
SIGTERM the process ends at once."""
SECRET = "hunter2-of-the-host"  # hygiene: made up


@dataclass(frozen=True)
class Way:
    """How a person starts the application: its command, and variables; `{config}` is the engine's file."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    own: bool = False
    number: signal.Signals = signal.SIGTERM

    @property
    def workers(self) -> bool:
        """Whether two processes serve."""
        return "--workers" in self.command


WAYS: Mapping[str, Way] = {
    "instrumentor": Way(UVICORN, {"HOST_CONFIG": "{config}"}),
    "instrumentor, own provider": Way(SCRIPT, {"HOST_CONFIG": "{config}"}, own=True, number=signal.SIGINT),
    "instrumentor, workers": Way((*UVICORN, *WORKERS), {"HOST_CONFIG": "-", "AEL_CONFIG_PATH": "{config}"}),
    "wrapper": Way((*WRAPPED, "-c", "{config}")),
    "wrapper, own provider": Way(WRAPPED, {"PLOSTON_CONFIG_PATH": "{config}"}, own=True),
    "wrapper, provider passed": Way(
        WRAPPED,
        {"HOST_CONFIG": "-", "HOST_PASS_PROVIDER": "yes", "AEL_CONFIG_PATH": "{config}"},
        own=True,
    ),
    "wrapper, workers": Way(
        ("opentelemetry-instrument", *UVICORN, *WORKERS), {"OTEL_PYTHON_AEL_CONFIG": "{config}"}
    ),
}


@dataclass
class Hosted:
    """Output and telemetry of one way of hosting."""

    way: Way
    folder: Path
    sink: OtlpSink
    answers: list[dict[str, Any]]
    scraped: str = ""
    code: int = 0
    seconds: float = 0.0

    @property
    def output(self) -> str:
        """Everything that the processes have printed."""
        return (self.folder / "stdout.txt").read_text("utf-8") + (self.folder / "stderr.txt").read_text(
            "utf-8"
        )

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Our spans, wherever this way sends them."""
        if self.way.own and "HOST_CONFIG" in self.way.environment:
            lines = (self.folder / "spans.txt").read_text("utf-8").splitlines()
            return [span for span in map(json.loads, lines) if "ael." in json.dumps(span["attributes"])]
        return [
            span for span in self.sink.spans() if any(key.startswith("ael.") for key in span["attributes"])
        ]

    def listed(self) -> list[dict[str, Any]]:
        """Return the runs of `ael trace list` in the application's folder afterwards."""
        done = subprocess.run(
            [str(BIN / "ael"), "trace", "list", "-n", "1000", "--output", "json"],
            cwd=self.folder,
            env=clean_environment(HOME=str(self.folder)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))


def start(
    folder: Path, way: Way, sink: OtlpSink, metrics: int, limits: Mapping[str, Any] | None = None
) -> Served:
    """Start the application in `folder`, with some of `telemetry.limits`."""
    config = write_configuration(
        folder / "ael",
        telemetry={
            "metrics": {"port": metrics},
            "exporters": {"otlp": {"endpoint": sink.endpoint}},
            "limits": dict(limits or {}),
        },
    )
    environment = {name: value.replace("{config}", str(config)) for name, value in way.environment.items()}
    if way.own:
        environment["HOST_OWN_PROVIDER"] = str(folder / "spans.txt")
    words = [word.replace("{config}", str(config)) for word in way.command]
    return Served(words, folder, environment={"HOST_ENGINE_CONFIG": str(config)} | environment)


def run(served: Served, workflow: str, **inputs: Any) -> dict[str, Any]:
    """Run a workflow through the application, on a new connection."""
    address = f"http://127.0.0.1:{served.port}/run/{workflow}"
    return dict(httpx.post(address, json=inputs, timeout=60).json())


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Hosted]]:
    """Each way with the same runs, two ways at a time."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        found = {
            name: Hosted(way, tmp_path_factory.mktemp("host"), stack.enter_context(OtlpSink()), [])
            for name, way in WAYS.items()
        }
        list(pool.map(_drive, found.values()))
        yield found


def _drive(host: Hosted) -> None:
    """Start it, run, scrape, run once more, and end it at once."""
    metrics = free_port()
    # Runs of the last 0.1 s are to be kept also where a busy disk takes a second for the new store.
    with start(host.folder, host.way, host.sink, metrics, {"shutdown_seconds": 10}) as served:
        served.wait_ready()
        host.answers += [run(served, "success"), run(served, "tool_error")]
        if host.way.workers:
            _reach_both(served, host)
        host.scraped = httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=10).text
        host.answers.append(run(served, "success"))
        host.code, host.seconds = served.stop(host.way.number)


def _reach_both(served: Served, host: Hosted) -> None:
    """Run until both workers have had a run; the second one may still be opening its engine."""
    deadline = time.monotonic() + 60
    while len({answer["pid"] for answer in host.answers}) < 2:
        assert time.monotonic() < deadline, host.output[-3_000:]
        host.answers.append(run(served, "success"))


@pytest.mark.parametrize("name", WAYS)
def test_hosted_run_is_listed_after_the_end(hosted: dict[str, Hosted], name: str) -> None:
    """Each run of each worker is in the one store with its steps' outcome, the last one made just before SIGTERM."""
    host = hosted[name]
    wanted = {answer["execution_id"]: answer["status"] for answer in host.answers}
    assert {each["execution_id"]: each["status"] for each in host.listed()} == wanted, host.output[-3_000:]
    assert sorted(set(wanted.values())) == ["completed", "failed"]


@pytest.mark.parametrize("name", WAYS)
def test_metrics_endpoint_of_a_host_answers(hosted: dict[str, Hosted], name: str) -> None:
    """`/metrics` has the contract's series, with the runs of the process that has the port."""
    host = hosted[name]
    samples = dict(line.rsplit(" ", 1) for line in host.scraped.splitlines() if not line.startswith("#"))
    runs = sum(
        float(value) for key, value in samples.items() if key.startswith("ael_workflow_executions_total{")
    )
    before_the_last = len(host.answers) - 1
    assert 0 <= runs <= before_the_last
    if not host.way.workers:
        assert runs == before_the_last
    assert any(key.startswith("ael_tool_duration_seconds_bucket{") for key in samples) or host.way.workers
    assert "ael_active_workflows" in host.scraped


@pytest.mark.parametrize("name", WAYS)
def test_second_process_names_the_taken_port_once(hosted: dict[str, Hosted], name: str) -> None:
    """Of two workers one serves the metrics and the other logs one line that it does not; a single one logs none."""
    host = hosted[name]
    lines = [line for line in host.output.splitlines() if "does not serve its metrics" in line]
    assert len(lines) == (1 if host.way.workers else 0)
    assert "runs are not recorded" not in host.output


@pytest.mark.parametrize("name", WAYS)
def test_hosted_run_is_sent_as_one_trace(hosted: dict[str, Hosted], name: str) -> None:
    """Spans of every run reach the place of that way, the last run's too: its root, its steps and its tool calls."""
    host = hosted[name]
    names = [span["name"] for span in host.spans]
    assert names.count("Workflow Execution") == len(host.answers)
    assert names.count("MCP Request") == 2 * len(host.answers)


@pytest.mark.parametrize("name", WAYS)
def test_metrics_and_logs_of_a_host_go_by_otlp(hosted: dict[str, Hosted], name: str) -> None:
    """All processes together send every run to the Collector, whichever has the port, and their log with ids."""
    host = hosted[name]
    assert host.sink.counts()["logs"] > 0
    failed = [log for log in host.sink.logs() if "tool_error failed" in str(log["body"])]
    assert len(failed) == 1
    assert failed[0]["attributes"]["execution_id"] in {answer["execution_id"] for answer in host.answers}
    assert host.sink.metrics()["ael.workflow.executions"]


@pytest.mark.parametrize("name", WAYS)
def test_host_ends_in_time_with_the_signals_exit_code(hosted: dict[str, Hosted], name: str) -> None:
    """The end stays within its bound and keeps the exit code that uvicorn gives it."""
    host = hosted[name]
    assert host.seconds < STOP_S + (TEARDOWN_S if host.way.number == signal.SIGINT else 0)
    assert host.code in (0, -host.way.number, 130), host.output[-2_000:]
    assert "Traceback" not in (host.folder / "stderr.txt").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if not way.workers])
def test_stdout_of_a_host_is_json_lines(hosted: dict[str, Hosted], name: str) -> None:
    """The log is that of `ael serve`: JSON lines with the ids of the run, each record once."""
    host = hosted[name]
    text = (host.folder / "stdout.txt").read_text("utf-8")
    lines = json_lines("\n".join(line for line in text.splitlines() if line.startswith("{")))
    (failed,) = [line for line in lines if "tool_error failed" in line["message"]]
    assert failed["execution_id"] in {answer["execution_id"] for answer in host.answers}
    assert re.fullmatch("[0-9a-f]{32}", failed["trace_id"])


@pytest.mark.parametrize("command", [UVICORN, WRAPPED], ids=["instrumentor", "wrapper"])
def test_host_without_configuration_reports_it_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    """If no configuration is named, one line reports that runs are not stored and what to set; the runs continue."""
    environment = {} if command is WRAPPED else {"HOST_CONFIG": "-"}
    with OtlpSink() as sink, start(tmp_path, Way(command, environment), sink, free_port()) as served:
        served.wait_ready()
        assert run(served, "success")["status"] == "completed"
        served.stop(signal.SIGTERM)
        lines = [
            line for line in (served.stdout + served.stderr).splitlines() if "runs are not recorded" in line
        ]
    assert len(lines) == 1, lines
    assert "OTEL_PYTHON_AEL_CONFIG" in lines[0]
    assert not (tmp_path / ".ael").exists()


def test_host_with_a_wrong_configuration_names_it_and_runs_on(tmp_path: Path) -> None:
    """A mistake in the file is one line with file, line and key; the application serves all the same."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("telemetry:\n  metrics: {prot: 1}\n", "utf-8")
    way = Way(UVICORN, {"HOST_CONFIG": str(wrong)})
    with OtlpSink() as sink, start(tmp_path, way, sink, free_port()) as served:
        served.wait_ready()
        assert run(served, "success")["status"] == "completed"
        served.stop(signal.SIGTERM)
        lines = [
            line for line in (served.stdout + served.stderr).splitlines() if "runs are not recorded" in line
        ]
    assert len(lines) == 1, lines
    assert "wrong.yaml:2" in lines[0]
    assert "prot" in lines[0]


def test_wrapped_host_with_configuration_by_argument_reports_where_telemetry_goes(
    tmp_path: Path,
) -> None:
    """Under the wrapper such a configuration comes after the exporters: runs are kept, and one line names the file,
    where spans go instead and what to set; with that set, they go where the file says and the line is gone.
    """
    by_argument = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE}
    for name, variable in (("argument", by_argument), ("variable", {"AEL_CONFIG_PATH": "{config}"})):
        folder = tmp_path / name
        folder.mkdir()
        with OtlpSink() as sink:
            way = Way(WRAPPED, {"HOST_CONFIG": "{config}"} | variable)
            with start(folder, way, sink, free_port()) as served:
                served.wait_ready()
                answer = run(served, "success")
                served.stop(signal.SIGTERM)
                output = served.stdout + served.stderr
            host = Hosted(way, folder, sink, [answer])
            assert [each["execution_id"] for each in host.listed()] == [answer["execution_id"]]
            lines = [line for line in output.splitlines() if "has no effect on exporters" in line]
            sent = [span["name"] for span in sink.spans()]
        if name == "variable":
            assert (lines, sent.count("Workflow Execution")) == ([], 1), output[-3_000:]
        else:
            (line,) = lines
            config = str(folder / "ael" / "ael.yaml")
            assert f"OTEL_PYTHON_AEL_CONFIG={config}" in line
            assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line
            assert sent == []


def test_dead_collector_does_not_delay_the_end(tmp_path: Path) -> None:
    """With no listener at the endpoint, or one that never answers, the host ends in time and stores its runs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for index, endpoint in enumerate(
            ("http://127.0.0.1:9", f"http://127.0.0.1:{silent.getsockname()[1]}")
        ):
            folder = tmp_path / str(index)
            folder.mkdir()
            way = Way(UVICORN, {"HOST_CONFIG": "{config}", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
            with OtlpSink() as sink, start(folder, way, sink, free_port()) as served:
                served.wait_ready()
                answer = run(served, "success")
                _, seconds = served.stop(signal.SIGTERM)
            assert seconds < STOP_S
            with sqlite3.connect(folder / ".ael" / "telemetry.db") as store:
                rows = store.execute("SELECT execution_id, status FROM executions").fetchall()
            assert rows == [(answer["execution_id"], "completed")]


def test_foreign_processor_sees_no_secret(tmp_path: Path) -> None:
    """A provider of the application's own gets our spans redacted, and so does its store of runs."""
    way = Way(SCRIPT, {"HOST_CONFIG": "{config}"}, own=True)
    with OtlpSink() as sink, start(tmp_path, way, sink, free_port()) as served:
        served.wait_ready()
        run(served, f"password={SECRET}", password=SECRET)
        run(served, "success", password=SECRET)
        served.stop(signal.SIGTERM)
        # FastAPI's own span has the address unredacted: foreign spans are not ours to redact.
        lines = (tmp_path / "spans.txt").read_text("utf-8").splitlines()
        ours = [line for line in lines if '"ael.' in line]
        assert len([line for line in ours if "Workflow Execution" in line]) == 2
        assert not [line for line in ours if SECRET in line]
        assert SECRET.encode() not in sink.raw()
    for file in (tmp_path / ".ael").iterdir():
        assert SECRET.encode() not in file.read_bytes()


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _docstring_program() -> str:
    """The examples in the instrumentor's docstring, put together."""
    examples = doctest.DocTestParser().get_examples(ael_otel.AelInstrumentor.__doc__ or "")
    return "".join(example.source for example in examples)


@pytest.mark.parametrize("source", ["docs/how-to/hosting.md", "docstring"])
def test_documented_application_is_unchanged(tmp_path: Path, source: str) -> None:
    """The application of the page on hosting and of the instrumentor's docstring serves, and its runs are listed."""
    text = _docstring_program() if source == "docstring" else _blocks((ROOT / source).read_text("utf-8"))[0]
    (tmp_path / "app.py").write_text(text, "utf-8")
    way = Way(("uvicorn", "app:app", "--port", "{port}"))
    with OtlpSink() as sink:
        metrics = free_port()
        config = write_configuration(
            tmp_path / "ael",
            telemetry={"metrics": {"port": metrics}, "exporters": {"otlp": {"endpoint": sink.endpoint}}},
        )
        (tmp_path / "ael-config.yaml").write_text(config.read_text("utf-8"), "utf-8")
        with Served(way.command, tmp_path) as served:
            served.wait_ready()
            answer = run(served, "success")
            scraped = httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=10).text
            served.stop(signal.SIGTERM)
        host = Hosted(way, tmp_path, sink, [answer])
        assert [each["execution_id"] for each in host.listed()] == [answer["execution_id"]], host.output[
            -3_000:
        ]
        assert "ael_workflow_executions_total" in scraped


def test_python_of_this_suite_is_the_one_that_serves() -> None:
    """The commands above come from this environment, so that they test this checkout."""
    assert Path(sys.executable).parent == BIN
