"""`ael run`: run one workflow in this process."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ael_otel.cli.group import EXIT_FAILURE
from ael_otel.cli.options import config_option, examples, really_a_number, run_until_interrupted

if TYPE_CHECKING:
    from ael_otel.cli.open_engine import Ending

MAX_TIMEOUT_S = 7 * 24 * 3600


@click.command(
    "run",
    short_help="Run one workflow and show its result.",
    epilog=examples(
        "ael run hello",
        "ael run hello -c ael-config.yaml -i name=Ada",
        "ael run mixed -i count=500 --json",
        "ael run too_slow --timeout 2 -v",
    ),
)
@click.argument("workflow")
@config_option
@click.option(
    "-i",
    "--input",
    "pairs",
    metavar="KEY=VALUE",
    multiple=True,
    help="One input; VALUE is parsed as JSON if it is valid JSON, else it is text.",
)
@click.option(
    "--inputs-file",
    metavar="FILE",
    help="Inputs from a JSON or YAML file, or `-` for stdin; -i overrides it.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, MAX_TIMEOUT_S, min_open=True),
    callback=really_a_number,
    help="Stop the run after this time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show the engine's log on stderr.")
def command(
    workflow: str,
    config: Path | None,
    pairs: tuple[str, ...],
    inputs_file: str | None,
    timeout: float | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run WORKFLOW once, in this process, and show its outputs and its steps.

    Exit code 0 when it completed, 1 when it failed, 2 for a wrong configuration, 3 when there is no such workflow.
    """
    from ael_otel.cli.inputs import parse_pairs, read_file

    inputs: dict[str, Any] = read_file(inputs_file) if inputs_file is not None else {}
    inputs.update(parse_pairs(pairs))

    from ael_otel.cli import open_engine
    from ael_otel.cli.streams import print_json

    started: list[tuple[str, str]] = []

    def note(execution_id: str, trace_id: str) -> None:
        started.append((execution_id, trace_id))

    try:
        ending = run_until_interrupted(
            open_engine.run_once(config, workflow, inputs, timeout, verbose=verbose, on_start=note)
        )
    except KeyboardInterrupt:
        if started:
            execution_id, trace_id = started[-1]
            click.echo(
                f"ael: interrupted: execution {execution_id}, trace {trace_id or 'none: telemetry is off'}",
                err=True,
            )
        raise
    if as_json:
        print_json(open_engine.as_json(ending.outcome))
        if ending.destination.reachable and ending.destination.dropped:
            from ael_otel.cli.render.run_result import where_to_look

            click.echo(f"ael: warning: {where_to_look(ending.destination, what='this run')}", err=True)
    else:
        _show(ending)
    if ending.lost is not None:
        click.echo(f"ael: this run could not be stored: {ending.lost}", err=True)
    if ending.outcome.status != "completed":
        sys.exit(EXIT_FAILURE)


def _show(ending: "Ending") -> None:
    from ael_otel.cli.render import run_result as answer
    from ael_otel.cli.render.terminal import ascii_only, console

    out = console()
    hint = answer.where_to_look(ending.destination, what="this run")
    if ending.kept_in is not None and ending.record is not None:
        hint = answer.kept(ending.kept_in, ending.record).append("\n").append(hint)
    out.print(answer.run(ending.outcome, ending.record, hint, width=out.width, ascii_only=ascii_only(out)))
