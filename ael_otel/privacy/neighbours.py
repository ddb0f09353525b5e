"""Secrets whose name stands in one item of a list and whose value in the next.

Tools return the lines of a file as a list, or as the parts of one result; a private key then has its first line in one
item and its body in the others.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple, cast

from ael_otel.privacy import markers
from ael_otel.privacy.field_names import holds_anchor, is_weak, kind_of
from ael_otel.privacy.scan import Span, merged
from ael_otel.privacy.validators import looks_secret

MOST_CHARS: Final = 4 * 1024 * 1024
"""Characters of the items of one list that are read together."""

_TEXT_FIELDS: Final = ("text", "line", "content", "message", "msg", "log", "body")
_OPEN_ENDS: Final = frozenset(":=|>\\-+ \n")
_LONGEST_END: Final = 160
_LONGEST_HEADING: Final = 256
_LONGEST_NAME: Final = 64
_STATED: Final = re.compile(r"value[\"']?\s{0,3}[:=]\s{0,4}[\"']?\Z", re.IGNORECASE)
_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[A-Za-z]")


class Part(NamedTuple):
    """A text among the items of a list: the place of its item, the field that holds it (None: the item), the text."""

    place: int
    field: str | None
    text: str


def part_of(place: int, item: object) -> Part | None:
    """Return the text of an item, None for one that has none or is JSON, which is read by itself."""
    field: str | None = None
    text: object = item
    if type(item) is not str:
        fields = fields_of(item)
        for field in _TEXT_FIELDS:
            text = fields.get(field)
            if type(text) is str:
                break
    if type(text) is not str or not text or (text[0] in "[{" and text[-1] in "]}"):
        return None
    return Part(place, field, text)


def fields_of(item: object) -> Mapping[str, object]:
    """Return the fields of an item: of a mapping, or of an object such as the parts of a result in code."""
    if type(item) is dict:
        return cast("Mapping[str, object]", item)
    fields: object = cast("object", item) if isinstance(item, Mapping) else getattr(item, "__dict__", None)
    return cast("Mapping[str, object]", fields) if isinstance(fields, Mapping) else {}


def is_flat_name(name: str, value: object) -> bool:
    """Return whether a text of a list is a secret's name and the next its value: `["user", "ada", "password", ...]`."""
    return (
        type(value) is str
        and len(value) >= 8
        and len(name) <= _LONGEST_NAME
        and " " not in name
        and " " not in value
        and not value.endswith(")")  # `varchar(255)`
        and kind_of(name) is not None
        and not is_weak(name)
        and looks_secret(value)
    )


def reach(before: str, following: str) -> bool:
    """Return whether the end of one text can say that something in the next is a secret."""
    if before[-1] in _OPEN_ENDS or "alue" in following:
        return holds_anchor(before[-_LONGEST_END:]) or "PRIVATE KEY--" in before
    if "PRIVATE KEY--" in before:
        return True
    if len(before) > _LONGEST_HEADING or ", " in before:
        return False
    # The heading of a table, whose rows are the next items.
    return any(sign in before for sign in ",|;\t") and holds_anchor(before)


def any_reach(items: Sequence[object]) -> bool:
    """Return whether some item of a list can say that something in another is a secret."""
    if heading_of(items) is not None:
        return True
    before = ""
    for place, item in enumerate(items):
        part = part_of(place, item)
        if part is None:
            continue
        if before and (reach(before, part.text) or (part.field is None and is_flat_name(before, part.text))):
            return True
        before = part.text
    return False


def spans_across(
    items: Sequence[object], spans: Callable[[str], Sequence[Span]]
) -> "dict[int, tuple[Part, list[Span]]]":
    """Return what is secret in the items of a list because of the items before them.

    Args:
        items: the items.
        spans: returns the secrets of a text.

    Returns:
        By the place of an item its text and the secrets in it, in order.
    """
    parts = [part for place, item in enumerate(items) if (part := part_of(place, item)) is not None]
    first = next((at for at, (one, two) in enumerate(pairwise(parts)) if reach(one.text, two.text)), None)
    if first is None:
        return {}
    parts = parts[first:]
    starts = list(accumulate((len(part.text) + 1 for part in parts), initial=0))
    whole = "\n".join(part.text for part in parts)[:MOST_CHARS]
    found: dict[int, tuple[Part, list[Span]]] = {}
    at = 0
    for span in merged(spans(whole)):
        while starts[at + 1] <= span.start:
            at += 1
        reached = at
        while reached < len(parts) and starts[reached] < span.end:
            part, start = parts[reached], starts[reached]
            low, high = max(span.start, start) - start, min(span.end - start, len(part.text))
            if low < high and _holds(span, part.text, low, high, across=reached > at):
                found.setdefault(part.place, (part, []))[1].append(Span(low, high, span.kind, span.rule))
            reached += 1
    return found


def _holds(span: Span, text: str, low: int, high: int, *, across: bool) -> bool:
    """Return whether a secret is one also if the line before it was a label, and this the next of a form."""
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
_ANY_COLUMNS: Final = frozenset(_COLUMNS)
_ROWS: Final = ("rows", "data", "values", "records", "results")


def is_numbered(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping can hold the lines of a text by their numbers."""
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
    """Return whether a mapping can be a table."""
    return not _ANY_COLUMNS.isdisjoint(value)


def _name_of(column: object) -> str:
    if isinstance(column, Mapping):
        column = cast("Mapping[str, object]", column).get("name")
    return column if isinstance(column, str) else ""


def heading_of(items: Sequence[object]) -> list[str] | None:
    """Return the names of the columns where the first of several lists of one size is a heading."""
    if len(items) < 2 or not isinstance(items[0], (list, tuple)) or not isinstance(items[1], (list, tuple)):
        return None
    first = cast("Sequence[object]", items[0])
    if not 1 < len(first) == len(cast("Sequence[object]", items[1])):
        return None
    names = [each if type(each) is str and len(each) <= _LONGEST_NAME else "" for each in first]
    return names if all(names) and any(map(kind_of, names)) else None
