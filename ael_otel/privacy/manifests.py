"""The data of secrets in manifests of Kubernetes, `kind: Secret`: each value is one, whatever its name."""

import re
from collections.abc import Callable
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import MANIFEST, Budget
from ael_otel.privacy.validators import is_placeholder

SIGN: Final = "kind: Secret"
_KIND: Final = re.compile(r"^(?P<indent>[ \t]{0,16})(?:- )?kind: Secret[ \t\r]{0,8}$", re.MULTILINE)
_OTHER: Final = re.compile(r"^---|^[ \t]{0,16}(?:- )?kind:", re.MULTILINE)
_FIELD: Final = re.compile(r"^(?P<indent>[ \t]{0,16})(?:- )?(?:data|stringData):[ \t\r]{0,8}$", re.MULTILINE)
_DEEPER: Final = re.compile(r"\n(?P<indent>[ \t]{1,32})[^\s:#][^:\n]{0,253}:[ \t]{1,8}(?P<value>[^\n]*)")
_LINE: Final = re.compile(r"\n(?P<indent>[ \t]*)[^\n]*")


def search(text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget) -> None:
    """Report the values of the manifests of secrets in a part of a text; each line is read once.

    A manifest ends at the next `kind:` or `---`; its data may stand before its kind.
    """
    low = start
    kind = _KIND.search(text, start, end)
    while kind is not None:
        if budget.is_spent(kind.start(), MANIFEST):
            return
        behind = _OTHER.search(text, kind.end(), end)
        high = end if behind is None else behind.start()
        following = _KIND.search(text, kind.end(), end)
        before = low
        for other in _OTHER.finditer(text, low, kind.start()):
            before = other.end()
        _fields(text, before, high, found, budget)
        if budget.cut is not None:
            return
        low, kind = high, following


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
