"""`ael session export`: sessions as JSON lines, or their spans as OTLP/JSON."""

from datetime import datetime

import click

from ael_otel.cli.options import examples
from ael_otel.cli.session.options import session_filter_options
from ael_otel.cli.trace.options import output_option, store_options
from ael_otel.cli.trace.place import Place


@click.command(
    "export",
    short_help="Export sessions as JSON lines, or their spans as OTLP.",
    epilog=examples(
        "ael session export --since 7d > sessions.jsonl",
        "ael session export 0f3a --output otlp > trace.json",
    ),
)
@click.argument("identifier", metavar="[ID]", required=False)
@session_filter_options
@output_option("jsonl", "otlp")
@store_options
def command(
    identifier: str | None,
    agent: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    output: str,
    place: Place,
) -> None:
    """Write the session that ID names, or those that match, to stdout: one line of JSON for each.

    A line contains the session and its tree; with `otlp` it contains the session's spans in the JSON form of the
    OpenTelemetry protocol.
    """
    from collections.abc import Iterator

    from ael_otel.cli import streams
    from ael_otel.cli.session.session_access import opened
    from ael_otel.export.otlp import encode
    from ael_otel.export.session_spans import session_spans
    from ael_otel.sessions.session import Session
    from ael_otel.store.times import to_us

    if identifier is not None and any(each is not None for each in (agent, status, since, until)):
        raise click.UsageError("either ID or filters")
    with opened(place) as stores:
        if identifier is not None:
            found = [stores.find(identifier)]
        else:
            start = None if since is None else to_us(since)
            end = None if until is None else to_us(until)
            found = stores.select_found(agent=agent, since_us=start, until_us=end, status=status)

        def sessions() -> "Iterator[Session]":
            for record, table in found:
                session = table.session(record)
                if session is not None:
                    yield session

        if output == "jsonl":
            streams.print_lines({"record": each.record, "entries": each.entries} for each in sessions())
        else:
            streams.print_bytes(encode(session_spans(each)) + b"\n" for each in sessions())
