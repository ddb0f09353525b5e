"""Patterns that find any of many words in a text, by the characters that texts have fewest of.

A search skips all characters that no alternative begins with at once, and tries the alternatives at all others. Of the
letters that words begin with a text is full; so the words are cut at letters that are rare, and that few in all.
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
    """Return at which of its characters each word is searched for, by its place in the word.

    Args:
        words: the words.
        long: whether they are parts of words of some length, with digits and capitals, and not of texts in lower case.
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
    """Return a pattern that finds any of some words; a match begins at the character by which a word is found.

    Args:
        words: the words.
        long: as for `cuts`.
    """
    by_char: dict[str, list[str]] = {}
    for word, place in cuts(tuple(words), long=long).items():
        # What stands behind is compared first, which tells most alternatives from the text by one character.
        whole = f"(?<={re.escape(word)})" if place else ""
        by_char.setdefault(word[place], []).append(re.escape(word[place + 1 :]) + whole)
    return "|".join(
        f"{re.escape(char)}(?:{'|'.join(sorted(each))})" for char, each in sorted(by_char.items())
    )
