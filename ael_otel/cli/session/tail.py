"""`ael session tail`: follow the sessions of agents."""

import time
from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import follow_options, output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone
    from ael_otel.cli.session.session_access import SessionStores
    from ael_otel.sessions.session import Entry, SessionRecord

_OVERLAP_US = 3600 * 10**6
"""Microseconds since the last event of a session after which it is not read again."""


@click.command(
    "tail",
    short_help="Follow the sessions of agents.",
    epilog=examples("ael session tail", "ael session tail --agent codex --seconds 60 --output jsonl"),
)
@click.option(
    "--agent", metavar="NAME", help="Sessions of this agent: claude-code, cursor, gemini-cli and so on."
)
@follow_options
@output_option("text", "jsonl")
@zone_option
@store_options
def command(
    agent: str | None, seconds: float | None, interval: float, output: str, zone: "Zone", place: Place
) -> None:
    """Print a line for each turn, tool call and idle time that ends from now on, until Ctrl-C."""
    from ael_otel.cli import streams
    from ael_otel.cli.render.session_view import line
    from ael_otel.cli.session.session_access import opened

    deadline = None if seconds is None else time.monotonic() + seconds
    with opened(place) as stores:
        seen = {key for key, _, _ in _ended(stores, agent)}
        while deadline is None or time.monotonic() < deadline:
            time.sleep(interval if deadline is None else min(interval, max(0.0, deadline - time.monotonic())))
            for key, record, entry in _ended(stores, agent):
                if key not in seen:
                    seen.add(key)
                    if output == "jsonl":
                        streams.print_lines(
                            [{"session_id": record.session_id, "agent": record.agent, "entry": entry}]
                        )
                    else:
                        click.echo(line(record, entry, zone))


def _ended(
    stores: "SessionStores", agent: str | None
) -> "list[tuple[tuple[str, str, str], SessionRecord, Entry]]":
    """Return entries that have ended, ordered by end, of sessions with an event in the last hour."""
    from ael_otel.store.owner import now_us

    cutoff = now_us() - _OVERLAP_US
    found: list[tuple[tuple[str, str, str], SessionRecord, Entry]] = []
    for table in stores.tables:
        for record in table.select(agent=agent, limit=None, keep=lambda each: each.last_us >= cutoff):
            session = table.session(record)
            entries = [] if session is None else [each for each in session.entries if each.end_us is not None]
            found += [((record.agent, record.session_id, each.key), record, each) for each in entries]
    return sorted(found, key=lambda each: each[2].end_us or 0)
