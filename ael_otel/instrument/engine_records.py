"""Redact the engine's own records: those in memory by the engine's rules, with the same result in linear time.

Records that the engine writes to a database are redacted by our rules too, up to a size.

The engine traverses each value several times in a run, on its event loop, and one of its patterns takes time that is
quadratic in the length of a run of letters: 256 kB of `sk-` stopped the loop for minutes. Most texts contain no
character sequence that could begin a match, so they are skipped quickly.
"""

import marshal
import re
import string
from collections.abc import Callable
from typing import Any, Final, cast

from ael_otel.privacy.markers import REDACTED

PATTERNS: Final = (
    (r"sk-[a-zA-Z0-9]{32,}", "[REDACTED_API_KEY]"),
    (r"\b[0-9]{13,16}\b", "[REDACTED_CARD]"),
    (r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}", "[REDACTED_EMAIL]"),
)
"""The engine's patterns, each with the replacement of a match, in the engine's order."""

_KEY: Final = re.compile(PATTERNS[0][0])
_CARD: Final = re.compile(r"\b[0-9]{13,16}\b")
_DIGITS: Final = re.compile("[0-9]{13}")
_LOCAL: Final = string.ascii_letters + string.digits + "._%+-"
_PLAIN: Final[frozenset[type[Any]]] = frozenset({int, float, bool, type(None)})
_DOMAIN: Final = re.compile(r"@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}")


class EngineRules:
    """The redaction rules of one redactor of the engine.

    Args:
        redactor: the engine's redactor; its configuration is read once.
        in_memory: whether what it redacts stays in the memory of this process.

    Attributes:
        enabled: whether the redactor is enabled.
        linear: whether it has the patterns above, and no others.
    """

    def __init__(self, redactor: Any, *, in_memory: bool = False) -> None:
        configuration = redactor._config
        found = tuple(
            (getattr(each.regex, "pattern", None), each.replacement) for each in configuration.patterns
        )
        self.in_memory = in_memory
        self.enabled = bool(configuration.enabled)
        self.linear = found == PATTERNS
        self._names: frozenset[str] = frozenset(redactor._field_set)
        self._marker: str = redactor.REDACTED

    def redact(self, data: Any, text: Callable[[str], str]) -> Any:
        """Return a value as the engine redacts it; its dicts and lists are copies.

        Args:
            data: the value.
            text: redacts a text.
        """
        if isinstance(data, str):
            return text(data)
        if isinstance(data, dict):
            fields = cast("dict[str, Any]", data)
            names, marker, redact = self._names, self._marker, self.redact
            if _PLAIN.issuperset(map(type, fields.values())) and names.isdisjoint(map(str.lower, fields)):
                return dict(fields)
            return {
                key: marker if key.lower() in names else redact(value, text) for key, value in fields.items()
            }
        if isinstance(data, list):
            redact, items = self.redact, cast("list[object]", data)
            return (
                list(items) if _PLAIN.issuperset(map(type, items)) else [redact(item, text) for item in items]
            )
        return data


MAX_STORED: Final = 65_536
"""Maximum bytes of one record's inputs, outputs, parameters or result that our rules are applied to: they run on the
event loop and block it for 30 ms at most."""


def redact_stored(value: Any, redact: Callable[[Any], Any]) -> Any:
    """Return a redacted value for a database of the engine.

    Args:
        value: inputs, outputs, parameters or a result. Beyond a total of `MAX_STORED` bytes, a marker replaces each
            field.
        redact: applied to the rest.
    """
    if not isinstance(value, dict):
        return redact(value) if _size(value) <= MAX_STORED else REDACTED
    small: dict[Any, Any] = {}
    left = MAX_STORED
    for name, item in cast("dict[object, object]", value).items():
        left -= _size(name)
        if left < 0:
            small[REDACTED] = REDACTED
            break
        size = _size(item)
        small[name] = item if size <= left else REDACTED
        left -= size if size <= left else 0
    return redact(small)


def _size(value: Any) -> int:
    """Return the approximate bytes of a value; a value that is not made of JSON types counts as too large."""
    try:
        return len(marshal.dumps(value))
    except ValueError:
        return MAX_STORED + 1


def redacted_text(text: str) -> str:
    """Return the text after the engine's three patterns have been applied, one after the other."""
    if len(text) < 5:
        return text
    if "sk-" in text:
        text = _KEY.sub(PATTERNS[0][1], text)
    if len(text) > 12 and _DIGITS.search(text):
        text = _CARD.sub(PATTERNS[1][1], text)
    return _without_addresses(text) if "@" in text else text


def _without_addresses(text: str) -> str:
    """Replace e-mail addresses: each `@` is examined once, while the engine's pattern restarts at each letter."""
    parts: list[str] = []
    done = low = at = 0
    while (found := _DOMAIN.search(text, at)) is not None:
        sign = found.start()
        low = max(low, text.rfind("@", low, sign) + 1)
        begin = low + len(text[low:sign].rstrip(_LOCAL))
        if begin == sign:
            low = at = sign + 1
            continue
        parts += (text[done:begin], PATTERNS[2][1])
        done = low = at = found.end()
    if not parts:
        return text
    parts.append(text[done:])
    return "".join(parts)
