"""Match equal elements of two sequences: unique common elements first, then a shortest edit script.

Sequences are hashes of lines. Work is bounded: where two parts differ too much, nothing in them is matched.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

type Pairs = list[tuple[int, int]]

_MAX_EDITS: Final = 400
"""Maximum number of edits between two parts without unique common elements."""


def matched(a: Sequence[int], b: Sequence[int]) -> Pairs:
    """Return pairs of positions, increasing in both, at which `a` and `b` are equal."""
    pairs: Pairs = []
    pending = [(0, len(a), 0, len(b))]
    while pending:
        alo, ahi, blo, bhi = pending.pop()
        while alo < ahi and blo < bhi and a[alo] == b[blo]:
            pairs.append((alo, blo))
            alo, blo = alo + 1, blo + 1
        while alo < ahi and blo < bhi and a[ahi - 1] == b[bhi - 1]:
            ahi, bhi = ahi - 1, bhi - 1
            pairs.append((ahi, bhi))
        if alo == ahi or blo == bhi:
            continue
        anchors = _anchors(a, b, alo, ahi, blo, bhi)
        if not anchors:
            pairs += _shortest(a, b, alo, ahi, blo, bhi)
            continue
        for at, there in anchors:
            pairs.append((at, there))
            pending.append((alo, at, blo, there))
            alo, blo = at + 1, there + 1
        pending.append((alo, ahi, blo, bhi))
    pairs.sort()
    return _slid(pairs, b)


def _slid(pairs: Pairs, b: Sequence[int]) -> Pairs:
    """Slide each pure insertion down as far as possible, as Git does: appended text has its own last line."""
    slid: Pairs = []
    at, there = -1, -1
    for here, place in pairs:
        inserted = here == at + 1 and place > there + 1
        at, there = here, there + 1 if inserted and b[there + 1] == b[place] else place
        slid.append((at, there))
    return slid


def _anchors(a: Sequence[int], b: Sequence[int], alo: int, ahi: int, blo: int, bhi: int) -> Pairs:
    """Return elements that occur exactly once in both parts: the longest series that is in the same order."""
    places = _unique(b, blo, bhi)
    common = [(at, places[value]) for value, at in _unique(a, alo, ahi).items() if value in places]
    common.sort()
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (_, there) in enumerate(common):
        place = bisect_left(tails, there)
        before.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(there)
            ends.append(number)
        else:
            tails[place], ends[place] = there, number
    series: Pairs = []
    number = ends[-1] if ends else -1
    while number >= 0:
        series.append(common[number])
        number = before[number]
    return series[::-1]


def _unique(values: Sequence[int], low: int, high: int) -> dict[int, int]:
    places: dict[int, int] = {}
    again: set[int] = set()
    for at in range(low, high):
        value = values[at]
        if value in places:
            again.add(value)
        else:
            places[value] = at
    for value in again:
        del places[value]
    return places


def _shortest(a: Sequence[int], b: Sequence[int], alo: int, ahi: int, blo: int, bhi: int) -> Pairs:
    """Return the matches of a shortest edit script (greedy, O(ND)); none if it has more than `_MAX_EDITS` edits."""
    n, m = ahi - alo, bhi - blo
    if not set(a[alo:ahi]).intersection(b[blo:bhi]) or abs(n - m) > _MAX_EDITS:
        return []
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(n + m, _MAX_EDITS) + 1):
        trail.append(dict(furthest))
        for k in range(-edits, edits + 1, 2):
            x = _start(furthest, edits, k)
            while x < n and x - k < m and a[alo + x] == b[blo + x - k]:
                x += 1
            furthest[k] = x
            if x >= n and x - k >= m:
                return _walked(trail, n, m, alo, blo)
    return []


def _start(furthest: dict[int, int], edits: int, k: int) -> int:
    """Return where diagonal `k` begins after one more edit: below the one above it, or right of the one below it."""
    down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
    return furthest[k + 1] if down else furthest[k - 1] + 1


def _walked(trail: list[dict[int, int]], x: int, y: int, alo: int, blo: int) -> Pairs:
    """Return the matches on the way back from the end, edit by edit."""
    pairs: Pairs = []
    for edits in range(len(trail) - 1, -1, -1):
        furthest, k = trail[edits], x - y
        start = _start(furthest, edits, k)
        while x > start:
            x, y = x - 1, y - 1
            pairs.append((alo + x, blo + y))
        down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        x, y = (start, start - k - 1) if down else (start - 1, start - k)
    return pairs
