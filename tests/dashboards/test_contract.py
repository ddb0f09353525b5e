"""Every metric, label, field, attribute and span name on a board is one that is emitted."""

import copy
import json
import re

import pytest
import yaml

from dashboards.src import foreign
from tests.dashboards.boards import board_of, committed, data_links, data_panels, panes
from tests.dashboards.contract import (
    ROOT,
    STREAM_LABELS,
    asked,
    unknown,
    unknown_columns,
    unknown_in,
)
from tools.telemetry_schema.query.problem import Language

BOARDS = committed()


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_board_uses_only_what_is_emitted(name: str):
    """Queries, links, variables and columns of the committed board name nothing that does not exist."""
    assert list(unknown_in(BOARDS[name], BOARDS)) == []


def test_the_checks_reach_every_kind_of_query():
    """PromQL, LogQL and TraceQL are found on panels and in links, so a check that reads none would not pass unseen."""
    found = {
        (language, "link" if " link " in place else place.split()[0])
        for board in BOARDS.values()
        for place, language, _ in asked(board)
    }
    assert found == {
        ("promql", "panel"),
        ("promql", "variable"),
        ("logql", "panel"),
        ("logql", "link"),
        ("traceql", "panel"),
        ("traceql", "link"),
    }


@pytest.mark.parametrize(
    ("language", "query", "problem"),
    [
        ("promql", "sum(ael_workflows_total)", "ael_workflows_total"),
        ("promql", 'ael_active_workflows{workflow="x"}', "workflow"),
        ("promql", 'ael_workflow_executions_total{status=~"error|timed_out"}', "timed_out"),
        ("promql", "sum by (tool) (ael_workflow_executions_total)", "tool"),
        ("promql", "sum by (ael_step) (traces_spanmetrics_calls_total)", "ael_step"),
        ("promql", "sum(rate(ael_errors_total))", "is not PromQL"),
        ("promql", "count by (workflow) (ael_errors_total)", "workflow"),
        ("logql", '{app="ael"}', "stream label 'app'"),
        ("logql", '{trace_id="1"}', "stream label 'trace_id'"),
        ("logql", '{service_name=~".+"} | workflow="x"', "workflow"),
        ("logql", '{service_name=~".+"} | event_name="ael.run.fail"', "ael.run.fail"),
        ("logql", "count_over_time([1m])", "no stream selector"),
        ("traceql", '{ span.workflow.name = "x" }', "workflow.name"),
        ("traceql", '{ name = "Workflow Run" }', "Workflow Run"),
    ],
)
def test_a_query_that_would_stay_empty_is_found(language: Language, query: str, problem: str):
    """A metric, label, value, field, event, attribute or span that nobody emits is named."""
    assert problem in " ".join(unknown(language, query))


def test_every_place_of_a_board_is_checked():
    """The same unknown name is found in a panel's query, in a link, in a variable and in a column."""
    for planted in (
        ("ael_workflow_executions_total", "ael_workflow_execution_total"),
        ("error_type", "error_kind"),
        ("ael.workflow.name", "ael.workflow.label"),
        ("var-trace", "var-traceid"),
        ("/d/ael-traces/", "/d/ael-spans/"),
    ):
        board = json.loads(json.dumps(BOARDS["ael-overview"]).replace(*planted))
        assert list(unknown_in(board, BOARDS)) != [], planted


@pytest.mark.parametrize(
    ("name", "kind"), [("ael-overview", "prometheus"), ("ael-overview", "loki"), ("ael-traces", "tempo")]
)
def test_column_that_would_stay_empty_is_found(name: str, kind: str):
    """A column is a field of log lines, an attribute that the query selects, or a label that the queries keep."""
    board = copy.deepcopy(BOARDS[name])
    assert list(unknown_columns(board)) == []
    table = next(
        panel
        for panel in data_panels(board)
        if panel["type"] == "table" and panel["datasource"]["type"] == kind
    )
    organize = next(step["options"] for step in table["transformations"] if step["id"] == "organize")
    organize["renameByName"]["workflow_name"] = "Workflow"
    assert list(unknown_columns(board)) != []


def test_links_open_what_explore_understands():
    """Each link is to a board, or decodes to one pane of Explore with a query, the data source chosen and the range."""
    links = [link for board in BOARDS.values() for panel in data_panels(board) for link in data_links(panel)]
    assert links
    for link in links:
        if board_of(link) is not None:
            continue
        assert link["url"].startswith("/explore?schemaVersion=1&panes=")
        (pane,) = panes(link).values()
        (query,) = pane["queries"]
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        assert pane["datasource"] == query["datasource"]["uid"] == f"${{{query['datasource']['type']}}}"
        assert query.get("expr") or query.get("query")


def test_stream_labels_are_those_of_lokis_configuration():
    """The allow-list of stream labels here is the one that Loki is configured with."""
    loki = yaml.safe_load((ROOT / "loki/loki.yaml").read_text("utf-8"))
    (config,) = loki["limits_config"]["otlp_config"]["resource_attributes"]["attributes_config"]
    assert {attribute.replace(".", "_") for attribute in config["attributes"]} == STREAM_LABELS


def test_datasource_defaults_are_provisioned():
    """What a board chooses at first is a data source that Grafana is provisioned with."""
    loaded = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/ael.yaml").read_text("utf-8"))
    provisioned = {source["uid"]: source["type"] for source in loaded["datasources"]}
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "datasource":
                assert provisioned.get(variable["current"]["value"]) == variable["query"]


def test_alerts_and_boards_agree_on_foreign_names():
    """A Collector metric that an alert uses has the name and labels that the boards know."""
    known = {metric.prometheus for metric in foreign.ALL}
    rules = (ROOT / "prometheus/rules/ael.rules.yml").read_text("utf-8")
    used = set(re.findall(r"\botelcol_(?:exporter|receiver)_\w+", rules))
    assert used
    assert used <= known


def test_spans_are_counted_with_the_labels_that_the_boards_ask_for():
    """The attributes that Tempo turns into labels, and the Collector when it samples, are those that the boards know;
    Tempo calls exemplars `trace_id`, as the SDK does.
    """
    loaded = yaml.safe_load((ROOT / "tempo/tempo.yaml").read_text("utf-8"))
    assert tuple(loaded["metrics_generator"]["processor"]["span_metrics"]["dimensions"]) == (
        foreign.SPAN_DIMENSIONS
    )
    generator = loaded["overrides"]["defaults"]["metrics_generator"]
    assert generator["trace_id_label_name"] == "trace_id"
    assert "service-graphs, span-metrics" in generator["processors"]
    sampling = yaml.safe_load((ROOT / "collector/tail-sampling.yaml").read_text("utf-8"))
    dimensions = [each["name"] for each in sampling["connectors"]["span_metrics"]["dimensions"]]
    assert tuple(dimensions) == foreign.SPAN_DIMENSIONS
