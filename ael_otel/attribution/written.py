"""List what changes wrote, by file: which call wrote which lines."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from ael_otel.attribution.changes import Change, ContributorType, FileKind, LineRange
from ael_otel.store.times import from_us


class Lines(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines from `start` to `end`, both included, by their numbers after the call."""

    start: int
    end: int
    contributor: ContributorType | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The lines that one call wrote in one file; `added` and `removed` count lines."""

    path: str
    change_type: FileKind
    path_before: str | None
    contributor: ContributorType
    model_id: str | None
    tool: str | None
    call_id: str | None
    step_id: str | None
    session_id: str | None
    execution_id: str | None
    at: datetime
    added: int
    removed: int
    ranges: list[Lines]


def written_of(changes: Iterable[Change]) -> list[Written]:
    """Return what changes wrote, oldest first."""
    return [
        Written(
            path=file.path,
            change_type=file.kind,
            path_before=file.path_before,
            contributor=change.contributor,
            model_id=change.model_id,
            tool=change.tool,
            call_id=change.call_id,
            step_id=change.step_id,
            session_id=change.session_id,
            execution_id=change.execution_id,
            at=from_us(change.at_us),
            added=file.added,
            removed=file.removed,
            ranges=[_lines(change, each) for each in file.ranges],
        )
        for change in sorted(changes, key=lambda each: (each.at_us, each.key))
        for file in change.files
    ]


def _lines(change: Change, lines: LineRange) -> Lines:
    kind = lines.contributor
    return Lines(lines.start, lines.end, None if kind == change.contributor else kind)
