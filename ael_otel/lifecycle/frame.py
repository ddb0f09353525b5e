"""The base of every frame of a run: a current span, a duration, a failure, and the way out.

Entering a frame starts its span and record, leaving it ends them, writes the metrics, the log record of a failure and
the store event: all of it in one place, so that they always agree. A frame never raises into the application and never
swallows what the application raises.

Costs (see `tests/bench`): names and attributes are built once per (workflow, step, tool) by the generated starters; a
span is started with its attributes and attached by hand instead of through two generator context managers; exceptions
are not recorded as span events.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanContext, get_current_span, set_span_in_context

from ael_otel._generated.emitters import fail_span
from ael_otel.core.caller import Caller
from ael_otel.core.faults import fault_barrier, report_fault
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.core.run_context import RunScope, current_run
from ael_otel.emit.spans import DroppedSpan
from ael_otel.lifecycle.failure import Failure
from ael_otel.lifecycle.model_call_spans import send_model_call_spans
from ael_otel.lifecycle.outcome import execution_status
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.privacy.run_secrets import RunSecrets
from ael_otel.store import ErrorRecord, ExecutionRecord
from ael_otel.store.content import MAX_FROZEN, PART_BYTES, RunContent, as_plain
from ael_otel.store.model_calls import add_results, priced
from ael_otel.store.records import REDACTIONS

current_frame: ContextVar["Frame | None"] = ContextVar("ael_otel_frame", default=None)


class RunClock:
    """A clock that reads the wall clock once, when it is created, and is monotonic from then on.

    Changing the wall clock during a run has no effect on the times of the run.
    """

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        self._offset_ns = time_ns() - perf_counter_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self._offset_ns + perf_counter_ns()

    def now(self) -> datetime:
        """Return the time in UTC, to the microsecond."""
        # Adding whole microseconds as a float of seconds rounds to the exact value, and takes half the time.
        return datetime.fromtimestamp((self._offset_ns + perf_counter_ns()) // 1_000 / 1e6, UTC)


class Frame(ABC):
    """The base of the four frames: a current span, a duration, a failure, and the way out."""

    __slots__ = (
        "_caller",
        "_context",
        "_detach_context",
        "_joined",
        "_restore_frame",
        "_restore_scope",
        "_started_ns",
        "child_failure",
        "clock",
        "content",
        "ended",
        "execution",
        "failure",
        "parent",
        "recorder",
        "scope",
        "span",
    )

    where = "frame"

    def __init__(self, recorder: Recorder, caller: Caller | None = None) -> None:
        self.recorder = recorder
        self._caller = caller
        self._joined = False
        self.ended: bool = False
        around: Frame | None = current_frame.get()
        # One clock for all frames of a run, so that inner frames stay within outer ones when the wall clock is changed.
        self.clock: RunClock = RunClock() if around is None or around.ended else around.clock
        self.content: RunContent = (
            RunContent(recorder.max_run_bytes, recorder.max_run_calls)
            if around is None or around.ended
            else around.content
        )
        self.parent: Frame | None = None
        self.execution: ExecutionRecord | None = None
        self.failure: Failure | None = None
        self.child_failure: Failure | None = None
        self.span: Span | None = None
        self.scope: RunScope | None = None
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
        """The context that exemplars of this frame refer to; None if its trace is not sampled."""
        return self._context

    @abstractmethod
    def failed(self, error: BaseException) -> None:
        """Set why this frame failed; the type was decided by the innermost frame that handled the error."""

    def step_begins(self, step: str) -> None:  # noqa: B027 - most frames ignore it
        """Record a step that begins directly inside this frame."""

    @abstractmethod
    def _begin(self) -> None:
        """Record what is available when the frame is entered."""

    @abstractmethod
    def _end(self, seconds: float) -> None:
        """Record the outcome; `seconds` is the duration."""

    @abstractmethod
    def _start_span(self, context: Context | None) -> Span | None:
        """Start the frame's span in `context` (None: the current one); return None if the frame has no span."""

    def _enter_context(self, scope: RunScope | None) -> None:
        """Start the span, make it current, and start the clock after that."""
        stale = self.parent is None and current_frame.get() is not None and _in_the_past()
        self._joined = self._caller is not None and get_current_span().get_span_context().is_remote
        span = self.span = self._start_span(Context() if stale else None)
        if span is not None:
            context = set_span_in_context(span)
            self._detach_context = attach(context)
            if type(span) is not DroppedSpan and span.get_span_context().trace_flags.sampled:
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
        if self.failure is not None:
            if self.parent is not None:
                self.parent.child_failure = self.failure
            else:
                self.failure.settled = True
        # Each is undone separately: a context entered in another task must not keep the others attached.
        span = self.span
        if span is not None and type(span) is not DroppedSpan:
            try:
                span.end(self.clock.now_ns())
            except Exception as fault:
                report_fault(f"{self.where}.span", fault)
        if self._detach_context is not None:
            detach(self._detach_context)
        if self._restore_scope is not None:
            try:
                current_run.reset(self._restore_scope)
            except ValueError:
                current_run.set(None)
        if self._restore_frame is not None:
            try:
                current_frame.reset(self._restore_frame)
            except ValueError:
                current_frame.set(None)

    def _session_id(self) -> str | None:
        return None if self._caller is None else self._caller.session_id

    def _note_caller(self, record: ExecutionRecord, update: Callable[..., None]) -> None:
        """Set the caller on a run's record and the session on its span, and link the span to that of the session.

        A run in the trace of its caller, or in that of the session, gets no link.
        """
        caller = self._caller
        if caller is None:
            return
        record.caller_id = caller.name
        if caller.session_id is not None:
            record.metadata["session_id"] = caller.session_id
            if self.span is not None:
                update(self.span, session_id=caller.session_id)
                trace_id = self.span.get_span_context().trace_id
                if caller.trace_id not in (0, trace_id) and not self._joined:
                    self.span.add_link(SpanContext(caller.trace_id, caller.span_id, is_remote=True))
        if caller.on_run is not None:
            caller.on_run(record)

    def _count_usage(self, result: Any, redaction: ActiveRedaction, *, exact: bool, **about: Any) -> None:
        """Record the model calls whose responses a result contains: their counts are no content.

        Args:
            result: the result.
            redaction: redacts the names in it.
            exact: whether it consists of JSON types only.
            about: further arguments of `add_results`.
        """
        if self.execution is None or self.recorder.store is None or result is None:
            return
        with fault_barrier("usage"):
            value = result if exact else as_plain(result, MAX_FROZEN)
            add_results(self.execution, value, self.clock.now(), redaction, **about)

    def _keep_end(
        self,
        record: ExecutionRecord,
        secrets: RunSecrets,
        completed_at: datetime,
        seconds: float,
        error: ErrorRecord | None,
    ) -> None:
        """Store a run that has ended, once all of its content has been redacted.

        The record gets its final status only then; until then readers see a run in flight.
        """
        recorder = self.recorder
        if recorder.store is None:
            return
        status, sampled = execution_status(self.failure), self._context is not None

        def keep() -> None:
            record.completed_at, record.duration_ms = completed_at, seconds * 1e3
            record.status, record.error = status, error
            if secrets.counts:
                record.metadata[REDACTIONS] = dict(secrets.counts)
            if sampled and record.model_calls and recorder.genai:
                send_model_call_spans(recorder, priced(record))
            recorder.execution_finished(record)

        recorder.notes.end(keep, secrets, self.content.held + PART_BYTES * len(record.steps))

    def _show_failure(self, failure: Failure) -> None:
        """Set status and error type on the span, never the message."""
        if self.span is not None:
            fail_span(self.span, error_type=failure.type)

    def _span_id(self) -> str:
        span = self.span
        if type(span) is DroppedSpan:
            return format(span.span_id, "016x")
        context = None if span is None else span.get_span_context()
        return format(context.span_id, "016x") if context is not None and context.is_valid else ""

    def _trace_id(self) -> str:
        context = None if self.span is None else self.span.get_span_context()
        return format(context.trace_id, "032x") if context is not None and context.is_valid else ""


def _in_the_past() -> bool:
    """Return whether the current span is one that a background task still has from the run that started it.

    Work after that run is a separate trace; a span that the task has entered since (a caller's trace, or a span that is
    still open) is its parent.
    """
    span = get_current_span()
    return not span.is_recording() and not span.get_span_context().is_remote
