"""Runs made up by hand, in each way a run can go, at fixed times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord

START = datetime(2026, 11, 21, 4, 56, 39, tzinfo=UTC)
DECLINED = ErrorRecord(code="TOOL_FAILED", category="TOOL", message="card declined")
RESET = ErrorRecord(code="TOOL_FAILED", category="TOOL", message="connection reset by peer")


def moment(milliseconds: float) -> datetime:
    """A time so long after the start of the run."""
    return START + timedelta(milliseconds=milliseconds)


def call(tool: str, at: float, took: float, sequence: int = 1, **more: Any) -> ToolCallRecord:
    """One tool call on the server `demo`."""
    return ToolCallRecord(
        call_id=f"call-{sequence}",
        tool_name=tool,
        source=more.pop("source", "tool_step"),
        sequence=sequence,
        started_at=moment(at),
        duration_ms=took,
        server="demo",
        status=more.pop("status", "success"),
        **more,
    )


def step(index: int, name: str, at: float, took: float, tool: str | None = "echo", **more: Any) -> StepRecord:
    """One step: of type code when it has no tool."""
    return StepRecord(
        step_id=name,
        index=index,
        step_type="code" if tool is None else "tool",
        status=more.pop("status", "completed"),
        started_at=moment(at),
        duration_ms=took,
        tool_name=tool,
        server=more.pop("server", None if tool is None else "demo"),
        **more,
    )


def run(
    number: int, workflow: str | None, took: float | None, *steps: StepRecord, **more: Any
) -> ExecutionRecord:
    """One run."""
    return ExecutionRecord(
        execution_id=f"exec-7f3a91c2000{number}",
        type=more.pop("type", "workflow"),
        status=more.pop("status", "completed"),
        started_at=START,
        workflow_name=workflow,
        duration_ms=took,
        trace_id=f"{number}" * 32,
        steps=list(steps),
        **more,
    )


@pytest.fixture
def mixed() -> ExecutionRecord:
    """Tool, code with two tool calls of which one fails and is handled, tool."""
    return run(
        1,
        "mixed",
        41.2,
        step(0, "greet", 0.5, 4.1),
        step(
            1,
            "crunch",
            6,
            21.7,
            None,
            tool_calls=[
                call("add", 18, 3.0, source="code_block"),
                call("charge", 22, 3.0, 2, source="code_block", status="error", error=DECLINED),
            ],
        ),
        step(2, "report", 30, 3.9),
    )


@pytest.fixture
def flaky() -> ExecutionRecord:
    """One step that succeeds at the third attempt."""
    attempts = [
        call("flaky", 1, 4, status="error", error=RESET),
        call("flaky", 55, 4, 2, status="error", error=RESET),
        call("flaky", 110, 4, 3),
    ]
    return run(
        2,
        "flaky_tool",
        118,
        step(0, "greet", 0.5, 117.1, "flaky", attempt=3, max_attempts=3, tool_calls=attempts),
    )


@pytest.fixture
def skips() -> ExecutionRecord:
    """The three ways in which a step is skipped."""
    return run(
        3,
        "skips",
        20,
        step(0, "start", 0.5, 4.1),
        step(
            1,
            "notify",
            5,
            0,
            status="skipped",
            skip_reason="when condition not met: inputs.notify",
            server=None,
        ),
        step(2, "pay", 5, 4, "charge", status="skipped", skip_reason="Skipped due to error: card declined"),
        step(
            3, "receipt", 9, 0, status="skipped", skip_reason="dependency 'pay' did not complete", server=None
        ),
        step(4, "finish", 10, 8),
    )


@pytest.fixture
def tool_fails() -> ExecutionRecord:
    """A run that fails because a tool does."""
    return run(
        4,
        "tool_fails",
        20.2,
        step(0, "price", 0.5, 4.1, "add"),
        step(1, "charge", 6, 12, "charge", status="failed", error=DECLINED),
        status="failed",
        error=DECLINED,
    )


@pytest.fixture
def too_slow() -> ExecutionRecord:
    """A run that is called off, and its step with it."""
    return run(
        5,
        "too_slow",
        2001.5,
        step(
            0,
            "dawdle",
            0.5,
            2000.1,
            "wait",
            status="failed",
            error=ErrorRecord(code="cancelled", category="tool", message="CancelledError"),
        ),
        status="failed",
        error=ErrorRecord(
            code="WORKFLOW_TIMEOUT", category="WORKFLOW", message="Workflow timed out after 2s"
        ),
    )


@pytest.fixture
def needs_input() -> ExecutionRecord:
    """A run that is refused before any step."""
    return run(
        6,
        "needs_input",
        0.4,
        status="failed",
        error=ErrorRecord(code="INPUT_INVALID", category="VALIDATION", message="Missing input: order"),
    )


@pytest.fixture
def direct() -> ExecutionRecord:
    """A tool call that a client made without a workflow."""
    return run(7, None, 5, type="direct", tool_calls=[call("echo", 0, 5, source="direct")])
