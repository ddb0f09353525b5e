"""PromQL as a tree, with Grafana's variables replaced by values that parse."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from types import MappingProxyType

import promql_parser as promql

from ael_otel._generated import metrics
from dashboards.src import foreign

# Each macro becomes a duration of its own, so that the tree still tells which one it was.
MACROS: Mapping[str, str] = MappingProxyType(
    {"$__rate_interval": "101s", "$__interval": "103s", "$__range": "107s"}
)
DURATIONS = {timedelta(seconds=int(value[:-1])): macro for macro, value in MACROS.items()}
_VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")


@dataclass(frozen=True)
class Known:
    """A series name: its labels, whether it only ever grows, and the closed sets of its label values."""

    labels: frozenset[str]
    counter: bool
    values: Mapping[str, tuple[str, ...]]


@cache
def known_series() -> Mapping[str, Known]:
    """Every series that a board may use: those of the registry, and the few of other programs."""
    series: dict[str, Known] = {}
    for spec in metrics.ALL:
        labels = frozenset(spec.labels)
        if spec.instrument == "histogram":
            series[f"{spec.prometheus}_bucket"] = Known(
                labels | {"le"}, counter=True, values=spec.label_values
            )
            for part in ("sum", "count"):
                series[f"{spec.prometheus}_{part}"] = Known(labels, counter=True, values=spec.label_values)
        else:
            counter = spec.instrument == "counter"
            series[spec.prometheus] = Known(labels, counter=counter, values=spec.label_values)
    for metric in foreign.ALL:
        labels = frozenset(metric.labels)
        if metric.instrument == "histogram":
            series[f"{metric.prometheus}_bucket"] = Known(labels | {"le"}, counter=True, values={})
            for part in ("sum", "count"):
                series[f"{metric.prometheus}_{part}"] = Known(labels, counter=True, values={})
        else:
            series[metric.prometheus] = Known(labels, counter=metric.instrument == "counter", values={})
    return series


def variables_in(text: str) -> set[str]:
    """Names of the variables in a text, Grafana's own (`__range`) included."""
    return {braced or bare for braced, bare in _VARIABLE.findall(text)}


def parse(text: str) -> promql.Expr:
    """The tree of a query; raises ValueError with the parser's words."""
    for macro, value in MACROS.items():
        text = text.replace(f"${{{macro[1:]}}}", value).replace(macro, value)
    return promql.parse(_VARIABLE.sub("chosen", text))


@dataclass(frozen=True)
class Found:
    """A node of the tree and the functions, operators and aggregations around it, the innermost last."""

    node: promql.Expr
    around: tuple[promql.Expr, ...]

    @property
    def function(self) -> str:
        """The function that this node is an argument of, or an empty string."""
        parents = [
            node for node in self.around if not isinstance(node, promql.ParenExpr | promql.MatrixSelector)
        ]
        parent = parents[-1] if parents else None
        return parent.func.name if isinstance(parent, promql.Call) else ""


def walk(node: promql.Expr, around: tuple[promql.Expr, ...] = ()) -> Iterator[Found]:
    """Every node below and including `node`."""
    yield Found(node, around)
    inside = (*around, node)
    match node:
        case promql.Call():
            children = list(node.args)
        case promql.BinaryExpr():
            children = [node.lhs, node.rhs]
        case promql.AggregateExpr():
            children = [child for child in (node.param, node.expr) if isinstance(child, promql.Expr)]
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            children = [node.expr]
        case promql.MatrixSelector():
            children = [node.vector_selector]
        case _:
            children = []
    for child in children:
        yield from walk(child, inside)


def selectors(node: promql.Expr) -> list[Found]:
    """Every selector of series below `node`."""
    return [found for found in walk(node) if isinstance(found.node, promql.VectorSelector)]


def written(selector: promql.Expr) -> str:
    """A selector without its offset, to tell whether two select the same series."""
    return re.sub(r"\s+offset\s+\S+$", "", selector.prettify())
