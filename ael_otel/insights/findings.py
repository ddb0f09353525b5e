"""Combine the findings of all methods: false discoveries controlled, ranked by cost, at most seven."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec
from msgspec.structs import replace

from ael_otel.insights.causes import precursors
from ael_otel.insights.chains import candidates
from ael_otel.insights.finding import Finding
from ael_otel.insights.history import Direct, Past, reduced
from ael_otel.insights.lost_time import retries, retry_storms, slow_path
from ael_otel.insights.money import cost_outliers
from ael_otel.insights.outcomes import errors, flaky
from ael_otel.insights.regressions import regressions
from ael_otel.insights.statistics_of import discoveries
from ael_otel.store import ExecutionRecord

MAX_FINDINGS: Final = 7
MAX_RUNS: Final = 20_000
"""Maximum number of runs that are read; the newest are used."""

FALSE_DISCOVERIES: Final = 0.02
"""Maximum share of false findings among all significant ones, over all tests of one call."""


class Insights(msgspec.Struct, frozen=True):
    """Findings, costliest first; `runs` is the number of runs that were read, `cut` whether there were more."""

    findings: list[Finding]
    runs: int
    cut: bool


def insights(runs: Iterable[ExecutionRecord], most: int = MAX_RUNS) -> Insights:
    """Return the findings from runs, which come newest first; at most `most` runs are read."""
    iterator = iter(runs)
    by_workflow: dict[str, list[Past]] = defaultdict(list)
    direct: list[Direct] = []
    count = 0

    def counted() -> Iterator[ExecutionRecord]:
        nonlocal count
        for run in islice(iterator, most):
            count += 1
            yield run

    for past in reduced(counted()):
        if isinstance(past, Direct):
            direct.append(past)
        else:
            by_workflow[past.workflow].append(past)
    for history in by_workflow.values():
        history.reverse()
    tested: list[Finding] = []
    chances: list[float] = []
    counts = [*retry_storms([*by_workflow.values()]), *candidates(direct)]
    for workflow, history in by_workflow.items():
        for finding, p in (*precursors(workflow, history), *regressions(workflow, history)):
            chances.append(p)
            if finding is not None:
                tested.append(replace(finding, p=p))
        for method in (retries, slow_path, errors, flaky, cost_outliers):
            counts += method(workflow, history)
    # A test whose effect is too small is still one of the tests.
    real = [p for p, is_real in zip(chances, discoveries(chances, FALSE_DISCOVERIES), strict=True) if is_real]
    bound = max(real, default=-1.0)
    found = [each for each in tested if each.p is not None and each.p <= bound]
    found = sorted([*found, *counts], key=lambda each: (-each.cost, each.text))
    return Insights(found[:MAX_FINDINGS], count, next(iterator, None) is not None)
