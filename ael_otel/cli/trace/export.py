"""`ael trace export`: write runs to a file in another tool's format, or send them to a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import Filters, filter_options, run_id, store_options
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.store import ExecutionRecord, ExportFormat, TelemetryStore

AGENT_TRACE = "agent-trace"
FORMATS = ("json", "jsonl", "csv", "otlp", "zipkin", "jaeger", "chrome", "ocel", "html", AGENT_TRACE)


@click.command(
    "export",
    short_help="Write runs as JSON, CSV, OTLP, Zipkin, Jaeger, Chrome trace, OCEL, HTML or agent-trace; or send them.",
    epilog=examples(
        "ael trace export a0f63b41",
        "ael trace export a0f63b41 exec-7f3a91c2 --format otlp --output runs.otlp.jsonl",
        "ael trace export --all --since 7d --format csv --output runs.csv",
        "ael trace export --all --status failed --format jsonl --output -",
        "ael trace export a0f63b41 --format html --output run.html",
        "ael trace export --all --format agent-trace --output traces.jsonl",
        "ael trace export --all --endpoint http://localhost:4318",
        "ael trace export --all --format zipkin --endpoint http://localhost:9411",
    ),
)
@click.argument("identifiers", metavar="[ID]...", nargs=-1, shell_complete=run_id)
@click.option(
    "--all", "everything", is_flag=True, help="Export all runs that match the filters, instead of ID...."
)
@filter_options
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="Default: json, or otlp with --endpoint. Only json, jsonl, csv and html contain inputs and results.",
)
@click.option("--output", "-o", metavar="FILE", help="File to write; - is stdout, the default.")
@click.option(
    "--endpoint",
    metavar="URL",
    help="Send the runs to this URL instead: OTLP over HTTP, or Zipkin with --format zipkin.",
)
@click.option(
    "--header", "headers", metavar="NAME=VALUE", multiple=True, help="Sent with each request to the endpoint."
)
@store_options
def command(
    identifiers: tuple[str, ...],
    everything: bool,
    filters: Filters,
    form: str | None,
    output: str | None,
    endpoint: str | None,
    headers: tuple[str, ...],
    place: Place,
) -> None:
    """Export the runs that ID... name, or with --all those that match the filters, newest first.

    json and jsonl are whole records and can be imported again; csv has a row for each run, step and call; otlp is a
    file that the Collector's otlpjsonfile receiver reads; zipkin and jaeger are what their interfaces open,
    chrome is for Perfetto and speedscope, ocel is OCEL 2.0 for tools of process mining.

    agent-trace exports the changes of files instead, one Agent Trace record per line, including those of coding agents;
    ID may then be a session.
    """
    _check(identifiers, everything, filters, form, output, endpoint, headers)
    if form == AGENT_TRACE:
        from ael_otel.cli.trace.agent_trace import written

        _put_changes(written(place, identifiers, filters), output)
        return
    from ael_otel.cli.trace.store_access import opened, service_of

    with opened(place) as store:
        service = service_of(place)
        if endpoint is not None:
            total = store.count(filters.query()) if everything else None
            runs = _chosen(store, identifiers) if identifiers else store.iterate(filters.query())
            _send(runs, endpoint, form or "otlp", service, headers, total)
            return
        _put(_written(store, identifiers, filters, form or "json", service), output)


def _put_changes(records: Iterator[bytes], output: str | None) -> None:
    """Write Agent Trace records; if there are none, say so on stderr, since the file is valid and empty."""
    empty = True

    def noted() -> Iterator[bytes]:
        nonlocal empty
        for record in records:
            empty = False
            yield record

    _put(noted(), output)
    if empty:
        click.echo(
            "No changes of files are recorded for these runs and sessions: set telemetry.attribution.roots,"
            " or install hooks (ael hooks install).",
            err=True,
        )


def _put(parts: Iterator[bytes], output: str | None) -> None:
    if output is None or output == "-":
        from ael_otel.cli.streams import print_bytes

        print_bytes(parts)
        return
    from ael_otel.cli.render import text as words
    from ael_otel.store.files import write_file

    size = write_file(Path(output), parts)
    click.echo(f"Wrote {output} ({words.size(size)}).", err=True)


def _check(
    identifiers: tuple[str, ...],
    everything: bool,
    filters: Filters,
    form: str | None,
    output: str | None,
    endpoint: str | None,
    headers: tuple[str, ...],
) -> None:
    if everything == bool(identifiers):
        raise click.UsageError(
            "name the runs by ID, or use --all" if not everything else "either ID or --all"
        )
    if filters.any() and not everything:
        raise click.UsageError("filters select among all runs: use --all instead of an ID")
    if endpoint is not None and output is not None:
        raise click.UsageError("either --output or --endpoint")
    if endpoint is not None and form not in (None, "otlp", "jaeger", "zipkin"):
        raise click.UsageError(
            f"{form} cannot be sent: --endpoint supports otlp, which Jaeger accepts too, and zipkin"
        )
    if headers and endpoint is None:
        raise click.UsageError("--header needs --endpoint")
    for header in headers:
        name, equals, _ = header.partition("=")
        if not name.strip() or not equals or "\n" in header or "\r" in header:
            raise click.UsageError("--header must be NAME=VALUE on one line")
    if form == "html" and (everything or len(identifiers) > 1):
        raise click.UsageError("html is the page of one run: name one ID")


def _chosen(store: "TelemetryStore", identifiers: tuple[str, ...]) -> "Iterator[ExecutionRecord]":
    """Return the runs in the order of the ids; all are looked up before anything is written."""
    from ael_otel.cli.trace.store_access import find

    return iter({run.execution_id: run for run in [find(store, wanted) for wanted in identifiers]}.values())


def _written(
    store: "TelemetryStore", identifiers: tuple[str, ...], filters: Filters, form: str, service: str
) -> Iterator[bytes]:
    if form == "html":
        from ael_otel.export.page import page

        return (page(run).encode("utf-8") for run in _chosen(store, identifiers))
    if identifiers:
        from ael_otel.export.formats import write

        return write(form, _chosen(store, identifiers), service)
    return store.export(cast("ExportFormat", form), filters.query(), service=service)


def _send(
    runs: "Iterator[ExecutionRecord]",
    endpoint: str,
    form: str,
    service: str,
    headers: tuple[str, ...],
    total: int | None,
) -> None:
    from ael_otel.cli.render import text as words
    from ael_otel.cli.render.terminal import console
    from ael_otel.config.settings import masked
    from ael_otel.errors import ExportError
    from ael_otel.export.push import Protocol, push

    given = {name.strip(): value.strip() for name, _, value in (header.partition("=") for header in headers)}
    err = console(stderr=True)
    protocol: Protocol = "zipkin" if form == "zipkin" else "otlp"
    if err.is_terminal and total is not None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("sending runs", total=total)
            sent = push(
                runs,
                endpoint,
                protocol,
                service=service,
                headers=given,
                on_sent=lambda done: progress.update(task, completed=done),
            )
    else:
        sent = push(runs, endpoint, protocol, service=service, headers=given)
    click.echo(
        f"Sent {words.plural(sent.runs, 'run')} as {words.plural(sent.spans, 'span')}"
        f" to {masked('endpoint', endpoint)}.",
        err=True,
    )
    if sent.rejected:
        raise ExportError(f"the server refused {words.plural(sent.rejected, 'span')}")
