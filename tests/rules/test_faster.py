"""The rules of the live tests differ from the committed ones in spans of time only, each by the same factor."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.faster import FACTOR, faster, faster_expression, faster_routes, faster_rules
from tests.rules.rules import PROMETHEUS, RULES

FILES = sorted(RULES.glob("*.rules.yml"))
ROUTES = [PROMETHEUS / "alertmanager.yml", *sorted((PROMETHEUS / "alertmanager.examples").glob("*.yml"))]
MILLISECONDS = st.integers(1, 10**9)


def load(path: Path) -> dict[str, Any]:
    """A committed file."""
    loaded = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def spans(node: Any) -> Iterator[timedelta]:
    """Every span of time in an expression as Prometheus's grammar has it, which no regular expression found."""
    if isinstance(node, promql_parser.MatrixSelector):
        yield node.range
        yield from spans(node.vector_selector)
    elif isinstance(node, promql_parser.SubqueryExpr):
        yield from (span for span in (node.range, node.step, node.offset) if span is not None)
        yield from spans(node.expr)
    elif isinstance(node, promql_parser.VectorSelector):
        if node.offset is not None:
            yield node.offset
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from spans(node.lhs)
        yield from spans(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from spans(argument)
    elif isinstance(node, promql_parser.AggregateExpr | promql_parser.ParenExpr | promql_parser.UnaryExpr):
        yield from spans(node.expr)
    else:
        assert isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral), type(node)


def without_spans(text: str) -> str:
    """An expression with a mark in place of each of its spans of time."""
    return re.sub(r"(\[|:|offset )(?:\d+(?:ms|[smhdw]))+(?=[]:) \n]|$)", r"\1#", text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_expressions_differ_in_spans_of_time_only(path: Path) -> None:
    """By Prometheus's own grammar each span is the committed one by the factor; the text around them is the same."""
    slow, fast = load(path), faster_rules(load(path))
    found = 0
    for before, after in zip(slow["groups"], fast["groups"], strict=True):
        for old, new in zip(before["rules"], after["rules"], strict=True):
            if re.search(r"^ael:objective:\w+_seconds$", old.get("record", "")):
                assert float(old["expr"][7:-1]) == FACTOR * float(new["expr"][7:-1])
                found += 1
                continue
            were = list(spans(promql_parser.parse(old["expr"])))
            assert were == [FACTOR * span for span in spans(promql_parser.parse(new["expr"]))]
            assert without_spans(old["expr"]) == without_spans(new["expr"])
            found += len(were)
    assert found >= {"ael.rules.yml": 110, "objectives.rules.yml": 2}[path.name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_else_of_a_rule_changes(path: Path) -> None:
    """Names, labels, annotations and order stay; all waits and intervals are the committed ones by the factor."""
    slow, fast = load(path), faster_rules(load(path))

    def times(document: dict[str, Any]) -> Iterator[str]:
        for group in document["groups"]:
            yield group.pop("interval", "")
            for rule in group["rules"]:
                rule.pop("expr")
                yield rule.pop("for", "")
                yield rule.pop("keep_firing_for", "")

    assert [faster(time) if time else "" for time in times(slow)] == list(times(fast))
    assert slow == fast


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.name)
def test_nothing_else_of_a_route_changes(path: Path) -> None:
    """All waits of all routes are divided, their receivers and matchers are the same."""
    slow, fast = load(path)["route"], faster_routes(load(path)["route"])
    (watchdog,) = slow.pop("routes")
    (fast_watchdog,) = fast.pop("routes")
    for old, new, names in (
        (slow, fast, ("group_wait", "group_interval", "repeat_interval")),
        (watchdog, fast_watchdog, ("repeat_interval",)),
    ):
        assert [faster(old.pop(name)) for name in names] == [new.pop(name) for name in names]
        assert not [key for key in old if "interval" in key or "wait" in key]
    assert slow == fast
    assert watchdog == fast_watchdog


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x[5m]", "x[10000ms]"),
        ("x[1d:1h]", "x[2880000ms:120000ms]"),
        ("x[1h:]", "x[120000ms:]"),
        ("x[1h30m] offset 90m", "x[180000ms] offset 180000ms"),
        ("job:x:count1h > 5", "job:x:count1h > 5"),
        ('x{a="[5m] offset 5m"}[5m]', 'x{a="[5m] offset 5m"}[10000ms]'),
        ('x{a=~"[5-9]m"}', 'x{a=~"[5-9]m"}'),
    ],
)
def test_spans_of_time_are_recognised(old: str, new: str) -> None:
    """Windows, steps and offsets; not similar text in a name or in quotes."""
    assert faster_expression(old, 30) == new


@pytest.mark.parametrize("span", ["", "5", "m", "5 m", "1.5h", "31ms"])
def test_span_that_cannot_be_divided_is_refused(span: str) -> None:
    """Nothing is passed on as it was, and nothing is rounded."""
    with pytest.raises(ValueError, match=r"no span of time|cannot be divided"):
        faster(span, 30)


@given(MILLISECONDS, st.integers(1, 1000), st.integers(1, 1000))
def test_factors_multiply(span: int, one: int, other: int) -> None:
    """Twice divided is divided by the product, for any span."""
    whole = f"{span * one * other}ms"
    assert faster(faster(whole, one), other) == faster(whole, one * other) == f"{span}ms"
