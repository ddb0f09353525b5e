"""`ael insights`: why runs fail, what got slower and where time is lost, from the stored runs."""

from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import Filters, filter_options, output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone
    from ael_otel.insights import Insights


@click.command(
    "insights",
    short_help="Find out why runs fail, what got slower, where time is lost.",
    epilog=examples(
        "ael insights",
        "ael insights --workflow mixed --since 7d",
        "ael insights --output json --where 'steps > 1'",
    ),
)
@filter_options
@output_option("table", "json")
@zone_option
@store_options
def command(filters: Filters, output: str, zone: "Zone", place: Place) -> None:  # noqa: ARG001 - read by the filters
    """Print up to seven findings, the most expensive ones first.

    A finding is one sentence with its figure, its sample size and its confidence, and two runs to compare with
    `ael trace diff`. A finding without enough runs is not reported. Of more than 20,000 runs, the newest are analysed.
    """
    from ael_otel.cli import streams
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.insights import insights

    with opened(place) as store:
        found = insights(store.iterate(filters.query()))
    try:
        if output == "json":
            streams.print_document(found)
        else:
            _print(found)
    except BrokenPipeError:
        streams.give_up_stdout()


def _print(found: "Insights") -> None:
    from ael_otel.cli.render import text as words

    for number, finding in enumerate(found.findings, 1):
        click.echo(f"{number}. {words.one_line(finding.text)}")
        confidence = "counted" if finding.p is None else f"p = {finding.p:.2g}"
        compare = f"; ael trace diff {' '.join(finding.runs)}" if len(finding.runs) == 2 else ""
        click.echo(f"   {confidence}{compare}")
    if not found.runs:
        click.echo("No runs match these filters.")
        return
    if not found.findings:
        click.echo(
            "No findings: no pattern occurs in enough runs. `ael trace stats --by error` counts single errors."
        )
    newest = "the newest " if found.cut else ""
    click.echo(f"Analysed {newest}{words.plural(found.runs, 'run')}.")
