"""Find secrets in a stored value and replace them, in the same way for every kind of store."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from ael_otel.privacy.redactor import MAX_CHARS, Finding, Redactor

NOT_CONTENT: Final = frozenset(
    {
        "execution_id",
        "trace_id",
        "status",
        "type",
        "code",
        "error_code",
        "owner",
        "key",
        "outcome",
        "contributor",
        "hashes",
        "authors",
    }
)
"""Enum and join-key columns, and hashes; never scanned."""


def owner_of(table: str, columns: Collection[str]) -> str:
    """Return the SQL expression for the run, or the session, of a row `t` in a table with `columns`."""
    for owner, name, column in (
        ("sessions", "session_id", "session"),
        ("executions", "execution_id", "execution"),
    ):
        key = "id" if table == owner else column
        if key in columns:
            return f"(SELECT o.{name} FROM {owner} o WHERE o.id = t.{key})"  # noqa: S608 - names of ours
    return "''"


class Stored(NamedTuple):
    """The location of findings of one rule: run or line, column and place, and their number; never the secret."""

    rule: str
    run: str
    column: str
    where: str
    times: int


def summed(found: Sequence[tuple[str, str, Finding]]) -> list[Stored]:
    """Return findings, each with its run or line and column, summed up by location."""
    times = Counter((each.rule, run, column, each.where) for run, column, each in found)
    return [Stored(*place, number) for place, number in times.items()]


def judged(value: str | bytes, redactor: Redactor) -> tuple[list[Finding], str | bytes]:
    """Return the findings in a value and the redacted value; a JSON document remains one, however long."""
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
    """Yield parts of a text that the redactor searches completely, cut between lines and never inside a key."""
    at = 0
    while len(text) - at > MAX_CHARS:
        end = text.rfind("\n", at, at + MAX_CHARS) + 1 or at + MAX_CHARS
        begun = text.rfind("-----BEGIN", at, end)
        if begun > at and text.find("-----END", begun, end) < 0:
            end = begun
        yield at, text[at:end]
        at = end
    yield at, text[at:]
