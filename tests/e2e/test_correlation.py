"""Every link between metrics, logs, traces and boards, followed as Grafana follows it, over runs of the real engine.

Variables are filled in by the rules of Grafana's template service (tests/e2e/links.py) and each target is queried.
Grafana itself is not needed. Where this machine has no image of Tempo the suite's sink of spans stands in for it: a
trace is then found by its id, and tests that need a TraceQL search are skipped by name.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.dashboards.boards import Json, committed, data_panels, name_of, needs_tempo
from tests.e2e.agents import CodingAgent
from tests.e2e.backends import Backends, LogLine
from tests.e2e.checks import Known, Truth, settle
from tests.e2e.expected import BUNDLED
from tests.e2e.links import Board, Explore, fill, opened, unfilled
from tests.e2e.panels import SOURCES, Stores, View, is_trace_id, linked, of_row, shown
from tests.e2e.programs import Clients, asks, serving
from tests.e2e.spans import StoredSpan, root_of
from tests.e2e.test_day import NOTHING_TO_SHOW
from tests.e2e.waiting import wait_until_nothing_is_missing
from tests.stack.conftest import ROOT
from tests.support.needs import require

pytestmark = pytest.mark.timeout(400)  # the first test of all waits for the stack

SERVICE = "e2e-links"
BOARDS = committed()
PLANS = (
    asks("hello x3 mixed tool_fails code_fails", traced=True),
    asks("flaky_tool skips tool_fails needs_input tools_in_code", "workflow_run", traced=True),
)


@dataclass(frozen=True)
class Day:
    """Runs whose telemetry has arrived, and the stores that have it."""

    stores: Stores
    truth: Truth
    began: float
    ended: float

    @property
    def backends(self) -> Backends:
        """The running stack."""
        return self.stores.backends

    def view(self, name: str, **chosen: str) -> View:
        """A board opened on the time of these runs, with one of their traces where a board asks for one."""
        chosen = {"trace": self.truth.calls[0].trace_id, **chosen}
        return View(BOARDS[name], self.began - 600, self.ended + 60, chosen)

    def lines(self) -> list[LogLine]:
        """Every line in Loki that was written inside a run."""
        return [line for line in self.backends.lines(SERVICE) if line.labels.get("execution_id")]


@pytest.fixture(scope="module")
def day(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Runs of every kind, each under a trace id that its caller knows, and then the end of the process."""
    began = time.time()
    agent = CodingAgent(tmp_path_factory.mktemp("agent"), backends.otlp)
    agent.first_life()
    with serving(
        tmp_path_factory.mktemp("links"), SERVICE, backends.otlp, OTEL_METRIC_EXPORT_INTERVAL="1000"
    ) as served:
        # A rate needs the zero from before the first call.
        wait_until_nothing_is_missing(
            lambda: (
                ""
                if backends.series(SERVICE, pattern="ael_tool_invocations_total")
                else "no series of tools before their first call"
            ),
            seconds=30,
        )
        answers = Clients(served.port, pause_s=0.3).drive(PLANS)
        assert served.stop() == 0
    agent.second_life()
    calls = tuple(Known(each.ask.case, each.trace_id, each.parent_id, each.execution_id) for each in answers)
    truth = Truth(SERVICE, calls, BUNDLED | {"overtime"})
    settle(backends, truth, served.lines())
    if "tempo" in backends.services:
        # Tempo's generator counts what it has seen every 15 s.
        wait_until_nothing_is_missing(
            lambda: "" if backends.span_metrics(SERVICE) else "no span metrics of Tempo", seconds=60
        )
    return Day(Stores(backends), truth, began, time.time())


@pytest.fixture(scope="module")
def sources() -> Mapping[str, Json]:
    """The provisioned data sources by uid, as Grafana reads them: `$$` is one `$`."""
    path = ROOT / "deploy/grafana/provisioning/datasources/ael.yaml"
    found = yaml.safe_load(path.read_text("utf-8").replace("$$", "$"))["datasources"]
    return {source["uid"]: source for source in found}


def run_of(spans: list[StoredSpan]) -> str:
    """The execution id of a trace."""
    return str(root_of(spans).attributes["ael.workflow.id"])


# --- between the stores -----------------------------------------------------------------------------------------------


def test_every_line_of_a_run_opens_that_runs_trace(day: Day, sources: Mapping[str, Json]) -> None:
    """Proves for each line inside a run that Loki's derived field finds the trace id in its structured metadata, and
    that the trace behind it is the run that the line names.
    """
    (derived,) = sources["loki"]["jsonData"]["derivedFields"]
    assert (derived["matcherType"], derived["datasourceUid"]) == ("label", "tempo")
    lines = day.lines()
    assert len(lines) >= len(day.truth.calls)
    for line in lines:
        raw = line.labels[derived["matcherRegex"]]
        spans = day.backends.traces.trace(fill(derived["url"], {"__value": {"raw": raw}}))
        assert run_of(spans) == line.labels["execution_id"]


def test_a_span_opens_the_lines_of_its_run(day: Day, sources: Mapping[str, Json]) -> None:
    """Proves for each span that the query behind "Logs for this span", in the time that Grafana cuts out around the
    span, returns all lines of the run and none of another.
    """
    link = sources["tempo"]["jsonData"]["tracesToLogsV2"]
    assert link["customQuery"]
    assert link["datasourceUid"] == "loki"
    written = Counter(line.labels.get("trace_id") for line in day.backends.lines(SERVICE))
    for call in day.truth.calls:
        for span in day.backends.traces.trace(call.trace_id):
            tags = ", ".join(f'{tag["value"]}="{_tag(span, tag["key"])}"' for tag in link["tags"])
            query = fill(link["query"], {"__tags": tags, "__trace": {"traceId": span.trace_id}})
            view = View(
                BOARDS["ael-overview"],
                span.start / 1e9 + _seconds(link["spanStartTimeShift"]),
                span.end / 1e9 + _seconds(link["spanEndTimeShift"]),
            )
            found = day.stores.lines(query, view)
            assert {row["trace_id"] for row in found} == {call.trace_id}
            assert len(found) == written[call.trace_id]


def test_a_span_opens_the_metrics_of_its_workflow_and_tool(day: Day, sources: Mapping[str, Json]) -> None:
    """Proves that each query behind "Metrics of this span" returns series of the span's own workflow or tool, with a
    value above zero in the time around it, for every span that has the tag.
    """
    link = sources["tempo"]["jsonData"]["tracesToMetrics"]
    assert link["datasourceUid"] == "prometheus"
    asked: Counter[str] = Counter()
    for call in day.truth.calls:
        for span in day.backends.traces.trace(call.trace_id):
            view = View(
                BOARDS["ael-overview"],
                span.start / 1e9 + _seconds(link["spanStartTimeShift"]),
                span.end / 1e9 + _seconds(link["spanEndTimeShift"]),
            )
            for query in link["queries"]:
                text = fill(
                    query["query"],
                    {**view.values, "__rate_interval": "1m", "__span": {"tags": span.attributes}},
                )
                if unfilled(text):
                    continue  # the span has no such tag, and Grafana shows nothing for it
                found = day.stores.metric(text, view, instant=False)
                if "p95" in query["name"] and not found:
                    continue  # a histogram that was born with this call has one sample yet: another call is needed
                assert found, text
                own = {span.attributes.get("ael.workflow.name"), span.attributes.get("ael.tool.name")}
                for row in found:
                    assert {row[label] for label in ("workflow", "tool") if label in row} <= own
                if "p95" not in query["name"]:
                    assert any(float(value) > 0 for row in found for _, value in row["values"]), text
                asked[query["name"]] += 1
    assert set(asked) == {query["name"] for query in link["queries"]}


def test_every_exemplar_opens_a_trace_of_its_series(day: Day, sources: Mapping[str, Json]) -> None:
    """Proves that exemplars carry the label that the data source links by, and that the trace behind each is one in
    which this workflow, or this tool, ran.
    """
    (link,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert link["datasourceUid"] == "tempo"
    found = day.backends.prometheus(
        "query_exemplars",
        query=f'{{__name__=~"ael_.+_bucket",job="{SERVICE}"}}',
        start=f"{day.began:.0f}",
        end=f"{day.ended + 1:.0f}",
    )
    seen: Counter[str] = Counter()
    for series in found:
        for exemplar in series["exemplars"]:
            spans = day.backends.traces.trace(exemplar["labels"][link["name"]])
            label, key = (
                ("workflow", "ael.workflow.name")
                if "workflow" in series["seriesLabels"]
                else ("tool", "ael.tool.name")
            )
            assert series["seriesLabels"][label] in {span.attributes.get(key) for span in spans}
            seen[label] += 1
    assert set(seen) == {"workflow", "tool"}


# --- from the boards --------------------------------------------------------------------------------------------------

LINKS = [
    pytest.param(name, panel, column, link, id=f"{name} {name_of(panel)} {link['title']}")
    for name, board in BOARDS.items()
    for panel, column, link in linked(board)
]


@pytest.mark.parametrize(("name", "panel", "column", "link"), LINKS)
def test_every_link_of_a_panel_leads_on(name: str, panel: Json, column: str, link: Json, day: Day) -> None:
    """Proves that a link on each row or series that a panel shows, filled in from that row, opens something: a trace
    that exists, lines, traces or series that are found, or a board that knows every variable it is given; and that
    what it opens is about the row's own run and workflow.
    """
    view = day.view(name)
    targets = [target for target in panel["targets"] if _can_ask(target, day.stores)]
    if not targets:
        require(False, f"no image of Tempo on this machine: {name_of(panel)} asks by TraceQL", ci=False)
    rows = shown((target["refId"], row) for target in targets for row in day.stores.rows(target, view))
    if panel["title"] in NOTHING_TO_SHOW:
        assert not rows, f"{name_of(panel)} shows something: its link can be followed"
        return
    assert rows, f"{name_of(panel)} shows nothing, so that nobody can click"
    followed = 0
    for row in rows:
        own = of_row(panel, column, row)
        if own is None:
            continue
        target = opened(link["url"], {**view.values, **own})
        if isinstance(target, Board):
            _shows_something(target, day)
        elif unfilled(target.text):
            continue  # the row of another query of the panel, without the column that the link names
        elif _needs_search(target) and not day.stores.has_tempo:
            require(False, "no image of Tempo on this machine: the link opens a TraceQL search", ci=False)
        elif "error_type" in target.text and not _failed(row, day):
            continue
        else:
            found = day.stores.open(target, view)
            assert found, f"nothing behind {target.text}"
            _is_the_right_one(row, target, found, day)
        followed += 1
    assert followed, f"no row of {name_of(panel)} has what the link {link['title']!r} needs"


@pytest.mark.parametrize("name", BOARDS)
def test_boards_lead_to_each_other(name: str) -> None:
    """Proves that every board links to all others, by a tag that they have, and takes time and variables along."""
    board = BOARDS[name]
    others = [link for link in board["links"] if link["type"] == "dashboards"]
    assert others
    for link in others:
        assert link["keepTime"]
        assert link["includeVars"]
        reached = {uid for uid, other in BOARDS.items() if set(link["tags"]) <= set(other["tags"])}
        assert reached == set(BOARDS)


# --- from the alerts --------------------------------------------------------------------------------------------------

ALERTS = [
    pytest.param(rule, id=f"{rule['alert']} {rule['labels']['severity']}")
    for path in sorted((ROOT / "prometheus/rules").glob("*.rules.yml"))
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_leads_by_its_board_to_a_trace(rule: Json, day: Day) -> None:
    """Proves that an alert's link, filled in for a workflow or tool that failed, opens a board that shows it, and that
    a link on that board opens the trace of a run that failed.
    """
    failed = {"workflow": "tool_fails", "tool": "charge"}
    url = re.sub(
        r"{{ \$labels\.(\w+) \| urlquery }}",
        lambda label: failed[label[1]],
        rule["annotations"]["dashboard_url"],
    )
    url = url.replace("{{ $externalLabels.grafana }}", "")
    assert "{{" not in url
    board = opened(url, {})
    assert isinstance(board, Board)
    if board.variables:
        _shows_something(board, day)
    view = day.view(board.uid, **{name: "|".join(values) for name, values in board.variables.items()})
    reached: set[str] = set()
    for panel, column, link in linked(view.board):
        targets = [target for target in panel["targets"] if _can_ask(target, day.stores)]
        for row in shown(
            (target["refId"], row) for target in targets for row in day.stores.rows(target, view)
        ):
            own = of_row(panel, column, row)
            if own is not None:
                reached |= _traces_behind(opened(link["url"], {**view.values, **own}))
    if not reached and not day.stores.has_tempo:
        require(
            False,
            f"no image of Tempo on this machine: the traces of {board.uid} are found by TraceQL",
            ci=False,
        )
    failures = {call.trace_id for call in day.truth.calls if not call.case.succeeds}
    assert reached & failures, f"no link on {board.uid} opens the trace of a failed run"
    for trace_id in reached & failures:
        assert day.backends.traces.trace(trace_id)


def _traces_behind(target: Explore | Board) -> set[str]:
    """The traces that a link opens by id."""
    found = target.variables.get("trace", ()) if isinstance(target, Board) else [target.text]
    return {text.rjust(32, "0") for text in found if is_trace_id(text)}


def _can_ask(target: Json, stores: Stores) -> bool:
    kind = target.get("datasource", {}).get("type", "")
    return kind in SOURCES and (stores.has_tempo or not needs_tempo(target)) and not target.get("hide", False)


def _needs_search(link: Explore) -> bool:
    return link.query["datasource"]["type"] == "tempo" and link.text.lstrip().startswith("{")


def _shows_something(target: Board, day: Day) -> None:
    """Check that the board knows each variable that it is given, and that a panel which uses it shows something."""
    view = day.view(target.uid, **{name: "|".join(values) for name, values in target.variables.items()})
    known = {variable["name"]: variable["type"] for variable in view.board["templating"]["list"]}
    assert target.variables.keys() <= known.keys()
    chosen = [name for name in target.variables if known[name] != "datasource"]
    assert chosen, "a link to another board says what it is about"
    for name in chosen:
        asked = [
            query
            for panel in data_panels(view.board)
            for query in panel["targets"]
            if _can_ask(query, day.stores) and re.search(rf"\$\{{?{name}\b", json.dumps(query))
        ]
        if not asked and not day.stores.has_tempo:
            require(False, f"no image of Tempo on this machine: ${name} is asked for by TraceQL", ci=False)
        assert any(day.stores.rows(query, view) for query in asked), (
            f"no panel shows ${name}={view.values[name]}"
        )


def _failed(row: Mapping[str, Any], day: Day) -> bool:
    """Whether anything of the row's workflow or tool failed; a row of neither is about all of them."""
    about = {f"call {row['tool']} error"} if "tool" in row else set[str]()
    return ("workflow" not in row and not about) or any(
        (case.workflow == row.get("workflow", "") and not case.succeeds)
        or any(each in case.counts for each in about)
        for case in day.truth.cases
    )


def _is_the_right_one(row: Mapping[str, Any], link: Explore, found: list[dict[str, Any]], day: Day) -> None:
    kind = link.query["datasource"]["type"]
    if kind == "tempo" and not _needs_search(link):
        spans = day.backends.traces.trace(link.text)
        if "execution_id" in row:
            assert run_of(spans) == row["execution_id"]
    if kind == "loki" and "workflow" in row:
        assert {each["workflow_id"] for each in found} == {row["workflow"]}
    if kind == "loki" and "execution_id" in row and row["execution_id"] in link.text:
        assert {each["execution_id"] for each in found} == {row["execution_id"]}


def _tag(span: StoredSpan, key: str) -> str:
    return span.service if key == "service.name" else str(span.attributes[key])


def _seconds(shift: str) -> float:
    assert shift.endswith("m")
    return float(shift.removesuffix("m")) * 60
