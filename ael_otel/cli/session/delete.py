"""`ael session delete`: delete sessions by id, permanently."""

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, store_options
from ael_otel.cli.trace.place import Place


@click.command(
    "delete",
    short_help="Delete sessions permanently.",
    epilog=examples("ael session delete 0f3a --yes"),
)
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@output_option("text", "json")
@store_options
def command(identifiers: tuple[str, ...], yes: bool, output: str, place: Place) -> None:
    """Delete the sessions that ID... name permanently, with all their events and pages; runs that they caused remain.

    Spans that were sent to a server remain there until its own retention ends.
    """
    from ael_otel.cli.render import text as words
    from ael_otel.cli.session.session_access import opened
    from ael_otel.cli.trace.pages import remove_of
    from ael_otel.cli.trace.prune import ask

    with opened(place) as stores:
        chosen = {each.record.trace_id: each.record for each in map(stores.find, identifiers)}
        if not yes:
            ask(f"Delete {words.plural(len(chosen), 'session')} permanently?")
        # From all stores: a session that two of them have would otherwise be listed again.
        deleted = 0
        for each in chosen.values():
            deleted += sum(table.delete([each]) for table in stores.tables) > 0
        remove_of([each.session_id for each in chosen.values()], "session")
    traces = list(chosen)
    if output == "json":
        from ael_otel.cli.streams import print_document

        print_document({"sessions": deleted, "remains": {"traces": traces}})
    else:
        click.echo(f"Deleted {words.plural(deleted, 'session')}.")
