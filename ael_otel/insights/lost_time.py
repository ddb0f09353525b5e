"""Lost time: retries and the waits between them, bursts of retries, and the slowest runs."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import sqrt
from statistics import median
from typing import Final, NamedTuple

from ael_otel.insights.finding import MIN_ERRORS, MIN_SIDE, Finding, duration, pair
from ael_otel.insights.history import Past

MIN_LOST_SHARE: Final = 0.05
"""Minimum share of retries in the time of all runs."""

MIN_TAIL_RUNS: Final = 100
"""Minimum number of completed runs for a finding about the slowest 5 %."""

MIN_TAIL: Final = 1.5
"""Minimum factor between the slowest 5 % and the median."""

MIN_TAIL_SHARE: Final = 0.5
"""Minimum share of one step in the difference between the slowest runs and the median."""

MIN_STORM: Final = 10
"""Minimum number of retries of a tool in one minute."""

MIN_STORM_TIMES: Final = 5
"""Minimum factor between the retries in one minute and the median of minutes in which the tool was used."""

STORM_GAP: Final = 2
"""Number of minutes with fewer retries that a burst may contain."""


class _Use(NamedTuple):
    """Steps with one tool, over all workflows: the minutes in which they ran, and their retries by minute."""

    minutes: set[int]
    retries: Counter[int]
    runs: dict[int, list[Past]]


def retries(workflow: str, history: Sequence[Past]) -> Iterator[Finding]:
    """Yield the time that steps lost until their last attempt, by step."""
    lost: dict[str, float] = defaultdict(float)
    wait: dict[str, float] = defaultdict(float)
    hit: dict[str, list[Past]] = defaultdict(list)
    for run in history:
        for step in run.steps:
            if step.lost_ms > 0:
                lost[step.name] += step.lost_ms
                wait[step.name] += step.wait_ms
                hit[step.name].append(run)
    whole = sum(run.took_ms or 0.0 for run in history)
    for name, ms in lost.items():
        if len(history) < MIN_SIDE or len(hit[name]) < MIN_ERRORS or ms < MIN_LOST_SHARE * whole:
            continue
        clean = [run for run in history if not run.lost_ms and not run.failed]
        waited = f", {duration(wait[name])} of it waiting for the next attempt" if wait[name] >= 1 else ""
        yield Finding(
            kind="retries",
            workflow=workflow,
            text=f"{workflow}: retries of step {name} took {duration(ms)}, {ms / whole:.0%} of the time of all runs"
            f"{waited} ({len(hit[name])} of {len(history)} runs)",
            figure=round(ms / 1e3, 3),
            unit="s",
            sample=len(history),
            lost_seconds=ms / 1e3,
            runs=pair(sorted(hit[name], key=lambda run: run.lost_ms), clean),
        )


def slow_path(workflow: str, history: Sequence[Past]) -> Iterator[Finding]:
    """Yield the place where the slowest 5 % of runs lose most time: a step, its retries, or between steps."""
    runs = sorted(
        (run for run in history if not run.failed and run.took_ms is not None),
        key=lambda run: run.took_ms or 0.0,
    )
    if len(runs) < MIN_TAIL_RUNS:
        return
    times = [run.took_ms or 0.0 for run in runs]
    first = int(0.95 * len(runs))
    usual, p95, slow = median(times), times[first], runs[first:]
    if usual <= 0 or p95 < MIN_TAIL * usual:
        return
    normal = _medians(runs)
    more: dict[str, float] = defaultdict(float)
    for run in slow:
        for name, ms in _parts(run):
            more[name] += max(0.0, ms - normal.get(name, 0.0))
    whole = sum(more.values())
    name = max(more, key=more.__getitem__)
    if more[name] < MIN_TAIL_SHARE * whole:
        return
    spread = 1.959964 * sqrt(len(runs) * 0.95 * 0.05)
    low, high = times[max(0, int(first - spread))], times[min(len(times) - 1, int(first + spread) + 1)]
    typical = [run for run in runs if (run.took_ms or 0.0) <= usual]
    yield Finding(
        kind="slow_path",
        workflow=workflow,
        text=f"{workflow}: the slowest 5 % of runs take {duration(p95)} or more, the median is {duration(usual)};"
        f" {more[name] / whole:.0%} of the difference is {name}"
        f" ({len(slow)} of {len(runs)} runs; 95 % interval {duration(low)} to {duration(high)})",
        figure=round(p95, 3),
        unit="ms",
        sample=len(runs),
        interval=(round(low, 3), round(high, 3)),
        lost_seconds=more[name] / 1e3,
        runs=(slow[len(slow) // 2].execution_id, typical[-1].execution_id),
    )


def _medians(runs: Sequence[Past]) -> dict[str, float]:
    """Return the median time in each place that at least half of the runs pass; others count as 0."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, ms in _parts(run):
            found[name].append(ms)
    return {name: median(times) for name, times in found.items() if len(times) >= len(runs) / 2}


def _parts(run: Past) -> Iterator[tuple[str, float]]:
    """Yield the parts of a run with their times: each step, its retries, and the time between steps."""
    rest = run.took_ms or 0.0
    for step in run.steps:
        if step.took_ms is not None:
            rest -= step.took_ms
            yield f"in step {step.name}", step.took_ms - step.lost_ms
            if step.lost_ms:
                yield f"in retries of step {step.name}", step.lost_ms
    yield "between its steps", max(0.0, rest)


def retry_storms(histories: Sequence[Sequence[Past]]) -> Iterator[Finding]:
    """Yield the largest burst of retries of each tool, over all workflows."""
    used: dict[str, _Use] = {}
    for history in histories:
        for run in history:
            minute = int(run.started_at.timestamp() // 60)
            for step in run.steps:
                if step.tool is None or (step.skipped and not step.failed):
                    continue
                use = used.setdefault(step.tool, _Use(set(), Counter(), defaultdict(list)))
                use.minutes.add(minute)
                for at in step.retried_at:
                    use.retries[int(at // 60)] += 1
                    use.runs[int(at // 60)].append(run)
    for tool, use in used.items():
        yield from _storm(tool, use)


def _storm(tool: str, use: _Use) -> Iterator[Finding]:
    minutes = use.minutes | use.retries.keys()
    if len(minutes) < MIN_SIDE:
        return
    usual = median(use.retries[each] for each in minutes)
    bound = max(MIN_STORM, MIN_STORM_TIMES * max(1.0, usual))
    bursts: list[list[int]] = []
    for minute in sorted(each for each in minutes if use.retries[each] >= bound):
        if bursts and minute - bursts[-1][-1] <= STORM_GAP:
            bursts[-1].append(minute)
        else:
            bursts.append([minute])
    if not bursts:
        return
    worst = max(bursts, key=lambda burst: sum(use.retries[each] for each in burst))
    count = sum(use.retries[each] for each in worst)
    runs = {run.execution_id: run for each in worst for run in use.runs[each]}
    by_workflow = Counter(run.workflow for run in runs.values())
    workflow = by_workflow.most_common(1)[0][0]
    own = [run for run in runs.values() if run.workflow == workflow]
    outside = [
        run
        for minute, some in use.runs.items()
        if minute not in worst
        for run in some
        if run.workflow == workflow and run.execution_id not in runs
    ]
    lost = sum(step.lost_ms for run in runs.values() for step in run.steps if step.tool == tool) / 1e3
    length = worst[-1] - worst[0] + 1
    when = datetime.fromtimestamp(worst[0] * 60, UTC)
    times = "in one minute" if length == 1 else f"in {length} minutes"
    yield Finding(
        kind="retry_storm",
        workflow=workflow,
        text=f"{workflow}: tool {tool} was retried {count:,} times {times} from {when:%Y-%m-%d %H:%M} UTC on; the"
        f" median of a minute is {usual:g} ({len(runs)} runs, {len(minutes):,} minutes)",
        figure=round(count / length, 2),
        unit="retries per minute",
        sample=len(minutes),
        lost_seconds=lost,
        runs=pair(sorted(own, key=lambda run: run.lost_ms), outside),
    )
