"""Runs the rules over one text: where its secrets are."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ael_otel.privacy.markers import PII
from ael_otel.privacy.rules import RULES, Found, Rule


class Span(NamedTuple):
    """A secret in a text: where it begins and ends, its kind, and the rule that found it."""

    start: int
    end: int
    kind: str
    rule: str


class _Prepared(NamedTuple):
    """A rule as the loop below wants it; the bound methods save a lookup each."""

    rule: Rule
    anchors: tuple[str, ...]
    match: Callable[..., re.Match[str] | None]
    check: Callable[[str, re.Match[str]], Found | None] | None


# A text of up to this many characters is asked first whether it can hold anything at all.
_SHORT: Final = 256
# Runs of what tokens are made of; all rules that need a run of 20 are spared a text without one.
_RUN: Final = re.compile(r"[\w./+=~%-]{20}")
_DIGITS: Final = re.compile("[0-9]{3}[ \u00a0\u2010-\u2013-]?[0-9]{2}")
_SPECIAL: Final = frozenset(
    {"email", "us_ssn", "payment_card", "url_credentials", "named_secret", "private_key"}
)


class Scanner:
    """Finds secrets in texts.

    Args:
        pii: also personal data: e-mail addresses, social security numbers and payment cards.
    """

    def __init__(self, *, pii: bool = True) -> None:
        self._pii = pii
        chosen = [rule for rule in RULES if pii or rule.kind not in PII]
        by_name = {rule.name: self._prepare(rule) for rule in chosen}
        self._email = by_name.get("email")
        self._digits = [by_name[name] for name in ("us_ssn", "payment_card") if name in by_name]
        self._url = by_name["url_credentials"]
        self._pem = by_name["private_key"]
        self._named = by_name["named_secret"]
        self._shapes = [item for name, item in by_name.items() if name not in _SPECIAL and not item.rule.fold]
        self._folded = [item for name, item in by_name.items() if name not in _SPECIAL and item.rule.fold]

    @staticmethod
    def _prepare(rule: Rule) -> _Prepared:
        return _Prepared(rule, rule.anchors, rule.pattern.match, rule.check)

    def spans(self, text: str) -> Sequence[Span]:
        """Return the secrets of a text in the order of their beginnings; they may overlap."""
        found: list[Span] = []
        size = len(text)
        if self._email is not None and ("@" in text or "%40" in text):
            _at_anchors(self._email, text, text, found)
        if self._digits and (size > _SHORT or _DIGITS.search(text)):
            for item in self._digits:
                _everywhere(item, text, found)
        if "://" in text:
            _at_anchors(self._url, text, text, found)
        low = text.lower()
        if len(low) != size:
            # A few letters become two in lower case, and places would not fit any more.
            low = "".join(c.lower() if c < "\x80" else c for c in text)
        if size > 5:
            _at_anchors(self._named, text, low, found)
        if size >= 12:
            for item in self._folded:
                _at_anchors(item, text, low, found)
            if size >= 20 and (size > _SHORT or _RUN.search(text)):
                if "-----BEGIN" in text:
                    _at_anchors(self._pem, text, text, found)
                for item in self._shapes:
                    _at_anchors(item, text, text, found)
        if not self._pii:
            found = [span for span in found if span.kind not in PII]
        found.sort()
        return found


def _at_anchors(item: _Prepared, text: str, haystack: str, found: list[Span]) -> None:
    """Try a rule where one of its anchors stands; behind a match it goes on at its end."""
    match, check = item.match, item.check
    for anchor in item.anchors:
        if anchor not in haystack:
            continue
        at = haystack.find(anchor)
        while at >= 0:
            after = at + 1
            if (hit := match(text, at)) is not None and (span := _span(item, text, hit, check)) is not None:
                found.append(span)
                after = max(after, span.end)
            at = haystack.find(anchor, after)


def _everywhere(item: _Prepared, text: str, found: list[Span]) -> None:
    for hit in item.rule.pattern.finditer(text):
        if (span := _span(item, text, hit, item.check)) is not None:
            found.append(span)


def _span(
    item: _Prepared,
    text: str,
    hit: re.Match[str],
    check: Callable[[str, re.Match[str]], Found | None] | None,
) -> Span | None:
    if check is not None:
        place = check(text, hit)
        return None if place is None else Span(*place, item.rule.name)
    group = "secret" if "secret" in item.rule.pattern.groupindex else 0
    return Span(hit.start(group), hit.end(group), item.rule.kind, item.rule.name)


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order without overlaps: those that touch one another become one, of the widest one's kind."""
    result: list[Span] = []
    for span in spans:
        if result and span.start < result[-1].end:
            last = result[-1]
            wider = span if span.end - span.start > last.end - last.start else last
            result[-1] = Span(last.start, max(last.end, span.end), wider.kind, wider.rule)
        else:
            result.append(span)
    return result
