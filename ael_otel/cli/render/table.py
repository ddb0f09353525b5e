"""The table of runs, and the table of sums that replaces it if there are too many runs to list."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.store import ExecutionRecord

STATUS_STYLE = {
    "completed": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "running": "cyan",
    "pending": "cyan",
    "skipped": "yellow",
}
"""Colour of each status of a run or step."""

_ROOM_FOR_STARTED = 96


def runs(records: Sequence[ExecutionRecord], *, width: int = 100) -> Table:
    """Return a table with a row for each run, in the order of `records`.

    Args:
        records: the runs.
        width: columns of the terminal; a narrow table has no starting times. Times are local.
    """
    table = bare_table(gap=2 if width >= _ROOM_FOR_STARTED else 1)
    started = width >= _ROOM_FOR_STARTED
    if started:
        table.add_column("started", no_wrap=True, style="dim")
    table.add_column("workflow", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("steps", overflow="fold")
    table.add_column("duration", no_wrap=True, justify="right")
    table.add_column("what happened", ratio=1, overflow="fold")
    table.add_column("trace", no_wrap=True, style="dim", min_width=words.SHORT_ID)
    for run in records:
        trouble = run.status in ("failed", "cancelled")
        cells = [
            Text(run.workflow_name or "(direct call)"),
            Text(run.status, style=STATUS_STYLE.get(run.status, "")),
            Text(words.steps(run)),
            Text(words.duration(run.duration_ms)),
            Text(words.what_happened(run), style="red" if trouble else "yellow"),
            Text(words.short_id(run.trace_id)),
        ]
        if started:
            cells.insert(0, Text(f"{run.started_at.astimezone():%H:%M:%S}"))
        table.add_row(*cells)
    return table


def sums(records: Iterable[ExecutionRecord]) -> Table:
    """Return a table with a row for each workflow: runs, failed runs, median and longest duration."""
    from statistics import median

    groups: dict[str, list[ExecutionRecord]] = {}
    for run in records:
        groups.setdefault(run.workflow_name or "(direct call)", []).append(run)
    table = bare_table(gap=2)
    table.add_column("workflow", no_wrap=True)
    for heading in ("runs", "failed", "median", "longest"):
        table.add_column(heading, no_wrap=True, justify="right")
    for name in sorted(groups):
        durations = [run.duration_ms for run in groups[name] if run.duration_ms is not None]
        failed = sum(run.status not in ("completed", "running", "pending") for run in groups[name])
        table.add_row(
            Text(name),
            str(len(groups[name])),
            Text(str(failed), style="red" if failed else "dim"),
            words.duration(median(durations)) if durations else "-",
            words.duration(max(durations)) if durations else "-",
        )
    return table


def bare_table(gap: int) -> Table:
    """Return a table without lines, `gap` columns of the terminal between its own."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), collapse_padding=True, header_style="dim")
