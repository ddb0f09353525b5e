"""What a pattern cannot say: check digits, areas of numbers, and whether a value looks made by a machine."""

import base64
import binascii
import re
from math import log2
from typing import Final

_SEPARATORS: Final = str.maketrans("", "", " -\u00a0\u2010\u2011\u2012\u2013")


def digits_of(text: str) -> str:
    """Return a number without its separators."""
    return text.translate(_SEPARATORS)


def is_ssn(text: str) -> bool:
    """Return whether digits can be a US social security number: not area 000, 666, 9xx, no part of zeros."""
    number = digits_of(text)
    area, group, serial = number[:3], number[3:5], number[5:]
    return (
        len(number) == 9
        and area not in {"000", "666"}
        and area[0] != "9"
        and group != "00"
        and serial != "0000"
    )


_CARD: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}|2720[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35[0-9]{14}|6(?:011|4[4-9]|5|2)[0-9]{12,16}"
)


def is_card(text: str) -> bool:
    """Return whether a number can be that of a payment card: an issuer's first digits, its length, the check digit."""
    number = digits_of(text)
    if not 13 <= len(number) <= 19 or not _CARD.fullmatch(number) or len(set(number)) < 2:
        return False
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_basic_pair(text: str) -> bool:
    """Return whether base64 holds `name:password` in printable ASCII."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and plain.isascii() and plain.decode("ascii").isprintable()


def entropy(text: str) -> float:
    """Return the bits per character of a text, by how often each character occurs in it."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in (text.count(c) for c in set(text))) if size else 0.0


_LOWER: Final = re.compile(r"[a-z]")
_UPPER: Final = re.compile(r"[A-Z]")
_DIGIT: Final = re.compile(r"[0-9]")
_HEX: Final = re.compile(r"[0-9a-fA-F-]+")


def is_random(text: str) -> bool:
    """Return whether a value looks drawn at random: letters, digits, and many different ones; never a plain hash."""
    if _HEX.fullmatch(text) or not _DIGIT.search(text):
        return False
    mixed = bool(_LOWER.search(text)) + bool(_UPPER.search(text))
    return entropy(text) >= (3.0 if mixed == 2 else 3.5)
