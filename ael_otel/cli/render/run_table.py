"""The table of `ael trace list`: runs as the store sums them up, and any fields of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import STATUS_STYLE, bare_table
from ael_otel.store import ExecutionSummary

_ROOM_FOR_DATES: Final = 96
_WORDS: Final = 4
MAX_CELL: Final = 200
"""Characters of one value in a table of fields; the other forms have all of it."""


def runs(found: Sequence[ExecutionSummary], *, width: int = 100, now: datetime | None = None) -> Table:
    """List runs, one a row; times are UTC, as the filters take them.

    Args:
        found: the runs.
        width: columns of the terminal. A narrow one has the time of today's runs and the day of others, with their time
            where that has room, and neither where names, ids and what happened leave none.
        now: what today is; the current time by default.
    """
    wide = width >= _ROOM_FOR_DATES
    headings = ["workflow", "status", "steps", "duration", "what happened", "id"]
    rows = [_cells(run) for run in found]
    if wide:
        times = [when(run.started_at) for run in found]
    else:
        times = _times(found, now or datetime.now(UTC), width - _taken(headings, rows))
    if times:
        headings.insert(0, "started (UTC)" if wide else "at (UTC)")
        rows = [[Text(time, style="dim"), *cells] for time, cells in zip(times, rows, strict=True)]
    table = bare_table(gap=2 if wide else 1)
    for heading in headings:
        if heading == "what happened":
            table.add_column(heading, ratio=1, overflow="fold")
        elif heading == "id":
            table.add_column(heading, no_wrap=True, min_width=words.SHORT_ID)
        else:
            table.add_column(heading, no_wrap=True, justify="right" if heading == "duration" else "left")
    for cells in rows:
        table.add_row(*cells)
    return table


def _cells(run: ExecutionSummary) -> list[Text]:
    trouble = run.status in ("failed", "cancelled")
    return [
        Text(words.one_line(run.workflow_name or "(direct call)")),
        Text(run.status, style=STATUS_STYLE.get(run.status, "")),
        Text(steps(run)),
        Text(words.lasted(run.status, run.duration_ms)),
        Text(what_happened(run), style="red" if trouble else "yellow"),
        Text(identifier(run.trace_id, run.execution_id), style="dim"),
    ]


def _taken(headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> int:
    """Return how wide a narrow table is at least, with a gap at its left."""
    widths = [
        len(heading) if at == _WORDS else max([len(heading), *(row[at].cell_len for row in rows)])
        for at, heading in enumerate(headings)
    ]
    return sum(widths) + len(widths)


def _times(found: Sequence[ExecutionSummary], now: datetime, room: int) -> list[str]:
    """Write when runs started as well as there is room for; nothing where there is none."""
    for other_day in ("%m-%d %H:%M:%S", "%m-%d"):
        times = [_short(run.started_at.astimezone(UTC), now.astimezone(UTC), other_day) for run in found]
        if max(map(len, ["at (UTC)", *times])) <= room:
            return times
    return []


def _short(moment: datetime, now: datetime, other_day: str) -> str:
    if moment.year != now.year:
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else moment.strftime(other_day)


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
