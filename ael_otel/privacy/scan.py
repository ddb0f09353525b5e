"""Runs the rules over one text: where its secrets are."""

import re
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Final, NamedTuple

from ael_otel.privacy.markers import EMAIL, FIELD, PII, URL_CREDENTIALS
from ael_otel.privacy.rules import RULES, Rule


class Span(NamedTuple):
    """A secret in a text: where it begins and ends, its kind, and the rule that found it."""

    start: int
    end: int
    kind: str
    rule: str


# Where a key or token can be: runs of what they are made of. Few texts have one, and it is looked for at once.
_RUN: Final = re.compile(r"[0-9A-Za-z_.~-]{20,}")
# In every social security number and every card number, from its first digit.
_DIGITS: Final = re.compile(
    "[0-9](?<![0-9A-Za-z_.].)[0-9]{2}(?:[ \u00a0\u2010-\u2013-][0-9]{2}[ \u00a0\u2010-\u2013-]"
    "|[0-9](?:[0-9]{9}|[ \u00a0\u2010-\u2013-][0-9]{4}))"
)

# One of these or a blank stands between a name and its value.
_SIGN: Final = re.compile("[:=%>(|\\s\uff1a\uff1d]")

_OPTION: Final = re.compile("--[A-Za-z]")

_BEFORE: Final = 1_024
_AFTER: Final = 128


class Scanner:
    """Finds secrets in texts.

    Args:
        pii: also personal data: e-mail addresses, social security numbers and payment cards.
    """

    def __init__(self, *, pii: bool = True) -> None:
        self._pii = pii
        rules = {rule.name: rule for rule in RULES if pii or rule.kind not in PII}
        self._email = rules.pop("email", None)
        self._digits = [rules.pop(name) for name in ("us_ssn", "payment_card") if name in rules]
        self._url = rules.pop("url_credentials")
        self._named = rules.pop("named_secret")
        self._option = rules.pop("command_option")
        self._folded = [rules.pop(name) for name in [rule.name for rule in rules.values() if rule.fold]]
        self._direct = [(_common(rule.anchors), rule) for rule in rules.values() if not rule.in_run]
        self._by_prefix = {anchor: rule for rule in rules.values() if rule.in_run for anchor in rule.anchors}
        longest_first = sorted(self._by_prefix, key=len, reverse=True)
        self._prefix = re.compile("|".join(map(re.escape, longest_first)))

    def spans(self, text: str) -> Sequence[Span]:
        """Return the secrets of a text in the order of their beginnings; they may overlap."""
        found: list[Span] = []
        self._search(text, text, 0, found)
        if not found and ("\0" in text or "\ufffd" in text):
            # Two bytes a character read as one each: a text with holes, and without them a secret.
            whole = text.replace("\0", "").replace("\ufffd", "")
            return [Span(0, len(text), FIELD, "wide_text")] if self.spans(whole) else found
        return self._in_order(found)

    def spans_near(self, text: str, places: Iterable[tuple[int, int]]) -> Sequence[Span]:
        """Return the secrets that a change at these places of a text can have made, as `spans` does.

        What begins behind a change looks back `_AFTER` characters at most; what begins so far before it that it is not
        looked at again has been decided by more characters than any rule asks for.
        """
        found: list[Span] = []
        low = high = 0
        for start, end in places:
            if start - _BEFORE > high:
                self._search(text, text[low:high], low, found)
                low = start - _BEFORE
            high = end + _AFTER
        self._search(text, text[low:high], low, found)
        return self._in_order(found)

    def _in_order(self, found: list[Span]) -> list[Span]:
        if not self._pii:
            found = [span for span in found if span.kind not in PII]
        if len(found) > 1:
            found.sort()
        return found

    def _search(self, text: str, part: str, offset: int, found: list[Span]) -> None:
        """Add the secrets of a text that begin in a part of it, which stands at `offset`."""
        size = len(part)
        if "@" in part or "%40" in part:
            if self._email is not None:
                _at_anchors(self._email, text, part, offset, found)
            if "://" in part:
                _at_anchors(self._url, text, part, offset, found)
        if size > 10 and self._digits:
            # Mostly there is none, which a search says faster than an iterator that is made for nothing.
            candidate = _DIGITS.search(part)
            while candidate is not None:
                for rule in self._digits:
                    _try(rule, text, candidate.start() + offset, found)
                candidate = _DIGITS.search(part, candidate.end())
        if size > 5:
            if " " in part or _SIGN.search(part):
                self._by_word(text, part, offset, found)
            if "--" in part:
                for option in _OPTION.finditer(part):
                    _try(self._option, text, option.start() + offset, found)
        if size >= 20:
            for hint, rule in self._direct:
                if hint in part:
                    _at_anchors(rule, text, part, offset, found)
            run = _RUN.search(part)
            while run is not None:
                self._by_beginning(text, offset + run.start(), offset + run.end(), found)
                run = _RUN.search(part, run.end())

    def _by_beginning(self, text: str, start: int, end: int, found: list[Span]) -> None:
        """Try the rules for keys and tokens where what they begin with begins a word of a run."""
        prefix = self._prefix.search(text, start, end)
        while prefix is not None:
            at = prefix.start()
            if at == 0 or not (text[at - 1].isascii() and text[at - 1].isalnum()):
                _try(self._by_prefix[prefix[0]], text, at, found)
            prefix = self._prefix.search(text, at + 1, end)

    def _by_word(self, text: str, part: str, offset: int, found: list[Span]) -> None:
        """Try the rules that begin with a word in any case."""
        low = part.lower()
        if len(low) != len(part):
            # A few letters become two in lower case, and places would not fit any more.
            low = "".join(c.lower() if c < "\x80" else c for c in part)
        # One after the other: a loop over them takes three times as long, and most texts hold none.
        if (
            "pass" in low or "secret" in low or "token" in low or "key" in low or "auth" in low or "cred" in low
            or "pwd" in low or "cookie" in low or "jwt" in low or "ssn" in low or "cv" in low or "otp" in low
            or "srf" in low or "sig" in low or "phrase" in low
        ):  # fmt: skip
            _at_anchors(self._named, text, low, offset, found)
        if len(low) >= 12 and ("bearer" in low or "basic" in low):
            for rule in self._folded:
                _at_anchors(rule, text, low, offset, found)


def _common(anchors: Sequence[str]) -> str:
    """Return what all anchors end with: where that is missing, none of them has to be looked for."""
    return commonprefix([anchor[::-1] for anchor in anchors])[::-1]  # noqa: RUF071 - texts, not paths


def _at_anchors(rule: Rule, text: str, haystack: str, offset: int, found: list[Span]) -> None:
    """Try a rule where one of its anchors stands; behind a match it goes on at its end."""
    for anchor in rule.anchors:
        at = haystack.find(anchor)
        while at >= 0:
            end = _try(rule, text, at + offset, found) - offset
            at = haystack.find(anchor, max(at + 1, end))


def _try(rule: Rule, text: str, at: int, found: list[Span]) -> int:
    """Add what a rule finds at a place; returns the end of it, 0 where there is nothing."""
    if rule.find is not None:
        place = rule.find(text, at)
    else:
        match = rule.pattern.match(text, at)
        if match is None:
            return 0
        place = (*match.span(rule.group), rule.kind) if rule.check is None else rule.check(text, match)
    if place is None:
        return 0
    found.append(Span(*place, rule.name))
    return place[1]


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order without overlaps: overlapping ones become one, of the kind of the worst, then widest."""
    if len(spans) == 1:
        return list(spans)
    addresses = [span for span in spans if span.kind == URL_CREDENTIALS]
    result: list[Span] = []
    for span in spans:
        # The password and the host behind it look like an e-mail address; the host is none of the secret.
        if span.kind == EMAIL and any(each.start < span.start < each.end for each in addresses):
            continue
        if result and span.start < result[-1].end:
            last = result[-1]
            worse = max(last, span, key=lambda each: (each.kind not in PII, each.end - each.start))
            result[-1] = Span(last.start, max(last.end, span.end), worse.kind, worse.rule)
        else:
            result.append(span)
    return result
