"""`ael trace calls`: tool calls with their arguments."""

import json

import pytest

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
    """Proves that a call has statuses of its own: exit code 2."""
    assert ael("calls", "--status", "failed").exit_code == 2
