"""`ael session list`: the latest sessions, or those that match."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import examples
from ael_otel.cli.session.options import session_filter_options
from ael_otel.cli.trace.options import output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone


@click.command(
    "list",
    short_help="List the latest sessions, or those that match.",
    epilog=examples("ael session list", "ael session list --agent codex --since 7d --output json"),
)
@session_filter_options
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Maximum number of sessions.",
)
@output_option("table", "json", "jsonl")
@zone_option
@store_options
def command(
    agent: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    output: str,
    zone: "Zone",
    place: Place,
) -> None:
    """List sessions, the latest start first, one line for each."""
    from ael_otel.cli import streams
    from ael_otel.cli.session.session_access import opened
    from ael_otel.store.times import to_us

    with opened(place) as stores:
        found = stores.select(
            agent=agent,
            since_us=None if since is None else to_us(since),
            until_us=None if until is None else to_us(until),
            status=status,
            limit=limit,
        )
    if output == "json":
        streams.print_document(found)
    elif output == "jsonl":
        streams.print_lines(found)
    elif found:
        from ael_otel.cli.render.session_view import table
        from ael_otel.cli.render.terminal import console, is_pipe, print_table

        out = console()
        print_table(out, table(found, width=None if is_pipe(out) else out.width, zone=zone))
    if not found:
        filtered = any(each is not None for each in (agent, status, since, until))
        click.echo("No sessions match." if filtered else "No sessions are stored.", err=True)
