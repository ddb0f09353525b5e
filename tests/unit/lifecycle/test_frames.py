"""One call per frame: span, metrics, log record and store event agree for every way a frame ends."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.trace import format_span_id, format_trace_id

from ael_otel._generated import spans as registry
from ael_otel.lifecycle import CodeBlock, Execution, Failure, Step, ToolCall, run_observer
from ael_otel.store.codec import encode
from tests.unit.lifecycle.conftest import Telemetry, Tree, ends_with


class EngineError(Exception):
    """An error as the engine raises it, with an error code."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


def node(
    name: str,
    attributes: dict[str, object],
    *children: Tree,
    kind: str = "INTERNAL",
    status: str = "UNSET",
    events: list[tuple[str, dict[str, object]]] | None = None,
) -> Tree:
    """A span as `Telemetry.trees` shows it."""
    return {
        "name": name,
        "kind": kind,
        "status": status,
        "attributes": attributes,
        "events": events or [],
        "children": list(children),
    }


def run_node(status: str, *children: Tree, error: str = "", version: str = "") -> Tree:
    """The span of the run `exec-1` of the workflow `shop`."""
    attributes = {"ael.workflow.name": "shop", "ael.workflow.id": "exec-1", "ael.workflow.status": status}
    if version:
        attributes["ael.workflow.version"] = version
    return node("Workflow Execution", attributes | failed(error), *children, status=error_status(error))


def step_node(
    index: int,
    name: str,
    status: str,
    *children: Tree,
    tool: str | None = None,
    error: str = "",
    events: list[tuple[str, dict[str, object]]] | None = None,
    tolerated: str = "",
    **more: object,
) -> Tree:
    """The span of a step of `shop`: a tool step when it has a tool; `tolerated` is a failure that was none of it."""
    attributes = {
        "ael.workflow.name": "shop",
        "ael.step.name": name,
        "ael.step.index": index,
        "ael.step.type": "code" if tool is None else "tool_call",
        "ael.step.status": status,
    }
    if tool is not None:
        attributes["ael.tool.name"] = tool
    if tolerated:
        attributes["ael.error.type"] = tolerated
    return node(
        f"Step {index}: {'code_execution' if tool is None else 'tool_call'}",
        attributes | {f"ael.step.{key}": value for key, value in more.items()} | failed(error),
        *children,
        status=error_status(error),
        events=events,
    )


def tool_node(tool: str, source: str = "tool_step", server: str = "demo", error: str = "") -> Tree:
    """The span of a tool call."""
    attributes = {"ael.tool.name": tool, "ael.tool.source": source, "ael.mcp.server": server}
    return node("MCP Request", attributes | failed(error), kind="CLIENT", status=error_status(error))


def code_node(code: str, *children: Tree, error: str = "") -> Tree:
    """The span of a run of this code."""
    attributes = {"ael.code.sha256": hashlib.sha256(code.encode()).hexdigest()}
    return node("Python Exec", attributes | failed(error), *children, status=error_status(error))


def failed(error: str) -> dict[str, object]:
    """The attributes of a failure."""
    return {"ael.error.type": error, "error.type": error} if error else {}


def error_status(error: str) -> str:
    """The status of a span."""
    return f"ERROR: {error}" if error else "UNSET"


def test_a_run_that_succeeds(telemetry: Telemetry) -> None:
    """A tool step and a code step that calls a tool: the whole trace, every count, every event, the record."""
    recorder = telemetry.recorder
    before = datetime.now(UTC)
    with Execution(recorder, "shop", execution_id="exec-1", inputs={"card": "x"}, version="2") as run:
        with Step(recorder, "greet", "tool_call", index=0, tool="echo") as step:
            step.attempt()
            with ToolCall(recorder, "echo") as call:
                call.served_by("demo")
        with Step(recorder, "crunch", "code", index=1, code="result = 1") as step:
            step.attempt()
            with CodeBlock(recorder), ToolCall(recorder, "add", server="demo"):
                pass
        run.finished({"total": 3})

    assert telemetry.tree() == run_node(
        "success",
        step_node(1, "greet", "completed", tool_node("echo"), tool="echo"),
        step_node(2, "crunch", "completed", code_node("result = 1", tool_node("add", "code_block"))),
        version="2",
    )
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,success}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,greet,tool_call}": 1,
        "ael.step.executions{shop,crunch,code}": 1,
        "ael.tool.invocations{echo,success}": 1,
        "ael.tool.invocations{add,success}": 1,
        "ael.tool.duration{echo}": 1,
        "ael.tool.duration{add}": 1,
    }
    assert telemetry.logs() == []
    assert telemetry.store.events == [
        "start exec-1",
        "step greet running",
        "call echo success",
        "step greet completed",
        "step crunch running",
        "call add success",
        "step crunch completed",
        "finish exec-1 completed",
    ]
    record, root = telemetry.run(), telemetry.span("Workflow Execution")
    assert (record.type, record.workflow_name, record.workflow_version) == ("workflow", "shop", "2")
    assert (record.status, record.inputs, record.outputs) == ("completed", {"card": "x"}, {"total": 3})
    assert (record.error, record.tool_calls) == (None, [])
    assert record.trace_id == format_trace_id(root.context.trace_id)
    assert record.span_id == format_span_id(root.context.span_id)
    assert before <= record.started_at <= record.completed_at <= datetime.now(UTC)
    greet, crunch = record.steps
    assert (greet.step_type, greet.tool_name, greet.server, greet.code_hash) == ("tool", "echo", "demo", None)
    assert (crunch.step_type, crunch.tool_name, crunch.server) == ("code", None, None)
    assert crunch.code_hash == hashlib.sha256(b"result = 1").hexdigest()
    (echo,), (add,) = greet.tool_calls, crunch.tool_calls
    assert (echo.source, echo.sequence, echo.server, echo.step_id) == ("tool_step", 1, "demo", "greet")
    assert (add.source, add.sequence, add.server, add.step_id) == ("code_block", 1, "demo", "crunch")
    calls = [span for span in telemetry.spans if span.name == "MCP Request"]
    assert [echo.span_id, add.span_id] == [format_span_id(span.context.span_id) for span in calls]
    assert {echo.execution_id, add.execution_id} == {"exec-1"}


def test_durations_agree(telemetry: Telemetry) -> None:
    """Span, histogram and record measure the same time: of the frame, in seconds and in milliseconds."""
    recorder = telemetry.recorder
    with Execution(recorder, "shop", execution_id="exec-1"), ToolCall(recorder, "echo"):
        pass
    record = telemetry.run()
    points = telemetry.points()
    for name, metric, duration_ms in (
        ("Workflow Execution", "ael.workflow.duration", record.duration_ms),
        ("MCP Request", "ael.tool.duration", record.tool_calls[0].duration_ms),
    ):
        span = telemetry.span(name)
        seconds = points[metric][0].sum
        assert duration_ms == pytest.approx(seconds * 1e3)
        # The clock starts last and stops first: the rest of the frame is in the span only.
        assert 0 < seconds <= (span.end_time - span.start_time) / 1e9


def test_children_lie_within_their_parents(telemetry: Telemetry) -> None:
    """No frame starts before or ends after the one around it, and all are of one trace."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code", code="x"),
        CodeBlock(recorder),
        ToolCall(recorder, "add"),
    ):
        pass
    spans = {span.context.span_id: span for span in telemetry.spans}
    assert len(spans) == 4
    for span in spans.values():
        if span.parent is not None:
            parent = spans[span.parent.span_id]
            assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time
            assert parent.context.trace_id == span.context.trace_id


def fails_in_a_tool(telemetry: Telemetry, error: BaseException, replaced: Exception | None = None) -> None:
    """A run whose tool raises `error`, which the engine may have replaced by the time the step sees it."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge") as step,
    ):
        step.attempt()
        try:
            with ToolCall(recorder, "charge", server="demo"):
                raise error
        except Exception as caught:
            if replaced is None:
                raise
            raise replaced from caught


def failed_tree(error: str, status: str = "error") -> Tree:
    """The trace of a run that failed in its tool."""
    return run_node(
        status,
        step_node(1, "pay", "failed", tool_node("charge", error=error), tool="charge", error=error),
        error=error,
    )


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("TOOL_REJECTED", "TOOL_REJECTED", "error"),
        ("TOOL_TIMEOUT", "TOOL_TIMEOUT", "timeout"),
        ("WORKFLOW_TIMEOUT", "WORKFLOW_TIMEOUT", "timeout"),
        ("BRAND_NEW_CODE", "other", "error"),
    ],
)
def test_one_error_over_three_frames_is_one_error(
    telemetry: Telemetry, code: str, kind: str, status: str
) -> None:
    """An error that passes tool, step and workflow has one type on all three, one count, one log record."""
    error = EngineError(code, "card declined", retryable=True)
    with ends_with(EngineError) as caught:
        fails_in_a_tool(telemetry, error)
    assert caught.value is error
    assert telemetry.tree() == failed_tree(kind, status)
    assert telemetry.counts() == {
        f"ael.workflow.executions{{shop,{status}}}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,pay,tool_call}": 1,
        f"ael.tool.invocations{{charge,{status}}}": 1,
        "ael.tool.duration{charge}": 1,
        f"ael.errors{{{kind},tool}}": 1,
    }
    assert telemetry.logs() == [
        (
            "ERROR",
            "workflow_engine",
            "ael.execution.fail",
            kind,
            f"workflow shop failed: {kind}",
            "EngineError",
        )
    ]
    assert telemetry.store.events == [
        "start exec-1",
        "step pay running",
        f"call charge {status}",
        "step pay failed",
        "finish exec-1 failed",
    ]
    record = telemetry.run()
    (step,) = record.steps
    (call,) = step.tool_calls
    for found in (record.error, step.error, call.error):
        assert (found.code, found.message, found.retryable) == (kind, "card declined", True)
        assert (found.step_id, found.tool_name) == ("pay", "charge")


def test_an_error_that_is_replaced_keeps_its_type(telemetry: Telemetry) -> None:
    """The engine wraps a tool's error in its own error: the type is still the tool's, counted once."""
    replaced = EngineError("STEP_FAILED", "step pay failed")
    with ends_with(EngineError) as caught:
        fails_in_a_tool(telemetry, EngineError("TOOL_REJECTED", "card declined"), replaced)
    assert caught.value is replaced
    assert telemetry.tree() == failed_tree("TOOL_REJECTED")
    assert telemetry.counts()["ael.errors{TOOL_REJECTED,tool}"] == 1
    assert sum(count for name, count in telemetry.counts().items() if name.startswith("ael.errors")) == 1


def test_no_message_on_a_span(telemetry: Telemetry) -> None:
    """The text of an exception is in the log and the record; on spans it would leak, once per ancestor."""
    with ends_with(ValueError, match="hunter2"):
        fails_in_a_tool(telemetry, ValueError("password hunter2"))
    assert all("hunter2" not in span.to_json() for span in telemetry.spans)
    assert telemetry.tree() == failed_tree("internal")


def test_the_transports_view_of_a_failure_wins(telemetry: Telemetry) -> None:
    """The type is that of the MCP client's error (a lost connection), not of the engine's wrapper (TOOL_FAILED)."""
    recorder = telemetry.recorder
    error = EngineError("TOOL_FAILED", "connection lost")
    with (
        ends_with(EngineError),
        Execution(recorder, "shop", execution_id="exec-1"),
        ToolCall(recorder, "charge", server="demo") as call,
    ):
        call.originally(Failure("MCP_CONNECTION_FAILED", "mcp", "connection lost"))
        raise error
    assert telemetry.counts()["ael.errors{MCP_CONNECTION_FAILED,mcp}"] == 1
    assert telemetry.span("Workflow Execution").attributes["error.type"] == "MCP_CONNECTION_FAILED"


async def test_cancellation(telemetry: Telemetry) -> None:
    """A cancelled run is cancelled on every frame and counted once, by the run; the cancellation passes through."""

    async def run() -> None:
        recorder = telemetry.recorder
        with (
            Execution(recorder, "shop", execution_id="exec-1"),
            Step(recorder, "pay", "tool_call", tool="charge") as step,
        ):
            step.attempt()
            with ToolCall(recorder, "charge", server="demo"):
                started.set()
                await asyncio.Event().wait()

    started = asyncio.Event()
    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with ends_with(asyncio.CancelledError):
        await task
    assert telemetry.tree() == failed_tree("cancelled", "cancelled")
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,cancelled}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,pay,tool_call}": 1,
        "ael.tool.invocations{charge,cancelled}": 1,
        "ael.tool.duration{charge}": 1,
        "ael.errors{cancelled,tool}": 1,
    }
    assert telemetry.run().status == "cancelled"
    assert telemetry.run().steps[0].tool_calls[0].status == "cancelled"
    assert [line[3] for line in telemetry.logs()] == ["cancelled"]


async def test_a_timeout_of_the_run(telemetry: Telemetry) -> None:
    """A call that a time limit cancels is cancelled, the run has timed out: one error, of the run."""
    recorder = telemetry.recorder
    with ends_with(TimeoutError), Execution(recorder, "shop", execution_id="exec-1"):
        async with asyncio.timeout(0.01):
            with (
                Step(recorder, "pay", "tool_call", tool="charge") as step,
                ToolCall(recorder, "charge", server="demo"),
            ):
                step.attempt()
                await asyncio.Event().wait()
    step = step_node(
        1, "pay", "failed", tool_node("charge", error="cancelled"), tool="charge", error="cancelled"
    )
    assert telemetry.tree() == run_node("timeout", step, error="timeout")
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,timeout}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,pay,tool_call}": 1,
        "ael.tool.invocations{charge,cancelled}": 1,
        "ael.tool.duration{charge}": 1,
        "ael.errors{timeout,workflow_engine}": 1,
    }
    assert telemetry.run().status == "failed"
    assert telemetry.run().error.code == "timeout"


async def test_a_timeout_of_a_step(telemetry: Telemetry) -> None:
    """A time limit around the tool call alone is the step's own failure, and the run's."""
    recorder = telemetry.recorder
    with (
        ends_with(TimeoutError),
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge"),
    ):
        async with asyncio.timeout(0.01):
            with ToolCall(recorder, "charge", server="demo"):
                await asyncio.Event().wait()
    assert telemetry.span("Step 1: tool_call").attributes["error.type"] == "timeout"
    assert telemetry.span("MCP Request").attributes["error.type"] == "cancelled"
    assert telemetry.counts()["ael.errors{timeout,step}"] == 1
    assert "ael.errors{cancelled,tool}" not in telemetry.counts()
    assert telemetry.counts()["ael.workflow.executions{shop,timeout}"] == 1


def test_failure_that_is_returned_instead_of_raised(telemetry: Telemetry) -> None:
    """A failed result that an engine returns is recorded like an exception."""
    recorder = telemetry.recorder
    error = EngineError("TOOL_REJECTED", "card declined")
    with Execution(recorder, "shop", execution_id="exec-1") as run:
        with Step(recorder, "pay", "tool_call", tool="charge") as step:
            step.attempt()
            with ToolCall(recorder, "charge", server="demo") as call:
                call.failed(error)
            step.failed(error)
        run.failed(error)
    assert telemetry.tree() == failed_tree("TOOL_REJECTED")
    assert telemetry.counts()["ael.errors{TOOL_REJECTED,tool}"] == 1
    assert len(telemetry.logs()) == 1


def test_a_step_that_is_not_run(telemetry: Telemetry) -> None:
    """A step whose condition does not hold is a span without length, no count and no error."""
    recorder = telemetry.recorder
    with Execution(recorder, "shop", execution_id="exec-1") as run:
        with Step(recorder, "pay", "tool_call", tool="charge") as step:
            step.skipped("when: amount > 0")
        run.skip_step("thank", "tool_call", "echo", "dependency: pay")
        run.skip_step("thank", "tool_call", "echo", "dependency: pay")
        run.skip_step("pay", "tool_call", "charge", "said twice")
    assert telemetry.tree() == run_node(
        "success",
        step_node(1, "pay", "skipped", tool="charge", skip_reason="when: amount > 0"),
        step_node(2, "thank", "skipped", tool="echo", skip_reason="dependency: pay"),
    )
    for name in ("Step 1: tool_call", "Step 2: tool_call"):
        span = telemetry.span(name)
        assert span.start_time == span.end_time
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,success}": 1,
        "ael.workflow.duration{shop}": 1,
    }
    assert telemetry.logs() == [
        ("INFO", "step", "ael.step.skip", "", "step pay skipped", ""),
        ("INFO", "step", "ael.step.skip", "", "step thank skipped", ""),
    ]
    assert [
        (step.step_id, step.status, step.skip_reason, step.duration_ms) for step in telemetry.run().steps
    ] == [
        ("pay", "skipped", "when: amount > 0", 0.0),
        ("thank", "skipped", "dependency: pay", 0.0),
    ]


def test_a_failure_that_is_tolerated(telemetry: Telemetry) -> None:
    """With `on_error: skip` the run succeeds; the failure is counted once and logged once, as a warning."""
    recorder = telemetry.recorder
    error = EngineError("TOOL_REJECTED", "card declined")
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge") as step,
    ):
        step.attempt()
        with ends_with(EngineError), ToolCall(recorder, "charge", server="demo"):
            raise error
        step.attempt_failed(error)
        step.skipped("on_error: TOOL_REJECTED", ran=True)
    assert telemetry.tree() == run_node(
        "success",
        step_node(
            1,
            "pay",
            "skipped",
            tool_node("charge", error="TOOL_REJECTED"),
            tool="charge",
            skip_reason="on_error: TOOL_REJECTED",
            tolerated="TOOL_REJECTED",
        ),
    )
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,success}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,pay,tool_call}": 1,
        "ael.tool.invocations{charge,error}": 1,
        "ael.tool.duration{charge}": 1,
        "ael.errors{TOOL_REJECTED,tool}": 1,
    }
    assert telemetry.logs() == [
        (
            "WARNING",
            "step",
            "ael.step.skip",
            "TOOL_REJECTED",
            "step pay skipped after TOOL_REJECTED",
            "EngineError",
        )
    ]
    (step,) = telemetry.run().steps
    assert (telemetry.run().status, step.status, step.error.code) == ("completed", "skipped", "TOOL_REJECTED")


def test_retries_are_events_of_one_step(telemetry: Telemetry) -> None:
    """Two failures and a success: one step, three calls, an event per retry with the error before it, one count."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge", max_attempts=3) as step,
    ):
        for number, code in enumerate(("TOOL_TIMEOUT", "TOOL_FAILED", None)):
            step.attempt()
            try:
                with ToolCall(recorder, "charge", server="demo"):
                    if code is not None:
                        raise EngineError(code, f"try {number}")
            except EngineError as error:
                step.attempt_failed(error)
    assert telemetry.tree() == run_node(
        "success",
        step_node(
            1,
            "pay",
            "completed",
            tool_node("charge", error="TOOL_TIMEOUT"),
            tool_node("charge", error="TOOL_FAILED"),
            tool_node("charge"),
            tool="charge",
            attempt=3,
            max_attempts=3,
            events=[
                ("retry", {"ael.step.attempt": 2, "ael.error.type": "TOOL_TIMEOUT"}),
                ("retry", {"ael.step.attempt": 3, "ael.error.type": "TOOL_FAILED"}),
            ],
        ),
    )
    counts = telemetry.counts()
    assert counts["ael.step.executions{shop,pay,tool_call}"] == 1
    assert counts["ael.errors{TOOL_TIMEOUT,tool}"] == counts["ael.errors{TOOL_FAILED,tool}"] == 1
    assert telemetry.logs() == [
        ("WARNING", "step", "ael.step.retry", "", f"step pay: attempt {attempt} follows {code}", "")
        for attempt, code in ((2, "TOOL_TIMEOUT"), (3, "TOOL_FAILED"))
    ]
    (record,) = telemetry.run().steps
    assert (record.attempt, record.max_attempts, record.status) == (3, 3, "completed")
    assert [call.sequence for call in record.tool_calls] == [1, 2, 3]
    assert record.attempt_errors == [], "each attempt has a call that reports its error"


def test_error_of_a_retried_attempt_without_a_call_is_recorded(telemetry: Telemetry) -> None:
    """Proves that an attempt of code that failed by itself leaves its error in the step; one that a call failed not."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code", code="1 / 0", max_attempts=3) as step,
    ):
        for number in range(3):
            step.attempt()
            try:
                with CodeBlock(recorder, code="1 / 0"):
                    if number == 0:
                        raise EngineError("CODE_RUNTIME", "division by zero")
                    if number == 1:
                        with ToolCall(recorder, "charge", server="demo"):
                            raise EngineError("TOOL_FAILED", "declined")
            except EngineError as error:
                step.attempt_failed(error)
    (record,) = telemetry.run().steps
    assert (record.status, record.attempt) == ("completed", 3)
    assert [(error.code, error.step_id) for error in record.attempt_errors] == [("CODE_RUNTIME", "crunch")]
    assert [call.error.code for call in record.tool_calls if call.error] == ["TOOL_FAILED"]


def test_retries_that_all_fail(telemetry: Telemetry) -> None:
    """When the last attempt fails too, each failed call counts, the step fails as the last one did."""
    recorder = telemetry.recorder
    last = EngineError("TOOL_FAILED", "second")
    with (
        ends_with(EngineError),
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge") as step,
    ):
        for error in (EngineError("TOOL_TIMEOUT", "first"), last):
            step.attempt()
            try:
                with ToolCall(recorder, "charge", server="demo"):
                    raise error
            except EngineError as raised:
                step.attempt_failed(raised)
        raise last
    assert telemetry.span("Step 1: tool_call").attributes["error.type"] == "TOOL_FAILED"
    errors = {name: count for name, count in telemetry.counts().items() if name.startswith("ael.errors")}
    assert errors == {"ael.errors{TOOL_TIMEOUT,tool}": 1, "ael.errors{TOOL_FAILED,tool}": 1}


def test_code_that_fails(telemetry: Telemetry) -> None:
    """The sandbox reports failures as text: the block, its step and the run show the same type, counted once."""
    recorder = telemetry.recorder
    error = EngineError("CODE_RUNTIME", "ZeroDivisionError: division by zero")
    with (
        ends_with(EngineError),
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code", code="1/0"),
    ):
        with CodeBlock(recorder) as block:
            block.failed_as(Failure("CODE_RUNTIME", "sandbox", "ZeroDivisionError: division by zero"))
        raise error
    assert telemetry.tree() == run_node(
        "error",
        step_node(1, "crunch", "failed", code_node("1/0", error="CODE_RUNTIME"), error="CODE_RUNTIME"),
        error="CODE_RUNTIME",
    )
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,error}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,crunch,code}": 1,
        "ael.errors{CODE_RUNTIME,sandbox}": 1,
    }


def test_a_tools_error_that_code_lets_through_is_the_tools(telemetry: Telemetry) -> None:
    """Code that does not catch a tool's error fails with that tool's failure, not with a second one."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code", code="x"),
        CodeBlock(recorder) as block,
    ):
        with ends_with(EngineError), ToolCall(recorder, "charge", server="demo"):
            raise EngineError("TOOL_REJECTED", "card declined")
        block.failed_as(Failure("CODE_RUNTIME", "sandbox", "RuntimeError: card declined"))
    assert telemetry.span("Python Exec").attributes["error.type"] == "TOOL_REJECTED"
    errors = {name: count for name, count in telemetry.counts().items() if name.startswith("ael.errors")}
    assert errors == {"ael.errors{TOOL_REJECTED,tool}": 1}


def test_tool_error_that_code_handles_is_logged_once(telemetry: Telemetry) -> None:
    """Code that catches a tool's error succeeds; the failure is counted and shows as a warning."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code", code="x"),
        CodeBlock(recorder),
        ends_with(EngineError),
        ToolCall(recorder, "charge", server="demo"),
    ):
        raise EngineError("TOOL_REJECTED", "card declined")
    assert telemetry.tree() == run_node(
        "success",
        step_node(
            1,
            "crunch",
            "completed",
            code_node("x", tool_node("charge", "code_block", error="TOOL_REJECTED")),
        ),
    )
    assert telemetry.counts()["ael.errors{TOOL_REJECTED,tool}"] == 1
    assert telemetry.logs() == [
        (
            "WARNING",
            "sandbox",
            "",
            "TOOL_REJECTED",
            "code handled a failed tool call: TOOL_REJECTED",
            "EngineError",
        )
    ]


@pytest.mark.parametrize("fails", [False, True], ids=["fine", "fails"])
def test_direct_tool_call_is_a_run(telemetry: Telemetry, *, fails: bool) -> None:
    """A call that a client makes without a workflow: one span, one record of type `direct`, one line if it fails."""
    recorder = telemetry.recorder
    try:
        with ToolCall(recorder, "charge", server="demo"):
            if fails:
                raise EngineError("TOOL_REJECTED", "card declined")
    except EngineError:
        assert fails
    error = "TOOL_REJECTED" if fails else ""
    (record,) = telemetry.store.recent()
    call = tool_node("charge", "direct", error=error)
    assert telemetry.tree() == call | {
        "attributes": call["attributes"] | {"ael.workflow.id": record.execution_id}
    }
    status = "error" if fails else "success"
    expected = {f"ael.tool.invocations{{charge,{status}}}": 1, "ael.tool.duration{charge}": 1}
    assert telemetry.counts() == expected | ({"ael.errors{TOOL_REJECTED,tool}": 1} if fails else {})
    assert (record.type, record.status, record.workflow_name) == (
        "direct",
        "failed" if fails else "completed",
        None,
    )
    assert [call.status for call in record.tool_calls] == [status]
    assert record.trace_id == format_trace_id(telemetry.span("MCP Request").context.trace_id)
    assert telemetry.store.events == [
        f"start {record.execution_id}",
        f"call charge {status}",
        f"finish {record.execution_id} {record.status}",
    ]
    log = [
        (
            "ERROR",
            "tool",
            "ael.execution.fail",
            "TOOL_REJECTED",
            "tool charge failed: TOOL_REJECTED",
            "EngineError",
        )
    ]
    assert telemetry.logs() == (log if fails else [])


def test_a_run_that_learns_its_id_late(telemetry: Telemetry) -> None:
    """The engine chooses the id after the run began: it is on the span and in the record; the first one counts."""
    recorder = telemetry.recorder
    seen: list[tuple[str, str]] = []
    token = run_observer.set(lambda *ids: seen.append(ids))
    with Execution(recorder, "shop") as run:
        assert telemetry.store.events == []
        run.identify("")
        run.identify("exec-1", version="3")
        run.identify("exec-2")
        with Step(recorder, "crunch", "code"):
            pass
    run_observer.reset(token)
    assert telemetry.tree() == run_node("success", step_node(1, "crunch", "completed"), version="3")
    assert telemetry.run().workflow_version == "3"
    assert seen == [("exec-1", telemetry.run().trace_id)]
    assert telemetry.store.events[0] == "start exec-1"


def test_a_run_that_never_learns_its_id_gets_one(telemetry: Telemetry) -> None:
    """A run that fails before the engine chose an id is recorded all the same."""
    with ends_with(ValueError, match="no"), Execution(telemetry.recorder, "shop"):
        raise ValueError("no")
    (record,) = telemetry.store.recent()
    assert record.execution_id.startswith("exec-")
    assert telemetry.span("Workflow Execution").attributes["ael.workflow.id"] == record.execution_id
    assert record.status == "failed"


def test_names_invented_by_callers_are_not_labels(telemetry: Telemetry) -> None:
    """Workflows and tools that do not exist share one label value; spans and records keep the name."""
    recorder = telemetry.recorder
    with Execution(recorder, "sh0p", execution_id="exec-1") as run:
        run.workflow_unknown()
    with ToolCall(recorder, "ech0") as call:
        call.tool_unknown()
    with (
        Execution(recorder, "shop"),
        Step(recorder, "pay", "tool_call", tool="gone"),
        ToolCall(recorder, "gone") as call,
    ):
        call.tool_unknown()
    counts = telemetry.counts()
    assert counts["ael.workflow.executions{unknown,success}"] == 1
    assert counts["ael.workflow.duration{unknown}"] == 1
    assert counts["ael.tool.invocations{unknown,success}"] == 1
    assert counts["ael.tool.invocations{gone,success}"] == 1
    assert not any("sh0p" in name or "ech0" in name for name in counts)
    assert telemetry.run().workflow_name == "sh0p"


@pytest.mark.parametrize(
    ("error", "kind", "component"),
    [
        (ValueError("x"), "internal", "step"),
        (TimeoutError(), "timeout", "step"),
        (asyncio.CancelledError(), "cancelled", "step"),
        (KeyboardInterrupt(), "cancelled", "step"),
        (SystemExit(1), "cancelled", "step"),
        (EngineError("TEMPLATE_ERROR", "x"), "TEMPLATE_ERROR", "step"),
    ],
    ids=repr,
)
def test_any_exception_ends_the_frames_and_passes(
    telemetry: Telemetry, error: BaseException, kind: str, component: str
) -> None:
    """Every BaseException is recorded by its type and reaches the application unchanged."""
    recorder = telemetry.recorder
    with (
        ends_with(type(error)) as caught,
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "crunch", "code"),
    ):
        raise error
    assert caught.value is error
    assert telemetry.tree() == run_node(
        {"timeout": "timeout", "cancelled": "cancelled"}.get(kind, "error"),
        step_node(1, "crunch", "failed", error=kind),
        error=kind,
    )
    assert telemetry.counts()[f"ael.errors{{{kind},{component}}}"] == 1


def test_emitted_spans_are_the_registrys(make_telemetry: Callable[..., Telemetry]) -> None:
    """No frame writes an attribute that the registry does not list for its span, or leaves out a required one."""
    telemetry = make_telemetry(genai=True)
    recorder = telemetry.recorder
    error = EngineError("TOOL_FAILED", "declined")
    with ends_with(EngineError), Execution(recorder, "shop") as run:
        run.identify("exec-1", version="1")
        with Step(recorder, "tool", "tool_call", tool="echo", max_attempts=2) as step:
            step.attempt()
            step.attempt_failed(error)
            step.attempt()
            with ToolCall(recorder, "echo", server="demo") as call:
                call.returned({"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
        with ends_with(RuntimeError), Step(recorder, "code", "code", index=1, code="x"):
            with CodeBlock(recorder) as block:
                block.failed_as(Failure("CODE_RUNTIME", "sandbox", "ZeroDivisionError"))
            raise RuntimeError
        run.skip_step("later", "tool_call", "echo", "when: false")
        raise error
    of_runs = [spec for spec in registry.ALL if not spec.type.startswith("ael.session")]
    specs = {spec.name.partition(" {")[0] + spec.name.partition("}")[2]: spec for spec in of_runs}
    seen = set()
    for span in telemetry.spans:
        words = span.name.split()
        name = f"Step: {words[2]}" if words[0] == "Step" else span.name
        spec = specs[name]
        seen.add(name)
        assert span.kind.name.lower() == spec.kind
        assert set(span.attributes or {}) <= set(spec.attributes), name
        assert set(spec.required) <= set(span.attributes or {}), name
        assert {event.name for event in span.events} <= set(spec.events), name
    assert seen == set(specs)


def test_times_are_utc(telemetry: Telemetry) -> None:
    """Every time in a record is aware and in UTC."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge"),
        ToolCall(recorder, "charge"),
    ):
        pass
    run = telemetry.run()
    (step,) = run.steps
    for part in (run, step, *step.tool_calls):
        assert part.started_at.utcoffset() == part.completed_at.utcoffset() == timedelta(0)


def test_a_failed_run_names_the_step_that_failed_it(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """The event of a run that a step failed has the step's id, after a step that was fine; the event of a run that
    failed before its first step has none.
    """
    recorder = telemetry.recorder
    with ends_with(EngineError), Execution(recorder, "shop", execution_id="exec-1") as run:
        with Step(recorder, "cart", "code"):
            pass
        with Step(recorder, "pay", "code") as step:
            error = EngineError("TOOL_REJECTED", "card declined")
            step.failed(error)
            run.failed(error)
            raise error
    with ends_with(EngineError), Execution(recorder, "shop", execution_id="exec-2") as run:
        error = EngineError("INPUT_INVALID", "no order")
        run.failed(error)
        raise error
    found = [record for record in caplog.records if getattr(record, "ael_event", "") == "ael.execution.fail"]
    assert [vars(record)["ael_fields"].get("step_id") for record in found] == ["pay", None]


def test_calls_beyond_the_limit_of_a_run_are_counted_and_not_stored(telemetry: Telemetry) -> None:
    """Proves that calls of all steps share the limit, and that each beyond it has a span and is counted by the run."""
    recorder = telemetry.recorder
    recorder.max_run_calls = 3
    with Execution(recorder, "shop", execution_id="exec-1") as run:
        for step in ("pay", "ship"):
            with Step(recorder, step, "code"), CodeBlock(recorder, code="pay()"):
                for number in range(2):
                    with ToolCall(recorder, "charge") as call:
                        call.returned(number)
        run.finished({})
    record = telemetry.run()
    assert [[each.result for each in step.tool_calls] for step in record.steps] == [[0, 1], [0]]
    assert record.metadata["calls_left_out"] == 1
    assert len([span for span in telemetry.spans if span.name == "MCP Request"]) == 4


def test_record_of_a_run_in_flight_is_bounded_in_bytes(telemetry: Telemetry) -> None:
    """Proves with 100 calls of 80 kB: memory and record stay near the bound, first results and outputs whole."""
    recorder = telemetry.recorder
    recorder.max_run_bytes = 1_048_576
    tracemalloc.start()
    try:
        with Execution(recorder, "shop", execution_id="exec-1", inputs={"order": 7}) as run:
            with Step(recorder, "pay", "code"), CodeBlock(recorder, code="pay()"):
                for number in range(100):
                    with ToolCall(recorder, "charge") as call:
                        call.returned(f"{number} " + "x" * 80_000)
            held, _ = tracemalloc.get_traced_memory()
            run.finished({"answer": "y" * 60_000})
    finally:
        tracemalloc.stop()
    assert held < 4 * 1_048_576
    record = telemetry.run()
    calls = record.steps[0].tool_calls
    assert len(calls) == 100
    assert len(encode(record)) < 1_048_576 + 100 * 1_000
    assert (record.inputs, record.outputs) == ({"order": 7}, {"answer": "y" * 60_000})
    assert [len(str(each.result)) > 60_000 for each in calls[:10]] == [True] * 10
    assert calls[-1].result == {
        "ael.truncated": {"bytes": calls[-1].result["ael.truncated"]["bytes"]},
        "preview": "",
    }
