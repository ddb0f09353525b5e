"""The table of `ael trace list`: runs as the store sums them up, and any fields of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import words
from ael_otel.cli.render.table import STATUS_STYLE, bare_table
from ael_otel.store import ExecutionSummary

_ROOM_FOR_DATES = 96
MAX_CELL = 200
"""Characters of one value in a table of fields; the other forms have all of it."""


def runs(found: Sequence[ExecutionSummary], *, width: int = 100) -> Table:
    """List runs, one a row; times are UTC, as the filters take them. A narrow terminal does without them."""
    dates = width >= _ROOM_FOR_DATES
    table = bare_table(gap=2 if dates else 1)
    if dates:
        table.add_column("started (UTC)", no_wrap=True, style="dim")
    table.add_column("workflow", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("steps", no_wrap=True)
    table.add_column("duration", no_wrap=True, justify="right")
    table.add_column("what happened", ratio=1, overflow="fold")
    table.add_column("id", no_wrap=True, style="dim", min_width=words.SHORT_ID)
    for run in found:
        trouble = run.status in ("failed", "cancelled")
        cells = [
            Text(words.one_line(run.workflow_name or "(direct call)")),
            Text(run.status, style=STATUS_STYLE.get(run.status, "")),
            Text(steps(run)),
            Text(words.lasted(run.status, run.duration_ms)),
            Text(what_happened(run), style="red" if trouble else "yellow"),
            Text(identifier(run.trace_id, run.execution_id)),
        ]
        if dates:
            cells.insert(0, Text(when(run.started_at)))
        table.add_row(*cells)
    return table


def fields(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """List the fields that were asked for, as they are, long ones cut."""
    table = bare_table(gap=2)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value(item)) for item in row))
    return table


def value(item: Any) -> str:
    """Write a value on one line."""
    match item:
        case None:
            return "-"
        case datetime():
            return item.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case str():
            text = item
        case _:
            text = msgspec.json.encode(item).decode()
    text = words.one_line(text)
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def when(moment: datetime) -> str:
    """Write a time in UTC to the second, as a filter takes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def identifier(trace_id: str, execution_id: str) -> str:
    """Return the short id of a run, which every verb takes."""
    return words.short_id(trace_id or execution_id.removeprefix("exec-"))


def steps(run: ExecutionSummary) -> str:
    """Count the steps of a run: `3 ok`, `2 ok, 3 skip`, or `1 of 2` where one failed; calls where it has none."""
    if not run.steps:
        return words.plural(run.tool_calls, "call") if run.tool_calls else "-"
    if run.status in ("pending", "running"):
        return words.plural(run.steps, "step")
    done = run.steps - run.failed - run.skipped
    if run.failed:
        return f"{done} of {run.steps}"
    return f"{done} ok, {run.skipped} skip" if run.skipped else f"{done} ok"


def what_happened(run: ExecutionSummary) -> str:
    """Say in one line what was not plain success: the error, or retries and failed steps that did no harm."""
    if run.error_code is not None:
        return words.error_text(run.error_code, run.error_message or "", run.duration_ms)
    notes: list[str] = []
    if run.retries:
        notes.append(words.plural(run.retries, "retry"))
    if run.failed:
        notes.append(f"{words.plural(run.failed, 'step')} failed")
    return ", ".join(notes)
