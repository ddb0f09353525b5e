"""`ael trace import`: import runs from a file into the store."""

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
"""Maximum number of runs of one trace that are compared."""


@click.command(
    "import",
    short_help="Import runs from OTLP/JSON or an export, and Agent Trace records of any tool.",
    epilog=examples(
        "ael trace import runs.otlp.jsonl",
        "ael trace import runs.jsonl --replace",
        "ael trace import - < runs.otlp.jsonl",
    ),
)
@click.argument("file", metavar="FILE")
@click.option("--replace", is_flag=True, help="Replace runs that are stored already.")
@store_options
def command(file: str, replace: bool, place: Place) -> None:
    """Import the runs in FILE (- is stdin): OTLP/JSON of any agent, a response of Tempo's or Jaeger's API, or an
    export.

    Agent Trace records (one per line, or a list) of any tool are imported too: `ael blame` then attributes the lines
    that they refer to, in the repository of the working directory. Everything else in the file, and everything that
    cannot be read, is counted with the reason.

    A run whose id or trace is stored already is skipped. Inputs and results are imported if the spans contain them.
    Secrets are redacted during the import, and content is stored only as far as the configuration allows.
    """
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.agent_trace import repository_root, summary, take
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.core.redaction import ActiveRedaction
    from ael_otel.cost import install as install_prices
    from ael_otel.errors import ExportError, ImportFormatError
    from ael_otel.export.cleaning import captured, cleaned
    from ael_otel.export.import_formats import LeftOut, read_with_rest

    guard = ActiveRedaction(place.settings)
    install_prices(place.settings, strict=True)
    redactor = guard.redactor
    name = "stdin" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        found = read_with_rest(data, repository_root)
    except OSError as error:
        raise ExportError(f"{name}: cannot be read: {error.strerror or error}") from None
    except ImportFormatError as error:
        # The error quotes the text that could not be parsed.
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
        traced = take(found.traces, store, guard, place) if found.traces else None
    parts = [words.plural(len(new), "run")] if runs or traced is None else []
    parts += [summary(traced)] if traced is not None else []
    said = f"Imported {' and '.join(parts)}"
    if known := len(runs) - len(new):
        said += f"; {known} stored already"
    if left_out:
        # The reasons quote the file.
        rest = [f"{words.plural(count, noun)} {redactor.text(why)}" for count, noun, why in left_out]
        said += f"; left out: {', '.join(rest)}"
    elif not runs and traced is None:
        said += "; the file contains no spans and no runs"
    click.echo(f"{words.one_line(said)}.", err=True)
    if left_out and not runs and traced is None:
        raise click.exceptions.Exit(1)


def _is_stored(store: "TelemetryStore", run: "ExecutionRecord") -> bool:
    """Return whether a run is stored; one whose id was derived from its trace may be stored under its original id."""
    if store.get(run.execution_id) is not None:
        return True
    from ael_otel.export.span_tree import spans_of

    with_trace = map(store.get, store.find(run.trace_id, MANY) if run.trace_id else [])
    return any(run.span_id == span.span_id for known in with_trace if known for span in spans_of(known))
