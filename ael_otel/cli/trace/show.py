"""`ael trace show`: one run as a tree, as JSON, as spans, as a page in the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, run_id, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.attribution import Attribution
    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import ExecutionRecord

_NAME_CHARS: Final = 60
"""What the name of a page has of its workflow's; file systems take 255 bytes."""


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
@click.option("--spans", is_flag=True, help="List its spans with their ids too.")
@click.option(
    "--logs",
    is_flag=True,
    help="Show what its code printed, and its log lines if Loki answers at $AEL_LOKI_URL.",
)
@click.option(
    "--attribution",
    is_flag=True,
    help="Show who did what: callers, models, code, tools, and the files that parameters of calls name.",
)
@click.option(
    "--web",
    is_flag=True,
    help="Write it as a page that needs no network, open that in the browser, and remove it after a day.",
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
    """Show the run that ID names: its execution id or trace id, or any beginning of one that only it has.

    Without ID, or with `latest`, it is the run that started last.
    """
    _check(spans, logs, web, output)
    from ael_otel.cli.trace.store_access import find, opened

    with opened(place) as store:
        run = find(store, identifier)
    who = _attribution(run, place) if attribution else None
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
            "the page has neither a list of spans nor log lines: --spans and --logs are not for --web"
        )
    if logs and output == "json":
        raise click.UsageError(
            "what its code printed is in the JSON anyway, and its log lines are in Loki: no --logs"
        )


def _attribution(run: "ExecutionRecord", place: Place) -> "Attribution":
    from ael_otel.attribution import attribution_of
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    # What has been excluded since the run was recorded is not told either.
    return attribution_of(run, Redactor(Policy.of(place.settings)).names_excluded)


def _page(run: "ExecutionRecord", who: "Attribution | None", *, browse: bool) -> None:
    from ael_otel.cli.render import attribution
    from ael_otel.cli.trace.pages import new_folder
    from ael_otel.export.page import page
    from ael_otel.store.files import write_file

    folder = new_folder()
    name = f"{(run.workflow_name or 'call')[:_NAME_CHARS]}-{run.trace_id[:8] or 'run'}.html"
    path = folder / "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    sections = [] if who is None else [attribution.section(who)]
    write_file(path, [page(run, sections).encode("utf-8")])
    click.echo(str(path))
    if browse and not _opened(path):
        click.echo("No browser could be opened here: open the file by hand.", err=True)


def _opened(path: Path) -> bool:
    import webbrowser

    return webbrowser.open(path.as_uri())
