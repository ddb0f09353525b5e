"""Redact one text: parse it if it is JSON, else replace the matches of rules and excluded paths."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import HIT, LATER, STEP, TEXT, Budget
from ael_otel.privacy.findings import Finding, Tally
from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.repeats import with_repeats
from ael_otel.privacy.scan import TOO_MANY, Scanner, Span, merged
from ael_otel.privacy.turns import worked

MAX_CHARS: Final = 4 * 1024 * 1024
"""Maximum characters of one text that are searched. The rest is removed."""

ENDS_JSON: Final = "]} \n\r\t"
PLAIN: Final = re.compile(r"(?:[\w.\-/ {}]++|(?<![\w.\-])@|\[[A-Z_]{1,40}\](?:#[0-9]{1,9})?)*+")
"""Maximum characters of texts without a separator that are still searched when the budget of a value is spent."""
_OVERLAP: Final = 64 * 1024
_PASSES: Final = 6
_SHORT: Final = 24
"""Maximum characters of a text that is cached as clean: a state, a unit, a word, which records repeat."""
_REMEMBERED: Final = 4096
_BEGINS_JSON: Final = frozenset({"[", "{"})
_SEARCHED_TOGETHER: Final = 1_024
"""Maximum characters of a text that is searched together with others; a longer one usually needs its own search."""
_LARGE: Final = 8_192
"""Minimum characters of a text whose result is cached, by its hash."""
_RESULTS: Final = 16

type ReadJson = Callable[[Any, list[Finding] | None, str, Budget], Any]
"""Redacts the JSON in a text: its value, the findings of an explanation, its location, the budget."""


class TextRedactor:
    """Redacts texts.

    Args:
        scanner: finds secrets by their shape, or by the name beside them.
        paths: the excluded files.
        tally: reports redactions.
        read_json: redacts the value in a text of JSON.
        own_markers: by the name of a rule, the marker that replaces its matches instead of that of their kind.
    """

    def __init__(
        self,
        scanner: Scanner,
        paths: ExcludedPaths,
        tally: Tally,
        read_json: ReadJson,
        own_markers: Mapping[str, str],
    ) -> None:
        self._own_markers = own_markers
        self._scanner = scanner
        self._paths = paths
        self._has_paths = bool(paths)
        self._clean: set[str] = set()
        self._results: dict[bytes, tuple[str | None, Mapping[str, int]]] = {}
        self._tally = tally
        self._read = read_json

    def forget(self) -> None:
        """Clear all cached results, so that a text is searched again."""
        self._clean, self._results = set(), {}

    def clean_among(self, texts: Sequence[str], budget: Budget) -> tuple[set[str], set[str]]:
        """Return the texts that need no separate search, and those that name no secret.

        Args:
            texts: texts of a value. Long ones and JSON are not among the first.
            budget: counts the characters of the first.
        """
        worked(len(texts) * STEP)
        chosen = [
            text
            for text in dict.fromkeys(texts)
            if len(text) <= _SEARCHED_TOGETHER
            and (
                text[-1:] not in ENDS_JSON
                or text.lstrip()[:1] not in _BEGINS_JSON
                or text in markers.ALL_MARKERS
            )
        ]
        worked(len(texts) * STEP)
        # The cost of this search is not missing later, when each of the other texts is searched.
        ahead = Budget(LATER)
        ahead.pass_over(sum(map(len, chosen)))
        clean, unnamed = self._scanner.clean_among(chosen, ahead)
        if self._has_paths:
            clean -= self._paths.named_among(clean)
        budget.pass_over(sum(map(len, clean)))
        return clean, unnamed

    def redact(
        self, text: str, findings: list[Finding] | None, where: str, budget: Budget | None = None
    ) -> str:
        """Return a text without its secrets, the same object if it has none.

        Args:
            text: the text.
            findings: collects the findings of an explanation; None for a redaction.
            where: JSON path of the text.
            budget: limits the search of the value around it; by default that of one text.
        """
        size = len(text)
        if size < 4 or (size <= _SHORT and text in self._clean):
            return text
        if budget is not None and budget.was_spent and not PLAIN.fullmatch(text):
            return self.unjudged(findings, where)
        if size < _LARGE or findings is not None:
            return self._redacted(text, findings, where, budget or Budget())
        # A run passes the same text on: input, parameter, result, output. Cached by a hash, without the secret.
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._results.get(key)
        if known is None:
            budget = budget or Budget()
            with self._tally.recorded() as counts:
                clean = self._redacted(text, None, where, budget)
            # The texts before this one in its value decide where it is cut.
            if len(clean) <= MAX_CHARS // 4 and not budget.was_spent:
                if len(self._results) >= _RESULTS:
                    self._results = {}
                self._results[key] = (None if clean is text else clean, counts)
            return clean
        found, counted = known
        for kind, count in counted.items():
            self._tally.count(kind, count)
        return text if found is None else found

    def unjudged(self, findings: list[Finding] | None, where: str) -> str:
        """Report a value that is not judged because the budget is spent, and return its marker."""
        worked(HIT)
        return self._tally.marked(markers.FIELD, TOO_MANY, findings, where)

    def _redacted(self, text: str, findings: list[Finding] | None, where: str, budget: Budget) -> str:
        size = len(text)
        if size > MAX_CHARS:
            text = self._cut(text, findings, where)
        clean = text
        if size > 8 and text[-1] in ENDS_JSON and (first := text.lstrip()[:1]) and first in "[{":
            read = self._json(text, findings, where, budget)
            if read is not None:
                return read
        spans = self._scanner.spans(clean, budget)
        if spans:
            spans = with_repeats(clean, spans)
        # A marker can only split a word that names a file, so a text that names none now names none afterwards.
        may_name_path = self._has_paths and self._paths.may_name(clean)
        again = Budget(LATER)
        for _ in range(_PASSES):
            if may_name_path:
                spans = self._with_paths(clean, spans)
            if not spans:
                if size <= _SHORT and clean is text:
                    if len(self._clean) >= _REMEMBERED:
                        self._clean = set()
                    self._clean.add(text)
                # A text without findings has been searched without its NULs.
                return clean if clean is text else self._narrow(clean, findings, where)
            cut = len(spans) == 1 and spans[0].rule == TOO_MANY
            budget.is_spent_between(TEXT)
            clean, places = self.replaced(clean, merged(spans), findings, where)
            if findings is not None or cut:
                return self._narrow(clean, findings, where)
            spans = self._scanner.spans_near(clean, places, again)
        # Each pass created something new that looks like a secret.
        return self._tally.fault(findings, where)

    def _narrow(self, clean: str, findings: list[Finding] | None, where: str) -> str:
        """Return a text after its redaction, or a marker if it still contains a secret between NULs."""
        spans = self._scanner.wide(clean)
        return self.replaced(clean, list(spans), findings, where)[0] if spans else clean

    def _with_paths(self, text: str, spans: "Iterable[Span]") -> list[Span]:
        found = [Span(a, b, markers.EXCLUDED_PATH, "excluded_path") for a, b in self._paths.spans(text)]
        return sorted([*spans, *found]) if found else list(spans)

    def replaced(
        self, text: str, spans: list[Span], findings: list[Finding] | None, where: str
    ) -> tuple[str, list[tuple[int, int]]]:
        """Return a text with markers instead of its secrets, and the positions of the markers."""
        parts: list[str] = []
        places: list[tuple[int, int]] = []
        counts: dict[str, int] = {}
        own, of_kind = self._own_markers, markers.MARKERS
        at = shift = 0
        for start, end, kind, rule in spans:
            worked(STEP)
            marker = own.get(rule) or of_kind[kind]
            parts += (text[at:start], marker)
            places.append((start + shift, start + shift + len(marker)))
            shift += start + len(marker) - end
            at = end
            counts[kind] = counts.get(kind, 0) + 1
            if findings is not None:
                findings.append(Finding(rule, kind, marker, where, start, end))
        parts.append(text[at:])
        if findings is None:
            for kind, count in counts.items():
                self._tally.count(kind, count)
        return "".join(parts), places

    def _json(self, text: str, findings: list[Finding] | None, where: str, budget: Budget) -> str | None:
        """Redact the JSON in a text; return the text itself if it has no secrets, None if it is not JSON."""
        repeated: list[bool] = []

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            made = dict(pairs)
            if len(made) < len(pairs):
                repeated.append(True)
            return made

        try:
            value = json.loads(text, object_pairs_hook=once)
        except (ValueError, RecursionError):
            return None
        clean = self._read(value, findings, where, budget)
        # For a repeated name only the last value was searched; the text is rewritten without the others.
        if clean is value and not repeated:
            return text
        return json.dumps(clean, ensure_ascii=False, separators=(",", ":") if ": " not in text else None)

    def _cut(self, text: str, findings: list[Finding] | None, where: str) -> str:
        """Return the part of a long text that is searched, cut before a secret that crosses its end."""
        if len(text) <= MAX_CHARS + len(markers.REDACTED) and text.endswith(markers.REDACTED):
            return text
        end = MAX_CHARS
        for span in self._scanner.spans(text[MAX_CHARS - _OVERLAP : MAX_CHARS + _OVERLAP]):
            if span.start < _OVERLAP < span.end:
                end = min(end, MAX_CHARS - _OVERLAP + span.start)
        return text[:end] + self._tally.marked(markers.FIELD, "too_long", findings, where)
