"""Lines that two ledgers have: that of coding agents and that of an engine, whose calls overlap or do not."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ael_otel.attribution.blame import authors_of, contributor_of
from ael_otel.attribution.changes import Change
from ael_otel.attribution.ledger import Ledger, Version
from ael_otel.attribution.lines import Hashes
from ael_otel.store.sqlite import SqliteStore

LINE = ["line_of_somebody = compute_something(1)"]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Ledger]:
    """A second ledger."""
    with closing(SqliteStore(tmp_path / "other.db")) as store:
        yield Ledger(store)


def put(ledger: Ledger, key: str, source: Any, start: int, end: int, **fields: Any) -> Change:
    """Record that a call wrote the line."""
    known: dict[str, Any] = {"contributor": "ai", "repository": "/w", "workspace": "/w"}
    change = Change(key=key, source=source, started_us=start, at_us=end, **{**known, **fields})
    ledger.record(change, [Version.of("/w", "a.py", end, LINE, [(change.id,)])])
    return change


def answer(*ledgers: Ledger) -> tuple[str, set[str]]:
    """Who wrote the line, and the keys of the changes."""
    authors, changes = authors_of(ledgers, "/w", ["a.py"], Hashes.of(LINE))
    return contributor_of(authors[0] or (), changes), {changes[number].key for number in authors[0] or ()}


def test_run_within_the_call_of_its_agent_is_the_run(ledger: Ledger, other: Ledger) -> None:
    """It says more than the call that caused it."""
    put(ledger, "run", "engine", 20, 30, agent="codex", session_id="s")
    put(other, "call", "hook", 10, 40, agent="codex")
    assert answer(ledger, other) == ("ai", {"run"})


def test_command_within_the_call_of_an_agent_is_the_agents(ledger: Ledger, other: Ledger) -> None:
    """The run does not know who started `ael run`; the call does."""
    put(ledger, "run", "engine", 20, 30, contributor="unknown", caller="ael run")
    put(other, "call", "hook", 10, 40, agent="codex")
    assert answer(ledger, other) == ("ai", {"call"})


@pytest.mark.parametrize(("start", "end"), [(10, 25), (25, 40), (10, 40)])
def test_calls_of_others_at_the_same_time_share_the_line(
    ledger: Ledger, other: Ledger, start: int, end: int
) -> None:
    """Neither ledger has seen the other's call."""
    put(ledger, "run", "engine", 20, 30, agent="otter", session_id="s")
    put(other, "call", "hook", start, end, agent="codex")
    assert answer(ledger, other) == ("mixed", {"run", "call"})


def test_first_ledger_counts_where_calls_did_not_overlap(ledger: Ledger, other: Ledger) -> None:
    """Both have seen the line, one after the other."""
    put(ledger, "run", "engine", 20, 30, agent="codex")
    put(other, "call", "hook", 30, 40, agent="codex")
    assert answer(ledger, other) == ("ai", {"run"})
    assert answer(other, ledger) == ("ai", {"call"})
