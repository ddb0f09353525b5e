"""Apply the rules to one text and return its secrets."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from operator import itemgetter, lt
from typing import Final, NamedTuple

from ael_otel.privacy import addresses, commands, manifests, windows
from ael_otel.privacy.budget import (
    CHARS_AGAIN,
    CHARS_READ,
    DECODED,
    HIT,
    LINE,
    NAMED_TEXT,
    NUMBER,
    RUN,
    STEP,
    TOKEN,
    Budget,
    Unlimited,
)
from ael_otel.privacy.budget import EMAIL as EMAIL_COST
from ael_otel.privacy.encoded import base64_text, decoded_parts, escapes, may_be_escaped
from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.key_value import (
    KindFor,
    NamedSecrets,
    lowered,
    name_places,
    options,
)
from ael_otel.privacy.markers import EMAIL, FIELD, MARKER, PII, URL_CREDENTIALS
from ael_otel.privacy.rules import BEGINNINGS, BY_PREFIX, PREFIX, Rule, trie
from ael_otel.privacy.turns import worked
from ael_otel.privacy.word_search import cuts, pattern_of


class Span(NamedTuple):
    """A secret in a text: its beginning and end, its kind, and the rule that found it."""

    start: int
    end: int
    kind: str
    rule: str


_START, _END = itemgetter(0), itemgetter(1)

# Runs of the characters of keys and tokens. Few texts have one, and the search for them is fast.
_RUN: Final = re.compile(r"[0-9A-Za-z_.~-]{20,}")
# Matches in every social security number and every card number, from the first digit.
_DIGITS: Final = re.compile(
    "[0-9](?<![0-9A-Za-z_.].)(?:(?P<ssn>[0-9]{2}[ \u00a0\u2010-\u2013-][0-9]{2}[ \u00a0\u2010-\u2013-][0-9]{4})"
    "|(?<=[2-6])[0-9]{3}(?:[0-9]{9}|[ \u00a0\u2010-\u2013-][0-9]{4}))"
)
_SHORTEST_NUMBER: Final = 10
"""A text of fewer characters cannot contain a social security number or a card number."""
_LONGEST_EMAIL: Final = 640
"""Maximum characters after the `@` of an e-mail address that its pattern reads."""

# A name and its value are separated by one of these or a blank; a backslash begins an escaped line end of a table.
_SIGN: Final = re.compile(r"[:=%>(|&\[\\\s\uff1a\uff1d\u2013-\u2015\u2192\u21d2\u2212]")

_RARER: Final = re.compile("[^ etaosnirl]")
_OPTION_SIGN: Final = re.compile("--[A-Za-z]")
# Matches of other rules contain one of these: addresses, Kubernetes manifests, UTF-16.
_HINTS: Final = ("@", "%40", "://", "\0", "\ufffd")

TOO_MANY: Final = "too_many"
"""The name of the finding for a value that is larger than its budget."""
WIDE: Final = "wide_text"
"""The name of the finding for a text with a secret between NULs."""
_SHORT: Final = 256
"""A text of fewer characters cannot exceed a budget."""
_NO_LIMIT: Final = Unlimited()
_NOTHING: Final[Sequence[Span]] = ()
_BLANK: Final = re.compile(r"\s")
_LONG: Final = 20
"""Minimum characters of a token without a blank."""
_WITH_BLANKS: Final = frozenset({"private_key", "putty_key", "pgpass"})
"""Rules whose matches contain blanks, or can be shorter."""
# What logs and mails put before a token: `\n` as two characters, `=3D`, the colour of a terminal.
_ESCAPE: Final = re.compile(r"(?:\\[abfnrtv]|=3D|\x1b\[[0-9;]{0,9}m)\Z")
# Short words separated by blanks: they contain no address, option, escape or token, and no value beside a sign, so that
# only a word or a number can make such a text a secret.
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_.,/][A-Za-z0-9_.,/-]{0,18}+(?: |\Z))*+")
_REMEMBERED: Final = 4_096
_LONGEST_ESCAPE: Final = 10
_LONGEST: Final = 4_096
# Later in a run no escape can end, so a prefix counts only at the beginning of a word. With a set of characters at the
# beginning of `PREFIX` the first search of a run is faster.
_PREFIX_OF_WORD: Final = re.compile(rf"(?<![0-9A-Za-z])(?:{PREFIX.pattern})")
# Every longer word with a key or token, or with Base64 of a text, contains this: the first characters of it, after a
# sign, a line end or an escape.
_MAY_BEGIN: Final = re.compile(
    r"[^0-9A-Za-z](?:(?<![+/_-])(?:[I-Za-f][A-Za-z0-9+/_-]{3}){5}"
    rf"|(?:(?<=\\)[abfnrtv]|(?<==)3D|(?<=\x1b)\[[0-9;]{{0,9}}m)?(?:{BEGINNINGS}))"
)

_BEFORE: Final = 512
_AFTER: Final = 128


class Scanner:
    """Finds secrets in texts.

    Every search resumes after what it has read: after a match, also one that a check refuses, after a name, a run or an
    address. Attempts that repeat at one position read a bounded number of characters. So the time for a text grows with
    its length, whatever its content.

    Args:
        rules: the rules to apply, from `rules_for`.
        kind_for: judges the names beside values.
        chosen: judges names by the patterns of the configuration; None if there are none.
    """

    def __init__(
        self, rules: Sequence[Rule], *, kind_for: KindFor = kind_of, chosen: KindFor | None = None
    ) -> None:
        # A name such as `ssn` in a text is judged by the rule for names; its kind counts only if a detector is on.
        self._pii = frozenset(rule.kind for rule in rules if rule.kind in PII)
        self._searched = [rule for rule in rules if rule.search]
        by_name = {rule.name: rule for rule in rules if not rule.search}
        self._email = by_name.pop("email", None)
        # A search for one character is many times as fast as one for two.
        self._at_signs = [] if self._email is None else _by_anchor(self._email)
        self._ssn, self._card = by_name.pop("us_ssn", None), by_name.pop("payment_card", None)
        self._url = by_name.pop("url_credentials")
        self._named = by_name.pop("named_secret")
        self._option = by_name.pop("command_option")
        self._kind_for = kind_for
        self._names = [NamedSecrets(kind_for, self._named.anchors)]
        if chosen is not None:
            self._names.append(NamedSecrets(chosen, None))
        self._folded = _Folded([by_name.pop(rule.name) for rule in list(by_name.values()) if rule.fold])
        direct = [rule for rule in by_name.values() if not rule.in_run]
        self._with_blanks = [
            (anchor, rule) for rule in direct if rule.name in _WITH_BLANKS for anchor in rule.anchors
        ]
        self._direct = [
            (re.compile(trie(rule.anchors)), rule) for rule in direct if rule.name not in _WITH_BLANKS
        ]
        # Matches in every text of plain words with a secret.
        self._any_word = None
        if not self._searched and chosen is None:
            words = [word for word in (*self._named.anchors, *self._folded.anchors) if word.isascii()]
            self._any_word = re.compile(pattern_of(words))
        self._any_direct = re.compile(
            pattern_of([anchor for _, rule in self._direct for anchor in rule.anchors], long=True)
        )

    def spans(self, text: str, budget: Budget | None = None) -> Sequence[Span]:
        """Return the secrets of a text in the order of their beginnings; they may overlap.

        Args:
            text: the text.
            budget: limits the search of the value around it; by default that of one text. If it is spent, the rest of
                the text counts as a secret.
        """
        if len(text) <= _SHORT and self._any_word is not None and self._is_plain(text, self._any_word):
            return _NOTHING
        found: list[Span] = []
        if budget is None:
            budget = Budget() if len(text) > _SHORT else _NO_LIMIT
        self._search(text, 0, len(text), found, budget)
        self._inside(text, 0, len(text), found, budget)
        cut = budget.end_text(len(text))
        if cut is not None:
            found.append(Span(cut, len(text), FIELD, TOO_MANY))
        return self._in_order(found) if found else self.wide(text)

    def wide(self, text: str) -> Sequence[Span]:
        """Return the whole of a text as a secret if it contains one without its NULs and replacement characters.

        UTF-16 decoded as Latin-1 has a NUL between its characters.
        """
        if "\0" not in text and "\ufffd" not in text:
            return _NOTHING
        narrow = text.replace("\0", "").replace("\ufffd", "")
        return [Span(0, len(text), FIELD, WIDE)] if self.spans(narrow) else _NOTHING

    def _is_plain(self, text: str, any_word: re.Pattern[str]) -> bool:
        """Return whether no rule can match in a short text: True for most, False if in doubt."""
        return (
            _PLAIN.fullmatch(text) is not None
            and "--" not in text
            and any_word.search(text.lower()) is None
            and (len(text) <= _SHORTEST_NUMBER or _DIGITS.search(text) is None)
        )

    def spans_near(self, text: str, places: Iterable[tuple[int, int]], budget: Budget) -> Sequence[Span]:
        """Return the secrets that a change at these positions of a text can have created, as `spans` does.

        A match that begins after a change reads at most the `_AFTER` characters before it. One that begins so far
        before the change that it is not searched again depends only on characters before the change.
        """
        found: list[Span] = []
        low = high = 0
        lower = lowered(text)
        for start, end in places:
            if start - _BEFORE > high:
                self._search(text, low, min(high, len(text)), found, budget, lower)
                self._inside(text, low, min(high, len(text)), found, budget)
                if budget.cut is not None:
                    return self._ended(text, 0, found, budget)
                low = start - _BEFORE
            high = end + _AFTER
        self._search(text, low, min(high, len(text)), found, budget, lower)
        self._inside(text, low, min(high, len(text)), found, budget)
        return self._ended(text, 0, found, budget)

    def _ended(self, text: str, size: int, found: list[Span], budget: Budget) -> Sequence[Span]:
        """Return the findings in a text in order; if the budget is spent, the rest of the text counts as a secret."""
        cut = budget.end_text(size)
        if cut is not None:
            found.append(Span(cut, len(text), FIELD, TOO_MANY))
        return self._in_order(found)

    def spans_in(self, text: str, places: Iterable[tuple[int, int]], budget: Budget) -> Sequence[Span]:
        """Return the secrets that begin in these parts of a text, as `spans` does; parts are in order and disjoint."""
        found: list[Span] = []
        lower = lowered(text)
        for start, end in places:
            self._search(text, start, end, found, budget, lower)
            self._inside(text, start, end, found, budget)
            if budget.cut is not None:
                break
        # The text is counted where it is searched as a whole.
        return self._ended(text, 0, found, budget)

    def clean_among(self, texts: Sequence[str], budget: Budget) -> tuple[set[str], set[str]]:
        """Return the texts that certainly contain no secret, and those that name none, without a search of each.

        Texts that every secret contains are searched in all texts at once; only texts with a match need a search. If
        the configuration has its own patterns, none is certain.

        Args:
            texts: the texts. JSON texts, and texts that name an excluded file, may be in the result.
            budget: limits the work.
        """
        if self._searched or len(self._names) > 1:
            return set(), set()
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        worked(len(texts) * STEP)
        joined = "\n".join(texts)
        hits = {bisect_right(starts, at) - 1 for at in self._hints(joined)}
        named = {bisect_right(starts, at) - 1 for at in name_places(joined)}
        hits.update(place for place in named.difference(hits) if self._states(texts[place], budget))
        clean = set(texts)
        unnamed = clean.difference([texts[place] for place in named])
        if not joined.isascii():
            unnamed = {text for text in unnamed if text.isascii()}
        clean.difference_update([texts[place] for place in hits])
        worked(len(texts) * STEP)
        # The word alone decides whether it is a token.
        words = windows.long_words(joined, _LONG)
        if words and (tokens := self._with_tokens(words)):
            clean -= {text for text in clean if len(text) >= _LONG and not tokens.isdisjoint(text.split())}
        return clean, unnamed

    def _states(self, text: str, budget: Budget) -> bool:
        """Return whether a text can contain the value of a name that is in it."""
        if _SIGN.search(text) is None:
            return False  # a name alone has no value
        if budget.is_spent_between(NAMED_TEXT):
            return True
        found: list[int] = []
        for names in self._names:
            names.search(
                text, lowered(text), 0, len(text), lambda first, _last, _kind: found.append(first), budget
            )
        return budget.end_text(0) is not None or bool(found)

    def _hints(self, text: str) -> Iterator[int]:
        """Yield positions in all possible matches of rules, except for names of secrets and tokens."""
        for sign in _HINTS:
            if sign in text:
                yield from _places(sign, text)
        if "-" in text:
            for pattern in (commands.HINT, commands.LISTED_OPTION, commands.YAML_OPTION, _OPTION_SIGN):
                yield from (match.start() for match in pattern.finditer(text))
        for anchor, _ in self._with_blanks:
            if anchor in text:
                yield from _places(anchor, text)
        yield from (match.start() for match in windows.finditer(_DIGITS, text))
        yield from (match.start() for match in manifests.SIGN.finditer(text))
        yield from escapes(text)
        yield from self._folded.places(lowered(text))

    def _inside(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Add the secrets that contain escapes."""
        if not may_be_escaped(text, start, end):
            return
        for part in decoded_parts(text, start, end if budget.cut is None else min(end, budget.cut)):
            if budget.is_spent(part.start, part.size // CHARS_AGAIN):
                return
            inner: list[Span] = []
            outer = budget.enter(part.start)
            self._search(part.text, 0, len(part.text), inner, budget)
            budget.leave(outer, part.place)
            found += [
                Span(part.place(each.start), part.place(each.end), each.kind, each.rule) for each in inner
            ]
            if budget.cut is not None:
                return

    def _in_order(self, found: list[Span]) -> list[Span]:
        if len(self._pii) < len(PII):
            found = [span for span in found if span.kind not in PII or span.kind in self._pii]
        if len(found) > 1:
            found.sort()
        return found

    def _search(
        self, text: str, start: int, end: int, found: list[Span], budget: Budget, low: str | None = None
    ) -> None:
        """Add the secrets that begin in a part of a text; `low` is the text in lower case, if it is known."""
        size = end - start
        part = text if size == len(text) else text[start:end]
        for rule in self._searched:
            _everywhere(rule, text, start, end, found)
        if "@" in part or "%40" in part:
            if self._email is not None:
                for pattern in self._at_signs:
                    _addressees(self._email, pattern, text, start, end, found, budget)
            if "://" in part:
                self._addresses(text, start, end, found, budget)
            if ":" in part:
                kind, name = self._url.kind, self._url.name
                addresses.search_bare(
                    text, start, end, lambda first, last: found.append(Span(first, last, kind, name)), budget
                )
        if size > _SHORTEST_NUMBER:
            self._numbers(text, start, end, found, budget)
        if size > 5:
            if " " in part or _SIGN.search(part):
                self._by_word(text, lowered(text) if low is None else low, start, end, found, budget)
            if "-" in part:
                self._options(text, start, end, found, budget)
        if manifests.SIGN.search(part) is not None:
            kind = self._named.name
            manifests.search(
                text,
                start,
                end,
                lambda first, last, what: found.append(Span(first, last, what, kind)),
                budget,
            )
        for anchor, rule in self._with_blanks:
            if anchor in part:
                _at_anchor(anchor, rule, text, text, start, end, found, budget)
        if size > windows.WINDOW:
            worked(size / CHARS_READ)
        if size >= _LONG:
            # Tokens are words of some length, and most texts have few: one split excludes all others.
            words = windows.long_words(part, _LONG)
            if words:
                self._by_shape(text, start, end, words, found, budget)

    def _by_shape(
        self, text: str, start: int, end: int, words: Sequence[str], found: list[Span], budget: Budget
    ) -> None:
        """Try the rules for tokens on the long words of a text, in their order."""
        hits = self._with_tokens(words)
        if end - start < len(text):
            hits.update((words[0], words[-1]))  # a part may cut them
        if not hits:
            return
        at = start
        for word in words if len(hits) == len(words) else filter(hits.__contains__, words):
            at = _place_of_word(word, text, at, end)
            behind = at + len(word)
            if budget.is_spent(at, RUN):
                return
            has_anchor = windows.search(self._any_direct, text, at, behind) is not None
            for anchor, rule in self._direct if has_anchor else ():
                sign = windows.search(anchor, text, at, behind)
                while sign is not None:
                    after = max(sign.start() + 1, _try(rule, text, sign.start(), found))
                    if budget.is_spent(at, TOKEN):
                        return
                    sign = windows.search(anchor, text, after, behind)
            run = _RUN.search(text, at, behind)
            while run is not None:
                self._by_beginning(text, run.start(), run.end(), found, budget)
                self._in_base64(text, run.start(), found, budget)
                run = _RUN.search(text, run.end(), behind)
            at = behind

    def _with_tokens(self, words: Sequence[str]) -> set[str]:
        """Return those of some long words that can contain a token; only the word itself decides."""
        # Repeated words are searched once.
        together = "\n" + "\n".join(dict.fromkeys(words))
        hits: set[str] = set()
        size = len(together)
        for pattern in (self._any_direct, _MAY_BEGIN):
            hit = windows.search(pattern, together, 0, size)
            while hit is not None:
                # The sign before a word can be the line end.
                word = together.rfind("\n", 0, hit.start() + 1) + 1
                after = together.find("\n", word)
                hits.add(together[word:] if after < 0 else together[word:after])
                hit = windows.search(pattern, together, after, size) if after >= 0 else None
        return hits

    def _addresses(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        kind, name = self._url.kind, self._url.name
        refused: list[int] = []

        def report(first: int, last: int, secret: bool) -> None:
            if secret:
                found.append(Span(first, last, kind, name))
            else:
                refused.append(last)

        addresses.search(text, start, end, report, budget)
        if refused:
            # The part before the `@` of an address is not a mailbox.
            hosts = frozenset(refused)
            found[:] = [
                span for span in found if span.kind != EMAIL or text.find("@", span.start) not in hosts
            ]

    def _numbers(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        # Usually there is none, which a search finds out faster than an iterator.
        candidate = windows.search(_DIGITS, text, start, end)
        while candidate is not None:
            rule = self._card if candidate["ssn"] is None else self._ssn
            if rule is not None:
                if budget.is_spent(candidate.start(), NUMBER):
                    return
                _try(rule, text, candidate.start(), found)
            candidate = windows.search(_DIGITS, text, candidate.end(), end)

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

    def _by_beginning(self, text: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Try the rules for keys and tokens at words of a run that begin like one."""
        prefix = windows.search(PREFIX, text, start, end)
        while prefix is not None:
            at = prefix.start()
            behind = 0
            if budget.is_spent(at, TOKEN):
                return
            if at == 0 or not (text[at - 1].isascii() and text[at - 1].isalnum()):
                behind = _try(BY_PREFIX[prefix[0]], text, at, found)
            elif at - start <= _LONGEST_ESCAPE and _ESCAPE.search(text, max(0, at - 12), at) is not None:
                # The letter before ends an escape; without it, a word begins here.
                inner: list[Span] = []
                behind = at + _try(BY_PREFIX[prefix[0]], text[at : end + _LONGEST], 0, inner)
                found += [Span(at + each.start, at + each.end, each.kind, each.rule) for each in inner]
            pattern = PREFIX if at - start < _LONGEST_ESCAPE else _PREFIX_OF_WORD
            prefix = windows.search(pattern, text, max(at + 1, behind), end)

    def _in_base64(self, text: str, start: int, found: list[Span], budget: Budget) -> None:
        """Add a run of Base64 as a whole if the text in it contains credentials."""
        inner = base64_text(text, start)
        if inner is None or budget.is_spent(start, DECODED + len(inner[1]) // CHARS_AGAIN):
            return
        hidden: list[Span] = []
        outer = budget.enter(start)
        self._search(inner[1], 0, len(inner[1]), hidden, budget)
        budget.leave(outer, lambda _: start)
        secrets = [span for span in hidden if span.kind not in PII]
        if secrets:
            found.append(Span(start, inner[0], secrets[0].kind, secrets[0].rule))

    def _by_word(self, text: str, low: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Try the rules that begin with a word in upper or lower case."""
        name = self._named.name

        def keep(first: int, last: int, kind: str) -> None:
            found.append(Span(first, last, kind, name))

        for names in self._names:
            names.search(text, low, start, end, keep, budget)
        if end - start >= 12:
            self._folded.search(text, low, start, end, found, budget)


class _Folded:
    """Rules that begin with a word in upper or lower case.

    Args:
        rules: the rules.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        anchors = {anchor: rule for rule in rules for anchor in rule.anchors}
        # Short words of frequent letters only, such as `itin`, are found faster one by one.
        self._frequent = [(anchor, rule) for anchor, rule in anchors.items() if not _RARER.search(anchor)]
        rarer = [anchor for anchor in anchors if _RARER.search(anchor)]
        self.anchors = tuple(anchors)
        self._any = re.compile(pattern_of(rarer))
        self._by_char: dict[str, list[tuple[int, str, Rule]]] = {}
        for anchor, place in cuts(rarer).items():
            self._by_char.setdefault(anchor[place], []).append((place, anchor, anchors[anchor]))
        self._by_three: dict[str, list[tuple[int, str, Rule]]] = {}

    def _candidates(self, three: str) -> list[tuple[int, str, Rule]]:
        """Return the few anchors that are possible at a character and its neighbours; all of them are tried."""
        if len(self._by_three) >= _REMEMBERED:
            self._by_three = {}
        before, char, behind = three[:-2] or "\n", three[-2], three[-1]
        found = self._by_three[three] = [
            each
            for each in self._by_char[char]
            if (each[0] == 0 or each[1][each[0] - 1] == before)
            and (f"{each[1]}{behind}"[each[0] + 1] == behind)
        ]
        return found

    def places(self, low: str) -> Iterator[int]:
        """Yield where a text in lower case contains one of the words."""
        for anchor, _ in self._frequent:
            if anchor in low:
                yield from _places(anchor, low)
        yield from (hit.start() for hit in windows.finditer(self._any, low))

    def search(self, text: str, low: str, start: int, end: int, found: list[Span], budget: Budget) -> None:
        """Add the findings of the rules in a part of a text; `low` is the text in lower case."""
        for anchor, rule in self._frequent:
            if low.find(anchor, start, end) >= 0:
                _at_anchor(anchor, rule, text, low, start, end, found, budget)
        behind: dict[str, int] = {}
        by_three = self._by_three
        hit = windows.search(self._any, low, start, end)
        while hit is not None:
            char = hit.start()
            three = f"{low[char - 1 : char + 2]}" if char else f"\n{low[:2]}"
            if len(three) < 3:
                three += "\n"
            for place, anchor, rule in by_three.get(three) or self._candidates(three):
                at = char - place
                if at >= behind.get(anchor, start) and low.startswith(anchor, at, end):
                    # After a match the search continues at its end.
                    behind[anchor] = _try(rule, text, at, found)
                    if budget.is_spent(at, TOKEN if behind[anchor] else HIT if rule.find is None else LINE):
                        return
            hit = windows.search(self._any, low, char + 1, end)


def _by_anchor(rule: Rule) -> list[re.Pattern[str]]:
    """Return the patterns of a rule, one for each of its anchors."""
    any_anchor = f"(?:{'|'.join(rule.anchors)})"
    rest = rule.pattern.pattern.removeprefix(any_anchor)
    return [re.compile(anchor + rest) for anchor in rule.anchors]


def _places(part: str, text: str) -> Iterator[int]:
    """Yield the positions of a part in a text."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + len(part))


def _place_of_word(word: str, text: str, at: int, end: int) -> int:
    """Return the position of a whole word in a part of a text that contains it, not inside a longer word."""
    start, at = at, text.find(word, at, end)
    while at >= 0:
        behind = at + len(word)
        if (behind >= end or text[behind].isspace()) and (at <= start or text[at - 1].isspace()):
            return at
        blank = _BLANK.search(text, behind, end)
        at = -1 if blank is None else text.find(word, blank.end(), end)
    return text.find(word, start, end)


def _at_anchor(
    anchor: str, rule: Rule, text: str, haystack: str, start: int, end: int, found: list[Span], budget: Budget
) -> None:
    """Try a rule at an anchor; after a match the search continues at its end."""
    at = haystack.find(anchor, start, end)
    while at >= 0:
        behind = _try(rule, text, at, found)
        if budget.is_spent(at, TOKEN if behind else 1 if rule.find is None else LINE):
            return
        at = haystack.find(anchor, max(at + 1, behind), end)


def _addressees(
    rule: Rule, pattern: re.Pattern[str], text: str, start: int, end: int, found: list[Span], budget: Budget
) -> None:
    """Add the e-mail addresses of a part of a text."""
    limit = min(len(text), end + _LONGEST_EMAIL)
    match = pattern.search(text, start, limit)
    while match is not None and match.start() < end:
        if budget.is_spent(match.start(), EMAIL_COST):
            return
        place = rule.check(text, match) if rule.check is not None else None
        if place is not None:
            found.append(Span(*place, rule.name))
        match = pattern.search(text, match.end(), limit)


def _try(rule: Rule, text: str, at: int, found: list[Span]) -> int:
    """Add the finding of a rule at a position; return the end of what it has read, 0 if its pattern does not match."""
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
    """Add the findings of a rule without anchors in a part of a text."""
    for match in rule.pattern.finditer(text, start, end):
        place = (*match.span(rule.group), rule.kind) if rule.check is None else rule.check(text, match)
        if place is not None and place[0] < place[1] and not _is_marker(text, *place[:2]):
            found.append(Span(*place, rule.name))


def _is_marker(text: str, start: int, end: int) -> bool:
    """Return whether a match is a marker or the word in one: a user's pattern may match those too."""
    marker = MARKER.match(text, start) or (start > 0 and MARKER.match(text, start - 1)) or None
    return marker is not None and marker.end() >= end


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order without overlaps: overlapping ones become one, of the worst kind, then the widest."""
    if len(spans) == 1:
        return list(spans)
    if all(map(lt, map(_END, spans), map(_START, islice(spans, 1, None)))):
        return list(spans)
    result: list[Span] = []
    behind = start = -1
    for span in spans:
        # The password and the host after it look like an e-mail address; the host is not part of the secret.
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
