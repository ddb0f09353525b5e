"""Check every query in some files against the registry."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import Metric, Registry
from tools.telemetry_schema.query.config import check_config
from tools.telemetry_schema.query.files import queries_of, recorded_names
from tools.telemetry_schema.query.known import Known
from tools.telemetry_schema.query.logql import check_logql
from tools.telemetry_schema.query.problem import Problem, Query
from tools.telemetry_schema.query.promql import check_promql, parse, selectors
from tools.telemetry_schema.query.traceql import check_traceql
from tools.telemetry_schema.query.units import shown_wrong

# In a folder only files with queries are read, not build scripts and the like.
_IN_FOLDERS = ("*.rules.yml", "*.test.yml", "*.json", "*.promql", "*.logql", "*.traceql", "*.md")


class Linted(NamedTuple):
    """The checked queries, their problems, and the metrics without a query."""

    files: int
    queries: tuple[Query, ...]
    problems: tuple[Problem, ...]
    unused: tuple[str, ...]

    @property
    def forgotten(self) -> list[str]:
        """Return the remedy for each metric without a query."""
        return [
            f"metrics: {name}: no query asks for it; show it on a panel in dashboards/src, then `make generate`"
            for name in self.unused
        ]


def lint_queries(registry: Registry, paths: Sequence[Path]) -> Linted:
    """Check the queries of files, and of the files below folders.

    Raises SchemaError for a path that does not exist or has nothing to check.
    """
    files = [file for path in paths for file in _files(path)]
    known = Known(registry, recorded_names(files))
    queries: list[Query] = []
    problems: list[Problem] = []
    for file in files:
        found = queries_of(file)
        queries += found
        for query in found:
            problems += [Problem(query.where, message) for message in check_query(query, known)]
        if file.suffix in (".yml", ".yaml") and not found:
            problems += [
                Problem(str(file), message) for message in check_config(file.read_text("utf-8"), known)
            ]
    used = {name for query in queries if query.language == "promql" for name in _metrics_in(query.text)}
    unused = (metric.name for metric in registry.metrics if not any(map(metric_series(metric), used)))
    return Linted(len(files), tuple(queries), tuple(dict.fromkeys(problems)), tuple(unused))


def metric_series(metric: Metric) -> Callable[[str], bool]:
    """Return whether a series belongs to the metric."""
    names = {metric.prometheus, *(metric.prometheus + part for part in ("_bucket", "_sum", "_count"))}
    return names.__contains__


def _metrics_in(text: str) -> Iterator[str]:
    try:
        yield from (str(selector.name) for selector in selectors(parse(text)))
    except ValueError:
        return


def check_query(query: Query, known: Known) -> list[str]:
    """Return the problems of one query."""
    match query.language:
        case "logql":
            return check_logql(query.text, known)
        case "traceql":
            return check_traceql(query.text, known)
        case _:
            try:
                tree = parse(query.text)
            except ValueError as error:
                return [f"is not PromQL: {error}"]
            shown = shown_wrong(tree, known, query.unit)
            return check_promql(tree, known) + ([shown] if shown else [])


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise SchemaError(str(path), "", "no such file or folder")
    found = sorted({file for pattern in _IN_FOLDERS for file in path.rglob(pattern)})
    if not found:
        raise SchemaError(str(path), "", f"has no file with queries: {', '.join(_IN_FOLDERS)}")
    yield from found
