"""The records of one execution: typed runs, steps, tool calls and errors.

Times are timezone-aware UTC datetimes, durations are milliseconds as floats. Field names follow the Telemetry Store
specification (DOC-033) and the Telemetry Model (DOC-015); ids of the trace are lower-case hex, as in W3C Trace Context.

Content (inputs, outputs, parameters, results, printed text) is any JSON value, cut to a size as in `content`. Fields
are only added, each with a default, so that records of older versions stay readable.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

type ExecutionType = Literal["workflow", "direct"]
type ExecutionStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
type StepStatus = Literal["pending", "running", "completed", "failed", "skipped"]
type StepType = Literal["tool", "code"]
type Decision = Literal["met", "not_met"]
type ToolCallSource = Literal["tool_step", "code_block", "direct"]
type ToolCallStatus = Literal["running", "success", "error", "timeout", "cancelled"]
type ModelCallSource = Literal["span", "result"]
type CostSource = Literal["provider", "table", "none"]

MAX_CAUSE_DEPTH = 3
"""Maximum depth of causes below an error (DOC-033)."""

REDACTIONS = "redactions"
"""Key in a run's metadata of its redactions by kind; absent if there were none."""

INTERRUPTED = "interrupted"
"""Error code of a run whose process ended before the run did. Only in records, since no process could count it."""


class ErrorRecord(msgspec.Struct, omit_defaults=True):
    """The reason for a failure.

    `code` is one of the closed set of error types in the registry, or `interrupted`; `category` is the engine's own
    category or the component that failed; `message` is bounded text.
    """

    code: str
    category: str
    message: str
    detail: str | None = None
    retryable: bool = False
    step_id: str | None = None
    tool_name: str | None = None
    cause: "ErrorRecord | None" = None


class ToolCallRecord(msgspec.Struct):
    """One call of one tool by any caller: a tool step, code in a step, or a client directly.

    `agent` is the AI agent that made it, if its span or one above it names one.
    """

    call_id: str
    tool_name: str
    source: ToolCallSource
    sequence: int
    started_at: datetime
    execution_id: str = ""
    step_id: str | None = None
    server: str | None = None
    status: ToolCallStatus = "running"
    completed_at: datetime | None = None
    duration_ms: float | None = None
    error: ErrorRecord | None = None
    span_id: str = ""
    params: Any = None
    result: Any = None
    agent: str | None = None


class CodeRecord(msgspec.Struct):
    """One run of sandboxed code (DOC-015); a step with several attempts has the last one.

    `imports` are the modules that the source names, sorted. `exception` is the exception of the code, as the sandbox
    reports it.
    """

    code_hash: str
    imports: list[str] = []
    started_at: datetime | None = None
    duration_ms: float | None = None
    stdout: Any = None
    stderr: Any = None
    result: Any = None
    exception: ErrorRecord | None = None
    span_id: str = ""


class StepRecord(msgspec.Struct):
    """One logical step of a run; its retries are one record with `attempt` > 1.

    `attempt_errors` are the errors of failed attempts before the last that no tool call of the attempt reports.
    `decision` is the result of the step's condition, None if it has none or it was not evaluated.
    """

    step_id: str
    index: int
    step_type: StepType
    status: StepStatus
    started_at: datetime
    skip_reason: str | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = None
    tool_name: str | None = None
    server: str | None = None
    attempt: int = 1
    max_attempts: int = 1
    tool_calls: list[ToolCallRecord] = []
    error: ErrorRecord | None = None
    code_hash: str | None = None
    span_id: str = ""
    tool_params: Any = None
    tool_result: Any = None
    code: CodeRecord | None = None
    attempt_errors: list[ErrorRecord] = []
    decision: Decision | None = None

    @property
    def label(self) -> str:
        """Its number and name; the name of a step from a foreign span begins with the number already."""
        number = f"{self.index + 1} "
        return self.step_id if self.step_id.startswith(number) else number + self.step_id

    @property
    def retried(self) -> bool:
        """Whether its calls are attempts of one call, not successive calls of an agent or of code."""
        return self.step_type == "tool" and self.max_attempts > 1 and len(self.tool_calls) > 1


_PRICE_ID: Final = re.compile(
    r"(?P<table>.*?) (?P<provider>[^\s/]+)/(?P<model>.+?)(?: (?P<effective>\d{4}-\d\d-\d\d))?"
)


class PriceRecord(msgspec.Struct, frozen=True):
    """The price by which a cost was computed.

    `model` and `provider` are those of the matching price, `table` is the price table with its version, and `effective`
    the date from which this price applied, None if the table has none.
    """

    model: str
    provider: str
    table: str
    effective: str | None = None

    @property
    def id(self) -> str:
        """Return an id of the price: table, provider, model and date."""
        parts = f"{self.table} {self.provider}/{self.model}"
        return parts if self.effective is None else f"{parts} {self.effective}"

    @classmethod
    def of_id(cls, text: str) -> "PriceRecord":
        """Return the price of an id; one that this package did not write becomes the table of the price."""
        found = _PRICE_ID.fullmatch(text)
        return cls("any", "any", text) if found is None else cls(**found.groupdict())


class ModelCallRecord(msgspec.Struct, omit_defaults=True):
    """Tokens and cost of one model call, as its source counted them.

    `source` is where the counts come from: the span of the call, or a result that contains the provider's response.
    Counts are as in `ael_otel.usage.Usage`. `response` is 16 hex digits that identify a provider's response wherever it
    is recorded; a response counts once. `cost_nano` is in billionths of `currency`, computed once when the call was
    recorded; None without a price (`cost_source` is then `none`).
    """

    source: ModelCallSource
    at: datetime
    model: str | None = None
    provider: str | None = None
    step_id: str | None = None
    tool_name: str | None = None
    call_id: str | None = None
    agent: str | None = None
    span_id: str = ""
    response: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    tier: str | None = None
    reported_nano: int | None = None
    reported_currency: str | None = None
    reported_by: str | None = None
    cost_nano: int | None = None
    currency: str | None = None
    cost_source: CostSource | None = None
    price: PriceRecord | None = None


class ExecutionRecord(msgspec.Struct):
    """One run of a workflow, or one tool call that a client made without a workflow (`type` is `direct`).

    Durations are milliseconds, times are UTC, content is redacted and cut to `telemetry.redaction.max_result_size`:

        >>> import ael_otel
        >>> store = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
        >>> for run in store.iterate(ael_otel.RunQuery()):
        ...     print(run.workflow_name, run.status, [step.step_id for step in run.steps])
        triage completed ['look-up']

    `metadata` has further facts by name; `RunQuery.session` compares its `session_id`, `agents` and `models` are those
    that spans name. `owner` identifies the process that runs or ran it (see `store.owner`).
    """

    execution_id: str
    type: ExecutionType
    status: ExecutionStatus
    started_at: datetime
    workflow_name: str | None = None
    workflow_version: str | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = None
    inputs: Any = None
    outputs: Any = None
    steps: list[StepRecord] = []
    tool_calls: list[ToolCallRecord] = []
    error: ErrorRecord | None = None
    caller_id: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    trace_id: str = ""
    span_id: str = ""
    owner: str = ""
    model_calls: list[ModelCallRecord] = []


def with_short_causes(record: ExecutionRecord) -> ExecutionRecord:
    """Return the record with at most `MAX_CAUSE_DEPTH` causes of each error: unchanged, or a copy if one has more."""

    def call(each: ToolCallRecord) -> ToolCallRecord:
        error = _short(each.error)
        return each if error is each.error else replace(each, error=error)

    def step(each: StepRecord) -> StepRecord:
        error, code = _short(each.error), each.code
        exception = None if code is None else _short(code.exception)
        if code is not None and exception is not code.exception:
            code = replace(code, exception=exception)
        calls = each.tool_calls and _all(each.tool_calls, call)
        attempts = each.attempt_errors and _all(each.attempt_errors, _shortened)
        if (
            error is each.error
            and code is each.code
            and calls is each.tool_calls
            and attempts is each.attempt_errors
        ):
            return each
        return replace(each, error=error, code=code, tool_calls=calls, attempt_errors=attempts)

    error = _short(record.error)
    steps, calls = _all(record.steps, step), _all(record.tool_calls, call)
    if error is record.error and steps is record.steps and calls is record.tool_calls:
        return record
    return replace(record, error=error, steps=steps, tool_calls=calls)


def _all[Item](items: list[Item], change: Callable[[Item], Item]) -> list[Item]:
    """Return the changed items, or the same list if none changed."""
    changed = [change(each) for each in items]
    return items if all(new is old for new, old in zip(changed, items, strict=True)) else changed


def _short(error: ErrorRecord | None) -> ErrorRecord | None:
    return None if error is None else _shortened(error)


def _shortened(error: ErrorRecord, depth: int = MAX_CAUSE_DEPTH) -> ErrorRecord:
    if error.cause is None:
        return error
    cause = _shortened(error.cause, depth - 1) if depth else None
    return error if cause is error.cause else replace(error, cause=cause)
