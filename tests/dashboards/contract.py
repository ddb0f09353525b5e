"""Every name that a board uses, compared with those that are emitted."""

import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser as promql

from ael_otel._generated import events, spans
from ael_otel._generated.events import LOG_EXTRA_FIELDS, LOG_FIELDS
from dashboards.src.queries import loki_name
from tests.dashboards.boards import Json, data_panels, linked_queries, name_of, queries, variable_queries
from tests.dashboards.promql import known_series, parse, selectors, walk

ROOT = Path(__file__).resolve().parents[2]

# Loki's stream labels, from loki/loki.yaml.
STREAM_LABELS = {"service_name", "service_namespace", "deployment_environment_name"}
# What Grafana's Loki data source calls time, in either form of its answer.
TIME_FIELDS = {"Time", "timestamp"}


LINE_FIELDS = {loki_name(field) for field in (*LOG_FIELDS, *LOG_EXTRA_FIELDS)}
FIELDS = LINE_FIELDS | {loki_name(field) for event in events.ALL for field in event.attributes}
EVENTS = {event.name for event in events.ALL}
SPANS = {span.name for span in spans.ALL}
ATTRIBUTES = {key for span in spans.ALL for key in span.attributes}

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABEL = re.compile(r"(?<![\w.])([\w.]+)\s*(?:=~|!~|!=|>=|<=|=|>|<)")


def unknown_in_promql(text: str) -> Iterator[str]:
    """Metrics, matchers, label values and grouping labels of a PromQL query that nobody emits."""
    try:
        tree = parse(text)
    except ValueError as error:
        yield f"does not parse: {error}"
        return
    known = known_series()
    for found in selectors(tree):
        assert isinstance(found.node, promql.VectorSelector)
        name = found.node.name or ""
        if name not in known:
            yield f"metric {name!r}"
            continue
        for matcher in found.node.matchers.matchers:
            if matcher.name not in known[name].labels:
                yield f"label {matcher.name!r} of {name}"
            elif (closed := known[name].values.get(matcher.name)) and "chosen" not in matcher.value:
                yield from (
                    f"{matcher.name}={it!r} of {name}" for it in matcher.value.split("|") if it not in closed
                )
    for found in walk(tree):
        labels: list[str] = []
        if isinstance(found.node, promql.AggregateExpr) and found.node.modifier:
            labels = found.node.modifier.labels
        if isinstance(found.node, promql.BinaryExpr) and found.node.modifier and found.node.modifier.matching:
            labels = found.node.modifier.matching.labels
        if labels:
            yield from (
                f"grouping by {label!r}" for label in labels if label not in _labels_below(found.node)
            )


def unknown_in_logql(text: str) -> Iterator[str]:
    """Stream labels, fields and events of a LogQL query that nobody emits."""
    selector = re.match(r"\s*\{([^}]*)\}", text)
    if selector is None:
        yield "no stream selector"
        return
    yield from (
        f"stream label {label!r}" for label in _LABEL.findall(selector[1]) if label not in STREAM_LABELS
    )
    after = text[selector.end() :]
    yield from (
        f"field {it!r}" for it in _LABEL.findall(_TEXT.sub('""', after)) if it not in FIELDS | STREAM_LABELS
    )
    yield from (
        f"event {it!r}" for it in re.findall(r'\bevent_name\s*=\s*"([^"]*)"', after) if it not in EVENTS
    )


def unknown_in_traceql(text: str) -> Iterator[str]:
    """Attributes and span names of a TraceQL query that nobody emits; a trace id, which is one too, has none."""
    used = re.findall(r"\b(?:span|event)\.([\w.]+)", _TEXT.sub('""', text))
    yield from (f"attribute {it!r}" for it in used if it not in ATTRIBUTES)
    yield from (
        f"span {it!r}" for it in re.findall(r'(?<![\w.])name\s*=\s*"([^"]*)"', text) if it not in SPANS
    )


def unknown_in_variable(text: str) -> Iterator[str]:
    """The metric and label of a `label_values` query that nobody emits."""
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", text)
    if found is None:
        yield f"not label_values(metric, label): {text}"
    elif found[1] not in known_series():
        yield f"metric {found[1]!r}"
    elif found[2] not in known_series()[found[1]].labels:
        yield f"label {found[2]!r} of {found[1]}"


def unknown_columns(board: Json) -> Iterator[str]:
    """Columns of a table that stay empty: fields that no log line has, labels that no query of the table keeps."""
    for panel in data_panels(board):
        organize = next((step for step in panel.get("transformations", []) if step["id"] == "organize"), None)
        if organize is None:
            continue
        columns = [name for name in organize["options"]["renameByName"] if not name.startswith("Value")]
        kept = LINE_FIELDS | TIME_FIELDS
        if panel["datasource"]["type"] == "prometheus":
            kept = {label for target in panel["targets"] for label in grouping(parse(target["expr"]))}
        yield from (f"{name_of(panel)}: column {name!r}" for name in columns if name not in kept)


def grouping(tree: promql.Expr) -> set[str]:
    """The labels that the aggregations of a query keep."""
    nodes = [found.node for found in walk(tree)]
    kept = [node.modifier for node in nodes if isinstance(node, promql.AggregateExpr) and node.modifier]
    return {label for modifier in kept for label in modifier.labels}


def unknown_in(board: Json) -> Iterator[str]:
    """Everything on a board that nobody emits, with its place."""
    checks = (
        (queries(board, "prometheus"), unknown_in_promql),
        (queries(board, "loki"), unknown_in_logql),
        (queries(board, "tempo"), unknown_in_traceql),
        (linked_queries(board, "prometheus"), unknown_in_promql),
        (linked_queries(board, "loki"), unknown_in_logql),
        (linked_queries(board, "tempo"), unknown_in_traceql),
        (variable_queries(board), unknown_in_variable),
    )
    for places, check in checks:
        for place, text in places:
            yield from (f"{place}: {problem}" for problem in check(text))
    yield from unknown_columns(board)


def _labels_below(node: promql.Expr) -> set[str]:
    """The labels that series below a node can have: their own, and those that label_replace gives them."""
    labels: set[str] = set()
    for found in walk(node):
        if isinstance(found.node, promql.VectorSelector) and found.node.name in known_series():
            labels |= known_series()[found.node.name].labels
        if isinstance(found.node, promql.Call) and found.node.func.name == "label_replace":
            target = found.node.args[1]
            if isinstance(target, promql.StringLiteral):
                labels.add(target.val)
    return labels
