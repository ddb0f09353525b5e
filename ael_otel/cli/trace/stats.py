"""`ael trace stats`: how many, how long, how often they fail, by workflow, tool or day."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import Filters, Place, filter_options, output_option, store_options

if TYPE_CHECKING:
    from ael_otel.store import StatsRow


@click.command(
    "stats",
    short_help="Counts, error rates, percentiles and sizes.",
    epilog=examples(
        "ael trace stats",
        "ael trace stats --by tool --since 7d",
        "ael trace stats --by day --workflow mixed --output csv",
    ),
)
@click.option(
    "--by",
    type=click.Choice(["workflow", "tool", "day"], case_sensitive=False),
    default="workflow",
    show_default=True,
    help="Figures of each.",
)
@filter_options
@output_option("table", "json", "jsonl", "csv")
@store_options
def command(by: Literal["workflow", "tool", "day"], filters: Filters, output: str, place: Place) -> None:
    """Sum runs up by workflow or UTC day, or the tool calls of runs by tool.

    Percentiles are of what ended (nearest rank). The lines below the table tell the size of the store and
    its growth, and what was taken out of these runs before they were kept, by kind; in JSON they are `store`
    and `redactions`. JSON Lines and CSV are the rows alone.
    """
    from ael_otel.cli import streams
    from ael_otel.cli.trace.store_access import opened

    with opened(place) as store:
        rows = store.stats(by, filters.query())
        if output == "jsonl":
            streams.print_lines(rows)
            return
        if output == "csv":
            _as_csv(rows)
            return
        days = rows if by == "day" and not filters.any() else store.stats("day", Filters().query())
        info, per_day, taken_out = store.info(), growth(days), store.redactions(filters.query())
    if output == "json":
        about = {name: getattr(info, name) for name in info.__struct_fields__}
        about["bytes_per_day"] = per_day
        streams.print_document({"by": by, "rows": rows, "redactions": taken_out, "store": about})
        return
    from ael_otel.cli.render import stats_table as figures
    from ael_otel.cli.render.terminal import console

    out = console()
    if rows:
        out.print(figures.table(by, rows, width=out.width))
        out.print()
    out.print(figures.summary(info, per_day))
    if taken_out:
        out.print(figures.taken_out(taken_out))


def growth(days: "Sequence[StatsRow]") -> float:
    """Return the bytes a day since the first day that is still stored, the days without runs counted."""
    if not days:
        return 0.0
    keys = sorted(date.fromisoformat(row.key) for row in days)
    return sum(row.bytes for row in days) / ((keys[-1] - keys[0]).days + 1)


def _as_csv(rows: "list[StatsRow]") -> None:
    from ael_otel.cli import streams
    from ael_otel.export import sheet
    from ael_otel.store import StatsRow

    names = StatsRow.__struct_fields__
    values = [[getattr(row, name) for name in names] for row in rows]
    streams.print_bytes(line.encode() for line in sheet.lines([names, *values]))
