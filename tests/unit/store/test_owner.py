"""Whose run it is, and when its process counts as gone."""

import pytest

from ael_otel.store import INTERRUPTED, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.owner import FOREIGN_US, interrupt, is_gone, now_us, this_process
from ael_otel.store.times import EPOCH


def _changed(position: int, value: str) -> str:
    parts = this_process().split("/")
    parts[position] = value
    return "/".join(parts)


def test_this_process_is_not_gone() -> None:
    """Proves that a process does not mark its own runs."""
    assert not is_gone(this_process(), 0, now_us())


@pytest.mark.parametrize(("position", "value"), [(1, "another-boot"), (4, "12345")])
def test_a_pid_of_another_boot_or_start_is_another_process(position: int, value: str) -> None:
    """Proves that a pid that has come round does not keep a dead run alive."""
    assert is_gone(_changed(position, value), 0, now_us())


@pytest.mark.parametrize(("position", "value"), [(0, "another-host"), (2, "4026599999")])
def test_owner_on_another_host_counts_as_dead_after_a_day(position: int, value: str) -> None:
    """Proves that the runs of other machines and containers are left alone for a day."""
    owner, now = _changed(position, value), now_us()
    assert not is_gone(owner, now - FOREIGN_US // 2, now)
    assert is_gone(owner, now - FOREIGN_US - 1, now)


@pytest.mark.parametrize(
    "owner", ["", "nonsense", "a/b/c", this_process().rpartition("/")[0].rpartition("/")[0] + "/x/y"]
)
def test_invalid_owner_is_not_an_error(owner: str) -> None:
    """Proves that values of an older or another writer are read without a fault."""
    assert is_gone(owner, 0, now_us())
    assert not is_gone(owner, now_us(), now_us())


def test_interrupted_run_has_its_open_steps_and_calls_marked() -> None:
    """Proves that run, open steps and open calls are marked, and ended ones are not changed."""
    calls = [
        ToolCallRecord(str(n), "t", "tool_step", n, EPOCH, status=status)
        for n, status in enumerate(("success", "running"))
    ]
    steps = [
        StepRecord("a", 0, "tool", "completed", EPOCH),
        StepRecord("b", 1, "tool", "running", EPOCH, tool_calls=calls),
        StepRecord("c", 2, "tool", "skipped", EPOCH),
    ]
    record = interrupt(ExecutionRecord("e", "workflow", "running", EPOCH, steps=steps))
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.code == INTERRUPTED
    assert [step.status for step in record.steps] == ["completed", "failed", "skipped"]
    assert [call.status for call in calls] == ["success", "error"]
    assert [step.error is not None for step in record.steps] == [False, True, False]
