"""`ael trace list`: list the latest runs, or those that match."""

from typing import TYPE_CHECKING, Final

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
    from ael_otel.store import ExecutionRecord, Page, TelemetryStore


MAX_COUNTED: Final = 10_000
"""Maximum number of further runs that are counted: counting more would take longer than listing."""


@click.command(
    "list",
    short_help="List the latest runs, or those that match.",
    epilog=examples(
        "ael trace list",
        "ael trace list --status failed --since 7d",
        "ael trace list --workflow mixed --min-duration 5ms --limit 5",
        "ael trace list --from 2026-01-01 --to 2126-01-01T12:00:00+01:00 --tool echo",
        "ael trace list --text declined --output json",
        "ael trace list --where 'step.tool = echo and step.status = completed and duration > 1ms'",
        "ael trace list --fields workflow_name,status,error.message,steps.step_id --output csv",
    ),
)
@filter_options
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="Maximum number of runs."
)
@click.option("--cursor", metavar="CURSOR", help="Continue after the last run of an earlier list.")
@output_option("table", "json", "jsonl", "csv")
@click.option(
    "--fields", metavar="A,B.C", help="Show only these fields of the run, by their names in its JSON."
)
@zone_option
@store_options
def command(
    filters: Filters,
    limit: int,
    cursor: str | None,
    output: str,
    fields: str | None,
    zone: "Zone",
    place: Place,
) -> None:
    """List runs, newest first, one line for each: cut to the width of a terminal, complete in a pipe.

    If there are more runs, stderr contains the cursor for the next page; stdout contains only the runs.
    """
    from ael_otel.cli.trace.store_access import opened

    query = filters.query(limit=limit, cursor=cursor)
    with opened(place) as store:
        page = store.query(query)
        if fields is not None:
            _show_fields(store, page, fields, output)
        else:
            _show(store, page, output, zone)
        _tell_what_is_left(store, page, filters, searched=query.text is not None)


def _show(store: "TelemetryStore", page: "Page", output: str, zone: "Zone") -> None:
    if output == "table":
        from ael_otel.cli.render import run_table as listing
        from ael_otel.cli.render.terminal import console, is_pipe, print_table

        out = console()
        if page.runs:
            width = None if is_pipe(out) else out.width
            whole = records_of(store, page, cut=width is not None)
            print_table(out, listing.runs(page.runs, width=width, zone=zone, whole=whole))
        return
    from ael_otel.cli import streams

    if output == "json":
        streams.print_document(page.runs)
    elif output == "jsonl":
        streams.print_lines(page.runs)
    else:
        from ael_otel.export import sheet

        names = page.runs[0].__struct_fields__ if page.runs else listing_fields()
        rows = ([getattr(run, name) for name in names] for run in page.runs)
        streams.print_bytes(line.encode() for line in sheet.lines([names, *rows]))


def records_of(store: "TelemetryStore", page: "Page", *, cut: bool) -> "dict[str, ExecutionRecord]":
    """Return the records of those runs on a page whose summary lacks something that their line shows.

    A damaged record is left out: its line is made from the summary.
    """
    from ael_otel.cli.render.run_table import needs_record
    from ael_otel.errors import StoreError

    found: dict[str, ExecutionRecord] = {}
    for run in page.runs:
        if needs_record(run, cut=cut):
            try:
                record = store.get(run.execution_id)
            except StoreError:
                continue
            if record is not None:
                found[run.execution_id] = record
    return found


def listing_fields() -> tuple[str, ...]:
    """Return the names of the fields in a run's summary."""
    from ael_otel.store import ExecutionSummary

    return ExecutionSummary.__struct_fields__


def _show_fields(store: "TelemetryStore", page: "Page", fields: str, output: str) -> None:
    from ael_otel.cli import streams
    from ael_otel.cli.trace.fields import parse, pick

    names = parse(fields)
    rows = [dict(zip(names, pick(store, run, names), strict=True)) for run in page.runs]
    if output == "json":
        streams.print_document(rows)
    elif output == "jsonl":
        streams.print_lines(rows)
    elif output == "csv":
        from ael_otel.export import sheet

        streams.print_bytes(
            line.encode() for line in sheet.lines([names, *(list(row.values()) for row in rows)])
        )
    elif rows:
        from ael_otel.cli.render import run_table as listing
        from ael_otel.cli.render.terminal import console, is_pipe, print_table

        out = console()
        values = [list(row.values()) for row in rows]
        print_table(out, listing.fields(names, values, cut=not is_pipe(out)))


def _tell_what_is_left(store: "TelemetryStore", page: "Page", filters: Filters, *, searched: bool) -> None:
    if not page.runs:
        click.echo("No runs match." if filters.any() else "No runs are stored.", err=True)
    if page.cursor is None:
        return
    if searched:
        # Counting them would need to read every run.
        click.echo(f"More match: --cursor {page.cursor}", err=True)
        return
    left = store.count(filters.query(cursor=page.cursor), MAX_COUNTED + 1)
    # Some of them may have been deleted since the page was read.
    number = f"{MAX_COUNTED:,}+" if left > MAX_COUNTED else str(max(left, 1))
    click.echo(f"{number} more: --cursor {page.cursor}", err=True)
