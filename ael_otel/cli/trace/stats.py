"""`ael trace stats`: counts, durations and error rates by workflow, tool or day; and errors by place."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import (
    Filters,
    filter_options,
    output_option,
    store_options,
    zone_option,
)
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import ErrorRow, StatsRow, StoreInfo, TelemetryStore

    type By = Literal["workflow", "tool", "day", "error"]


@click.command(
    "stats",
    short_help="Counts, error rates, percentiles and sizes.",
    epilog=examples(
        "ael trace stats",
        "ael trace stats --by tool --since 7d",
        "ael trace stats --by error --workflow order",
        "ael trace stats --by day --workflow mixed --output csv",
    ),
)
@click.option(
    "--by",
    type=click.Choice(["workflow", "tool", "day", "error"], case_sensitive=False),
    default="workflow",
    show_default=True,
    help="Group by this.",
)
@filter_options
@output_option("table", "json", "jsonl", "csv")
@zone_option
@store_options
def command(by: "By", filters: Filters, output: str, zone: "Zone", place: Place) -> None:
    """Summarise runs by workflow or day, the tool calls of runs by tool, or errors by code, tool and step.

    By error: each error once, at the call or step where it occurred, with its count, its first and last time, and
    the share that a retry recovered; --error and --tool select errors, the other filters select runs.

    By tool, `context` is what the results of calls that an agent made brought into its context, at their full size.

    Percentiles count ended runs and calls only (nearest rank). Below the table are the size of the store, its
    growth, and the number of redactions in these runs by kind; in JSON they are `store` and `redactions`. JSON
    Lines and CSV contain only the rows.
    """
    from ael_otel.cli import streams
    from ael_otel.cli.trace.store_access import opened

    with opened(place) as store:
        rows = _rows(store, by, filters, zone)
        if output == "jsonl":
            streams.print_lines(rows)
            return
        if output == "csv":
            _as_csv(by, rows)
            return
        info, taken_out = store.info(), store.redactions(filters.query())
        per_day = growth(store.stats("day", Filters().query()), info)
    if output == "json":
        about = {name: getattr(info, name) for name in info.__struct_fields__}
        about["bytes_per_day"] = per_day
        streams.print_document({"by": by, "rows": rows, "redactions": taken_out, "store": about})
        return
    from ael_otel.cli.render import stats_table as figures
    from ael_otel.cli.render.terminal import console, is_pipe, print_table

    out = console()
    if rows:
        width = None if is_pipe(out) else out.width
        print_table(out, figures.table(by, rows, width=width, zone=zone))
        out.print()
    elif by == "error":
        out.print("No errors match.")
    out.print(figures.summary(info, per_day, zone))
    if taken_out:
        out.print(figures.taken_out(taken_out))


def _rows(
    store: "TelemetryStore", by: "By", filters: Filters, zone: "Zone"
) -> "list[StatsRow] | list[ErrorRow]":
    """Return the figures; figures by day in another zone than UTC are computed here, not in the store."""
    from ael_otel.cli.render.zone import UTC_ZONE

    if by == "error":
        return store.errors(filters.query())
    if by != "day" or zone is UTC_ZONE:
        return store.stats(by, filters.query())
    from ael_otel.store.stats import Figure, summarise
    from ael_otel.store.times import from_us, to_us

    figures = (
        Figure(
            run.workflow_name,
            to_us(run.started_at),
            run.status,
            None if run.duration_ms is None else round(run.duration_ms * 1e3),
            run.bytes,
        )
        for run in store.query(filters.query()).runs
    )
    return summarise(by, figures, lambda us: f"{zone.at(from_us(us)):%Y-%m-%d}")


def growth(days: "Sequence[StatsRow]", info: "StoreInfo") -> float | None:
    """Return the average bytes a day since the first UTC day that is still stored, including days without runs.

    None if the runs span less than 24 hours, which is too short for an average. 0 for a store without runs.
    """
    if not days or info.oldest is None or info.newest is None:
        return 0.0
    if info.newest - info.oldest < timedelta(days=1):
        return None
    keys = sorted(date.fromisoformat(row.key) for row in days)
    return sum(row.bytes for row in days) / ((keys[-1] - keys[0]).days + 1)


def _as_csv(by: "By", rows: "list[StatsRow] | list[ErrorRow]") -> None:
    from ael_otel.cli import streams
    from ael_otel.export import sheet
    from ael_otel.store import ErrorRow, StatsRow

    names = (ErrorRow if by == "error" else StatsRow).__struct_fields__
    values = [[getattr(row, name) for name in names] for row in rows]
    streams.print_bytes(line.encode() for line in sheet.lines([names, *values]))
