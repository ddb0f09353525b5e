"""`ael trace calls`: tool calls with their arguments."""

import io
import json

import msgspec
import pytest
from rich.console import Console

from ael_otel.cli.render.zone import UTC_ZONE
from ael_otel.cli.trace.calls import calls, table
from ael_otel.cli.trace.options import Filters
from ael_otel.store.sqlite import SqliteStore
from tests.unit.cli.trace.runs import ael


@pytest.mark.parametrize(
    ("options", "tools"),
    [
        ([], ["echo", "echo", "charge", "charge", "echo"]),
        (["--tool", "charge"], ["charge", "charge"]),
        (["--status", "error"], ["charge", "charge"]),
        (["--status", "success", "-n", "2"], ["echo", "echo"]),
        (["--error", "tool_failed", "--workflow", "order"], ["charge", "charge"]),
        (["--min-duration", "19ms"], ["echo"]),
        (["--tool", "echo", "--status", "error"], []),
        (["--where", "call.tool = charge or call.duration > 19ms"], ["echo", "charge", "charge"]),
        (
            ["--where", "workflow = order and call.tool = charge and not step.tool = nothing"],
            ["charge", "charge"],
        ),
    ],
)
def test_filters_choose_calls(place, options, tools):
    """Proves that tool, status, error and duration are those of the call, not of its run; also of direct calls."""
    done = ael("calls", "--output", "json", *options)
    assert [row["tool"] for row in json.loads(done.stdout)] == tools
    assert done.stderr == ("" if tools else "No calls match.\n")


def test_a_call_is_one_line_with_arguments_and_error(place):
    """Proves that arguments and the error are whole in a pipe, and the id is one that `show` takes."""
    lines = ael("calls", "--tool", "charge").stdout.splitlines()
    assert len(lines) == 3
    assert '{"text":"Grüße, 世界"}  TOOL_FAILED "card declined"' in lines[1]
    assert "charge@demo" in lines[1]
    assert ael("show", lines[1].split()[2]).exit_code == 0
    [row] = [json.loads(line) for line in ael("calls", "-o", "jsonl", "-n", "1").stdout.splitlines()]
    assert (row["arguments"], row["result"]) == ({"text": "Grüße, 世界"}, "hello Ada")


def test_a_status_of_runs_is_refused(place):
    """Proves that a run's status is refused for calls, with exit code 2."""
    assert ael("calls", "--status", "failed").exit_code == 2


def test_a_narrow_terminal_has_ids_and_one_line_a_call(place):
    """Proves that 60 columns keep the id, the tool and the status; no line is longer or folded."""
    store = SqliteStore(place / ".ael" / "telemetry.db")
    rows = list(calls(store, Filters()))
    store.close()
    console = Console(width=60, file=io.StringIO())
    console.print(table(rows, UTC_ZONE, width=60))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 1 + len(rows)
    assert max(map(len, lines)) <= 60
    assert [line.split()[0] for line in lines[1:3]] == ["a0f63b41", "b1e29c07"]
    assert "charge" in lines[3]


def test_one_long_name_leaves_the_other_columns_room(place):
    """Proves that a tool and a step with endless names are cut on a terminal, where id and status stay, and whole in a
    pipe.
    """
    store = SqliteStore(place / ".ael" / "telemetry.db")
    rows = list(calls(store, Filters()))
    store.close()
    rows[0] = msgspec.structs.replace(rows[0], tool="t" * 500, step="s" * 500)
    console = Console(width=80, file=io.StringIO())
    console.print(table(rows, UTC_ZONE, width=80))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 1 + len(rows)
    for line, row in zip(lines[1:], rows, strict=True):
        assert row.trace_id[:8] in line
        assert row.status in line
    console = Console(width=5_000, file=io.StringIO())
    console.print(table(rows, UTC_ZONE, width=None))
    assert "t" * 500 in console.file.getvalue()
