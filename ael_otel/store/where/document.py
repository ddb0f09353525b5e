"""Evaluate conditions on steps and calls in a function that SQLite calls with the document of each run.

SQLite's JSON functions serialise and parse each step and call again for each term, which takes 5 s for the calls of
100,000 runs. Here a document is decoded once, and only the parts that the terms need.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, cast

import msgspec

from ael_otel.store.codec import folded
from ael_otel.store.where.parsing import parse
from ael_otel.store.where.predicate import compared, value_at
from ael_otel.store.where.scope import document_parts, scoped, terms_and_choices
from ael_otel.store.where.tree import And, Constant, Exists, Key, Not, Or, Part, Term

type _Test = Callable[[Any, Any, Any], bool]
"""The documents of a run, a step and a call."""

_DAMAGED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def matches(body: bytes, expression: str) -> bool:
    """Return whether the document satisfies the parts of an expression that need it; False for a damaged one."""
    decode, test = _compiled(expression)
    try:
        return test(decode(body), None, None)
    except _DAMAGED:
        return False


@lru_cache(maxsize=64)
def _compiled(expression: str) -> tuple[Callable[[Any], Any], _Test]:
    part = And(document_parts(scoped(parse(expression))))
    return msgspec.json.Decoder(_shape(part)).decode, _test(part)


def _shape(part: Part) -> type[msgspec.Struct]:
    """Return the type of a document that contains only what the terms need; the rest is skipped."""
    keys: dict[str, dict[str, None]] = {"run": {}, "step": {}, "call": {}}
    for term in terms_and_choices(part):
        if isinstance(term, Term):
            first, *more = term.path
            if first == "tool_calls":
                keys["call"][str(more[1])] = None
            else:
                keys[term.of][str(first)] = None
    call = msgspec.defstruct("Call", _fields(keys["call"]))
    calls = _list_of("tool_calls", call)
    step = msgspec.defstruct("Step", [*_fields(keys["step"]), calls])
    return msgspec.defstruct("Run", [*_fields(keys["run"]), calls, _list_of("steps", step)])


def _fields(names: Iterable[str]) -> list[tuple[str, Any, Any]]:
    return [(name, Any, None) for name in names]


def _list_of(name: str, items: type[msgspec.Struct]) -> tuple[str, Any, Any]:
    return name, list.__class_getitem__(items), msgspec.field(default_factory=list[Any])


def _test(part: Part) -> _Test:
    if isinstance(part, Term):
        return _term(part)
    if isinstance(part, (And, Or)):
        return _joined([_test(each) for each in sorted(part.parts, key=_is_dear)], ends=isinstance(part, Or))
    if isinstance(part, Not):
        inner = _test(part.part)
        return lambda run, step, call: not inner(run, step, call)
    if isinstance(part, Constant):
        value = part.value
        return lambda _run, _step, _call: value
    exists = cast("Exists", part)
    inner = _test(exists.part)
    if exists.of == "step":
        return lambda run, _, call: any(inner(run, each, call) for each in run.steps)

    def some_call(run: Any, step: Any, _: Any) -> bool:
        if any(inner(run, step, each) for each in run.tool_calls):
            return True
        return any(inner(run, step, each) for one in run.steps for each in one.tool_calls)

    return some_call


def _is_dear(part: Part) -> bool:
    return not isinstance(part, Term) or part.operator == "~"


def _joined(tests: list[_Test], *, ends: bool) -> _Test:
    """Return `or` if `ends` is true (a true test ends it), else `and`."""
    if len(tests) == 1:
        return tests[0]

    def whole(run: Any, step: Any, call: Any) -> bool:
        for test in tests:
            if test(run, step, call) is ends:
                return ends
        return not ends

    return whole


def _of_call(position: int, name: str) -> Callable[[Any], Any]:
    get = attrgetter(name)
    return lambda step: get(step.tool_calls[position]) if step.tool_calls else None


def _term(term: Term) -> _Test:
    get: Callable[[Any], Any]
    first, *rest = term.path
    of, operator, value = ("run", "step", "call").index(term.of), term.operator, term.value
    absent = compared(None, operator, value)
    if first == "tool_calls":
        last, key, *rest = rest
        get = _of_call(cast("int", last), str(key))
    else:
        get = attrgetter(str(first))
    path = tuple[Key, ...](rest)
    if operator == "~":
        wanted = folded(cast("str", value))

        def contains(*chosen: Any) -> bool:
            found = get(chosen[of])
            if path and found is not None:
                found = value_at(found, path)
            return isinstance(found, str) and wanted in folded(found)

        return contains

    def test(*chosen: Any) -> bool:
        found = get(chosen[of])
        if path and found is not None:
            found = value_at(found, path)
        return absent if found is None else compared(found, operator, value)

    return test
