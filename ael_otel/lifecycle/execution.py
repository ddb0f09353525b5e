"""The frame of a run."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from os import urandom
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span

from ael_otel._generated.attributes import StepType
from ael_otel._generated.emitters import emit_execution_fail, start_workflow, update_workflow
from ael_otel.core.caller import Caller
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.run_context import RunScope
from ael_otel.lifecycle.failure import classify, logger, shown
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.outcome import UNKNOWN_WORKFLOW, status_of
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import Step
from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets
from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord

run_observer: ContextVar[Callable[[str, str], None] | None] = ContextVar(
    "ael_otel_run_observer", default=None
)
"""Called with the execution id and trace id of a run that this context started, as soon as both exist."""


_OWN_ID: Final = re.compile(r"exec-[0-9a-f]{8,32}")
"""Ids made by the engine or this package: they are random, so texts of the run need not be searched for them."""


class Execution(Frame):
    """One run of a workflow: span `Workflow Execution`, executions, duration, active runs, one record.

    Args:
        recorder: the recorder that writes it.
        workflow: the workflow's name as the caller passed it.
        execution_id: the run's id if it is assigned already; else `identify` sets it later.
        inputs: the inputs of the run; they go to the store only.
        version: the workflow's version.
        caller: who caused the run.
    """

    __slots__ = ("_known", "_own_scope", "_secrets", "steps_seen", "version", "workflow")
    where = "execution"

    def __init__(
        self,
        recorder: Recorder,
        workflow: str,
        *,
        execution_id: str = "",
        inputs: dict[str, Any] | None = None,
        version: str | None = None,
        caller: Caller | None = None,
    ) -> None:
        super().__init__(recorder, caller)
        guard = active_redaction()
        self.workflow = workflow = guard.name(workflow)
        self.steps_seen: set[str] = set()
        self._known = True
        execution_id = guard.text(execution_id)
        self._secrets = RunSecrets()
        self._own_scope = RunScope(workflow, execution_id, secrets=self._secrets, given=CallerInputs(inputs))
        self.execution = ExecutionRecord(
            execution_id=execution_id,
            type="workflow",
            status="running",
            started_at=self.clock.now(),
            workflow_name=workflow,
            workflow_version=None if version is None else guard.name(version),
        )
        # A secret that is detected in the inputs is masked everywhere in the run.
        if inputs is not None and recorder.store is not None:
            recorder.notes.content(self._keep_inputs, inputs, self._own_scope)

    def _keep_inputs(self, inputs: Any, redaction: ActiveRedaction, exact: bool) -> None:
        kept = self.recorder.content_in(inputs, redaction, exact=exact)
        self._record.inputs = self.content.fit(kept, of_run=True)

    def _begin(self) -> None:
        record = self._record
        self._enter_context(self._own_scope)
        record.trace_id, record.span_id = self._trace_id(), self._span_id()
        self._note_caller(record, update_workflow)
        self.recorder.metrics.engine.bind().add(active_workflows=1)
        if record.execution_id:
            self._announce()

    def _start_span(self, context: Context | None) -> Span:
        genai = self.recorder.genai
        return start_workflow(
            self.recorder.tracer,
            workflow_name=self.workflow,
            workflow_id=self._record.execution_id or None,
            gen_ai_operation_name="invoke_workflow" if genai else None,
            gen_ai_workflow_name=self.workflow if genai else None,
            gen_ai_agent_name=self.workflow if genai else None,
            gen_ai_conversation_id=self._session_id() if genai else None,
            context=context,
            start_time=self.clock.now_ns(),
        )

    @property
    def _record(self) -> ExecutionRecord:
        assert self.execution is not None
        return self.execution

    def identify(self, execution_id: str, *, version: str | None = None) -> None:
        """Set the run's id once the engine has assigned it; later calls have no effect."""
        record = self._record
        if version is not None:
            record.workflow_version = active_redaction().name(version)
        if record.execution_id or not execution_id:
            return
        if not _OWN_ID.fullmatch(execution_id):
            execution_id = active_redaction().text(execution_id)
        record.execution_id = execution_id
        if self.scope is not None:
            self.scope.execution_id = execution_id
        if self.span is not None:
            update_workflow(self.span, workflow_id=execution_id)
        self._announce()

    def _announce(self) -> None:
        self.recorder.execution_started(self._record)
        observer = run_observer.get()
        if observer is not None:
            with fault_barrier("execution.observer"):
                observer(self._record.execution_id, self._record.trace_id)

    def workflow_unknown(self) -> None:
        """Mark the workflow as nonexistent: its name is then not used as a label of metrics."""
        self._known = False

    def finished(self, outputs: dict[str, Any] | None) -> None:
        """Record the outputs of the run; they go to the store only."""
        if self.recorder.store is None:
            return
        if outputs is None:
            self._record.outputs = None
        else:
            self.recorder.notes.content(self._keep_outputs, outputs, self._own_scope)

    def _keep_outputs(self, outputs: Any, redaction: ActiveRedaction, exact: bool) -> None:
        kept = self.recorder.content_out(outputs, redaction, exact=exact)
        self._record.outputs = self.content.fit(kept, of_run=True)

    def failed(self, error: BaseException) -> None:
        """Record why the run failed."""
        self.failure = classify(error, "workflow_engine")

    def step_begins(self, step: str) -> None:
        """Record the id of a step of this run that begins."""
        self.steps_seen.add(step)

    def skip_step(self, step: str, step_type: StepType, tool: str | None, reason: str) -> None:
        """Record a step that the engine skipped without running it: a span of zero length."""
        if step in self.steps_seen:
            return
        with Step(self.recorder, step, step_type, index=len(self._record.steps), tool=tool) as frame:
            frame.skipped(reason)

    def _failed_step(self) -> StepRecord | None:
        """Return the step that made the run fail: the last failed one; None if the run failed outside any step."""
        return next((step for step in reversed(self._record.steps) if step.status == "failed"), None)

    def _end(self, seconds: float) -> None:
        record, failure, metrics = self._record, self.failure, self.recorder.metrics
        if not record.execution_id:
            self.identify(f"exec-{urandom(6).hex()}")
        label = self.workflow if self._known else UNKNOWN_WORKFLOW
        status = status_of(failure)
        metrics.engine.bind().add(active_workflows=-1)
        metrics.workflow.bind(workflow=label, status=status).record(
            duration=seconds, executions=1, context=self._context
        )
        completed_at = self.clock.now()
        error: ErrorRecord | None = None
        if self.span is not None:
            update_workflow(
                self.span, workflow_status=status, workflow_version=record.workflow_version or None
            )
        if failure is not None:
            step = self._failed_step()
            error = (
                failure.record()
                if step is None
                else failure.record(
                    step_id=step.step_id, tool_name=None if step.error is None else step.error.tool_name
                )
            )
            self._show_failure(failure)
            self.recorder.count(failure)
            emit_execution_fail(
                logger,
                logging.ERROR,
                f"workflow {self.workflow} failed: {failure.type}",
                component="workflow_engine",
                execution_id=record.execution_id,
                workflow_id=self.workflow,
                status=status,
                error_type=failure.type,
                step_id=None if step is None else step.step_id,
                duration_ms=round(seconds * 1e3),
                exception=shown(failure),
                exception_message=failure.log_message,
            )
        caller = self._caller
        if caller is not None and caller.on_end is not None:
            with fault_barrier("execution.caller"):
                caller.on_end(record, status, None if failure is None else failure.type)
        self._keep_end(record, self._secrets, completed_at, seconds, error)
