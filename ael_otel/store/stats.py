"""Statistics by workflow, tool or day, computed in one way for all backends."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ael_otel.store.query import RunQuery, StatsKey, StatsRow
from ael_otel.store.records import ExecutionRecord
from ael_otel.store.rows import Row, ended, row_of
from ael_otel.store.times import day_of

NO_WORKFLOW = "(direct)"
"""The key of runs without a workflow."""


class Figure(NamedTuple):
    """One run or call: its workflow or tool, start, status, duration and size.

    `context_bytes` is the size of a call's result, which was added to the context of the agent that made it.
    """

    name: str | None
    started_us: int
    status: str
    duration_us: int | None
    bytes: int
    context_bytes: int = 0


class _Sum:
    __slots__ = ("bytes", "context_bytes", "count", "durations", "errors", "running")

    def __init__(self) -> None:
        self.count = self.running = self.errors = self.bytes = self.context_bytes = 0
        self.durations = array("q")

    def row(self, key: str) -> StatsRow:
        done = self.count - self.running
        durations = sorted(self.durations)
        return StatsRow(
            key,
            self.count,
            self.running,
            self.errors,
            self.errors / done if done else 0.0,
            percentile(durations, 50),
            percentile(durations, 95),
            percentile(durations, 99),
            self.bytes,
            self.context_bytes,
        )


_days: dict[int, str] = {}


def _day(started_us: int) -> str:
    number = started_us // 86_400_000_000
    day = _days.get(number)
    if day is None:
        day = _days[number] = day_of(started_us)
    return day


def summarise(by: StatsKey, figures: Iterable[Figure], day: Callable[[int], str] = _day) -> list[StatsRow]:
    """Return one row per key: most first, or by day in order; `day` returns the day of a start, by default in UTC."""
    sums: dict[str, _Sum] = {}
    for name, started_us, status, duration_us, size, context_bytes in figures:
        key = day(started_us) if by == "day" else name or NO_WORKFLOW
        found = sums.get(key)
        if found is None:
            found = sums[key] = _Sum()
        found.count += 1
        found.bytes += size
        found.context_bytes += context_bytes
        if not ended(status):
            found.running += 1
            continue
        if status in ("failed", "error", "timeout"):
            found.errors += 1
        if duration_us is not None:
            found.durations.append(duration_us)
    rows = [found.row(key) for key, found in sums.items()]
    return sorted(rows, key=lambda row: row.key if by == "day" else (-row.count, row.key))


def percentile(durations_us: list[int], percent: int) -> float | None:
    """Return that percentile in milliseconds by nearest rank; the durations are sorted."""
    if not durations_us:
        return None
    return durations_us[max(0, math.ceil(len(durations_us) * percent / 100) - 1)] / 1e3


def figures_of(by: StatsKey, query: RunQuery, run: ExecutionRecord | Row) -> Iterator[Figure]:
    """Yield the figures of one run: itself, or its calls."""
    row = run if isinstance(run, Row) else row_of(run)
    head = row.head
    if by != "tool":
        yield Figure(head.workflow_name, head.started_us, head.status, head.duration_us, head.bytes)
        return
    for tool, status, duration_us, size, context_bytes in row.calls:
        if query.tool is None or tool == query.tool:
            yield Figure(tool, head.started_us, status, duration_us, size, context_bytes)
