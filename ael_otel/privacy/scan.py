"""Runs the rules over one text: where its secrets are."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter, lt
from os.path import commonprefix
from typing import Final, NamedTuple

from ael_otel.privacy import addresses, commands, manifests
from ael_otel.privacy.budget import Budget, Unlimited
from ael_otel.privacy.encoded import base64_text, decoded_parts
from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.key_value import KindFor, NamedSecrets, lowered, options
from ael_otel.privacy.markers import EMAIL, FIELD, MARKER, PII, URL_CREDENTIALS
from ael_otel.privacy.rules import BY_PREFIX, PREFIX, Rule, trie


class Span(NamedTuple):
    """A secret in a text: where it begins and ends, its kind, and the rule that found it."""

    start: int
    end: int
    kind: str
    rule: str


_START, _END = itemgetter(0), itemgetter(1)

# Where a key or token can be: runs of what they are made of. Few texts have one, and it is looked for at once.
_RUN: Final = re.compile(r"[0-9A-Za-z_.~-]{20,}")
# In every social security number and every card number, from its first digit.
_DIGITS: Final = re.compile(
    "[0-9](?<![0-9A-Za-z_.].)[0-9]{2}(?:[ \u00a0\u2010-\u2013-][0-9]{2}[ \u00a0\u2010-\u2013-]"
    "|[0-9](?:[0-9]{9}|[ \u00a0\u2010-\u2013-][0-9]{4}))"
)

# One of these or a blank stands between a name and its value.
_SIGN: Final = re.compile("[:=%>(|&\\s\uff1a\uff1d]")

TOO_MANY: Final = "too_many"
"""The name of the finding where a value holds more to judge than its budget allows."""
_SHORT: Final = 256
_LONG: Final = 20
"""Characters without a blank that a token has at least."""
_WITH_BLANKS: Final = frozenset({"private_key", "putty_key", "pgpass"})
"""Rules whose matches have blanks in them, or can be shorter."""
# What logs and mails put in front of a token: `\n` as two characters, `=3D`, the colour of a terminal.
_ESCAPE: Final = re.compile(r"(?:\\[abfnrtv]|=3D|\x1b\[[0-9;]{0,9}m)\Z")
_LONGEST_ESCAPE: Final = 10
_LONGEST: Final = 4_096
# Further on in a run no escape can end, so a prefix counts only where a word begins. The set of characters that begins
# `PREFIX` makes the first search of a run the faster one.
_PREFIX_OF_WORD: Final = re.compile(rf"(?<![0-9A-Za-z])(?:{PREFIX.pattern})")

_BEFORE: Final = 512
_AFTER: Final = 128


class Scanner:
    """Finds secrets in texts.

    Every search resumes behind what it has read: behind a match, also one that a check refuses, behind a name, a run or
    an address. What is tried again and again at one place reads a bounded number of characters. So the time that a text
    takes grows with its length, whatever it holds.

    Args:
        rules: the rules to apply, as `rules_for` returns them.
        kind_for: judges the names beside values.
        chosen: judges names by the patterns of the configuration; None without any.
    """

    def __init__(
        self, rules: Sequence[Rule], *, kind_for: KindFor = kind_of, chosen: KindFor | None = None
    ) -> None:
        # A name such as `ssn` in a text is judged by the rule for names; its kind counts only if a detector is on.
        self._pii = frozenset(rule.kind for rule in rules if rule.kind in PII)
        self._searched = [rule for rule in rules if rule.search]
        by_name = {rule.name: rule for rule in rules if not rule.search}
        self._email = by_name.pop("email", None)
        self._digits = [by_name.pop(name) for name in ("us_ssn", "payment_card") if name in by_name]
        self._url = by_name.pop("url_credentials")
        self._named = by_name.pop("named_secret")
        self._option = by_name.pop("command_option")
        self._kind_for = kind_for
        self._names = [NamedSecrets(kind_for, self._named.anchors)]
        if chosen is not None:
            self._names.append(NamedSecrets(chosen, None))
        self._folded = [by_name.pop(name) for name in [rule.name for rule in by_name.values() if rule.fold]]
        self._any_folded = re.compile(trie(anchor for rule in self._folded for anchor in rule.anchors))
        direct = [rule for rule in by_name.values() if not rule.in_run]
        self._with_blanks = [(_common(rule.anchors), rule) for rule in direct if rule.name in _WITH_BLANKS]
        self._direct = [
            (_common(rule.anchors), re.compile(trie(rule.anchors)), rule)
            for rule in direct
            if rule.name not in _WITH_BLANKS
        ]
        self._any_direct = re.compile(trie(anchor for *_, rule in self._direct for anchor in rule.anchors))

    def spans(self, text: str, budget: Budget | None = None) -> Sequence[Span]:
        """Return the secrets of a text in the order of their beginnings; they may overlap.

        Args:
            text: the text.
            budget: what the search of the value around it may still judge; that of one text by default. Where it is
                spent, the rest of the text counts as a secret.
        """
        found: list[Span] = []
        budget = Budget() if budget is None else budget
        self._search(text, 0, len(text), found, budget)
        self._inside(text, 0, len(text), found, budget)
        cut = budget.end_text(len(text))
        if cut is not None:
            found.append(Span(cut, len(text), FIELD, TOO_MANY))
        if not found and ("\0" in text or "\ufffd" in text):
            # UTF-16 decoded as Latin-1: without the NULs between its characters a text may hold a secret.
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
        lower = lowered(text)
        # The first search has bounded what is there to judge.
        budget = Unlimited()
        for start, end in places:
            if start - _BEFORE > high:
                self._search(text, low, min(high, len(text)), found, budget, lower)
                self._inside(text, low, min(high, len(text)), found, budget)
                low = start - _BEFORE
            high = end + _AFTER
        self._search(text, low, min(high, len(text)), found, budget, lower)
        self._inside(text, low, min(high, len(text)), found, budget)
        return self._in_order(found)

    def spans_in(self, text: str, places: Iterable[tuple[int, int]]) -> Sequence[Span]:
        """Return the secrets that begin in these parts of a text, as `spans` does; the parts are in order and apart."""
        found: list[Span] = []
        budget = Budget()
        lower = lowered(text)
        for start, end in places:
            self._search(text, start, end, found, budget, lower)
            self._inside(text, start, end, found, budget)
            if budget.cut is not None:
                break
        cut = budget.end_text(len(text))
        if cut is not None:
            found.append(Span(cut, len(text), FIELD, TOO_MANY))
        return self._in_order(found)

    def _inside(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Add the secrets that escapes hide."""
        piece = text if end - start == len(text) else text[start:end]
        if not ("%" in piece or "&" in piece or "\\u00" in piece):
            return
        for part in decoded_parts(text, start, end):
            inner: list[Span] = []
            outer = budget.enter()
            self._search(part.text, 0, len(part.text), inner, budget)
            budget.leave(outer, part.place)
            found += [
                Span(part.place(each.start), part.place(each.end), each.kind, each.rule) for each in inner
            ]

    def _in_order(self, found: list[Span]) -> list[Span]:
        if len(self._pii) < len(PII):
            found = [span for span in found if span.kind not in PII or span.kind in self._pii]
        if len(found) > 1:
            found.sort()
        return found

    def _search(
        self, text: str, start: int, end: int, found: list[Span], budget: Budget, low: str | None = None
    ) -> None:
        """Add the secrets of a text that begin in a part of it; `low` is the text in lower case, if that is known."""
        size = end - start
        part = text if size == len(text) else text[start:end]
        for rule in self._searched:
            _everywhere(rule, text, start, end, found)
        if "@" in part or "%40" in part:
            if self._email is not None:
                _at_anchors(self._email, text, text, start, end, found)
            if "://" in part:
                self._addresses(text, start, end, found)
            if ":" in part:
                kind, name = self._url.kind, self._url.name
                addresses.search_bare(
                    text, start, end, lambda first, last: found.append(Span(first, last, kind, name))
                )
        if size > 10 and self._digits:
            self._numbers(text, start, end, found)
        if size > 5:
            if " " in part or _SIGN.search(part):
                self._by_word(text, lowered(text) if low is None else low, start, end, found, budget)
            if "-" in part:
                self._options(text, start, end, found, budget)
        if manifests.SIGN in part:
            kind = self._named.name
            manifests.search(
                text, start, end, lambda first, last, what: found.append(Span(first, last, what, kind))
            )
        for hint, rule in self._with_blanks:
            if hint in part:
                _at_anchors(rule, text, text, start, end, found)
        if size >= _LONG:
            # Tokens are words of some length, of which most texts have few: one split leaves all others out.
            words = [word for word in part.split() if len(word) >= _LONG]
            if words:
                self._by_shape(text, start, end, words, found, budget)

    def _by_shape(
        self, text: str, start: int, end: int, words: Sequence[str], found: list[Span], budget: Budget
    ) -> None:
        """Try the rules for tokens on the long words of a text, in their order."""
        together = " ".join(words)
        # In a short text there is mostly none, which one search says.
        some = len(together) > _SHORT or self._any_direct.search(together) is not None
        tried = [
            (anchor, rule)
            for hint, anchor, rule in self._direct
            if some and ((hint in together) if hint else anchor.search(together))
        ]
        at = start
        for word in words:
            at = text.find(word, at, end)
            behind = at + len(word)
            for anchor, rule in tried:
                sign = anchor.search(text, at, behind)
                while sign is not None:
                    after = max(sign.start() + 1, _try(rule, text, sign.start(), found))
                    sign = anchor.search(text, after, behind)
            run = _RUN.search(text, at, behind)
            while run is not None:
                self._by_beginning(text, run.start(), run.end(), found)
                self._in_base64(text, run.start(), found, budget)
                run = _RUN.search(text, run.end(), behind)
            at = behind

    def _addresses(self, text: str, start: int, end: int, found: list[Span]) -> None:
        kind, name = self._url.kind, self._url.name
        refused: list[int] = []

        def report(first: int, last: int, secret: bool) -> None:
            if secret:
                found.append(Span(first, last, kind, name))
            else:
                refused.append(last)

        addresses.search(text, start, end, report)
        if refused:
            # What stands before the `@` of an address is no name of a mailbox.
            hosts = frozenset(refused)
            found[:] = [
                span for span in found if span.kind != EMAIL or text.find("@", span.start) not in hosts
            ]

    def _numbers(self, text: str, start: int, end: int, found: list[Span]) -> None:
        # Mostly there is none, which a search says faster than an iterator that is made for nothing.
        candidate = _DIGITS.search(text, start, end)
        while candidate is not None:
            for rule in self._digits:
                _try(rule, text, candidate.start(), found)
            candidate = _DIGITS.search(text, candidate.end(), end)

    def _options(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        name = self._option.name

        def report(first: int, last: int, kind: str) -> None:
            found.append(Span(first, last, kind, name))

        if text.find(" -", start, end) >= 0:
            commands.search(text, start, end, report, budget)
        if text.find('"-', start, end) >= 0 or text.find("'-", start, end) >= 0:
            commands.search_lists(text, start, end, report, budget)
        if (
            text.find("- -", start, end) >= 0
            or text.find('- "-', start, end) >= 0
            or text.find("- '-", start, end) >= 0
        ):
            commands.search_blocks(text, start, end, report, budget)
        if text.find("--", start, end) >= 0:
            options(text, start, end, self._kind_for, report, budget)

    def _by_beginning(self, text: str, start: int, end: int, found: list[Span]) -> None:
        """Try the rules for keys and tokens where what they begin with begins a word of a run."""
        prefix = PREFIX.search(text, start, end)
        while prefix is not None:
            at = prefix.start()
            behind = 0
            if at == 0 or not (text[at - 1].isascii() and text[at - 1].isalnum()):
                behind = _try(BY_PREFIX[prefix[0]], text, at, found)
            elif at - start <= _LONGEST_ESCAPE and _ESCAPE.search(text, max(0, at - 12), at) is not None:
                # The letter in front ends an escape; without it, a word begins here.
                inner: list[Span] = []
                behind = at + _try(BY_PREFIX[prefix[0]], text[at : end + _LONGEST], 0, inner)
                found += [Span(at + each.start, at + each.end, each.kind, each.rule) for each in inner]
            search = PREFIX.search if at - start < _LONGEST_ESCAPE else _PREFIX_OF_WORD.search
            prefix = search(text, max(at + 1, behind), end)

    def _in_base64(self, text: str, start: int, found: list[Span], budget: Budget) -> None:
        """Add a run of Base64 as a whole when the text that it holds has credentials in it."""
        inner = base64_text(text, start)
        if inner is None or budget.is_spent(start):
            return
        hidden: list[Span] = []
        outer = budget.enter()
        self._search(inner[1], 0, len(inner[1]), hidden, budget)
        budget.leave(outer, lambda _: start)
        secrets = [span for span in hidden if span.kind not in PII]
        if secrets:
            found.append(Span(start, inner[0], secrets[0].kind, secrets[0].rule))

    def _by_word(self, text: str, low: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Try the rules that begin with a word in any case."""
        name = self._named.name

        def keep(first: int, last: int, kind: str) -> None:
            found.append(Span(first, last, kind, name))

        for names in self._names:
            names.search(text, low, start, end, keep, budget)
        # Within the part alone: of a long text many parts are looked at again.
        if end - start >= 12 and self._any_folded.search(low, start, end) is not None:
            for rule in self._folded:
                _at_anchors(rule, text, low, start, end, found)


def _common(anchors: Sequence[str]) -> str:
    """Return what all anchors end with: where that is missing, none of them has to be looked for."""
    return commonprefix([anchor[::-1] for anchor in anchors])[::-1]  # noqa: RUF071 - texts, not paths


def _at_anchors(rule: Rule, text: str, haystack: str, start: int, end: int, found: list[Span]) -> None:
    """Try a rule where one of its anchors stands; behind a match it goes on at its end."""
    for anchor in rule.anchors:
        at = haystack.find(anchor, start, end)
        while at >= 0:
            behind = _try(rule, text, at, found)
            at = haystack.find(anchor, max(at + 1, behind), end)


def _try(rule: Rule, text: str, at: int, found: list[Span]) -> int:
    """Add what a rule finds at a place; returns the end of what it has read, 0 where its pattern does not match."""
    if rule.find is not None:
        place = rule.find(text, at)
        if place is None:
            return 0
        found.append(Span(*place, rule.name))
        return place[1]
    match = rule.pattern.match(text, at)
    if match is None:
        return 0
    place = (*match.span(rule.group), rule.kind) if rule.check is None else rule.check(text, match)
    if place is None:
        return match.end()
    found.append(Span(*place, rule.name))
    return max(place[1], match.end())


def _everywhere(rule: Rule, text: str, start: int, end: int, found: list[Span]) -> None:
    """Add what a rule without anchors finds in a part of a text."""
    for match in rule.pattern.finditer(text, start, end):
        place = (*match.span(rule.group), rule.kind) if rule.check is None else rule.check(text, match)
        if place is not None and place[0] < place[1] and not _is_marker(text, *place[:2]):
            found.append(Span(*place, rule.name))


def _is_marker(text: str, start: int, end: int) -> bool:
    """Return whether a match is a marker or the word in one: a user's pattern may fit those too."""
    marker = MARKER.match(text, start) or (start > 0 and MARKER.match(text, start - 1)) or None
    return marker is not None and marker.end() >= end


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order without overlaps: overlapping ones become one, of the kind of the worst, then widest."""
    if len(spans) == 1:
        return list(spans)
    if all(map(lt, map(_END, spans), map(_START, islice(spans, 1, None)))):
        return list(spans)
    result: list[Span] = []
    behind = start = -1
    for span in spans:
        # The password and the host behind it look like an e-mail address; the host is none of the secret.
        if span.kind == EMAIL and start < span.start < behind:
            continue
        if span.kind == URL_CREDENTIALS and span.end > behind:
            start, behind = span.start, span.end
        if result and span.start < result[-1].end:
            last = result[-1]
            worse = max(last, span, key=lambda each: (each.kind not in PII, each.end - each.start))
            result[-1] = Span(last.start, max(last.end, span.end), worse.kind, worse.rule)
        else:
            result.append(span)
    return result
