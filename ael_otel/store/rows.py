"""A run as a row: the columns by which runs are searched, computed from a record and read as a summary, all by name.

A new column has three places: the record (a field of `ExecutionRecord`, or of `Derived` here if its value is computed),
the migration that adds it, and `ExecutionSummary`, which lists it. Writing and reading both use these names, so no
value can end in another column.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, get_args

import msgspec
from msgspec import Raw, Struct

from ael_otel.errors import StoreError
from ael_otel.store.codec import at_once, encode, json_encoder
from ael_otel.store.content import TRUNCATED, clean
from ael_otel.store.model_calls import ModelCallRow, priced, rows_of
from ael_otel.store.query import EQUALS, ExecutionSummary
from ael_otel.store.records import (
    REDACTIONS,
    ExecutionRecord,
    ExecutionStatus,
    ExecutionType,
    ModelCallRecord,
    StepStatus,
    StepType,
    ToolCallRecord,
    ToolCallSource,
    ToolCallStatus,
    with_short_causes,
)
from ael_otel.store.times import times_from_us, to_us

_LONGEST_MS: Final = 1e15
"""The microseconds of thirty thousand years."""

_MOST_MS: Final = _LONGEST_MS / 10
_MOST_RETRIES: Final = 2**31 - 1
"""Bounds of figures from other programs, so that every backend can store them."""

MAX_ERROR_TEXT: Final = 300
"""Maximum characters of an error's message in a summary."""

RUN_STATUSES: Final = get_args(ExecutionStatus.__value__)
RUN_TYPES: Final = get_args(ExecutionType.__value__)
CALL_STATUSES: Final = get_args(ToolCallStatus.__value__)
_STEP_STATUSES: Final = get_args(StepStatus.__value__)
_STEP_TYPES: Final = get_args(StepType.__value__)
_CALL_SOURCES: Final = get_args(ToolCallSource.__value__)
# Tuples, not sets: they can be searched for values that cannot be hashed.

UNLISTED: Final = ("owner",)
"""Columns that are stored but not part of a summary."""


class Derived(NamedTuple):
    """The columns that `_row` computes from a record. Any other column is the record's field of that name."""

    started_us: int
    completed_us: int | None
    duration_us: int | None
    error_code: str | None
    error_message: str | None
    session_id: str | None
    steps: int
    failed: int
    skipped: int
    retries: int
    tool_calls: int
    bytes: int


# --- columns ----------------------------------------------------------------------------------------------------------


def stored_as(field: str) -> str:
    """Return the column of a summary's field: times and durations are stored in whole microseconds."""
    return f"{field[:-3]}_us" if field.endswith(("_at", "_ms")) else field


def _copied() -> tuple[str, ...]:
    """Return the columns that are fields of a record.

    Raises:
        TypeError: a column has no source; the message names it and where to add the field.
    """
    wanted = (*map(stored_as, ExecutionSummary.__struct_fields__), *UNLISTED)
    copied = tuple(name for name in wanted if name not in Derived._fields)
    for name in copied:
        if name not in ExecutionRecord.__struct_fields__:
            raise TypeError(
                f"column {name}: ExecutionSummary lists it, and neither ExecutionRecord (store/records.py) nor Derived"
                " (store/rows.py) has a field of that name"
            )
    for name in Derived._fields:
        if name not in wanted:
            raise TypeError(
                f"column {name}: Derived has it, and ExecutionSummary (store/query.py) does not list it; add the field"
                " there, or the column to UNLISTED (store/rows.py)"
            )
    for name, column in EQUALS.items():
        if column not in wanted:
            raise TypeError(
                f"column {column}: RunQuery.{name} filters by it (store/query.py), but no table has it"
            )
    return copied


_COPIED: Final = _copied()

COLUMNS: Final = (*_COPIED, *Derived._fields)
"""All columns of a run, in the order of a `Head`."""

SUMMARY: Final = tuple(map(stored_as, ExecutionSummary.__struct_fields__))
"""The columns in the order of the fields of a summary: what `summary_of` reads."""

if TYPE_CHECKING:

    class Head(NamedTuple):
        """The columns of a run. At run time it has all `COLUMNS`; here are those that code reads by attribute."""

        execution_id: str
        type: str
        status: str
        workflow_name: str | None
        started_us: int
        duration_us: int | None
        trace_id: str
        bytes: int
else:
    Head = NamedTuple("Head", [(name, Any) for name in COLUMNS])

type Call = tuple[str, str, int | None, int, int]
"""One tool call, as far as statistics and filters need it, in the order of `CALL_COLUMNS`.

A plain tuple: there are many, and one with names takes ten times as long to create.
"""

CALL_COLUMNS: Final = ("tool_name", "status", "duration_us", "bytes")
"""The columns of a tool call, without its run and its position there.

The last item of a `Call` has a separate table, `context_bytes`: the size of the result as it was returned, if an
agent made the call; 0 for calls of steps and of code, whose results stay in the run.
"""

NO_ERRORS: Final[frozenset[str]] = frozenset()
NOTHING_TAKEN_OUT: Final[Mapping[str, int]] = MappingProxyType({})


class Row(NamedTuple):
    """A run in the form that backends store."""

    head: Head
    body: bytes
    calls: list[Call]
    errors: frozenset[str]
    redactions: Mapping[str, int] = NOTHING_TAKEN_OUT
    model_calls: Sequence[ModelCallRow] = ()

    @property
    def ended(self) -> bool:
        """Whether this is the final state of the run."""
        return ended(self.head.status)


def ended(status: str) -> bool:
    """Whether a run with this status has ended."""
    return status not in ("pending", "running")


def selected(kind: "type[NamedTuple]", **expressions: str) -> str:
    """Return the columns of a SELECT whose rows become `kind`: an expression for each of its fields, by name.

    Raises:
        TypeError: the names are not those of the fields.
    """
    if set(expressions) != set(kind._fields):
        odd = ", ".join(sorted(set(expressions) ^ set(kind._fields)))
        raise TypeError(f"{kind.__name__} is read by the names of its fields, but these differ: {odd}")
    return ", ".join(expressions[name] for name in kind._fields)


# --- from a record ----------------------------------------------------------------------------------------------------


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
    source: str = ""
    agent: str | None = None


class _Step(Struct):
    status: str
    attempt: int = 1
    tool_calls: list[_Call] = msgspec.field(default_factory=list[_Call])
    error: _Error | None = None
    attempt_errors: list[_Error] = msgspec.field(default_factory=list[_Error])


class _Metadata(Struct, frozen=True):
    session_id: Any = None
    redactions: Any = None


class _Worked(Struct):
    """The parts of an encoded record from which the derived columns are computed."""

    started_at: datetime
    completed_at: datetime | None = None
    duration_ms: float | None = None
    steps: list[_Step] = msgspec.field(default_factory=list[_Step])
    tool_calls: list[_Call] = msgspec.field(default_factory=list[_Call])
    error: _Error | None = None
    metadata: _Metadata = _Metadata()
    model_calls: list[ModelCallRecord] = msgspec.field(default_factory=list[ModelCallRecord])


def _partial() -> type[Struct]:
    """Return the struct of an encoded record without its content, with only what the columns need."""
    found = {field.name: field for field in msgspec.structs.fields(ExecutionRecord)}
    copied = [found[name] for name in _COPIED]
    needed = [(each.name, each.type) for each in copied if each.required]
    others = [(each.name, each.type, each.default) for each in copied if not each.required]
    return msgspec.defstruct("_Run", [*needed, *others], bases=(_Worked,), kw_only=True)


_run_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_partial())
_copy: Final = cast("Callable[[ExecutionRecord], tuple[Any, ...]]", attrgetter(*_COPIED))
_head: Final = cast("Callable[[tuple[Any, ...]], Head]", Head._make)


def checked(record: ExecutionRecord) -> ExecutionRecord:
    """Return the record, priced and with at most `MAX_CAUSE_DEPTH` causes of each error, if its statuses and types are
    valid.

    Raises:
        StoreError: one is not, so that a reader would refuse the whole record.
    """
    odd: tuple[str, Any] | None = None
    if record.status not in RUN_STATUSES or record.type not in RUN_TYPES:
        odd = "status and type", (record.status, record.type)
    calls = record.tool_calls
    for step in record.steps:
        if step.status not in _STEP_STATUSES or step.step_type not in _STEP_TYPES:
            odd = f"status and type of step {step.step_id}", (step.status, step.step_type)
        if step.tool_calls:
            calls = [*calls, *step.tool_calls]
    for call in calls:
        if call.status not in CALL_STATUSES or call.source not in _CALL_SOURCES:
            odd = f"status and source of call {call.call_id} of {call.tool_name}", (call.status, call.source)
    if odd is not None:
        raise StoreError(f"run {record.execution_id}: {odd[0]} are {odd[1]}, which are not valid")
    return with_short_causes(priced(record) if record.model_calls else record)


def row_of(record: ExecutionRecord) -> Row:
    """Return the stored form of a record's current state."""
    body = at_once(record)
    if body is not None:
        try:
            return _row(record, body)
        except Exception:
            body = None
    body = encode(record)
    return _row(_run_decoder.decode(body), body)


def _row(run: ExecutionRecord, body: bytes) -> Row:
    """Return the row of a run, which is a record or has at least the fields that columns are computed from."""
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
        if step.attempt_errors:
            errors.update(error.code for error in step.attempt_errors)
    error = run.error
    if error is not None:
        errors.add(error.code)
    metadata = cast("dict[str, Any] | _Metadata", run.metadata)
    if isinstance(metadata, dict):
        session, taken_out = metadata.get("session_id"), metadata.get(REDACTIONS)
    else:
        session, taken_out = metadata.session_id, metadata.redactions
    derived = Derived(
        started_us=to_us(run.started_at),
        completed_us=None if run.completed_at is None else to_us(run.completed_at),
        duration_us=_us(run.duration_ms),
        error_code=None if error is None else error.code,
        error_message=None if error is None else error.message[:MAX_ERROR_TEXT],
        session_id=session if isinstance(session, str) else None,
        steps=len(run.steps),
        failed=failed,
        skipped=skipped,
        retries=min(retries, _MOST_RETRIES),
        tool_calls=len(calls),
        bytes=len(body),
    )
    redactions = _counts(taken_out) if taken_out else NOTHING_TAKEN_OUT
    return Row(
        _head(_copy(run) + derived),
        body,
        calls,
        frozenset(errors) if errors else NO_ERRORS,
        redactions,
        rows_of(run.model_calls) if run.model_calls else (),
    )


def _counts(taken_out: Any) -> Mapping[str, int]:
    """Return the number of redactions of each kind in a record; other entries are ignored."""
    if not isinstance(taken_out, dict):
        return NOTHING_TAKEN_OUT
    counts = cast("dict[str, Any]", taken_out)
    return {clean(kind)[:64]: n for kind, n in counts.items() if isinstance(n, int) and 0 < n < 2**31}


def _call(call: "_Call | ToolCallRecord", errors: set[str]) -> Call:
    if call.error is not None:
        errors.add(call.error.code)
    took = call.duration_ms
    result = _size(call.result)
    by_agent = call.source == "direct" or call.agent is not None
    returned = _whole_size(call.result, result) if by_agent else 0
    return call.tool_name, call.status, _us(took), _size(call.params) + result, returned


def _whole_size(value: Any, size: int) -> int:
    """Return the size of a result before it was cut to fit the store; `size` is that of what is stored."""
    if not isinstance(value, Raw):
        held = value
    elif size and _CUT in bytes(memoryview(value)[: len(_CUT)]):
        held = msgspec.json.decode(value)
    else:
        return size
    facts = cast("dict[str, Any]", held).get(TRUNCATED) if isinstance(held, dict) else None
    whole = cast("dict[str, Any]", facts).get("bytes") if isinstance(facts, dict) else None
    return whole if isinstance(whole, int) and 0 <= whole < 2**53 else size


_CUT: Final = f'{{"{TRUNCATED}"'.encode()


def _size(value: Any) -> int:
    if isinstance(value, Raw):  # first, since nearly all are
        size = len(value)
        return 0 if size == _NULL else size
    return 0 if value is None else len(json_encoder.encode(value))


_NULL: Final = len(b"null")


def _us(milliseconds: float | None) -> int | None:
    """Return whole microseconds within the range of any backend; None for a value that is not a duration."""
    if milliseconds is None or math.isnan(milliseconds):
        return None
    return round(max(-_MOST_MS, min(milliseconds, _MOST_MS)) * 1e3)


# --- to a summary -----------------------------------------------------------------------------------------------------


def _durations(column: Iterable[int | None]) -> list[float | None]:
    return [None if us is None else us / 1e3 for us in column]


_READ: Final[Mapping[str, Callable[[Iterable[int | None]], Sequence[Any]]]] = {
    "_at": times_from_us,
    "_ms": _durations,
}
_in_summary_order: Final = cast("Callable[[Head], tuple[Any, ...]]", attrgetter(*SUMMARY))


def summaries_of(rows: Sequence[Sequence[Any]]) -> list[ExecutionSummary]:
    """Return summaries of runs; each row has the columns `SUMMARY`.

    The rows are read column by column, which is as fast as a statement that names every field.
    """
    columns = zip(*rows, strict=True)
    read = (
        _READ[field[-3:]](column) if stored != field else column
        for field, stored, column in zip(ExecutionSummary.__struct_fields__, SUMMARY, columns, strict=False)
    )
    return list(map(ExecutionSummary, *read)) if rows else []


def summary_of(head: Head) -> ExecutionSummary:
    """Return the summary of one run, from all its columns."""
    return summaries_of([_in_summary_order(head)])[0]


_STATUS_AT: Final = SUMMARY.index("status")
_TYPE_AT: Final = SUMMARY.index("type")


def readable(
    rows: Sequence[Sequence[Any]], damaged: dict[str, str], *, odd_text: bool = False
) -> list[ExecutionSummary]:
    """Return runs as `summaries_of` does, without unreadable ones, which are added to `damaged` with the reason.

    `odd_text` says that some rows may have texts that are not UTF-8, as bytes.
    """
    try:
        found = summaries_of(rows)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is not None and not odd_text and all(map(_is_sound, found)):
        return found
    sound: list[ExecutionSummary] = []
    for row in rows:
        if row[_STATUS_AT] not in RUN_STATUSES or row[_TYPE_AT] not in RUN_TYPES:
            damaged[str(row[0])] = f"status {row[_STATUS_AT]!r} or type {row[_TYPE_AT]!r} is not valid"
            continue
        if any(isinstance(value, bytes) for value in row):
            damaged[str(row[0])] = "it contains text that is not UTF-8"
            continue
        try:
            (run,) = summaries_of([row])
        except (TypeError, ValueError, OverflowError) as error:
            damaged[str(row[0])] = str(error)
            continue
        if _is_sound(run):
            sound.append(run)
        else:
            damaged[str(row[0])] = f"its duration {run.duration_ms!r} is out of range"
    return sound


def _is_sound(run: ExecutionSummary) -> bool:
    """Return whether status, type and duration of a run are valid: SQLite stores any value."""
    return run.status in RUN_STATUSES and run.type in RUN_TYPES and abs(run.duration_ms or 0) < _LONGEST_MS
