"""Runs of every kind, made up by hand at fixed times, and strategies that make up the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from ael_otel.export.span_tree import Span, SpanEvent
from ael_otel.store import CodeRecord, ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.times import from_us

START = datetime(2026, 11, 21, 4, 56, 39, 123456, tzinfo=UTC)
DECLINED = ErrorRecord(code="TOOL_FAILED", category="TOOL", message="card declined", step_id="pay")


def moment(milliseconds: float) -> datetime:
    """A time so long after the start of the run."""
    return START + timedelta(milliseconds=milliseconds)


def call(tool: str, at: float, took: float | None, sequence: int = 1, **more: Any) -> ToolCallRecord:
    """One tool call."""
    return ToolCallRecord(
        call_id=more.pop("call_id", f"call-{tool}-{sequence}"),
        tool_name=tool,
        source=more.pop("source", "tool_step"),
        sequence=sequence,
        started_at=moment(at),
        server=more.pop("server", "demo"),
        status=more.pop("status", "success"),
        duration_ms=took,
        params=more.pop("params", {"text": "hi"}),
        result=more.pop("result", {"answer": ["hi", 1, None]}),
        **more,
    )


@pytest.fixture
def full() -> ExecutionRecord:
    """A failed run with a tool step that was tried twice, code that calls a tool, a skipped step, and a failed one."""
    reset = ErrorRecord(code="MCP_CONNECTION", category="MCP", message="=connection reset")
    return ExecutionRecord(
        execution_id="exec-7f3a91c20001",
        type="workflow",
        status="failed",
        started_at=START,
        completed_at=moment(50),
        duration_ms=50.25,
        workflow_name="order",
        workflow_version="1.2.0",
        inputs={"name": "Ada", "note": "=1+1"},
        outputs=None,
        error=DECLINED,
        trace_id="a0f63b41" * 4,
        span_id="1000000000000001",
        metadata={"session_id": "s1"},
        steps=[
            StepRecord(
                "greet",
                0,
                "tool",
                "completed",
                moment(1),
                completed_at=moment(11),
                duration_ms=10.0,
                tool_name="echo",
                server="demo",
                attempt=2,
                max_attempts=3,
                span_id="1000000000000002",
                tool_calls=[
                    call(
                        "echo", 1, 2.0, span_id="1000000000000003", status="error", error=reset, result=None
                    ),
                    call("echo", 8, 3.0, 2, span_id="1000000000000004"),
                ],
            ),
            StepRecord(
                "crunch",
                1,
                "code",
                "completed",
                moment(12),
                completed_at=moment(32),
                duration_ms=20.0,
                code_hash="c" * 64,
                span_id="1000000000000005",
                code=CodeRecord(
                    code_hash="c" * 64,
                    imports=["json"],
                    started_at=moment(13),
                    duration_ms=18.5,
                    stdout="hello\n",
                    result={"sum": 3},
                    span_id="1000000000000006",
                ),
                tool_calls=[call("add", 15, 4.0, source="code_block", span_id="1000000000000007")],
            ),
            StepRecord("mail", 2, "tool", "skipped", moment(33), skip_reason="when condition not met: x"),
            StepRecord(
                "pay",
                3,
                "tool",
                "failed",
                moment(34),
                completed_at=moment(50),
                duration_ms=16.0,
                tool_name="charge",
                server="bank",
                error=DECLINED,
                span_id="1000000000000009",
                tool_calls=[
                    call(
                        "charge",
                        35,
                        15.0,
                        server="bank",
                        status="error",
                        error=DECLINED,
                        result=None,
                        span_id="100000000000000a",
                    )
                ],
            ),
        ],
    )


@pytest.fixture
def direct() -> ExecutionRecord:
    """A tool call that a client made without a workflow."""
    return ExecutionRecord(
        "exec-direct1",
        "direct",
        "completed",
        START,
        completed_at=moment(5),
        duration_ms=5.0,
        trace_id="b" * 32,
        span_id="2000000000000001",
        tool_calls=[call("echo", 0, 5.0, source="direct", span_id="2000000000000001")],
    )


@pytest.fixture
def going_on() -> ExecutionRecord:
    """A run without a trace that has not ended: one step done, one at work."""
    return ExecutionRecord(
        "exec-running1",
        "workflow",
        "running",
        START,
        workflow_name="long",
        steps=[
            StepRecord("a", 0, "tool", "completed", moment(1), duration_ms=9.0, tool_name="echo"),
            StepRecord("b", 1, "tool", "running", moment(12), tool_name="wait"),
        ],
    )


# --- anything ---------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
MESSY = st.text(st.characters(), max_size=20)
"""With NUL and halves of surrogate pairs."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
"""Values that an attribute can have, also in foreign traces."""

NANOSECONDS = st.integers(0, 2**64 - 1)
SPAN_IDS = st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}")
TRACE_IDS = st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}")
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=4)

SPANS = st.builds(
    Span,
    trace_id=TRACE_IDS,
    span_id=SPAN_IDS,
    parent_id=SPAN_IDS | st.just(""),
    name=TEXT,
    kind=st.sampled_from(["internal", "server", "client", "producer", "consumer"]),
    start_ns=NANOSECONDS,
    end_ns=NANOSECONDS,
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(SpanEvent, TEXT, NANOSECONDS, ATTRIBUTES), max_size=2),
    status=st.sampled_from(["unset", "ok", "error"]),
    status_message=TEXT,
    service=TEXT.filter(bool),
    scope=TEXT,
)


# Made once: making a strategy costs more than drawing from it.
_TIMES = st.integers(6 * 10**14, 4 * 10**15).map(from_us)
_TOOK = st.floats(0, 1e9) | st.none()
_ERRORS = st.none() | st.builds(
    ErrorRecord, TEXT, TEXT, TEXT, TEXT | st.none(), st.booleans(), TEXT | st.none(), TEXT | st.none()
)
_CALLS = st.builds(
    ToolCallRecord,
    call_id=TEXT,
    tool_name=TEXT,
    source=st.sampled_from(["tool_step", "code_block", "direct"]),
    sequence=st.integers(1, 9),
    started_at=_TIMES,
    server=TEXT | st.none(),
    status=st.sampled_from(["running", "success", "error", "timeout", "cancelled"]),
    duration_ms=_TOOK,
    error=_ERRORS,
    params=JSON,
    result=JSON,
)
_CODES = st.none() | st.builds(
    CodeRecord,
    code_hash=TEXT,
    started_at=_TIMES | st.none(),
    duration_ms=_TOOK,
    stdout=JSON,
    exception=_ERRORS,
)
_STEPS = st.builds(
    StepRecord,
    step_id=TEXT,
    index=st.integers(0, 9),
    step_type=st.sampled_from(["tool", "code"]),
    status=st.sampled_from(["pending", "running", "completed", "failed", "skipped"]),
    started_at=_TIMES,
    duration_ms=_TOOK,
    tool_name=TEXT | st.none(),
    attempt=st.integers(1, 3),
    tool_calls=st.lists(_CALLS, max_size=2),
    error=_ERRORS,
    code=_CODES,
)
_RECORDS = st.builds(
    ExecutionRecord,
    execution_id=TEXT,
    type=st.sampled_from(["workflow", "direct"]),
    status=st.sampled_from(["pending", "running", "completed", "failed", "cancelled"]),
    started_at=_TIMES,
    workflow_name=TEXT | st.none(),
    duration_ms=_TOOK,
    inputs=JSON,
    outputs=JSON,
    steps=st.lists(_STEPS, max_size=3),
    tool_calls=st.lists(_CALLS, max_size=2),
    error=_ERRORS,
    metadata=st.dictionaries(TEXT, JSON, max_size=2),
    trace_id=st.just("") | TRACE_IDS,
)


def records() -> st.SearchStrategy[ExecutionRecord]:
    """Records as a store gives them back: any text and content, times to the microsecond."""
    return _RECORDS
