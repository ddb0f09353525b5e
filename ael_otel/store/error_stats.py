"""Summarise errors of runs by code, tool and step, from whole records, so equally on all backends."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ael_otel.store.query import ErrorRow
from ael_otel.store.records import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord

CANCELLED: Final = "cancelled"
"""Error code of cancelled work: a consequence, not an error, unless the run itself has it."""


class Occurrence(NamedTuple):
    """One error of one run, counted once even if several levels reported it."""

    code: str
    tool: str | None
    workflow: str | None
    step: str | None
    seen: datetime
    recovered: bool
    execution_id: str
    message: str


def summarise_errors(
    runs: Iterable[ExecutionRecord], *, code: str | None = None, tool: str | None = None
) -> list[ErrorRow]:
    """Return one row per code, tool and step of a workflow, most frequent first; `code` and `tool` filter rows."""
    groups: dict[tuple[str, str, str, str], list[Occurrence]] = {}
    for run in runs:
        for found in occurrences(run):
            if code in (None, found.code) and tool in (None, found.tool):
                key = found.code, found.tool or "", found.workflow or "", found.step or ""
                groups.setdefault(key, []).append(found)
    rows = [_row(group) for group in groups.values()]
    return sorted(
        rows, key=lambda row: (-row.count, row.code, row.tool or "", row.workflow or "", row.step or "")
    )


def _row(group: list[Occurrence]) -> ErrorRow:
    last = max(group, key=lambda each: each.seen)
    recovered = sum(each.recovered for each in group)
    return ErrorRow(
        last.code,
        last.tool,
        last.workflow,
        last.step,
        len(group),
        recovered,
        recovered / len(group),
        min(each.seen for each in group),
        last.seen,
        last.execution_id,
    )


def occurrences(run: ExecutionRecord) -> Iterator[Occurrence]:
    """Yield the errors of a run at the lowest level that recorded them: a call, an attempt, a step, the run."""
    counted: set[str] = set()
    cancelled: list[StepRecord] = []
    for step in run.steps:
        codes: set[str] = set()
        for at, call in enumerate(step.tool_calls):
            error = call.error
            if error is None or error.code == CANCELLED:
                continue
            codes.add(error.code)
            yield _occurrence(run, error, call.tool_name, step.step_id, _end(call), _recovered(step, at))
        for error in step.attempt_errors:
            # An error of a tool call was counted with that call.
            yield _occurrence(
                run, error, step.tool_name, step.step_id, _end(step), step.status == "completed"
            )
            codes.add(error.code)
        if step.error is not None and step.error.code == CANCELLED:
            cancelled.append(step)
        elif step.error is not None and step.error.code not in codes:
            codes.add(step.error.code)
            yield _occurrence(run, step.error, step.tool_name, step.step_id, _end(step), False)
        counted |= codes
    for call in run.tool_calls:
        if call.error is not None and call.error.code != CANCELLED:
            counted.add(call.error.code)
            yield _occurrence(run, call.error, call.tool_name, call.step_id, _end(call), False)
    error = run.error
    if error is None or run.status == CANCELLED or error.code in counted:
        return
    step_id, tool = error.step_id, error.tool_name
    if step_id is None and len(cancelled) == 1:
        # A run that timed out has the error of the step that it was in.
        step_id, tool = cancelled[0].step_id, cancelled[0].tool_name
    yield _occurrence(run, error, tool, step_id, _end(run), False)


def _recovered(step: StepRecord, at: int) -> bool:
    """Return whether a later attempt of the step succeeded after call `at` had failed."""
    if step.status != "completed" or step.attempt < 2:
        return False
    tool = step.tool_calls[at].tool_name
    return any(later.tool_name == tool and later.status == "success" for later in step.tool_calls[at + 1 :])


def _end(part: ExecutionRecord | StepRecord | ToolCallRecord) -> datetime:
    if part.completed_at is not None:
        return part.completed_at
    return part.started_at + timedelta(milliseconds=part.duration_ms or 0.0)


def _occurrence(
    run: ExecutionRecord,
    error: ErrorRecord,
    tool: str | None,
    step: str | None,
    seen: datetime,
    recovered: bool,
) -> Occurrence:
    return Occurrence(
        error.code, tool, run.workflow_name, step, seen, recovered, run.execution_id, error.message
    )
