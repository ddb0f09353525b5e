"""The boards' queries against a real Prometheus and a real Loki, over a day whose numbers are known."""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ael_otel._generated import metrics
from ael_otel._generated.events import (
    ENFORCEMENT_IDLE,
    EXECUTION_FAIL,
    SESSION_END,
    SESSION_START,
    STEP_RETRY,
    STEP_SKIP,
)
from dashboards.src import foreign
from dashboards.src.queries import events, total
from tests.dashboards import check
from tests.dashboards.boards import committed, data_panels, kind_of, name_of
from tests.dashboards.contract import grouping
from tests.dashboards.promql import parse
from tests.dashboards.servers import Sample, Server, loki, prometheus, push_logs

pytestmark = [pytest.mark.docker, pytest.mark.slow]

HOUR = 3600.0
STEP = 15.0  # seconds between two reports of a process
NOW = float(int(time.time() / 60) * 60)
INTERVAL = 900.0

BOARDS = committed()
MACROS = {
    "$__rate_interval": f"{INTERVAL + STEP:g}s",
    "$__interval": f"{INTERVAL:g}s",
    "$__range": "86400s",
    "$__auto": "900s",
}

# Values of other programs' labels that a board asks for; the others have their label's name as value.
SAMPLE_LABELS = {"receiver": "otlp", "status_code": foreign.SPAN_FAILED}
TEMPO_BUCKETS = (0.1, 0.25, 0.5, 1.0, 10.0, 60.0)

# Runs that ended within the last 24 hours, by workflow and status.
TRUTH: Counter[tuple[str, str]] = Counter()


def labelled(name: str, **labels: str) -> str:
    """A series as OpenMetrics writes it."""
    return f"{name}{{{','.join(f'{key}="{value}"' for key, value in labels.items())}}}"


def runs(workflow: str, status: str, instance: str) -> str:
    """The counter of runs of one process."""
    name = metrics.WORKFLOW_EXECUTIONS.prometheus
    return labelled(name, workflow=workflow, status=status, job="ael", instance=instance)


def reports(series: str, values: dict[float, float], start: float, end: float) -> list[Sample]:
    """A process that reports every 15 s from `start` to `end` (hours before now) the newest of `values` (by hours)."""
    samples = []
    at = NOW - start * HOUR
    while at <= NOW - end * HOUR:
        newest = min((when for when in values if NOW - when * HOUR <= at), default=None)
        if newest is not None:
            samples.append(Sample(series, values[newest], at))
        at += STEP
    return samples


def histogram(
    name: str, labels: dict[str, str], buckets: tuple[float, ...], observed: list[float], at: float
) -> list[Sample]:
    """One report of a histogram with these observations."""
    bounds = [*buckets, math.inf]
    text = ["+Inf" if bound == math.inf else f"{bound:.17g}" for bound in bounds]
    counts = [sum(value <= bound for value in observed) for bound in bounds]
    return [
        *(
            Sample(labelled(f"{name}_bucket", **labels, le=le), n, at)
            for le, n in zip(text, counts, strict=True)
        ),
        Sample(labelled(f"{name}_sum", **labels), sum(observed), at),
        Sample(labelled(f"{name}_count", **labels), len(observed), at),
    ]


def a_days_runs() -> list[Sample]:
    """Every way in which a counter can live through 24 hours."""
    samples = []

    # A server that was there before: 20 runs, then 25 in the window. Its failures: zeros, then one.
    samples += reports(runs("serve", "success", "a"), {26: 20, 10: 40, 1: 45}, 26, 0)
    samples += reports(runs("serve", "error", "a"), {26: 0, 3: 1}, 26, 0)
    samples += reports(runs("serve", "cancelled", "a"), {26: 0, 2: 2}, 26, 0)
    TRUTH.update({("serve", "success"): 25, ("serve", "error"): 1, ("serve", "cancelled"): 2})

    # A process that ran one workflow and exported once.
    samples += [Sample(runs("once", "success", "b"), 1, NOW - 3 * HOUR)]
    TRUTH.update({("once", "success"): 1})

    # A demo of four seconds: a zero, then ten.
    samples += [
        Sample(runs("demo", "success", "c"), value, NOW - 5 * HOUR + at) for value, at in ((0, 0), (10, 4))
    ]
    TRUTH.update({("demo", "success"): 10})

    # A container that keeps its instance id: four runs, restarted, three more.
    samples += reports(runs("pod", "success", "d"), {12: 0, 11: 4, 6: 0, 5: 3}, 12, 0)
    TRUTH.update({("pod", "success"): 7})

    # The same container was busier after a restart than before the window: only the reset tells the two apart.
    samples += reports(runs("pod", "timeout", "d"), {30: 2, 12: 0, 11: 5}, 30, 0)
    TRUTH.update({("pod", "timeout"): 5})

    # Over before the window.
    samples += reports(runs("gone", "error", "e"), {30: 50}, 30, 26)

    # A workflow that nobody announced, born with its failures.
    samples += reports(runs("surprise", "error", "f"), {1: 2}, 1, 0)
    TRUTH.update({("surprise", "error"): 2})
    return samples


def ended(origin: str, outcome: str, instance: str) -> str:
    """The counter of ended sessions of one store or process."""
    name = metrics.SESSIONS.prometheus
    return labelled(name, agent="claude-code", origin=origin, outcome=outcome, job="ael", instance=instance)


def sessions_of_workers() -> list[Sample]:
    """Sessions that workers count, who come and go, and those that an engine counts; and calls and idle time."""
    # Forty before the window; the next worker begins with these, three hours later there are two more.
    samples = reports(ended("hooks", "success", "store"), {40: 40}, 40, 39)
    samples += [
        Sample(ended("hooks", "success", "store"), value, NOW - 3 * HOUR + at)
        for at, value in ((0, 40), (8, 41), (600, 42))
    ]
    # A store that is new: zero and the first session in one request.
    samples += [
        Sample(ended("hooks", "error", "new"), value, NOW - 2 * HOUR + at) for at, value in ((0, 0), (1, 1))
    ]
    # A client of an engine that nobody announced: its process counts all that it shows.
    samples += reports(ended("client", "success", "a"), {1: 3}, 1, 0)
    ours = {"agent": "claude-code", "origin": "client", "job": "ael", "instance": "a"}
    for outcome, count in (("success", 30), ("error", 3), ("denied", 2), ("cancelled", 1)):
        calls = labelled(metrics.SESSION_TOOL_CALLS.prometheus, outcome=outcome, **ours)
        samples += reports(calls, {2: 0, 1: count}, 2, 0)
    lines = {"agent": "claude-code", "origin": "hooks", "job": "ael", "instance": "store"}
    for contributor, count in (("ai", 120), ("mixed", 4)):
        written = labelled(metrics.ATTRIBUTION_LINES.prometheus, contributor=contributor, **lines)
        samples += reports(written, {2: 0, 1: count}, 2, 0)
    return samples + reports(labelled(metrics.SESSION_IDLE.prometheus, **ours), {2: 0, 1: 90}, 2, 0)


def model_calls() -> list[Sample]:
    """A process of which the day's calls cost 3 USD of a budget of 8: two models, one of them without a price."""
    ours = {"job": "ael", "instance": "a"}
    samples: list[Sample] = []
    for model, price, count in (("m-1", "table", 6), ("m-1", "none", 0), ("m-2", "none", 2)):
        of = {"model": model, "provider": "house"}
        samples += reports(
            labelled(metrics.MODEL_CALLS.prometheus, **of, price=price, **ours), {2: 0, 1: count}, 2, 0
        )
        for kind in metrics.MODEL_TOKENS.label_values["token_type"]:
            tokens = labelled(metrics.MODEL_TOKENS.prometheus, **of, token_type=kind, **ours)
            samples += reports(tokens, {1: 100}, 1, 0)
    cost = labelled(metrics.MODEL_COST.prometheus, model="m-1", provider="house", currency="USD", **ours)
    samples += reports(cost, {26: 40, 1: 43}, 26, 0)
    budget = labelled(metrics.MODEL_BUDGET.prometheus, currency="USD", **ours)
    return samples + reports(budget, {2: 8}, 2, 0)


def everything_else() -> list[Sample]:
    """Enough of every other metric that no panel is empty."""
    ours = {"job": "ael", "instance": "a"}
    samples = reports(labelled(metrics.ACTIVE_WORKFLOWS.prometheus, **ours), {2: 0, 0.5: 3}, 2, 0)
    for tool, status, count in (("echo", "success", 30), ("echo", "error", 0), ("charge", "error", 2)):
        series = labelled(metrics.TOOL_INVOCATIONS.prometheus, tool=tool, status=status, **ours)
        samples += reports(series, {2: 0, 1: count}, 2, 0)
    errors = labelled(metrics.ERRORS.prometheus, type="TOOL_FAILED", component="tool", **ours)
    samples += reports(errors, {1: 4}, 1, 0)
    dropped = labelled(metrics.TELEMETRY_DROPPED.prometheus, signal="logs", reason="queue_full", **ours)
    samples += reports(dropped, {1: 6}, 1, 0)
    steps = labelled(metrics.STEP_EXECUTIONS.prometheus, workflow="serve", step="one", type="code", **ours)
    samples += reports(steps, {1: 6}, 1, 0)
    for spec, labels in (
        (metrics.WORKFLOW_DURATION, {"workflow": "serve"}),
        (metrics.TOOL_DURATION, {"tool": "echo"}),
    ):
        assert spec.buckets is not None
        samples += histogram(spec.prometheus, labels | ours, spec.buckets, [0.2] * 9 + [40.0], NOW - 600)
    samples += [*sessions_of_workers(), *model_calls()]
    running = labelled(metrics.PROCESS_RUNNING.prometheus, **ours)
    samples += reports(running, {2: 1}, 2, 0)
    for gauge, value in (
        (metrics.TELEMETRY_QUEUE_FILL, 0.25),
        (metrics.TELEMETRY_QUEUE_ITEMS, 40),
        (metrics.TELEMETRY_QUEUE_SIZE, 1 << 20),
    ):
        samples += reports(labelled(gauge.prometheus, queue="traces", **ours), {2: value}, 2, 0)
    kind = metrics.REDACTION.label_values["kind"][0]
    samples += reports(labelled(metrics.REDACTION.prometheus, kind=kind, **ours), {1: 6}, 1, 0)
    other = {"job": "collector", "instance": "collector:8888"}
    for metric in foreign.ALL:
        labels = {
            label: SAMPLE_LABELS.get(label, label) for label in metric.labels if label not in other
        } | other
        if metric.instrument == "histogram":
            samples += histogram(metric.prometheus, labels, TEMPO_BUCKETS, [0.2] * 9 + [40.0], NOW - 600)
        else:
            samples += reports(labelled(metric.prometheus, **labels), {2: 10, 1: 20}, 2, 0)
    return samples


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus that has seen that day."""
    with prometheus(tmp_path_factory.mktemp("day"), [*a_days_runs(), *everything_else()]) as server:
        yield server


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus that has seen an engine start, announce its workflows and tools, and run nothing."""
    zeros = [
        labelled(spec.prometheus, **{label: "x" for label in spec.labels if label != "status"}, status=status)
        for spec in (metrics.WORKFLOW_EXECUTIONS, metrics.TOOL_INVOCATIONS)
        for status in spec.label_values["status"]
    ]
    zeros += [
        labelled(spec.prometheus, agent="x", origin=origin, outcome=outcome)
        for spec in (metrics.SESSIONS, metrics.SESSION_TOOL_CALLS)
        for origin in spec.label_values["origin"]
        for outcome in spec.label_values["outcome"]
    ]
    samples = [sample for series in zeros for sample in reports(series, {2: 0}, 2, 0)]
    with prometheus(tmp_path_factory.mktemp("quiet"), samples) as server:
        yield server


def filled(query: str, chosen: str = ".*") -> str:
    """A query as Grafana sends it."""
    for macro, value in MACROS.items():
        query = query.replace(macro, value)
    for variable, value in {"component": "", "execution": "", "text": "", "level": ".*"}.items():
        query = query.replace(f"${variable}", value)
    for variable in ("workflow", "tool", "agent"):
        query = query.replace(f"${variable}", chosen)
    assert not re.search(r"\$\D", query)  # $1 is a group of an expression
    return query


def answers(server: Server, target: dict[str, Any]) -> list[dict[str, Any]]:
    """What a query of a panel gives for the last 24 hours."""
    query = filled(target["expr"])
    if target.get("instant"):
        return server.instant(query, NOW)
    return server.over_time(query, NOW - 24 * HOUR, NOW, INTERVAL)


def asked(number: int, ref: str = "A") -> dict[str, Any]:
    """A query of the overview."""
    panel = next(each for each in data_panels(BOARDS["ael-overview"]) if each["id"] == number)
    return next(target for target in panel["targets"] if target["refId"] == ref)


def figure(server: Server, number: int) -> float | None:
    """The one number that a panel of the overview shows; None if it has none to show."""
    found = answers(server, asked(number))
    assert len(found) <= 1
    return float(found[0]["value"][1]) if found else None


METRIC_QUERIES = [
    pytest.param(target, id=f"{name} {name_of(panel)} {target['refId']}")
    for name, board in BOARDS.items()
    for panel in data_panels(board)
    for target in panel["targets"]
    if kind_of(target) == "prometheus"
]


@pytest.mark.parametrize("target", METRIC_QUERIES)
def test_every_query_returns_data_with_its_labels(target: dict[str, Any], day: Server):
    """Prometheus accepts the query, it finds something on an eventful day, and every result has the grouping labels."""
    found = answers(day, target)
    assert found
    labels = grouping(parse(target["expr"])) - {"le"}
    assert all(labels <= set(series["metric"]) for series in found)


@pytest.mark.parametrize("target", METRIC_QUERIES)
def test_no_query_fails_or_invents_on_a_quiet_day(target: dict[str, Any], quiet: Server):
    """With nothing but announced zeros a query gives nothing or 0: no share, no NaN, no error."""
    values = [
        point for series in answers(quiet, target) for point in series.get("values", [series.get("value")])
    ]
    assert {value for _, value in values} <= {"0"}


def test_runs_of_24_hours_are_exact(day: Server):
    """The figure is the number of runs that ended: also the first of a series, those of a process of four seconds or
    of one export, and those on both sides of a restart; none from before the window.
    """
    assert figure(day, 11) == pytest.approx(TRUTH.total(), abs=0.05)


def test_budget_is_compared_with_the_cost_of_a_day(day: Server, quiet: Server):
    """What was spent before the day does not count, and without a budget there is no share."""
    assert figure(day, 83) == pytest.approx(3 / 8)
    assert figure(quiet, 83) is None


def test_table_of_models_has_each_token_once(day: Server):
    """Input is the uncached and the cached parts, output has reasoning, and calls without a price are counted."""
    found = {
        ref: {each["metric"]["model"]: float(each["value"][1]) for each in answers(day, asked(81, ref))}
        for ref in "ABCDE"
    }
    assert found == {
        "A": {"m-1": 6, "m-2": 2},
        "B": {"m-1": 300, "m-2": 300},
        "C": {"m-1": 100, "m-2": 100},
        "D": {"m-1": 200, "m-2": 200},
        "E": {"m-1": 0, "m-2": 2},
    }


def test_increase_alone_would_be_wrong(day: Server):
    """The reason for the counting query: `increase()` misses what exported once and stretches what lived shortly."""
    of = metrics.WORKFLOW_EXECUTIONS.prometheus
    plain = {
        series["metric"]["workflow"]: float(series["value"][1])
        for series in day.instant(f"sum by (workflow) (increase({of}[24h]))", NOW)
    }
    assert "once" not in plain
    assert plain["surprise"] == 0
    assert plain["demo"] == pytest.approx(15)


def test_runs_by_workflow_and_status_are_exact(day: Server):
    """The same holds for every workflow and outcome on its own."""
    query = total(events(metrics.WORKFLOW_EXECUTIONS.prometheus, "24h"), ("workflow", "status"))
    found = {
        (series["metric"]["workflow"], series["metric"]["status"]): float(series["value"][1])
        for series in day.instant(query, NOW)
    }
    assert {key: round(value, 1) for key, value in found.items() if value} == dict(TRUTH)


def test_sessions_of_workers_that_come_and_go_are_exact(day: Server):
    """A series that returns after hours counts what was added since; one that is new counts all, and so does that of a
    process.
    """
    panel = next(each for each in data_panels(BOARDS["ael-sessions"]) if each["id"] == 11)
    query = filled(panel["targets"][0]["expr"]).replace("sum(", "sum by (origin, outcome) (", 1)
    found = {
        (each["metric"]["origin"], each["metric"]["outcome"]): round(float(each["value"][1]), 1)
        for each in day.instant(query, NOW)
    }
    assert found == {("hooks", "success"): 2, ("hooks", "error"): 1, ("client", "success"): 3}
    bars = next(each for each in data_panels(BOARDS["ael-sessions"]) if each["id"] == 14)
    query = filled(bars["targets"][0]["expr"])
    sums = {
        series["metric"]["outcome"]: round(sum(float(value) for _, value in series["values"]), 1)
        for series in day.over_time(query, NOW - 24 * HOUR + INTERVAL, NOW, INTERVAL)
    }
    assert sums == {"success": 5, "error": 1}


def test_success_rate_counts_no_cancelled_run(day: Server):
    """Successes divided by successes, errors and timeouts."""
    by_status: Counter[str] = Counter()
    for (_, status), count in TRUTH.items():
        by_status[status] += count
    judged = by_status["success"] + by_status["error"] + by_status["timeout"]
    assert figure(day, 12) == pytest.approx(by_status["success"] / judged, abs=0.001)


def test_bars_add_up_to_the_runs(day: Server):
    """The bars of the runs by outcome show each run once: their sum is the number of runs, for each outcome."""
    bars = {
        series["metric"]["status"]: sum(float(value) for _, value in series["values"])
        for series in day.over_time(filled(asked(21)["expr"]), NOW - 24 * HOUR + INTERVAL, NOW, INTERVAL)
    }
    truth: Counter[str] = Counter()
    for (_, status), count in TRUTH.items():
        truth[status] += count
    assert {status: round(count, 1) for status, count in bars.items()} == dict(truth)


def test_no_runs_is_neither_0_nor_100_percent(quiet: Server):
    """An engine that ran nothing has no success rate and no error rate, and 0 runs."""
    assert figure(quiet, 12) is None
    assert answers(quiet, asked(14)) == []
    assert figure(quiet, 11) == 0


def test_a_workflow_without_success_is_at_0_percent(day: Server):
    """Where a workflow only ever failed the failed share is 1, and a tool without failures is at 0."""
    shares = {each["metric"]["workflow"]: float(each["value"][1]) for each in answers(day, asked(42, "D"))}
    assert shares["surprise"] == 1
    assert shares["once"] == 0
    chosen = filled(asked(12)["expr"], chosen="surprise")
    assert [each["value"][1] for each in day.instant(chosen, NOW)] == ["0"]


def test_quantiles_fall_into_the_right_bucket(day: Server):
    """Nine runs of 0.2 s and one of 40 s that were exported once: p50 in (0.1, 0.25], p95 in (30, 60]."""
    values = {
        ref: [float(value) for series in answers(day, asked(41, ref)) for _, value in series["values"]]
        for ref in "AB"
    }
    assert all(0.1 < value <= 0.25 for value in values["A"])
    assert all(30 < value <= 60 for value in values["B"])
    assert figure_of_row(day, 42, "B", "serve") == pytest.approx((9 * 0.2 + 40) / 10)


def figure_of_row(server: Server, number: int, ref: str, workflow: str) -> float:
    """The value of a column of a table in the row of a workflow."""
    rows = {
        each["metric"]["workflow"]: float(each["value"][1]) for each in answers(server, asked(number, ref))
    }
    return rows[workflow]


def test_last_report_survives_the_silence(day: Server):
    """The age of the newest report is its age, also when the process has ended and Prometheus calls it stale."""
    query = filled(asked(61)["expr"])
    assert float(day.instant(query, NOW)[0]["value"][1]) < 120
    assert float(day.instant(query, NOW + 2 * HOUR)[0]["value"][1]) == pytest.approx(2 * HOUR, abs=120)


FAILED = {
    "message": "workflow pay failed: TOOL_FAILED",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "component": "workflow_engine",
    "event_name": EXECUTION_FAIL.name,
    "error_type": "TOOL_FAILED",
    "workflow_id": "pay",
    "execution_id": "exec-1",
    "step_id": "charge",
    "exception.message": "card declined",
}
TIMED_OUT = FAILED | {"workflow_id": "slow", "error_type": "timeout", "execution_id": "exec-2"}
SKIPPED = {key: value for key, value in FAILED.items() if key != "error_type"} | {
    "component": "step",
    "event_name": STEP_SKIP.name,
    "message": "step charge skipped",
    "ael.step.skip_reason": "dependency: pay",
}
RETRIED = FAILED | {"component": "step", "event_name": STEP_RETRY.name, "message": "step charge: attempt 2"}
STARTED = {key: SKIPPED[key] for key in ("trace_id", "component", "workflow_id", "execution_id")} | {
    "message": "workflow started"
}


SESSION = {
    "trace_id": STARTED["trace_id"],
    "component": "session",
    "session.id": "s-1",
    "ael.session.agent": "claude-code",
    "ael.session.origin": "hooks",
}
BEGUN = SESSION | {"event_name": SESSION_START.name, "message": "session of claude-code started"}
IDLE = SESSION | {
    "event_name": ENFORCEMENT_IDLE.name,
    "message": "claude-code was idle for 90 s",
    "ael.session.idle.waiting": "true",
    "duration_ms": "90000",
}
ENDED = SESSION | {
    "event_name": SESSION_END.name,
    "message": "session of claude-code ended (unknown)",
    "ael.session.outcome": "unknown",
    "ael.session.reason": "logout",
    "ael.session.turns": "1",
    "ael.session.tool_calls": "2",
    "ael.session.failed_calls": "1",
    "duration_ms": "302000",
}


@pytest.fixture(scope="module")
def log() -> Iterator[Server]:
    """A Loki that has two failed runs, a skip, a retry, a session, and a line about nothing special."""
    with loki() as server:
        push_logs(server, "ael", [FAILED, SKIPPED, RETRIED, STARTED, TIMED_OUT, BEGUN, IDLE, ENDED])
        deadline = time.monotonic() + 20
        while len(server.lines('{service_name="ael"}')) < 8 and time.monotonic() < deadline:
            time.sleep(0.2)
        yield server


LOG_QUERIES = [
    pytest.param(panel, target, id=f"{name} {name_of(panel)} {target['refId']}")
    for name, board in BOARDS.items()
    for panel in data_panels(board)
    for target in panel["targets"]
    if kind_of(target) == "loki"
]


@pytest.mark.parametrize(("panel", "target"), LOG_QUERIES)
def test_every_log_query_returns_data_with_its_columns(
    panel: dict[str, Any], target: dict[str, Any], log: Server
):
    """Loki accepts the query and finds something; every column of a table is a field of some line, and every field
    that a count is grouped by is on its series.
    """
    query = filled(target["expr"])
    once = target["queryType"] == "instant"
    counts = "count_over_time" in query
    found = log.counts(query, once=once) if counts else [fields for fields, _ in log.lines(query)]
    assert found
    fields = {name for each in found for name in each}
    if counts:
        grouped = re.findall(r"by \(([^)]*)\)", query)
        assert {name for group in grouped for name in group.split(", ")} <= fields
    for step in panel.get("transformations", []):
        columns = set(step["options"].get("includeByName", {})) - {"Time", "timestamp", "Value", "Value #A"}
        assert columns <= fields


def test_recent_failures_are_the_failed_runs(log: Server):
    """Loki finds the failed runs, newest first, and no skip or retry; a choice of workflows narrows it."""
    query = asked(31)["expr"]
    assert [fields["execution_id"] for fields, _ in log.lines(filled(query))] == ["exec-2", "exec-1"]
    assert [fields["workflow_id"] for fields, _ in log.lines(filled(query, chosen="(pay|other)"))] == ["pay"]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({}, 8),
        ({"text": "skipped"}, 1),
        ({"text": 'no "such" line'}, 0),
        ({"execution": "exec-2"}, 1),
        ({"execution": "exec-"}, 5),
        ({"component": "engine"}, 2),
        ({"level": "INFO|WARN"}, 0),
        ({"workflow": "slow"}, 1),
    ],
)
def test_search_of_the_log(choice: dict[str, str], found: int, log: Server):
    """The live log shows what the variables choose; an empty text, component or execution chooses everything."""
    panel = next(each for each in data_panels(BOARDS["ael-logs"]) if each["type"] == "logs")
    query = panel["targets"][0]["expr"]
    for name, value in choice.items():
        query = query.replace(f"${name}", value)
    assert len(log.lines(filled(query))) == found


def test_boards_check_prints_every_query_and_its_answer(day: Server, capsys: pytest.CaptureFixture[str]):
    """The command names each panel with its query and what came back, and counts what it could not ask."""
    assert (
        check.main(["ael-overview", "--prometheus", day.address, "--minutes", "1440", "--at", f"{NOW}"]) == 0
    )
    printed = " ".join(re.sub(r"[│┃]", " ", capsys.readouterr().out).split())
    for panel in data_panels(BOARDS["ael-overview"]):
        assert str(panel["id"]) in printed
    assert "PromQL" in printed
    assert "workflow=serve" in printed
    assert "no Loki to ask" in printed
    assert re.search(r"1 board, \d+ queries: \d+ returned data, 0 nothing, 1 not asked, 0 failed", printed)


def test_boards_check_fails_where_a_query_does(
    day: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A query that Prometheus refuses, or a variable that the board has not, ends the command with 1 and is shown."""
    broken = json.loads(json.dumps(BOARDS["ael-overview"]).replace("$workflow", "$nobody"))
    panel = next(each for each in data_panels(broken) if each["id"] == 13)
    panel["targets"][0]["expr"] = "sum(rate(x))"
    monkeypatch.setattr(check, "committed", lambda: {"ael-overview": broken})
    assert check.main(["ael-overview", "--prometheus", day.address]) == 1
    printed = capsys.readouterr().out
    assert "$nobody" in printed
    assert "400" in printed
