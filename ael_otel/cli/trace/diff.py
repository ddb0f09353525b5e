"""`ael trace diff`: show what differs between two runs."""

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, run_id, store_options
from ael_otel.cli.trace.place import Place


@click.command(
    "diff",
    short_help="Show what differs between two runs of a workflow.",
    epilog=examples("ael trace diff a0f63b41 b1e29c07", "ael trace diff a0f63b41 b1e29c07 --output json"),
)
@click.argument("first", metavar="A", shell_complete=run_id)
@click.argument("second", metavar="B", shell_complete=run_id)
@output_option("table", "json")
@store_options
def command(first: str, second: str, output: str, place: Place) -> None:
    """Show what differs between the runs A and B: inputs, steps, parameters, results, errors, durations.

    Steps are matched by their names. The exit code is 0 whether or not the runs differ.
    """
    from ael_otel.cli.trace.store_access import find, opened
    from ael_otel.export.compare import compare

    with opened(place) as store:
        a, b = find(store, first), find(store, second)
    found = compare(a, b)
    if output == "json":
        from ael_otel.cli.streams import print_document

        print_document(found)
        return
    from ael_otel.cli.render import differences
    from ael_otel.cli.render.terminal import console

    if not found.same_workflow:
        click.echo("These are runs of different workflows; steps are matched by their names.", err=True)
    out = console()
    out.print(differences.comparison(found, a, b, width=out.width))
