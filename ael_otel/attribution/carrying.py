"""Carry the authors of lines from earlier contents of files to a later one.

There are three steps. Lines that are still there keep their author, also if they were re-indented or if a formatter
moved their line breaks. Lines that disappeared in one place and appeared in another of the same change set were moved.
Lines that an earlier content had get the author recorded there. Every other line is new and is attributed to the calls
that were running.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ael_otel.attribution.changes import UNKNOWN, Author
from ael_otel.attribution.lines import Hashes, bare, is_distinctive
from ael_otel.attribution.matching import Pairs, matched

_MOVED_LINES: Final = 3
"""Minimum length of a moved block without a unique line; two of its lines must be distinctive."""

_MAX_REFLOW: Final = 400
"""Maximum length, in lines, of a block that is compared without regard to line breaks."""

_SIMILAR: Final = 0.5
"""Minimum share of common distinctive lines at which a new file counts as a renamed one, 0 to 1."""

type Authors = list[Author | None]
"""One per line; None if the author is not determined yet."""


class Known(NamedTuple):
    """An earlier content of a file, by hashes, and the authors of its lines."""

    hashes: Hashes
    authors: Sequence[Author]


class Text(NamedTuple):
    """A content of a file."""

    lines: Sequence[str]
    hashes: Hashes

    @classmethod
    def of(cls, lines: Sequence[str]) -> "Text":
        """Return a content with its hashes."""
        return cls(lines, Hashes.of(lines))


def pairs_of(before: Hashes, after: Hashes) -> Pairs:
    """Return pairs of lines that are the same in two contents: equal ones, and re-indented ones between those."""
    pairs = matched(before.exact, after.exact)
    more: Pairs = []
    at, there = 0, 0
    for end, its_end in (*pairs, (len(before), len(after))):
        if end > at and its_end > there:
            inside = matched(before.loose[at:end], after.loose[there:its_end])
            # Empty lines are too common to match.
            more += [(at + i, there + j) for i, j in inside if before.loose[at + i]]
        at, there = end + 1, its_end + 1
    return sorted([*pairs, *more]) if more else pairs


def inherit(before: Known, after: Hashes, authors: Authors) -> Pairs:
    """Set the authors of lines that were there before; return the pairs of lines."""
    pairs = pairs_of(before.hashes, after)
    for at, there in pairs:
        if authors[there] is None:
            authors[there] = before.authors[at]
    return pairs


def reflow(before: Text, earlier: Sequence[Author], after: Text, authors: Authors, pairs: Pairs) -> None:
    """Set the authors of blocks that differ from before in their line breaks only."""
    at, there = 0, 0
    for end, its_end in (*pairs, (len(before.lines), len(after.lines))):
        if 0 < end - at <= _MAX_REFLOW and 0 < its_end - there <= _MAX_REFLOW and end - at != its_end - there:
            _reflow(before.lines[at:end], earlier[at:end], after.lines[there:its_end], authors, there)
        at, there = end + 1, its_end + 1


def _reflow(
    before: Sequence[str], earlier: Sequence[Author], after: Sequence[str], authors: Authors, start: int
) -> None:
    old = [_letters(line) for line in before]
    new = [_letters(line) for line in after]
    if "".join(old) != "".join(new) or not any(old):
        return
    owners = [author for line, author in zip(old, earlier, strict=True) for _ in line]
    at = 0
    for number, line in enumerate(new, start):
        part = owners[at : at + len(line)] or owners[max(0, at - 1) : at + 1]
        at += len(line)
        if authors[number] is None and part:
            authors[number] = max(set(part), key=part.count)


def _letters(line: str) -> str:
    """Return a line without the characters that formatters add and remove at line breaks."""
    return "".join(each for each in bare(line) if each not in "(),;\\")


def moved(
    gone: Sequence[tuple[Hashes, Sequence[Author], Sequence[int]]],
    appeared: Sequence[tuple[Hashes, Authors]],
) -> None:
    """Set the authors of lines that disappeared in one place and appeared in another.

    Args:
        gone: contents before, the authors of their lines, and the lines of each that are not there any more.
        appeared: contents after, and their authors as far as they are determined.
    """
    places: dict[int, list[tuple[int, int]]] = {}
    free: set[tuple[int, int]] = set()
    for file, (hashes, _, lines) in enumerate(gone):
        for line in lines:
            free.add((file, line))
            if is_distinctive(hashes.loose[line]):
                places.setdefault(hashes.loose[line], []).append((file, line))
    if not places:
        return
    for hashes, authors in appeared:
        for number, loose in enumerate(hashes.loose):
            if authors[number] is not None:
                continue
            found = [place for place in places.get(loose, ()) if place in free]
            if not found:
                continue
            runs = [_run(gone, free, place, hashes, authors, number) for place in found[:16]]
            start, length, (file, line) = max(runs, key=lambda run: run[1])
            distinctive = sum(is_distinctive(each) for each in hashes.loose[start : start + length])
            if len(found) > 1 and (length < _MOVED_LINES or distinctive < 2):
                continue
            for step in range(length):
                authors[start + step] = gone[file][1][line + step]
                free.discard((file, line + step))


def _run(
    gone: Sequence[tuple[Hashes, Sequence[Author], Sequence[int]]],
    free: set[tuple[int, int]],
    place: tuple[int, int],
    after: Hashes,
    authors: Authors,
    number: int,
) -> tuple[int, int, tuple[int, int]]:
    """Return the longest block of moved lines around a pair: its start, its length, and its start before."""
    file, line = place
    loose = gone[file][0].loose
    up = down = 0
    while (
        number > up
        and (file, line - up - 1) in free
        and authors[number - up - 1] is None
        and loose[line - up - 1] == after.loose[number - up - 1]
    ):
        up += 1
    while (
        number + down + 1 < len(after)
        and (file, line + down + 1) in free
        and authors[number + down + 1] is None
        and loose[line + down + 1] == after.loose[number + down + 1]
    ):
        down += 1
    return number - up, up + down + 1, (file, line - up)


def settle(after: Hashes, authors: Authors, known: Iterable[Known]) -> None:
    """Set the authors of lines that an earlier content had, if they adjoin a line that is unique in both."""
    for each in known:
        open_lines = {after.loose[at] for at, author in enumerate(authors) if author is None}
        open_lines.discard(0)
        if not open_lines:
            return
        if open_lines.isdisjoint(each.hashes.loose):
            continue
        pairs = pairs_of(each.hashes, after)
        anchors = _unique(each.hashes.loose) & _unique(after.loose)
        for run in _runs(pairs):
            wanted = [there for _, there in run if authors[there] is None]
            if wanted and any(authors[there] is None and after.loose[there] in anchors for _, there in run):
                for at, there in run:
                    if authors[there] is None:
                        authors[there] = each.authors[at]


def _unique(loose: "array[int]") -> set[int]:
    seen: set[int] = set()
    again: set[int] = set()
    for value in loose:
        (again if value in seen else seen).add(value)
    return {value for value in seen - again if is_distinctive(value)}


def _runs(pairs: Pairs) -> Iterable[Pairs]:
    run: Pairs = []
    for pair in pairs:
        if run and (pair[0] - run[-1][0], pair[1] - run[-1][1]) != (1, 1):
            yield run
            run = []
        run.append(pair)
    if run:
        yield run


def similarity(one: Hashes, other: Hashes) -> float:
    """Return the share of distinctive lines that two contents have in common, from 0 to 1."""
    mine = {value for value in one.loose if is_distinctive(value)}
    others = {value for value in other.loose if is_distinctive(value)}
    if not mine or not others:
        return float(one.exact == other.exact and len(one) > 0)
    return len(mine & others) / max(len(mine), len(others))


def is_renamed(one: Hashes, other: Hashes) -> bool:
    """Return whether a new file has the content of a deleted one, which was then renamed."""
    return similarity(one, other) >= _SIMILAR


def resolve(after: Hashes, versions: Sequence[Known]) -> Authors:
    """Return the authors of a content's lines from earlier contents, newest first; None for lines that none had.

    If one of them is the same content, only that one is used. Otherwise lines inherit from the most similar one, and
    the others fill the rest.
    """
    authors: Authors = [None] * len(after)
    if not len(after) or not versions:
        return authors
    for version in versions:
        if version.hashes.exact == after.exact:
            return list(version.authors)
    ranked = sorted(range(len(versions)), key=lambda at: (-_common(versions[at].hashes, after), at))
    best = versions[ranked[0]]
    if _common(best.hashes, after):
        inherit(best, after, authors)
        settle(after, authors, [versions[at] for at in ranked[1:]])
    return authors


def _common(one: Hashes, other: Hashes) -> int:
    return len(set(one.exact).intersection(other.exact))


def settled(authors: Authors) -> list[Author]:
    """Return authors with the unknown author for lines whose author is not determined."""
    return [UNKNOWN if each is None else each for each in authors]
