"""`ael session show`: one session as a tree of turns, calls, decisions and idle times, as JSON, as a page."""

from typing import TYPE_CHECKING, Any, Final

import click

from ael_otel.cli.options import examples
from ael_otel.cli.session.options import session_argument
from ael_otel.cli.trace.options import output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.attribution.written import Written
    from ael_otel.cli.render.zone import Zone
    from ael_otel.cli.session.session_access import SessionStores
    from ael_otel.sessions.session import Session, SessionRecord

_MAX_PAGES: Final = 100
"""Maximum number of runs with a page beside that of their session; later runs are listed without a page."""


@click.command(
    "show",
    short_help="Show one session: turns, tool calls, idle time, errors, runs.",
    epilog=examples(
        "ael session show",
        "ael session show 0f3a",
        "ael session show latest --output json",
        "ael session show 0f3a --web",
    ),
)
@session_argument
@click.option(
    "--web",
    is_flag=True,
    help="Write it as a page that needs no network, and open it in the browser; it is removed after a day.",
)
@click.option("--no-open", is_flag=True, help="With --web: only write the page and print its name.")
@output_option("tree", "json")
@zone_option
@store_options
def command(identifier: str, web: bool, no_open: bool, output: str, zone: "Zone", place: Place) -> None:
    """Show the session that ID names: its id or trace id, or the first characters of one if no other session has them.

    Without ID, or with `latest`, show the session that started last. The page links to the pages of the runs that the
    session caused, which are written beside it.
    """
    if web and output == "json":
        raise click.UsageError("either --web or --output json")
    from ael_otel.cli.session.session_access import no_session, opened

    with opened(place) as stores:
        record, table = stores.find(identifier)
        session = table.session(record)
        if session is None:
            raise no_session(identifier)
        runs = stores.runs_of(record)
        written = written_by(stores, record, place)
        if web:
            _page(session, runs, stores, browse=not no_open)
            return
    if output == "json":
        from ael_otel.cli.streams import print_document

        document: dict[str, Any] = {
            name: getattr(session.record, name) for name in session.record.__struct_fields__
        }
        print_document({**document, "entries": session.entries, "runs": runs, "written": written})
        return
    from ael_otel.cli.render.session_view import tree
    from ael_otel.cli.render.terminal import ascii_only, console

    out = console()
    out.print(tree(session, runs, width=out.width, ascii_only=ascii_only(out), zone=zone))
    if written:
        from ael_otel.cli.render.attribution import lines_table

        out.print()
        out.print(lines_table(written, width=out.width))


def written_by(stores: "SessionStores", record: "SessionRecord", place: Place) -> "list[Written]":
    """Return what calls of a session wrote, without files that are excluded now."""
    from ael_otel.attribution.written import written_of
    from ael_otel.cli.ledgers import ledger_of

    redaction = place.redaction
    changes = {
        change.id: change
        for store in stores.stores
        if (ledger := ledger_of(store, redaction)) is not None
        for change in ledger.changes(agent=record.agent, session_id=record.session_id)
    }
    return [each for each in written_of(changes.values()) if not redaction.redactor.names_excluded(each.path)]


def _page(session: "Session", runs: list[str], stores: "SessionStores", *, browse: bool) -> None:
    from ael_otel.cli.trace.pages import file_name, new_folder, show
    from ael_otel.export.page import page
    from ael_otel.export.session_page import session_page
    from ael_otel.store.files import write_file

    folder = new_folder()
    named = [entry.execution_id for entry in session.entries if entry.execution_id]
    found = [run for each in dict.fromkeys([*runs, *named]) if (run := stores.run(each)) is not None]
    pages: dict[str, str] = {}
    for run in found[:_MAX_PAGES]:
        name = pages[run.execution_id] = (
            f"{len(pages) + 1}-{file_name(run.workflow_name or 'call', run.trace_id)}"
        )
        write_file(folder / name, [page(run).encode("utf-8")])
    path = folder / file_name(session.record.agent, session.record.session_id)
    write_file(path, [session_page(session, found, pages).encode("utf-8")])
    show(path, browse=browse)
