"""The frame of a step."""

import logging
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from ael_otel._generated.attributes import DecisionOutcome, StepStatus, StepType
from ael_otel._generated.emitters import (
    add_decision,
    add_retry,
    emit_step_decide,
    emit_step_retry,
    emit_step_skip,
    start_step_code,
    start_step_tool_call,
    update_step_code,
    update_step_tool_call,
)
from ael_otel.core.redaction import active_redaction
from ael_otel.core.run_context import RunScope
from ael_otel.emit.spans import DroppedSpan
from ael_otel.lifecycle.failure import Failure, carried_by, classify, logger, mark, shown
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.outcome import UNKNOWN_TOOL
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.store import StepRecord

MAX_REASON: Final = 1_024
"""Maximum characters of the reason for a skip; the length of a condition depends on the workflow's author."""


class Step(Frame):
    """One logical step: span `Step <n>: <type>`, one count however often it is retried, one record.

    Args:
        recorder: the recorder that writes it.
        step: the step's id in its workflow.
        step_type: `tool_call` or `code`.
        index: position in the run, from 0.
        tool: name of the tool of a tool step.
        code: source of a code step; only its SHA-256 is stored.
        max_attempts: how often the engine may try it.
        literals: the parameters in the step's definition: values that do not come from a caller.
        when: the condition of the step; only compared with the expression that the engine evaluates, never recorded.
    """

    __slots__ = (
        "_attempt",
        "_calls_before",
        "_ran",
        "_skip_reason",
        "literals",
        "record",
        "step",
        "step_type",
        "when",
        "workflow",
    )
    where = "step"

    def __init__(
        self,
        recorder: Recorder,
        step: str,
        step_type: StepType,
        *,
        index: int = 0,
        tool: str | None = None,
        code: str | None = None,
        max_attempts: int = 1,
        literals: Any = None,
        when: str | None = None,
    ) -> None:
        super().__init__(recorder)
        guard = active_redaction()
        self.step = step = guard.name(step)
        self.literals = literals
        self.when = when
        self.step_type: StepType = step_type
        self.workflow = ""
        self._attempt = 0
        self._calls_before = 0
        self._ran = True
        self._skip_reason: str | None = None
        self.record = StepRecord(
            step_id=step,
            index=index,
            step_type="code" if step_type == "code" else "tool",
            status="running",
            started_at=self.clock.now(),
            tool_name=None if tool is None else guard.name(tool),
            max_attempts=max_attempts,
            code_hash=None if code is None else hash_of(code),
        )

    def _begin(self) -> None:
        parent = self.parent
        run = parent.scope if parent is not None else None
        self.workflow = run.workflow_id if run is not None else ""
        record = self.record
        scope = RunScope(
            self.workflow,
            run.execution_id if run is not None else "",
            self.step,
            record.tool_name or "",
            secrets=None if run is None else run.secrets,
            given=None if run is None else run.given,
        )
        self._enter_context(scope)
        record.span_id = self._span_id()
        if parent is not None and parent.execution is not None:
            self.execution = parent.execution
            parent.execution.steps.append(record)
            parent.step_begins(self.step)
            self.recorder.step_changed(parent.execution, record)

    def _start_span(self, context: Context | None) -> Span:
        record = self.record
        if self.step_type == "code":
            return start_step_code(
                self.recorder.tracer,
                workflow_name=self.workflow,
                step_name=self.step,
                step_index=record.index + 1,
                step_type=self.step_type,
                context=context,
                start_time=self.clock.now_ns(),
            )
        tool, genai = record.tool_name or UNKNOWN_TOOL, self.recorder.genai
        return start_step_tool_call(
            self.recorder.tracer,
            workflow_name=self.workflow,
            step_name=self.step,
            step_index=record.index + 1,
            step_type=self.step_type,
            tool_name=tool,
            gen_ai_operation_name="execute_tool" if genai else None,
            gen_ai_tool_name=tool if genai else None,
            context=context,
            start_time=self.clock.now_ns(),
        )

    def attempt(self) -> None:
        """Record that an attempt begins; from the second one on, emit an event `retry` with the last error."""
        self._attempt += 1
        self.record.attempt = self._attempt
        last, self.child_failure = self.child_failure, None
        calls = self.record.tool_calls[self._calls_before :]
        self._calls_before = len(self.record.tool_calls)
        if self._attempt == 1 or last is None:
            return
        if not any(call.error is not None and call.error.code == last.type for call in calls):
            self.record.attempt_errors.append(last.record(step_id=self.step, tool_name=self.record.tool_name))
        if self.span is not None:
            add_retry(self.span, step_attempt=self._attempt, error_type=last.type)
        emit_step_retry(
            logger,
            logging.WARNING,
            f"step {self.step}: attempt {self._attempt} follows {last.type}",
            component="step",
            execution_id=self._execution_id(),
            workflow_id=self.workflow,
            step_id=self.step,
            attempt=self._attempt,
            error_type=last.type,
        )

    def decided(self, met: bool) -> None:
        """Record the outcome of the step's condition; a repeated evaluation with the same outcome is recorded once."""
        outcome: DecisionOutcome = "met" if met else "not_met"
        if self.record.decision == outcome:
            return
        self.record.decision = outcome
        if self.span is not None:
            add_decision(self.span, decision_kind="when", decision_outcome=outcome)
        emit_step_decide(
            logger,
            logging.INFO,
            f"step {self.step}: condition {'met' if met else 'not met'}",
            component="step",
            execution_id=self._execution_id(),
            workflow_id=self.workflow,
            step_id=self.step,
            decision_kind="when",
            decision_outcome=outcome,
        )

    def attempt_failed(self, error: BaseException) -> None:
        """Record the error of one attempt; `failed` records that of the step."""
        self.child_failure = self._classify(error)

    def skipped(self, reason: str, *, ran: bool = False) -> None:
        """Record that the step was skipped (`ran` False) or that its failure was tolerated (`ran` True)."""
        self._skip_reason = active_redaction().name(reason)[:MAX_REASON]
        self._ran = ran

    def failed(self, error: BaseException) -> None:
        """Record the error of the step."""
        self.failure = self._classify(error)

    def _classify(self, error: BaseException) -> Failure:
        failure = carried_by(error)
        if failure is None and self.child_failure is not None and not self.child_failure.cancelled:
            # The engine wraps an error of the sandbox or of a tool in its own exception: the same failure.
            failure = self.child_failure
            mark(error, failure)
        return classify(error, "step") if failure is None else failure

    def _end(self, seconds: float) -> None:
        record, failure, span = self.record, self.failure, self.span
        record.completed_at = self.clock.now()
        record.duration_ms = seconds * 1e3 if self._ran else 0.0
        record.status = status = self._status()
        record.skip_reason = self._skip_reason
        if self._ran:
            self.recorder.metrics.step.bind(workflow=self.workflow, step=self.step, type=self.step_type).add(
                executions=1, context=self._context
            )
        tolerated = self.child_failure if self._ran and self._skip_reason is not None else None
        if span is not None and type(span) is not DroppedSpan:
            update = update_step_code if self.step_type == "code" else update_step_tool_call
            update(
                span,
                step_status=status,
                step_skip_reason=self._skip_reason,
                step_attempt=self._attempt if self._attempt > 1 else None,
                step_max_attempts=record.max_attempts if record.max_attempts > 1 else None,
                # The error's type but not the status ERROR, since the step did not fail.
                error_type=None if tolerated is None else tolerated.type,
            )
        if failure is not None:
            record.error = failure.record(step_id=self.step, tool_name=record.tool_name)
            self._show_failure(failure)
            if not (failure.cancelled and self.parent is not None):
                self.recorder.count(failure)
        elif tolerated is not None and self._skip_reason is not None:
            # The run continues, so no outer frame reports the failure: this is the outermost one that it reaches.
            self.recorder.count(tolerated)
            record.error = tolerated.record(step_id=self.step, tool_name=record.tool_name)
            self._log_skip(self._skip_reason, tolerated)
        elif self._skip_reason is not None:
            self._log_skip(self._skip_reason)
        if self.execution is not None:
            self.recorder.step_changed(self.execution, record)

    def _log_skip(self, reason: str, tolerated: Failure | None = None) -> None:
        emit_step_skip(
            logger,
            logging.INFO if tolerated is None else logging.WARNING,
            f"step {self.step} skipped" + ("" if tolerated is None else f" after {tolerated.type}"),
            component="step",
            execution_id=self._execution_id(),
            workflow_id=self.workflow,
            step_id=self.step,
            step_skip_reason=reason,
            error_type=None if tolerated is None else tolerated.type,
            exception=None if tolerated is None else shown(tolerated),
            exception_message=None if tolerated is None else tolerated.log_message,
        )

    def _execution_id(self) -> str:
        return "" if self.scope is None else self.scope.execution_id

    def _status(self) -> StepStatus:
        if self.failure is not None:
            return "failed"
        return "completed" if self._skip_reason is None else "skipped"

    def _leave(self) -> None:
        if not self._ran and self.span is not None:
            # A skipped step has no duration, even if the engine slept between "attempts" to skip it.
            self.span.end(getattr(self.span, "start_time", None))
            self.span = None
        super()._leave()


def step_around(frame: Frame | None) -> StepRecord | None:
    """Return the record of the innermost step, starting at `frame`; None outside a step."""
    while frame is not None:
        if isinstance(frame, Step):
            return frame.record
        frame = frame.parent
    return None


@lru_cache(maxsize=1_024)
def hash_of(code: str) -> str:
    """Return the SHA-256 of a step's code in hex."""
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
