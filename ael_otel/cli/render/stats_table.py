"""Render `ael trace stats`: the table of figures or of errors, and one line about the store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.store import ErrorRow, StatsRow, StoreInfo

_ROOM_FOR_ALL: Final = 76
_NARROW: Final = ("failed", "p50", "p95")
_ROOM_FOR_FIRST: Final = 110
_LONGEST_NAME: Final = 80
"""Maximum characters of a name on a terminal, at most its width; a longer name is folded."""


def table(
    by: str,
    rows: Sequence[StatsRow] | Sequence[ErrorRow],
    *,
    width: int | None = 100,
    zone: Zone = UTC_ZONE,
) -> Table:
    """Return a table of the figures of each workflow, tool, day or error; a narrow one has the most important figures.

    `width` is the columns of the terminal; None, for a pipe, includes all figures.
    """
    errors = [row for row in rows if isinstance(row, ErrorRow)]
    if errors:
        return _errors(errors, width, zone)
    return _sums(by, [row for row in rows if isinstance(row, StatsRow)], width)


def _sums(by: str, rows: Sequence[StatsRow], width: int | None) -> Table:
    wide = width is None or width >= _ROOM_FOR_ALL
    found = bare_table(gap=2 if wide else 1)
    found.add_column(by, overflow="fold")
    found.add_column("calls" if by == "tool" else "runs", no_wrap=True, justify="right")
    shown = ("failed", "rate", "p50", "p95", "p99", "size") if wide else _NARROW
    if by == "tool" and any(row.context_bytes for row in rows):
        shown = (*shown, "context")
    for heading in shown:
        found.add_column(heading, no_wrap=True, justify="right")
    for row in rows:
        figures = _figures(row)
        key = Text(words.one_line(row.key or "(direct call)"))
        if width is not None:
            key.truncate(max(width, _LONGEST_NAME), overflow="ellipsis")
        found.add_row(
            key,
            Text(f"{row.count:,}" + (f" ({row.running} in flight)" if row.running else "")),
            *(figures[heading] for heading in shown),
        )
    return found


def _errors(rows: Sequence[ErrorRow], width: int | None, zone: Zone) -> Table:
    """Return a table of errors; a narrow one has only the time of the last one, a very narrow one no time."""
    wide = width is None or width >= _ROOM_FOR_FIRST
    found = bare_table(gap=2 if wide else 1)
    for heading in ("error", "tool", "step"):
        found.add_column(heading, overflow="fold")
    for heading in ("count", "recovered"):
        found.add_column(heading, no_wrap=True, justify="right")
    last = ("last seen",) if width is None or width >= _ROOM_FOR_ALL else ()
    seen = ("first seen", "last seen") if wide else last
    for heading in seen:
        found.add_column(f"{heading} ({zone.name})", no_wrap=wide, overflow="fold")
    for row in rows:
        times = (row.first_seen, row.last_seen)[-len(seen) :] if seen else ()
        names = [
            Text(words.one_line(row.code), style="red" if row.recovered < row.count else "yellow"),
            Text(words.one_line(row.tool or "-")),
            Text(words.one_line(".".join(filter(None, (row.workflow, row.step))) or "-")),
        ]
        if width is not None:
            for name in names:
                name.truncate(max(width, _LONGEST_NAME), overflow="ellipsis")
        found.add_row(
            *names,
            Text(f"{row.count:,}"),
            Text(f"{row.recovery_rate:.0%}" if row.recovered else "-"),
            *(Text(zone.when(time), style="dim") for time in times),
        )
    return found


def _figures(row: StatsRow) -> dict[str, Text]:
    style = "red" if row.errors else "dim"
    return {
        "failed": Text(f"{row.errors:,}", style=style),
        "rate": Text(f"{row.error_rate:.1%}", style=style),
        "p50": Text(_took(row.p50_ms)),
        "p95": Text(_took(row.p95_ms)),
        "p99": Text(_took(row.p99_ms)),
        "size": Text(words.size(row.bytes), style="dim"),
        "context": Text(words.size(row.context_bytes) if row.context_bytes else "-"),
    }


def _took(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else words.duration(milliseconds)


def summary(info: StoreInfo, bytes_per_day: float | None, zone: Zone = UTC_ZONE) -> Text:
    """Return a line with the content of the store, and its growth per day if runs span a day or more."""
    if not info.executions:
        return Text(f"{_place(info)} holds no runs.", style="dim")
    text = f"{_place(info)}: {info.executions:,} {'run' if info.executions == 1 else 'runs'}"
    if info.running:
        text += f" ({info.running} in flight)"
    text += f", {words.size(info.bytes)}"
    if info.oldest is not None:
        text += f", since {zone.when(info.oldest)[:16]} {zone.name}"
    if bytes_per_day is not None:
        text += f"; grows by {words.size(bytes_per_day)} a day"
    return Text(f"{text}.", style="dim")


def taken_out(counts: Mapping[str, int]) -> Text:
    """Return a line with the number of redactions of each kind."""
    kinds = ", ".join(f"{number:,} {words.one_line(kind)}" for kind, number in counts.items())
    return Text(f"Redacted before they were stored: {kinds}.", style="dim")


def _place(info: StoreInfo) -> str:
    path = Path(info.location)
    near = path.is_absolute() and path.is_relative_to(Path.cwd())
    return words.one_line(str(path.relative_to(Path.cwd())) if near else info.location)
