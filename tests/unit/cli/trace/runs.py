"""A run store on disk with a fixed set of runs, for the tests of `ael trace`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from ael_otel.cli import cli
from ael_otel.store import CodeRecord, ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.sqlite import SqliteStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DECLINED = ErrorRecord("TOOL_FAILED", "TOOL", "card declined", step_id="pay", tool_name="charge")


def _call(
    tool: str, at: datetime, took: float, result: object, error: ErrorRecord | None = None
) -> ToolCallRecord:
    return ToolCallRecord(
        f"call-{tool}",
        tool,
        "tool_step",
        1,
        at,
        server="demo",
        status="success" if error is None else "error",
        duration_ms=took,
        error=error,
        params={"text": "Grüße, 世界"},
        result=result,
    )


def mixed(execution_id: str, trace: str, at: datetime, took: float, name: str) -> ExecutionRecord:
    """A run that went well: a tool step, and code that printed something."""
    return ExecutionRecord(
        execution_id,
        "workflow",
        "completed",
        at,
        workflow_name="mixed",
        workflow_version="1.0.0",
        completed_at=at + timedelta(milliseconds=took),
        duration_ms=took,
        inputs={"name": name},
        outputs={"report": f"hello {name}"},
        trace_id=trace,
        metadata={"session_id": "morning"},
        steps=[
            StepRecord(
                "greet",
                0,
                "tool",
                "completed",
                at,
                duration_ms=took / 4,
                tool_name="echo",
                server="demo",
                tool_calls=[_call("echo", at, took / 4, f"hello {name}")],
            ),
            StepRecord(
                "crunch",
                1,
                "code",
                "completed",
                at + timedelta(milliseconds=took / 4),
                duration_ms=took / 2,
                code_hash="c" * 64,
                code=CodeRecord("c" * 64, stdout="first line\nsecond line\n", duration_ms=took / 2),
            ),
        ],
    )


def failed(execution_id: str, trace: str, at: datetime) -> ExecutionRecord:
    """A run that failed because a tool did."""
    return ExecutionRecord(
        execution_id,
        "workflow",
        "failed",
        at,
        workflow_name="order",
        completed_at=at + timedelta(milliseconds=20),
        duration_ms=20.0,
        inputs={"formula": "=1+1"},
        error=DECLINED,
        trace_id=trace,
        steps=[
            StepRecord(
                "pay",
                0,
                "tool",
                "failed",
                at,
                duration_ms=19.0,
                tool_name="charge",
                server="demo",
                error=DECLINED,
                tool_calls=[_call("charge", at, 18.0, None, DECLINED)],
            )
        ],
    )


def running(execution_id: str, at: datetime) -> ExecutionRecord:
    """A run that has not ended."""
    return ExecutionRecord(execution_id, "workflow", "running", at, workflow_name="slow", trace_id="f" * 32)


def direct(execution_id: str, trace: str, at: datetime) -> ExecutionRecord:
    """A tool call without a workflow."""
    return ExecutionRecord(
        execution_id,
        "direct",
        "completed",
        at,
        duration_ms=3.0,
        trace_id=trace,
        tool_calls=[msgspec.structs.replace(_call("echo", at, 3.0, "hi"), source="direct")],
    )


def runs(first: datetime = NOON) -> list[ExecutionRecord]:
    """Six runs, a minute apart, the last one first."""
    starts = [first + timedelta(minutes=minutes) for minutes in range(6)]
    return [
        mixed("exec-7f3a91c20001", "a0f63b41" + "1" * 24, starts[5], 40.0, "Ada"),
        mixed("exec-80aa00000002", "b1e29c07" + "2" * 24, starts[4], 80.0, "Bob"),
        failed("exec-90bb00000003", "c3d45e60" + "3" * 24, starts[3]),
        failed("exec-90bb00000004", "c3d45e61" + "4" * 24, starts[2]),
        direct("exec-a0cc00000005", "d4e56f70" + "5" * 24, starts[1]),
        running("exec-b0dd00000006", starts[0]),
    ]


def make(path: Path, records: list[ExecutionRecord]) -> Path:
    """Write a store."""
    store = SqliteStore(path)
    store.put(records)
    store.close()
    return path


def ael(*arguments: str, stdin: bytes | None = None) -> Result:
    """Run `ael trace` in this process."""
    return CliRunner().invoke(cli, ["trace", *arguments], prog_name="ael", input=stdin)
