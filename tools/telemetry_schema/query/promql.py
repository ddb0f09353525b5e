"""Check PromQL against the registry: metric names, matchers and their values, grouping, matching, units."""

from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.query.grafana import PLACEHOLDER, candidates
from tools.telemetry_schema.query.known import Known, Series, wrong_values

# Functions that treat a fall as a restart of the counter: for values that may fall, their result is wrong.
_OF_COUNTERS = ("rate", "irate", "increase")
_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}

type Labels = frozenset[str] | None
"""Labels that a result may have; None if unknown."""


def parser() -> Any:
    """Return the module promql_parser; raise SchemaError with the command to install it."""
    try:
        return import_module("promql_parser")
    except ImportError as error:
        raise SchemaError(
            "lint-queries", "promql-parser", "is not installed; install it with `pip install 'ael-otel[dev]'`"
        ) from error


def parse(text: str) -> Any:
    """The tree of a query, Grafana's variables replaced; raises ValueError if it is not PromQL."""
    parse_one = parser().parse
    first: ValueError | None = None
    for candidate in candidates(text):
        try:
            return parse_one(candidate)
        except ValueError as error:
            first = first or error
    raise first or ValueError("no query")


def check_promql(tree: Any, known: Known) -> list[str]:
    """Return the problems of the names and values that a parsed query uses."""
    checker = _Checker(known)
    checker.labels(tree)
    return list(dict.fromkeys(checker.problems))


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a tree."""
    if type(node).__name__ == "VectorSelector":
        yield node
    for part in _parts(node, every_argument=True):
        yield from selectors(part)


def _parts(node: Any, *, every_argument: bool) -> list[Any]:
    """The nodes right below a node; the arguments of a function only on request."""
    match type(node).__name__:
        case "MatrixSelector":
            return [node.vector_selector]
        case "Call":
            return list(node.args) if every_argument else []
        case "BinaryExpr":
            return [node.lhs, node.rhs]
        case "AggregateExpr" | "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
            return [node.expr]
        case _:
            return []


class _Checker:
    """Traverses a tree from its leaves; each node returns the labels that its result may have."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.problems: list[str] = []

    def labels(self, node: Any) -> Labels:
        match type(node).__name__:
            case "VectorSelector":
                return self._selector(node)
            case "MatrixSelector":
                return self._selector(node.vector_selector)
            case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
                return self.labels(node.expr)
            case "Call":
                return self._call(node)
            case "AggregateExpr":
                return self._aggregate(node)
            case "BinaryExpr":
                return self._binary(node)
            case _:
                return frozenset()

    def _selector(self, node: Any) -> Labels:
        name: str | None = node.name
        matchers = [*node.matchers.matchers, *(one for group in node.matchers.or_matchers for one in group)]
        if name is None:
            names = [
                one.value for one in matchers if one.name == "__name__" and str(one.op).endswith(".Equal")
            ]
            if not names:
                return None
            name = str(names[0])
        if name == PLACEHOLDER:
            return None
        series = self._known.series.get(name)
        if series is None:
            self.problems.append(self._unknown_metric(name))
            return None
        if series.open:
            return None
        for one in matchers:
            self._matcher(name, series, one)
        return series.labels

    def _unknown_metric(self, name: str) -> str:
        known = self._known.series
        if any(f"{name}{suffix}" in known for suffix in ("_bucket", "_total")):
            wanted = "_total" if f"{name}_total" in known else "_bucket, _sum or _count"
            return f"{name} has no series of that name; add {wanted}"
        near = get_close_matches(name, known, n=1)
        hint = (
            f"; did you mean {near[0]}?"
            if near
            else "; declare it in ael_otel/registry or tools/telemetry_schema/query/foreign.yaml"
        )
        return f"metric {name} is not emitted{hint}"

    def _matcher(self, name: str, series: Series, one: Any) -> None:
        label, operator = str(one.name), _OPERATORS.get(str(one.op).rpartition(".")[2], "=")
        if label == "__name__":
            return
        if label not in series.labels:
            self.problems.append(f"{name} has no label {label}; it has {_listed(series.labels)}")
            return
        allowed = series.values.get(label)
        if allowed is not None:
            self.problems += [
                f"{name} has no {label} {value!r}; the closed set is {', '.join(allowed)}"
                for value in wrong_values(operator, str(one.value), allowed)
            ]

    def _call(self, node: Any) -> Labels:
        name = str(node.func.name)
        found = [self.labels(argument) for argument in node.args]
        if name in _OF_COUNTERS:
            self._counters_only(name, node.args[0])
        texts = [str(argument.val) for argument in node.args if type(argument).__name__ == "StringLiteral"]
        if name in ("label_replace", "label_join"):
            source = texts[2:3] if name == "label_replace" else texts[2:]
            base = found[0]
            if base is not None:
                self._all_there(name, [label for label in source if label], base)
                return base | {texts[0]}
            return None
        if name == "absent":
            made = [one.name for selector in selectors(node) for one in selector.matchers.matchers]
            return frozenset(map(str, made))
        if name == "histogram_quantile" and found[-1] is not None and "le" not in found[-1]:
            self.problems.append(
                "histogram_quantile needs the label le; take the _bucket series and keep le in by ()"
            )
        known = [labels for labels in found if labels is not None]
        if len(known) < len(found):
            return None
        return frozenset[str]().union(*known)

    def _counters_only(self, function: str, node: Any) -> None:
        series = self._known.series.get(str(getattr(node, "name", "")))
        if series is not None and series.instrument not in ("", "counter"):
            kind = "a gauge" if series.instrument == "gauge" else "an updowncounter"
            self.problems.append(
                f"{function}() of {node.name}, {kind}: it treats every fall as a restart; "
                "use delta(), deriv(), avg_over_time() or max_over_time()"
            )
        for part in _parts(node, every_argument=False):
            self._counters_only(function, part)

    def _aggregate(self, node: Any) -> Labels:
        inner = self.labels(node.expr)
        modifier = node.modifier
        op = str(node.op)
        if modifier is None:
            # These keep the series they choose from.
            kept = inner if op in ("topk", "bottomk", "limitk", "limit_ratio") else frozenset[str]()
        else:
            named = [label for label in map(str, modifier.labels) if label != PLACEHOLDER]
            if inner is not None:
                self._all_there(f"{op} {'by' if _includes(modifier) else 'without'}", named, inner)
            if op in ("topk", "bottomk", "limitk", "limit_ratio"):
                kept = inner
            elif _includes(modifier):
                kept = None if PLACEHOLDER in map(str, modifier.labels) else frozenset(named)
            else:
                kept = None if inner is None else inner - set(named)
        if op == "count_values" and kept is not None:
            return kept | {str(node.param.val)}
        return kept

    def _binary(self, node: Any) -> Labels:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        modifier = node.modifier
        matching = None if modifier is None else modifier.matching
        if matching is not None and left is not None and right is not None:
            word = "on" if str(matching.type).endswith(".Include") else "ignoring"
            self._all_there(word, list(map(str, matching.labels)), left | right)
        if left is None or right is None:
            return None
        return left | right

    def _all_there(self, where: str, wanted: list[str], labels: frozenset[str]) -> None:
        self.problems += [
            f"{where} ({label}): nothing in it has the label {label}; there are {_listed(labels)}"
            for label in wanted
            if label not in labels
        ]


def _includes(modifier: Any) -> bool:
    return str(modifier.type).endswith(".By")


def _listed(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "none"
