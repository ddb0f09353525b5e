"""`ael demo` against a running stack: the stores have exactly the telemetry of its runs."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.backends import Backends, LogLine
from tests.e2e.checks import ARRIVAL_SECONDS, Known, Truth, check_metrics, check_traces, settle
from tests.e2e.expected import BUNDLED, CASES, row
from tests.e2e.programs import environment, run
from tests.e2e.waiting import wait_until_nothing_is_missing

pytestmark = pytest.mark.timeout(400)  # the first test of all waits for the stack

SERVICE = "e2e-demo"


@dataclass(frozen=True)
class Shown:
    """The demo's output, and the runs that it lists."""

    report: dict[str, Any]
    truth: Truth


def case_of(workflow: str) -> str:
    """The case that a run of the demo is: it limits the time of `too_slow`."""
    return "timed_out" if workflow == "too_slow" else workflow


@pytest.fixture(scope="module")
def demo(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One `ael demo --json`, ended."""
    folder = tmp_path_factory.mktemp("demo")
    done = run("ael", "demo", "--json", cwd=folder, env=environment(folder, SERVICE, backends.otlp))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    calls = tuple(
        Known(CASES[case_of(each["workflow"])], each["trace_id"], "", each["execution_id"])
        for each in report["runs"]
    )
    truth = Truth(SERVICE, calls)
    settle(backends, truth)
    return Shown(report, truth)


def test_every_workflow_ran_and_ended_as_expected(demo: Shown) -> None:
    """Proves that the ground truth is worth comparing with: all workflows, the outcomes they are made for, ids."""
    assert demo.report["otlp"]["reachable"]
    runs = demo.report["runs"]
    assert {each["workflow"] for each in runs} == BUNDLED
    for each in runs:
        assert (each["status"] == "completed") is CASES[case_of(each["workflow"])].succeeds, each
    for key in ("trace_id", "execution_id"):
        assert len({each[key] for each in runs}) == len(runs), f"each run has its own {key}"


def test_prometheus_has_exactly_the_series_of_the_runs(backends: Backends, demo: Shown) -> None:
    """Proves that after the process has ended every counter, and the histograms' counts, equal the runs."""
    check_metrics(backends, demo.truth)


def test_durations_add_up(backends: Backends, demo: Shown) -> None:
    """Proves that the histogram's sums are in seconds and are those of the runs, as the demo itself reports them."""
    recorded: Counter[str] = Counter()
    for each in demo.report["runs"]:
        recorded[each["workflow"]] += each["duration_ms"] / 1e3
    sums = {
        labels["workflow"]: value
        for _, labels, value in backends.series(SERVICE, pattern="ael_workflow_duration_seconds_sum")
    }
    assert sums.keys() == recorded.keys()
    for workflow, seconds in sums.items():
        # The demo's clock is around the engine's; a busy machine may pause it in between.
        assert 0 < seconds <= recorded[workflow] + 1e-6
        assert recorded[workflow] - seconds < 1, workflow


def test_every_run_is_one_trace_of_the_right_shape(backends: Backends, demo: Shown) -> None:
    """Proves that each run's trace is stored under the id that was printed, with its whole tree and no orphan."""
    traces = check_traces(backends, demo.truth)
    assert traces.keys() == {each["trace_id"] for each in demo.report["runs"]}


def test_every_run_leads_from_its_lines_to_its_trace(backends: Backends, demo: Shown) -> None:
    """Proves the join: the lines of an execution id carry one trace id, that of the run, and spans of that trace."""
    traces = check_traces(backends, demo.truth)
    runs = demo.report["runs"]
    lines: dict[str, list[LogLine]] = {}

    def missing() -> str:
        lines.clear()
        for line in backends.lines(SERVICE, ' | execution_id != ""'):
            lines.setdefault(line.labels["execution_id"], []).append(line)
        # The last line of a run, which reports its end.
        unended = [
            each["workflow"]
            for each in runs
            if not any(
                "completed" in line.text or "failed" in line.text
                for line in lines.get(each["execution_id"], [])
            )
        ]
        return f"the last line of {', '.join(unended)}" if unended else ""

    wait_until_nothing_is_missing(missing, seconds=30)
    assert lines.keys() == {each["execution_id"] for each in runs}
    for each in runs:
        spans = {span.span_id for span in traces[each["trace_id"]]}
        for line in lines[each["execution_id"]]:
            assert line.labels["trace_id"] == each["trace_id"]
            assert line.labels["workflow_id"] == each["workflow"]
            assert line.labels["span_id"] in spans


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_both_protocols_deliver_all_three_signals(backends: Backends, tmp_path: Path, protocol: str) -> None:
    """Proves that a short `ael run` hands everything over before it ends, by gRPC and by HTTP."""
    service = f"e2e-run-{protocol.partition('/')[0]}"
    endpoint = backends.otlp if protocol == "grpc" else backends.otlp_http
    env = environment(
        tmp_path,
        service,
        endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
    )
    exported = run("ael", "demo", "--export", "demo", cwd=tmp_path, env=env)
    assert exported.returncode == 0, exported.stderr
    config = str(tmp_path / "demo" / "ael-config.yaml")
    done = run("ael", "run", "hello", "-c", config, "--json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    truth = Truth(service, (Known(CASES["hello"], report["trace_id"], "", report["execution_id"]),))
    # The process has ended: later arrivals were already handed over.
    check_metrics(backends, truth, seconds=ARRIVAL_SECONDS)
    check_traces(backends, truth, seconds=ARRIVAL_SECONDS)
    assert (
        backends.rows(service)[row("ael_workflow_executions_total", workflow="hello", status="success")] == 1
    )

    def missing() -> str:
        lines = backends.lines(service, f' | trace_id="{report["trace_id"]}"')
        return (
            "" if any("completed" in line.text for line in lines) else f"{len(lines)} lines and not the last"
        )

    wait_until_nothing_is_missing(missing, seconds=30)
