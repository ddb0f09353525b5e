"""Compare the unit of a PromQL query's result, as far as the registry determines it, with its panel's unit."""

import re
from typing import Any, NamedTuple

from tools.telemetry_schema.query.known import Known


class Unit(NamedTuple):
    """`s`, `By`, `count` or `ratio`, per second or not; `inside` is the unit of a histogram's observations."""

    what: str
    rate: bool = False
    inside: str = ""


# Grafana's units by what they can show.
_SHOWS: dict[str, frozenset[str]] = {
    "s": frozenset({"s", "dtdurations", "clocks", "short", "none", "", "string"}),
    "By": frozenset({"bytes", "decbytes", "short", "none", "", "string"}),
    "ratio": frozenset({"percentunit", "short", "none", "", "string"}),
}
_OF_A_KIND = re.compile(
    r"ns|µs|ms|s|m|h|d|dtdurations|dtdurationms|clockms|clocks|bytes|decbytes|kbytes|"
    r"mbytes|percent|percentunit"
)
_KEEPS = re.compile(
    r"increase|delta|idelta|abs|ceil|floor|round|clamp|clamp_min|clamp_max|sort|"
    r"sort_desc|label_replace|label_join|last_over_time|max_over_time|min_over_time|"
    r"avg_over_time|sum_over_time|quantile_over_time"
)
_RATES = {"rate", "irate", "deriv"}
_AGGREGATES = {"sum", "avg", "min", "max", "topk", "bottomk", "quantile"}


def shown_wrong(tree: Any, known: Known, shown: str) -> str:
    """Return the problem of a panel's unit; empty if there is none, or the query's unit is unknown."""
    unit = unit_of(tree, known)
    if unit is None or not shown:
        return ""
    if unit.rate and unit.what != "count":
        return ""
    if unit.what in _SHOWS:
        fits = shown in _SHOWS[unit.what]
        better = sorted(_SHOWS[unit.what] - {"", "none", "short", "string"})
    else:
        fits, better = not _OF_A_KIND.fullmatch(shown), ["locale"]
    return (
        ""
        if fits
        else f"the result is in {unit.what}, which unit {shown} does not show; set {' or '.join(better)}"
    )


def unit_of(node: Any, known: Known) -> Unit | None:
    """The unit of a query's result; None when it does not follow from the names."""
    match type(node).__name__:
        case "VectorSelector":
            return _series(node, known)
        case "MatrixSelector":
            return _series(node.vector_selector, known)
        case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
            return unit_of(node.expr, known)
        case "Call":
            return _call(node, known)
        case "AggregateExpr":
            op = str(node.op)
            return unit_of(node.expr, known) if op in _AGGREGATES else Unit("count")
        case "BinaryExpr":
            return _binary(node, known)
        case _:
            return None


def _series(node: Any, known: Known) -> Unit | None:
    series = known.series.get(str(node.name))
    if series is None or series.metric is None:
        return None
    unit = series.metric.unit
    if series.part in ("_bucket", "_count"):
        return Unit("count", inside=unit)
    return Unit("ratio" if unit == "1" else "count" if unit.startswith("{") else unit)


def _call(node: Any, known: Known) -> Unit | None:
    name, arguments = str(node.func.name), list(node.args)
    if name in ("time", "timestamp"):
        return Unit("s")
    if name == "histogram_quantile":
        inner = unit_of(arguments[1], known)
        return None if inner is None or not inner.inside else Unit(inner.inside)
    if _KEEPS.fullmatch(name):
        return unit_of(arguments[1 if name == "quantile_over_time" else 0], known)
    if name in _RATES:
        inner = unit_of(arguments[0], known)
        return None if inner is None else inner._replace(rate=True)
    return None


def _binary(node: Any, known: Known) -> Unit | None:
    left, right = unit_of(node.lhs, known), unit_of(node.rhs, known)
    match str(node.op):
        case "/":
            if left is None or right is None:
                return None
            if left._replace(inside="") == right._replace(inside=""):
                return Unit("ratio")
            return Unit(left.what) if right.what == "count" and left.rate == right.rate else None
        case "*" | "%" | "^":
            # 0 * x keeps the unit, and is how a query fills gaps; any other factor is a conversion.
            zero = any(
                type(side).__name__ == "NumberLiteral" and side.val == 0 for side in (node.lhs, node.rhs)
            )
            return (left or right) if zero else None
        case "+" | "-" | "or":
            return left or right
        case _:
            return left
