"""Pairs of equal elements: a longest common subsequence of small sequences, and always a sound one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ael_otel.attribution.matching import matched

SMALL = st.lists(st.integers(0, 3), max_size=12)


def longest(a: list[int], b: list[int]) -> int:
    """The length of a longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for at, y in enumerate(b, 1):
            diagonal, row[at] = row[at], diagonal + 1 if x == y else max(row[at], row[at - 1])
    return row[-1]


@given(SMALL, SMALL)
def test_pairs_are_equal_and_in_order(a: list[int], b: list[int]) -> None:
    """No place is used twice, and no two pairs cross."""
    pairs = matched(a, b)
    assert all(a[at] == b[there] for at, there in pairs)
    assert all(x < y and i < j for (x, i), (y, j) in pairwise(pairs))


@given(SMALL, SMALL)
def test_without_unique_elements_the_longest_series_is_matched(a: list[int], b: list[int]) -> None:
    """Each element is there twice, so that nothing but the shortest edit script is left."""
    a, b = [each for x in a for each in (x, x)], [each for x in b for each in (x, x)]
    pairs = matched(a, b)
    assert len(pairs) == longest(a, b)


def test_unique_elements_are_matched_first() -> None:
    """A block that was inserted before one with the same last line is an insertion as a whole."""
    before = [1, 2, 9, 3, 4, 9]
    after = [1, 2, 9, 7, 8, 9, 3, 4, 9]
    assert {there for _, there in matched(before, after)} in ({0, 1, 2, 6, 7, 8}, {0, 1, 5, 6, 7, 8})


def test_appended_block_ends_with_its_own_last_line() -> None:
    """Also if a line further up has changed: the last of equal lines belongs to what was appended, as in Git."""
    before = [1, 2, 9, 3, 4, 9]
    after = [1, 5, 9, 3, 4, 9, 7, 8, 9]
    assert matched(before, after) == [(0, 0), (2, 2), (3, 3), (4, 4), (5, 5)]


def test_work_is_bounded_where_everything_is_repeated() -> None:
    """Two long stretches of common elements that differ everywhere: nothing is matched, and quickly."""
    assert matched([1, 2] * 5_000, [2, 2, 1] * 5_000)[3:] == []
