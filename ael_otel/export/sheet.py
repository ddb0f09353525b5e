"""Write CSV for spreadsheets: one row for each run, step and tool call, without cells that a spreadsheet executes."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import to_json

COLUMNS: Final = (
    "row",
    "execution_id",
    "trace_id",
    "workflow",
    "step",
    "tool",
    "server",
    "type",
    "status",
    "attempt",
    "started_at",
    "duration_ms",
    "error_code",
    "error_message",
    "error_detail",
    "span_id",
    "input",
    "output",
)
"""Columns. `row` is the kind of the row: `run`, `step` or `call`. `input` and `output` are JSON."""

# A spreadsheet treats a cell with one of these first characters as a formula, even after a tab or a line break; the
# wide ones are variants that some East Asian input methods produce.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *(chr(ord(mark) + 0xFEE0) for mark in "=+-@"))


def lines(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield each row as one line of CSV (RFC 4180, ends with CR LF; a cell may hold line breaks)."""
    for row in rows:
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerow([cell(value) for value in row])
        yield buffer.getvalue()


def cell(value: Any) -> Any:
    """Return a value as one cell: numbers unchanged, times in RFC 3339, content as JSON, text that is not a formula.

    Text that a spreadsheet would treat as a formula gets a leading apostrophe.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case datetime():
            return moment(value)
        case str():
            text = value
        case _:
            text = to_json(value, sys.maxsize).decode()
    text = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    harmful = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA[:4])
    return f"'{text}" if harmful else text


def moment(value: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rows(run: ExecutionRecord) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one run: the run, then each step followed by its calls."""
    yield _row(
        run,
        "run",
        kind=run.type,
        status=run.status,
        started=run.started_at,
        took=run.duration_ms,
        error=run.error,
        span_id=run.span_id,
        given=run.inputs,
        got=run.outputs,
    )
    for call in run.tool_calls:
        yield _call(run, call)
    for step in sorted(run.steps, key=lambda step: step.index):
        yield _step(run, step)
        for call in step.tool_calls:
            yield _call(run, call, step)


def _step(run: ExecutionRecord, step: StepRecord) -> tuple[Any, ...]:
    code = step.code
    return _row(
        run,
        "step",
        step=step.step_id,
        tool=step.tool_name,
        server=step.server,
        kind=step.step_type,
        status=step.status,
        attempt=step.attempt,
        started=step.started_at,
        took=step.duration_ms,
        error=step.error,
        span_id=step.span_id,
        given=step.tool_params,
        got=step.tool_result if code is None else code.result,
    )


def _call(run: ExecutionRecord, call: ToolCallRecord, step: StepRecord | None = None) -> tuple[Any, ...]:
    return _row(
        run,
        "call",
        step=None if step is None else step.step_id,
        tool=call.tool_name,
        server=call.server,
        kind=call.source,
        status=call.status,
        attempt=call.sequence,
        started=call.started_at,
        took=call.duration_ms,
        error=call.error,
        span_id=call.span_id,
        given=call.params,
        got=call.result,
    )


def _row(
    run: ExecutionRecord,
    what: str,
    *,
    kind: str,
    status: str,
    started: datetime,
    took: float | None,
    error: ErrorRecord | None,
    span_id: str,
    given: Any,
    got: Any,
    step: str | None = None,
    tool: str | None = None,
    server: str | None = None,
    attempt: int | None = None,
) -> tuple[Any, ...]:
    return (
        what,
        run.execution_id,
        run.trace_id,
        run.workflow_name,
        step,
        tool,
        server,
        kind,
        status,
        attempt,
        started,
        took,
        None if error is None else error.code,
        None if error is None else error.message,
        None if error is None else error.detail,
        span_id,
        given,
        got,
    )
