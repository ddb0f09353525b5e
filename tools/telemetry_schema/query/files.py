"""The queries in files: Prometheus rules and their tests, dashboards, plain queries, Markdown, other YAML."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.query.grafana import variable_query
from tools.telemetry_schema.query.problem import Language, Query

_SUFFIXES: Mapping[str, Language] = {".promql": "promql", ".logql": "logql", ".traceql": "traceql"}
_SOURCES: Mapping[str, Language] = {"prometheus": "promql", "loki": "logql", "tempo": "traceql"}
_FENCE = re.compile(r"^```(promql|logql|traceql)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
READS = (
    "*.rules.yml, *.test.yml, *.json (dashboards), *.promql, *.logql, *.traceql, *.md, the Collector's *.yaml"
)


def queries_of(path: Path) -> list[Query]:
    """The queries of one file.

    Raises SchemaError for a file that cannot be read, does not parse, or is of no kind with queries.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SchemaError(str(path), "", error.strerror or "cannot be read") from error
    if path.suffix in _SUFFIXES:
        return [Query(_SUFFIXES[path.suffix], each, f"{path}:{number}") for number, each in _plain(text)]
    if path.suffix == ".md":
        return [
            Query(cast("Language", match[1]), match[2], f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
            for match in _FENCE.finditer(text)
        ]
    if path.suffix == ".json":
        return list(_dashboard(path, _parsed(path, text)))
    if path.suffix in (".yml", ".yaml"):
        return list(_yaml(path, _parsed(path, text)))
    raise SchemaError(str(path), "", f"has no queries by its name; these files are read: {READS}")


def recorded_names(paths: Iterable[Path]) -> set[str]:
    """Names of the series that recording rules in these files make."""
    names: set[str] = set()
    for path in paths:
        if path.suffix in (".yml", ".yaml"):
            for _, rule in _rules(_parsed(path, path.read_text("utf-8"))):
                if "record" in rule:
                    names.add(str(rule["record"]))
    return names


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise SchemaError(str(path), "", f"does not parse: {error}") from error


def _plain(text: str) -> Iterator[tuple[int, str]]:
    """Queries of a plain file, with an empty line or a comment between them."""
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip() and not line.lstrip().startswith("#"):
            if not lines:
                start = number
            lines.append(line)
        elif lines:
            yield start, "\n".join(lines)
            lines = []


def _dashboard(path: Path, document: Any) -> Iterator[Query]:
    board = _mapping(_mapping(document).get("dashboard", document))
    if "panels" not in board:
        raise SchemaError(str(path), "", "is not a dashboard: it has no panels")
    for panel in _panels(board["panels"]):
        title = f"{path}: panel {panel.get('title') or panel.get('id')!r}"
        unit = _unit(_mapping(panel.get("fieldConfig")))
        for target in _mappings(panel.get("targets")):
            language = _language(target.get("datasource") or panel.get("datasource"))
            query = target.get("expr") or target.get("query")
            if language is not None and isinstance(query, str) and query:
                yield Query(language, query, f"{title}, query {target.get('refId', '?')}", unit)
    for variable in _mappings(_mapping(board.get("templating")).get("list")):
        if variable.get("type") == "query" and _language(variable.get("datasource")) == "promql":
            query = variable.get("query")
            text = variable_query(str(_mapping(query).get("query") or query))
            if text:
                yield Query("promql", text, f"{path}: variable {variable.get('name')}")
    for annotation in _mappings(_mapping(board.get("annotations")).get("list")):
        language = _language(annotation.get("datasource"))
        if language is not None and isinstance(annotation.get("expr"), str):
            yield Query(language, annotation["expr"], f"{path}: annotation {annotation.get('name')!r}")


def _unit(config: Mapping[str, Any]) -> str:
    """The unit of every field of a panel; none where columns have units of their own."""
    overrides = [
        each
        for override in _mappings(config.get("overrides"))
        for each in _mappings(override.get("properties"))
    ]
    if any(each.get("id") == "unit" for each in overrides):
        return ""
    return str(_mapping(config.get("defaults")).get("unit") or "")


def _panels(panels: Any) -> Iterator[dict[str, Any]]:
    for panel in _mappings(panels):
        yield panel
        yield from _panels(panel.get("panels"))


def _language(datasource: Any) -> Language | None:
    kind = _mapping(datasource).get("type") or datasource
    return _SOURCES.get(str(kind))


def _yaml(path: Path, document: Any) -> Iterator[Query]:
    content = _mapping(document)
    if not content:
        raise SchemaError(str(path), "", "is not a mapping")
    for group, rule in _rules(content):
        name = rule.get("alert") or rule.get("record")
        expression = str(rule.get("expr", ""))
        yield Query("promql", expression, f"{path}: {group}: {name}")
        for text in _mapping(rule.get("annotations")).values():
            for label in re.findall(r"\$labels\.(\w+)", str(text)):
                # A label that the alert's expression does not have is an empty text in the message.
                where = f"{path}: {group}: {name}: $labels"
                yield Query("promql", f"count by ({label}) ({expression})", where)
    for test in _mappings(content.get("tests")):
        name = test.get("name") or "test"
        for series in _mappings(test.get("input_series")):
            yield Query("promql", str(series.get("series", "")), f"{path}: {name}: input_series")
        for case in _mappings(test.get("promql_expr_test")):
            yield Query("promql", str(case.get("expr", "")), f"{path}: {name}: promql_expr_test")


def _rules(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in _mappings(_mapping(document).get("groups")):
        for rule in _mappings(group.get("rules")):
            yield str(group.get("name", "")), rule


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [_mapping(entry) for entry in entries]
