"""Errors by message, and flaky steps, which both fail and complete with the same input."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ael_otel.insights.finding import MIN_ERRORS, MIN_SIDE, Finding, pair
from ael_otel.insights.history import Past
from ael_otel.insights.statistics_of import wilson

WINDOW_S: Final = 3_600.0
"""Maximum seconds between the two outcomes of the same input."""


class _Outcome(NamedTuple):
    """The outcome of one attempt; `ended` is whether it failed the run."""

    at: float
    failed: bool
    ended: bool
    run: Past


def errors(workflow: str, history: Sequence[Past]) -> Iterator[Finding]:
    """Yield the errors of runs: their number, first and last time, and the share of runs that recovered."""
    failed: dict[str, list[Past]] = defaultdict(list)
    recovered: dict[str, list[Past]] = defaultdict(list)
    steps: dict[str, set[str | None]] = defaultdict(set)
    for run in history:
        met: dict[str, bool] = {}
        for error in run.errors:
            met[error.template] = met.get(error.template, True) and error.recovered
            steps[error.template].add(error.step)
        for template, ended_well in met.items():
            (recovered if ended_well else failed)[template].append(run)
    well = [run for run in history if not run.failed]
    for template, places in steps.items():
        bad, good = failed[template], recovered[template]
        runs = sorted([*bad, *good], key=lambda run: run.started_at)
        if len(runs) < MIN_ERRORS:
            continue
        first, last = runs[0].started_at, runs[-1].started_at
        low, high = wilson(len(good), len(runs))
        (step,) = places if len(places) == 1 else (None,)
        where = "" if step is None else f" in step {step}"
        yield Finding(
            kind="error",
            workflow=workflow,
            text=f"{workflow}: {len(runs)} of {len(history)} runs met {template}{where}, and"
            f" {len(good) / len(runs):.0%} of them recovered (95 % interval {low:.0%} to {high:.0%};"
            f" first {first:%Y-%m-%d %H:%M}, last {last:%Y-%m-%d %H:%M} UTC)",
            figure=round(len(good) / len(runs), 4),
            unit="share recovered",
            sample=len(runs),
            interval=(round(low, 4), round(high, 4)),
            failed_runs=float(len(bad)),
            runs=pair(bad or good, [run for run in well if not run.errors] or well),
        )


def flaky(workflow: str, history: Sequence[Past]) -> Iterator[Finding]:
    """Yield the steps that repeatedly both failed and completed with the same input within an hour."""
    inputs: dict[str, dict[int, list[_Outcome]]] = defaultdict(lambda: defaultdict(list))
    every: dict[str, list[_Outcome]] = defaultdict(list)
    for run in history:
        at = run.started_at.timestamp()
        for step in run.steps:
            if step.key is None or not (step.ended_well or step.failed):
                continue
            # Attempts before the last one failed, whatever the outcome of the step.
            for number in range(step.attempts):
                last = number == step.attempts - 1
                outcome = _Outcome(at, step.failed or not last, step.failed and last and run.failed, run)
                inputs[step.name][step.key].append(outcome)
                every[step.name].append(outcome)
    for name, by_key in inputs.items():
        failures: list[_Outcome] = []
        completions: list[_Outcome] = []
        mixed = 0
        for outcomes in by_key.values():
            bad = [each for each in outcomes if each.failed]
            good = [each for each in outcomes if not each.failed]
            near_bad, near_good = _near(bad, good), _near(good, bad)
            mixed += bool(near_bad)
            failures += near_bad
            completions += near_good
        sample = len(failures) + len(completions)
        occasions = _occasions(every[name])
        if len(failures) < MIN_ERRORS or sample < MIN_SIDE or occasions < MIN_ERRORS:
            continue
        low, high = wilson(len(failures), sample)
        failures.sort(key=lambda each: (each.ended, each.at))
        shows = failures[-1].run
        other = [each.run for each in completions if each.run.execution_id != shows.execution_id]
        yield Finding(
            kind="flaky",
            workflow=workflow,
            text=f"{workflow}: step {name} is flaky: with the same input, within an hour, it failed"
            f" {len(failures):,} times and completed {len(completions):,} times ({mixed:,} inputs,"
            f" {occasions:,} separate occasions; 95 % interval of the share that fails {low:.0%} to {high:.0%})",
            figure=round(len(failures) / sample, 4),
            unit="share of attempts",
            sample=sample,
            interval=(round(low, 4), round(high, 4)),
            failed_runs=float(sum(each.ended for each in failures)),
            runs=pair([shows], [run for run in other if not run.failed] or other),
        )


def _near(some: Sequence[_Outcome], others: Sequence[_Outcome]) -> list[_Outcome]:
    """Return those that have one of the others within the window; both are in the order of time."""
    found: list[_Outcome] = []
    at = 0
    for each in some:
        while at < len(others) and others[at].at < each.at - WINDOW_S:
            at += 1
        if at < len(others) and others[at].at <= each.at + WINDOW_S:
            found.append(each)
    return found


def _occasions(outcomes: Sequence[_Outcome]) -> int:
    """Return how often failures began after completions; a long outage counts once."""
    return sum(
        each.failed and (before is None or not before.failed)
        for before, each in zip((None, *outcomes), outcomes, strict=False)
    )
