"""`ael demo`: the real engine on bundled workflows, then the runs as a table and as trees."""

import sys
from pathlib import Path

import click

from ael_otel.cli.group import EXIT_FAILURE
from ael_otel.cli.options import examples, really_a_number, run_until_interrupted

DEFAULT_RUNS = 12


@click.command(
    "demo",
    short_help="Run bundled workflows on the real engine and show the runs.",
    epilog=examples(
        "ael demo",
        "ael demo --runs 50",
        "ael demo --seconds 60",
        "ael demo --json",
        "ael demo --export my-demo",
    ),
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    help=f"How many runs. Default: {DEFAULT_RUNS}, or no limit with --seconds.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400, min_open=True),
    callback=really_a_number,
    help="Go on for this long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all runs instead.")
@click.option(
    "--export",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write configuration, workflows and tool server to DIR instead of running them.",
)
def command(runs: int | None, seconds: float | None, as_json: bool, directory: Path | None) -> None:
    """Run bundled workflows on the real engine over a real MCP tool server, and show what was recorded.

    Needs neither Docker nor a network. If a Collector answers on localhost:4317, the runs are sent there too. Exit
    code 1 when a run ends otherwise than its workflow is made for.
    """
    if directory is not None:
        _export(directory)
        return
    from ael_otel.cli.showing import demonstrate, show, show_json

    wanted = DEFAULT_RUNS if runs is None and seconds is None else runs
    shown = run_until_interrupted(demonstrate(runs=wanted, seconds=seconds))
    if as_json:
        show_json(shown)
    else:
        show(shown)
    if shown.lost:
        click.echo(f"ael: {shown.lost} of the runs could not be kept: `ael run -v` logs why", err=True)
    for surprise in shown.surprises:
        click.echo(f"ael: unexpected: {surprise}", err=True)
    if shown.surprises:
        sys.exit(EXIT_FAILURE)


def _export(directory: Path) -> None:
    from ael_otel.demo.example import write_example

    config = write_example(directory)
    click.echo(f"Wrote {config}, its workflows and its tool server. Try:")
    click.echo(f"  ael run hello -c {config} -i name=Ada")
    click.echo(f"  ael serve -c {config}")
