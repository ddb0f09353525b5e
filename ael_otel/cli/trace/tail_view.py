"""Display runs as they begin and end: on a terminal, in a pipe, or as JSON Lines."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ael_otel.cli.render import run_table as listing
from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import STATUS_STYLE
from ael_otel.cli.render.terminal import console
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.store import ExecutionRecord, ExecutionSummary

MAX_RUNNING: Final = 10
"""Maximum number of runs in flight in the list at the bottom."""


type RecordOf = Callable[[ExecutionSummary], ExecutionRecord | None]


class Screen(Protocol):
    """The output to which runs are printed."""

    def began(self, run: ExecutionSummary) -> None:
        """Print that a run began."""
        ...

    def ended(self, run: ExecutionSummary) -> None:
        """Print that a run ended."""
        ...

    def going_on(self, runs: Mapping[str, ExecutionSummary]) -> None:
        """List the runs in flight."""
        ...


@contextmanager
def shown(output: str, zone: Zone = UTC_ZONE, record_of: RecordOf = lambda _run: None) -> Generator[Screen]:
    """Open the screen for an output format; `record_of` returns the record of a run if its line needs it."""
    if output == "jsonl":
        yield _Lines()
        return
    out = console()
    if not out.is_terminal:
        yield _Pipe(out, zone, record_of)
        return
    with Live(console=out, transient=True, auto_refresh=False) as live:
        yield _Terminal(out, live, zone, record_of)


class _Lines:
    def began(self, run: ExecutionSummary) -> None:
        _print_event("started", run)

    def ended(self, run: ExecutionSummary) -> None:
        _print_event("ended", run)

    def going_on(self, runs: Mapping[str, ExecutionSummary]) -> None:
        """Print nothing: each run has a line already."""


class _Pipe:
    def __init__(self, out: Console, zone: Zone, record_of: RecordOf) -> None:
        self._out = out
        self._zone = zone
        self._record_of = record_of

    def began(self, run: ExecutionSummary) -> None:
        """Print nothing: one line is one run, and this one has not ended yet."""

    def ended(self, run: ExecutionSummary) -> None:
        # A line is not cut, however wide: the reader of the pipe may search or cut it.
        self._out.print(line(run, self._record_of(run), self._zone), soft_wrap=True)

    def going_on(self, runs: Mapping[str, ExecutionSummary]) -> None:
        """Say nothing."""


class _Terminal(_Pipe):
    def __init__(self, out: Console, live: Live, zone: Zone, record_of: RecordOf) -> None:
        super().__init__(out, zone, record_of)
        self._live = live

    def ended(self, run: ExecutionSummary) -> None:
        record = self._record_of(run)
        parts = [line(run, record, self._zone)]
        if parts[0].cell_len > self._out.width and (why := _happened(run, record)):
            # On a separate line, where a reader looks for the error first.
            parts = [line(run, record, self._zone, why=False), Text(" " * _TIME) + why]
        for part in parts:
            part.truncate(self._out.width, overflow="ellipsis")
            self._out.print(part)

    def going_on(self, runs: Mapping[str, ExecutionSummary]) -> None:
        now = datetime.now(UTC)
        lines = [_running(run, now, self._zone) for run in list(runs.values())[-MAX_RUNNING:]]
        if len(runs) > MAX_RUNNING:
            lines.append(Text(f"{len(runs) - MAX_RUNNING} more in flight", style="dim"))
        for each in lines:
            each.truncate(self._out.width, overflow="ellipsis")
        self._live.update(Group(*lines), refresh=True)


_TIME: Final = len("12:00:00  ")


def line(
    run: ExecutionSummary, record: ExecutionRecord | None = None, zone: Zone = UTC_ZONE, *, why: bool = True
) -> Text:
    """Return a run on one line; without `why`, the column `what happened` is left out."""
    text = Text(f"{zone.at(run.started_at):%H:%M:%S}  ", style="dim")
    text.append(listing.name(run, record).ljust(16), style="default not dim")
    text.append(f"  {run.status.ljust(9)}", style=f"not dim {STATUS_STYLE.get(run.status, '')}")
    text.append(
        f"  {listing.steps(run).ljust(12)}  {words.lasted(run.status, run.duration_ms).rjust(8)}",
        style="not dim",
    )
    text.append(f"  {listing.identifier(run.trace_id, run.execution_id)}")
    if why and (happened := _happened(run, record)):
        text.append("  ").append_text(happened)
    return text


def _happened(run: ExecutionSummary, record: ExecutionRecord | None) -> Text:
    style = "red" if run.status in ("failed", "cancelled") else "yellow"
    return Text(listing.what_happened(run, record), style=f"not dim {style}")


def _running(run: ExecutionSummary, now: datetime, zone: Zone) -> Text:
    took = max((now - run.started_at).total_seconds() * 1e3, 0.0)
    text = Text(f"{zone.at(run.started_at):%H:%M:%S}  ", style="cyan")
    name = words.one_line(run.workflow_name or "(direct call)")
    return text.append(
        f"{name.ljust(16)}  {run.status.ljust(9)}  {listing.steps(run).ljust(12)}  {words.duration(took).rjust(8)}"
    )


def _print_event(event: str, run: ExecutionSummary) -> None:
    import msgspec

    click.echo(msgspec.json.encode({"event": event, "run": run}))
