"""`ael trace stats` and `prune`: figures that add up, and deletion that asks first."""

import csv
import io
import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from ael_otel.cli.render import stats_table as figures
from ael_otel.cli.render import text as words
from ael_otel.store import ExecutionRecord, RunQuery
from ael_otel.store.sqlite import SqliteStore
from tests.unit.cli.trace.runs import NOON, ael, make


def test_stats_by_workflow_add_up(place):
    """Counts, failures, percentiles; one line about the store."""
    text = ael("stats").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["workflow", "runs", "failed", "rate", "p50", "p95", "p99", "size"]
    rows = {line[0]: line for line in lines[1:-1] if line}
    assert rows["mixed"][1:7] == ["2", "0", "0.0%", "40.0", "ms", "80.0"]
    assert rows["order"][1:4] == ["2", "2", "100.0%"]
    assert ".ael/telemetry.db: 6 runs (1 in flight), " in text
    assert text.endswith(", since 2026-11-20 12:00 UTC.\n"), "six minutes do not tell what a day brings"


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
    """By tool, by day, of chosen runs; JSON, JSON Lines and CSV agree."""
    rows = json.loads(ael("stats", "--output", "json", *options).stdout)["rows"]
    assert {row["key"]: row["count"] for row in rows} == keys
    lines = ael("stats", "--output", "jsonl", *options).stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = list(csv.DictReader(io.StringIO(ael("stats", "-o", "csv", *options).stdout)))
    assert {row["key"]: int(row["count"]) for row in table} == keys


def test_stats_by_error_say_where_and_when_in_every_form(place):
    """Proves code, tool, step, count, share recovered and times, as a table, JSON, JSON Lines and CSV."""
    lines = ael("stats", "--by", "error").stdout.splitlines()
    assert re.split("  +", lines[0]) == [
        "error",
        "tool",
        "step",
        "count",
        "recovered",
        "first seen (UTC)",
        "last seen (UTC)",
    ]
    assert re.split("  +", lines[1]) == [
        "TOOL_FAILED",
        "charge",
        "order.pay",
        "2",
        "-",
        "2026-11-20 12:02:00",
        "2026-11-20 12:03:00",
    ]
    answer = json.loads(ael("stats", "--by", "error", "-o", "json").stdout)
    assert answer["by"] == "error"
    [row] = answer["rows"]
    assert (row["code"], row["tool"], row["workflow"], row["step"]) == (
        "TOOL_FAILED",
        "charge",
        "order",
        "pay",
    )
    assert (row["count"], row["recovered"], row["recovery_rate"]) == (2, 0, 0.0)
    assert row["last_execution_id"] == "exec-90bb00000003"
    assert row["last_seen"].startswith("2026-11-20T12:03:00")
    assert [
        json.loads(line) for line in ael("stats", "--by", "error", "-o", "jsonl").stdout.splitlines()
    ] == [row]
    [line] = csv.DictReader(io.StringIO(ael("stats", "--by", "error", "-o", "csv").stdout))
    assert (line["code"], line["count"], line["step"]) == ("TOOL_FAILED", "2", "pay")
    assert ael("stats", "--by", "error", "--workflow", "mixed").stdout.startswith("No errors match.\n")


def test_stats_by_error_fit_a_narrow_terminal(place):
    """Proves that no line is longer than the terminal, which has no times then."""
    with closing(SqliteStore(place / ".ael" / "telemetry.db")) as store:
        table = figures.table("error", store.errors(RunQuery()), width=60)
    console = Console(width=60, file=io.StringIO())
    console.print(table)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 60
    assert "seen" not in text
    assert "TOOL_FAILED" in text


def test_stats_in_json_have_size_growth_and_redactions(place):
    """Proves that JSON has every figure of the table: growth of the store, redactions of the chosen runs."""
    make(
        place / ".ael" / "telemetry.db",
        [
            ExecutionRecord(
                f"exec-redacted-{days}",
                "workflow",
                "completed",
                NOON - timedelta(days=days),
                workflow_name=name,
                metadata={"redactions": {"email": 2 + days, "token": 1}},
            )
            for days, name in ((0, "mail"), (3, "mail"), (1, "other"))
        ],
    )
    everything, chosen = (
        json.loads(ael("stats", "--output", "json", *options).stdout)
        for options in ((), ("--by", "day", "--workflow", "mail"))
    )
    days = json.loads(ael("stats", "--by", "day", "--output", "json").stdout)
    assert list(everything) == ["by", "rows", "redactions", "store"]
    assert (everything["by"], chosen["by"]) == ("workflow", "day")
    assert everything["redactions"] == {"email": 10, "token": 3}
    assert chosen["redactions"] == {"email": 7, "token": 2}
    assert {row["key"]: row["count"] for row in chosen["rows"]} == {"2026-11-20": 1, "2026-11-17": 1}
    store = everything["store"]
    assert chosen["store"] == store == days["store"]
    assert (store["executions"], store["running"], store["oldest"]) == (9, 1, "2026-11-17T12:00:00Z")
    assert store["location"].endswith(".ael/telemetry.db")
    # The 17th to the 20th: four days, of which one has no runs.
    assert store["bytes_per_day"] == pytest.approx(sum(row["bytes"] for row in days["rows"]) / 4)
    text = ael("stats").stdout
    assert "Redacted before they were stored: 10 email, 3 token." in text
    assert f"grows by {words.size(store['bytes_per_day'])} a day." in text


@pytest.mark.parametrize(("hours", "reported"), [(23.9, False), (24, True)])
def test_growth_is_reported_from_a_day_on(place, hours, reported):
    """Proves that runs of less than 24 hours are not extrapolated to a day: null in JSON, nothing in the table."""
    make(
        place / "young.db",
        [
            ExecutionRecord(f"exec-{at}", "workflow", "completed", NOON - timedelta(hours=at))
            for at in (0, hours)
        ],
    )
    store = json.loads(ael("stats", "--db", "young.db", "-o", "json").stdout)["store"]
    assert (store["bytes_per_day"] is not None) == reported
    assert ("grows by" in ael("stats", "--db", "young.db").stdout) == reported


def test_stats_of_an_empty_store(place):
    """A sentence in the table and zeros in JSON, no failure."""
    make(place / "empty.db", [])
    done = ael("stats", "--db", "empty.db")
    assert (done.exit_code, done.stdout) == (0, "empty.db holds no runs.\n")
    answer = json.loads(ael("stats", "--db", "empty.db", "-o", "json").stdout)
    assert (answer["rows"], answer["redactions"]) == ([], {})
    assert (answer["store"]["executions"], answer["store"]["bytes_per_day"]) == (0, 0)


def left(place):
    """How many runs are stored."""
    return len(json.loads(ael("list", "--output", "json").stdout))


def test_a_dry_run_deletes_nothing(place):
    """It reports which runs would be deleted; a running one is not among them."""
    done = ael("prune", "--older-than", "1", "--dry-run")
    assert done.stdout.startswith("Would delete 5 runs, about ")
    assert left(place) == 6


def test_without_a_terminal_to_ask_is_wrong_usage(place):
    """Without --yes nothing is deleted from a script."""
    done = ael("prune", "--older-than", "1")
    assert (done.exit_code, "use --yes" in done.stderr) == (2, True)
    assert left(place) == 6


@pytest.mark.parametrize(("answer", "runs"), [(b"y\n", 1), (b"n\n", 6), (b"\n", 6)])
def test_a_person_is_asked(place, monkeypatch, answer, runs):
    """The question has the number; the answer "no" is not a failure."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    done = ael("prune", "--older-than", "1", stdin=answer)
    assert "Delete 5 runs (about " in done.stderr
    assert (done.exit_code, left(place)) == (0, runs)


def test_yes_deletes_and_reports_the_runs(place):
    """As JSON too; only running runs are left."""
    done = ael("prune", "--older-than", "1", "--yes", "--output", "json")
    report = json.loads(done.stdout)
    assert (report["executions"], report["dry_run"]) == (5, False)
    assert left(place) == 1
    assert ael("prune", "--older-than", "1", "--yes").stdout == "Nothing to delete.\n"


@pytest.mark.parametrize("age", ["-1", "soon", "2026-01-01", "7 fortnights", "", "1e3"])
def test_an_age_that_is_none_ends_with_2(place, age):
    """A date is refused too: it is easily mistaken for the runs that stay."""
    done = ael("prune", "--older-than", age, "--yes")
    assert (done.exit_code, left(place)) == (2, 6)


@pytest.mark.parametrize("age", ["0", "0.5", "0d", "12h", "1439m", "86399s"])
def test_an_age_of_less_than_a_day_is_refused(place, age):
    """Proves that a mistyped age cannot delete what was recorded today, dry or not: exit code 2, minimum named."""
    for more in ([], ["--dry-run"]):
        done = ael("prune", "--older-than", age, "--yes", *more)
        assert (done.exit_code, left(place)) == (2, 6)
        assert "the minimum is 1" in done.stderr


@pytest.mark.parametrize("age", ["36500", "36500d", "99w"])
def test_an_age_that_no_run_has_deletes_nothing(place, age):
    """Days are the unit where none is written."""
    assert ael("prune", "--older-than", age, "--yes").stdout == "Nothing to delete.\n" or age == "99w"


def test_without_options_the_configured_retention_counts(place):
    """The configured days are used, and the default is not, since nobody chose it."""
    (place / "ael-config.yaml").write_text("telemetry: {retention: {days: 1}}")
    done = ael("prune", "--dry-run")
    assert done.exit_code == 0


def test_prune_beside_a_reader_reports_runs_left_in_the_wal(place, monkeypatch):
    """It deletes and fails with a remedy; the next call, which has nothing to delete, succeeds."""
    monkeypatch.setattr("ael_otel.store.sqlite.BUSY_S", 0.1)
    reader = sqlite3.connect(".ael/telemetry.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    done = ael("prune", "--older-than", "1", "--yes")
    assert done.exit_code == 1
    assert done.stdout.startswith("Deleted ")
    assert "another process reads the store" in done.stderr
    assert "run this again" in done.stderr
    reader.close()
    assert ael("prune", "--older-than", "1", "--yes").stdout == "Nothing to delete.\n"
    assert not [each for each in Path(".ael").glob("telemetry.db-wal") if each.stat().st_size]
