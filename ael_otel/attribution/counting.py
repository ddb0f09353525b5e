"""Count lines by who wrote them: in the files of a repository now, and in recorded changes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, Literal

import msgspec

from ael_otel.attribution.blame import authors_of, contributor_of
from ael_otel.attribution.changes import Change
from ael_otel.attribution.history import History
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.lines import Hashes
from ael_otel.store.times import day_of

type Grouping = Literal["author", "agent", "model", "directory", "day"]

MAX_FILES: Final = 50_000
NOBODY: Final = "-"
"""The group of lines whose change is unknown."""


class Row(msgspec.Struct, kw_only=True):
    """Lines of one group, by contributor type: in the files now, and added by changes."""

    name: str
    now: dict[str, int]
    added: dict[str, int]


class Count(msgspec.Struct, kw_only=True):
    """Lines of a repository.

    `files` is the number of files that were counted; `files_left` are binary, too large, excluded, or beyond the limit.
    """

    total: Row
    rows: list[Row]
    files: int
    files_left: int


def count(
    ledgers: Sequence[Ledger],
    history: History,
    by: Grouping | None = None,
    *,
    since_us: int | None = None,
    excluded: Callable[[str], bool] = lambda _path: False,
) -> Count:
    """Count the lines of the tracked files, and those that changes added.

    Args:
        ledgers: where changes are recorded.
        history: the repository.
        by: how lines are grouped; `author` is Git's author, which needs a blame of every file. Lines that changes added
            have the author of the commit that first contains them.
        since_us: count only changes at this time or later, in microseconds since 1970.
        excluded: returns whether an absolute path must not be read.
    """
    now: dict[str, Counter[str]] = {}
    head = history.head()
    files = left = 0
    for path in history.tracked():
        lines = None
        if files + left < MAX_FILES and not excluded(f"{history.root}/{path}"):
            lines = history.lines_now(path)
        if lines is None:
            left += 1
            continue
        files += 1
        hashes = Hashes.of(lines)
        authors, changes = authors_of(ledgers, str(history.folder), [path], hashes)
        blamed = history.blame(head, path) if by == "author" and head is not None else {}
        for number, author in enumerate(authors, 1):
            of = [changes[each] for each in author or () if each in changes]
            by_git = blamed.get(number)
            name = (by_git.author if by_git is not None else None) or NOBODY
            group = name if by == "author" else _group(by, of, path)
            now.setdefault(group, Counter())[contributor_of(author or (), changes)] += 1
    added: dict[str, Counter[str]] = {}

    @cache
    def author_of(revision: str, path: str, content: str) -> str:
        return history.committed_by(revision, path, content) or NOBODY

    for change in _changes(ledgers, str(history.folder), since_us):
        for file in change.files:
            if by != "author":
                group = _group(by, [change], file.path)
            elif not file.ranges or change.revision is None:
                group = NOBODY
            else:
                group = author_of(change.revision, file.path, file.content)
            for each in file.ranges:
                kind = each.contributor or change.contributor
                added.setdefault(group, Counter())[kind] += each.end - each.start + 1
    rows = [
        Row(name=name, now=dict(now.get(name, {})), added=dict(added.get(name, {})))
        for name in sorted(now.keys() | added.keys())
    ]
    if by != "day":
        rows.sort(key=lambda row: -sum(row.now.values()))
    total = Row(
        name="total",
        now=dict(sum(now.values(), Counter[str]())),
        added=dict(sum(added.values(), Counter[str]())),
    )
    return Count(total=total, rows=rows if by is not None else [], files=files, files_left=left)


def _group(by: Grouping | None, changes: Sequence[Change], path: str) -> str:
    if by == "directory":
        folder, slash, _ = path.partition("/")
        return folder if slash else "."
    names: list[str | None] = []
    for change in changes:
        if by == "agent":
            names.append(change.agent or ("ael" if change.source == "engine" else None))
        elif by == "model":
            names.append(change.model_id)
        elif by == "day":
            names.append(day_of(change.at_us))
    return "+".join(sorted({name for name in names if name})) or NOBODY


def _changes(ledgers: Sequence[Ledger], repository: str, since_us: int | None) -> Iterator[Change]:
    seen: set[int] = set()
    for ledger in ledgers:
        for change in ledger.changes(repository=repository, since_us=since_us):
            if change.id not in seen:
                seen.add(change.id)
                yield change
