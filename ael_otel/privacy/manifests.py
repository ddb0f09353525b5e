"""Find the data of secrets in Kubernetes manifests, `kind: Secret`: every value is one, whatever its name."""

import re
from collections.abc import Callable
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import MANIFEST, Budget
from ael_otel.privacy.validators import is_placeholder

SIGN: Final = re.compile(r"Secret(?:(?<=kind: Secret)|(?<=kind: [\"']Secret)|(?<=[:\\ ]\"Secret))")
"""Matches in each manifest of a secret; begins with a word, which a search finds faster than a line start."""
_KIND: Final = re.compile(
    r"^[ \t]{0,16}(?:- )?[\"']?kind[\"']?: (?:Secret|\"Secret\"|'Secret')[ \t\r]{0,8}(?:#[^\n]{0,200})?$",
    re.MULTILINE,
)
_OTHER: Final = re.compile(r"^---|^[ \t]{0,16}(?:- )?kind:", re.MULTILINE)
_FIELD: Final = re.compile(r"^(?P<indent>[ \t]{0,16})(?:- )?(?:data|stringData):[ \t\r]{0,8}$", re.MULTILINE)
_DEEPER: Final = re.compile(r"\n(?P<indent>[ \t]{1,32})[^\s:#][^:\n]{0,253}:[ \t]{1,8}(?P<value>[^\n]*)")
# The same in JSON inside another text, as `kubectl -v=8` logs it, where quotes are escaped.
_JSON_KIND: Final = re.compile(r"\\{0,3}\"kind\\{0,3}\"\s{0,2}:\s{0,2}\\{0,3}\"Secret\\{0,3}\"")
_JSON_OTHER: Final = re.compile(r"\"kind\\{0,3}\"\s{0,2}:")
_JSON_FIELD: Final = re.compile(r"\"(?:data|stringData)\\{0,3}\"\s{0,2}:\s{0,2}\{")
_JSON_ENTRY: Final = re.compile(
    r"\s{0,80}(?P<quote>\\{0,3}\")[^\"\\\n]{1,253}(?P=quote)\s{0,2}:\s{0,2}(?P=quote)(?P<value>(?:[^\"\\]|\\(?!\"))*+)(?P=quote),?"
)
_LINE: Final = re.compile(r"\n(?P<indent>[ \t]*)[^\n]*")


def search(text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget) -> None:
    """Report the values in the manifests of secrets in a part of a text; each line is read once.

    A manifest ends at the next `kind:` or `---`; its data may precede its kind.
    """
    for kind, other, fields in ((_KIND, _OTHER, _fields), (_JSON_KIND, _JSON_OTHER, _json_fields)):
        low = start
        match = kind.search(text, start, end)
        while match is not None:
            if budget.is_spent(match.start(), MANIFEST):
                return
            behind = other.search(text, match.end(), end)
            high = end if behind is None else behind.start()
            following = kind.search(text, match.end(), end)
            before = low
            for each in other.finditer(text, low, match.start()):
                before = each.end()
            fields(text, before, high, found, budget)
            if budget.cut is not None:
                return
            low, match = high, following


def _json_fields(
    text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget
) -> None:
    field = _JSON_FIELD.search(text, start, end)
    while field is not None:
        at = field.end()
        entry = _JSON_ENTRY.match(text, at, end)
        while entry is not None:
            if budget.is_spent(at, MANIFEST):
                return
            at = entry.end()
            value = entry["value"]
            if value and not is_placeholder(value) and not markers.MARKER.fullmatch(value):
                found(*entry.span("value"), markers.FIELD)
            entry = _JSON_ENTRY.match(text, at, end)
        field = _JSON_FIELD.search(text, at, end)


def _fields(
    text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget
) -> None:
    field = _FIELD.search(text, start, end)
    while field is not None:
        at = field.end()
        inside = len(field["indent"])
        entry = _DEEPER.match(text, at, end)
        while entry is not None and len(entry["indent"]) > inside:
            if budget.is_spent(at, MANIFEST):
                return
            first, at = entry.span("value")
            value = entry["value"].strip(" \t\r\"'")
            if value[:1] in {"|", ">"}:
                first = at
                line = _LINE.match(text, at, end)
                while line is not None and (
                    len(line["indent"]) > len(entry["indent"]) or not line[0].strip()
                ):
                    at = line.end()
                    line = _LINE.match(text, at, end)
                value = text[first:at].strip()
            if value and not is_placeholder(value) and not markers.MARKER.fullmatch(value):
                first = text.find(value, first, at)
                found(first, first + len(value), markers.FIELD)
            entry = _DEEPER.match(text, at, end)
        field = _FIELD.search(text, at, end)
