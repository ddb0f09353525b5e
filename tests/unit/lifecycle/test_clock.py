"""The wall clock may be set during a run: spans and records keep their order and their lengths."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.lifecycle import Execution, Step, ToolCall
from ael_otel.lifecycle.frame import RunClock
from tests.support.waiting import until
from tests.unit.lifecycle.conftest import Telemetry


@pytest.mark.parametrize("by_s", [-3_600, 3_600], ids=["back", "forward"])
def test_clock_set_during_a_run_changes_no_span(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, by_s: int
) -> None:
    """Every span ends after it began, within its parent, and its duration is that of the monotonic clock."""
    wall = time.time_ns

    def set_clock() -> None:
        for module in ("ael_otel.lifecycle.frame", "opentelemetry.sdk.trace"):
            monkeypatch.setattr(f"{module}.time_ns", lambda: wall() + by_s * 10**9)

    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "greet", "tool_call", index=0, tool="echo"),
    ):
        set_clock()
        with ToolCall(recorder, "echo"):
            began = time.monotonic()
            until(lambda: time.monotonic() >= began + 0.01)
    call, step, run = (
        telemetry.span(name) for name in ("MCP Request", "Step 1: tool_call", "Workflow Execution")
    )
    assert run.start_time <= step.start_time <= call.start_time
    assert call.end_time <= step.end_time <= run.end_time
    assert 0.01 <= (call.end_time - call.start_time) / 1e9 < 10
    assert (run.end_time - run.start_time) / 1e9 < 10
    record = telemetry.run()
    assert timedelta(0) < record.completed_at - record.started_at < timedelta(seconds=10)
    assert record.started_at <= record.steps[0].started_at <= record.steps[0].tool_calls[0].started_at


def test_next_run_has_the_clock_as_it_was_set(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the run during which the clock was set uses the old one."""
    recorder = telemetry.recorder
    with Execution(recorder, "shop", execution_id="exec-1"):
        pass
    wall = time.time_ns
    monkeypatch.setattr("ael_otel.lifecycle.frame.time_ns", lambda: wall() + 3_600 * 10**9)
    with Execution(recorder, "shop", execution_id="exec-2"):
        pass
    first, second = telemetry.spans
    assert 3_500 < (second.start_time - first.start_time) / 1e9 < 3_700


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_time_of_a_record_is_exact_to_the_microsecond(ns: int) -> None:
    """Proves that the date of a clock is its nanoseconds without those below a microsecond, until 2096."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ael_otel.lifecycle.frame.time_ns", lambda: ns)
        patched.setattr("ael_otel.lifecycle.frame.perf_counter_ns", lambda: 0)
        now = RunClock().now()
    assert now == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)
