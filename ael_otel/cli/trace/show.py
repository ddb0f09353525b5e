"""`ael trace show`: show one run as a tree, as JSON, as spans, or as a page in the browser."""

from typing import TYPE_CHECKING, Any

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, run_id, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.attribution import Attribution
    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import ExecutionRecord, TelemetryStore


@click.command(
    "show",
    short_help="Show one run: steps, tool calls, errors, times.",
    epilog=examples(
        "ael trace show",
        "ael trace show a0f63b41",
        "ael trace show exec-7f3a91c2 --spans --logs",
        "ael trace show a0f63b41 --output json",
        "ael trace show a0f63b41 --attribution",
        "ael trace show a0f63b41 --web",
    ),
)
@click.argument("identifier", metavar="[ID]", default="latest", shell_complete=run_id)
@click.option("--spans", is_flag=True, help="Also list its spans with their ids.")
@click.option(
    "--logs",
    is_flag=True,
    help="Show what its code printed, and its log lines if Loki answers at $AEL_LOKI_URL.",
)
@click.option(
    "--attribution",
    is_flag=True,
    help="Show callers, models, code, tools, the files that calls name, and the lines that they wrote.",
)
@click.option(
    "--web",
    is_flag=True,
    help="Write it as a page that needs no network, and open it in the browser; it is removed after a day.",
)
@click.option("--no-open", is_flag=True, help="With --web: only write the page and print its name.")
@output_option("tree", "json")
@zone_option
@store_options
def command(
    identifier: str,
    spans: bool,
    logs: bool,
    attribution: bool,
    web: bool,
    no_open: bool,
    output: str,
    zone: "Zone",
    place: Place,
) -> None:
    """Show the run with this ID: its execution id or trace id, or the first characters of one if no other run has them.

    Without ID, or with `latest`, show the run that started last.
    """
    _check(spans, logs, web, output)
    from ael_otel.cli.trace.store_access import find, opened

    with opened(place) as store:
        run = find(store, identifier)
        who = attribution_of_run(run, store, place) if attribution else None
    if web:
        _page(run, who, browse=not no_open)
        return
    if output == "json":
        from ael_otel.cli.streams import print_document

        document: dict[str, Any] = {name: getattr(run, name) for name in run.__struct_fields__}
        if who is not None:
            document["attribution"] = who
        if spans:
            from ael_otel.export.span_tree import spans_of

            document["spans"] = spans_of(run)
        print_document(document)
        return
    from ael_otel.cli.render import detail
    from ael_otel.cli.render.terminal import ascii_only, console

    out = console()
    out.print(detail.run(run, width=out.width, ascii_only=ascii_only(out), zone=zone))
    if who is not None:
        from ael_otel.cli.render import attribution as shown

        out.print()
        out.print(shown.terminal(who, width=out.width))
    if spans:
        from ael_otel.export.span_tree import spans_of

        out.print()
        out.print(detail.spans(spans_of(run), width=out.width))
    if logs:
        from ael_otel.cli.trace.logs import show_logs

        out.print()
        show_logs(out, run)


def _check(spans: bool, logs: bool, web: bool, output: str) -> None:
    if web and output == "json":
        raise click.UsageError("either --web or --output json")
    if web and (spans or logs):
        raise click.UsageError(
            "the page contains neither a list of spans nor log lines: use --spans and --logs without --web"
        )
    if logs and output == "json":
        raise click.UsageError(
            "--logs cannot be used with JSON, which contains what the code printed; log lines are in Loki"
        )


def attribution_of_run(run: "ExecutionRecord", store: "TelemetryStore", place: Place) -> "Attribution":
    """Return who took part in a run, and the lines that its calls wrote."""
    from ael_otel.attribution import attribution_of
    from ael_otel.cli.ledgers import ledger_of

    # Paths that were excluded after the run was recorded are removed too.
    ledger = ledger_of(store, place.redaction)
    changes = [] if ledger is None else ledger.changes(execution_id=run.execution_id)
    return attribution_of(run, place.redaction.redactor.names_excluded, changes)


def _page(run: "ExecutionRecord", who: "Attribution | None", *, browse: bool) -> None:
    from ael_otel.cli.render import attribution
    from ael_otel.cli.trace.pages import file_name, new_folder, show
    from ael_otel.export.page import page
    from ael_otel.store.files import write_file

    path = new_folder() / file_name(run.workflow_name or "call", run.trace_id or "run")
    sections = [] if who is None else [attribution.section(who)]
    write_file(path, [page(run, sections).encode("utf-8")])
    show(path, browse=browse)
