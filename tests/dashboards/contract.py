"""Every name that a board uses, compared with the emitted ones.

Queries are checked as `make schema` checks them, here also those that links carry; what only a board has,
its columns and the boards that its links open, is checked here.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import promql_parser as promql

from ael_otel._generated import events, spans
from ael_otel._generated.events import LOG_EXTRA_FIELDS, LOG_FIELDS
from dashboards.src.panels_traces import TRACE_ID
from dashboards.src.queries import loki_name
from tests.dashboards.boards import (
    Json,
    board_of,
    data_links,
    data_panels,
    linked_queries,
    name_of,
    queries,
    text_of,
    variable_queries,
)
from tests.dashboards.promql import parse, walk
from tools.telemetry_schema.project import load_registry
from tools.telemetry_schema.query.grafana import variable_query
from tools.telemetry_schema.query.known import Known
from tools.telemetry_schema.query.lint import check_query
from tools.telemetry_schema.query.problem import Language, Query

ROOT = Path(__file__).resolve().parents[2]

# Loki's stream labels, from loki/loki.yaml.
STREAM_LABELS = {"service_name", "service_namespace", "deployment_environment_name"}
# What Grafana's Loki data source calls time, in either form of its answer, and a number.
LOKI_FIELDS = {"Time", "timestamp", "Value #A", "Value"}
# What Grafana's Tempo data source calls the columns of a table of spans.
TEMPO_FIELDS = {"Start time", "Duration", TRACE_ID}

LINE_FIELDS = {loki_name(field) for field in (*LOG_FIELDS, *LOG_EXTRA_FIELDS)} | {
    loki_name(field) for event in events.ALL for field in event.attributes
}
ATTRIBUTES = {key for span in spans.ALL for key in span.attributes}

LANGUAGES: Final[dict[str, Language]] = {"prometheus": "promql", "loki": "logql", "tempo": "traceql"}

_LABEL = re.compile(r"(?<![\w.])([\w.]+)\s*(?:=~|!~|!=|=)")


@cache
def known() -> Known:
    """Names in the registry and in the table of other programs' metrics."""
    return Known(load_registry(ROOT))


def unknown(language: Language, text: str) -> Iterator[str]:
    """Return the names in a query that are not emitted; a trace's id has none."""
    yield from check_query(Query(language, text, ""), known())
    if language == "logql":
        selected = re.findall(r"\{([^}]*)\}", text)
        if not selected:
            yield "no stream selector"
        for selector in selected:
            yield from (
                f"stream label {label!r}" for label in _LABEL.findall(selector) if label not in STREAM_LABELS
            )


def unknown_columns(board: Json) -> Iterator[str]:
    """Columns of a table that stay empty: what no line and no span has, labels that no query of the table keeps."""
    for panel in data_panels(board):
        organize = next((step for step in panel.get("transformations", []) if step["id"] == "organize"), None)
        if organize is None:
            continue
        columns = [name for name in organize["options"]["renameByName"] if not re.match(r"Value( #|$)", name)]
        match panel["datasource"]["type"]:
            case "prometheus":
                kept = {label for target in panel["targets"] for label in grouping(parse(target["expr"]))}
            case "loki":
                kept = LINE_FIELDS | LOKI_FIELDS
            case _:
                selected = {
                    key.removeprefix("span.")
                    for target in panel["targets"]
                    for found in re.findall(r"select\(([^)]*)\)", text_of(target))
                    for key in found.split(", ")
                }
                kept = (selected & ATTRIBUTES) | TEMPO_FIELDS
        yield from (f"{name_of(panel)}: column {name!r}" for name in columns if name not in kept)


def unknown_targets(board: Json, boards: dict[str, Json]) -> Iterator[str]:
    """Links to a board that does not exist, or with a variable that it does not have."""
    for panel in data_panels(board):
        for link in data_links(panel):
            opened = board_of(link)
            if opened is None:
                continue
            uid, variables = opened
            if uid not in boards:
                yield f"{name_of(panel)} link {link['title']!r}: board {uid!r}"
                continue
            there = {variable["name"] for variable in boards[uid]["templating"]["list"]}
            yield from (
                f"{name_of(panel)} link {link['title']!r}: variable {name!r} of {uid}"
                for name in variables
                if name not in there
            )


def grouping(tree: promql.Expr) -> set[str]:
    """The labels that the aggregations of a query keep."""
    nodes = [found.node for found in walk(tree)]
    kept = [node.modifier for node in nodes if isinstance(node, promql.AggregateExpr) and node.modifier]
    return {label for modifier in kept for label in modifier.labels}


def asked(board: Json) -> Iterator[tuple[str, Language, str]]:
    """Every query of a board: where it stands, its language, its text."""
    for kind, language in LANGUAGES.items():
        for place, text in (*queries(board, kind), *linked_queries(board, kind)):
            yield place, language, text
    for place, text in variable_queries(board):
        yield place, "promql", variable_query(text)


def unknown_in(board: Json, boards: dict[str, Json]) -> Iterator[str]:
    """Return every name on a board that is not emitted, with its place."""
    for place, language, text in asked(board):
        if not text:
            yield f"{place}: no query"
        yield from (f"{place}: {problem}" for problem in unknown(language, text))
    yield from unknown_columns(board)
    yield from unknown_targets(board, boards)
