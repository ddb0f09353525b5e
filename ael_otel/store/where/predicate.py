"""Evaluate an expression as a predicate, for the memory store and for the calls of runs that a database selected."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, cast

import msgspec

from ael_otel.store.codec import folded
from ael_otel.store.rows import CALL_COLUMNS, Row
from ael_otel.store.where.parsing import parse
from ael_otel.store.where.scope import scoped
from ael_otel.store.where.statement import stored
from ael_otel.store.where.tree import And, Code, Constant, Exists, Key, Not, Or, Part, Term

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


class Run:
    """A stored run, whose document is decoded when a term needs it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self._document: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The record as plain JSON."""
        if self._document is None:
            self._document = msgspec.json.decode(self.row.body)
        return cast("dict[str, Any]", self._document)

    def steps(self) -> list[Any]:
        """Return its steps."""
        return cast("list[Any]", self.document["steps"])

    def calls(self) -> Iterator[Any]:
        """Yield all its calls: its own, then those of its steps."""
        yield from self.document["tool_calls"]
        for step in self.steps():
            yield from step["tool_calls"]


def matches(row: Row, where: str) -> bool:
    """Return whether a run matches the expression."""
    return holds(scoped(parse(where)), Run(row))


def calls_that_match(row: Row, where: str) -> Iterator[bool]:
    """Yield for each call of a run, its own calls first, whether the expression is true if `call.` means that call."""
    part, run = scoped(parse(where), frozenset({"call"})), Run(row)
    for call in run.calls():
        yield holds(part, run, call=call)


def holds(part: Part, run: Run, step: Any = None, call: Any = None) -> bool:
    """Return whether a part is true for this run, step and call; `call` is a document, or a row of columns."""
    if isinstance(part, Term):
        return _term(part, run, step, call)
    if isinstance(part, And):
        return all(holds(each, run, step, call) for each in part.parts)
    if isinstance(part, Or):
        return any(holds(each, run, step, call) for each in part.parts)
    if isinstance(part, Not):
        return not holds(part.part, run, step, call)
    if isinstance(part, Code):
        return part.value in run.row.errors
    if isinstance(part, Constant):
        return part.value
    exists = cast("Exists", part)
    if exists.of == "step":
        return any(holds(exists.part, run, each, call) for each in run.steps())
    calls = run.row.calls if exists.indexed else run.calls()
    return any(holds(exists.part, run, step, each) for each in calls)


def _term(term: Term, run: Run, step: Any, call: Any) -> bool:
    if term.column and term.of == "run":
        return compared(getattr(run.row.head, term.column), term.operator, stored(term))
    if term.column and isinstance(call, tuple):
        value = cast("Sequence[Any]", call)[CALL_COLUMNS.index(term.column)]
        return compared(value, term.operator, stored(term))
    document = {"run": run.document if term.of == "run" else None, "step": step, "call": call}[term.of]
    return compared(value_at(document, term.path), term.operator, term.value)


def value_at(value: Any, path: tuple[Key, ...]) -> Any:
    """Return the value at a path below `value`, or None."""
    for key in path:
        if isinstance(value, dict) and isinstance(key, str):
            value = cast("dict[str, Any]", value).get(key)
        elif isinstance(value, list) and isinstance(key, int):
            items = cast("Sequence[Any]", value)
            value = items[key] if items and key < len(items) else None
        else:
            return None
    return value


def compared(found: Any, operator: str, value: Any) -> bool:
    """Return whether a value compares with the literal of a term as the operator requires."""
    if found is None or value is None:
        return (
            (found is None) == (value is None) if operator == "=" else found is not None and operator == "!="
        )
    alike = _kind(found) == _kind(value)
    if operator == "~":
        return alike and folded(value) in folded(found)
    return _COMPARE[operator](found, value) if alike else operator == "!="


def _kind(value: Any) -> type | None:
    if isinstance(value, bool):
        return bool
    if isinstance(value, (int, float)):
        return float
    return str if isinstance(value, str) else None
