"""Checks that a pattern cannot express: check digits, number ranges, randomness, placeholders."""

import base64
import binascii
import re
from math import log2
from typing import Final

_SEPARATORS: Final = str.maketrans("", "", " -./\u00a0\u2010\u2011\u2012\u2013")


def digits_of(text: str) -> str:
    """Return a number without its separators."""
    return text.translate(_SEPARATORS)


def is_ssn(text: str) -> bool:
    """Return whether nine digits can be a US social security number or an ITIN.

    Areas 000 and 666 and parts of zeros are never issued. Area 9xx is an individual taxpayer identification number
    (ITIN), which has the groups 50-65, 70-88, 90-92 and 94-99.
    """
    number = digits_of(text)
    if len(number) != 9:
        return False
    area, group, serial = number[:3], number[3:5], number[5:]
    if area[0] == "9":
        return group in _ITIN_GROUPS and serial != "0000"
    return area not in {"000", "666"} and group != "00" and serial != "0000"


_ITIN_GROUPS: Final = frozenset(
    str(n) for n in (*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100))
)

_CARD: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}|2720[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35[0-9]{14}|6(?:011|4[4-9]|5|2)[0-9]{12,16}"
)


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
"""The sum of the digits of twice each digit."""


def luhn(number: str) -> bool:
    """Return whether the last digit is the check digit by Luhn's algorithm."""
    return (sum(map(int, number[::-2])) + sum(map(int, number[-2::-2].translate(_DOUBLED)))) % 10 == 0


def is_card(text: str) -> bool:
    """Return whether a number can be that of a payment card: an issuer's first digits, its length, the check digit."""
    number = digits_of(text)
    if not 13 <= len(number) <= 19 or not _CARD.fullmatch(number) or len(set(number)) < 2:
        return False
    return luhn(number)


def _weighted(number: str, weights: "tuple[int, ...] | range") -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


_VERHOEFF_D: Final = tuple(
    tuple(
        (a + b) % 5
        if a < 5 and b < 5
        else 5 + (a + b) % 5
        if a < 5
        else 5 + (a - b) % 5
        if b < 5
        else (a - b) % 5
        for b in range(10)
    )
    for a in range(10)
)
_VERHOEFF_ONE: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff(number: str) -> bool:
    """Return whether the last digit is the check digit by Verhoeff's algorithm (Aadhaar)."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = _VERHOEFF_ONE[value]
        check = _VERHOEFF_D[check][value]
    return check == 0


def is_aadhaar(text: str) -> bool:
    """Return whether twelve digits can be an Indian Aadhaar number."""
    number = digits_of(text)
    return len(number) == 12 and number[0] not in "01" and len(set(number)) > 2 and verhoeff(number)


def _br_digits(number: str, first: "tuple[int, ...]") -> bool:
    """Return whether the last two digits are the Brazilian check digits of those before them."""
    size = len(number) - 2
    for more in (0, 1):
        weights = (first[0] + 1, *first)[-(size + 1) :] if more else first
        rest = _weighted(number[: size + more], weights) * 10 % 11 % 10
        if rest != int(number[size + more]):
            return False
    return True


def is_cpf(text: str) -> bool:
    """Return whether eleven digits can be a Brazilian CPF: two check digits, not all digits the same."""
    number = digits_of(text)
    if len(number) != 11 or len(set(number)) < 2:
        return False
    return _br_digits(number, tuple(range(10, 1, -1)))


def is_cnpj(text: str) -> bool:
    """Return whether fourteen digits can be a Brazilian CNPJ."""
    number = digits_of(text)
    if len(number) != 14 or len(set(number)) < 2:
        return False
    first = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    one = _weighted(number[:12], first) % 11
    two = _weighted(number[:13], (6, *first)) % 11
    return int(number[12]) == (0 if one < 2 else 11 - one) and int(number[13]) == (0 if two < 2 else 11 - two)


def is_iban(text: str) -> bool:
    """Return whether a text is an IBAN: ISO 13616 length for its country where known, remainder 1 modulo 97."""
    number = digits_of(text).upper()
    size = _IBAN_SIZES.get(number[:2])
    if size != len(number):
        return False
    moved = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


_IBAN_SIZES: Final = {
    country: int(size)
    for row in (
        "15 NO", "16 BE", "18 DK FI FO GL NL SD", "19 MK SI", "20 AT BA EE KZ LT LU MN XK", "21 CH HR LI LV",
        "22 BG BH CR DE GB GE IE ME RS VA", "23 AE GI IL IQ OM SO TL", "24 AD CZ ES MD PK RO SA SE SK TN VG",
        "25 LY PT ST", "26 IS TR", "27 BI DJ FR GR IT MC MR SM", "28 AL AZ BY CY DO GT HU LB NI PL SV",
        "29 BR EG PS QA UA", "30 JO KW MU", "31 MT SC", "32 LC", "33 RU",
    )
    for size, *countries in (row.split(),)
    for country in countries
}  # fmt: skip


def is_nhs(text: str) -> bool:
    """Return whether ten digits can be a number of the UK's National Health Service (modulo 11)."""
    number = digits_of(text)
    if len(number) != 10 or len(set(number)) < 2:
        return False
    check = (11 - _weighted(number[:9], range(10, 1, -1)) % 11) % 11
    return check != 10 and check == int(number[9])


def is_canadian_sin(text: str) -> bool:
    """Return whether nine digits can be a Canadian social insurance number."""
    number = digits_of(text)
    return len(number) == 9 and number[0] not in "08" and luhn(number)


def is_spanish_id(text: str) -> bool:
    """Return whether a text is a Spanish DNI or NIE with the right letter."""
    number = digits_of(text).upper()
    number = {"X": "0", "Y": "1", "Z": "2"}.get(number[:1], number[:1]) + number[1:]
    return number[:-1].isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number[:-1]) % 23] == number[-1:]


def is_french_nir(text: str) -> bool:
    """Return whether fifteen digits are a French social security number (NIR): a month, and 97 minus the rest of 97."""
    number = digits_of(text).upper().replace("2A", "19", 1).replace("2B", "18", 1)
    return len(number) == 15 and number.isdigit() and 97 - int(number[:13]) % 97 == int(number[13:])


_CF_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def is_codice_fiscale(text: str) -> bool:
    """Return whether sixteen characters are an Italian tax code with the right last letter."""
    code = text.upper()
    if len(code) != 16:
        return False
    total = 0
    for place, char in enumerate(code[:15]):
        total += _CF_ODD[char] if place % 2 == 0 else int(char, 36) - (10 if char.isalpha() else 0)
    return chr(ord("A") + total % 26) == code[15]


def is_chinese_id(text: str) -> bool:
    """Return whether eighteen characters are a Chinese resident identity number (ISO 7064, modulo 11-2)."""
    number = text.upper()
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return len(number) == 18 and "10X98765432"[_weighted(number[:17], weights) % 11] == number[17]


def is_pesel(text: str) -> bool:
    """Return whether eleven digits can be a Polish PESEL: a month of a century, and the check digit."""
    number = digits_of(text)
    if len(number) != 11 or not 1 <= int(number[2:4]) % 20 <= 12 or not 1 <= int(number[4:6]) <= 31:
        return False
    check = _weighted(number[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    return (10 - check % 10) % 10 == int(number[10])


def is_german_tax_id(text: str) -> bool:
    """Return whether eleven digits can be a German tax number (ISO 7064, modulo 11,10)."""
    number = digits_of(text)
    if len(number) != 11 or number[0] == "0":
        return False
    if max(number[:10].count(digit) for digit in set(number[:10])) not in {2, 3}:
        return False  # exactly one of the first ten digits occurs more than once
    rest = 10
    for digit in number[:10]:
        total = (int(digit) + rest) % 10 or 10
        rest = total * 2 % 11
    return (11 - rest) % 10 == int(number[10])


def is_basic_pair(text: str) -> bool:
    """Return whether base64 encodes `name:password` in printable ASCII."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and plain.isascii() and plain.decode("ascii").isprintable()


def entropy(text: str) -> float:
    """Return the bits per character of a text, by the frequency of each character."""
    size = len(text)
    counts = map(text.count, set(text))
    return log2(size) - sum([n * log2(n) for n in counts if n > 1]) / size if size else 0.0


_LOWER: Final = re.compile(r"[a-z]")
_UPPER: Final = re.compile(r"[A-Z]")
_DIGIT: Final = re.compile(r"[0-9]")
_HEX: Final = re.compile(r"[0-9a-fA-F-]+")


def is_random(text: str) -> bool:
    """Return whether a value looks randomly generated: letters, digits, and many different ones; never a plain hash."""
    if _HEX.fullmatch(text) or not _DIGIT.search(text):
        return False
    mixed = bool(_LOWER.search(text)) + bool(_UPPER.search(text))
    return entropy(text) >= (3.0 if mixed == 2 else 3.5)


# --- placeholders and words -------------------------------------------------------------------------------------------

_MOST: Final = 256
_HOLE: Final = re.compile(
    r"\$\{\{.{0,128}?\}\}|env:[A-Z_][A-Z0-9_]{0,64}|op://\S{1,200}|\$\{[^{}]{0,128}\}?|\$[A-Za-z_][\w.:]{0,64}|\$\(.{0,200}|%\(?\w{1,64}\)?s?%?|\{\{?[^{}]{0,128}\}?\}?"
    r"|\\?<[^<>]{0,128}>?|\[[a-z][a-z _-]{0,64}\]|[*.xX#_?•-]{3,256}|\.\.\..{0,64}|…|0{4,}|(.)\1{7,}",
    re.DOTALL,
)
_TO_FILL: Final = re.compile(
    r"(?:.{0,40}[^a-z])?(?:your|my[-_ ]?own|insert|replace|change[-_ ]?this|fill[-_ ]?in|put)[-_ ].{2,60}"
    r"|(?:.{0,60}[-_])?(?:here|placeholder|goes[-_ ]here)|.{0,24}[x*.]{6,}.{0,24}",
    re.IGNORECASE,
)
_WORD: Final = (
    r"(?:[a-z]{1,16}|[A-Z][a-z]{1,15}|[A-Z]{1,16}|[a-z]{1,10}[0-9]{1,5}"
    r"|[0-9]{1,4}(?:st|nd|rd|th|x|px|k|d)?|v[0-9]{1,3})"
)
_WORDS: Final = re.compile(_WORD + r"(?:[-_./: ]" + _WORD + r"?){0,32}")
_DOCUMENTED: Final = re.compile(r"A[A-Z]{3}[A-Z0-9]{9}EXAMPLE")


def is_placeholder(text: str) -> bool:
    """Return whether a text is a placeholder for a secret: `<token>`, `${TOKEN}`, `xxxx`, `your-token-here`.

    Key ids in the documentation of AWS (`AKIA...EXAMPLE`) are placeholders too. A common password such as `changeme` is
    not one.
    """
    if len(text) > _MOST:
        return False
    return (
        (
            _HOLE.fullmatch(text) is not None
            and not (text[0] in "<{" and (is_drawn(text.strip("<{}>")) or text.startswith("{AQAAAB")))
        )
        or _DOCUMENTED.fullmatch(text) is not None
        or (_TO_FILL.fullmatch(text) is not None and not _has_random_part(text))
    )


_PIECE: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SYNTAX: Final = re.compile(r"[\s,:=()\[\]{}<>|]")
_SHORTEST_DRAWN: Final = 10
_SHORT_PIECES, _LONG_PIECES = 2.7, 4.0
_LONG_DRAWN, _OF_LONG = 24, 3.5
"""Minimum length of a value without separators that is judged by the average length of its pieces; that length."""
_NO_WORD: Final = re.compile(
    r"(?!(?:x?html|https?|ctrl|sqrt|grpc|smtp|sftp)\Z)(?:[b-df-hj-np-tv-xz]{4,}|[a-z]?[b-df-hj-np-tv-xz]{5,}[a-z]*)",
    re.IGNORECASE,
)


def is_drawn(text: str) -> bool:
    """Return whether a text looks randomly generated and is not a name or an expression of a program.

    Names switch between small letters, capitals and digits where a word begins, so that their pieces are long and
    contain vowels.
    """
    if not _SHORTEST_DRAWN <= len(text) <= _MOST or _SYNTAX.search(text) or not is_random(text):
        return False
    pieces = _PIECE.findall(text)
    if text.count("_") > 1 and text.replace("_", "").isalnum():
        return False  # a name of several words
    average = sum(map(len, pieces)) / len(pieces)
    if len(text) >= _LONG_DRAWN and average < _OF_LONG and text.isalnum():
        return True
    return average < _SHORT_PIECES or (average < _LONG_PIECES and any(map(_NO_WORD.fullmatch, pieces)))


def is_words(text: str) -> bool:
    """Return whether a text consists of words, small numbers and `- _ . / :` only, like slugs and names."""
    return len(text) <= _MOST and _WORDS.fullmatch(text) is not None


_PART: Final = re.compile(r"[A-Za-z0-9]{8,}")


def _has_random_part(text: str) -> bool:
    return any(
        _DIGIT.search(part[0])
        and (_LOWER.search(part[0]) or _UPPER.search(part[0]))
        and len(set(part[0])) > 5
        for part in _PART.finditer(text)
    )


def looks_secret(text: str) -> bool:
    """Return whether a value alone looks like a secret: at least 8 characters, letters mixed with digits or signs.

    Words, paths, addresses, versions and placeholders do not; hexadecimal of 32 digits and more and UUIDs do.
    """
    size = len(text)
    if size < 8 or size > 65_536 or _SPACE.search(text, 0, _MOST):
        return False
    if is_placeholder(text) or is_words(text) or _PLAIN_PATH.match(text):
        return False
    head = text[:_MOST]
    if _HEX.fullmatch(head):
        return size >= 32 and not head.isdigit()
    letters, digit = _LOWER.search(head) or _UPPER.search(head), _DIGIT.search(head)
    if not letters:
        return False
    if digit:
        return entropy(head) >= 2.75
    return size >= 16 and bool(_LOWER.search(head) and _UPPER.search(head)) and entropy(head) >= 3.7


def looks_like_key(text: str) -> bool:
    """Return whether a value alone has the form of a service's key: at least 16 characters, randomly generated.

    Hexadecimal counts from 32 digits on, unless it is a UUID: UUIDs are more often identifiers than keys.
    """
    if len(text) < _SHORTEST_KEY or not looks_secret(text) or _UUID.fullmatch(text):
        return False
    head = text[:_MOST]
    return _LONG_HEX.fullmatch(head) is not None or (
        _OF_KEYS.fullmatch(head) is not None and is_drawn(head.rstrip("="))
    )


_SPACE: Final = re.compile(r"\s")
_SHORTEST_KEY: Final = 16
_LONG_HEX: Final = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")
_UUID: Final = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[1-8][0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
)
_OF_KEYS: Final = re.compile(r"[\w.~+/=-]+")
_PLAIN_PATH: Final = re.compile(r"(?:~|\.{0,2})/|arn:aws[a-z-]{0,10}:|[a-z][a-z0-9+.-]{1,20}://")
