"""Import Agent Trace records into the ledger: find the lines they are about by content, not by position.

A range with a hash is searched for at the record's revision, in the revisions after it, and in the work tree. Tools
write records before a change is committed as often as after it, so that the position alone would name other lines. A
range without a hash means those of its lines that the record's revision itself added, as the specification says. Other
ranges are not attributed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from ael_otel.attribution.agent_trace import Range, TraceRecord
from ael_otel.attribution.carrying import pairs_of
from ael_otel.attribution.changes import UNKNOWN, Author, Change, FileChange, LineRange
from ael_otel.attribution.history import History
from ael_otel.attribution.ledger import Ledger, Version
from ael_otel.attribution.lines import Hashes, is_distinctive, range_hash
from ael_otel.attribution.trace_records import ORIGIN_REVISION, Imported, Place, changes_of
from ael_otel.store.owner import now_us

_OURS: Final = "sha256:"
_MAX_SEARCH: Final = 10_000_000
"""Maximum number of lines hashed to find one range: lines of the file times lines of the range."""

_DISTINCTIVE_LINES: Final = 2
"""Minimum number of distinctive lines of a range that is searched for at another position."""


class ImportReport(NamedTuple):
    """The result of an import.

    `lines` were found in the repository; `ranges_left` ranges were not. `stored_already` records were in the ledger.
    """

    records: int
    lines: int
    ranges_left: int
    stored_already: int


class _Text:
    """One content of a file, and the authors of its lines as far as records name them."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.hashes = Hashes.of(lines)
        self.authors: list[Author] = [UNKNOWN] * len(lines)

    def has(self, each: Range) -> bool:
        """Return whether the lines at the position of a range have its hash, if that is one of ours."""
        end = each.end_line
        return (
            end <= len(self.lines) and range_hash(self.lines[each.start_line - 1 : end]) == each.content_hash
        )

    def search(self, each: Range) -> int | None:
        """Return the position, from 0, of the lines of a range; None if they are nowhere or at several places."""
        length = each.end_line - each.start_line + 1
        found: int | None = None
        for start in range(len(self.lines) - length + 1):
            if range_hash(self.lines[start : start + length]) == each.content_hash:
                if found is not None:
                    return None
                found = start
        if found is None:
            return None
        distinctive = sum(map(is_distinctive, self.hashes.loose[found : found + length]))
        return found if distinctive >= _DISTINCTIVE_LINES else None


class _File:
    """The contents of one file that records are compared with."""

    def __init__(self, history: History, path: str) -> None:
        self._history = history
        self.path = path
        self.texts: dict[str, _Text | None] = {}
        self.bound: list[_Text] = []

    def at(self, revision: str) -> _Text | None:
        """Return the content at a revision; an empty name is the work tree."""
        if revision not in self.texts:
            history = self._history
            lines = history.lines(revision, self.path) if revision else history.lines_now(self.path)
            self.texts[revision] = None if lines is None else _Text(lines)
        return self.texts[revision]

    def bind(self, each: Range, revision: str | None, number: int) -> int:
        """Set a change as the author of the lines of a range; return the number of lines."""
        if each.content_hash is not None and each.content_hash.startswith(_OURS):
            found = self._by_hash(each, revision)
        elif revision is not None:
            found = self._added(each, revision)
        else:
            found = None
        if found is None:
            return 0
        text, lines = found
        for line in lines:
            if text.authors[line] == UNKNOWN:
                text.authors[line] = (number,)
        if lines and text not in self.bound:
            self.bound.append(text)
        return len(lines)

    def _by_hash(self, each: Range, revision: str | None) -> tuple[_Text, Sequence[int]] | None:
        length = each.end_line - each.start_line + 1
        for text in self._candidates(revision):
            if text.has(each):
                return text, range(each.start_line - 1, each.end_line)
        for text in filter(None, (self.at(revision or ""), self.at(""))):
            if len(text.lines) * length <= _MAX_SEARCH and (start := text.search(each)) is not None:
                return text, range(start, start + length)
        return None

    def _candidates(self, revision: str | None) -> Iterable[_Text]:
        if revision is not None:
            # The work tree first: it has changes that are not committed, and needs no call of Git.
            yield from filter(None, (self.at(revision), self.at("")))
            yield from filter(None, map(self.at, self._history.later(revision, self.path)))
        else:
            yield from filter(None, (self.at(""),))

    def _added(self, each: Range, revision: str) -> tuple[_Text, Sequence[int]] | None:
        text = self.at(revision)
        if text is None:
            return None
        added = self._history.added_by(revision, self.path)
        last = min(each.end_line, len(text.lines))
        return text, [line - 1 for line in range(each.start_line, last + 1) if line in added]


def import_records(
    records: Iterable[TraceRecord],
    ledger: Ledger,
    history: History,
    *,
    git: bool = True,
    excluded: Callable[[str], bool] = lambda _path: False,
    redact: Callable[[str], str] = lambda text: text,
) -> ImportReport:
    """Store records in the ledger, with the lines of the repository that they are about.

    Args:
        records: in any order.
        ledger: where they are stored.
        history: the repository, or a folder without one.
        git: whether `history` is a repository.
        excluded: returns whether an absolute path must not be read.
        redact: applied to names and ids in records.

    Raises:
        StoreError: the store cannot be written.
    """
    place = Place(str(history.folder if git else history.root), str(history.root), git)
    imported: list[Imported] = []
    known = total = 0
    for record in sorted(records, key=lambda each: each.timestamp):
        total += 1
        parts = changes_of(record, place, redact)
        if ledger.by_ids([part.change.id for part in parts]):
            known += 1
        else:
            imported += parts
    files: dict[str, _File] = {}
    lines = left = 0
    changes: list[Change] = []
    for part in imported:
        kept: list[FileChange] = []
        for file in part.change.files:
            if excluded(f"{place.workspace}/{file.path}"):
                left += len(part.ranges.get(file.path, ()))
                continue
            found = files.setdefault(file.path, _File(history, file.path))
            ranges = part.ranges.get(file.path, ())
            bound = [
                found.bind(each, part.change.origin.get(ORIGIN_REVISION) if git else None, part.change.id)
                for each in ranges
            ]
            lines += sum(bound)
            left += bound.count(0)
            kept.append(
                replace(
                    file,
                    ranges=[
                        LineRange(
                            start=each.start_line, end=each.end_line, content_hash=each.content_hash or ""
                        )
                        for each in ranges
                    ],
                )
            )
        changes.append(replace(part.change, files=kept))
    at_us = now_us()
    versions = [
        version
        for file in files.values()
        if file.bound
        for version in _versions(file, ledger, place.repository, at_us, history.head() if git else None)
    ]
    ledger.record_all(changes, versions)
    return ImportReport(total - known, lines, left, known)


def _versions(
    file: _File, ledger: Ledger, repository: str, at_us: int, head: str | None
) -> Iterable[Version]:
    """Yield the contents in which records name lines, and the current one, with the authors of each.

    The ledger's own observations count before records.
    """
    now = [text for text in (file.at(head) if head else None, file.at("")) if text is not None]
    for text in now:
        if text not in file.bound:
            for bound in reversed(file.bound):
                _carry(bound, text)
    for text in dict.fromkeys([*file.bound, *now]):
        authors = [
            seen or said
            for seen, said in zip(
                ledger.authors(repository, file.path, text.hashes), text.authors, strict=True
            )
        ]
        yield Version(repository, file.path, at_us, text.hashes, authors)


def _carry(before: _Text, after: _Text) -> None:
    for at, there in pairs_of(before.hashes, after.hashes):
        if before.authors[at] and not after.authors[there]:
            after.authors[there] = before.authors[at]
