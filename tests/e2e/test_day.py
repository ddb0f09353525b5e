"""A day of the real engine on the boards: every panel asked, every number compared with the script.

The day has every outcome there is, a burst, a workflow whose second version fails, a storm of failures, and two
processes one after the other; a coding agent works beside it, whose hooks start two workers. It takes a minute, in a
separate stack. Where this machine has no image of Tempo, TraceQL queries are skipped by name.
"""

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ael_otel._generated import metrics
from tests.dashboards.boards import Json, committed, data_panels, kind_of, name_of, needs_tempo
from tests.dashboards.contract import grouping
from tests.dashboards.promql import parse
from tests.e2e.agents import AGENT, CALLS_OF_TWO_LIVES, CodingAgent
from tests.e2e.agents import SERVICE as AGENTS
from tests.e2e.backends import NEEDED, Backends, images_here, started
from tests.e2e.checks import Known, Truth, settle
from tests.e2e.expected import BUNDLED, Case
from tests.e2e.panels import QUERIES, Stores, View
from tests.e2e.programs import Answer, Ask, Clients, asks, serving
from tests.e2e.spans import root_of
from tests.e2e.waiting import wait_until_nothing_is_missing
from tests.support.needs import require

pytestmark = pytest.mark.timeout(600)

SERVICE = "e2e-day"
MINUTE_AND_MORE = 80.0
BOARDS = committed()

_INVOICE = """\
name: invoice
version: {version}
description: Add an invoice up, and charge it.
steps:
  - id: sum
    tool: add
    mcp: demo
    params: {{a: 40, b: 2}}
  - id: pay
    depends_on: [sum]
    tool: {tool}
    mcp: demo
    params: {params}
outputs:
  - name: paid
    from: steps.pay.output
"""
GOOD = _INVOICE.format(version="1.0.0", tool="echo", params='{text: "paid"}')
BAD = _INVOICE.format(version="2.0.0", tool="charge", params='{card: "empty", amount: 42}')

PAID = Case(
    "invoice 1.0.0",
    "Workflow Execution invoice success\n  Step 1: tool_call sum completed\n    MCP Request add demo\n"
    "  Step 2: tool_call pay completed\n    MCP Request echo demo",
    "run success\nstep sum tool_call\nstep pay tool_call\ncall add success\ncall echo success",
    workflow="invoice",
)
UNPAID = Case(
    "invoice 2.0.0",
    "Workflow Execution invoice error ERROR TOOL_FAILED\n  Step 1: tool_call sum completed\n    MCP Request add demo\n"
    "  Step 2: tool_call pay failed ERROR TOOL_FAILED\n    MCP Request charge demo ERROR TOOL_FAILED",
    "run error\nstep sum tool_call\nstep pay tool_call\ncall add success\ncall charge error\n"
    "error TOOL_FAILED tool",
    workflow="invoice",
    succeeds=False,
)

MORNING = (
    [
        *asks("hello mixed tools_in_code flaky_tool skips tool_fails code_fails needs_input"),
        *asks("answered_late overtime direct_echo direct_charge"),
    ],
    [Ask(PAID)] * 5,
)
BURST = (asks("hello x25"),) * 8
EVENING = ([Ask(UNPAID)] * 4, *((asks("tool_fails x10"),) * 3), asks("hello x5 mixed x2"))

NOTHING_TO_SHOW = {
    "Telemetry lost in the application": "nothing was lost",
    "Telemetry lost in the Collector": "nothing was lost",
    "Redactions": "the script hands no secret around",
    "Lines by contributor": "the calls of the agent change no file",
    "Lines by agent": "the calls of the agent change no file",
    "Model calls by model": "no tool of the demo calls a model",
    "Cost by model": "no tool of the demo calls a model",
    "Budget used in 24 h": "no budget is set",
}
"""Panels that this day leaves empty; tests/dashboards/test_live.py shows that they can fill."""


@dataclass(frozen=True)
class Day:
    """The stores after the day, and the truth."""

    stores: Stores
    truth: Truth
    agent: CodingAgent
    began: float
    ended: float

    def view(self, name: str, **chosen: str) -> View:
        """A board that shows the whole day, with one of its traces chosen where a board asks for one."""
        return View(BOARDS[name], self.began - 30, self.ended, {"trace": self.some_trace, **chosen})

    @property
    def some_trace(self) -> str:
        """The id of a trace of the day."""
        return min(self.stores.backends.traces.of_service(SERVICE))

    def row(self, board: str, title: str, letter: str = "A", **chosen: str) -> list[dict[str, Any]]:
        """Return the rows of one query of a panel."""
        (target,) = (
            target
            for panel in data_panels(BOARDS[board])
            if panel["title"] == title
            for target in panel["targets"]
            if target["refId"] == letter
        )
        return self.stores.rows(target, self.view(board, **chosen))

    def figure(self, board: str, title: str, **chosen: str) -> float:
        """The one number of a panel."""
        (row,) = self.row(board, title, **chosen)
        return float(row["Value"])

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(
            line.split()[1]
            for case in self.truth.cases
            for line in case.counts.splitlines()
            if line.startswith("run ")
        )

    @property
    def errors(self) -> Counter[tuple[str, str]]:
        """How many errors of which type in which component."""
        found: Counter[tuple[str, str]] = Counter()
        for case in self.truth.cases:
            for line in case.counts.splitlines():
                kind, *words = line.split()
                if kind == "error":
                    found[words[0], words[1]] += int(words[2][1:]) if len(words) > 2 else 1
        return found


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Backends]:
    """A stack without other telemetry: some panels count everything."""
    require("docker")
    require("compose")
    require("engine")
    absent = [service for service in NEEDED if service not in images_here()]
    require(not absent, f"no image of {', '.join(absent)} on this machine; run `make images`")
    with started("day") as backends:
        yield backends


@pytest.fixture(scope="module")
def day(own_stack: Backends, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """The script, carried out."""
    often = {"OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    answers: list[Answer] = []
    printed: list[dict[str, Any]] = []
    began = time.time()
    agent = CodingAgent(tmp_path_factory.mktemp("agent"), own_stack.otlp)
    agent.first_life()
    for file, plans in ((GOOD, (MORNING, BURST)), (BAD, (EVENING,))):
        folder = tmp_path_factory.mktemp("day")
        with serving(folder, SERVICE, own_stack.otlp, workflows={"invoice": file}, **often) as served:
            for part in plans:
                answers += Clients(served.port).drive(part)
            assert served.stop() == 0
        printed += served.lines()
    agent.second_life()
    for answer in answers:
        assert answer.succeeded is answer.ask.case.succeeds, answer
    calls = tuple(Known(each.ask.case, each.trace_id, each.parent_id, each.execution_id) for each in answers)
    truth = Truth(SERVICE, calls, BUNDLED | {"overtime", "invoice"})
    settle(own_stack, truth, printed)
    if "tempo" in own_stack.services:
        # Tempo's generator counts what it has seen every 15 s.
        wait_until_nothing_is_missing(
            lambda: "" if own_stack.span_metrics(SERVICE) else "no span metrics of Tempo", seconds=60
        )
    # Some panels look at each minute, and a rate of the Collector's own counters takes two scrapes, 15 s apart.
    time.sleep(max(0.0, began + MINUTE_AND_MORE - time.time()))  # wait: panels count by minutes
    return Day(Stores(own_stack), truth, agent, began, time.time())


# --- every panel ------------------------------------------------------------------------------------------------------


def test_each_exception_is_a_title_of_a_panel() -> None:
    """Proves that each exception is a panel's title: an exception without a panel is left over."""
    titles = {panel["title"] for board in BOARDS.values() for panel in data_panels(board)}
    assert titles >= NOTHING_TO_SHOW.keys()


@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_every_panel_shows_the_day(name: str, panel: Json, target: Json, day: Day) -> None:
    """Proves that each query of each panel finds something on that day, with every label that it groups by, and no
    value that is not a number; but for the panels that must be empty on an untroubled day, which are.
    """
    if needs_tempo(target) and not day.stores.has_tempo:
        require(False, f"no image of Tempo on this machine, which answers {name_of(panel)}", ci=False)
    rows = day.stores.rows(target, day.view(name))
    if panel["title"] in NOTHING_TO_SHOW:
        assert rows == []
        return
    assert rows
    if kind_of(target) == "prometheus":
        labels = grouping(parse(target["expr"])) - {"le"}
        assert all(labels <= set(row) for row in rows)
    numbers = [row["Value"] for row in rows if "Value" in row]
    assert not numbers or any(map(math.isfinite, numbers))


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_runs_of_the_day_are_the_scripts(day: Day) -> None:
    """Proves that the total is exact over two processes, a burst and a restart."""
    assert day.figure("ael-overview", "Runs in 24 h") == pytest.approx(day.statuses.total(), abs=0.01)


def test_the_success_rate_is_the_scripts(day: Day) -> None:
    """Proves that the share of successes among runs that ended by themselves is exact."""
    found = day.statuses
    judged = found["success"] + found["error"] + found["timeout"]
    assert day.figure("ael-overview", "Success rate in 24 h") == pytest.approx(
        found["success"] / judged, abs=0.0005
    )


def test_errors_by_type_are_the_scripts(day: Day) -> None:
    """Proves that the table has each type and component of the script with its number, and no other above zero."""
    rows = day.row("ael-overview", "Errors by type and component")
    found = {(row["type"], row["component"]): round(row["Value"], 2) for row in rows if row["Value"]}
    assert found == dict(day.errors)


def test_a_workflows_second_version_shows_where_it_fails(day: Day) -> None:
    """Proves that five paid and four unpaid invoices are 4/9 failed in the table, and that each failure is listed."""
    rows = day.row("ael-overview", "Slowest workflows", "D")
    assert {row["workflow"]: row["Value"] for row in rows}["invoice"] == pytest.approx(4 / 9, abs=0.001)
    failures = day.row("ael-overview", "Recent failures")
    assert Counter(row["workflow_id"] for row in failures)["invoice"] == 4
    assert len(failures) == day.statuses["error"] + day.statuses["timeout"]


def test_p95_is_within_a_bucket_of_the_traces(day: Day) -> None:
    """Proves that p95 as the table computes it from buckets lies in the bucket of the exact p95 of the root spans."""
    roots = [
        root_of(spans)
        for spans in day.stores.backends.traces.of_service(SERVICE).values()
        if any(span.name == "Workflow Execution" for span in spans)
    ]
    durations = sorted(
        (root.end - root.start) / 1e9 for root in roots if root.attributes.get("ael.workflow.name") == "hello"
    )
    rank = math.ceil(0.95 * len(durations)) - 1
    buckets = metrics.WORKFLOW_DURATION.buckets
    assert buckets is not None
    shown = {row["workflow"]: row["Value"] for row in day.row("ael-overview", "Slowest workflows")}["hello"]
    exact, displayed = bisect_left(buckets, durations[rank]), bisect_left(buckets, shown)
    assert abs(exact - displayed) <= 1, f"{durations[rank]:.4f} s exactly, {shown:.4f} s on the board"


def test_sessions_of_two_workers_are_exact(day: Day) -> None:
    """Proves that the worker that continues a killed one's series loses nothing and counts nothing twice: sessions and
    tool calls on the board are those that hooks reported.
    """
    figures = {title: day.figure("ael-sessions", title, agent=AGENT) for title in ("Sessions", "Tool calls")}
    assert figures == {"Sessions": 2, "Tool calls": CALLS_OF_TWO_LIVES.total()}
    for letter, outcome in (("B", "error"), ("C", "denied"), ("D", "cancelled")):
        (row,) = day.row("ael-sessions", "Calls that went wrong, by agent", letter, agent=AGENT)
        assert row["Value"] == CALLS_OF_TWO_LIVES[outcome], outcome
    series = day.stores.backends.series(AGENTS, pattern="ael_session.*")
    assert len({labels["instance"] for _, labels, _ in series}) == 1


def test_log_events_of_workers_name_the_sessions_trace(day: Day) -> None:
    """Proves that start, idle time and end of each session are in Loki once, with the trace id of its spans."""
    found = Counter(
        (line.labels["event_name"], line.labels["trace_id"]) for line in day.stores.backends.lines(AGENTS)
    )
    records = {record.session_id: record for record in day.agent.records()}
    for record in records.values():
        assert found["ael.session.start", record.trace_id] == 1
        assert found["ael.session.end", record.trace_id] == 1
        assert {span.service for span in day.stores.trace(record.trace_id)} == {AGENTS}
    assert found["ael.enforcement.idle", records["s-2"].trace_id] >= 1
    assert {trace_id for _, trace_id in found} == {record.trace_id for record in records.values()}
    shown = day.row("ael-sessions", "Recent sessions", agent=AGENT)
    assert sorted(row["session_id"] for row in shown) == ["s-1", "s-2"]


def test_nothing_runs_at_the_end(day: Day) -> None:
    """Proves that the number of active workflows is back at zero."""
    assert day.figure("ael-overview", "Active workflows") == 0
