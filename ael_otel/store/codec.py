"""Encode records as bytes and decode them, and search them for a text.

A record is stored whole, as one JSON document, beside a row of columns for searching: a new field then needs no
migration, and reading one run is one read.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ael_otel.store.content import TRUNCATED, Capture, as_plain, clean, cut_to, to_json
from ael_otel.store.records import CodeRecord, ExecutionRecord, StepRecord, ToolCallRecord

MAX_BODY: Final = 16 * 1024 * 1024
"""Maximum bytes of one encoded record; in a larger one the largest values are cut until it fits."""

_MARK_BYTES: Final = 64
"""More bytes than the marker of a cut value takes."""

MAX_CONTENT: Final = 1024 * 1024
"""Maximum bytes of one value that has not been bounded before."""


# --- records ----------------------------------------------------------------------------------------------------------


def encode(record: ExecutionRecord) -> bytes:
    """Return the record as JSON in its current state; never raises because of its content.

    Content that the lifecycle has not bounded yet is cut to `MAX_CONTENT` bytes each.
    """
    body = at_once(record)
    if body is not None:
        return body
    # A value is too large, or no backend could store it: a lone surrogate, NUL, a value that is not JSON, a cycle.
    frozen = _with_content(record, _frozen)
    try:
        body = json_encoder.encode(frozen)
    except Exception:
        body = b""
    if not body or _NUL in body:
        body = to_json(as_plain(frozen, sys.maxsize))
    if len(body) > MAX_BODY:
        body = to_json(as_plain(_with_content(frozen, _cut_to_fit(frozen, len(body))), sys.maxsize))
    if len(body) > MAX_BODY:
        body = to_json(as_plain(_with_content(frozen, _marked), sys.maxsize))
    return body


def _cut_to_fit(frozen: ExecutionRecord, size: int) -> Callable[[Any], Any]:
    """Return a function that cuts the largest values so that a record of `size` bytes fits into `MAX_BODY`."""
    sizes: list[int] = []

    def note(value: Any) -> Any:
        if isinstance(value, Raw):
            sizes.append(len(value))
        return value

    _with_content(frozen, note)
    left = MAX_BODY - (size - sum(sizes)) - _MARK_BYTES * len(sizes)
    most = 0
    for position, each in enumerate(sorted(sizes)):
        most = max(0, left) // (len(sizes) - position)
        if each > most:
            break
        left -= each
    return lambda value: cut_to(value, most) if isinstance(value, Raw) and len(value) > most else value


def at_once(record: ExecutionRecord) -> bytes | None:
    """Return the record as JSON if it is small and every backend can store it, else None."""
    try:
        body = json_encoder.encode(record)
    except Exception:
        return None
    return body if len(body) <= MAX_CONTENT and _NUL not in body else None


def _frozen(value: Any) -> Any:
    return value if isinstance(value, Raw) else _capture(value)


def _marked(value: Any) -> Any:
    return None if value is None else {TRUNCATED: {"limit": MAX_BODY}}


_NUL: Final = b"\\u0000"
_capture: Final = Capture(MAX_CONTENT)
json_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(ExecutionRecord)


UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The exceptions that `decode` raises for a damaged record."""


def decode(body: bytes | str) -> ExecutionRecord:
    """Return the record that `encode` encoded.

    A tool step gets the parameters and the result of its last call, since they are stored once.
    """
    record = _decoder.decode(body)
    for step in record.steps:
        if step.step_type == "tool" and step.tool_calls:
            last = step.tool_calls[-1]
            step.tool_params = last.params if step.tool_params is None else step.tool_params
            step.tool_result = last.result if step.tool_result is None else step.tool_result
    return record


def _with_content(record: ExecutionRecord, of: Callable[[Any], Any]) -> ExecutionRecord:
    """Return a copy with each content value replaced by the result of `of`."""

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


# --- text -------------------------------------------------------------------------------------------------------------


def has_text(record: ExecutionRecord, text: str) -> bool:
    """Return whether `text` occurs in a name, id, message or the content of the run; the case of A to Z is ignored."""
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
        yield from _strings((step.tool_params, step.tool_result, step.error, step.attempt_errors))
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
        if "e" not in shown:  # JSON writes exponents differently
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
