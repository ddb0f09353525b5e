"""Precision and recall over random histories of real repositories whose authors are known by construction.

`python -m tests.attribution.measure --seeds 500` runs more of them and prints the figures of the documentation.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.attribution.history import History
from tests.attribution.measure import precision, recall

SEEDS = range(30)
HARD = {"format": 8, "overlap": 6, "crash": 6}
"""Kinds of histories that are counted apart, and how many of each are played."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[str, str]]:
    """The lines of histories whose calls were complete and not shared."""
    found: Counter[tuple[str, str]] = Counter()
    for seed in SEEDS:
        found += played(tmp_path_factory.mktemp("history"), seed)
    return found


def played(folder: Path, seed: int, *kinds: str) -> Counter[tuple[str, str]]:
    """Play one history and judge it."""
    history = History(seed, folder, kinds)
    try:
        history.play()
        return history.judged()
    finally:
        history.store.close()


def test_lines_of_agents_are_found_and_no_others(plain: Counter[tuple[str, str]]) -> None:
    """The limits of the product: precision 0.99, recall 0.97."""
    assert plain["ai", "ai"] > 500
    assert precision(plain) >= 0.99, plain
    assert recall(plain) >= 0.97, plain


def test_no_line_outside_of_calls_is_credited_to_an_agent(plain: Counter[tuple[str, str]]) -> None:
    """Nor to a call that did not write it."""
    assert plain["unknown", "unknown"] > 1_000
    assert (plain["unknown", "ai"], plain["unknown", "wrong"], plain["ai", "wrong"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", HARD)
def test_hard_histories_flip_nothing(kind: str, tmp_path: Path) -> None:
    """With formatters, calls that overlap and calls that never end: what is lost is unknown."""
    found: Counter[tuple[str, str]] = Counter()
    for seed in range(1_000, 1_000 + HARD[kind]):
        (folder := tmp_path / str(seed)).mkdir()
        found += played(folder, seed, kind)
    assert found["unknown", "ai"] + found["unknown", "wrong"] + found["unknown", "mixed"] == 0, found
    assert precision(found) >= 0.99, found
    assert recall(found) >= 0.85, found
    if kind == "overlap":
        assert found["mixed", "mixed"] > 0
        assert found["mixed", "ai"] == 0, found


def test_large_file_is_attributed(tmp_path: Path) -> None:
    """10,000 lines, edited in turns."""
    found = played(tmp_path, 7, "large")
    assert found["unknown", "unknown"] > 8_000
    assert precision(found) >= 0.99, found
