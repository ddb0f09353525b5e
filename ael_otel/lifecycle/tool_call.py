"""The frame of a tool call."""

import uuid
from datetime import UTC, datetime
from typing import Final

from opentelemetry.trace import SpanKind

from ael_otel._generated import attributes as attr
from ael_otel._generated import events, spans
from ael_otel.lifecycle.code_block import CodeBlock
from ael_otel.lifecycle.failure import Failure, carried_by, classify, mark
from ael_otel.lifecycle.failure_log import end_fields, log_failure
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.outcome import execution_status, status_of
from ael_otel.lifecycle.plans import tool_attributes
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import step_around
from ael_otel.pipeline.run_context import RunScope
from ael_otel.store import ExecutionRecord, ToolCallRecord, ToolCallSource

UNKNOWN_TOOL: Final = "unknown"
"""Label of calls that a client or code made of a tool that does not exist: the name is the caller's, not bounded."""


class ToolCall(Frame):
    """One call of a tool: span `MCP Request`, invocations, duration, one record in its step or run.

    Args:
        recorder: where it is recorded.
        tool: the tool's name.
        server: the MCP server or runner, where it is already known.
    """

    __slots__ = ("_label", "_origin", "direct", "record", "tool")
    where = "tool_call"

    def __init__(self, recorder: Recorder, tool: str, *, server: str | None = None) -> None:
        super().__init__(recorder)
        self.tool = tool
        self.direct = False
        self._label = tool
        self._origin: Failure | None = None
        self.record = ToolCallRecord(
            call_id=uuid.uuid4().hex[:16],
            tool_name=tool,
            source="direct",
            sequence=1,
            started_at=datetime.now(UTC),
            server=server,
        )

    def _begin(self) -> None:
        parent, record = self.parent, self.record
        record.source = _source_of(parent)
        outer = parent.scope if parent is not None else None
        if parent is None:
            self.direct = True
            self.execution = ExecutionRecord(
                execution_id=f"exec-{uuid.uuid4().hex[:12]}",
                type="direct",
                status="running",
                started_at=record.started_at,
            )
            scope = RunScope("", self.execution.execution_id, "", self.tool)
        else:
            self.execution = parent.execution
            scope = (
                RunScope("", "", "", self.tool)
                if outer is None
                else RunScope(outer.workflow_id, outer.execution_id, outer.step_id, self.tool)
            )
        name = spans.MCP_REQUEST.name if self.recorder.own_mcp_spans else None
        self._enter_context(
            name,
            SpanKind.CLIENT,
            tool_attributes(self.tool, record.server, record.source, self.recorder.genai),
            scope,
        )
        record.span_id = self._span_id()
        execution = self.execution
        if execution is None:
            return
        record.execution_id = execution.execution_id
        if self.direct:
            execution.trace_id, execution.span_id = self._trace_id(), record.span_id
            execution.tool_calls.append(record)
            self.recorder.execution_started(execution)
            return
        step = step_around(parent)
        calls = execution.tool_calls if step is None else step.tool_calls
        record.step_id = None if step is None else step.step_id
        record.sequence = len(calls) + 1
        calls.append(record)

    def served_by(self, server: str) -> None:
        """Say which MCP server or runner takes the call."""
        record = self.record
        if record.server == server:
            return
        record.server = server
        step = step_around(self.parent)
        if step is not None and record.source == "tool_step":
            step.server = server
        if self.span is not None and self.span.is_recording():
            self.span.set_attribute(attr.AEL_MCP_SERVER, server)

    def tool_unknown(self) -> None:
        """Say that no such tool exists: a name that a client or code made up stays out of the metrics' labels.

        The name in a tool step stays: definitions are bounded, and it says which tool is missing.
        """
        if self.record.source != "tool_step":
            self._label = UNKNOWN_TOOL

    def originally(self, failure: Failure) -> None:
        """Keep the failure as the transport saw it, before the engine turns it into one of its own."""
        self._origin = failure

    def failed(self, error: BaseException) -> None:
        """Say why the call failed."""
        failure = carried_by(error) or self._origin
        if failure is None:
            failure = classify(error, "tool")
        else:
            mark(error, failure)
        self.failure = failure

    def _end(self, seconds: float) -> None:
        record, failure, metrics = self.record, self.failure, self.recorder.metrics
        status = status_of(failure)
        metrics.invocations.add((self._label, status), 1, self._context)
        metrics.tool_duration.record((self._label,), seconds, self._context)
        record.completed_at = datetime.now(UTC)
        record.duration_ms = seconds * 1e3
        record.status = status
        if failure is not None:
            record.error = failure.record(step_id=record.step_id, tool_name=self.tool)
            self._show_failure(failure)
            # A cancelled run cancels its calls: one event, counted by the run.
            if not (failure.cancelled and self.parent is not None):
                self.recorder.count(failure)
            if self.direct:
                log_failure(
                    failure,
                    "tool",
                    f"tool {self.tool} failed: {failure.type}",
                    event=events.EXECUTION_FAIL.name,
                    fields=end_fields(failure, seconds),
                )
        execution = self.execution
        if execution is None:
            return
        self.recorder.tool_call_finished(execution, record)
        if self.direct:
            execution.completed_at, execution.duration_ms = record.completed_at, record.duration_ms
            execution.status = execution_status(failure)
            execution.error = record.error
            self.recorder.execution_finished(execution)


def _source_of(parent: Frame | None) -> ToolCallSource:
    if isinstance(parent, CodeBlock):
        return "code_block"
    return "direct" if parent is None else "tool_step"
