"""`ael trace delete`: delete runs by id, session, or all, permanently."""

from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, run_id, store_options
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.store import DeleteReport, RunQuery, TelemetryStore

_NAMED: Final = 20
"""Maximum number of ids in one message."""

_PAGE: Final = 1_000


class _Chosen(NamedTuple):
    """What is to be deleted: execution ids, the ids of runs in flight, trace ids, and the bytes of the records."""

    ids: list[str]
    running: list[str]
    traces: list[str]
    size: int


@click.command(
    "delete",
    short_help="Delete runs permanently: by id, of a session, or all.",
    epilog=examples(
        "ael trace delete a0f63b41 --yes",
        "ael trace delete exec-7f3a91c2 a0f63b41 --yes --output json",
        "ael trace delete --session morning --yes",
    ),
)
@click.argument("identifiers", metavar="[ID]...", nargs=-1, shell_complete=run_id)
@click.option("--session", metavar="ID", help="Delete all runs of this agent session.")
@click.option("--all", "everything", is_flag=True, help="All runs.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@output_option("text", "json")
@store_options
def command(
    identifiers: tuple[str, ...], session: str | None, everything: bool, yes: bool, output: str, place: Place
) -> None:
    """Delete the runs that ID... name, those of a session, or all, from the store and from all files beside it.

    They are removed from the store's file and its log, from the JSON mirrors and from the pages of `show --web`.
    Telemetry that was sent to a server remains there: the output lists the traces. A run in flight is not deleted, and
    the exit code is 1; if one of several IDs is in flight, none is deleted.
    """
    if sum((bool(identifiers), session is not None, everything)) != 1:
        raise click.UsageError("give exactly one of ID..., --session ID, --all")
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.pages import remove_of
    from ael_otel.cli.trace.prune import ask, refuse_log_in_use
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.errors import StoreBusyError

    with opened(place) as store:
        chosen = _chosen(store, identifiers, session)
        if identifiers and chosen.running:
            raise StoreBusyError(
                f"in flight, and not deleted: {_some(chosen.running)}; stop the run or wait for its end, then run this"
                " again"
            )
        deletable = len(chosen.ids) - len(chosen.running)
        if deletable and not yes:
            ask(f"Delete {words.plural(deletable, 'run')} (about {words.size(chosen.size)}) permanently?")
        # Also if there is nothing to delete: runs that were deleted before may still be in the log.
        report = store.delete(chosen.ids)
        gone = set(chosen.ids).difference(report.running, report.unknown)
        pages = remove_of(gone)
    if output == "json":
        from ael_otel.cli.streams import print_document

        print_document(
            {
                "executions": report.executions,
                "bytes": report.bytes,
                "pages": pages,
                "running": report.running,
                "forgotten": report.forgotten,
                "remains": {"traces": chosen.traces},
            }
        )
    else:
        _print_report(report, pages, chosen.traces)
    if report.running:
        raise StoreBusyError(f"in flight, and not deleted: {_some(report.running)}")
    refuse_log_in_use(forgotten=report.forgotten)


def _chosen(store: "TelemetryStore", identifiers: tuple[str, ...], session: str | None) -> _Chosen:
    from ael_otel.cli.trace.store_access import find_id
    from ael_otel.errors import SessionNotFoundError
    from ael_otel.store import RunQuery

    if identifiers:
        ids = tuple(dict.fromkeys(find_id(store, wanted) for wanted in identifiers))
        # A damaged run is in no list, but can be deleted.
        return _listed(store, RunQuery(ids=ids, limit=_PAGE), list(ids))
    chosen = _listed(store, RunQuery(session=session, limit=_PAGE), [])
    if session is not None and not chosen.ids:
        raise SessionNotFoundError(session)
    return chosen


def _listed(store: "TelemetryStore", query: "RunQuery", ids: list[str]) -> _Chosen:
    from msgspec.structs import replace

    found = dict.fromkeys(ids)
    running: list[str] = []
    traces: list[str] = []
    size = 0
    while True:
        page = store.query(query)
        for run in page.runs:
            found[run.execution_id] = None
            if run.status in ("pending", "running"):
                running.append(run.execution_id)
                continue
            size += run.bytes
            if run.trace_id:
                traces.append(run.trace_id)
        if page.cursor is None:
            break
        query = replace(query, cursor=page.cursor)
    if query.session is None:
        found |= dict.fromkeys(getattr(store, "damaged", {})) if not ids else {}
    return _Chosen(list(found), running, traces, size)


def _print_report(report: "DeleteReport", pages: int, traces: list[str]) -> None:
    from ael_otel.cli.render import text as words

    if not report.executions:
        click.echo("Nothing to delete.")
        return
    also = f", with {words.plural(pages, 'page')} of --web" if pages else ""
    click.echo(f"Deleted {words.plural(report.executions, 'run')}, {words.size(report.bytes)}{also}.")
    if traces:
        click.echo(
            "If they were sent to a server, it keeps, until its own retention ends, in Tempo the spans and in Loki"
            f" the log lines with trace_id {_some(traces)}."
        )


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED:,} more (--output json lists all)" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more
