"""Records as bytes and back, and what a backend needs to know of a record to find it again.

A record is kept whole, as one JSON document, beside a row of columns to search by: a new field then needs no
migration, and reading one run is one read.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ael_otel.store.content import TRUNCATED, Capture, as_plain, clean, to_json
from ael_otel.store.query import ExecutionSummary
from ael_otel.store.records import REDACTIONS, CodeRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.times import from_us, to_us

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of one whole record; a larger one is kept without the content of its steps and calls."""

MAX_CONTENT: Final = 1024 * 1024
"""Bytes of one value that comes to the store unbounded."""

MAX_ERROR_TEXT: Final = 300
"""Characters of an error's message that a summary shows."""


# --- records ----------------------------------------------------------------------------------------------------------


def encode(record: ExecutionRecord) -> bytes:
    """Return the record as JSON, as it is now; never raises for what it holds.

    Content that the lifecycle has not bounded yet is cut to `MAX_CONTENT` each.
    """
    try:
        body = _encoder.encode(record)
        if len(body) <= MAX_CONTENT and _NUL not in body:
            return body
    except Exception:
        body = b""
    # Something is too large, or no backend could keep it: a lone surrogate, NUL, a value that is no JSON, a cycle.
    frozen = _with_content(record, _frozen)
    try:
        body = _encoder.encode(frozen)
    except Exception:
        body = b""
    if not body or _NUL in body:
        body = to_json(as_plain(frozen, sys.maxsize))
    if len(body) > MAX_BODY:
        body = to_json(as_plain(_with_content(frozen, _marked), sys.maxsize))
    return body


def _frozen(value: Any) -> Any:
    return value if isinstance(value, Raw) else _capture(value)


def _marked(value: Any) -> Any:
    return None if value is None else {TRUNCATED: {"limit": MAX_BODY}}


_NUL: Final = b"\\u0000"
_capture: Final = Capture(MAX_CONTENT)
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(ExecutionRecord)


def decode(body: bytes | str) -> ExecutionRecord:
    """Return the record that `encode` wrote.

    The step of a tool has the parameters and the result of its last call: they are kept once.
    """
    record = _decoder.decode(body)
    for step in record.steps:
        if step.step_type == "tool" and step.tool_calls:
            last = step.tool_calls[-1]
            step.tool_params = last.params if step.tool_params is None else step.tool_params
            step.tool_result = last.result if step.tool_result is None else step.tool_result
    return record


def _with_content(record: ExecutionRecord, of: Callable[[Any], Any]) -> ExecutionRecord:
    """Return a copy whose content is what `of` makes of it."""

    def call(each: ToolCallRecord) -> ToolCallRecord:
        return replace(each, params=of(each.params), result=of(each.result))

    def code(each: CodeRecord | None) -> CodeRecord | None:
        if each is None:
            return None
        return replace(each, stdout=of(each.stdout), stderr=of(each.stderr), result=of(each.result))

    def step(each: StepRecord) -> StepRecord:
        return replace(
            each,
            tool_params=of(each.tool_params),
            tool_result=of(each.tool_result),
            code=code(each.code),
            tool_calls=[call(one) for one in each.tool_calls],
        )

    return replace(
        record,
        inputs=of(record.inputs),
        outputs=of(record.outputs),
        metadata=of(record.metadata),
        steps=[step(each) for each in record.steps],
        tool_calls=[call(each) for each in record.tool_calls],
    )


# --- columns ----------------------------------------------------------------------------------------------------------


type Call = tuple[str, str, int | None, int]
"""One tool call, as far as statistics and filters need it: tool, status, microseconds, bytes of content.

A plain tuple: making one is a tenth of the work of making one with names, and there are many.
"""


class Head(NamedTuple):
    """The columns of a run, in the order in which the backends keep them."""

    execution_id: str
    type: str
    status: str
    workflow_name: str | None
    workflow_version: str | None
    started_us: int
    completed_us: int | None
    duration_us: int | None
    error_code: str | None
    error_message: str | None
    caller_id: str | None
    session_id: str | None
    trace_id: str
    steps: int
    failed: int
    skipped: int
    retries: int
    tool_calls: int
    bytes: int
    owner: str


NOTHING_TAKEN_OUT: Final[Mapping[str, int]] = MappingProxyType({})


class Row(NamedTuple):
    """A run as the backends keep it."""

    head: Head
    body: bytes
    calls: list[Call]
    errors: frozenset[str]
    redactions: Mapping[str, int] = NOTHING_TAKEN_OUT

    @property
    def ended(self) -> bool:
        """Whether this is the final state of the run."""
        return ended(self.head.status)


def ended(status: str) -> bool:
    """Whether a run with this status goes on no more."""
    return status not in ("pending", "running")


class _Error(Struct):
    code: str
    message: str = ""


class _Call(Struct):
    tool_name: str
    status: str
    duration_ms: float | None = None
    error: _Error | None = None
    params: Raw = Raw()
    result: Raw = Raw()


class _Step(Struct):
    status: str
    attempt: int = 1
    tool_calls: list[_Call] = msgspec.field(default_factory=list[_Call])
    error: _Error | None = None


class _Metadata(Struct, frozen=True):
    session_id: Any = None
    redactions: Any = None


class _Run(Struct):
    execution_id: str
    type: str
    status: str
    started_at: datetime
    workflow_name: str | None = None
    workflow_version: str | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = None
    steps: list[_Step] = msgspec.field(default_factory=list[_Step])
    tool_calls: list[_Call] = msgspec.field(default_factory=list[_Call])
    error: _Error | None = None
    caller_id: str | None = None
    metadata: _Metadata = _Metadata()
    trace_id: str = ""
    owner: str = ""


_run_decoder: Final = msgspec.json.Decoder(_Run)


def row_of(record: ExecutionRecord) -> Row:
    """Return what is kept of a record as it is now."""
    try:
        body = _encoder.encode(record)
        if len(body) <= MAX_CONTENT and _NUL not in body:
            return _row(record, body)
    except Exception:
        body = b""
    return row_of_body(encode(record))


def row_of_body(body: bytes) -> Row:
    """Return what is kept of an encoded record.

    Raises:
        msgspec.DecodeError: `body` is no record.
    """
    return _row(_run_decoder.decode(body), body)


def _row(run: "_Run | ExecutionRecord", body: bytes) -> Row:
    errors: set[str] = set()
    failed = skipped = retries = 0
    calls = [_call(call, errors) for call in run.tool_calls] if run.tool_calls else []
    for step in run.steps:
        for call in step.tool_calls:
            calls.append(_call(call, errors))  # noqa: PERF401 - steps have one call, mostly
        if step.status == "failed":
            failed += 1
        elif step.status == "skipped":
            skipped += 1
        if step.attempt > 1:
            retries += step.attempt - 1
        if step.error is not None:
            errors.add(step.error.code)
    error = run.error
    if error is not None:
        errors.add(error.code)
    metadata = run.metadata
    if isinstance(metadata, dict):
        session, taken_out = metadata.get("session_id"), metadata.get(REDACTIONS)
    else:
        session, taken_out = metadata.session_id, metadata.redactions
    head = Head(
        run.execution_id,
        run.type,
        run.status,
        run.workflow_name,
        run.workflow_version,
        to_us(run.started_at),
        None if run.completed_at is None else to_us(run.completed_at),
        _us(run.duration_ms),
        None if error is None else error.code,
        None if error is None else error.message[:MAX_ERROR_TEXT],
        run.caller_id,
        session if isinstance(session, str) else None,
        run.trace_id,
        len(run.steps),
        failed,
        skipped,
        retries,
        len(calls),
        len(body),
        run.owner,
    )
    return Row(head, body, calls, frozenset(errors), _counts(taken_out) if taken_out else NOTHING_TAKEN_OUT)


def _counts(taken_out: Any) -> Mapping[str, int]:
    """Return how many redactions of each kind a record tells of; what is no such count is left out."""
    if not isinstance(taken_out, dict):
        return NOTHING_TAKEN_OUT
    counts = cast("dict[str, Any]", taken_out)
    return {clean(kind)[:64]: n for kind, n in counts.items() if isinstance(n, int) and 0 < n < 2**31}


def _call(call: "_Call | ToolCallRecord", errors: set[str]) -> Call:
    if call.error is not None:
        errors.add(call.error.code)
    took = call.duration_ms
    size = _size(call.params) + _size(call.result)
    return call.tool_name, call.status, None if took is None else round(took * 1e3), size


def _size(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, Raw):
        size = len(value)
        return 0 if size == _NULL else size
    return len(_encoder.encode(value))


_NULL: Final = len(b"null")


def _us(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1e3)


def summary_of(row: Sequence[Any]) -> ExecutionSummary:
    """Return the columns (of a `Head`, with or without the owner) as a person's program reads them."""
    (
        execution_id, kind, status, name, version, started, completed, duration, code, message, caller, session, trace,
        steps, failed, skipped, retries, calls, size,
    ) = row[:19]  # fmt: skip
    return ExecutionSummary(
        execution_id, kind, status, name, version,
        from_us(started),
        None if completed is None else from_us(completed),
        None if duration is None else duration / 1e3,
        code, message, caller, session, trace, steps, failed, skipped, retries, calls, size,
    )  # fmt: skip


# --- text -------------------------------------------------------------------------------------------------------------


def has_text(record: ExecutionRecord, text: str) -> bool:
    """Return whether `text` occurs in a name, id, message or the content of the run; A to Z match in either case."""
    wanted = folded(text)
    return any(wanted in folded(found) for found in _texts(record))


def folded(text: str) -> bytes:
    """Return `text` for a comparison that ignores the case of A to Z, as SQLite's LIKE does."""
    return clean(text).encode().lower()


def _texts(record: ExecutionRecord) -> Iterator[str]:
    yield from (record.execution_id, record.trace_id, record.workflow_name or "", record.caller_id or "")
    yield from _strings((record.inputs, record.outputs, record.metadata))
    yield from _strings(record.error)
    for call in record.tool_calls:
        yield from _of_call(call)
    for step in record.steps:
        yield from (step.step_id, step.tool_name or "", step.skip_reason or "")
        yield from _strings((step.tool_params, step.tool_result, step.error))
        if step.code is not None:
            yield from _strings((step.code.imports, step.code.stdout, step.code.stderr, step.code.result))
            yield from _strings(step.code.exception)
        for call in step.tool_calls:
            yield from _of_call(call)


def _of_call(call: ToolCallRecord) -> Iterator[str]:
    yield from (call.tool_name, call.server or "")
    yield from _strings((call.params, call.result, call.error))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (bool, type(None))):
        return
    elif isinstance(value, (int, float)):
        shown = repr(value)
        if "e" not in shown:  # JSON writes exponents in another way
            yield shown
    elif isinstance(value, dict):
        for key, item in cast("dict[object, Any]", value).items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in cast("list[Any]", value):
            yield from _strings(item)
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _strings(getattr(value, name))
