"""`ael trace stats`: the table of figures, and one line about the store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.store import StatsRow, StoreInfo

_ROOM_FOR_ALL: Final = 76
_NARROW: Final = ("failed", "p50", "p95")


def table(by: str, rows: Sequence[StatsRow], *, width: int = 100) -> Table:
    """List the figures of each workflow, tool or day; a narrow terminal has those that tell most."""
    wide = width >= _ROOM_FOR_ALL
    found = bare_table(gap=2 if wide else 1)
    found.add_column(by, overflow="fold")
    found.add_column("calls" if by == "tool" else "runs", no_wrap=True, justify="right")
    shown = ("failed", "rate", "p50", "p95", "p99", "size") if wide else _NARROW
    for heading in shown:
        found.add_column(heading, no_wrap=True, justify="right")
    for row in rows:
        figures = _figures(row)
        found.add_row(
            Text(words.one_line(row.key or "(direct call)")),
            Text(f"{row.count:,}" + (f" ({row.running} going on)" if row.running else "")),
            *(figures[heading] for heading in shown),
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
    }


def _took(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else words.duration(milliseconds)


def summary(info: StoreInfo, bytes_per_day: float | None, zone: Zone = UTC_ZONE) -> Text:
    """Say what the store holds, and what it grows by where runs of a day or more tell that."""
    if not info.executions:
        return Text(f"{_place(info)} holds no runs.", style="dim")
    text = f"{_place(info)}: {info.executions:,} {'run' if info.executions == 1 else 'runs'}"
    if info.running:
        text += f" ({info.running} going on)"
    text += f", {words.size(info.bytes)}"
    if info.oldest is not None:
        text += f", since {zone.when(info.oldest)[:16]} {zone.name}"
    if bytes_per_day is not None:
        text += f"; grows by {words.size(bytes_per_day)} a day"
    return Text(f"{text}.", style="dim")


def taken_out(counts: Mapping[str, int]) -> Text:
    """Say how many secrets of each kind were taken out."""
    told = ", ".join(f"{number:,} {words.one_line(kind)}" for kind, number in counts.items())
    return Text(f"Taken out before they were kept: {told}.", style="dim")


def _place(info: StoreInfo) -> str:
    path = Path(info.location)
    near = path.is_absolute() and path.is_relative_to(Path.cwd())
    return words.one_line(str(path.relative_to(Path.cwd())) if near else info.location)
