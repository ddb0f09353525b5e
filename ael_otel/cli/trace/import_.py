"""`ael trace import`: runs from a file into the store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import store_options
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.store import ExecutionRecord, TelemetryStore

MANY: Final = 1_000
"""Runs of one trace that are looked at."""


@click.command(
    "import",
    short_help="Read runs from OTLP/JSON, or from an export.",
    epilog=examples(
        "ael trace import runs.otlp.jsonl",
        "ael trace import runs.jsonl --replace",
        "ael trace import - < runs.otlp.jsonl",
    ),
)
@click.argument("file", metavar="FILE")
@click.option(
    "--replace", is_flag=True, help="Also take runs that are stored already, instead of what is stored."
)
@store_options
def command(file: str, replace: bool, place: Place) -> None:
    """Import the runs in FILE (- is stdin): OTLP/JSON of any agent, answers of Tempo's and Jaeger's API, or an export.

    What else is in it, or cannot be read, is counted with the reason.

    A run that is stored already, by its id or its trace, is left as it is. Inputs and results come along where spans
    carry them.
    Secrets are taken out on the way in, and of contents so much is kept as the configuration says.
    """
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.core.redaction import ActiveRedaction
    from ael_otel.errors import ExportError, ImportFormatError
    from ael_otel.export.cleaning import captured, cleaned
    from ael_otel.export.import_formats import LeftOut, read_with_rest

    guard = ActiveRedaction(place.settings)
    redactor = guard.redactor
    name = "stdin" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        found = read_with_rest(data)
    except OSError as error:
        raise ExportError(f"{name}: cannot be read: {error.strerror or error}") from None
    except ImportFormatError as error:
        # It quotes what it stumbled over.
        raise ImportFormatError(f"{name}: {redactor.text(str(error))}") from None
    runs: list[ExecutionRecord] = []
    left_out = list(found.left_out)
    for run in found.runs:
        try:
            runs.append(captured(cleaned(run, redactor), guard))
        except (ImportFormatError, RecursionError) as error:
            left_out.append(LeftOut(1, "run", f"({redactor.text(str(error))})"))
    with opened(place, create=True) as store:
        new = runs if replace else [run for run in runs if not _is_stored(store, run)]
        store.put(new)
    said = f"Imported {words.plural(len(new), 'run')}"
    if known := len(runs) - len(new):
        said += f"; {known} stored already"
    if left_out:
        # The reasons quote the file.
        rest = [f"{words.plural(count, noun)} {redactor.text(why)}" for count, noun, why in left_out]
        said += f"; left out: {', '.join(rest)}"
    elif not runs:
        said += "; there are no spans and no runs in it"
    click.echo(f"{words.one_line(said)}.", err=True)
    if left_out and not runs:
        raise click.exceptions.Exit(1)


def _is_stored(store: "TelemetryStore", run: "ExecutionRecord") -> bool:
    """Whether the run is there; one whose id was made up from its trace may be there under its own."""
    if store.get(run.execution_id) is not None:
        return True
    from ael_otel.export.span_tree import spans_of

    with_trace = map(store.get, store.find(run.trace_id, MANY) if run.trace_id else [])
    return any(run.span_id == span.span_id for known in with_trace if known for span in spans_of(known))
