"""Derive execution records from spans: exactly for our own runs, as far as possible for those of any other agent.

A trace of ours gives the record that the lifecycle wrote, without content, call ids and error messages, which spans do
not have. In another trace, the topmost span is the run, the spans directly below it are its steps, and spans that call
a tool by the GenAI, MCP or OpenInference conventions are tool calls.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ael_otel import usage
from ael_otel._generated import attributes as attr
from ael_otel._generated import spans as names
from ael_otel.store.foreign_names import (
    RUN_NAMES,
    SERVERS,
    SESSIONS,
    agent_of,
    first,
    is_tool_call,
    tool_name_of,
)
from ael_otel.store.model_calls import add, exported_cost, model_call
from ael_otel.store.records import (
    CodeRecord,
    ErrorRecord,
    ExecutionRecord,
    ExecutionStatus,
    ModelCallRecord,
    StepRecord,
    StepStatus,
    ToolCallRecord,
    ToolCallSource,
    ToolCallStatus,
)
from ael_otel.store.span_content import calls_of
from ael_otel.store.times import from_us
from ael_otel.usage import Usage

_TIMEOUTS: Final = ("TIMEOUT", "TIMEOUTERROR", "DEADLINE_EXCEEDED")
_AGENT_PREFIXES: Final = ("gen_ai.", "mcp.", "openinference.", "traceloop.", "llm.", "ael.")
_MAX_NAMES: Final = 32
"""Maximum number of agents and of models in the metadata of one run."""


class EventFacts(Protocol):
    """An event of a span."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def attributes(self) -> Mapping[str, Any]: ...  # noqa: D102


class SpanFacts(Protocol):
    """A span, independent of any SDK or format: ids are lower-case hex, times nanoseconds since 1970."""

    @property
    def trace_id(self) -> str: ...  # noqa: D102
    @property
    def span_id(self) -> str: ...  # noqa: D102
    @property
    def parent_id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def start_ns(self) -> int: ...  # noqa: D102
    @property
    def end_ns(self) -> int: ...  # noqa: D102
    @property
    def attributes(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def events(self) -> Sequence[EventFacts]: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def status_message(self) -> str: ...  # noqa: D102


def derive(spans: Iterable[SpanFacts]) -> list[ExecutionRecord]:
    """Return one record for each run in the spans, in the order of their starts.

    A run of ours is a separate run anywhere in its trace: under the span of an HTTP server, or below another run.
    """
    by_id = {span.span_id: span for span in spans}
    children: dict[str, list[SpanFacts]] = defaultdict(list)
    tops: list[SpanFacts] = []
    for span in sorted(by_id.values(), key=lambda span: (span.start_ns, span.end_ns)):
        if span.parent_id in by_id:
            children[span.parent_id].append(span)
        else:
            tops.append(span)
    seen: set[str] = set()
    for top in tops:
        _see(top, children, seen)
    for each in by_id.values() if len(seen) < len(by_id) else ():
        if (span := each).span_id not in seen:
            # For spans that are each other's parents, one is chosen as the topmost, so that none is lost.
            passed: set[str] = set()
            while span.span_id not in passed:
                passed.add(span.span_id)
                span = by_id[span.parent_id]
            children[span.parent_id].remove(span)
            tops.append(span)
            _see(span, children, seen)
    records: list[ExecutionRecord] = []
    for top in tops:
        ours = list(_our_roots(top, children))
        records += [_our_run(span, children) for span in ours] or [_other_run(top, children)]
    return sorted(records, key=lambda record: (record.started_at, record.execution_id))


def _see(top: SpanFacts, children: Mapping[str, list[SpanFacts]], seen: set[str]) -> None:
    """Add the ids of a span and of all spans below it to `seen`."""
    waiting = [top]
    while waiting:
        span = waiting.pop()
        if span.span_id not in seen:
            seen.add(span.span_id)
            waiting += children.get(span.span_id, ())


def tells_of_an_agent(name: str, attributes: Mapping[str, Any] | None) -> bool:
    """Return whether a span belongs to an agent: a run, a step, a model call or a tool call."""
    return name in (names.WORKFLOW.name, names.MCP_REQUEST.name) or any(
        key.startswith(_AGENT_PREFIXES) for key in attributes or ()
    )


# --- runs of ours -----------------------------------------------------------------------------------------------------


def _our_roots(span: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> Iterator[SpanFacts]:
    if span.name == names.WORKFLOW.name or span.attributes.get(attr.AEL_TOOL_SOURCE) == "direct":
        yield span
        return
    for child in children.get(span.span_id, ()):
        yield from _our_roots(child, children)


def _our_run(root: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> ExecutionRecord:
    facts = root.attributes
    if root.name != names.WORKFLOW.name:
        return _direct(root, children)
    execution_id = str(facts.get(attr.AEL_WORKFLOW_ID) or root.trace_id)
    record = ExecutionRecord(
        execution_id=execution_id,
        metadata=_session_of(root),
        type="workflow",
        status=_run_status(facts.get(attr.AEL_WORKFLOW_STATUS), root),
        started_at=from_us(root.start_ns // 1000),
        workflow_name=_text(facts.get(attr.AEL_WORKFLOW_NAME)),
        workflow_version=_text(facts.get(attr.AEL_WORKFLOW_VERSION)),
        completed_at=from_us(root.end_ns // 1000),
        duration_ms=_took(root),
        error=_error(root),
        trace_id=root.trace_id,
        span_id=root.span_id,
    )
    for span in children.get(root.span_id, ()):
        if attr.AEL_STEP_NAME in span.attributes:
            record.steps.append(_our_step(span, children, execution_id))
        elif span.name == names.MCP_REQUEST.name:
            record.tool_calls.append(_call(span, execution_id, None, len(record.tool_calls) + 1))
    failed = next((step for step in reversed(record.steps) if step.status == "failed"), None)
    if record.error is not None and failed is not None:
        record.error.step_id = failed.step_id
        record.error.tool_name = None if failed.error is None else failed.error.tool_name
    add(record, _model_calls(root, children, record))
    return record


def _session_of(root: SpanFacts) -> dict[str, Any]:
    session_id = first(root.attributes, SESSIONS)
    return {} if session_id is None else {"session_id": session_id}


def _direct(span: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> ExecutionRecord:
    execution_id = _text(span.attributes.get(attr.AEL_WORKFLOW_ID)) or f"exec-{span.span_id}"
    call = _call(span, execution_id, None, 1)
    record = ExecutionRecord(
        execution_id=execution_id,
        metadata=_session_of(span),
        type="direct",
        status=_ended(call.status),
        started_at=call.started_at,
        completed_at=call.completed_at,
        duration_ms=call.duration_ms,
        tool_calls=[call],
        error=call.error,
        trace_id=span.trace_id,
        span_id=span.span_id,
    )
    add(record, _model_calls(span, children, record))
    return record


def _our_step(span: SpanFacts, children: Mapping[str, list[SpanFacts]], execution_id: str) -> StepRecord:
    facts = span.attributes
    name = str(facts[attr.AEL_STEP_NAME])
    tool = _text(facts.get(attr.AEL_TOOL_NAME))
    calls: list[ToolCallRecord] = []
    code: CodeRecord | None = None
    for child in _below(span, children):
        if child.name == names.MCP_REQUEST.name:
            calls.append(_call(child, execution_id, name, len(calls) + 1))
        elif child.name == names.CODE_EXEC.name:
            code = CodeRecord(
                str(child.attributes.get(attr.AEL_CODE_SHA256, "")),
                started_at=from_us(child.start_ns // 1000),
                duration_ms=_took(child),
                exception=_error(child, step_id=name),
                span_id=child.span_id,
            )
    if code is not None and code.exception is not None:
        code.exception.tool_name = _tool_of(code.exception, calls)
    is_code = facts.get(attr.AEL_STEP_TYPE) == "code"
    reason = _text(facts.get(attr.AEL_STEP_SKIP_REASON))
    error = _error(span, step_id=name, tool=tool)
    if error is not None and tool is None:
        error.tool_name = _tool_of(error, calls)
    tolerated = _text(facts.get(attr.AEL_ERROR_TYPE))
    if error is None and reason is not None and tolerated is not None:
        error = ErrorRecord(tolerated, "spans", "", step_id=name, tool_name=tool)
    return StepRecord(
        step_id=name,
        index=int(facts.get(attr.AEL_STEP_INDEX, 1)) - 1,
        step_type="code" if is_code else "tool",
        status=_step_status(facts.get(attr.AEL_STEP_STATUS), span),
        started_at=from_us(span.start_ns // 1000),
        skip_reason=reason,
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_took(span),
        tool_name=tool,
        server=None if is_code else next((call.server for call in reversed(calls)), None),
        attempt=int(facts.get(attr.AEL_STEP_ATTEMPT, 1)),
        max_attempts=int(facts.get(attr.AEL_STEP_MAX_ATTEMPTS, 1)),
        tool_calls=calls,
        error=error,
        code_hash=None if code is None else code.code_hash or None,
        span_id=span.span_id,
        code=code,
    )


def _tool_of(error: ErrorRecord, calls: Sequence[ToolCallRecord]) -> str | None:
    """Return the tool whose failed call caused the error of code: the last call with the same error."""
    failed = (call for call in reversed(calls) if call.error is not None and call.error.code == error.code)
    return next((call.tool_name for call in failed), None)


def _below(span: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> Iterator[SpanFacts]:
    for child in children.get(span.span_id, ()):
        yield child
        yield from _below(child, children)


def _call(span: SpanFacts, execution_id: str, step_id: str | None, sequence: int) -> ToolCallRecord:
    facts = span.attributes
    tool = tool_name_of(facts) or span.name
    source = facts.get(attr.AEL_TOOL_SOURCE)
    error = _error(span, step_id=step_id, tool=tool)
    kind: ToolCallSource = (
        "code_block" if source == "code_block" else "direct" if source == "direct" else "tool_step"
    )
    return ToolCallRecord(
        call_id=span.span_id,
        tool_name=tool,
        source=kind,
        sequence=sequence,
        started_at=from_us(span.start_ns // 1000),
        execution_id=execution_id,
        step_id=step_id,
        server=first(facts, SERVERS),
        status=_call_status(error),
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_took(span),
        error=error,
        span_id=span.span_id,
    )


# --- runs of others ---------------------------------------------------------------------------------------------------


def _other_run(root: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> ExecutionRecord:
    """Return the trace below `root` as a run whose steps are what is directly below it."""
    facts = root.attributes
    error = _error(root)
    metadata: dict[str, Any] = {"source": "spans", **_session_of(root), **_who(root, children)}
    record = ExecutionRecord(
        execution_id=f"{root.trace_id}-{root.span_id}",
        type="workflow",
        status="completed" if error is None else _ended(_call_status(error)),
        started_at=from_us(root.start_ns // 1000),
        workflow_name=first(facts, RUN_NAMES) or root.name,
        completed_at=from_us(root.end_ns // 1000),
        duration_ms=_took(root),
        error=error,
        metadata=metadata,
        trace_id=root.trace_id,
        span_id=root.span_id,
    )
    agents = {root.span_id: _agent(root)}
    for index, span in enumerate(children.get(root.span_id, ())):
        record.steps.append(_other_step(span, index, children, record.execution_id, agents))
    add(record, _model_calls(root, children, record, agents))
    return record


def _who(root: SpanFacts, children: Mapping[str, list[SpanFacts]]) -> dict[str, Any]:
    """Return the agents and models in a trace, by name, without repetition."""
    spans = [root, *_below(root, children)]
    agents = list(dict.fromkeys(filter(None, map(_agent, spans))))[:_MAX_NAMES]
    models = list(
        dict.fromkeys(
            (first(span.attributes, usage.PROVIDERS), name)
            for span in spans
            if (name := first(span.attributes, usage.MODELS)) is not None
        )
    )[:_MAX_NAMES]
    metadata: dict[str, Any] = {"agents": agents} if agents else {}
    if models:
        metadata["models"] = [{"provider": provider, "model": name} for provider, name in models]
    return metadata


def _agent(span: SpanFacts) -> str | None:
    return agent_of(span.name, span.attributes)


def _other_step(
    span: SpanFacts,
    index: int,
    children: Mapping[str, list[SpanFacts]],
    execution_id: str,
    agents: dict[str, str | None],
) -> StepRecord:
    """Return the spans below one span as a step; `agents` has the agent of each span, from the top down."""
    step_id = f"{index + 1} {span.name}"
    calls: list[ToolCallRecord] = []
    for each in (span, *_below(span, children)):
        agents[each.span_id] = _agent(each) or agents.get(each.parent_id)
        # Frameworks and MCP clients both report one call; the outer span is used.
        if is_tool_call(each.attributes) and not any(call.span_id == each.parent_id for call in calls):
            call = _call(each, execution_id, step_id, len(calls) + 1)
            call.agent = agents[each.span_id]
            calls.append(call)
    own = calls[0] if calls and calls[0].span_id == span.span_id else None
    return StepRecord(
        step_id=step_id,
        index=index,
        step_type="tool",
        status="completed" if span.status != "error" else "failed",
        started_at=from_us(span.start_ns // 1000),
        completed_at=from_us(span.end_ns // 1000),
        duration_ms=_took(span),
        tool_name=None if own is None else own.tool_name,
        server=None if own is None else own.server,
        tool_calls=calls,
        error=_error(span, step_id=step_id),
        span_id=span.span_id,
    )


# --- model calls ------------------------------------------------------------------------------------------------------


class _Counted(NamedTuple):
    """Spans that count as model calls: reached without passing a tool, and below a tool."""

    near: list[tuple[SpanFacts, Usage]]
    below_tools: list[tuple[SpanFacts, Usage]]


def _model_calls(
    root: SpanFacts,
    children: Mapping[str, list[SpanFacts]],
    record: ExecutionRecord,
    agents: Mapping[str, str | None] | None = None,
) -> list[ModelCallRecord]:
    """Return the model calls below a span, each with the step and the tool that it was made in."""
    around: dict[str, tuple[str | None, ToolCallRecord | None]] = {}
    steps = {step.span_id: step.step_id for step in record.steps}
    calls = {call.span_id: call for call in calls_of(record)}
    waiting: list[tuple[SpanFacts, str | None, ToolCallRecord | None]] = [(root, None, None)]
    order: list[SpanFacts] = []
    while waiting:
        span, step, call = waiting.pop()
        if span.span_id in around:
            continue
        step, call = steps.get(span.span_id, step), calls.get(span.span_id, call)
        around[span.span_id] = step, call
        order.append(span)
        waiting += [(child, step, call) for child in children.get(span.span_id, ())]
    counted: dict[str, _Counted] = {}
    for span in reversed(order):
        counted[span.span_id] = _counted(
            span,
            [
                (child, counted[child.span_id])
                for child in children.get(span.span_id, ())
                if child.span_id in counted
            ],
        )
    found = sorted(
        [*counted[root.span_id].near, *counted[root.span_id].below_tools], key=lambda each: each[0].start_ns
    )
    made: list[ModelCallRecord] = []
    for span, counts in found:
        step, call = around[span.span_id]
        made.append(
            model_call(
                counts,
                "span",
                from_us(span.start_ns // 1000),
                step_id=step,
                tool_name=None if call is None else call.tool_name,
                call_id=None if call is None else call.call_id,
                agent=_agent(span) or (agents or {}).get(span.span_id),
                span_id=span.span_id,
                **exported_cost(span.attributes),
            )
        )
    return made


def _counted(span: SpanFacts, below: Sequence[tuple[SpanFacts, _Counted]]) -> _Counted:
    """Return the spans to count among a span and those below it: counts of a span include those of model calls below
    it.

    Instrumentation of a framework and of a client both report one call, the inner one exactly; spans of agents have the
    sum of their calls. The model calls of a tool are not part of the model call above that tool.
    """
    near: list[tuple[SpanFacts, Usage]] = []
    tools: list[tuple[SpanFacts, Usage]] = []
    for child, counted in below:
        (tools if is_tool_call(child.attributes) else near).extend(counted.near)
        tools += counted.below_tools
    own = usage.of_span(span.attributes)
    if own is not None and not near and not (tools and usage.is_aggregate(span.attributes)):
        near = [(span, own)]
    return _Counted(near, tools)


# --- errors and statuses ------------------------------------------------------------------------------------------


def _error(span: SpanFacts, *, step_id: str | None = None, tool: str | None = None) -> ErrorRecord | None:
    if span.status != "error":
        return None
    facts = span.attributes
    kind, message = "", span.status_message
    for event in span.events:
        if event.name == "exception":
            kind = str(event.attributes.get(attr.EXCEPTION_TYPE, ""))
            message = str(event.attributes.get(attr.EXCEPTION_MESSAGE, "")) or message
    code = str(facts.get(attr.AEL_ERROR_TYPE) or facts.get(attr.ERROR_TYPE) or kind or "other")
    return ErrorRecord(code, "spans", "" if message == code else message, step_id=step_id, tool_name=tool)


def _call_status(error: ErrorRecord | None) -> ToolCallStatus:
    if error is None:
        return "success"
    if error.code.lower() in ("cancelled", "cancellederror", "asyncio.cancellederror"):
        return "cancelled"
    return "timeout" if error.code.upper().endswith(_TIMEOUTS) else "error"


def _ended(status: ToolCallStatus) -> ExecutionStatus:
    return "completed" if status == "success" else "cancelled" if status == "cancelled" else "failed"


def _run_status(word: object, span: SpanFacts) -> ExecutionStatus:
    if word in ("success", "cancelled"):
        return "completed" if word == "success" else "cancelled"
    return "failed" if word or span.status == "error" else "completed"


def _step_status(word: object, span: SpanFacts) -> StepStatus:
    if word in ("failed", "skipped"):
        return "failed" if word == "failed" else "skipped"
    return "failed" if span.status == "error" else "completed"


def _took(span: SpanFacts) -> float:
    return max(0, span.end_ns - span.start_ns) / 1e6


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
