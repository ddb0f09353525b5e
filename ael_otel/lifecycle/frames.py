"""The four frames of a run: execution, step, tool call, code block.

Entering a frame starts its span and record, leaving it ends them, writes the metrics, the log record of a failure and
the store event: one place, so that they can never disagree. A frame never raises into the application and never
swallows what the application raises.

Costs (see `tests/bench`): names, attributes and label tuples are built once per (workflow, step, tool) and reused; a
span is started with its attributes and attached by hand instead of through two generator context managers; exceptions
are not recorded as span events.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.util.types import AttributeValue

from ael_otel._generated import attributes as attr
from ael_otel._generated import events, spans
from ael_otel.lifecycle.failure import Failure, carried_by, classify, mark, shows_input
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.pipeline.guard import report_fault
from ael_otel.pipeline.run_context import RunScope, current_run
from ael_otel.store import (
    ExecutionRecord,
    ExecutionStatus,
    StepRecord,
    StepStatus,
    ToolCallRecord,
    ToolCallSource,
    ToolCallStatus,
)

UNKNOWN_WORKFLOW: Final = "unknown"
"""Label of runs whose workflow does not exist: their names come from callers and are not bounded."""

UNKNOWN_TOOL: Final = "unknown"
"""Label of calls that a client or code made of a tool that does not exist, for the same reason."""

logger = logging.getLogger("ael.lifecycle")

current_frame: ContextVar["Frame | None"] = ContextVar("ael_otel_frame", default=None)

run_observer: ContextVar[Callable[[str, str], None] | None] = ContextVar(
    "ael_otel_run_observer", default=None
)
"""Told the execution id and trace id of a run as soon as both are known, for whoever started it in this context."""

_CACHED_PLANS: Final = 4_096


class Frame:
    """What the four frames share: a span made current, a duration, a failure, and the way out."""

    __slots__ = (
        "_context",
        "_detach_context",
        "_restore_frame",
        "_restore_scope",
        "_started_ns",
        "child_failure",
        "ended",
        "execution",
        "failure",
        "parent",
        "recorder",
        "scope",
        "span",
    )

    where = "frame"

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.parent: Frame | None = None
        self.execution: ExecutionRecord | None = None
        self.failure: Failure | None = None
        self.child_failure: Failure | None = None
        self.span: Span | None = None
        self.scope: RunScope | None = None
        self.ended = False
        self._context: Context | None = None
        self._started_ns = 0
        self._detach_context: Token[Context] | None = None
        self._restore_frame: Token[Frame | None] | None = None
        self._restore_scope: Token[RunScope | None] | None = None

    def __enter__(self) -> Self:
        try:
            parent = current_frame.get()
            if parent is not None and not parent.ended:
                self.parent = parent
            self._begin()
        except Exception as error:
            report_fault(f"{self.where}.begin", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._restore_frame is None:
            return
        try:
            if error is not None and self.failure is None:
                self.failed(error)
            self._end((perf_counter_ns() - self._started_ns) / 1e9)
        except Exception as fault:
            report_fault(f"{self.where}.end", fault)
        finally:
            self._leave()

    @property
    def exemplar_context(self) -> Context | None:
        """The context that an exemplar of this frame points at; None when its trace is not sampled."""
        return self._context

    def failed(self, error: BaseException) -> None:
        """Say why this frame failed; the innermost frame that saw the error has decided its type."""
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self, seconds: float) -> None:
        raise NotImplementedError

    def _enter_context(
        self,
        name: str | None,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        scope: RunScope | None,
    ) -> None:
        """Start the span (none when `name` is None), make it current, and start the clock last."""
        if name is not None:
            stale = self.parent is None and current_frame.get() is not None and _in_the_past()
            span = self.recorder.tracer.start_span(
                name,
                Context() if stale else None,
                kind,
                attributes,
                record_exception=False,
                set_status_on_exception=False,
            )
            self.span = span
            context = set_span_in_context(span)
            self._detach_context = attach(context)
            if span.get_span_context().trace_flags.sampled:
                self._context = context
        elif self.parent is not None:
            self._context = self.parent.exemplar_context
        self.scope = scope
        if scope is not None:
            self._restore_scope = current_run.set(scope)
        self._restore_frame = current_frame.set(self)
        self._started_ns = perf_counter_ns()

    def _leave(self) -> None:
        self.ended = True
        if self.failure is not None and self.parent is not None:
            self.parent.child_failure = self.failure
        # Each is undone on its own: a context entered in another task must not keep the others attached.
        try:
            if self.span is not None:
                self.span.end()
        except Exception as fault:
            report_fault(f"{self.where}.span", fault)
        if self._detach_context is not None:
            detach(self._detach_context)
        for variable, token in ((current_run, self._restore_scope), (current_frame, self._restore_frame)):
            if token is not None:
                try:
                    variable.reset(token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                except ValueError:
                    variable.set(None)

    def _show_failure(self, failure: Failure) -> None:
        """Put the failure on the span: status and type, never the message."""
        span = self.span
        if span is not None and span.is_recording():
            span.set_attributes({attr.AEL_ERROR_TYPE: failure.type, attr.ERROR_TYPE: failure.type})
            span.set_status(_error_status(failure.type))

    def _span_id(self) -> str:
        context = None if self.span is None else self.span.get_span_context()
        return format(context.span_id, "016x") if context is not None and context.is_valid else ""

    def _trace_id(self) -> str:
        context = None if self.span is None else self.span.get_span_context()
        return format(context.trace_id, "032x") if context is not None and context.is_valid else ""


class Execution(Frame):
    """One run of a workflow: span `Workflow Execution`, executions, duration, active runs, one record.

    Args:
        recorder: where it is recorded.
        workflow: the workflow's name as the caller gave it.
        execution_id: the run's id where it is already known; else `identify` says it later.
        inputs: what the run was given, kept in the store only.
        version: the workflow's version.
    """

    __slots__ = ("_known", "steps_seen", "version", "workflow")
    where = "execution"

    def __init__(
        self,
        recorder: Recorder,
        workflow: str,
        *,
        execution_id: str = "",
        inputs: dict[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        super().__init__(recorder)
        self.workflow = workflow
        self.steps_seen: set[str] = set()
        self._known = True
        self.execution = ExecutionRecord(
            execution_id=execution_id,
            type="workflow",
            status="running",
            started_at=datetime.now(UTC),
            workflow_name=workflow,
            workflow_version=version,
            inputs=inputs,
        )

    def _begin(self) -> None:
        record = self._record
        scope = RunScope(self.workflow, record.execution_id)
        self._enter_context(
            spans.WORKFLOW.name,
            SpanKind.INTERNAL,
            _execution_attributes(self.workflow, self.recorder.genai),
            scope,
        )
        record.trace_id, record.span_id = self._trace_id(), self._span_id()
        self.recorder.metrics.active.add((), 1)
        if record.execution_id:
            self._announce()

    @property
    def _record(self) -> ExecutionRecord:
        assert self.execution is not None
        return self.execution

    def identify(self, execution_id: str, *, version: str | None = None) -> None:
        """Say the run's id as soon as the engine has chosen it; the first one counts."""
        record = self._record
        if version is not None:
            record.workflow_version = version
        if record.execution_id or not execution_id:
            return
        record.execution_id = execution_id
        if self.scope is not None:
            self.scope.execution_id = execution_id
        self._announce()

    def _announce(self) -> None:
        if self.span is not None and self.span.is_recording():
            self.span.set_attribute(attr.AEL_WORKFLOW_ID, self._record.execution_id)
        self.recorder.execution_started(self._record)
        observer = run_observer.get()
        if observer is not None:
            observer(self._record.execution_id, self._record.trace_id)

    def workflow_unknown(self) -> None:
        """Say that no such workflow exists: its name stays out of the metrics' labels."""
        self._known = False

    def finished(self, outputs: dict[str, Any] | None) -> None:
        """Say what the run returned."""
        self._record.outputs = outputs

    def failed(self, error: BaseException) -> None:
        """Say why the run failed."""
        self.failure = classify(error, "workflow_engine")

    def skip_step(self, step: str, step_type: str, tool: str | None, reason: str) -> None:
        """Record a step that the engine passed over without running it: a span of zero length."""
        if step in self.steps_seen:
            return
        with Step(self.recorder, step, step_type, index=len(self._record.steps), tool=tool) as frame:
            frame.skipped(reason)

    def _end(self, seconds: float) -> None:
        record, failure, metrics = self._record, self.failure, self.recorder.metrics
        if not record.execution_id:
            self.identify(f"exec-{uuid.uuid4().hex[:12]}")
        label = self.workflow if self._known else UNKNOWN_WORKFLOW
        metrics.active.add((), -1)
        metrics.executions.add((label, _status_of(failure)), 1, self._context)
        metrics.workflow_duration.record((label,), seconds, self._context)
        record.completed_at = datetime.now(UTC)
        record.duration_ms = seconds * 1e3
        record.status = _execution_status(failure)
        if self.span is not None and self.span.is_recording():
            facts: dict[str, AttributeValue] = {attr.AEL_WORKFLOW_STATUS: _status_of(failure)}
            if record.workflow_version:
                facts[attr.AEL_WORKFLOW_VERSION] = record.workflow_version
            self.span.set_attributes(facts)
        if failure is not None:
            record.error = failure.record()
            self._show_failure(failure)
            self.recorder.count(failure)
            _log_failure(
                failure,
                "workflow_engine",
                f"workflow {self.workflow} failed: {failure.type}",
                event=events.EXECUTION_FAIL.name,
                fields=_end_fields(failure, seconds),
            )
        self.recorder.execution_finished(record)


class Step(Frame):
    """One logical step: span `Step <n>: <type>`, one count however often it is retried, one record.

    Args:
        recorder: where it is recorded.
        step: the step's id in its workflow.
        step_type: `tool_call` or `code`.
        index: position in the run, from 0.
        tool: name of the tool of a tool step.
        code: source of a code step; only its SHA-256 is kept.
        max_attempts: how often the engine may try it.
    """

    __slots__ = ("_attempt", "_ran", "_skip_reason", "record", "step", "step_type", "workflow")
    where = "step"

    def __init__(
        self,
        recorder: Recorder,
        step: str,
        step_type: str,
        *,
        index: int = 0,
        tool: str | None = None,
        code: str | None = None,
        max_attempts: int = 1,
    ) -> None:
        super().__init__(recorder)
        self.step = step
        self.step_type = step_type
        self.workflow = ""
        self._attempt = 0
        self._ran = True
        self._skip_reason: str | None = None
        self.record = StepRecord(
            step_id=step,
            index=index,
            step_type="code" if step_type == "code" else "tool",
            status="running",
            started_at=datetime.now(UTC),
            tool_name=tool,
            max_attempts=max_attempts,
            code_hash=None if code is None else _hash_of(code),
        )

    def _begin(self) -> None:
        parent = self.parent
        run = parent.scope if parent is not None else None
        self.workflow = run.workflow_id if run is not None else ""
        record = self.record
        name, attributes = _step_plan(
            self.workflow, self.step, self.step_type, record.index, record.tool_name, self.recorder.genai
        )
        scope = RunScope(
            self.workflow, run.execution_id if run is not None else "", self.step, record.tool_name or ""
        )
        self._enter_context(name, SpanKind.INTERNAL, attributes, scope)
        record.span_id = self._span_id()
        if parent is not None and parent.execution is not None:
            self.execution = parent.execution
            parent.execution.steps.append(record)
            if isinstance(parent, Execution):
                parent.steps_seen.add(self.step)
            self.recorder.step_changed(parent.execution, record)

    def attempt(self) -> None:
        """Say that the engine tries the step (again): from the second time on an event `retry` with the last error."""
        self._attempt += 1
        self.record.attempt = self._attempt
        last, self.child_failure = self.child_failure, None
        if self._attempt == 1 or last is None:
            return
        if self.span is not None and self.span.is_recording():
            self.span.add_event(
                spans.SPAN_EVENT_RETRY, {attr.AEL_STEP_ATTEMPT: self._attempt, attr.AEL_ERROR_TYPE: last.type}
            )
        _log_event(
            events.STEP_RETRY.name,
            f"step {self.step}: attempt {self._attempt} follows {last.type}",
            {events.LOG_ATTEMPT: self._attempt, events.LOG_ERROR_TYPE: last.type},
            logging.WARNING,
        )

    def attempt_failed(self, error: BaseException) -> None:
        """Say why one attempt failed; whether the step did is said by `failed`."""
        self.child_failure = self._classify(error)

    def skipped(self, reason: str, *, ran: bool = False) -> None:
        """Say that the step was passed over (`ran` False) or that its failure was tolerated (`ran` True)."""
        self._skip_reason = reason
        self._ran = ran

    def failed(self, error: BaseException) -> None:
        """Say why the step failed."""
        self.failure = self._classify(error)

    def _classify(self, error: BaseException) -> Failure:
        failure = carried_by(error)
        if failure is None and self.child_failure is not None and not self.child_failure.cancelled:
            # The engine wraps what the sandbox or a tool said in an exception of its own: same failure.
            failure = self.child_failure
            mark(error, failure)
        return classify(error, "step") if failure is None else failure

    def _end(self, seconds: float) -> None:
        record, failure, span = self.record, self.failure, self.span
        record.completed_at = datetime.now(UTC)
        record.duration_ms = seconds * 1e3 if self._ran else 0.0
        record.status = self._status()
        record.skip_reason = self._skip_reason
        if self._ran:
            self.recorder.metrics.steps.add((self.workflow, self.step, self.step_type), 1, self._context)
        if span is not None and span.is_recording():
            facts: dict[str, AttributeValue] = {attr.AEL_STEP_STATUS: record.status}
            if self._skip_reason is not None:
                facts[attr.AEL_STEP_SKIP_REASON] = self._skip_reason
            if self._attempt > 1:
                facts[attr.AEL_STEP_ATTEMPT] = self._attempt
            if record.max_attempts > 1:
                facts[attr.AEL_STEP_MAX_ATTEMPTS] = record.max_attempts
            span.set_attributes(facts)
        if failure is not None:
            record.error = failure.record(step_id=self.step, tool_name=record.tool_name)
            self._show_failure(failure)
            if not (failure.cancelled and self.parent is not None):
                self.recorder.count(failure)
        elif self._ran and self._skip_reason is not None and self.child_failure is not None:
            # The run goes on, so nobody above reports it: this is the outermost frame that saw the failure.
            self.recorder.count(self.child_failure)
            record.error = self.child_failure.record(step_id=self.step, tool_name=record.tool_name)
            _log_failure(
                self.child_failure,
                "step",
                f"step {self.step} skipped after {self.child_failure.type}",
                logging.WARNING,
                event=events.STEP_SKIP.name,
                fields={attr.AEL_STEP_SKIP_REASON: self._skip_reason},
            )
        elif self._skip_reason is not None:
            _log_event(
                events.STEP_SKIP.name,
                f"step {self.step} skipped",
                {attr.AEL_STEP_SKIP_REASON: self._skip_reason},
            )
        if self.execution is not None:
            self.recorder.step_changed(self.execution, record)

    def _status(self) -> StepStatus:
        if self.failure is not None:
            return "failed"
        return "completed" if self._skip_reason is None else "skipped"

    def _leave(self) -> None:
        if not self._ran and self.span is not None:
            # A step that did not run takes no time, also when the engine slept between "attempts" to skip it.
            self.span.end(getattr(self.span, "start_time", None))
            self.span = None
        super()._leave()


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
            _tool_attributes(self.tool, record.server, record.source, self.recorder.genai),
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
        step = _step_around(parent)
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
        step = _step_around(self.parent)
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
        status = _status_of(failure)
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
                _log_failure(
                    failure,
                    "tool",
                    f"tool {self.tool} failed: {failure.type}",
                    event=events.EXECUTION_FAIL.name,
                    fields=_end_fields(failure, seconds),
                )
        execution = self.execution
        if execution is None:
            return
        self.recorder.tool_call_finished(execution, record)
        if self.direct:
            execution.completed_at, execution.duration_ms = record.completed_at, record.duration_ms
            execution.status = _execution_status(failure)
            execution.error = record.error
            self.recorder.execution_finished(execution)


class CodeBlock(Frame):
    """One run of sandboxed Python: span `Python Exec`; tools called from the code nest in it."""

    __slots__ = ()
    where = "code_block"

    def _begin(self) -> None:
        parent = self.parent
        self.execution = None if parent is None else parent.execution
        self._enter_context(
            spans.CODE_EXEC.name,
            SpanKind.INTERNAL,
            _code_attributes(parent.record.code_hash if isinstance(parent, Step) else None),
            None if parent is None else parent.scope,
        )

    def failed(self, error: BaseException) -> None:
        """Say that the sandbox itself raised."""
        self.failure = classify(error, "sandbox")

    def failed_as(self, failure: Failure) -> None:
        """Say why the code failed; a tool's error that the code let through stays that tool's failure."""
        inner = self.child_failure
        if inner is not None and inner.message and inner.message in failure.message:
            self.failure = inner
        else:
            self.failure = failure

    def _end(self, seconds: float) -> None:
        failure = self.failure
        if failure is None:
            handled = self.child_failure
            if handled is not None:
                _log_failure(
                    handled, "sandbox", f"code handled a failed tool call: {handled.type}", logging.WARNING
                )
            return
        self._show_failure(failure)
        if not (failure.cancelled and self.parent is not None):
            self.recorder.count(failure)
        if self.parent is None:
            # A client ran code without a workflow: nobody above tells the failure.
            _log_failure(failure, "sandbox", f"code failed: {failure.type}")


def _in_the_past() -> bool:
    """Tell whether the current span is one that a background task has left from the run that started it.

    Work after its run is a trace of its own; what the task has joined since (a caller's trace, a span that is still
    open) is its parent.
    """
    span = get_current_span()
    return not span.is_recording() and not span.get_span_context().is_remote


@lru_cache(maxsize=_CACHED_PLANS)
def _execution_attributes(workflow: str, genai: bool) -> Mapping[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {attr.AEL_WORKFLOW_NAME: workflow}
    if genai:
        attributes[attr.GEN_AI_OPERATION_NAME] = "invoke_workflow"
        attributes[attr.GEN_AI_WORKFLOW_NAME] = workflow
    return attributes


@lru_cache(maxsize=_CACHED_PLANS)
def _step_plan(
    workflow: str, step: str, step_type: str, index: int, tool: str | None, genai: bool
) -> tuple[str, Mapping[str, AttributeValue]]:
    attributes: dict[str, AttributeValue] = {
        attr.AEL_WORKFLOW_NAME: workflow,
        attr.AEL_STEP_NAME: step,
        attr.AEL_STEP_INDEX: index + 1,
        attr.AEL_STEP_TYPE: step_type,
    }
    if tool is not None:
        attributes[attr.AEL_TOOL_NAME] = tool
        if genai:
            attributes[attr.GEN_AI_OPERATION_NAME] = "execute_tool"
            attributes[attr.GEN_AI_TOOL_NAME] = tool
    pattern = spans.STEP_CODE.name if step_type == "code" else spans.STEP_TOOL_CALL.name
    return pattern.replace(f"{{{attr.AEL_STEP_INDEX}}}", str(index + 1)), attributes


@lru_cache(maxsize=_CACHED_PLANS)
def _tool_attributes(tool: str, server: str | None, source: str, genai: bool) -> Mapping[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {attr.AEL_TOOL_NAME: tool, attr.AEL_TOOL_SOURCE: source}
    if server is not None:
        attributes[attr.AEL_MCP_SERVER] = server
    if genai:
        attributes[attr.MCP_METHOD_NAME] = "tools/call"
        attributes[attr.GEN_AI_TOOL_NAME] = tool
    return attributes


@lru_cache(maxsize=_CACHED_PLANS)
def _code_attributes(code_hash: str | None) -> Mapping[str, AttributeValue]:
    return {} if code_hash is None else {attr.AEL_CODE_SHA256: code_hash}


@lru_cache(maxsize=256)
def _error_status(kind: str) -> Status:
    return Status(StatusCode.ERROR, kind)


@lru_cache(maxsize=1_024)
def _hash_of(code: str) -> str:
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _status_of(failure: Failure | None) -> ToolCallStatus:
    if failure is None:
        return "success"
    if failure.cancelled:
        return "cancelled"
    return "timeout" if failure.timed_out else "error"


def _execution_status(failure: Failure | None) -> ExecutionStatus:
    if failure is None:
        return "completed"
    return "cancelled" if failure.cancelled else "failed"


def _source_of(parent: Frame | None) -> ToolCallSource:
    if isinstance(parent, CodeBlock):
        return "code_block"
    return "direct" if parent is None else "tool_step"


def _step_around(frame: Frame | None) -> StepRecord | None:
    while frame is not None:
        if isinstance(frame, Step):
            return frame.record
        frame = frame.parent
    return None


def _end_fields(failure: Failure, seconds: float) -> dict[str, Any]:
    """How a run or a call that failed ended."""
    return {events.LOG_STATUS: _status_of(failure), events.LOG_DURATION_MS: round(seconds * 1e3)}


def _log_event(name: str, message: str, fields: dict[str, Any], level: int = logging.INFO) -> None:
    """Log an event of a step that carries no exception."""
    if logger.isEnabledFor(level):
        logger.log(
            level, "%s", message, extra={"ael_component": "step", "ael_event": name, "ael_fields": fields}
        )


def _log_failure(
    failure: Failure,
    component: str,
    message: str,
    level: int = logging.ERROR,
    *,
    event: str = "",
    fields: dict[str, Any] | None = None,
) -> None:
    if not logger.isEnabledFor(level):
        return
    error, extra = (
        failure.error,
        {
            "ael_component": component,
            "ael_event": event,
            "ael_fields": fields,
            "ael_error_type": failure.type,
            "ael_error_message": failure.message,
        },
    )
    if error is not None and shows_input(error):
        # Whoever handles the record would print the exception's own text.
        error = None
    logger.log(level, "%s", message, exc_info=error, extra=extra)
