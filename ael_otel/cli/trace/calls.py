"""`ael trace calls`: list tool calls, one per line, with their arguments, from the stored records."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import (
    Filters,
    call_filter_options,
    output_option,
    store_options,
    zone_option,
)
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from rich.table import Table

    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import TelemetryStore, ToolCallRecord


_ROOM_FOR_TIMES = 96
_SHORTEST_NAME = 12


class CallRow(msgspec.Struct, frozen=True):
    """One tool call and its run; content as it is in the record."""

    started_at: datetime
    tool: str
    server: str | None
    status: str
    duration_ms: float | None
    error_code: str | None
    error_message: str | None
    workflow: str | None
    step: str | None
    source: str
    execution_id: str
    trace_id: str
    span_id: str
    arguments: Any = None
    result: Any = None


@click.command(
    "calls",
    short_help="List tool calls with their arguments.",
    epilog=examples(
        "ael trace calls --tool echo",
        "ael trace calls --status error --since 7d --output jsonl",
        "ael trace calls --where 'call.tool = echo and call.duration > 5ms'",
    ),
)
@call_filter_options
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Maximum number of calls.",
)
@output_option("table", "json", "jsonl", "csv")
@zone_option
@store_options
def command(filters: Filters, limit: int, output: str, zone: "Zone", place: Place) -> None:
    """List tool calls of the latest runs, newest run first, one line for each with arguments and error.

    --tool, --status, --error and --min-duration select calls, the other filters select runs; --where selects runs too,
    and its `call.` fields select calls.
    """
    from ael_otel.cli import streams
    from ael_otel.cli.trace.store_access import opened

    with opened(place) as store:
        rows = list(islice(calls(store, filters), limit))
    if output == "json":
        streams.print_document(rows)
    elif output == "jsonl":
        streams.print_lines(rows)
    elif output == "csv":
        from ael_otel.export import sheet

        names = CallRow.__struct_fields__
        values = [[getattr(row, name) for name in names] for row in rows]
        streams.print_bytes(line.encode() for line in sheet.lines([names, *values]))
    elif rows:
        from ael_otel.cli.render.terminal import console, is_pipe, print_table

        out = console()
        print_table(out, table(rows, zone, width=None if is_pipe(out) else out.width))
    if not rows:
        click.echo("No calls match.", err=True)


def calls(store: "TelemetryStore", filters: Filters) -> "Iterator[CallRow]":
    """Yield the matching calls, those of the newest run first, and those of one run ordered by start."""
    from dataclasses import replace

    # These filters apply to calls: a matching run may have others, and a failed call does not fail its run.
    of_runs = replace(filters, status=None, min_duration=None)
    for run in store.iterate(of_runs.query()):
        found = [*run.tool_calls, *(call for step in run.steps for call in step.tool_calls)]
        if filters.where is not None:
            from ael_otel.store.rows import row_of
            from ael_otel.store.where.predicate import calls_that_match

            chosen = calls_that_match(row_of(run), filters.where)
            found = [call for call, matches in zip(found, chosen, strict=True) if matches]
        for call in sorted(found, key=lambda call: call.started_at):
            if _matches(call, filters):
                yield CallRow(
                    call.started_at,
                    call.tool_name,
                    call.server,
                    call.status,
                    call.duration_ms,
                    None if call.error is None else call.error.code,
                    None if call.error is None else call.error.message,
                    run.workflow_name,
                    call.step_id,
                    call.source,
                    run.execution_id,
                    run.trace_id,
                    call.span_id,
                    call.params,
                    call.result,
                )


def _matches(call: "ToolCallRecord", wanted: Filters) -> bool:
    return (
        wanted.tool in (None, call.tool_name)
        and wanted.status in (None, call.status)
        and (wanted.error is None or (call.error is not None and call.error.code == wanted.error))
        and (wanted.min_duration is None or (call.duration_ms or 0.0) >= wanted.min_duration)
    )


def table(rows: list[CallRow], zone: "Zone", *, width: int | None) -> "Table":
    """Return a table with one line for each call.

    `width` is the columns of the terminal, to which long values are cut; None, for a pipe, cuts nothing. A narrow table
    has neither start nor duration.
    """
    from rich.text import Text

    from ael_otel.cli.render import text as words
    from ael_otel.cli.render.run_table import identifier, value
    from ael_otel.cli.render.table import bare_table

    wide = width is None or width >= _ROOM_FOR_TIMES
    built = bare_table(gap=2 if wide else 1)
    if wide:
        built.add_column(f"started ({zone.name})", no_wrap=True)
    built.add_column("id", no_wrap=True, min_width=words.SHORT_ID)
    for heading in ("tool", "step"):
        built.add_column(heading, no_wrap=True)
    built.add_column("status", no_wrap=True, min_width=max((len(row.status) for row in rows), default=0))
    if wide:
        built.add_column("duration", no_wrap=True, justify="right")
    for heading in ("arguments", "error"):
        built.add_column(heading, no_wrap=True, overflow="ellipsis")

    def name(text: str) -> Text:
        shown = Text(words.one_line(text))
        if width is not None:
            # One long name would leave no space for the arguments and errors of the other rows.
            shown.truncate(max(_SHORTEST_NAME, width // 4), overflow="ellipsis")
        return shown

    for row in rows:
        error = "" if row.error_code is None else words.error_text(row.error_code, row.error_message or "")
        started = [Text(zone.when(row.started_at), style="dim")] if wide else []
        took = [Text(words.lasted(row.status, row.duration_ms))] if wide else []
        built.add_row(
            *started,
            Text(identifier(row.trace_id, row.execution_id), style="dim"),
            *map(
                name,
                (words.tool(row.tool, row.server), ".".join(filter(None, (row.workflow, row.step))) or "-"),
            ),
            Text(row.status, style="" if row.status in ("success", "running") else "red"),
            *took,
            Text(value(row.arguments, cut=width is not None)),
            Text(error, style="red"),
        )
    return built
