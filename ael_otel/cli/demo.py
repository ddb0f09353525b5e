"""`ael demo`: the real engine on bundled workflows, then the runs as a table and as trees."""

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ael_otel.cli.group import EXIT_FAILURE
from ael_otel.cli.options import examples, really_a_number, run_until_interrupted

if TYPE_CHECKING:
    from ael_otel.cli.session import Destination
    from ael_otel.demo.scenarios import Scenario
    from ael_otel.instrument.engine import RunOutcome
    from ael_otel.store import ExecutionRecord

DEFAULT_RUNS = 12

LISTED: Final = 24
"""With more runs than this, they are summed up by workflow and the last ones are listed."""

KEPT: Final = 10_000
"""How many runs are shown or summed up at most."""


@click.command(
    "demo",
    short_help="Run bundled workflows on the real engine and show the runs.",
    epilog=examples(
        "ael demo",
        "ael demo --runs 50",
        "ael demo --seconds 60",
        "ael demo --json",
        "ael demo --export my-demo",
    ),
)
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    help=f"How many runs. Default: {DEFAULT_RUNS}, or no limit with --seconds.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400, min_open=True),
    callback=really_a_number,
    help="Go on for this long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all runs instead.")
@click.option(
    "--export",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write configuration, workflows and tool server to DIR instead of running them.",
)
def command(runs: int | None, seconds: float | None, as_json: bool, directory: Path | None) -> None:
    """Run bundled workflows on the real engine over a real MCP tool server, and show what was recorded.

    Needs neither Docker nor a network. If a Collector answers on localhost:4317, the runs are sent there too. Exit
    code 1 when a run ends otherwise than its workflow is made for.
    """
    if directory is not None:
        _export(directory)
        return
    wanted = DEFAULT_RUNS if runs is None and seconds is None else runs
    shown = run_until_interrupted(demonstrate(runs=wanted, seconds=seconds))
    if as_json:
        show_json(shown)
    else:
        show(shown)
    if shown.lost:
        click.echo(f"ael: {shown.lost} of the runs could not be kept: `ael run -v` logs why", err=True)
    for surprise in shown.surprises:
        click.echo(f"ael: unexpected: {surprise}", err=True)
    if shown.surprises:
        sys.exit(EXIT_FAILURE)


def _export(directory: Path) -> None:
    from ael_otel.demo.example import write_example

    config = write_example(directory)
    click.echo(f"Wrote {config}, its workflows and its tool server. Try:")
    click.echo(f"  ael run hello -c {config} -i name=Ada")
    click.echo(f"  ael serve -c {config}")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demo did: the runs in the order in which they ended, their records, where they were sent and kept.

    `lost` runs were to be kept and could not be.
    """

    outcomes: "list[RunOutcome]"
    records: "list[ExecutionRecord]"
    surprises: list[str]
    seconds: float
    destination: "Destination"
    kept_in: str | None = None
    lost: int = 0


async def demonstrate(*, runs: int | None, seconds: float | None) -> Demonstration:
    """Run the scenarios on the real engine in a temporary folder, with a progress bar on stderr.

    Raises ConfigError or EngineUnavailableError when the engine cannot be used.
    """
    from tempfile import TemporaryDirectory

    from ael_otel.cli.render.progress import DemoProgress
    from ael_otel.cli.render.terminal import console
    from ael_otel.cli.session import engine, read_configuration, telemetry
    from ael_otel.cli.streams import nowhere, stdout_to_stderr
    from ael_otel.demo.example import write_example
    from ael_otel.demo.runner import run_scenarios
    from ael_otel.instrument.engine import run_workflow

    outcomes: list[RunOutcome] = []
    with (
        TemporaryDirectory(prefix="ael-demo-") as name,
        DemoProgress(console(stderr=True), _engine_version(), runs, seconds) as progress,
        stdout_to_stderr(),
    ):
        folder = Path(name)
        home = os.environ.get("HOME")
        config = write_example(folder / "demo", server_environment={"HOME": home} if home else None)
        read = read_configuration(config)
        with (
            nowhere() as devnull,
            telemetry(read.settings, log_stream=None) as sent,
        ):
            async with engine(config, log_output=devnull, while_opening=_apart_from_the_user(folder)) as app:
                progress.begin()

                async def run(scenario: "Scenario") -> "RunOutcome":
                    return await run_workflow(
                        app, scenario.workflow, dict(scenario.inputs), scenario.timeout_s
                    )

                def done(outcome: "RunOutcome") -> None:
                    outcomes.append(outcome)
                    progress.advance()

                surprises = await run_scenarios(run, runs=runs, seconds=seconds, on_done=done)
                progress.end()
            wanted = [outcome.execution_id for outcome in outcomes[-KEPT:]]
            records = sorted(
                (record for name in wanted if (record := sent.record(name))), key=lambda run: run.started_at
            )
            lost = len(wanted) - len(records) if sent.keeps else 0
            kept_in = sent.kept_in
        return Demonstration(outcomes, records, surprises, progress.seconds, sent.destination, kept_in, lost)


_NOT_FOR_THE_DEMO: Final = (
    "TELEMETRY_STORE_SQLITE_PATH",
    "PLOSTON_TELEMETRY_BACKEND",
    "PLOSTON_REDIS_URL",
    "AEL_REDIS_URL",
)


@contextmanager
def _apart_from_the_user(folder: Path) -> Generator[None]:
    """Keep the demo's engine away from the user's own: from the home folder, its database and its Redis.

    The engine keeps the schemas it learns below the home folder, and asks for all of these when it is opened. They are
    changed for that moment only: the sandbox's processes must find what is installed below the home.
    """
    before = {name: os.environ.pop(name, None) for name in ("HOME", *_NOT_FOR_THE_DEMO)}
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("HOME")
        os.environ.update({name: value for name, value in before.items() if value is not None})


def show(shown: Demonstration) -> None:
    """Print the table of runs, the trees of the two that tell most, and where to look further."""
    from ael_otel.cli.render import run_result as answer
    from ael_otel.cli.render import table, tree
    from ael_otel.cli.render.terminal import ascii_only, console

    out = console()
    number = len({outcome.workflow for outcome in shown.outcomes})
    out.print(
        f"{len(shown.outcomes)} runs of {number} workflows on engine {_engine_version()} over one MCP server"
        f" in {shown.seconds:.1f} s\n"
    )
    if len(shown.records) > LISTED:
        out.print(table.sums(shown.records))
        out.print()
    listed = sorted(shown.records[-LISTED:], key=lambda run: run.started_at)
    if listed:
        out.print(table.runs(listed, width=out.width))
    for run in telling(shown.records):
        out.print()
        out.print(tree.tree(run, width=out.width, ascii_only=ascii_only(out)))
    out.print()
    if shown.kept_in is not None and shown.records:
        out.print(answer.kept(shown.kept_in, shown.records[-1]))
    out.print(answer.where_to_look(shown.destination, what="this demo"))
    out.print("To change the workflows and serve them yourself: ael demo --export my-demo", style="dim")


def telling(records: "Sequence[ExecutionRecord]") -> "list[ExecutionRecord]":
    """Choose the run that went well and the one that did not which have most to tell, the latest of equals."""
    good = [run for run in records if run.status == "completed" and not _trouble(run)]
    bad = [run for run in records if _trouble(run)]
    return [max(reversed(runs), key=_weight) for runs in (good, bad) if runs]


def _trouble(run: "ExecutionRecord") -> bool:
    return run.status != "completed" or any(
        step.status != "completed" or step.attempt > 1 for step in run.steps
    )


def _weight(run: "ExecutionRecord") -> tuple[int, int, int]:
    kinds = {step.step_type for step in run.steps}
    reasons = {step.status for step in run.steps}
    return len(kinds) + len(reasons), len(run.steps), sum(len(step.tool_calls) for step in run.steps)


def show_json(shown: Demonstration) -> None:
    """Print the runs as one JSON object: each as `ael run --json` gives it, with its steps where they are kept."""
    import msgspec

    from ael_otel.cli.session import as_json
    from ael_otel.cli.streams import print_json

    steps = {run.execution_id: msgspec.to_builtins(run.steps) for run in shown.records}
    print_json(
        {
            "engine": _engine_version(),
            "seconds": round(shown.seconds, 3),
            "otlp": {"endpoint": shown.destination.endpoint, "reachable": shown.destination.reachable},
            "runs": [
                {**as_json(outcome), "steps": steps.get(outcome.execution_id, [])}
                for outcome in shown.outcomes
            ],
        }
    )


def _engine_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ploston-core")
    except PackageNotFoundError:
        return "of unknown version"
