"""The frame of a tool call."""

import logging
from os import urandom
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span

from ael_otel._generated.emitters import emit_execution_fail, start_mcp_request, update_mcp_request
from ael_otel.core.caller import Caller
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.run_context import Exclusion, RunScope
from ael_otel.lifecycle.code_block import CodeBlock
from ael_otel.lifecycle.failure import Failure, carried_by, classify, logger, mark, shown
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.observers import tool_call_observed
from ael_otel.lifecycle.outcome import UNKNOWN_TOOL, status_of
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import Step, step_around
from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets
from ael_otel.store import ExecutionRecord, ToolCallRecord, ToolCallSource
from ael_otel.store.content import CALLS_LEFT_OUT, as_plain


class ToolCall(Frame):
    """One call of a tool: span `MCP Request`, invocations, duration, one record in its step or run.

    Args:
        recorder: the recorder that writes it.
        tool: the tool's name.
        server: the MCP server or runner, if it is known when the call begins.
        caller: who makes the call, if it is not made by a run.
    """

    __slots__ = ("_announced", "_label", "_origin", "direct", "record", "tool")
    where = "tool_call"

    def __init__(
        self, recorder: Recorder, tool: str, *, server: str | None = None, caller: Caller | None = None
    ) -> None:
        super().__init__(recorder, caller)
        guard = active_redaction()
        self.tool = tool = guard.name(tool)
        self.direct = False
        self._announced = False
        self._label = tool
        self._origin: Failure | None = None
        self.record = ToolCallRecord(
            call_id=urandom(8).hex(),
            tool_name=tool,
            source="direct",
            sequence=1,
            started_at=self.clock.now(),
            server=None if server is None else guard.name(server),
        )

    def _begin(self) -> None:
        parent, record = self.parent, self.record
        record.source = _source_of(parent)
        outer = parent.scope if parent is not None else None
        if parent is None:
            self.direct = True
            self.execution = ExecutionRecord(
                execution_id=f"exec-{urandom(6).hex()}",
                type="direct",
                status="running",
                started_at=record.started_at,
            )
            scope = RunScope("", self.execution.execution_id, "", self.tool, secrets=RunSecrets())
        else:
            self.execution = parent.execution
            scope = (
                RunScope("", "", "", self.tool)
                if outer is None
                else RunScope(
                    outer.workflow_id,
                    outer.execution_id,
                    outer.step_id,
                    self.tool,
                    secrets=outer.secrets,
                    given=outer.given,
                )
            )
        self._enter_context(scope)
        record.span_id = self._span_id()
        execution = self.execution
        if execution is None:
            return
        record.execution_id = execution.execution_id
        if self.direct:
            execution.trace_id, execution.span_id = self._trace_id(), record.span_id
            self._note_caller(execution, update_mcp_request)
            if self.span is not None:
                update_mcp_request(self.span, workflow_id=execution.execution_id)
            execution.tool_calls.append(record)
            self.recorder.execution_started(execution)
            return
        step = step_around(parent)
        calls = execution.tool_calls if step is None else step.tool_calls
        record.step_id = None if step is None else step.step_id
        record.sequence = len(calls) + 1
        if self.content.has_room_for_a_call():
            calls.append(record)
        else:
            execution.metadata[CALLS_LEFT_OUT] = execution.metadata.get(CALLS_LEFT_OUT, 0) + 1

    def _start_span(self, context: Context | None) -> Span | None:
        if not self.recorder.own_mcp_spans:
            return None
        record, genai = self.record, self.recorder.genai
        return start_mcp_request(
            self.recorder.tracer,
            tool_name=self.tool,
            mcp_server=record.server,
            tool_source=record.source,
            # The span of a tool step is the execution already: two would count its tool twice.
            gen_ai_operation_name="execute_tool" if genai and record.source != "tool_step" else None,
            gen_ai_tool_name=self.tool if genai else None,
            mcp_method_name="tools/call" if genai else None,
            gen_ai_conversation_id=self._session_id() if genai and self.parent is None else None,
            context=context,
            start_time=self.clock.now_ns(),
        )

    def served_by(self, server: str) -> None:
        """Set the MCP server or runner that executes the call."""
        record, server = self.record, active_redaction().name(server)
        if record.server == server:
            return
        record.server = server
        step = step_around(self.parent)
        if step is not None and record.source == "tool_step":
            step.server = server
        if self.span is not None:
            update_mcp_request(self.span, mcp_server=server)

    def called_with(self, params: Any) -> None:
        """Record the parameters: in the store, and on the span if content capture is on."""
        guard, scope, recorder = active_redaction(), self.scope, self.recorder
        exclusion = Exclusion()
        if scope is not None:
            scope.given = CallerInputs(params, literals=self._literals(), outer=scope.given)
            scope.exclusions = (exclusion,)
        mode = guard.mode(self.tool)

        def keep(params: Any, redaction: ActiveRedaction, exact: bool) -> None:
            exclusion.stated = redaction.excludes(params)
            self.record.params = self.content.fit(recorder.content_in(params, redaction, mode, exact=exact))

        recorder.notes.content(keep, params, scope)
        self._announced = tool_call_observed("before", self)
        if recorder.spans_carry_content and self.span is not None:
            self._settle()
            shown = self.record.params
            if shown is None or mode == "full":
                shown = recorder.capture_input(params, "redacted" if mode == "full" else mode)
            update_mcp_request(self.span, gen_ai_tool_call_arguments=_text_of(shown))

    def returned(self, result: Any) -> None:
        """Record the result: in the store, and on the span if content capture is on.

        If the call touched an excluded path, its result is replaced by a marker, and its lines are masked everywhere
        else in the run.
        """
        guard, scope, recorder = active_redaction(), self.scope, self.recorder
        mode = guard.mode(self.tool)

        def keep(result: Any, redaction: ActiveRedaction, exact: bool) -> None:
            facts = self.record
            about = {"step_id": facts.step_id, "tool_name": facts.tool_name, "call_id": facts.call_id}
            self._count_usage(result, redaction, exact=exact, **about)
            if scope is not None and scope.excluded:
                marker = redaction.excluded(as_plain(result))
                self.record.result = None if mode == "none" or result is None else marker
                return
            self.record.result = self.content.fit(recorder.content_out(result, redaction, mode, exact=exact))

        recorder.notes.content(keep, result, scope)
        if recorder.spans_carry_content and self.span is not None:
            self._settle()
            if scope is not None and scope.excluded:
                return
            shown = self.record.result
            if shown is None or mode == "full":
                shown = recorder.capture_output(result, "redacted" if mode == "full" else mode)
            update_mcp_request(self.span, gen_ai_tool_call_result=_text_of(shown))

    def _settle(self) -> None:
        """Redact the parameters and the result of this call immediately."""
        if self.scope is not None and self.scope.secrets is not None:
            self.scope.secrets.settle()

    def _literals(self) -> Any:
        """Return the parameters in a step's definition, or the source of a code block: values not from a caller."""
        parent = self.parent
        if isinstance(parent, Step):
            return parent.literals
        if isinstance(parent, CodeBlock) and parent.parent is not None:
            return parent.code
        return None

    def tool_unknown(self) -> None:
        """Mark the tool as nonexistent: a name invented by a client or by code is not used as a label of metrics.

        The name in a tool step is used: definitions are bounded, and it identifies the missing tool.
        """
        if self.record.source != "tool_step":
            self._label = UNKNOWN_TOOL

    def originally(self, failure: Failure) -> None:
        """Set the failure as the transport reported it, before the engine converts it into its own."""
        self._origin = failure

    def failed(self, error: BaseException) -> None:
        """Set why the call failed."""
        failure = carried_by(error) or self._origin
        if failure is None:
            failure = classify(error, "tool")
        else:
            mark(error, failure)
        self.failure = failure

    def _end(self, seconds: float) -> None:
        record, failure, metrics = self.record, self.failure, self.recorder.metrics
        status = status_of(failure)
        metrics.tool.bind(tool=self._label, status=status).record(
            duration=seconds, invocations=1, context=self._context
        )
        record.completed_at = completed_at = self.clock.now()
        record.duration_ms = seconds * 1e3
        record.status = status
        if failure is not None:
            record.error = failure.record(step_id=record.step_id, tool_name=self.tool)
            self._show_failure(failure)
            # A cancelled run cancels its calls: that is one event, which the run counts.
            if not (failure.cancelled and self.parent is not None):
                self.recorder.count(failure)
            if self.direct:
                emit_execution_fail(
                    logger,
                    logging.ERROR,
                    f"tool {self.tool} failed: {failure.type}",
                    component="tool",
                    execution_id=record.execution_id or "",
                    tool_name=self.tool,
                    status=status,
                    error_type=failure.type,
                    duration_ms=round(seconds * 1e3),
                    exception=shown(failure),
                    exception_message=failure.log_message,
                )
        # A call without parameters has not been announced yet.
        if self._announced or tool_call_observed("before", self):
            tool_call_observed("after", self)
        execution = self.execution
        if execution is None:
            return
        self.recorder.tool_call_finished(execution, record)
        if self.direct and self.scope is not None and self.scope.secrets is not None:
            self._keep_end(execution, self.scope.secrets, completed_at, seconds, record.error)


def _text_of(frozen: Any) -> str | None:
    """Return content in the form for spans: JSON, redacted even if the run store records it in full."""
    return None if frozen is None else frozen if isinstance(frozen, str) else bytes(frozen).decode()


def _source_of(parent: Frame | None) -> ToolCallSource:
    if isinstance(parent, CodeBlock):
        return "code_block"
    return "direct" if parent is None else "tool_step"
