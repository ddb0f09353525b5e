"""Differences between two runs."""

import msgspec
from hypothesis import given

from ael_otel.export.compare import compare
from ael_otel.store import ExecutionRecord
from tests.unit.export.conftest import JSON, call, records


def copy(run: ExecutionRecord) -> ExecutionRecord:
    """The same run again."""
    return msgspec.json.decode(msgspec.json.encode(run), type=ExecutionRecord)


def paths(a: ExecutionRecord, b: ExecutionRecord) -> list[str]:
    """Where they differ."""
    return [difference.path for difference in compare(a, b).differences]


@given(records())
def test_a_run_does_not_differ_from_itself(run):
    """Proves it for runs with any content."""
    assert paths(run, copy(run)) == []


@given(JSON, JSON)
def test_values_differ_if_and_only_if_their_json_does(a, b):
    """Proves that values are compared by their JSON, where 1, 1.0 and true are three values."""
    one = ExecutionRecord("a", "workflow", "completed", call("x", 0, 1).started_at, inputs={"value": a})
    other = msgspec.structs.replace(one, inputs={"value": b})
    same = msgspec.json.encode(a, order="sorted") == msgspec.json.encode(b, order="sorted")
    assert (paths(one, other) == []) is same


def test_each_difference_is_reported_with_its_path(full):
    """Proves it deep inside content, for a missing step, a status and a code; ids and times are not differences."""
    other = copy(full)
    other.execution_id, other.trace_id, other.duration_ms = "exec-other", "c" * 32, 1.0
    other.inputs["name"] = "Bob"
    other.steps[1].code_hash = "d" * 64
    other.steps[1].tool_calls[0].params = {"text": "ho", "more": 1}
    other.steps[3].status = "completed"
    del other.steps[2]
    assert paths(full, other) == [
        "inputs.name",
        "steps.crunch.code_hash",
        "steps.crunch.calls[0].params.text",
        "steps.crunch.calls[0].params.more",
        "steps.mail",
        "steps.pay.status",
    ]
    found = compare(full, other)
    added = found.differences[3]
    assert (added.in_a, added.in_b, added.b) == (False, True, 1)
    assert found.same_workflow
    assert [timing.step for timing in found.timings] == ["", "greet", "crunch", "mail", "pay"]
    assert (found.timings[3].b_status, found.timings[0].b_ms) == (None, 1.0)


def test_an_error_that_comes_or_goes_is_one_difference(full):
    """Proves that an error in only one of two runs is a single difference with code and message."""
    other = copy(full)
    other.error = None
    [difference] = compare(full, other).differences
    assert (difference.path, difference.a) == ("error", {"code": "TOOL_FAILED", "message": "card declined"})
