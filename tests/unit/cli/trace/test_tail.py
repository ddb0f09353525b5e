"""`ael trace tail`: each run once when it begins and once when it ends, from any process."""

import io
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from ael_otel.cli.trace.options import Filters
from ael_otel.cli.trace.tail import Follower
from ael_otel.cli.trace.tail_view import shown
from ael_otel.store import ExecutionRecord, MemoryStore, RunQuery
from tests.unit.cli.trace.runs import ael, failed, make, mixed


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


def changes(follower: Follower) -> list[tuple[str, bool]]:
    """Return the changes since the last poll: the run and whether it ended."""
    return [(event.run.execution_id, event.ended) for event in follower.events()]


def began(number: int, at: datetime | None = None) -> ExecutionRecord:
    """A run that has not ended."""
    return ExecutionRecord(f"exec-{number}", "workflow", "running", at or now(), workflow_name="slow")


def ended(run: ExecutionRecord, status: str = "completed") -> ExecutionRecord:
    """Its end."""
    return msgspec.structs.replace(run, status=status, completed_at=now(), duration_ms=5.0)


def test_run_is_reported_when_it_begins_and_when_it_ends():
    """Once each, however often one looks."""
    store = MemoryStore()
    follower = Follower(store, Filters())
    assert changes(follower) == []
    run = began(1)
    store.put([run])
    assert changes(follower) == [("exec-1", False)]
    assert changes(follower) == []
    assert list(follower.running) == ["exec-1"]
    store.put([ended(run)])
    assert changes(follower) == [("exec-1", True)]
    assert changes(follower) == []
    assert follower.running == {}


def test_run_between_two_polls_is_reported_once():
    """Only its end is reported, since it is not running any more."""
    store = MemoryStore()
    follower = Follower(store, Filters())
    store.put([mixed("exec-1", "a" * 32, now(), 1.0, "x")])
    assert changes(follower) == [("exec-1", True)]
    assert changes(follower) == []


def test_ended_runs_are_not_reported_and_running_ones_are_followed():
    """Also a run that began long before anybody looked."""
    store = MemoryStore()
    old = began(1, now() - timedelta(hours=3))
    store.put([old, mixed("exec-2", "a" * 32, now() - timedelta(seconds=9), 1.0, "x")])
    follower = Follower(store, Filters())
    assert changes(follower) == []
    assert list(follower.running) == ["exec-1"]
    store.put([ended(old)])
    assert changes(follower) == [("exec-1", True)]


def test_run_that_appears_late_is_reported():
    """A store is written in batches, in the order of ends."""
    store = MemoryStore()
    follower = Follower(store, Filters())
    store.put([mixed("exec-2", "a" * 32, now(), 1.0, "x")])
    changes(follower)
    late = mixed("exec-1", "b" * 32, now() - timedelta(seconds=5), 1.0, "x")
    store.put([msgspec.structs.replace(late, completed_at=now())])
    assert changes(follower) == [("exec-1", True)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(status="failed"), ["exec-2"]),
        (Filters(error="TOOL_FAILED"), ["exec-2"]),
        (Filters(workflow="mixed"), ["exec-1"]),
        (Filters(tool="charge"), ["exec-2"]),
        (Filters(min_duration=30.0), ["exec-1"]),
    ],
)
def test_filters_choose_the_reported_runs(filters, expected):
    """Those that only an end can meet too."""
    store = MemoryStore()
    follower = Follower(store, filters)
    store.put([mixed("exec-1", "a" * 32, now(), 40.0, "x"), failed("exec-2", "b" * 32, now())])
    assert [run for run, is_end in changes(follower) if is_end] == expected


def test_the_last_runs_come_first_and_the_time_ends_it(place):
    """One line a run, oldest first, without colour in a pipe."""
    done = ael("tail", "--last", "2", "--seconds", "0.2", "--interval", "0.05")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["12:04:00", "mixed", "completed"],
        ["12:05:00", "mixed", "completed"],
    ]
    assert "\x1b" not in done.stdout


def test_json_lines_are_events(place):
    """With the run as `list` has it."""
    done = ael("tail", "--last", "1", "--seconds", "0.1", "--output", "jsonl")
    event = json.loads(done.stdout)
    assert (event["event"], event["run"]["execution_id"]) == ("ended", "exec-7f3a91c20001")


def test_it_stops_after_so_many_runs(place, monkeypatch):
    """Which is how a script waits for one; the last ones that stood there do not count."""

    def meanwhile(_seconds):
        make(place / ".ael" / "telemetry.db", [failed(f"exec-new{n}", "9" * 32, now()) for n in range(2)])

    monkeypatch.setattr("ael_otel.cli.trace.tail.time.sleep", meanwhile)
    done = ael("tail", "--status", "failed", "--last", "1", "--runs", "1", "--output", "jsonl")
    events = [json.loads(line)["run"]["execution_id"] for line in done.stdout.splitlines()]
    assert (done.exit_code, events) == (0, ["exec-90bb00000003", "exec-new0"])


def test_it_waits_for_a_store(place, monkeypatch):
    """It is reported once; a store that appears later is followed."""
    waits = []

    def appear(_seconds):
        waits.append(1)
        if len(waits) == 3:
            make(place / "late.db", [])

    monkeypatch.setattr("ael_otel.cli.trace.tail.time.sleep", appear)
    done = ael("tail", "--db", "late.db", "--seconds", "1", "--interval", "0.05")
    assert done.exit_code == 0
    assert done.stderr.count("waiting") == 1


def test_no_store_by_the_end_is_not_a_failure(place):
    """There was nothing to follow."""
    assert ael("tail", "--db", "never.db", "--seconds", "0.2", "--interval", "0.1").exit_code == 0


@pytest.mark.parametrize(("width", "lines"), [(80, 2), (140, 1)])
def test_error_is_printed_whole_on_a_terminal(monkeypatch, width, lines):
    """The error of a failed run is printed whole: behind it, or below it on a narrow terminal."""
    out = io.StringIO()
    monkeypatch.setattr(
        "ael_otel.cli.trace.tail_view.console",
        lambda: Console(file=out, force_terminal=True, color_system=None, width=width, highlight=False),
    )
    store = MemoryStore()
    store.put([failed("exec-1", "c3d45e60" * 4, now())])
    with shown("text") as screen:
        screen.ended(store.query(RunQuery()).runs[0])
    text = [line.rstrip() for line in Text.from_ansi(out.getvalue()).plain.splitlines()]
    printed = [line for line in text if line]
    assert len(printed) == lines
    assert "c3d45e60" in printed[0]
    assert printed[-1].endswith('TOOL_FAILED "card declined"')


@pytest.mark.parametrize("name", ["never.db", "empty.db", "new/empty.db"])
def test_no_runs_yet_is_the_same_line_wherever_the_store_is(place, name):
    """Proves that an empty store and a missing one give the same line, once."""
    (place / "new").mkdir()
    if "empty" in name:
        make(place / name, [])
    done = ael("tail", "--db", name, "--seconds", "0.3", "--interval", "0.05")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No runs are stored yet; waiting.\n")
