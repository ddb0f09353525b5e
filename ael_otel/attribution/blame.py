"""Find who wrote each line of a file: by its content in the ledgers, with Git's author of the line beside it.

Git is asked about commits only: for the work tree it would run the filters of the repository. Lines of the work tree
are matched with those of the commit by their content.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ael_otel.attribution.carrying import Authors
from ael_otel.attribution.changes import Author, Change, ContributorType
from ael_otel.attribution.history import Blamed, History
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.lines import Hashes
from ael_otel.attribution.matching import matched
from ael_otel.errors import AttributionError

_MAX_NAMES = 8
"""Maximum number of names of one file under which lines are looked up."""


class BlameLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line, who wrote it, and Git's information about it.

    `contributor` is `unknown` if no change is recorded for the line. `changes` are the calls or records that wrote it,
    more than one if their windows overlapped. `commit`, `author`, `email` and `time` (seconds since 1970) are Git's,
    None for a line that is not committed or outside a repository.
    """

    line: int
    text: str
    contributor: ContributorType
    changes: list[Change]
    commit: str | None = None
    author: str | None = None
    email: str | None = None
    time: int | None = None
    summary: str | None = None
    original_path: str | None = None
    original_line: int | None = None

    @property
    def change(self) -> Change | None:
        """The latest of the changes."""
        return max(self.changes, key=lambda each: each.at_us, default=None)


def blame(
    ledgers: Sequence[Ledger],
    file: Path,
    *,
    rev: str | None = None,
    first: int = 1,
    last: int | None = None,
    excluded: Callable[[str], bool] = lambda _path: False,
) -> list[BlameLine]:
    """Return the lines of a file and who wrote each.

    Args:
        ledgers: where changes are recorded; for a line that several ledgers have, the first one counts.
        file: the file, which may exist only in `rev`.
        rev: a revision of Git; None is the work tree.
        first: the first line, counted from 1.
        last: the last line; None is the end.
        excluded: returns whether an absolute path must not be read.

    Raises:
        AttributionError: the file cannot be read there, is binary, too large or excluded, or has no such lines.
    """
    file = Path(file.parent.resolve(), file.name)
    name = str(file)
    if excluded(name):
        raise AttributionError(f"{name}: excluded by the configuration (telemetry.privacy.excluded_paths)")
    folder = next(each for each in file.parents if each.is_dir())
    history = History.around(folder)
    if history is None:
        if rev is not None:
            raise AttributionError(
                f"{name}: --rev needs a Git repository, and this file is not in one that can be read"
            )
        history = History(folder)
        commit, path = None, file.name
    else:
        commit, path = _commit(history, rev), file.relative_to(history.root.resolve()).as_posix()
    lines = history.lines_now(path) if rev is None else history.lines(commit or "", path)
    if lines is None:
        where = "in the work tree" if rev is None else f"in {rev}"
        if not (file.exists() if rev is None else history.has(commit or "", path)):
            raise AttributionError(f"{name}: does not exist {where}")
        raise AttributionError(
            f"{name}: cannot be read as text {where}; name a text file of at most 4 MiB and 100,000 lines"
        )
    last = len(lines) if last is None else min(last, len(lines))
    if first > max(1, len(lines)):
        raise AttributionError(f"{name}: has {len(lines)} lines: set -L to a range from 1 to {len(lines)}")
    hashes = Hashes.of(lines)
    if commit is None:
        authors, changes = _without_git(ledgers, file, hashes)
        by_git: list[Blamed | None] = [None] * len(lines)
    else:
        by_git = _blamed(history, commit, path, hashes, same=rev is not None)
        # Also under the names that the file had before a rename outside of recorded calls.
        earlier = dict.fromkeys(each.original_path for each in by_git if each is not None)
        paths = list(dict.fromkeys([path, *earlier]))[:_MAX_NAMES]
        repository = str(history.folder)
        authors, changes = authors_of(ledgers, repository, paths, hashes)
    return [
        _line(number, lines[number - 1], authors[number - 1] or (), changes, by_git[number - 1])
        for number in range(first, last + 1)
    ]


def _commit(history: History, rev: str | None) -> str | None:
    commit = history.commit("HEAD" if rev is None else rev)
    if commit is None and rev is not None:
        raise AttributionError(f"{rev[:80]!r} is not a revision of {history.root}")
    return commit


def _line(
    number: int, text: str, author: Author, changes: dict[int, Change], by_git: Blamed | None
) -> BlameLine:
    of = [changes[each] for each in author if each in changes]
    return BlameLine(
        line=number,
        text=text,
        contributor=contributor_of(author, changes),
        changes=of,
        **({} if by_git is None else by_git._asdict()),
    )


def contributor_of(author: Author, changes: dict[int, Change]) -> ContributorType:
    """Return who wrote a line: `mixed` for several changes, `unknown` if the change is not stored."""
    if len(author) > 1:
        return "mixed"
    change = changes.get(author[0]) if author else None
    return "unknown" if change is None else change.contributor


def changes_of_authors(ledgers: Sequence[Ledger], authors: Sequence[Author | None]) -> dict[int, Change]:
    """Return the changes that wrote lines, by their ids."""
    wanted = {each for author in authors for each in author or ()}
    found: dict[int, Change] = {}
    for ledger in reversed(ledgers):
        found |= ledger.by_ids(wanted)
    return found


def authors_of(
    ledgers: Sequence[Ledger], repository: str, paths: Sequence[str], hashes: Hashes
) -> tuple[Authors, dict[int, Change]]:
    """Return the author of each line from several ledgers, and the changes that wrote lines.

    Args:
        ledgers: where changes are recorded.
        repository: the folder of the history, or the root without Git.
        paths: the names of the file, the current one first.
        hashes: its lines.
    """
    found: list[Authors] = []
    for ledger in ledgers:
        authors: Authors = [None] * len(hashes)
        for path in paths:
            for at, author in enumerate(ledger.authors(repository, path, hashes)):
                authors[at] = authors[at] or author
        found.append(authors)
    changes = changes_of_authors(ledgers, [author for authors in found for author in authors])
    return [_chosen([authors[at] for authors in found], changes) for at in range(len(hashes))], changes


def _chosen(authors: Sequence[Author | None], changes: dict[int, Change]) -> Author | None:
    """Return the author of a line that several ledgers may have: that of the first ledger, unless calls overlapped.

    Coding agents and engines record their calls in different ledgers. If an agent's call caused a run, the run's calls
    are part of that call; other calls at the same time share the line.
    """
    chosen: Author | None = None
    for author in authors:
        if not author:
            continue
        if not chosen or not all(number in changes for number in chosen):
            chosen = author
        elif set(author) != set(chosen) and all(number in changes for number in author):
            chosen = _of_both(chosen, author, changes)
    return chosen


def _of_both(one: Author, other: Author, changes: dict[int, Change]) -> Author:
    mine, theirs = ([changes[number] for number in author] for author in (one, other))
    if not any(_overlap(first, second) for first in mine for second in theirs):
        return one
    if len(one) == len(other) == 1:
        for inner, outer in ((mine[0], theirs[0]), (theirs[0], mine[0])):
            if _is_part(inner, outer):
                return (outer.id,) if inner.contributor == "unknown" else (inner.id,)
    return tuple(sorted({*one, *other}))


def _overlap(one: Change, other: Change) -> bool:
    return one.started_us < other.at_us and other.started_us < one.at_us


def _is_part(inner: Change, outer: Change) -> bool:
    """Return whether an agent's call caused an engine's call: the agent made it, or a command that the agent ran."""
    within = outer.started_us <= inner.started_us and inner.at_us <= outer.at_us
    caused = inner.agent == outer.agent if inner.agent else (inner.caller or "").startswith("ael ")
    return within and caused and (inner.source, outer.source) == ("engine", "hook")


def _without_git(ledgers: Sequence[Ledger], file: Path, hashes: Hashes) -> tuple[Authors, dict[int, Change]]:
    """Return authors of a file in a workspace without Git, whose root is the nearest folder with recorded changes."""
    for root in file.parents:
        path = file.relative_to(root).as_posix()
        authors, changes = authors_of(ledgers, str(root), [path], hashes)
        if any(authors):
            return authors, changes
    return [None] * len(hashes), {}


def _blamed(history: History, commit: str, path: str, hashes: Hashes, *, same: bool) -> list[Blamed | None]:
    """Return Git's information about each line; None for lines that the commit does not have."""
    blamed = history.blame(commit, path)
    if same:
        return [blamed.get(number) for number in range(1, len(hashes) + 1)]
    found: list[Blamed | None] = [None] * len(hashes)
    committed = history.lines(commit, path) if blamed else None
    if committed is not None:
        for at, there in matched(Hashes.of(committed).exact, hashes.exact):
            found[there] = blamed.get(at + 1)
    return found
