"""Long texts are searched in windows: with the same result, and no call of `re` reads much more than one."""

import re
from itertools import pairwise
from typing import Any

import pytest

from ael_otel.privacy import key_value, scan, windows
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.rules import RULES, rules_for
from ael_otel.privacy.scan import Scanner

WINDOW = windows.WINDOW


class _Spied:
    """A pattern that notes how many characters each of its searches may read."""

    def __init__(self, pattern: re.Pattern[str], lengths: list[int]) -> None:
        self._pattern = pattern
        self._lengths = lengths

    def search(self, text: str, start: int = 0, end: int | None = None) -> re.Match[str] | None:
        """Note the length and search."""
        end = len(text) if end is None else end
        self._lengths.append(end - start)
        return self._pattern.search(text, start, end)

    def finditer(self, text: str, start: int = 0, end: int | None = None) -> Any:
        """Note the length and search."""
        end = len(text) if end is None else end
        self._lengths.append(end - start)
        return self._pattern.finditer(text, start, end)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_secret_at_the_end_of_a_window_is_found_as_without_windows(
    rule: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compares with one search of the whole text, where the example of a rule stands across the end of a window."""
    scanner = Scanner(rules_for(Policy()))
    step = max(1, len(rule.example) // 6)
    for sign in (" ", "a"):
        for at in (WINDOW + windows.OVERLAP, *range(WINDOW - len(rule.example) - 2, WINDOW + 3, step)):
            text = (sign * at)[:-1] + " " + rule.example + " " + sign * WINDOW
            found = list(scanner.spans(text))
            with monkeypatch.context() as patched:
                patched.setattr(windows, "WINDOW", 10 * len(text))
                assert found == list(scanner.spans(text))


def test_no_search_reads_more_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spies on the patterns that read slowly, in texts that repeat what is slow."""
    lengths: list[int] = []
    scanner = Scanner(rules_for(Policy()))
    for owner, name in (
        (scan, "_DIGITS"),
        (scan, "_MAY_BEGIN"),
        (scan, "PREFIX"),
        (scan, "_PREFIX_OF_WORD"),
        (key_value, "_NAME_OF_SECRET"),
        (scanner, "_any_direct"),
        (scanner._folded, "_any"),
        *((names, name) for names in scanner._names for name in ("_name", "_any_name")),
    ):
        monkeypatch.setattr(owner, name, _Spied(getattr(owner, name), lengths))
    size = 4 * WINDOW
    for piece in ("a", "A", "../", "é", "'", "eyJ", "1 ", "a: ", "://"):
        text = piece * (size // len(piece))
        scanner.spans(text)
        scanner.clean_among([text, "b"], scan.Budget())
    assert len(lengths) > 100
    assert max(lengths) <= WINDOW + windows.OVERLAP


def test_matches_are_those_of_the_pattern() -> None:
    """Compares all matches of a pattern, some of which reach beyond a window."""
    pattern = re.compile(r"a\d*+b?")
    text = "".join(f"{'-' * (at * 37 % 500)}a{'7' * (at % 60 * 40)}b" for at in range(300))
    found = [match.span() for match in windows.finditer(pattern, text)]
    assert found == [match.span() for match in pattern.finditer(text)]
    assert any(first[0] // WINDOW < second[0] // WINDOW for first, second in pairwise(found))
