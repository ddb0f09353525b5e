"""Regressions: what got slower or fails more often in a new version of a workflow, or since some time."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from ael_otel.insights.finding import MIN_LIFT, MIN_SIDE, Finding, Tested, duration, pair
from ael_otel.insights.history import Past
from ael_otel.insights.statistics_of import change, difference, fisher_greater, shift

MIN_SHIFT: Final = 0.10
"""Minimum growth of times, as a share of the earlier median."""


def regressions(workflow: str, history: Sequence[Past]) -> Iterator[Tested]:
    """Yield tests of the newest version against the one before it, or of a change in time within one version.

    Versions of fewer than `MIN_SIDE` runs do not count: the first runs of a new version would hide the last finding.
    """
    count = Counter(run.version for run in history)
    newest_first = dict.fromkeys(run.version for run in reversed(history))
    newest, before = ([version for version in newest_first if count[version] >= MIN_SIDE] + [None, None])[:2]
    if before is not None:
        old = [run for run in history if run.version == before]
        new = [run for run in history if run.version == newest]
        what = f"version {newest or '(none)'} than in {before or '(none)'}"
        yield from _slower(workflow, what, old, new)
        yield from _failing_more(workflow, what, old, new)
        return
    history = [run for run in history if run.version == newest]
    timed = [run for run in history if not run.failed and run.took_ms is not None]
    for runs, values, method in (
        (timed, [run.took_ms or 0.0 for run in timed], _slower),
        (history, [float(run.failed) for run in history], _failing_more),
    ):
        if len(runs) < 2 * MIN_SIDE:
            continue
        at, p = change(values)
        if min(at, len(runs) - at) < MIN_SIDE:
            yield None, p
            continue
        since = (
            f"the runs of {_span(runs[at:])} since {runs[at].started_at:%Y-%m-%d %H:%M:%S} UTC"
            f" than in those of {_span(runs[:at])} before"
        )
        for finding, other in method(workflow, since, runs[:at], runs[at:]):
            # The time was chosen for its difference, so only the test that chose it has a valid p-value.
            yield finding, max(p, other)


_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def _span(runs: Sequence[Past]) -> str:
    """Return the time between the first and the last start, in words."""
    seconds = (runs[-1].started_at - runs[0].started_at).total_seconds()
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), ("second", 1))
    count = max(1, round(seconds / size))
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _slower(workflow: str, what: str, old: Sequence[Past], new: Sequence[Past]) -> Iterator[Tested]:
    before = [run.took_ms for run in old if not run.failed and run.took_ms is not None]
    after = [run.took_ms for run in new if not run.failed and run.took_ms is not None]
    if min(len(before), len(after)) < MIN_SIDE:
        return
    moved, usual = shift(before, after), median(before)
    if usual <= 0 or moved.by < MIN_SHIFT * usual or moved.low <= 0:
        yield None, moved.p
        return
    step = _step_that_grew(old, new)
    where = f", most of it in step {step}" if step else ""
    yield (
        Finding(
            kind="slower",
            workflow=workflow,
            text=f"{workflow}: runs take {duration(moved.by)} ({moved.by / usual:.0%}) longer in {what}{where}"
            f" ({len(after)} and {len(before)} runs; 95 % interval {duration(moved.low)} to {duration(moved.high)})",
            figure=round(moved.by, 3),
            unit="ms",
            sample=len(before) + len(after),
            significant=True,
            interval=(round(moved.low, 3), round(moved.high, 3)),
            lost_seconds=moved.by * len(after) / 1e3,
            runs=(_nearest(new, median(after)), _nearest(old, usual)),
        ),
        moved.p,
    )


def _failing_more(workflow: str, what: str, old: Sequence[Past], new: Sequence[Past]) -> Iterator[Tested]:
    if min(len(old), len(new)) < MIN_SIDE:
        return
    failed, before = sum(run.failed for run in new), sum(run.failed for run in old)
    p = fisher_greater(failed, len(new), failed + before, len(old) + len(new))
    rate, other = failed / len(new), before / len(old)
    if rate < MIN_LIFT * other or not failed:
        yield None, p
        return
    low, high = difference(failed, len(new), before, len(old))
    yield (
        Finding(
            kind="failing_more",
            workflow=workflow,
            text=f"{workflow}: {rate:.0%} of runs fail, more in {what}, where it is {other:.0%}"
            f" ({len(new)} and {len(old)} runs; 95 % interval of the difference {low:.0%} to {high:.0%})",
            figure=round(rate - other, 4),
            unit="share of runs",
            sample=len(old) + len(new),
            significant=True,
            interval=(round(low, 4), round(high, 4)),
            failed_runs=failed - other * len(new),
            runs=pair([run for run in new if run.failed], [run for run in old if not run.failed]),
        ),
        p,
    )


def _nearest(runs: Sequence[Past], ms: float) -> str:
    timed = [run for run in runs if not run.failed and run.took_ms is not None]
    return min(timed, key=lambda run: abs((run.took_ms or 0.0) - ms)).execution_id


def _step_that_grew(old: Sequence[Past], new: Sequence[Past]) -> str | None:
    """Return the step whose median grew most."""
    medians: list[dict[str, float]] = []
    for runs in (old, new):
        times: dict[str, list[float]] = defaultdict(list)
        for run in runs:
            for step in run.steps:
                if step.took_ms is not None and step.ended_well:
                    times[step.name].append(step.took_ms)
        medians.append({name: median(found) for name, found in times.items()})
    before, after = medians
    grown = {name: ms - before.get(name, 0.0) for name, ms in after.items()}
    most = max(grown, key=grown.__getitem__, default=None)
    return most if most is not None and grown[most] > 0 else None
