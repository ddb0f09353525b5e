"""Causes of failures: traits of steps in runs that failed later."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ael_otel.insights.finding import MIN_LIFT, Finding, Tested, pair
from ael_otel.insights.history import Past
from ael_otel.insights.statistics_of import fisher_greater

MIN_SUPPORT: Final = 30
"""Minimum number of runs with a trait, and of runs without it."""

MAX_GRAM: Final = 3
"""Maximum number of events in a sequence; a step without traits is an event, too."""

type Gram = tuple[str, ...]


class _Cause(NamedTuple):
    gram: Gram
    step: str
    having: list[int]
    failed: int
    all_failed: int
    p: float


def precursors(workflow: str, history: Sequence[Past]) -> Iterator[Tested]:
    """Yield a test for each sequence of traits: do runs with it that passed its last step fail later more often?

    A run that failed earlier is in neither group, since it could not show the trait.
    """
    past_it: dict[str, list[int]] = defaultdict(list)
    having: dict[tuple[Gram, str], list[int]] = defaultdict(list)
    for number, run in enumerate(history):
        _note(number, run, past_it, having)
    failures = {step: sum(history[number].failed for number in runs) for step, runs in past_it.items()}
    tested: set[tuple[str, tuple[int, ...]]] = set()
    causes: list[_Cause] = []
    for (gram, step), runs in having.items():
        total, all_failed = len(past_it[step]), failures[step]
        if min(len(runs), total - len(runs)) < MIN_SUPPORT or (step, tuple(runs)) in tested:
            continue
        # The same runs under another sequence would be the same test.
        tested.add((step, tuple(runs)))
        failed = sum(history[number].failed for number in runs)
        p = fisher_greater(failed, len(runs), all_failed, total)
        if all_failed and failed / len(runs) >= MIN_LIFT * all_failed / total:
            causes.append(_Cause(gram, step, runs, failed, all_failed, p))
        else:
            yield None, p
    named: list[Gram] = []
    for cause in sorted(causes, key=lambda each: (each.p, len(each.gram), each.gram)):
        if any(set(cause.gram) & set(gram) for gram in named):
            # Part of a clearer cause, or an accidental addition to one.
            yield None, cause.p
        else:
            named.append(cause.gram)
            yield _finding(workflow, cause, history, past_it[cause.step]), cause.p


def _note(
    number: int,
    run: Past,
    past_it: dict[str, list[int]],
    having: dict[tuple[Gram, str], list[int]],
) -> None:
    events: list[str] = []
    seen: set[str] = set()
    grams: set[Gram] = set()
    for step in run.steps:
        if not (step.ended_well or step.skipped):
            return
        if step.name in seen:
            continue
        seen.add(step.name)
        past_it[step.name].append(number)
        if not step.traits:
            events.append("")
            continue
        for trait in step.traits:
            events.append(trait)
            for length in range(1, min(MAX_GRAM, len(events)) + 1):
                first = events[-length]
                gram = tuple(each for each in events[-length:] if each)
                if first and len(set(gram)) == len(gram) and gram not in grams:
                    grams.add(gram)
                    having[gram, step.name].append(number)


def _finding(workflow: str, cause: _Cause, history: Sequence[Past], everyone: Sequence[int]) -> Finding:
    runs, total = cause.having, len(everyone)
    without = total - len(runs)
    rate, other = cause.failed / len(runs), (cause.all_failed - cause.failed) / without
    theirs = set(runs)
    bad = [history[number] for number in runs if history[number].failed]
    good = [history[number] for number in everyone if number not in theirs and not history[number].failed]
    what = " and then ".join(cause.gram)
    return Finding(
        kind="precursor",
        workflow=workflow,
        text=f"{workflow}: runs in which {what} fail later in {rate:.0%} of cases, others in {other:.0%}"
        f" ({len(runs)} and {without} runs)",
        figure=round(rate * total / cause.all_failed, 2),
        unit="times the usual rate",
        sample=total,
        significant=True,
        failed_runs=cause.failed - other * len(runs),
        runs=pair(bad, good),
    )
