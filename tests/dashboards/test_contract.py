"""Every metric, label, field, attribute and span name on a board is one that is emitted."""

import copy
import re

import pytest
import yaml

from dashboards.src import foreign
from tests.dashboards.boards import committed, data_links, data_panels, linked_queries, panes, queries
from tests.dashboards.contract import (
    ROOT,
    STREAM_LABELS,
    unknown_columns,
    unknown_in,
    unknown_in_logql,
    unknown_in_promql,
    unknown_in_traceql,
    unknown_in_variable,
)

BOARDS = committed()


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_board_uses_only_what_is_emitted(name: str):
    """Queries, links, variables and columns of the committed board name nothing that does not exist."""
    assert list(unknown_in(BOARDS[name])) == []


def test_the_checks_reach_every_kind_of_query():
    """The overview has PromQL, LogQL and TraceQL, so a check that reads none of one kind would not pass unseen."""
    board = BOARDS["ael-overview"]
    assert len(list(queries(board, "prometheus"))) >= 20
    assert len(list(queries(board, "loki"))) >= 1
    assert len(list(linked_queries(board, "loki"))) >= 3
    assert len(list(linked_queries(board, "tempo"))) >= 3


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(ael_workflows_total)", "metric 'ael_workflows_total'"),
        ("sum(ael_workflow_duration_seconds)", "metric 'ael_workflow_duration_seconds'"),
        ("sum(otelcol_exporter_sent_spans_total)", "metric 'otelcol_exporter_sent_spans_total'"),
        ('ael_active_workflows{workflow="x"}', "label 'workflow'"),
        ('ael_errors_total{status="error"}', "label 'status'"),
        ('ael_workflow_executions_total{status="failed"}', "status='failed'"),
        ('ael_workflow_executions_total{status=~"error|timed_out"}', "status='timed_out'"),
        ("sum by (tool) (ael_workflow_executions_total)", "grouping by 'tool'"),
        ("sum by (le) (ael_workflow_duration_seconds_count)", "grouping by 'le'"),
        ("ael_errors_total / on (workflow) ael_active_workflows", "grouping by 'workflow'"),
        ("sum(rate(ael_errors_total))", "does not parse"),
        ("sum(rate(ael_errors_total[$__rate_interval])", "does not parse"),
    ],
)
def test_promql_that_would_stay_empty_is_found(query: str, problem: str):
    """A metric, matcher, value or grouping that nobody emits is named, and so is a query that does not parse."""
    assert problem in " ".join(unknown_in_promql(query))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('{app="ael"}', "stream label 'app'"),
        ('{trace_id="1"}', "stream label 'trace_id'"),
        ('{service_name=~".+"} | workflow="x"', "workflow"),
        ('{service_name=~".+"} | event_name="ael.run.fail"', "ael.run.fail"),
        ('count_over_time({service_name=~".+"}[1m])', "no stream selector"),
    ],
)
def test_logql_that_would_stay_empty_is_found(query: str, problem: str):
    """A stream label, field or event that nobody emits is named."""
    assert problem in " ".join(unknown_in_logql(query))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('{ span.workflow.name = "x" }', "workflow.name"),
        ('{ name = "Workflow Run" }', "Workflow Run"),
    ],
)
def test_traceql_that_would_stay_empty_is_found(query: str, problem: str):
    """A span name or attribute that nobody emits is named."""
    assert problem in " ".join(unknown_in_traceql(query))


@pytest.mark.parametrize(
    "query",
    [
        "label_values(workflow)",
        "label_values(ael_runs_total, workflow)",
        "label_values(ael_errors_total, workflow)",
    ],
)
def test_variable_that_would_offer_nothing_is_found(query: str):
    """A variable asks for a label of a metric that has it."""
    assert list(unknown_in_variable(query)) != []


@pytest.mark.parametrize("kind", ["prometheus", "loki"])
def test_column_that_would_stay_empty_is_found(kind: str):
    """A column of a log table is a field of log lines; a column of another table is a label that its queries keep."""
    board = copy.deepcopy(BOARDS["ael-overview"])
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
    """Each link to Explore decodes to one pane with a query, a data source of the person's choice and the range."""
    links = [link for board in BOARDS.values() for panel in data_panels(board) for link in data_links(panel)]
    assert links
    for link in links:
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
