"""Spans as records of runs: the way back from a trace, ours or that of any other agent.

Ours say what they are by their attributes, and the record has all but its content. Of a trace without any of ours, the
root becomes the run, the spans below it its steps, and what calls a tool below those its calls.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ael_otel._generated import attributes as attr
from ael_otel._generated import spans as names
from ael_otel.export.spans import Span
from ael_otel.store import (
    INTERRUPTED,
    CodeRecord,
    ErrorRecord,
    ExecutionRecord,
    StepRecord,
    ToolCallRecord,
    ToolCallSource,
    ToolCallStatus,
)
from ael_otel.store.times import from_us

_STATUSES: Final = {"success": "completed", "cancelled": "cancelled", "error": "failed", "timeout": "failed"}
_SOURCES: Final[dict[str, ToolCallSource]] = {
    "tool_step": "tool_step",
    "code_block": "code_block",
    "direct": "direct",
}


def records_of(spans: Iterable[Span]) -> Iterator[ExecutionRecord]:
    """Yield a record for each run in the spans, which may be of many traces and in any order."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    for found in traces.values():
        yield from _Trace(found).records()


class _Trace:
    """The spans of one trace, by their parents."""

    def __init__(self, spans: list[Span]) -> None:
        # A file may hold a span twice, as a retried request does.
        unique = {span.span_id: span for span in spans}
        self._spans = sorted(unique.values(), key=lambda span: (span.start_ns, -span.end_ns, span.span_id))
        self._below: dict[str, list[Span]] = {}
        for span in self._spans:
            if span.parent_id != span.span_id:
                self._below.setdefault(span.parent_id, []).append(span)
        self._known = set(unique)

    def records(self) -> Iterator[ExecutionRecord]:
        ours = False
        inside: set[str] = set()
        for span in self._spans:
            if span.name == names.WORKFLOW.name and attr.AEL_WORKFLOW_NAME in span.attributes:
                ours = True
                inside.update(below.span_id for below, _ in self._all_below(span))
                yield self._workflow(span)
        for span in self._spans:
            if span.name == names.MCP_REQUEST.name and span.span_id not in inside and _is_ours(span):
                ours = True
                yield self._direct(span)
        if not ours:
            roots = [span for span in self._spans if span.parent_id not in self._known]
            # A trace whose root is missing is the sum of what hangs loose in it; one of a cycle is left out.
            for root in roots[:1]:
                yield self._foreign(root)

    def _all_below(self, span: Span) -> Iterator[tuple[Span, tuple[Span, ...]]]:
        """Yield every span below one, with those between; another run inside belongs to itself."""
        waiting: list[tuple[Span, tuple[Span, ...]]] = [(span, ())]
        seen = {span.span_id}
        while waiting:
            parent, path = waiting.pop()
            for child in reversed(self._below.get(parent.span_id, [])):
                if child.span_id in seen or child.name == names.WORKFLOW.name:
                    continue
                seen.add(child.span_id)
                between = path if parent is span else (*path, parent)
                yield child, between
                waiting.append((child, between))

    # --- ours ---------------------------------------------------------------------------------------------------------

    def _workflow(self, span: Span) -> ExecutionRecord:
        facts = span.attributes
        record = _run(span, str(facts.get(attr.AEL_WORKFLOW_ID) or f"exec-{span.span_id}"))
        record.workflow_name = str(facts[attr.AEL_WORKFLOW_NAME])
        version = facts.get(attr.AEL_WORKFLOW_VERSION)
        record.workflow_version = None if version is None else str(version)
        status = facts.get(attr.AEL_WORKFLOW_STATUS)
        if isinstance(status, str) and status in _STATUSES:
            record.status = _STATUSES[status]  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
        elif record.error is None:
            record.status = "failed"
            record.error = ErrorRecord(
                INTERRUPTED, "import", "the run had not ended when its trace was written"
            )
        steps: dict[str, StepRecord] = {}
        below = sorted(self._all_below(span), key=lambda found: found[0].start_ns)
        for child, _ in below:
            if attr.AEL_STEP_NAME in child.attributes:
                steps[child.span_id] = _step(child)
        for child, between in below:
            step = next((steps[above.span_id] for above in reversed(between) if above.span_id in steps), None)
            if child.name == names.CODE_EXEC.name and step is not None:
                step.code = _code(child)
                step.code_hash = step.code.code_hash or None
            elif child.name == names.MCP_REQUEST.name and _is_ours(child):
                calls = record.tool_calls if step is None else step.tool_calls
                call = _call(child, len(calls) + 1, record.execution_id)
                calls.append(call)
                if step is not None:
                    call.step_id = step.step_id
                    if call.source == "tool_step":
                        step.server = call.server
        record.steps = sorted(steps.values(), key=lambda step: step.index)
        return record

    def _direct(self, span: Span) -> ExecutionRecord:
        record = _run(span, f"exec-{span.span_id}")
        record.type = "direct"
        record.tool_calls = [_call(span, 1, record.execution_id)]
        return record

    # --- of others ----------------------------------------------------------------------------------------------------

    def _foreign(self, root: Span) -> ExecutionRecord:
        record = _run(root, f"trace-{root.trace_id}")
        record.workflow_name = root.name
        record.metadata = {"service": root.service, "attributes": _plain(root.attributes)}
        taken: dict[str, int] = {}
        steps: dict[str, StepRecord] = {}
        for index, child in enumerate(self._below.get(root.span_id, [])):
            taken[child.name] = taken.get(child.name, 0) + 1
            number = taken[child.name]
            tool = _tool_of(child)
            step = StepRecord(
                step_id=child.name if number == 1 else f"{child.name} {number}",
                index=index,
                step_type="code" if tool is None else "tool",
                status="failed" if child.status == "error" else "completed",
                started_at=from_us(child.start_ns // 1000),
                completed_at=from_us(child.end_ns // 1000),
                duration_ms=_ms(child),
                tool_name=tool,
                error=_error(child),
                span_id=child.span_id,
            )
            steps[child.span_id] = step
            if tool is not None:
                step.tool_calls.append(_foreign_call(child, tool, step, record.execution_id))
        for child, between in self._all_below(root):
            tool = _tool_of(child)
            if tool is not None and between and between[0].span_id in steps:
                step = steps[between[0].span_id]
                step.tool_calls.append(_foreign_call(child, tool, step, record.execution_id))
        record.steps = list(steps.values())
        return record


def _run(span: Span, execution_id: str) -> ExecutionRecord:
    error = _error(span)
    return ExecutionRecord(
        execution_id=execution_id,
        type="workflow",
        status="completed" if error is None else "cancelled" if error.code == "cancelled" else "failed",
        started_at=from_us(span.start_ns // 1000),
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_ms(span),
        error=error,
        trace_id=span.trace_id,
        span_id=span.span_id,
    )


def _step(span: Span) -> StepRecord:
    facts = span.attributes
    tool = facts.get(attr.AEL_TOOL_NAME)
    reason = facts.get(attr.AEL_STEP_SKIP_REASON)
    status = facts.get(attr.AEL_STEP_STATUS)
    error = _error(span)
    record = StepRecord(
        step_id=str(facts[attr.AEL_STEP_NAME]),
        index=max(_number(facts.get(attr.AEL_STEP_INDEX), 1) - 1, 0),
        step_type="code" if facts.get(attr.AEL_STEP_TYPE) == "code" else "tool",
        status="completed" if error is None else "failed",
        started_at=from_us(span.start_ns // 1000),
        skip_reason=None if reason is None else str(reason),
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_ms(span),
        tool_name=None if tool is None else str(tool),
        attempt=_number(facts.get(attr.AEL_STEP_ATTEMPT), 1),
        max_attempts=_number(facts.get(attr.AEL_STEP_MAX_ATTEMPTS), 1),
        error=error,
        span_id=span.span_id,
    )
    if status in ("completed", "failed", "skipped"):
        record.status = status
    return record


def _code(span: Span) -> CodeRecord:
    return CodeRecord(
        code_hash=str(span.attributes.get(attr.AEL_CODE_SHA256) or ""),
        started_at=from_us(span.start_ns // 1000),
        duration_ms=_ms(span),
        exception=_error(span),
        span_id=span.span_id,
    )


def _call(span: Span, sequence: int, execution_id: str) -> ToolCallRecord:
    facts = span.attributes
    server = facts.get(attr.AEL_MCP_SERVER)
    record = _tool_call(span, str(facts[attr.AEL_TOOL_NAME]), sequence, execution_id)
    record.source = _SOURCES.get(str(facts.get(attr.AEL_TOOL_SOURCE)), "tool_step")
    record.server = None if server is None else str(server)
    return record


def _foreign_call(span: Span, tool: str, step: StepRecord, execution_id: str) -> ToolCallRecord:
    record = _tool_call(span, tool, len(step.tool_calls) + 1, execution_id)
    record.step_id = step.step_id
    record.source = "tool_step" if span.span_id == step.span_id else "code_block"
    return record


def _tool_call(span: Span, tool: str, sequence: int, execution_id: str) -> ToolCallRecord:
    error = _error(span)
    return ToolCallRecord(
        call_id=span.span_id,
        tool_name=tool,
        source="tool_step",
        sequence=sequence,
        started_at=from_us(span.start_ns // 1000),
        execution_id=execution_id,
        status=_call_status(error),
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_ms(span),
        error=error,
        span_id=span.span_id,
    )


def _call_status(error: ErrorRecord | None) -> ToolCallStatus:
    if error is None:
        return "success"
    if error.code == "cancelled":
        return "cancelled"
    return "timeout" if error.code.upper().endswith("TIMEOUT") else "error"


def _error(span: Span) -> ErrorRecord | None:
    if span.status != "error":
        return None
    code = str(span.attributes.get(attr.AEL_ERROR_TYPE) or span.attributes.get(attr.ERROR_TYPE) or "other")
    message = span.status_message if span.status_message != code else ""
    return ErrorRecord(code, "import", message)


def _is_ours(span: Span) -> bool:
    return attr.AEL_TOOL_NAME in span.attributes


def _tool_of(span: Span) -> str | None:
    tool = span.attributes.get(attr.GEN_AI_TOOL_NAME)
    return tool if isinstance(tool, str) else None


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if not isinstance(value, bytes)}


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _ms(span: Span) -> float:
    return max(span.end_ns - span.start_ns, 0) / 1e6
