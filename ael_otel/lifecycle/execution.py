"""The frame of a run."""

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from ael_otel._generated import attributes as attr
from ael_otel._generated import events, spans
from ael_otel.lifecycle.failure import classify
from ael_otel.lifecycle.failure_log import end_fields, log_failure
from ael_otel.lifecycle.frame import Frame
from ael_otel.lifecycle.outcome import execution_status, status_of
from ael_otel.lifecycle.plans import execution_attributes
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import Step
from ael_otel.pipeline.run_context import RunScope
from ael_otel.store import ExecutionRecord

UNKNOWN_WORKFLOW: Final = "unknown"
"""Label of runs whose workflow does not exist: their names come from callers and are not bounded."""

run_observer: ContextVar[Callable[[str, str], None] | None] = ContextVar(
    "ael_otel_run_observer", default=None
)
"""Told the execution id and trace id of a run as soon as both are known, for whoever started it in this context."""


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
            execution_attributes(self.workflow, self.recorder.genai),
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

    def step_begins(self, step: str) -> None:
        """Note a step of this run."""
        self.steps_seen.add(step)

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
        metrics.executions.add((label, status_of(failure)), 1, self._context)
        metrics.workflow_duration.record((label,), seconds, self._context)
        record.completed_at = datetime.now(UTC)
        record.duration_ms = seconds * 1e3
        record.status = execution_status(failure)
        if self.span is not None and self.span.is_recording():
            facts: dict[str, AttributeValue] = {attr.AEL_WORKFLOW_STATUS: status_of(failure)}
            if record.workflow_version:
                facts[attr.AEL_WORKFLOW_VERSION] = record.workflow_version
            self.span.set_attributes(facts)
        if failure is not None:
            record.error = failure.record()
            self._show_failure(failure)
            self.recorder.count(failure)
            log_failure(
                failure,
                "workflow_engine",
                f"workflow {self.workflow} failed: {failure.type}",
                event=events.EXECUTION_FAIL.name,
                fields=end_fields(failure, seconds),
            )
        self.recorder.execution_finished(record)
