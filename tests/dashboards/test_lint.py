"""Every board keeps every rule, and every rule sees what breaks it."""

import copy
from collections.abc import Callable

import pytest

from tests.dashboards import lint
from tests.dashboards.boards import Json, committed, data_links, data_panels

BOARDS = committed()

# A counting query as the builder writes it, over a window.
COUNTED = "sum((increase({x}[{w}]) and resets({x}[{w}]) > 0) or last_over_time({x}[{w}]))"


def panel(board: Json, kind: str) -> Json:
    """The first panel of a kind."""
    return next(each for each in data_panels(board) if each["type"] == kind)


def durations(board: Json) -> Json:
    """The first panel of durations over time."""
    return next(
        each
        for each in data_panels(board)
        if each["type"] == "timeseries" and "histogram_quantile" in each["targets"][0]["expr"]
    )


def variable(board: Json, name: str) -> Json:
    """A variable of the board."""
    return next(each for each in board["templating"]["list"] if each["name"] == name)


def asks(query: str, kind: str = "stat") -> Callable[[Json], None]:
    """Change the query of the first panel of a kind."""

    def change(board: Json) -> None:
        panel(board, kind)["targets"][0]["expr"] = query

    return change


def sets(kind: str, key: str, value: object) -> Callable[[Json], None]:
    """Change a key of the first panel of a kind."""
    return lambda board: panel(board, kind).update({key: value})


def defaults(kind: str, key: str, value: object) -> Callable[[Json], None]:
    """Change what holds for the values of the first panel of a kind."""
    return lambda board: panel(board, kind)["fieldConfig"]["defaults"].update({key: value})


def target(kind: str, key: str, value: object) -> Callable[[Json], None]:
    """Change a key of the first query of the first panel of a kind."""
    return lambda board: panel(board, kind)["targets"][0].update({key: value})


def of_board(key: str, value: object) -> Callable[[Json], None]:
    """Change a key of the board."""
    return lambda board: board.update({key: value})


def of_variable(name: str, key: str, value: object) -> Callable[[Json], None]:
    """Change a key of a variable."""
    return lambda board: variable(board, name).update({key: value})


def logs_ask(query: str) -> Callable[[Json], None]:
    """Change the first LogQL query."""

    def change(board: Json) -> None:
        targets = [each for panel in data_panels(board) for each in panel["targets"]]
        next(each for each in targets if each["datasource"]["type"] == "loki")["expr"] = query

    return change


def cut_links(find: Callable[[Json], Json]) -> Callable[[Json], None]:
    """Take away the links of a panel."""

    def change(board: Json) -> None:
        config = find(board)["fieldConfig"]
        config["defaults"].pop("links", None)
        for override in config["overrides"]:
            override["properties"] = [item for item in override["properties"] if item["id"] != "links"]

    return change


def exemplars(*, asked: bool) -> Callable[[Json], None]:
    """Have all queries of the durations, or none, ask for exemplars."""

    def change(board: Json) -> None:
        for each in durations(board)["targets"]:
            each["exemplar"] = asked

    return change


def repeat_id(board: Json) -> None:
    """Give two panels one id."""
    board["panels"][-1]["id"] = board["panels"][-2]["id"]


def forget_time(board: Json) -> None:
    """Have a data link open Explore's default range."""
    link = data_links(durations(board))[0]
    link["url"] = link["url"].replace("${__from}", "now-1h")


def move_onto(board: Json) -> None:
    """Lay the last panel on the first."""
    board["panels"][-1]["gridPos"] |= {"x": 0, "y": 0}


BROKEN: dict[lint.Rule, list[Callable[[Json], None]]] = {
    lint.described: [
        sets("stat", "title", ""),
        sets("stat", "description", ""),
        sets("stat", "description", "Runs."),
        lambda board: next(each for each in board["panels"] if each["type"] == "row").update(title=""),
    ],
    lint.titles_tell_panels_apart: [
        sets("stat", "title", "Slowest workflows"),
    ],
    lint.variables_explained: [
        of_variable("workflow", "label", ""),
        of_variable("tool", "description", "The tool"),
    ],
    lint.legends_readable: [
        target("timeseries", "legendFormat", ""),
        lambda board: durations(board)["options"]["legend"].update(showLegend=False),
    ],
    lint.unit_stated: [
        defaults("stat", "unit", "seconds"),
        defaults("table", "unit", ""),
        lambda board: panel(board, "table")["fieldConfig"]["overrides"][-1]["properties"].append(
            {"id": "unit", "value": "percent-ish"}
        ),
    ],
    lint.silence_explained: [
        defaults("stat", "noValue", ""),
        defaults("gauge", "noValue", "No data"),
        defaults("gauge", "noValue", "0"),
    ],
    lint.datasource_by_variable: [
        sets("stat", "datasource", {"type": "prometheus", "uid": "prometheus"}),
        sets("stat", "datasource", None),
        target("stat", "datasource", {"type": "prometheus", "uid": "${loki}"}),
        target("stat", "datasource", {"type": "prometheus", "uid": "${undeclared}"}),
        target("stat", "datasource", {"type": "prometheus", "uid": "-- Mixed --"}),
        of_variable("workflow", "datasource", {"type": "prometheus", "uid": "prometheus"}),
    ],
    lint.counters_rated: [
        asks("sum(ael_workflow_executions_total)"),
        asks("sum(last_over_time(ael_workflow_executions_total[24h]))"),
        asks("max_over_time(ael_workflow_duration_seconds_count[$__range])"),
        asks("sum(otelcol_exporter_sent_spans)"),
        asks(COUNTED.format(x="ael_errors_total", w="24h") + " + sum(ael_errors_total)"),
    ],
    lint.windows_follow_the_board: [
        asks("sum(rate(ael_errors_total[5m]))"),
        asks("sum(rate(ael_errors_total[$__interval]))", "timeseries"),
        asks("sum(rate(ael_errors_total[$__range]))"),
        asks(COUNTED.format(x="ael_errors_total", w="6h")),
        asks("sum(increase(ael_errors_total[1h]))"),
        asks("max(max_over_time(ael_active_workflows[2d:1m]))"),
        asks(COUNTED.format(x="ael_errors_total", w="24h"), "timeseries"),
    ],
    lint.log_windows_automatic: [
        logs_ask('sum(count_over_time({service_name=~".+"}[5m]))'),
        logs_ask('sum(rate({service_name=~".+"}[$__interval]))'),
    ],
    lint.asked_once_where_one_answer_is_shown: [
        target("stat", "range", True),
        target("timeseries", "instant", True),
        target("table", "format", "time_series"),
    ],
    lint.nothing_divided_by_zero: [
        asks(
            "sum(rate(ael_errors_total[$__rate_interval])) / sum(rate(ael_step_executions_total[$__rate_interval]))"
        ),
        asks("1 / (sum(rate(ael_errors_total[$__rate_interval])))"),
    ],
    lint.quantiles_without_nan: [
        asks(
            "histogram_quantile(0.9, sum by (le) (rate(ael_tool_duration_seconds_bucket[$__rate_interval])))"
        ),
    ],
    lint.ids_unique: [
        repeat_id,
        lambda board: panel(board, "stat").pop("id"),
        lambda board: durations(board)["targets"][1].update(refId="A"),
    ],
    lint.panels_apart: [
        move_onto,
        lambda board: panel(board, "gauge")["gridPos"].update(x=20, w=5),
        lambda board: panel(board, "gauge")["gridPos"].update(h=0),
    ],
    lint.identity_stable: [
        of_board("uid", "d3adb33f"),
        of_board("title", "Overview"),
        of_board("id", 7),
        of_board("version", 3),
    ],
    lint.read_only: [
        of_board("editable", True),
        of_board("graphTooltip", 0),
        of_board("tags", []),
        of_board("schemaVersion", 2),
    ],
    lint.links_keep_time: [
        forget_time,
        lambda board: board["links"][0].update(keepTime=False),
        lambda board: board["links"][0].update(includeVars=False),
    ],
    lint.tables_and_durations_lead_on: [
        cut_links(durations),
        cut_links(lambda board: panel(board, "table")),
        exemplars(asked=False),
        exemplars(asked=True),
    ],
    lint.variables_ready: [
        of_variable("workflow", "refresh", 1),
        of_variable("tool", "multi", False),
        of_variable("tool", "allValue", None),
        of_variable("tempo", "query", "jaeger"),
        asks('ael_active_workflows{workflow=~"$other"}'),
        of_variable("tool", "name", "unused"),
    ],
    lint.several_choices_match: [
        asks('sum(rate(ael_workflow_executions_total{workflow="$workflow"}[$__rate_interval]))'),
        logs_ask('{service_name=~".+"} | workflow_id!="$workflow"'),
    ],
}
CASES = [(rule, change) for rule, changes in BROKEN.items() for change in changes]


@pytest.mark.parametrize("name", sorted(BOARDS))
@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
def test_board_keeps_the_rule(rule: lint.Rule, name: str):
    """The committed board breaks the rule nowhere."""
    assert list(rule(name, BOARDS[name])) == []


@pytest.mark.parametrize(
    ("rule", "change"),
    CASES,
    ids=[f"{rule.__name__}-{number}" for rule, changes in BROKEN.items() for number, _ in enumerate(changes)],
)
def test_rule_sees_what_breaks_it(rule: lint.Rule, change: Callable[[Json], None]):
    """A board that was right is found wrong after one change."""
    board = copy.deepcopy(BOARDS["ael-overview"])
    assert list(rule("ael-overview", board)) == []
    change(board)
    assert list(rule("ael-overview", board)) != []


def test_every_rule_has_a_case_that_breaks_it():
    """No rule can be added that finds nothing."""
    assert set(BROKEN) == set(lint.RULES)
