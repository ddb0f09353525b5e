"""Find secrets whose name is in one item of a list and whose value is in the next.

Tools return the lines of a file as a list, or as the parts of one result; a private key then has its first line in one
item and its body in the following ones.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, cast

from ael_otel.privacy import markers
from ael_otel.privacy.budget import NEIGHBOUR, NEW_NAME, Budget, Unlimited
from ael_otel.privacy.field_names import holds_anchor, is_weak, kind_of
from ael_otel.privacy.key_value import may_name, name_places
from ael_otel.privacy.scan import TOO_MANY, Span, merged
from ael_otel.privacy.validators import looks_secret

MOST_CHARS: Final = 4 * 1024 * 1024
"""Maximum characters of the items of one list that are searched together."""

_TEXT_FIELDS: Final = ("text", "line", "content", "message", "msg", "log", "body")
_ANY_TEXT_FIELD: Final = frozenset(_TEXT_FIELDS)
_OPEN_ENDS: Final = frozenset(":=|>\\-+ \n")
_LONGEST_END: Final = 160
_LONGEST_HEADING: Final = 256
_LONGEST_NAME: Final = 64
_STATED: Final = re.compile(r"value[\"']?\s{0,3}[:=]\s{0,4}[\"']?\Z", re.IGNORECASE)
_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[A-Za-z]")


# Number of following items that are searched together with an item that can name a secret.
_READ_ALONG: Final = 6
_JSON_ITEM: Final = re.compile("(?:\\A|\n)[\\[{]")
_HEADING_SIGN: Final = re.compile("[,|;\t]")
_WITHOUT_TEXT: Final[frozenset[type[Any]]] = frozenset(
    {int, float, bool, type(None), list, tuple, set, frozenset}
)

type FindIn = Callable[[str, list[tuple[int, int]]], Sequence[Span]]
"""Returns the secrets that begin in some parts of a text."""


class Part(NamedTuple):
    """A text among the items of a list: the index of its item, its field (None: the item), the text."""

    place: int
    field: str | None
    text: str


class Neighbours(NamedTuple):
    """The relations between the items of a list.

    Attributes:
        parts: the texts of the items; empty if none of them affects the next one.
        reaching: the indices, in `parts`, of those that do.
        flat: the indices of items that are the value of the name before them.
        dashed: whether any text begins like an option.
        cut: the index from which on items were not judged, because the budget is spent; None if all were.
    """

    parts: list[Part]
    reaching: list[int]
    flat: frozenset[int]
    dashed: bool
    cut: int | None = None


_NOTHING: Final = {dashed: Neighbours([], [], frozenset(), dashed) for dashed in (False, True)}
_TEXTS: Final[set[type[Any]]] = {str}
_NO_TEXTS: Final[frozenset[str]] = frozenset()


def neighbours_of(
    items: Sequence[object], budget: Budget, unnamed: set[str] | frozenset[str] = _NO_TEXTS
) -> Neighbours:
    """Return the relations between the items of a list.

    In most lists no text names a secret; one search of all of them together decides that.

    Args:
        items: the items.
        budget: counts each text that can name a secret.
        unnamed: texts that are known to name none.
    """
    parts: list[Part] | None = None
    places: Sequence[int] = range(len(items))
    if set(map(type, items)) == _TEXTS:
        texts = cast("Sequence[str]", items)
        if unnamed and unnamed.issuperset(texts):
            return _NOTHING[any(text[:1] == "-" for text in texts)]
        if not all(texts) or _JSON_ITEM.search("\n".join(texts)) is not None:
            places = [place for place, text in enumerate(texts) if _is_read(text)]
            texts = [texts[place] for place in places]
    else:
        parts = [
            part
            for place, item in enumerate(items)
            if type(item) not in _WITHOUT_TEXT
            and not _has_no_text(item)
            and (part := part_of(place, item)) is not None
        ]
        places, texts = [part.place for part in parts], [part.text for part in parts]
    whole = "\n".join(texts)
    dashed = whole[:1] == "-" or "\n-" in whole
    if len(texts) < 2 or (not may_name(whole) and "PRIVATE KEY--" not in whole):
        return _NOTHING[dashed]
    # Only a text with the name of a secret can affect the next one.
    named = _items_at(whole, texts, name_places(whole))
    if not whole.isascii():
        named.update(at for at, text in enumerate(texts) if not text.isascii())
    if "PRIVATE KEY--" in whole:
        named.update(at for at, text in enumerate(texts) if "PRIVATE KEY--" in text)
    last = len(texts) - 1
    flat: set[int] = set()
    reaching: list[int] = []
    cut: int | None = None
    for at in sorted(named):
        if texts[at] in markers.ALL_MARKERS:
            continue
        names_next = _names_next(items, places[at], budget)
        if budget.is_spent_between(NEIGHBOUR):
            cut = places[at]
            break
        if names_next:
            flat.add(places[at] + 1)
        if at < last and reach(texts[at], texts[at + 1]):
            reaching.append(at)
    if not reaching:
        return Neighbours([], [], frozenset(flat), dashed, cut)
    if parts is None:
        parts = [Part(place, None, text) for place, text in zip(places, texts, strict=True)]
    return Neighbours(parts, reaching, frozenset(flat), dashed, cut)


def _has_no_text(item: object) -> bool:
    return isinstance(item, dict) and _ANY_TEXT_FIELD.isdisjoint(cast("dict[object, object]", item))


def _items_at(whole: str, texts: Sequence[str], places: Sequence[int]) -> set[int]:
    """Return which of the texts, joined by line ends, contain one of some positions."""
    if whole.count("\n") >= len(texts):
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        return {bisect_right(starts, at) - 1 for at in places}
    found: set[int] = set()
    item = counted = 0
    for at in places:
        item += whole.count("\n", counted, at)
        counted = at
        found.add(item)
    return found


def _is_read(text: str) -> bool:
    """Return whether a text is searched with its neighbours; JSON is searched separately."""
    return bool(text) and not (text[0] in "[{" and text[-1] in "]}")


def _names_next(items: Sequence[object], place: int, budget: Budget) -> bool:
    name = items[place]
    return type(name) is str and place + 1 < len(items) and is_flat_name(name, items[place + 1], budget)


def part_of(place: int, item: object) -> Part | None:
    """Return the text of an item, None if it has none or is JSON, which is searched separately."""
    field: str | None = None
    text: object = item
    if type(item) is not str:
        fields = fields_of(item)
        for field in _TEXT_FIELDS:
            text = fields.get(field)
            if type(text) is str:
                break
    if type(text) is not str or not _is_read(text):
        return None
    return Part(place, field, text)


def fields_of(item: object) -> Mapping[str, object]:
    """Return the fields of an item: of a mapping, or of an object such as the parts of a code result."""
    if type(item) is dict:
        return cast("Mapping[str, object]", item)
    fields: object = cast("object", item) if isinstance(item, Mapping) else getattr(item, "__dict__", None)
    return cast("Mapping[str, object]", fields) if isinstance(fields, Mapping) else {}


def is_flat_name(name: str, value: object, budget: Budget) -> bool:
    """Return whether a text of a list is a secret's name and the next its value: `["user", "ada", "password", ...]`."""
    return (
        type(value) is str
        and len(value) >= 8
        and len(name) <= _LONGEST_NAME
        and " " not in name
        and " " not in value
        and (len(value) >= 16 or _DIGIT.search(value) is not None)
        and not value.endswith(")")  # `varchar(255)`
        and (budget.is_spent_between(NEW_NAME) or kind_of(name) is not None)
        and not is_weak(name)
        and looks_secret(value)
    )


def reach(before: str, following: str) -> bool:
    """Return whether the end of one text can make a part of the next one a secret."""
    if before[-1] in _OPEN_ENDS or "alue" in following:
        return holds_anchor(before[-_LONGEST_END:]) or "PRIVATE KEY--" in before
    if "PRIVATE KEY--" in before:
        return True
    if len(before) > _LONGEST_HEADING or ", " in before:
        return False
    # The heading of a table, whose rows are the next items.
    return _HEADING_SIGN.search(before) is not None and holds_anchor(before)


def any_reach(items: Sequence[object]) -> bool:
    """Return whether some item of a list can make a part of another one a secret."""
    if heading_of(items) is not None:
        return True
    found = neighbours_of(items, Unlimited())
    return bool(found.reaching or found.flat)


def spans_across(
    parts: list[Part], reaching: list[int], spans_in: FindIn
) -> "dict[int, tuple[Part, list[Span]]]":
    """Return the secrets in the items of a list that the items before them name.

    Args:
        parts: the texts of the items.
        reaching: the indices of those that affect the next one.
        spans_in: returns the secrets of a text.

    Returns:
        The text and the secrets in it, in order, by the index of the item.
    """
    starts = list(accumulate((len(part.text) + 1 for part in parts), initial=0))
    whole = "\n".join(part.text for part in parts)[:MOST_CHARS]
    places: list[tuple[int, int]] = []
    for at in reaching:
        start, end = starts[at], min(starts[min(at + _READ_ALONG, len(parts))], len(whole))
        if places and start <= places[-1][1]:
            places[-1] = (places[-1][0], end)
        elif start < end:
            places.append((start, end))
    found: dict[int, tuple[Part, list[Span]]] = {}
    at = 0
    for span in merged(spans_in(whole, places)):
        while starts[at + 1] <= span.start:
            at += 1
        if span.rule == TOO_MANY:
            for part in parts[at:]:
                found[part.place] = (part, [Span(0, len(part.text), span.kind, span.rule)])
            break
        reached = at
        while reached < len(parts) and starts[reached] < span.end:
            part, start = parts[reached], starts[reached]
            low, high = max(span.start, start) - start, min(span.end - start, len(part.text))
            if low < high and _holds(span, part.text, low, high, across=reached > at):
                found.setdefault(part.place, (part, []))[1].append(Span(low, high, span.kind, span.rule))
            reached += 1
    return found


def _holds(span: Span, text: str, low: int, high: int, *, across: bool) -> bool:
    """Return whether a secret remains one if the line before it was a label, and this is the next line of a form."""
    value = text[low:high]
    if across or span.kind == markers.PRIVATE_KEY or _STATED.search(text[max(0, low - 16) : low]):
        return bool(value.strip())
    if " " in value:
        return False
    return looks_secret(value) or (
        span.kind == markers.PASSWORD
        and len(value) >= 6
        and _DIGIT.search(value) is not None
        and _LETTER.search(value) is not None
    )


# --- tables -----------------------------------------------------------------------------------------------------------

_COLUMNS: Final = ("columns", "column_names", "columnNames", "headers", "header", "fields")
COLUMN_FIELDS: Final = frozenset(_COLUMNS)
_ROWS: Final = ("rows", "data", "values", "records", "results")


def is_numbered(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping may contain the lines of a text by their numbers."""
    first = next(iter(value), None)
    return type(first) is str and first.isdigit() and len(value) > 1


def table_of(value: Mapping[Any, Any]) -> tuple[list[str], str] | None:
    """Return the names of the columns of a table and the field of its rows: `{"columns": [...], "rows": [[...]]}`."""
    for field in _COLUMNS:
        columns = value.get(field)
        if not isinstance(columns, (list, tuple)) or not columns:
            continue
        names = [_name_of(each) for each in cast("Sequence[object]", columns)]
        for rows in _ROWS:
            if isinstance(value.get(rows), (list, tuple)) and any(map(kind_of, names)):
                return names, rows
    return None


def has_columns(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping may be a table."""
    return not COLUMN_FIELDS.isdisjoint(value)


def _name_of(column: object) -> str:
    if isinstance(column, Mapping):
        column = cast("Mapping[str, object]", column).get("name")
    return column if isinstance(column, str) else ""


def heading_of(items: Sequence[object]) -> list[str] | None:
    """Return the names of the columns if the first of several lists of equal length is a heading."""
    if len(items) < 2 or not isinstance(items[0], (list, tuple)) or not isinstance(items[1], (list, tuple)):
        return None
    first = cast("Sequence[object]", items[0])
    if not 1 < len(first) == len(cast("Sequence[object]", items[1])):
        return None
    names = [each if type(each) is str and len(each) <= _LONGEST_NAME else "" for each in first]
    return names if all(names) and any(map(kind_of, names)) else None
