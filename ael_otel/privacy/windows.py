"""Search long texts in windows: a call of `re` holds the interpreter's lock, for which the event loop waits."""

import re
from collections.abc import Iterator
from typing import Final

from ael_otel.privacy.budget import CHARS_READ, HIT
from ael_otel.privacy.turns import worked

WINDOW: Final = 16_384
"""Approximate characters that one call of `re` reads: at most 4 ms."""
OVERLAP: Final = 512
"""Characters after a window that decide whether a pattern matches in it; more than any pattern here needs."""
_BLANK: Final = re.compile(r"\s")
LOOKAHEAD: Final = 64
"""Characters after a match that decide where it ends."""


def search(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    """Return the first match in a part of a text, as `pattern.search` does.

    Args:
        pattern: a pattern for which `OVERLAP` characters decide whether it matches.
        text: the text.
        start: where the part begins.
        end: where the part ends.
    """
    while end - start > WINDOW + OVERLAP:
        last = start + WINDOW + OVERLAP
        match = pattern.search(text, start, last)
        if match is not None and match.start() < start + WINDOW:
            # Near the window's end, the following text may make it another match.
            return match if match.end() < last - LOOKAHEAD else pattern.search(text, match.start(), end)
        start += WINDOW
        worked(WINDOW / CHARS_READ / 2)
    return pattern.search(text, start, end)


def finditer(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield all matches in a text, as `pattern.finditer` does; none is empty."""
    start, end = 0, len(text)
    while start < end:
        last = min(end, start + WINDOW + OVERLAP)
        stop = end if last == end else start + WINDOW
        for match in pattern.finditer(text, start, last):
            if match.start() >= stop:
                break
            worked(HIT)
            if last < end and match.end() >= last - LOOKAHEAD:
                whole = pattern.search(text, match.start(), end) or match  # as in `search`
                yield whole
                stop = whole.end()
                break
            yield match
            start = match.end()
        worked(WINDOW / CHARS_READ / 2)
        start = max(start, stop)


def long_words(text: str, size: int) -> list[str]:
    """Return the words of a text, between blanks, that have `size` characters or more."""
    words: list[str] = []
    start, end = 0, len(text)
    while start < end:
        stop = end
        if end - start > WINDOW and (blank := _BLANK.search(text, start + WINDOW)) is not None:
            stop = blank.start()
        words += [word for word in text[start:stop].split() if len(word) >= size]
        worked((stop - start) / CHARS_READ)
        start = stop
    return words
