"""`ael trace tail`: follow runs as they begin and end, from a second process."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import (
    Filters,
    filter_options,
    follow_options,
    output_option,
    store_options,
    zone_option,
)
from ael_otel.cli.trace.place import Place
from ael_otel.errors import StoreError, StoreNotFoundError

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import ExecutionRecord, ExecutionSummary, RunQuery, TelemetryStore

WAITING: Final = "No runs are stored yet; waiting."
"""Message without a store and for an empty store."""

GOING_ON: Final = ("pending", "running")

_OVERLAP: Final = timedelta(seconds=30)
"""Runs are written when they end, and by several processes: one that began earlier may appear later."""


@click.command(
    "tail",
    short_help="Follow runs as they begin and end.",
    epilog=examples(
        "ael trace tail",
        "ael trace tail --last 5 --seconds 60",
        "ael trace tail --status failed --runs 1 --output jsonl",
    ),
)
@filter_options
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Begin with this many runs that have ended.",
)
@click.option("--runs", type=click.IntRange(min=1), help="Stop after this many runs have ended.")
@follow_options
@output_option("text", "jsonl")
@zone_option
@store_options
def command(
    filters: Filters,
    last: int,
    runs: int | None,
    seconds: float | None,
    interval: float,
    output: str,
    zone: "Zone",
    place: Place,
) -> None:
    """Print a line for each run that ends, until Ctrl-C; on a terminal the runs in flight are listed below.

    Waits for the store if there is none yet. With --output jsonl each line is an event, `started` or `ended`, and the
    run in the form of `list`.
    """
    from ael_otel.cli.trace.tail_view import shown

    deadline = None if seconds is None else time.monotonic() + seconds
    with wait_for_store(place, deadline, interval) as store:
        if store is None:
            return
        follower = Follower(store, filters)
        with shown(output, zone, partial(_record_of, store)) as screen:
            for run in follower.latest(last):
                screen.ended(run)
            ended = 0
            while True:
                events = list(follower.events())
                # First, so that no run is still listed below after the line about its end.
                screen.going_on(follower.running)
                for event in events:
                    if event.ended:
                        screen.ended(event.run)
                        ended += 1
                        if ended == runs:
                            return
                    else:
                        screen.began(event.run)
                left = interval if deadline is None else min(interval, deadline - time.monotonic())
                if left <= 0:
                    return
                time.sleep(left)


def _record_of(store: "TelemetryStore", run: "ExecutionSummary") -> "ExecutionRecord | None":
    """Return the record of a run if its summary lacks something that its line shows; else, or if damaged, None."""
    from ael_otel.cli.render.run_table import needs_record

    try:
        return store.get(run.execution_id) if needs_record(run, cut=False) else None
    except StoreError:
        return None


class Event(NamedTuple):
    """A run that began, or ended."""

    run: "ExecutionSummary"
    ended: bool


class Follower:
    """Polls a store; reports each run once when it begins and once when it ends.

    Args:
        store: the store.
        filters: selects the runs; with a status, only their ends or only their beginnings can match.
    """

    def __init__(self, store: "TelemetryStore", filters: Filters) -> None:
        self._store = store
        self._filters = filters
        self._began = datetime.now(UTC)
        self._since = self._began
        self._printed: dict[str, datetime] = {}
        self.running: dict[str, ExecutionSummary] = {}
        for run in (
            self._all(replace(filters, status="running").query(limit=None)) if self._wants_running else ()
        ):
            self.running[run.execution_id] = run

    @property
    def _wants_running(self) -> bool:
        # Whether an unfinished run will match cannot be decided yet, unless it is excluded already.
        return self._filters.status != "pending"

    def latest(self, count: int) -> "list[ExecutionSummary]":
        """Return the last runs that have ended, the oldest first."""
        found: list[ExecutionSummary] = []
        if count:
            page = self._store.query(self._filters.query(limit=count + len(self.running)))
            found = [run for run in page.runs if run.status not in GOING_ON][:count]
            self._printed.update((run.execution_id, run.started_at) for run in found)
        return found[::-1]

    def events(self) -> Iterator[Event]:
        """Yield the events since the last call, the oldest first."""
        now = datetime.now(UTC)
        wide = replace(self._filters, status=None, error=None, min_duration=None)
        since = max(self._since - _OVERLAP, self._began - _OVERLAP)
        wide = replace(wide, since=max(since, wide.since) if wide.since is not None else since)
        found = {run.execution_id: run for run in self._all(wide.query(limit=None))}
        self._since = now
        for identifier in [known for known in self.running if known not in found]:
            # It began too long ago to be among the latest runs.
            if (later := self._again(self.running[identifier])) is not None:
                found[identifier] = later
        self._printed = {known: began for known, began in self._printed.items() if began > since - _OVERLAP}
        for run in sorted(found.values(), key=lambda run: (run.started_at, run.execution_id)):
            if run.execution_id in self._printed:
                continue
            if run.status in GOING_ON:
                new = run.execution_id not in self.running
                self.running[run.execution_id] = run
                if new and self._filters.status in (None, run.status):
                    yield Event(run, ended=False)
                continue
            seen = self.running.pop(run.execution_id, None)
            self._printed[run.execution_id] = run.started_at
            if (seen is not None or self._ended_meanwhile(run)) and self._matches(run):
                yield Event(run, ended=True)

    def _all(self, query: "RunQuery") -> "list[ExecutionSummary]":
        return self._store.query(query).runs

    def _again(self, run: "ExecutionSummary") -> "ExecutionSummary | None":
        from ael_otel.store import RunQuery

        moment = timedelta(microseconds=1)
        query = RunQuery(limit=None, since=run.started_at, until=run.started_at + moment)
        return next((found for found in self._all(query) if found.execution_id == run.execution_id), None)

    def _ended_meanwhile(self, run: "ExecutionSummary") -> bool:
        return run.completed_at is None or run.completed_at >= self._began

    def _matches(self, run: "ExecutionSummary") -> bool:
        wanted = self._filters
        if wanted.status is not None and run.status != wanted.status:
            return False
        if wanted.min_duration is not None and (run.duration_ms or 0.0) < wanted.min_duration:
            return False
        if wanted.error is None or wanted.error == run.error_code:
            return True
        moment = timedelta(microseconds=1)
        query = replace(wanted, since=run.started_at, until=run.started_at + moment).query(limit=None)
        return any(found.execution_id == run.execution_id for found in self._all(query))


@contextmanager
def wait_for_store(
    place: Place, deadline: float | None, interval: float
) -> "Generator[TelemetryStore | None]":
    """Open the store as soon as there is one; yield None if there is none by the deadline."""
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.store import RunQuery

    reported = False
    while True:
        manager = opened(place)
        try:
            store = manager.__enter__()
        except StoreNotFoundError:
            if not reported:
                click.echo(WAITING, err=True)
                reported = True
            if deadline is not None and time.monotonic() + interval > deadline:
                yield None
                return
            time.sleep(interval)
            continue
        break
    try:
        if not reported and not store.query(RunQuery(limit=1)).runs:
            click.echo(WAITING, err=True)
        yield store
    finally:
        store.close()
