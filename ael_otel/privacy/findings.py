"""Reports of redactions: findings for people, and counts by kind."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import local
from typing import NamedTuple

from ael_otel.privacy import markers


class Finding(NamedTuple):
    """One redaction, for people; never contains the secret.

    Attributes:
        rule: name of the rule, `field_name`, `field_pattern`, `excluded_path` or `fault`.
        kind: the kind that it is counted as.
        marker: the text that replaces it.
        where: JSON path of the value, `$` for the whole one; its names are redacted too.
        start: first character of the match in its text; 0 for a whole value.
        end: position after the match; 0 for a whole value.
    """

    rule: str
    kind: str
    marker: str
    where: str
    start: int = 0
    end: int = 0


class _Records(local):
    """The counts that one thread records."""

    def __init__(self) -> None:
        self.open: list[dict[str, int]] = []


class Tally:
    """Reports each redaction to the counter of the process, or to the list of an explanation.

    Args:
        on_redacted: called with the kind and the number, once for each text or field; its exceptions are ignored.
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
        """Record what this thread counts from now on, by kind, in addition to counting it."""
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
            with suppress(Exception):  # a failed counter must not affect the value
                self._on_redacted(kind, count)
