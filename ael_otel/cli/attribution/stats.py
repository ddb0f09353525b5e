"""`ael attribution stats`: shares of ai, human, mixed and unknown lines."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, store_options, when, zone_option
from ael_otel.cli.trace.place import Place
from ael_otel.errors import AttributionError

if TYPE_CHECKING:
    from ael_otel.attribution.counting import Grouping
    from ael_otel.cli.render.zone import Zone

GROUPINGS = ("author", "agent", "model", "directory", "day")


@click.command(
    "stats",
    short_help="Count lines by who wrote them.",
    epilog=examples(
        "ael attribution stats",
        "ael attribution stats --by agent --since 7d",
        "ael attribution stats --by directory --output json",
    ),
)
@click.option(
    "--by",
    type=click.Choice(GROUPINGS, case_sensitive=False),
    help="Also by Git's author, agent, model, top directory, or day of the change.",
)
@click.option(
    "--since", metavar="TIME", callback=when, help="Count only lines that were added at this time or later."
)
@output_option("table", "json")
@zone_option
@store_options
def command(by: str | None, since: datetime | None, output: str, zone: "Zone", place: Place) -> None:  # noqa: ARG001 - the zone is for `--since`
    """Count the lines of the tracked files in the repository of the working directory, and the lines that changes
    added.

    `now` are the lines as they are in the work tree, without lock files, generated and vendored ones. `added` are the
    lines that recorded calls wrote, also those that are gone again; lines that were added outside of any call are not
    recorded. By Git's author, `added` are the lines that came in with commits of this author; those that no commit has
    yet are under `-`.
    """
    from ael_otel.attribution.counting import count
    from ael_otel.attribution.history import History
    from ael_otel.cli import streams
    from ael_otel.cli.ledgers import opened_ledgers
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor
    from ael_otel.store.times import to_us

    history = History.around(Path.cwd())
    if history is None:
        raise AttributionError("the working directory is not in a readable Git repository")
    with opened_ledgers(place) as found:
        counted = count(
            found.ledgers,
            history,
            cast("Grouping | None", by),
            since_us=None if since is None else to_us(since),
            excluded=Redactor(Policy.of(place.settings)).names_excluded,
        )
    if output == "json":
        streams.print_document(counted)
        return
    from ael_otel.cli.render import text as words
    from ael_otel.cli.render.lines_table import table
    from ael_otel.cli.render.terminal import console, print_table

    print_table(console(), table(counted, by))
    if counted.files_left:
        click.echo(
            f"Not counted: {words.plural(counted.files_left, 'file')} that are binary, too large or excluded.",
            err=True,
        )
