"""Render the tables of `ael trace list`: summaries of runs, or the fields that `--fields` names."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import STATUS_STYLE, bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.store import ExecutionRecord, ExecutionSummary
from ael_otel.store.rows import MAX_ERROR_TEXT

_ROOM_FOR_DATES: Final = 96
_SHORTEST_WORDS: Final = len("what happened")
_SHORTEST_NAME: Final = 8
_ROOM_FOR_NAME: Final = 24
MAX_CELL: Final = 200
"""Maximum characters of one value in a table of fields; the other output formats do not cut."""


def runs(
    found: Sequence[ExecutionSummary],
    *,
    width: int | None = 100,
    now: datetime | None = None,
    zone: Zone = UTC_ZONE,
    whole: Mapping[str, ExecutionRecord] = MappingProxyType({}),
) -> Table:
    """Return a table with one line for each run.

    Args:
        found: the runs.
        width: columns of the terminal; None, for a pipe, cuts nothing. A narrow table shows only the time for runs of
            today and only the day for older ones (with the time if it fits), and no times at all if names, ids and
            `what happened` leave no room.
        now: the current time, which decides what today is.
        zone: the time zone of the table.
        whole: records, by execution id, of the runs for which `needs_record` is true.
    """
    wide = width is None or width >= _ROOM_FOR_DATES
    headings = ["workflow", "status", "steps", "duration", "what happened", "id"]
    rows = [_cells(run, whole.get(run.execution_id)) for run in found]
    if width is not None:
        # Otherwise one long name would push the ids of all runs out of the table.
        others = _taken(headings[1:], [cells[1:] for cells in rows], gap=1, words_at_least=0)
        most = max(_SHORTEST_NAME, min(max(_ROOM_FOR_NAME, width * 2 // 5), width - others - 2))
        for cells in rows:
            cells[0].truncate(most, overflow="ellipsis")
    times: list[str] = []
    if wide:
        times = [zone.when(run.started_at) for run in found]
    elif width is not None:
        room = width - _taken(headings, rows, gap=1, words_at_least=_SHORTEST_WORDS)
        times = _times(found, now or datetime.now(UTC), room, zone)
    if times:
        headings.insert(0, f"{'started' if wide else 'at'} ({zone.name})")
        rows = [[Text(time, style="dim"), *cells] for time, cells in zip(times, rows, strict=True)]
    gap = 2 if wide else 1
    if width is not None:
        _fit(headings, rows, width, gap)
    table = bare_table(gap)
    for heading in headings:
        if heading == "id":
            table.add_column(heading, no_wrap=True, min_width=words.SHORT_ID)
        else:
            table.add_column(heading, no_wrap=True, justify="right" if heading == "duration" else "left")
    for cells in rows:
        table.add_row(*cells)
    return table


def _fit(headings: list[str], rows: Sequence[Sequence[Text]], width: int, gap: int) -> None:
    """Cut the column `what happened` to the width that the other columns leave."""
    at = headings.index("what happened")
    room = max(width - _taken(headings, rows, gap, words_at_least=0), 1)
    for cells in rows:
        cells[at].truncate(room, overflow="ellipsis")
    headings[at] = headings[at] if len(headings[at]) <= room else ""


def _cells(run: ExecutionSummary, record: ExecutionRecord | None) -> list[Text]:
    trouble = run.status in ("failed", "cancelled")
    return [
        Text(name(run, record)),
        Text(run.status, style=STATUS_STYLE.get(run.status, "")),
        Text(steps(run)),
        Text(words.lasted(run.status, run.duration_ms)),
        Text(what_happened(run, record), style="red" if trouble else "yellow"),
        Text(identifier(run.trace_id, run.execution_id), style="dim"),
    ]


def _taken(headings: Sequence[str], rows: Sequence[Sequence[Text]], gap: int, words_at_least: int) -> int:
    """Return the width of all columns with a gap after each, with `what happened` at its minimum."""
    widths = [
        words_at_least
        if heading == "what happened"
        else max([len(heading), *(row[at].cell_len for row in rows)])
        for at, heading in enumerate(headings)
    ]
    return sum(widths) + gap * (len(widths) - 1)


def _times(found: Sequence[ExecutionSummary], now: datetime, room: int, zone: Zone) -> list[str]:
    """Return the starting times, as exact as the width allows; an empty list without room for them."""
    for other_day in ("%m-%d %H:%M:%S", "%m-%d"):
        times = [_short(zone.at(run.started_at), zone.at(now), other_day) for run in found]
        if max(map(len, [f"at ({zone.name})", *times])) < room:
            return times
    return []


def _short(moment: datetime, now: datetime, other_day: str) -> str:
    if moment.year != now.year:
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else moment.strftime(other_day)


def fields(names: Sequence[str], rows: Sequence[Sequence[Any]], *, cut: bool = True) -> Table:
    """Return a table of the requested fields, one line for each run; `cut` shortens long values for a terminal."""
    table = bare_table(gap=2)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(value(item, cut=cut)) for item in row))
    return table


def value(item: Any, *, cut: bool = True) -> str:
    """Return a value on one line, cut to `MAX_CELL` characters unless `cut` is False."""
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
    return text if not cut or len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def identifier(trace_id: str, execution_id: str) -> str:
    """Return the short id of a run, which every verb accepts."""
    return words.short_id(trace_id or execution_id.removeprefix("exec-"))


def name(run: ExecutionSummary, record: ExecutionRecord | None = None) -> str:
    """Return the workflow of a run, or `(direct call)`, with the tool if the record is available."""
    if run.workflow_name is not None or record is None or not record.tool_calls:
        return words.one_line(run.workflow_name or "(direct call)")
    call = record.tool_calls[0]
    return words.one_line(f"(direct call) {words.tool(call.tool_name, call.server)}")


def steps(run: ExecutionSummary) -> str:
    """Return the number of steps by outcome: `3 ok`, `2 ok, 3 skip`, `1 of 3, 1 skip` if one failed; else calls."""
    if not run.steps:
        return words.plural(run.tool_calls, "call") if run.tool_calls else "-"
    if run.status in ("pending", "running"):
        return words.plural(run.steps, "step")
    done = run.steps - run.failed - run.skipped
    counted = f"{done} of {run.steps}" if run.failed else f"{done} ok"
    return f"{counted}, {run.skipped} skip" if run.skipped else counted


def needs_record(run: ExecutionSummary, *, cut: bool) -> bool:
    """Return whether a run's line needs more than its summary has: the tool, tolerated steps, a long error."""
    if run.type == "direct" or run.skipped or (run.error_code is None and (run.failed or run.retries)):
        return True
    return not cut and len(run.error_message or "") >= MAX_ERROR_TEXT


def what_happened(run: ExecutionSummary, record: ExecutionRecord | None = None) -> str:
    """Return one line on everything except success: the error, then skipped steps, retries, tolerated failures.

    Without the record, steps are counted instead of named.
    """
    if record is not None:
        return words.what_happened(record)
    notes: list[str] = []
    if run.error_code is not None:
        notes.append(words.error_text(run.error_code, run.error_message or "", run.duration_ms))
    if run.retries:
        notes.append(words.plural(run.retries, "retry"))
    if run.failed and run.error_code is None:
        notes.append(f"{words.plural(run.failed, 'step')} failed")
    if run.skipped:
        notes.append(f"{words.plural(run.skipped, 'step')} skipped")
    return ", ".join(notes)
