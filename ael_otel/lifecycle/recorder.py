"""The targets of the frames: one tracer, one set of metrics and one store, chosen when telemetry starts."""

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from opentelemetry.trace import Tracer, TracerProvider, get_tracer

from ael_otel._generated import SCHEMA_URL
from ael_otel.core.faults import count_faults_with, report_fault, under_test
from ael_otel.core.metrics import SCOPE, AelMetrics, shared_metrics
from ael_otel.core.redaction import ActiveRedaction, active_redaction, content_on_spans
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.emit.spans import RunTracer
from ael_otel.lifecycle.failure import Failure
from ael_otel.lifecycle.observers import UNWATCHED, CallWatch, Unwatched
from ael_otel.lifecycle.run_notes import RunNotes
from ael_otel.store import Capture, ExecutionRecord, StepRecord, TelemetryStore, ToolCallRecord
from ael_otel.store.content import DEFAULT_RUN_BYTES, DEFAULT_RUN_CALLS
from ael_otel.store.model_metrics import count_model_calls
from ael_otel.version import __version__

SEMCONV_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
GENAI_OPT_IN: Final = "gen_ai_latest_experimental"


def redacted(value: Any) -> Any:
    """Redact a JSON value with the active configuration."""
    return active_redaction().content(value)


class Recorder:
    """The providers, metrics and store that frames write to.

    Args:
        tracer_provider: provider of the spans; None uses the global one, even if it is set later.
        metrics: the metric sets; None uses those on the global meter provider.
        store: the run store; None stores nothing.
        mcp_spans: `ael` (our `MCP Request` span), `native` (the MCP client library's span) or `both`; default `ael`.
        genai: whether to set the GenAI attributes too; default: by `OTEL_SEMCONV_STABILITY_OPT_IN`.
        synchronous: whether content is redacted and runs are stored before the calls return. None: only in a test of
            pytest, and for a store that does not declare that another thread may write to it.
        queue: queue for the notes of runs; None uses that of the process.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        metrics: AelMetrics | None = None,
        store: TelemetryStore | None = None,
        mcp_spans: str = "ael",
        genai: bool | None = None,
        synchronous: bool | None = None,
        queue: TelemetryThread | None = None,
    ) -> None:
        self.tracer: Tracer = RunTracer(get_tracer(SCOPE, __version__, tracer_provider, SCHEMA_URL))
        self.metrics = metrics if metrics is not None else shared_metrics()
        self._synchronous = under_test() if synchronous is None else synchronous
        self.notes = RunNotes(later=False, queue=queue)
        self.store = store
        self.capture_input = Capture(redact=redacted)
        self.capture_output = Capture(redact=redacted)
        self.max_run_bytes = DEFAULT_RUN_BYTES
        self.max_run_calls = DEFAULT_RUN_CALLS
        self.spans_carry_content = content_on_spans()
        self.mcp_spans = mcp_spans
        self.watch: CallWatch | None = None
        self._genai = genai
        self.stop_counting = count_faults_with(self._count_fault)

    @property
    def store(self) -> TelemetryStore | None:
        """The run store; None stores nothing."""
        return self._store

    @store.setter
    def store(self, store: TelemetryStore | None) -> None:
        self._store = store
        self.notes.later = not self._synchronous and getattr(store, "takes_notes", False) is True

    @property
    def own_mcp_spans(self) -> bool:
        """Whether a tool call gets our `MCP Request` span."""
        return self.mcp_spans != "native"

    @cached_property
    def genai(self) -> bool:
        """Whether GenAI attributes are set in addition to ours."""
        if self._genai is not None:
            return self._genai
        return GENAI_OPT_IN in {part.strip() for part in os.environ.get(SEMCONV_OPT_IN, "").split(",")}

    def content_in(
        self, value: Any, redaction: ActiveRedaction, mode: str = "redacted", *, exact: bool = False
    ) -> Any:
        """Return the redacted form of inputs or parameters for the store; None without a store."""
        if self._store is None:
            return None
        return self.capture_input(value, mode, redact=redaction.content, exact=exact)

    def content_out(
        self, value: Any, redaction: ActiveRedaction, mode: str = "redacted", *, exact: bool = False
    ) -> Any:
        """Return the redacted form of outputs, results or printed text for the store; None without a store."""
        if self._store is None:
            return None
        return self.capture_output(value, mode, redact=redaction.content, exact=exact)

    def around_tool(self, tool: str, params: Any) -> Unwatched:
        """Return the observer's context manager for a tool call of the engine."""
        return UNWATCHED if self.watch is None else self.watch.tool(tool, params)

    def around_code(self, code: str | None) -> Unwatched:
        """Return the observer's context manager for code that the engine runs."""
        return UNWATCHED if self.watch is None else self.watch.code(code)

    def count(self, failure: Failure) -> None:
        """Count a failure in `ael_errors_total`, once however many frames it passes."""
        if not failure.counted:
            failure.counted = True
            self.metrics.error.bind(type=failure.type, component=failure.component).add(errors=1)

    def execution_started(self, record: ExecutionRecord) -> None:
        """Store a run that began."""
        if self.store is not None:
            self._write(self.store.start_execution, record)

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Store a step that began or ended, once the run has an id."""
        store = self._store
        if store is not None and record.execution_id:
            try:
                store.step_changed(record, step)
            except Exception as error:
                self._store_failed(error)

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Store a tool call that ended, once the run has an id."""
        if self.store is not None and record.execution_id:
            self._write(self.store.tool_call_finished, record, call)

    def execution_finished(self, record: ExecutionRecord) -> None:
        """Store a run that ended, and count its model calls."""
        if self.store is not None:
            self._write(self.store.finish_execution, record)
            count_model_calls(self.metrics, record)

    def _write[*Arguments](self, write: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        try:
            write(*arguments)
        except Exception as error:
            self._store_failed(error)

    def _store_failed(self, error: Exception) -> None:
        self.metrics.lost("store", "store_error")
        self.metrics.error.bind(type="internal", component="store").add(errors=1)
        report_fault("store", error, component="store")

    def _count_fault(self) -> None:
        self.metrics.error.bind(type="internal", component="telemetry").add(errors=1)
