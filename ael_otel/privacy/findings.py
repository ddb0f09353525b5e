"""What is reported of redactions: a finding for people, and counts by kind."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import local
from typing import NamedTuple

from ael_otel.privacy import markers


class Finding(NamedTuple):
    """One redaction, for people: never the text that was found.

    Attributes:
        rule: name of the rule, `field_name`, `field_pattern`, `excluded_path` or `fault`.
        kind: what it is counted as.
        marker: what stands there now.
        where: JSON path of the value, `$` for the whole one; its names are redacted too.
        start: first character of the match in its text; 0 for a whole value.
        end: character behind the match; 0 for a whole value.
    """

    rule: str
    kind: str
    marker: str
    where: str
    start: int = 0
    end: int = 0


class _Records(local):
    """What one thread notes of its counts."""

    def __init__(self) -> None:
        self.open: list[dict[str, int]] = []


class Tally:
    """Reports each redaction: to the counter of the process, or to the list of an explanation.

    Args:
        on_redacted: called with the kind and how many of it, once for each text or field; what it raises is ignored.
    """

    def __init__(self, on_redacted: Callable[[str, int], None] | None = None) -> None:
        self._on_redacted = on_redacted
        self._records = _Records()

    def marked(self, kind: str, rule: str, findings: list[Finding] | None, where: str) -> str:
        """Report a whole value that is redacted and return its marker."""
        marker = markers.MARKERS[kind]
        if findings is None:
            self.count(kind, 1)
        else:
            findings.append(Finding(rule, kind, marker, where))
        return marker

    def fault(self, findings: list[Finding] | None, where: str) -> str:
        """Report a value that could not be judged and return its marker."""
        return self.marked(markers.ERROR, "fault", findings, where)

    @contextmanager
    def recorded(self) -> Generator[dict[str, int]]:
        """Note what this thread counts from now on, by kind, beside counting it."""
        counts: dict[str, int] = {}
        self._records.open.append(counts)
        try:
            yield counts
        finally:
            self._records.open.pop()

    def count(self, kind: str, count: int) -> None:
        """Count redactions of one kind."""
        for counts in self._records.open:
            counts[kind] = counts.get(kind, 0) + count
        if self._on_redacted is not None:
            with suppress(Exception):  # counting must not cost the value
                self._on_redacted(kind, count)
