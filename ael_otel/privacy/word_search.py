"""Build patterns that find any of many words in a text, by their rarest characters.

A regular expression skips all characters that begin no alternative at once, and tries the alternatives at all others.
Texts are full of the letters with which words begin; so the words are split at letters that are rare, using as few
different letters as possible.
"""

import re
from collections.abc import Iterable
from typing import Final

# Per mille of the characters of documents and sources, in lower case.
_SHARES: Final = {
    " ": 190, "e": 85, "t": 65, "a": 56, "o": 54, "s": 46, "n": 44, "i": 53, "r": 48, "l": 28, "d": 22, "h": 17,
    "c": 20, "m": 15, "f": 17, "u": 15, "p": 16, "g": 10, "-": 21, "|": 11, "_": 12, ".": 12, ",": 11,
    '"': 6, "'": 8, "y": 8, "w": 8, "b": 7, "(": 7, "=": 6, ":": 5, "v": 5, "k": 4, "x": 3, "/": 5,
    "\t": 2, "q": 1, "j": 1, "z": 1,
}  # fmt: skip
_RARE: Final = 1
_IN_LONG_WORDS: Final = dict.fromkeys("eaoitsnr/_.-lcdpmuhfgy:b0123456789wvkxjqz", 20)


def cuts(words: Iterable[str], *, long: bool = False) -> dict[str, int]:
    """Return the position in each word of the character by which it is searched for.

    Args:
        words: the words.
        long: whether they are parts of longer words, with digits and capitals, instead of texts in lower case.
    """
    shares = _IN_LONG_WORDS if long else _SHARES
    left = set(words)
    chosen: dict[str, int] = {}
    found: dict[str, int] = {}
    while left:
        covered: dict[str, int] = {}
        for word in left:
            for char in set(word):
                covered[char] = covered.get(char, 0) + 1
        best = min(covered, key=lambda char: (shares.get(char, _RARE) / covered[char], char))
        chosen[best] = shares.get(best, _RARE)
        left = {word for word in left if best not in word}
    for word in words:
        char = min(chosen.keys() & set(word), key=lambda each: (chosen[each], each))
        found[word] = word.index(char)
    return found


def pattern_of(words: Iterable[str], *, long: bool = False) -> str:
    """Return a pattern that finds any of some words; a match begins at the character from `cuts`.

    Args:
        words: the words.
        long: as for `cuts`.
    """
    by_char: dict[str, list[str]] = {}
    for word, place in cuts(tuple(words), long=long).items():
        # The text after the character is compared first, since one character excludes most alternatives.
        whole = f"(?<={re.escape(word)})" if place else ""
        by_char.setdefault(word[place], []).append(re.escape(word[place + 1 :]) + whole)
    return "|".join(
        f"{re.escape(char)}(?:{'|'.join(sorted(each))})" for char, each in sorted(by_char.items())
    )
