"""Model calls of a run from spans that other instrumentations make inside it, such as one of a provider's client.

    from opentelemetry.trace import get_tracer_provider
    read_model_spans(get_tracer_provider())

An application calls that once its provider exists. It is not done for every process: a processor beside those of this
package makes the spans of runs dearer, since the SDK then creates them. A span belongs to the run, step and tool call
around the code that starts it. Spans that other processes export are not seen here; an import reads them.
"""

from threading import Lock
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from ael_otel._generated.attributes import GEN_AI_OPERATION_NAME
from ael_otel.core.faults import report_fault
from ael_otel.core.metrics import SCOPE
from ael_otel.core.redaction import active_redaction
from ael_otel.lifecycle.frame import Frame, current_frame
from ael_otel.lifecycle.step import step_around
from ael_otel.lifecycle.tool_call import ToolCall
from ael_otel.store.model_calls import add, model_call
from ael_otel.store.times import from_us
from ael_otel.usage import is_aggregate, of_span

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider

MAX_OPEN: Final = 10_000
"""Open spans that are held; of further ones no usage is read."""

_TOOL: Final = "execute_tool"


class _Open:
    """An open span inside a run; whether counts were taken from spans below it, near or below a tool."""

    __slots__ = ("below_tools", "frame", "is_tool", "near", "parent")

    def __init__(self, frame: Frame, parent: int, *, is_tool: bool) -> None:
        self.frame = frame
        self.parent = parent
        self.is_tool = is_tool
        self.near = self.below_tools = False


class RunModelSpans:
    """A span processor (of the SDK, by its interface) that adds the usage on spans inside a run to its record."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._lock = Lock()

    def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:
        """Note the frame around a span of another instrumentation."""
        frame = current_frame.get()
        if frame is None or frame.ended or frame.execution is None:
            return
        context, scope = span.context, span.instrumentation_scope
        if context is None or (scope is not None and scope.name == SCOPE) or len(self._open) >= MAX_OPEN:
            return
        is_tool = (span.attributes or {}).get(GEN_AI_OPERATION_NAME) == _TOOL
        parent = 0 if span.parent is None else span.parent.span_id
        with self._lock:
            self._open[context.span_id] = _Open(frame, parent, is_tool=is_tool)

    def _on_ending(self, span: "Span") -> None:
        """Do nothing; newer SDKs ask."""

    def on_end(self, span: "ReadableSpan") -> None:
        """Record the usage on a span, unless spans below it have it already."""
        context = span.context
        if context is None or not self._open:
            return
        try:
            with self._lock:
                held = self._open.pop(context.span_id, None)
            if held is not None:
                self._ended(span, held)
        except Exception as error:
            report_fault("model_spans", error)

    def _ended(self, span: "ReadableSpan", held: _Open) -> None:
        usage = of_span(span.attributes or {})
        if usage is None or held.near or (held.below_tools and is_aggregate(span.attributes or {})):
            self._mark(held, near=held.near and not held.is_tool, any_below=held.near or held.below_tools)
            return
        self._mark(held, near=not held.is_tool, any_below=True)
        frame, execution = held.frame, held.frame.execution
        if execution is None or frame.recorder.store is None:
            return
        call = _call_around(frame)
        step = step_around(frame)
        add(
            execution,
            [
                model_call(
                    usage,
                    "span",
                    from_us((span.start_time or 0) // 1000),
                    active_redaction(),
                    step_id=None if step is None else step.step_id,
                    tool_name=None if call is None else call.record.tool_name,
                    call_id=None if call is None else call.record.call_id,
                    span_id=format(span.context.span_id, "016x") if span.context is not None else "",
                )
            ],
        )

    def _mark(self, held: _Open, *, near: bool, any_below: bool) -> None:
        """Note at the open span above that counts below it were taken; it passes that on when it ends."""
        if any_below:
            with self._lock:
                above = self._open.get(held.parent)
                if above is not None:
                    above.near = above.near or near
                    above.below_tools = above.below_tools or not near

    def shutdown(self) -> None:
        """Forget what is open."""
        with self._lock:
            self._open.clear()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing waits."""
        return True


def _call_around(frame: Frame) -> ToolCall | None:
    around: Frame | None = frame
    while around is not None:
        if isinstance(around, ToolCall):
            return around
        around = around.parent
    return None


_providers: "WeakSet[TracerProvider]" = WeakSet()


def read_model_spans(provider: "TracerProvider") -> None:
    """Have the usage on spans of a provider recorded in the runs around them; once for each provider."""
    if provider not in _providers:
        _providers.add(provider)
        provider.add_span_processor(RunModelSpans())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
