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
    from ael_otel.cli.open_engine import Destination
    from ael_otel.demo.scenarios import Scenario
    from ael_otel.instrument.engine import RunOutcome
    from ael_otel.store import ExecutionRecord

DEFAULT_RUNS = 12

LISTED: Final = 24
"""Above this number of runs, a table sums them up by workflow, and only the last ones are listed."""

KEPT: Final = 10_000
"""Maximum number of runs that are printed or summed up."""


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
    help=f"Number of runs. Default: {DEFAULT_RUNS}, or no limit with --seconds.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400, min_open=True),
    callback=really_a_number,
    help="Repeat the workflows for this time.",
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
    """Run bundled workflows on the real engine over a real MCP tool server, and show the recorded runs.

    Needs neither Docker nor a network. If a Collector answers on localhost:4317, the runs are sent there too. The exit
    code is 1 if a run does not end as its workflow is designed to.
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
        click.echo(f"ael: {shown.lost} of the runs could not be stored: `ael run -v` logs why", err=True)
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
    """The result of the demo: the runs in the order of their ends, their records, and where they were sent and stored.

    `lost` is the number of runs that should have been stored but were not.
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

    Raises ConfigError or EngineUnavailableError if the engine cannot be used.
    """
    from tempfile import TemporaryDirectory

    from ael_otel.cli.open_engine import engine, read_configuration, telemetry
    from ael_otel.cli.render.progress import DemoProgress
    from ael_otel.cli.render.terminal import console
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
    """Isolate the demo's engine from the user's home folder, database and Redis while it opens.

    The engine stores the schemas that it learns below the home folder, and reads all of these when it opens. They are
    changed only for that time: the sandbox's processes must find packages that are installed below the home folder.
    """
    before = {name: os.environ.pop(name, None) for name in ("HOME", *_NOT_FOR_THE_DEMO)}
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("HOME")
        os.environ.update({name: value for name, value in before.items() if value is not None})


def show(shown: Demonstration) -> None:
    """Print the table of runs, the trees of the two most informative ones, and where to look further."""
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
    """Return the most informative successful run and the most informative other run, the later one of equals."""
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
    """Print the runs as one JSON object: each in the form of `ael run --json`, with its steps if they are stored."""
    import msgspec

    from ael_otel.cli.open_engine import as_json
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
