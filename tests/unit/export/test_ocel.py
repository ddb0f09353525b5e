"""OCEL 2.0 of stored runs: the rules of the format, and what is an event and an object."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.export.formats import write
from ael_otel.store import ExecutionRecord
from tests.store.making import run, runs
from tests.unit.export.ocel_rules import check


def log_of(some: list[ExecutionRecord]) -> dict[str, Any]:
    """Return the log that is written for these runs."""
    found: dict[str, Any] = json.loads(b"".join(write("ocel", some)))
    return found


@given(st.lists(runs(), max_size=4))
def test_any_runs_make_a_valid_log(some: list[ExecutionRecord]) -> None:
    """Proves the rules of the format for runs of any shape, also if one is exported twice."""
    check(log_of(some))


def test_events_are_the_parts_of_a_run_and_objects_what_it_is_about(full: ExecutionRecord) -> None:
    """Proves names, order, attributes and relations, and that content stays out."""
    full.caller_id = "editor"
    log = log_of([full])
    check(log)
    names = [each["type"] for each in log["events"]]
    assert names[0] == "run started"
    assert names[-1] == "run ended"
    steps = [each.step_id for each in full.steps]
    assert [name for name in names if name.startswith("step ")] == [f"step {name}" for name in steps]
    calls = [call.tool_name for step in full.steps for call in step.tool_calls]
    assert [name for name in names if name.startswith("call ")] == [f"call {name}" for name in calls]
    end = {each["name"]: each["value"] for each in log["events"][-1]["attributes"]}
    assert end == {"status": "failed", "duration_ms": 50.25, "error_code": "TOOL_FAILED"}
    about = {(each["qualifier"], each["objectId"]) for each in log["events"][0]["relationships"]}
    assert about == {
        ("run", f"run:{full.execution_id}"),
        ("workflow", "workflow:order"),
        ("session", "session:s1"),
        ("caller", "caller:editor"),
    }
    call = next(each for each in log["events"] if each["type"].startswith("call "))
    assert ("tool", f"tool:{calls[0]}") in {
        (each["qualifier"], each["objectId"]) for each in call["relationships"]
    }
    text = json.dumps(log)
    assert "Ada" not in text
    assert "declined" not in text


def test_a_run_in_flight_has_no_end() -> None:
    """Proves that nothing is written of what has not happened."""
    log = log_of([run(status="running", completed_at=None, duration_ms=None)])
    assert "run ended" not in [each["type"] for each in log["events"]]


BREAKS = {
    "undeclared type": lambda log: log["eventTypes"].pop(),
    "undeclared attribute": lambda log: log["objectTypes"][0]["attributes"].clear(),
    "relation to nothing": lambda log: log["objects"].pop(),
    "the same event twice": lambda log: log["events"].append(log["events"][0]),
    "a number as text": lambda log: log["events"][-1]["attributes"][1].update(value="50"),
    "local time": lambda log: log["events"][0].update(time="2026-01-31T12:00:00"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_rules_refuse_what_breaks_them(name: str, full: ExecutionRecord) -> None:
    """Proves that the check of this file is able to fail."""
    log = log_of([full])
    broken = copy.deepcopy(log)
    BREAKS[name](broken)
    check(log)
    with pytest.raises((AssertionError, KeyError)):
        check(broken)
