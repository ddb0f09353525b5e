"""Decode texts inside texts: percent-encoded, HTML-escaped, with Unicode escapes, or in Base64.

Only the surroundings of escapes are decoded and searched a second time; positions are mapped back to the original text.
So a text without escapes costs nothing, and one full of them takes twice the time.
"""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from ael_otel.privacy.budget import STEP
from ael_otel.privacy.turns import worked

# It begins with a set of characters: a search skips all others quickly.
_ESCAPE: Final = re.compile(
    r"[%&\\](?:(?<=%)(?:25){0,3}(?P<percent>[2-7][0-9A-Fa-f]|0[9aAdD])|(?<=\\)\\{0,3}u00(?P<unicode>[2-7][0-9A-Fa-f])"
    r"|(?<=&)(?:amp;){0,3}(?:#(?:[xX](?P<hex>[2-7][0-9A-Fa-f])|(?P<number>[1-9][0-9]{1,2}))"
    r"|(?P<name>amp|lt|gt|quot|apos|equals|colon|commat|lpar|rpar|sol|semi|num));)"
)
_NAMED: Final = {
    "amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "equals": "=", "colon": ":", "commat": "@", "lpar": "(",
    "rpar": ")", "sol": "/", "semi": ";", "num": "#",
}  # fmt: skip
_MOST_KEPT: Final = 4096
_AT_ONCE: Final = 256
"""Number of escapes that are decoded before the thread's turn is checked."""
_BEFORE: Final = 96
_BEHIND: Final = 256
_BASE64: Final = re.compile(r"(?:[I-Za-f][A-Za-z0-9+/_-]{3}){5,}[A-Za-z0-9+/_-]{0,3}={0,2}")
_OF_BASE64: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-=")
_URL_SAFE: Final = str.maketrans("-_", "+/")


class _Characters(dict[str, str]):
    """The characters that escapes represent; each is decoded once."""

    def __missing__(self, written: str) -> str:
        """Decode an escape."""
        escape = _ESCAPE.fullmatch(written)
        assert escape is not None  # only matches of the pattern are looked up
        code = escape["percent"] or escape["unicode"] or escape["hex"]
        number = escape["number"]
        found = chr(int(code, 16)) if code else _NAMED[escape["name"]] if number is None else chr(int(number))
        if len(self) < _MOST_KEPT:
            self[written] = found
        return found


_CHARACTERS: Final = _Characters()


class Decoded:
    """A part of a text with its escapes decoded.

    Attributes:
        start: where the part begins in the original text.
        text: the decoded part.
    """

    __slots__ = ("_end", "_from", "_raw", "_to", "start", "text")

    def __init__(self, raw: str, start: int, end: int) -> None:
        self._raw, self.start, self._end = raw, start, end
        self._from: list[int] = []
        self._to: list[int] = []
        parts: list[str] = []
        at = start
        for number, escape in enumerate(_ESCAPE.finditer(raw, start, end), 1):
            parts += (raw[at : escape.start()], _CHARACTERS[escape[0]])
            at = escape.end()
            if not number % _AT_ONCE:
                worked(_AT_ONCE * STEP)
        self.text = "".join((*parts, raw[at:end]))

    @property
    def size(self) -> int:
        """Return the number of characters of the part in the original text."""
        return self._end - self.start

    def place(self, at: int) -> int:
        """Return where a character of the decoded part begins in the original text."""
        if not self._from:
            self._measure()
        piece = bisect_right(self._from, at) - 1
        return self._to[piece] + at - self._from[piece]

    def _measure(self) -> None:
        """Record the positions of each escape, and of what follows it, in both texts."""
        self._from.append(0)
        self._to.append(self.start)
        shift = self.start
        for number, escape in enumerate(_ESCAPE.finditer(self._raw, self.start, self._end), 1):
            if not number % _AT_ONCE:
                worked(_AT_ONCE * STEP)
            first, last = escape.span()
            self._from += (first - shift, first - shift + 1)
            self._to += (first, last)
            shift = last - (first - shift + 1)


# Each begins with one fixed character, which a search finds faster than one of several.
_SIGNS: Final = (
    re.compile("%(?:25){0,3}[2-70]"),
    re.compile("&[a#lgqcsern]"),
    re.compile(r"\\\\{0,3}u00[2-7]"),
)


def may_be_escaped(text: str, start: int, end: int) -> bool:
    """Return whether a part of a text may contain escapes."""
    for sign in _SIGNS:  # noqa: SIM110 - a generator takes longer than the searches in a short text
        if sign.search(text, start, end) is not None:
            return True
    return False


def escapes(text: str) -> Iterator[int]:
    """Yield the positions of escapes in a text."""
    if may_be_escaped(text, 0, len(text)):
        yield from (escape.start() for escape in _ESCAPE.finditer(text))


def decoded_parts(text: str, start: int, end: int) -> Iterator[Decoded]:
    """Yield the decoded parts of a text around escapes; parts that touch are joined."""
    low = high = -1
    for number, escape in enumerate(_ESCAPE.finditer(text, start, end), 1):
        if not number % _AT_ONCE:
            worked(_AT_ONCE * STEP)
        if high >= 0 and escape.start() > high:
            yield Decoded(text, low, high)
            low = -1
        if low < 0:
            low = max(start, high, escape.start() - _BEFORE)
        high = min(end, escape.end() + _BEHIND)
    if high >= 0:
        yield Decoded(text, low, high)


def base64_text(text: str, start: int) -> tuple[int, str] | None:
    """Return the end of the Base64 at a position and the ASCII text that it encodes; None if it encodes none."""
    match = _BASE64.match(text, start)
    if match is None or (start > 0 and text[start - 1] in _OF_BASE64 - {"="}):
        return None
    plain = match[0].translate(_URL_SAFE).rstrip("=")
    plain = plain[: len(plain) // 4 * 4] if len(plain) % 4 == 1 else plain
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4))
        inner = data.decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return (
        (match.end(), inner)
        if inner.replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
        else None
    )
