"""The frame of a step."""

import logging
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from ael_otel._generated import attributes as attr
from ael_otel._generated import events, spans
from ael_otel.lifecycle.failure import Failure, carried_by, classify, mark
from ael_otel.lifecycle.failure_log import log_event, log_failure
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.plans import step_plan
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.pipeline.run_context import RunScope
from ael_otel.store import StepRecord, StepStatus


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
            code_hash=None if code is None else hash_of(code),
        )

    def _begin(self) -> None:
        parent = self.parent
        run = parent.scope if parent is not None else None
        self.workflow = run.workflow_id if run is not None else ""
        record = self.record
        name, attributes = step_plan(
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
            parent.step_begins(self.step)
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
        log_event(
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
            log_failure(
                self.child_failure,
                "step",
                f"step {self.step} skipped after {self.child_failure.type}",
                logging.WARNING,
                event=events.STEP_SKIP.name,
                fields={attr.AEL_STEP_SKIP_REASON: self._skip_reason},
            )
        elif self._skip_reason is not None:
            log_event(
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


def step_around(frame: Frame | None) -> StepRecord | None:
    """Return the record of the innermost step, `frame` included."""
    while frame is not None:
        if isinstance(frame, Step):
            return frame.record
        frame = frame.parent
    return None


@lru_cache(maxsize=1_024)
def hash_of(code: str) -> str:
    """Return the SHA-256 of a step's code in hex."""
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
