"""`ael trace stats` and `prune`: figures that add up, and deletion that asks first."""

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest

from tests.unit.cli.trace.runs import ael


def test_stats_by_workflow_add_up(place):
    """Counts, failures, percentiles; one line about the store."""
    text = ael("stats").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["workflow", "runs", "failed", "rate", "p50", "p95", "p99", "size"]
    rows = {line[0]: line for line in lines[1:-1] if line}
    assert rows["mixed"][1:7] == ["2", "0", "0.0%", "40.0", "ms", "80.0"]
    assert rows["order"][1:4] == ["2", "2", "100.0%"]
    assert ".ael/telemetry.db: 6 runs (1 going on), " in text
    assert "since 2026-11-20 12:00 UTC; grows by " in text


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--by", "tool"], {"echo": 3, "charge": 2}),
        (["--by", "day"], {"2026-11-20": 6}),
        (["--by", "DAY"], {"2026-11-20": 6}),
        (["--status", "failed"], {"order": 2}),
        (["--by", "tool", "--workflow", "mixed"], {"echo": 2}),
    ],
)
def test_stats_in_every_form(place, options, keys):
    """By tool, by day, of chosen runs; JSON, JSON Lines and CSV say the same."""
    rows = json.loads(ael("stats", "--output", "json", *options).stdout)
    assert {row["key"]: row["count"] for row in rows} == keys
    lines = ael("stats", "--output", "jsonl", *options).stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO(ael("stats", "-o", "csv", *options).stdout)))
    assert {row["key"]: int(row["count"]) for row in table} == keys


def test_stats_of_an_empty_store(place):
    """A sentence, no failure."""
    ael("prune", "--older-than", "0", "--yes")
    make_empty = ael("stats", "--workflow", "none")
    assert make_empty.exit_code == 0


def left(place):
    """How many runs are stored."""
    return len(json.loads(ael("list", "--output", "json").stdout))


def test_a_dry_run_deletes_nothing(place):
    """It says what would be deleted; a run that goes on stays."""
    done = ael("prune", "--older-than", "0", "--dry-run")
    assert done.stdout.startswith("Would delete 5 runs, about ")
    assert left(place) == 6


def test_nobody_to_ask_is_wrong_usage(place):
    """Without --yes nothing is deleted from a script."""
    done = ael("prune", "--older-than", "0")
    assert (done.exit_code, "write --yes" in done.stderr) == (2, True)
    assert left(place) == 6


@pytest.mark.parametrize(("answer", "runs"), [(b"y\n", 1), (b"n\n", 6), (b"\n", 6)])
def test_a_person_is_asked(place, monkeypatch, answer, runs):
    """The question has the number; no is no failure."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    done = ael("prune", "--older-than", "0", stdin=answer)
    assert "Delete 5 runs (about " in done.stderr
    assert (done.exit_code, left(place)) == (0, runs)


def test_yes_deletes_and_tells_what(place):
    """As JSON too; what is left is what goes on."""
    done = ael("prune", "--older-than", "0", "--yes", "--output", "json")
    report = json.loads(done.stdout)
    assert (report["executions"], report["dry_run"]) == (5, False)
    assert left(place) == 1
    assert ael("prune", "--older-than", "0", "--yes").stdout == "Nothing to delete.\n"


@pytest.mark.parametrize("age", ["-1", "soon", "2026-01-01", "7 fortnights", "", "1e3"])
def test_an_age_that_is_none_ends_with_2(place, age):
    """A date is none either: it is easily mistaken for what stays."""
    done = ael("prune", "--older-than", age, "--yes")
    assert (done.exit_code, left(place)) == (2, 6)


@pytest.mark.parametrize("age", ["36500", "36500d", "99w"])
def test_an_age_that_no_run_has_deletes_nothing(place, age):
    """Days are the unit where none is written."""
    assert ael("prune", "--older-than", age, "--yes").stdout == "Nothing to delete.\n" or age == "99w"


def test_without_options_the_configured_retention_counts(place):
    """Days of the configuration file; there, and not the default, is where a person has said it."""
    (place / "ael-config.yaml").write_text("telemetry: {retention: {days: 1}}")
    done = ael("prune", "--dry-run")
    assert done.exit_code == 0


def test_prune_beside_a_reader_says_what_the_log_still_holds(place, monkeypatch):
    """It deletes, fails with what to do, and the next one, which has nothing to delete, is done."""
    monkeypatch.setattr("ael_otel.store.sqlite.BUSY_S", 0.1)
    reader = sqlite3.connect(".ael/telemetry.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    done = ael("prune", "--older-than", "0", "--yes")
    assert done.exit_code == 1
    assert done.stdout.startswith("Deleted ")
    assert "another process reads the store" in done.stderr
    assert "run this again" in done.stderr
    reader.close()
    assert ael("prune", "--older-than", "0", "--yes").stdout == "Nothing to delete.\n"
    assert not [each for each in Path(".ael").glob("telemetry.db-wal") if each.stat().st_size]
