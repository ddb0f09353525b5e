"""Credentials of many kinds are gone from each place in which they turn up."""

import pytest

from tests.privacy.credentials import BLIND, KINDS
from tests.privacy.made_up import PLACES, Kind, text_of
from tests.privacy.measure import Miss, by_kind, misses, shares

LEAST_OVERALL, LEAST_IN_A_PLACE = 0.97, 0.90


@pytest.fixture(scope="module")
def left() -> list[Miss]:
    """The readable rest of the whole table."""
    return misses()


def test_table_has_at_least_150_kinds_half_of_them_blind() -> None:
    """The table is as long as its purpose asks, and no name occurs twice."""
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 150
    assert len(BLIND) >= len(KINDS) / 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sample_is_repeatable_and_readable_in_each_place(kind: Kind) -> None:
    """A sample is the same each time, and the search finds its secret in each form of each place before redaction."""
    sample = kind.sample(0)
    assert sample == kind.sample(0) != kind.sample(1)
    assert sample.secrets
    for forms in PLACES.values():
        assert all(sample.is_left_in(text_of(value)) for value in forms(kind, sample.text))


@pytest.mark.parametrize("kinds", [KINDS, BLIND], ids=["all", "blind"])
def test_share_that_is_gone_reaches_the_aim(kinds: tuple[Kind, ...], left: list[Miss]) -> None:
    """At least 97 % of all pairs of kind and place are gone, and at least 90 % in each place."""
    for kind, places in by_kind(left):
        print(f"left: {kind.name}: {', '.join(places)}")  # noqa: T201 - pytest shows it with a failure
    found = shares(kinds, left)
    assert found["overall"] >= LEAST_OVERALL, found
    assert min(found[place] for place in PLACES) >= LEAST_IN_A_PLACE, found
