"""Render line counts by contributor as a table for a terminal."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.attribution.agent_trace import CONTRIBUTOR_TYPES
from ael_otel.attribution.counting import Count, Row
from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table

_ORDER: Final = sorted(CONTRIBUTOR_TYPES)


def table(counted: Count, by: str | None) -> Table:
    """Return a table of groups and their sum: lines now with the share of each contributor type, and lines added."""
    listed = bare_table(gap=2)
    listed.add_column(by or "", no_wrap=True)
    for heading in ("lines now", *_ORDER, "added", *(f"by {kind}" for kind in _ORDER)):
        listed.add_column(heading, no_wrap=True, justify="right")
    for row in (*counted.rows, counted.total):
        style = "bold" if row is counted.total else ""
        listed.add_row(
            Text(words.one_line(row.name), style=style), *(Text(cell, style=style) for cell in _cells(row))
        )
    return listed


def _cells(row: Row) -> Iterator[str]:
    for counts in (row.now, row.added):
        total = sum(counts.values())
        yield str(total)
        for kind in _ORDER:
            share = counts.get(kind, 0)
            yield f"{share / total:.0%}" if share else "-"
