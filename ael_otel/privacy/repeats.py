"""Redact secrets that a text repeats without the name or context by which they were detected."""

import re
from collections.abc import Sequence
from typing import Final

from ael_otel.privacy.scan import Span
from ael_otel.privacy.validators import is_drawn, looks_like_key

_BY_NAME: Final = frozenset(
    {"named_secret", "command_option", "login_call", "login_line", "signed_url", "session_cookie"}
)
_SHORTEST, _LONGEST = 12, 512
_MOST: Final = 64
_FEW: Final = 4
"""Maximum number of values that are searched for one by one; for more, the words of the text are looked up."""
_WORD: Final = re.compile(rf"[^\s\"'`,;=()<>\[\]{{}}|]{{{_SHORTEST},{_LONGEST}}}")


def with_repeats(text: str, spans: Sequence[Span]) -> Sequence[Span]:
    """Return the secrets of a text, in order, with the other occurrences of the same values.

    Only values of at least 12 characters that look random are searched for: a short one, or a name, would also match by
    chance. Values that are detected by their shape are already detected everywhere.
    """
    values: dict[str, Span] = {}
    for span in spans:
        if span.rule in _BY_NAME and _SHORTEST <= span.end - span.start <= _LONGEST:
            value = text[span.start : span.end]
            if value not in values and (is_drawn(value) or looks_like_key(value)):
                values[value] = span
                if len(values) >= _MOST:
                    break
    if not values or len(text) < 2 * _SHORTEST:
        return spans
    found: list[Span] = []
    if len(values) <= _FEW:
        for value, span in values.items():
            at = text.find(value)
            while at >= 0:
                end = at + len(value)
                if at != span.start and not text[at - 1 : at].isalnum() and not text[end : end + 1].isalnum():
                    found.append(Span(at, end, span.kind, span.rule))
                at = text.find(value, end)
    else:
        for word in _WORD.finditer(text):
            first = values.get(word[0])
            if first is not None and word.start() != first.start:
                found.append(Span(*word.span(), first.kind, first.rule))
    known = set(spans)
    found = [span for span in found if span not in known]
    return sorted([*spans, *found]) if found else spans
