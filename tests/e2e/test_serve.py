"""`opentelemetry-instrument ael serve` under the official MCP client: several clients, every outcome, every store."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ael_otel._generated import metrics as spec
from ael_otel._generated.events import SESSION_END, SESSION_START
from tests.e2e.backends import Backends
from tests.e2e.checks import (
    Known,
    Truth,
    check_lines,
    check_metrics,
    check_traces,
    is_session,
    run_traces,
    settle,
)
from tests.e2e.expected import (
    BUNDLED,
    CONTRACT,
    GAUGES_OF_THE_PROCESS,
    HISTOGRAMS,
    LOSSES,
    RESOURCE_LABELS,
    SESSIONS,
    labels_by_name,
    published_labels,
    row,
)
from tests.e2e.programs import Answer, Clients, Served, asks, serving
from tests.e2e.spans import root_of
from tests.support.contract import LOG_FIELDS

pytestmark = pytest.mark.timeout(400)  # the first test of all waits for the stack

SERVICE = "e2e-serve"
SESSION = "session"
"""The component of the log events of sessions."""

LATE = 3
"""Number of concurrent runs of `answered_late`, of four seconds each."""

# One client each. The last two send no trace, so that the engine begins one.
PLANS = (
    [
        *asks("hello x5 mixed skips tool_fails direct_echo", traced=True),
        *asks("needs_input hello x5", traced=True),
    ],
    [
        *asks("tools_in_code flaky_tool code_fails", "workflow_run", traced=True),
        *asks("direct_charge hello x5"),
    ],
    [*asks("answered_late", traced=True), *asks("mixed x3 flaky_tool", traced=True)],
    [*asks("answered_late", "workflow_run"), *asks("tools_in_code skips x2 tool_fails", "workflow_run")],
    [*asks("answered_late"), *asks("flaky_tool x2 hello x5 direct_echo x2")],
    [
        *asks("hello x3", "workflow_run"),
        *asks("overtime", "workflow_run"),
        *asks("code_fails needs_input mixed"),
    ],
)


@dataclass(frozen=True)
class Driven:
    """A server that was used by its clients and has ended."""

    served: Served
    answers: list[Answer]
    exit_code: int
    truth: Truth

    @property
    def inside(self) -> list[dict[str, Any]]:
        """The lines that were printed inside a run or a call."""
        lines = (line for line in self.served.lines() if line["component"] != SESSION)
        return [line for line in lines if line["trace_id"] or line["execution_id"]]

    @property
    def of_sessions(self) -> list[dict[str, Any]]:
        """The lines about the clients' sessions."""
        return [line for line in self.served.lines() if line["component"] == SESSION]


@pytest.fixture(scope="module")
def driven(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Driven:
    """All plans carried out at once, then SIGTERM."""
    folder = tmp_path_factory.mktemp("serve")
    # Every second, so that Prometheus sees the number of running runs.
    with serving(folder, SERVICE, backends.otlp, OTEL_METRIC_EXPORT_INTERVAL="1000") as served:
        answers = Clients(served.port).drive(PLANS)
        exit_code = served.stop()
    calls = tuple(
        Known(answer.ask.case, answer.trace_id, answer.parent_id, answer.execution_id) for answer in answers
    )
    truth = Truth(SERVICE, calls, BUNDLED | {"overtime"})
    settle(backends, truth, served.lines())
    return Driven(served, answers, exit_code, truth)


def test_clients_get_the_expected_answers(driven: Driven) -> None:
    """Proves that the ground truth is worth comparing with: every call answered, with the outcome it must have."""
    assert len(driven.answers) == sum(map(len, PLANS))
    for answer in driven.answers:
        assert answer.succeeded is answer.ask.case.succeeds, answer


def test_the_server_stops_when_it_is_asked_to(driven: Driven) -> None:
    """Proves that SIGTERM ends it with exit code 0 and nothing on stderr, telemetry handed over, in a few seconds."""
    assert driven.exit_code == 0
    assert driven.served.exit_seconds < 5
    assert driven.served.stderr.read_text("utf-8") == ""


def test_prometheus_has_exactly_the_series_of_the_calls(backends: Backends, driven: Driven) -> None:
    """Proves that every counter and count equals the clients' calls, zeros included, and that no series is twice."""
    check_metrics(backends, driven.truth)


def test_names_and_labels_are_the_contracts(backends: Backends, driven: Driven) -> None:
    """Proves that Prometheus's names are the seven published ones: no unit or `_ratio` added, no label but theirs.

    Anything else that the process sends is the engine's own (`ploston_*`), the one `target_info`, and gauges of the
    process with their labels. Another test proves that nothing was dropped.
    """
    wanted = published_labels()
    assert labels_by_name(backends.series(SERVICE)) == wanted
    named = backends.prometheus("label/__name__/values")
    strangers = {name for name in named if "ael" in name and not name.startswith("otelcol_")} - wanted.keys()
    # Only recording rules make names with a colon.
    others = {*GAUGES_OF_THE_PROCESS, *LOSSES, *SESSIONS}
    assert {name for name in strangers if ":" not in name} <= others


def test_histograms_have_the_published_buckets(backends: Backends, driven: Driven) -> None:
    """Proves that durations come with the registry's boundaries, up to 600 s at least, cumulative, in seconds."""
    for metric in (spec.WORKFLOW_DURATION, spec.TOOL_DURATION):
        name = metric.name.replace(".", "_") + "_seconds"
        by_row: dict[str, dict[float, float]] = {}
        for _, labels, value in backends.series(SERVICE, pattern=f"{name}_bucket"):
            bound = float(labels.pop("le"))
            by_row.setdefault(row(name, **labels), {})[bound] = value
        assert by_row
        for buckets in by_row.values():
            bounds = sorted(buckets)
            assert bounds == [*metric.buckets, float("inf")]
            assert bounds[-2] >= 600
            counts = [buckets[bound] for bound in bounds]
            assert counts == sorted(counts)
    # A run of four seconds is above 2.5 and not above 5; in milliseconds or minutes it would be elsewhere.
    slow = {
        labels["le"]: value
        for _, labels, value in backends.series(SERVICE, pattern="ael_tool_duration_seconds_bucket")
        if labels["tool"] == "wait"
    }
    assert (slow["2.5"], slow["10"]) == (0, LATE)


def test_active_runs_are_seen_while_they_go_on(backends: Backends, driven: Driven) -> None:
    """Proves that the gauge has the number of concurrent runs, and is zero when all have ended."""
    found = backends.prometheus("query", query=f'max_over_time(ael_active_workflows{{job="{SERVICE}"}}[1h])')
    assert float(found["result"][0]["value"][1]) >= LATE


def test_scrape_endpoint_has_the_same_series_once(backends: Backends, driven: Driven) -> None:
    """Proves that port 8889 serves the same rows for a Prometheus of one's own, and adds none to ours."""
    page: dict[str, float] = {}
    for family in text_string_to_metric_families(backends.scraped()):
        for sample in family.samples:
            if sample.labels.get("job") != SERVICE or sample.name.endswith(("_bucket", "_sum", "_created")):
                continue
            if sample.name.startswith("ael_"):
                labels = {
                    key: value
                    for key, value in sample.labels.items()
                    if key not in RESOURCE_LABELS and not key.startswith("otel_scope_")
                }
                assert row(sample.name, **labels) not in page
                page[row(sample.name, **labels)] = sample.value
    assert page == backends.rows(SERVICE)
    total = backends.prometheus("query", query=f'count(ael_active_workflows{{service_name="{SERVICE}"}})')
    assert total["result"][0]["value"][1] == "1"


def test_exemplars_lead_to_spans_that_exist(backends: Backends, driven: Driven) -> None:
    """Proves that Prometheus has exemplars of counters and histograms, and each names a stored trace and span."""
    traces = run_traces(backends, driven.truth)
    exemplars = backends.exemplars(SERVICE)
    with_exemplars = {name for name, _ in exemplars}
    for name in CONTRACT.keys() - {"ael_active_workflows", "ael_errors_total"}:
        assert (f"{name}_bucket" if name in HISTOGRAMS else name) in with_exemplars, f"{name} has no exemplar"
    for name, labels in exemplars:
        assert labels.keys() == {"trace_id", "span_id"}
        spans = traces.get(labels["trace_id"], [])
        assert labels["span_id"] in {span.span_id for span in spans}, f"{name} leads nowhere: {labels}"


def test_every_call_is_one_trace_of_the_right_shape(backends: Backends, driven: Driven) -> None:
    """Proves that there are as many traces as calls, each with its call's tree, joined to the caller's trace where the
    caller brought one, and without orphans; several clients at once mix nothing up.
    """
    check_traces(backends, driven.truth)


def test_every_printed_line_is_in_loki_once(backends: Backends, driven: Driven) -> None:
    """Proves that stdout and Loki have the same lines: message as body, all other fields beside it, once."""
    assert driven.inside
    check_lines(backends, SERVICE, driven.served.lines())


def test_times_of_lines_survive(backends: Backends, driven: Driven) -> None:
    """Proves that a line has the same time in Loki as on stdout, to the microsecond."""
    lines = check_lines(backends, SERVICE, driven.served.lines())
    printed = sorted(datetime.fromisoformat(line["timestamp"]).timestamp() for line in driven.served.lines())
    for stored, printed_at in zip(lines, printed, strict=True):
        assert abs(stored.timestamp / 1e9 - printed_at) < 2e-6


def test_lines_keep_the_contract(driven: Driven) -> None:
    """Proves that each line of stdout is one JSON object that begins with the contract's fields, with ids in runs."""
    for line in driven.served.lines():
        assert tuple(line)[: len(LOG_FIELDS)] == LOG_FIELDS
        assert line["timestamp"].endswith("Z")
        assert len(line["trace_id"]) in (0, 32)
        assert bool(line["trace_id"]) == bool(line["span_id"])
        if line["execution_id"]:
            assert line["trace_id"], f"a line of a run without a trace: {line}"


def test_every_run_has_lines_that_lead_to_its_trace(backends: Backends, driven: Driven) -> None:
    """Proves the join from a log line to its trace for each run: one trace per execution id, and the other way round,
    the same as on the trace's root.
    """
    traces = run_traces(backends, driven.truth)
    roots = [root_of(spans) for spans in traces.values()]
    runs = {
        root.trace_id: root.attributes["ael.workflow.id"]
        for root in roots
        if root.name == "Workflow Execution"
    }
    assert len(runs) == sum(bool(case.workflow) for case in driven.truth.cases)
    pairs = Counter(
        (line.labels["trace_id"], line.labels["execution_id"])
        for line in check_lines(backends, SERVICE, driven.served.lines())
        if line.labels.get("workflow_id")
    )
    assert pairs.keys() == runs.items()
    spans = {span.span_id for trace in traces.values() for span in trace}
    brought = {answer.parent_id for answer in driven.answers}
    assert {line["span_id"] for line in driven.inside} <= spans | brought


def test_events_are_found_by_their_names(backends: Backends, driven: Driven) -> None:
    """Proves that the queries of the log reference find the events: each failure, retry and skip once."""
    wanted: Counter[tuple[str, str]] = Counter()
    for case in driven.truth.cases:
        for event, times in case.events.items():
            wanted[event, case.workflow] += times
    wanted[SESSION_START.name, ""] = wanted[SESSION_END.name, ""] = len(PLANS)
    found = Counter(
        (line.labels["event_name"], line.labels.get("workflow_id", ""))
        for line in backends.lines(SERVICE, ' | event_name=~".+"')
    )
    assert found == wanted


def test_each_client_is_one_session_in_every_store(backends: Backends, driven: Driven) -> None:
    """Proves that sessions and their calls are counted once, and that each has a trace which its two lines name."""
    traces = {
        trace_id: spans
        for trace_id, spans in backends.traces.of_service(SERVICE).items()
        if is_session(spans)
    }
    assert len(traces) == len(PLANS)
    counted = Counter[str]()
    for name, labels, value in backends.series(SERVICE, pattern="ael_session.*"):
        assert labels["origin"] == "client"
        counted[name] += int(value)
    calls = sum(map(len, PLANS))
    assert counted["ael_sessions_total"] == len(PLANS)
    assert counted["ael_session_tool_calls_total"] == calls
    assert sum(span.name == "tool.execute" for spans in traces.values() for span in spans) == calls
    stored = [
        line.labels["trace_id"]
        for line in check_lines(backends, SERVICE, driven.served.lines())
        if line.labels["component"] == SESSION
    ]
    assert Counter(stored) == dict.fromkeys(traces, 2)
    assert len(driven.of_sessions) == len(stored)


def test_no_id_is_a_stream_label(backends: Backends, driven: Driven) -> None:
    """Proves that all of the process's lines are one stream: ids and fields are structured metadata, not labels."""
    streams = backends.loki("series", **{"match[]": f'{{service_name="{SERVICE}"}}', "since": "1h"})
    assert streams == [{"service_name": SERVICE}]


def test_arguments_stay_out(backends: Backends, driven: Driven) -> None:
    """Proves that a client's arguments for a tool are in no line, span or label, only in the run."""
    secret = "no workflow"  # the text that `direct_echo` hands to the tool
    assert secret not in driven.served.stdout.read_text("utf-8")
    for spans in run_traces(backends, driven.truth).values():
        assert not [span for span in spans if secret in f"{span.attributes}{span.events}"]
    assert not [line for line in backends.lines(SERVICE) if secret in f"{line.text}{line.labels}"]
