"""Queries in dashboards, rules and documents use names that exist, with the labels and values that they have."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ael_otel.prometheus import prometheus_label
from dashboards.src import foreign as boards
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.query.files import queries_of
from tools.telemetry_schema.query.foreign import read_foreign
from tools.telemetry_schema.query.known import Known
from tools.telemetry_schema.query.lint import check_query, lint_queries
from tools.telemetry_schema.query.problem import Language, Query

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def known(registry: Registry) -> Known:
    """What queries may name; `ael:runs` is a recorded series."""
    return Known(registry, ["ael:runs"])


def problems(known: Known, language: Language, text: str, unit: str = "") -> list[str]:
    """What is wrong with a query."""
    return check_query(Query(language, text, "here", unit), known)


def test_the_repository_keeps_to_the_registry(registry: Registry) -> None:
    """Every query in dashboards, alert rules, their tests, the Collector's configuration and the documents is right."""
    paths = [
        ROOT / name for name in ("dashboards", "prometheus", "collector/config.yaml", "docs", "README.md")
    ]
    linted = lint_queries(registry, paths)
    if linted.problems:
        pytest.fail("\n".join(map(str, linted.problems)), pytrace=False)
    assert linted.files >= 10
    counted = {
        name: sum(each.language == name for each in linted.queries) for name in ("promql", "logql", "traceql")
    }
    assert counted["promql"] > 50
    assert min(counted.values()) >= 5


def test_every_metric_is_shown(registry: Registry) -> None:
    """A metric that no panel and no alert asks for is an edit that was forgotten."""
    linted = lint_queries(registry, [ROOT / "dashboards", ROOT / "prometheus/rules"])
    if linted.forgotten:
        pytest.fail("\n".join(linted.forgotten), pytrace=False)


GOOD: list[tuple[Language, str]] = [
    ("promql", "sum by (workflow, status) (increase(ael_workflow_executions_total[24h]))"),
    (
        "promql",
        "histogram_quantile(0.95, sum by (le, tool) (rate(ael_tool_duration_seconds_bucket[$__rate_interval])))",
    ),
    ("promql", 'ael_errors_total{type=~"TOOL_FAILED|TOOL_TIMEOUT", component!="step", job="ael"}'),
    ("promql", 'ael_errors_total{type=~"TOOL_.*", component=~"$component"}'),
    ("promql", "sum without (type) (ael_errors_total) / on (component) group_left () ael:runs"),
    ("promql", 'sum by (signal) (label_replace(up, "signal", "x", "job", ".*"))'),
    ("promql", "topk(3, ael_errors_total) or vector(0)"),
    ("promql", 'absent(up{job="collector"})'),
    ("promql", "count by (${group}) (ael_errors_total)"),
    ("promql", "max_over_time(sum(ael_active_workflows)[1h:$__interval])"),
    ("promql", "delta(ael_active_workflows[5m]) + deriv(otelcol_exporter_queue_size[5m])"),
    ("promql", "rate(ael_tool_duration_seconds_count[5m]) + rate(ael:runs[5m])"),
    ("promql", "increase(count_over_time(ael_active_workflows[5m])[1h:5m])"),
    ("promql", "sum by (ael_tool_name) (rate(traces_spanmetrics_latency_bucket[5m]))"),
    ("promql", "ael_errors_total * on (instance) group_left (ael_otel_version) target_info"),
    ("logql", '{service_name="ael"} | execution_id="x" |= "a=b" | event_name="ael.step.skip"'),
    ("logql", 'sum by (error_type) (count_over_time({service_name=~"$service"} | error_type!="" [5m]))'),
    ("logql", '{service_name="ael"} | label_format text="{{.error_type}}" | line_format "{{.text}}"'),
    ("logql", '{service_name="ael"} | json | anything="goes"'),
    ("logql", 'quantile_over_time(0.9, {service_name="ael"} | unwrap duration_ms [5m])'),
    ("traceql", '{ name = "Step 3: tool_call" && span.ael.step.status = "failed" && duration > 1s }'),
    (
        "traceql",
        '{ name =~ "Step .*" } >> { name = "MCP Request" && kind = client } | select(span.ael.tool.name)',
    ),
    ("traceql", '{ resource.service.name = "ael" && event:name = "retry" && .ael.tool.name = "x" } | rate()'),
]


@pytest.mark.parametrize(("language", "text"), GOOD, ids=[text[:40] for _, text in GOOD])
def test_a_right_query_passes(language: Language, text: str, known: Known) -> None:
    """Functions, matching, sub-queries, variables of Grafana and parsers of Loki raise no false alarm."""
    assert problems(known, language, text) == []


BAD: list[tuple[Language, str, str]] = [
    (
        "promql",
        "rate(ael_error_total[5m])",
        "metric ael_error_total is not emitted; did you mean ael_errors_total?",
    ),
    ("promql", "ael_errors", "ael_errors has no series of that name; add _total"),
    ("promql", "ael_tool_duration_seconds", "add _bucket, _sum or _count"),
    (
        "promql",
        "nginx_requests_total",
        "declare it in ael_otel/registry or tools/telemetry_schema/query/foreign.yaml",
    ),
    ("promql", 'ael_errors_total{workflow="x"}', "ael_errors_total has no label workflow; it has component"),
    (
        "promql",
        'ael_errors_total{component="kitchen"}',
        "no component 'kitchen'; the closed set is workflow_engine",
    ),
    ("promql", 'ael_workflow_executions_total{status=~"error|failed"}', "no status 'failed'"),
    (
        "promql",
        "sum by (workflow) (ael_errors_total)",
        "sum by (workflow): nothing in it has the label workflow",
    ),
    ("promql", "sum by (tool) (sum by (status) (ael_tool_invocations_total))", "sum by (tool)"),
    ("promql", "sum without (tool) (ael_errors_total)", "sum without (tool)"),
    ("promql", "up / on (tool) up", "on (tool): nothing in it has the label tool"),
    (
        "promql",
        "histogram_quantile(0.9, sum by (tool) (ael_tool_duration_seconds_bucket))",
        "needs the label le",
    ),
    ("promql", 'label_replace(up, "a", "$1", "tool", ".*")', "label_replace (tool)"),
    ("promql", "otelcol_exporter_queue_size{receiver='x'}", "has no label receiver"),
    (
        "promql",
        "rate(ael_active_workflows[5m])",
        "rate() of ael_active_workflows, an updowncounter: it treats every fall as a restart; use delta()",
    ),
    ("promql", "increase((ael_active_workflows)[1h:5m])", "increase() of ael_active_workflows"),
    ("promql", "irate(sum(ael_active_workflows)[1h:5m])", "irate() of ael_active_workflows"),
    (
        "promql",
        "increase(otelcol_exporter_queue_size[5m])",
        "increase() of otelcol_exporter_queue_size, a gauge",
    ),
    ("promql", "traces_spanmetrics_latency", "add _bucket, _sum or _count"),
    ("promql", "sum by (", "is not PromQL"),
    ("promql", "", "is not PromQL"),
    ("logql", '{service_name="ael"} | colour="red"', "log field colour is not emitted"),
    ("logql", '{service_name="ael"} | event_name="ael.coffee"', "event ael.coffee is not emitted"),
    ("logql", '{service_name="ael"} | error_type="BROKEN"', "error_type is never 'BROKEN'"),
    ("logql", 'sum by (workflow) (rate({service_name="ael"} [5m]))', "log field workflow is not emitted"),
    ("logql", '{service_name="ael"} | line_format "{{.colour}}"', "log field colour is not emitted"),
    (
        "logql",
        'sum_over_time({service_name="ael"} | unwrap seconds [5m])',
        "log field seconds is not emitted",
    ),
    ("traceql", "{ span.ael.step.colour = 1 }", "attribute ael.step.colour does not exist"),
    ("traceql", "{ span.execution_id = 1 }", "attribute execution_id is on no span"),
    ("traceql", '{ name = "Coffee Break" }', "span 'Coffee Break' is not emitted"),
    ("traceql", '{ name =~ "Coffee.*" }', "no span has a name like"),
    ("traceql", '{ rootName = "Step" }', "span 'Step' is not emitted"),
    ("traceql", '{ span.ael.step.status = "done" }', "ael.step.status is never 'done'"),
    ("traceql", '{ event:name = "pause" }', "span event 'pause' is not emitted"),
]


@pytest.mark.parametrize(("language", "text", "says"), BAD, ids=[f"{text[:40]}" for _, text, _ in BAD])
def test_a_wrong_query_is_found(language: Language, text: str, says: str, known: Known) -> None:
    """A name, label, value, span, event or field that is not emitted is named, with what there is instead."""
    assert any(says in problem for problem in problems(known, language, text)), problems(
        known, language, text
    )


UNITS = [
    ("histogram_quantile(0.9, sum by (le) (rate(ael_tool_duration_seconds_bucket[5m])))", "s", "ms"),
    (
        "sum(rate(ael_tool_duration_seconds_sum[5m])) / sum(rate(ael_tool_duration_seconds_count[5m]))",
        "s",
        "percentunit",
    ),
    ("sum(increase(ael_errors_total[1h]))", "locale", "s"),
    ("rate(ael_errors_total[5m])", "reqps", "ms"),
    ("ael_errors_total / ael_errors_total", "percentunit", "percent"),
    ("time() - max(timestamp(ael_active_workflows))", "s", "bytes"),
    ("ael_errors_total or 0 * ael_errors_total", "none", "dtdurations"),
]


@pytest.mark.parametrize(("text", "right", "wrong"), UNITS)
def test_a_panel_shows_the_unit_of_its_query(text: str, right: str, wrong: str, known: Known) -> None:
    """Seconds shown as milliseconds, a share shown as a percentage and a count shown as a time are found."""
    assert problems(known, "promql", text, right) == []
    (problem,) = problems(known, "promql", text, wrong)
    assert f"which unit {wrong} does not show; set " in problem


def test_a_converted_value_has_no_known_unit(known: Known) -> None:
    """Who multiplies converts: no unit follows, so none is wrong."""
    assert problems(known, "promql", "1000 * ael_tool_duration_seconds_sum", "ms") == []


def dashboard(expr: str, **panel: Any) -> dict[str, Any]:
    """A dashboard with one panel in a row, and a variable."""
    target = {"refId": "A", "expr": expr, "datasource": {"type": "prometheus", "uid": "${prometheus}"}}
    variable = {"type": "query", "name": "tool", "datasource": {"type": "prometheus"}}
    return {
        "panels": [{"title": "Row", "panels": [{"title": "Errors", "targets": [target], **panel}]}],
        "templating": {"list": [{**variable, "query": {"query": "label_values(ael_errors_total, tool)"}}]},
    }


def test_a_dashboard_that_groups_by_a_label_never_emitted_fails(registry: Registry, tmp_path: Path) -> None:
    """The panel, also inside a row, and the variable are named together with the label that no series has."""
    path = tmp_path / "board.json"
    path.write_text(json.dumps(dashboard("sum by (workflow) (ael_errors_total)")), "utf-8")
    found = [str(problem) for problem in lint_queries(registry, [path]).problems]
    assert len(found) == 2
    assert (
        f"{path}: panel 'Errors', query A: sum by (workflow): nothing in it has the label workflow"
        in found[0]
    )
    assert f"{path}: variable tool: count by (tool)" in found[1]


def test_units_of_a_panel_are_read(tmp_path: Path) -> None:
    """The panel's unit comes along, unless columns have units of their own."""
    path = tmp_path / "board.json"
    config: dict[str, Any] = {"defaults": {"unit": "s"}}
    path.write_text(json.dumps(dashboard("up", fieldConfig=config)), "utf-8")
    assert queries_of(path)[0].unit == "s"
    config["overrides"] = [{"matcher": {"id": "byName"}, "properties": [{"id": "unit", "value": "ms"}]}]
    path.write_text(json.dumps(dashboard("up", fieldConfig=config)), "utf-8")
    assert queries_of(path)[0].unit == ""


RULES = """
groups:
  - name: ael
    rules:
      - record: ael:errors:rate5m
        expr: sum by (type) (rate(ael_errors_total[5m]))
      - alert: Failing
        expr: ael:errors:rate5m > 0 and on (type) sum by (type) (ael_errors_total) > 1
      - alert: Named
        expr: sum by (type) (ael_errors_total) > 0
        annotations: {summary: "{{ $labels.type }} in {{ $labels.workflow }}"}
"""


def test_rules_are_read_with_their_messages(registry: Registry, tmp_path: Path) -> None:
    """A recorded series may be used; a label in a message that the alert does not have is found."""
    path = tmp_path / "ael.rules.yml"
    path.write_text(RULES, "utf-8")
    linted = lint_queries(registry, [path])
    assert len(linted.queries) == 5
    assert [str(problem) for problem in linted.problems] == [
        f"{path}: ael: Named: $labels: count by (workflow): nothing in it has the label workflow; there are type"
    ]


def test_tests_of_rules_are_read(registry: Registry, tmp_path: Path) -> None:
    """A rule test that feeds series which are never emitted proves nothing, so it is found."""
    path = tmp_path / "ael.test.yml"
    series = {"series": 'ael_errors_total{kind="x"}', "values": "0 1"}
    path.write_text(
        json.dumps(
            {"tests": [{"name": "t", "input_series": [series], "promql_expr_test": [{"expr": "ael_x"}]}]}
        )
    )
    found = [problem.message for problem in lint_queries(registry, [path]).problems]
    assert "ael_errors_total has no label kind" in found[0]
    assert "metric ael_x is not emitted" in found[1]


def test_documents_and_plain_files_are_read(registry: Registry, tmp_path: Path) -> None:
    """Queries in Markdown fences and in files of their own are found at their line."""
    page = tmp_path / "page.md"
    page.write_text(
        '# Page\n\n```promql\nael_x\n```\n\n```logql\n{service_name="ael"} | y="1"\n```\n', "utf-8"
    )
    plain = tmp_path / "all.promql"
    plain.write_text("# comment\nup\n\nsum(\n  ael_z\n)\n", "utf-8")
    found = [str(problem) for problem in lint_queries(registry, [tmp_path]).problems]
    assert [line.partition(": ")[0] for line in found] == [f"{plain}:4", f"{page}:3", f"{page}:7"]


def test_configuration_is_searched_for_names_of_ours(registry: Registry, tmp_path: Path) -> None:
    """The Collector's statements may use our names; one that does not exist is found, a comment, a path and what a
    statement keeps for itself are not.
    """
    path = tmp_path / "config.yaml"
    path.write_text(
        "# ael.no.such\n"
        'a: set(attributes["ael.workflow.name"], "x")\n'
        'b: delete_key(attributes["ael.workflow.colour"])\n'
        'c: name == "ael.coffee" or name == "ael.errors" or ael_otel/x.yaml or ael_coffee_total\n'
        'd: set(cache["v"]["ael.own.name"], name) where cache["ael.own"] != nil\n'
        'e: set(attributes["ael.own.name"], cache["v"]["ael.own.name"])\n',
        "utf-8",
    )
    found = [problem.message for problem in lint_queries(registry, [path]).problems]
    assert found == [
        "attribute ael.workflow.colour does not exist",
        "attribute ael.own.name does not exist",
        "ael.workflow.colour is in the registry neither as a signal nor as an attribute",
        "ael.coffee is in the registry neither as a signal nor as an attribute",
        "ael.own.name is in the registry neither as a signal nor as an attribute",
        "ael_coffee_total is neither a series nor a label",
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "", "has no queries by its name"),
        ("a.json", "{}", "is not a dashboard"),
        ("a.json", "{", "does not parse"),
        ("a.yaml", "[1]", "is not a mapping"),
        ("a.yaml", "a: [", "does not parse"),
    ],
)
def test_a_file_without_queries_is_an_error(
    name: str, text: str, says: str, registry: Registry, tmp_path: Path
) -> None:
    """A file that cannot hold a query never passes as one whose queries are right."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(SchemaError, match=says):
        lint_queries(registry, [path])


def test_a_path_that_is_not_there_is_an_error(registry: Registry, tmp_path: Path) -> None:
    """A wrong path and an empty folder are errors, not passes."""
    with pytest.raises(SchemaError, match="no such file or folder"):
        lint_queries(registry, [tmp_path / "nowhere"])
    with pytest.raises(SchemaError, match="has no file with queries"):
        lint_queries(registry, [tmp_path])


def test_without_the_parser_it_says_what_to_install(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """promql-parser is a development dependency: without it there is one line, not a traceback."""
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    with pytest.raises(
        SchemaError, match=r"promql-parser: is not installed; install it with `pip install 'ael-otel\[dev\]'`"
    ):
        problems(known, "promql", "up")


def test_foreign_names_are_not_ours() -> None:
    """The table of other programs' metrics cannot hide a name that the registry should declare."""
    assert not [name for name in read_foreign().metrics if name.startswith("ael_")]


def test_labels_of_ours_on_foreign_metrics_exist(registry: Registry) -> None:
    """A label that another program makes of an attribute of ours has the name of one that exists."""
    keys = {prometheus_label(attribute.key) for attribute in registry.attributes}
    used = {label for metric in read_foreign().metrics.values() for label in metric.labels}
    ours = {label for label in used if label.startswith("ael_")}
    assert ours
    assert ours <= keys


def test_boards_know_foreign_metrics_from_the_same_table(registry: Registry) -> None:
    """What a board may write of another program's metric is what the check of its queries knows of it."""
    known = Known(registry)
    assert len(boards.ALL) >= 10
    for metric in boards.ALL:
        part = "_count" if metric.instrument == "histogram" else ""
        assert set(metric.labels) <= known.series[metric.prometheus + part].labels
