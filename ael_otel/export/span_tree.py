"""Convert a stored run to its spans: the ids, names, attributes and times that telemetry sent while it ran.

Content (inputs, parameters, results, printed text, error messages) is never on a span. A run that was recorded without
a trace gets ids derived from its execution id, so that exporting it twice gives the same trace.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from ael_otel._generated import attributes as attr
from ael_otel._generated import scopes
from ael_otel._generated import spans as names
from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.model_calls import parent_span_ids
from ael_otel.store.records import ModelCallRecord
from ael_otel.store.times import to_us

type Kind = Literal["internal", "server", "client", "producer", "consumer"]
type SpanStatus = Literal["unset", "ok", "error"]

SERVICE: Final = "ael"
"""`service.name` of exported runs: the default of `telemetry.service_name`."""

SCOPE: Final = scopes.AEL

_TIMEOUT: Final = "TIMEOUT"


class SpanEvent(msgspec.Struct, frozen=True):
    """An event at one time within a span."""

    name: str
    time_ns: int
    attributes: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span, independent of any format. Times are nanoseconds since 1970; ids are lower-case hex, "" if there is
    none.

    Attribute values are text, booleans, integers, floats, bytes, None, and lists and mappings of those.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    kind: Kind = "internal"
    start_ns: int
    end_ns: int
    attributes: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    events: list[SpanEvent] = msgspec.field(default_factory=list[SpanEvent])
    status: SpanStatus = "unset"
    status_message: str = ""
    service: str = SERVICE
    scope: str = SCOPE


def spans_of(run: ExecutionRecord, service: str = SERVICE) -> list[Span]:
    """Return the spans of a run, each after its parent; those of a run in flight end at its last recorded time."""
    return list(_Builder(run, service).spans())


class _Builder:
    def __init__(self, run: ExecutionRecord, service: str) -> None:
        self._run = run
        self._service = service
        self._trace_id = run.trace_id or _made_up(f"trace {run.execution_id}", 32)
        self._last_ns = max(_moments(run))

    def spans(self) -> Iterator[Span]:
        usage = {call.span_id: call for call in self._run.model_calls if call.span_id}
        for span in self._work():
            call = usage.pop(span.span_id, None)
            # A model call directly below another agent's run is a step of it.
            yield span if call is None else replace(span, attributes=span.attributes | _model_facts(call))
        yield from self._model_calls(usage)

    def _model_calls(self, apart: Mapping[str, ModelCallRecord]) -> Iterator[Span]:
        """Yield a span for each separate model call; it begins and ends at once, since its duration is not recorded."""
        run = self._run
        root = run.span_id or self._id("run")
        if run.type == "direct" and run.tool_calls:
            root = run.tool_calls[0].span_id or self._id(f"call {run.tool_calls[0].call_id}")
        for number, (call, parent) in enumerate(zip(run.model_calls, parent_span_ids(run), strict=True)):
            if call.span_id and call.span_id not in apart:
                continue
            yield self._span(
                call.span_id or self._id(f"model call {number}"),
                parent or root,
                names.MODEL_CALL.name,
                "client",
                call.at,
                0.0,
                _model_facts(call),
                None,
            )

    def _work(self) -> Iterator[Span]:
        run = self._run
        if run.type == "direct" and run.tool_calls:
            # The call is the root: no workflow contains it.
            for call in run.tool_calls:
                more = {attr.AEL_WORKFLOW_ID: run.execution_id} | _session(run)
                yield self._call(call, "", f"call {call.call_id}", more)
            return
        root = run.span_id or self._id("run")
        facts: dict[str, Any] = {
            attr.AEL_WORKFLOW_NAME: run.workflow_name or "",
            attr.AEL_WORKFLOW_ID: run.execution_id,
        } | _session(run)
        if run.workflow_version:
            facts[attr.AEL_WORKFLOW_VERSION] = run.workflow_version
        if (status := _workflow_status(run)) is not None:
            facts[attr.AEL_WORKFLOW_STATUS] = status
        yield self._span(
            root, "", names.WORKFLOW.name, "internal", run.started_at, run.duration_ms, facts, run.error
        )
        for step in sorted(run.steps, key=lambda step: step.index):
            yield from self._step(step, root)
        for call in run.tool_calls:
            yield self._call(call, root, f"call {call.call_id}")

    def _step(self, step: StepRecord, parent: str) -> Iterator[Span]:
        own = step.span_id or self._id(f"step {step.index} {step.step_id}")
        code = step.step_type == "code"
        name = names.step_code_name if code else names.step_tool_call_name
        yield self._span(
            own,
            parent,
            name(step.index + 1),
            "internal",
            step.started_at,
            0.0 if step.status == "skipped" and step.duration_ms is None else step.duration_ms,
            self._step_facts(step),
            step.error if step.status == "failed" else None,
            events=[*_decisions(step), *_retries(step)],
        )
        inner = own
        if step.code is not None:
            inner = step.code.span_id or self._id(f"code {step.index} {step.step_id}")
            yield self._span(
                inner,
                own,
                names.CODE_EXEC.name,
                "internal",
                step.code.started_at or step.started_at,
                step.duration_ms if step.code.duration_ms is None else step.code.duration_ms,
                {attr.AEL_CODE_SHA256: step.code.code_hash} if step.code.code_hash else {},
                step.code.exception,
            )
        for call in step.tool_calls:
            yield self._call(
                call, inner if call.source == "code_block" else own, f"call {step.index} {call.call_id}"
            )

    def _step_facts(self, step: StepRecord) -> dict[str, Any]:
        facts: dict[str, Any] = {
            attr.AEL_WORKFLOW_NAME: self._run.workflow_name or "",
            attr.AEL_STEP_NAME: step.step_id,
            attr.AEL_STEP_INDEX: step.index + 1,
            attr.AEL_STEP_TYPE: "code" if step.step_type == "code" else "tool_call",
        }
        if step.tool_name is not None:
            facts[attr.AEL_TOOL_NAME] = step.tool_name
        if step.status in ("completed", "failed", "skipped"):
            facts[attr.AEL_STEP_STATUS] = step.status
        if step.skip_reason:
            facts[attr.AEL_STEP_SKIP_REASON] = step.skip_reason
        if step.attempt > 1:
            facts[attr.AEL_STEP_ATTEMPT] = step.attempt
        if step.max_attempts > 1:
            facts[attr.AEL_STEP_MAX_ATTEMPTS] = step.max_attempts
        if step.status == "skipped" and step.error is not None:
            facts[attr.AEL_ERROR_TYPE] = step.error.code
        return facts

    def _call(
        self, call: ToolCallRecord, parent: str, place: str, more: Mapping[str, Any] | None = None
    ) -> Span:
        facts: dict[str, Any] = {attr.AEL_TOOL_NAME: call.tool_name, attr.AEL_TOOL_SOURCE: call.source}
        if more is not None:
            facts |= more
        if call.server is not None:
            facts[attr.AEL_MCP_SERVER] = call.server
        own = call.span_id or self._id(place)
        return self._span(
            own,
            parent,
            names.MCP_REQUEST.name,
            "client",
            call.started_at,
            call.duration_ms,
            facts,
            call.error,
        )

    def _span(
        self,
        span_id: str,
        parent: str,
        name: str,
        kind: Kind,
        started: datetime,
        took_ms: float | None,
        facts: dict[str, Any],
        error: ErrorRecord | None,
        events: list[SpanEvent] | None = None,
    ) -> Span:
        start_ns = to_us(started) * 1000
        end_ns = max(self._last_ns, start_ns) if took_ms is None else start_ns + _ns(took_ms)
        if error is not None:
            facts = {**facts, attr.AEL_ERROR_TYPE: error.code, attr.ERROR_TYPE: error.code}
        return Span(
            trace_id=self._trace_id,
            span_id=span_id,
            parent_id=parent,
            name=name,
            kind=kind,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=facts,
            events=events or [],
            status="unset" if error is None else "error",
            status_message="" if error is None else error.code,
            service=self._service,
        )

    def _id(self, place: str) -> str:
        return _made_up(f"{self._run.execution_id} {place}", 16)


def _model_facts(call: ModelCallRecord) -> dict[str, Any]:
    """Return the usage of a model call by the GenAI conventions, and its cost by names of this package."""
    facts: dict[str, Any] = {
        attr.GEN_AI_PROVIDER_NAME: call.provider,
        attr.GEN_AI_RESPONSE_MODEL: call.model,
        attr.GEN_AI_USAGE_INPUT_TOKENS: call.input_tokens,
        attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: call.cache_read_tokens,
        attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: call.cache_write_tokens,
        attr.GEN_AI_USAGE_OUTPUT_TOKENS: call.output_tokens,
        attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: call.reasoning_tokens,
        attr.AEL_COST_SOURCE: call.cost_source or "none",
        attr.AEL_COST_AMOUNT: None if call.cost_nano is None else call.cost_nano / 1e9,
        attr.AEL_COST_CURRENCY: call.currency,
        attr.AEL_COST_PRICE: None if call.price is None else call.price.id,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _made_up(text: str, digits: int) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]


def _ns(milliseconds: float) -> int:
    return max(0, round(milliseconds * 1e6))


def _moments(run: ExecutionRecord) -> Iterator[int]:
    """Yield each time in nanoseconds for which the record shows that the run was active."""
    yield to_us(run.started_at) * 1000
    if run.completed_at is not None:
        yield to_us(run.completed_at) * 1000
    calls = [*run.tool_calls, *(call for step in run.steps for call in step.tool_calls)]
    parts: list[StepRecord | ToolCallRecord] = [*run.steps, *calls]
    for part in parts:
        yield to_us(part.started_at) * 1000 + _ns(part.duration_ms or 0.0)


def _workflow_status(run: ExecutionRecord) -> str | None:
    if run.status == "failed":
        timed_out = run.error is not None and run.error.code.upper().endswith(_TIMEOUT)
        return "timeout" if timed_out else "error"
    return {"completed": "success", "cancelled": "cancelled"}.get(run.status)


def _session(run: ExecutionRecord) -> dict[str, Any]:
    """Return the attribute with the session of the run's caller, if there is one."""
    session_id = run.metadata.get("session_id")
    return {attr.SESSION_ID: session_id} if isinstance(session_id, str) and session_id else {}


def _decisions(step: StepRecord) -> Iterator[SpanEvent]:
    """Yield the event of the condition that was evaluated before the step ran."""
    if step.decision is not None:
        facts = {attr.AEL_DECISION_KIND: "when", attr.AEL_DECISION_OUTCOME: step.decision}
        yield SpanEvent(names.SPAN_EVENT_DECISION, to_us(step.started_at) * 1000, facts)


def _retries(step: StepRecord) -> Iterator[SpanEvent]:
    """Yield the event of each attempt after the first, as far as the times of a tool step's calls are recorded."""
    if not step.retried:
        return
    for before, call in zip(step.tool_calls, step.tool_calls[1:], strict=False):
        facts: dict[str, Any] = {attr.AEL_STEP_ATTEMPT: call.sequence}
        if before.error is not None:
            facts[attr.AEL_ERROR_TYPE] = before.error.code
        yield SpanEvent(names.SPAN_EVENT_RETRY, to_us(call.started_at) * 1000, facts)
