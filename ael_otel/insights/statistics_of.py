"""Statistical tests and intervals for findings, with the standard library only."""

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import Final, NamedTuple

MAX_PAIRED: Final = 150
"""Maximum number of values on each side of a shift, which needs all pairs."""

_Z95: Final = 1.959964


class Shift(NamedTuple):
    """A shift between two samples: the Hodges-Lehmann estimate, its 95 % interval, and the p-value."""

    by: float
    low: float
    high: float
    p: float


class Change(NamedTuple):
    """A change in a series: the index of the first value after it, and the p-value."""

    at: int
    p: float


def fisher_greater(hit: int, with_it: int, hits: int, total: int) -> float:
    """Return the p-value for `hit` or more hits among `with_it` of `total`, which has `hits` (Fisher, one-sided)."""
    first, last = max(hit, with_it + hits - total), min(with_it, hits)
    whole = _log_choose(total, with_it)
    chance = 0.0
    for number in range(first, last + 1):
        term = math.exp(_log_choose(hits, number) + _log_choose(total - hits, with_it - number) - whole)
        chance += term
        if term < chance * 1e-12:
            break
    return min(1.0, chance)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def shift(before: Sequence[float], after: Sequence[float]) -> Shift:
    """Return the shift from `before` to `after`; its p-value is that of the two-sided Mann-Whitney test with ties."""
    ranks, ties = _ranks([*before, *after])
    m, n = len(before), len(after)
    u = sum(ranks[m:]) - n * (n + 1) / 2
    size = m + n
    variance = m * n / 12 * (size + 1 - ties / (size * (size - 1)))
    z = 0.0 if variance <= 0 else max(0.0, abs(u - m * n / 2) - 0.5) / math.sqrt(variance)
    left, right = _thinned(before), _thinned(after)
    pairs = sorted(b - a for a in left for b in right)
    a, b = len(left), len(right)
    k = max(0, math.floor(a * b / 2 - _Z95 * math.sqrt(a * b * (a + b + 1) / 12)))
    return Shift(median(pairs), pairs[k], pairs[-1 - k], math.erfc(z / math.sqrt(2)))


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    share, z2 = hits / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(hits: int, total: int, before: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two shares, `hits` / `total` - `before` / `whole`.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    share, other = hits / total, before / whole
    (low, high), (other_low, other_high) = wilson(hits, total), wilson(before, whole)
    below = math.hypot(share - low, other_high - other)
    above = math.hypot(high - share, other - other_low)
    return share - other - below, share - other + above


def change(values: Sequence[float]) -> Change:
    """Return the largest change in a series, by Pettitt's test."""
    ranks, ties = _ranks(values)
    n, total, most, at = len(values), 0.0, 0.0, 0
    for index, rank in enumerate(ranks[:-1], 1):
        total += 2 * rank - (n + 1)
        if abs(total) > most:
            most, at = abs(total), index
    # Ties reduce the variance of ranks: without this, a series of zeros and ones would need a far larger change.
    spread = 1 - ties / (n**3 - n) if n > 1 else 0.0
    return Change(at, min(1.0, 2 * math.exp(-6 * most**2 / ((n**3 + n**2) * spread))) if spread > 0 else 1.0)


def discoveries(chances: Sequence[float], rate: float) -> list[bool]:
    """Return which tests are discoveries at a false discovery rate of `rate` (Benjamini and Hochberg)."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    last = 0
    for position, index in enumerate(order, 1):
        if chances[index] <= rate * position / len(chances):
            last = position
    found = set(order[:last])
    return [index in found for index in range(len(chances))]


def _thinned(values: Sequence[float]) -> list[float]:
    """Return up to `MAX_PAIRED` quantiles, which have about the same centre and spread."""
    ordered = sorted(values)
    if len(ordered) <= MAX_PAIRED:
        return ordered
    return [ordered[(2 * index + 1) * len(ordered) // (2 * MAX_PAIRED)] for index in range(MAX_PAIRED)]


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Return the mean rank of each value, and the sum of t^3 - t over ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, start = [0.0] * len(values), 0.0, 0
    for _, same in groupby(order, key=values.__getitem__):
        tied = list(same)
        count = len(tied)
        for index in tied:
            ranks[index] = start + (count + 1) / 2
        ties += count**3 - count
        start += count
    return ranks, ties
