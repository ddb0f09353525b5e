"""Decide which terms refer to the same step or call.

A run matches if there is one step (or none) and one call (or none) for which the whole expression is true; `has (...)`
and `not (...)` choose their own. `scoped` writes these choices into the expression, each around the smallest possible
part, so that `statement` and `predicate` need no rule for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal

from ael_otel.store.where.tree import And, Code, Constant, Exists, Not, Or, Part, Sentence, Term

type Chosen = Literal["step", "call"]

CHOSEN: Final[tuple[Chosen, ...]] = ("step", "call")
_FALSE: Final = Constant(False)
_EXACT: Final = frozenset({"tool_name", "status"})
"""Columns of calls with the same value as in the document; durations are rounded to microseconds."""


@lru_cache(maxsize=64)
def scoped(part: Part, chosen: frozenset[Chosen] = frozenset()) -> Part:
    """Return the expression with explicit choices; those in `chosen` are made outside of it."""
    return _closed(_sentences(part), chosen)


def _sentences(part: Part) -> Part:
    if isinstance(part, Sentence):
        inner = scoped(part.part)
        return Not(inner) if part.negated else inner
    if isinstance(part, And):
        return And(tuple(map(_sentences, part.parts)))
    if isinstance(part, Or):
        return Or(tuple(map(_sentences, part.parts)))
    return part


def open_in(part: Part) -> frozenset[Chosen]:
    """Return the choices that a part needs before it is true or false."""
    if isinstance(part, Term):
        return frozenset() if part.of == "run" else frozenset({part.of})
    if isinstance(part, (And, Or)):
        return frozenset[Chosen]().union(*map(open_in, part.parts))
    if isinstance(part, Exists):
        return open_in(part.part) - {part.of}
    return frozenset()


def _closed(part: Part, chosen: frozenset[Chosen]) -> Part:
    missing = open_in(part) - chosen
    if not missing:
        return part
    if isinstance(part, Or):
        return either(_closed(each, chosen) for each in part.parts)
    if not isinstance(part, And):
        return _around(missing, part)
    free: list[Part] = []
    groups: dict[frozenset[Chosen], list[Part]] = {}
    for each in part.parts:
        needed = open_in(each) - chosen
        if needed:
            groups.setdefault(needed, []).append(each)
        else:
            free.append(each)
    if frozenset(CHOSEN) in groups:
        # One part refers to a step and a call, so both are chosen together for all parts.
        groups = {missing: [each for group in groups.values() for each in group]}
    for needed, group in groups.items():
        free.append(_closed(group[0], chosen) if len(group) == 1 else _around(needed, both(group)))
    return both(free)


def _around(needed: Iterable[Chosen], part: Part) -> Part:
    for of in sorted(needed):
        part = either((without(part, of), _exists(of, part)))
    return part


def _exists(of: Chosen, part: Part) -> Part:
    if of == "step":
        return Exists(of, part, indexed=False)
    if _columns_only(part):
        return Exists(of, part, indexed=True)
    first = [
        each
        for each in (part.parts if isinstance(part, And) else ())
        if isinstance(each, Term) and each.of == "call" and each.column in _EXACT
    ]
    whole = Exists(of, part, indexed=False)
    # The table of calls has an index, the document of the run has none.
    return both((Exists(of, both(first), indexed=True), whole)) if first else whole


def _columns_only(part: Part) -> bool:
    if isinstance(part, Term):
        return bool(part.column)
    if isinstance(part, (And, Or)):
        return all(map(_columns_only, part.parts))
    return isinstance(part, (Code, Constant))


def without(part: Part, of: Chosen) -> Part:
    """Return the part for a run without a chosen step or call: each of its terms is false."""
    if isinstance(part, Term):
        return _FALSE if part.of == of else part
    if isinstance(part, And):
        return both(without(each, of) for each in part.parts)
    if isinstance(part, Or):
        return either(without(each, of) for each in part.parts)
    if isinstance(part, Exists) and part.of != of:
        inner = without(part.part, of)
        return inner if isinstance(inner, Constant) and not inner.value else replace(part, part=inner)
    return part


def both(parts: Iterable[Part]) -> Part:
    """Return a part that is true if all parts are."""
    left: list[Part] = []
    for each in parts:
        if isinstance(each, Constant):
            if not each.value:
                return _FALSE
        elif isinstance(each, And):
            left += each.parts
        else:
            left.append(each)
    return Constant(True) if not left else left[0] if len(left) == 1 else And(tuple(left))


def either(parts: Iterable[Part]) -> Part:
    """Return a part that is true if any of the parts is."""
    left: list[Part] = []
    for each in parts:
        if isinstance(each, Constant):
            if each.value:
                return each
        elif isinstance(each, Or):
            left += each.parts
        else:
            left.append(each)
    return _FALSE if not left else left[0] if len(left) == 1 else Or(tuple(left))


def document_parts(part: Part) -> tuple[Part, ...]:
    """Return the parts, among those joined by `and`, that need the document of the run."""
    parts = part.parts if isinstance(part, And) else (part,)
    return tuple(each for each in parts if needs_document(each))


def needs_document(part: Part) -> bool:
    """Return whether a part needs the document of the run, not only columns."""
    if isinstance(part, Term):
        return not part.column
    if isinstance(part, (And, Or)):
        return any(map(needs_document, part.parts))
    if isinstance(part, Not):
        return needs_document(part.part)
    if isinstance(part, Exists):
        return not part.indexed or needs_document(part.part)
    return False


def asks_parts_of_document(part: Part) -> bool:
    """Return whether a part needs steps or calls of the document, and nothing outside of it."""
    found = list(terms_and_choices(part))
    return any(isinstance(each, Exists) for each in found) and all(
        isinstance(each, Constant)
        or (isinstance(each, Exists) and not each.indexed)
        or (isinstance(each, Term) and not (each.of == "run" and each.column))
        for each in found
    )


def terms_and_choices(part: Part) -> Iterator[Part]:
    """Yield the parts that do not consist of other parts, and each choice of a step or call."""
    if isinstance(part, (And, Or)):
        for each in part.parts:
            yield from terms_and_choices(each)
    elif isinstance(part, Not):
        yield from terms_and_choices(part.part)
    else:
        yield part
        if isinstance(part, Exists):
            yield from terms_and_choices(part.part)
