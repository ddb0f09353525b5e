"""What is found in a stored value, and the value without it; the same for every kind of store."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ael_otel.privacy.redactor import MAX_CHARS, Finding, Redactor

NOT_CONTENT: Final = frozenset(
    {"execution_id", "trace_id", "status", "type", "code", "error_code", "owner", "key"}
)
"""Columns of words of our own and of keys that rows hang together by."""


class Stored(NamedTuple):
    """Where a rule found something: in which run or line, column and place, and how often; never what."""

    rule: str
    run: str
    column: str
    where: str
    times: int


def summed(found: Sequence[tuple[str, str, Finding]]) -> list[Stored]:
    """Return findings, each with its run or line and column, summed up."""
    times = Counter((each.rule, run, column, each.where) for run, column, each in found)
    return [Stored(*place, number) for place, number in times.items()]


def judged(value: str | bytes, redactor: Redactor) -> tuple[list[Finding], str | bytes]:
    """Return what is found in a value and the value without it; a document of JSON stays one, however long."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            pass
        else:
            clean = redactor.value(document)
            if clean is document:
                return [], value
            return redactor.explain(document), json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, bytes) or len(value) <= MAX_CHARS:
        clean = redactor.value(value)
        return ([], value) if clean is value else (redactor.explain(value), clean)
    findings: list[Finding] = []
    parts: list[str] = []
    for _, part in pieces(value):
        findings += redactor.explain(part)
        parts.append(redactor.text(part))
    return findings, ("".join(parts) if findings else value)


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield parts of a text that the redactor searches whole, cut between lines and never inside a key."""
    at = 0
    while len(text) - at > MAX_CHARS:
        end = text.rfind("\n", at, at + MAX_CHARS) + 1 or at + MAX_CHARS
        begun = text.rfind("-----BEGIN", at, end)
        if begun > at and text.find("-----END", begun, end) < 0:
            end = begun
        yield at, text[at:end]
        at = end
    yield at, text[at:]
