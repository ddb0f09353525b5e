"""`ael run`: run one workflow in this process."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ael_otel.cli.group import EXIT_FAILURE
from ael_otel.cli.options import config_option, examples, really_a_number, run_until_interrupted
from ael_otel.cli.trace.options import run_id

if TYPE_CHECKING:
    from ael_otel.cli.open_engine import Ending

MAX_TIMEOUT_S = 7 * 24 * 3600


@click.command(
    "run",
    short_help="Run one workflow and show its result.",
    epilog=examples(
        "ael run hello",
        "ael run hello -c ael-config.yaml -i name=Ada",
        "ael run --from latest --yes -i name=Eve",
        "ael run mixed -i count=500 --json",
        "ael run too_slow --timeout 2 -v",
    ),
)
@click.argument("workflow", required=False)
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
    "--from",
    "from_run",
    metavar="RUN",
    shell_complete=run_id,
    help="Run the workflow of a stored run again with its inputs (`latest`, or the beginning of an id); -i overrides "
    "single ones, --inputs-file all of them.",
)
@click.option("-y", "--yes", is_flag=True, help="With --from: do not ask before tools are called.")
@click.option(
    "--allow-changed", is_flag=True, help="With --from: also if the workflow has another version now."
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
    workflow: str | None,
    config: Path | None,
    pairs: tuple[str, ...],
    inputs_file: str | None,
    from_run: str | None,
    yes: bool,
    allow_changed: bool,
    timeout: float | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run WORKFLOW once, in this process, and show its outputs and its steps.

    With --from, run the workflow of a stored run again: it says which tools will be called and asks first.

    Exit code 0 when it completed, 1 when it failed, 2 for a wrong configuration, 3 when there is no such workflow.
    """
    if (workflow is None) == (from_run is None):
        raise click.UsageError("name a workflow, or a stored run with --from RUN: one of them")
    if from_run is None and (yes or allow_changed):
        raise click.UsageError("--yes and --allow-changed are for --from RUN")
    from ael_otel.cli.inputs import parse_pairs, read_file

    inputs: dict[str, Any] = read_file(inputs_file) if inputs_file is not None else {}
    inputs.update(parse_pairs(pairs))

    from ael_otel.cli import open_engine
    from ael_otel.cli.streams import print_json

    approve: Callable[[Any], None] | None = None
    earlier: str | None = None
    if from_run is not None:
        from ael_otel.cli import rerun

        run, workflow = rerun.stored_run(config, from_run)
        inputs = rerun.inputs_of(run, inputs, all_given=inputs_file is not None)
        approve = partial(rerun.approve, run=run, inputs=inputs, allow_changed=allow_changed, yes=yes)
        earlier = run.execution_id
    assert workflow is not None

    started: list[tuple[str, str]] = []

    def note(execution_id: str, trace_id: str) -> None:
        started.append((execution_id, trace_id))

    try:
        ending = run_until_interrupted(
            open_engine.run_once(
                config, workflow, inputs, timeout, verbose=verbose, on_start=note, approve=approve
            )
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
        if earlier is not None and ending.kept_in is not None:
            click.echo(f"Compare: ael trace diff {earlier} {ending.outcome.execution_id}")
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
