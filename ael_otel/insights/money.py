"""Outliers of cost: runs whose model calls cost far more than those of most runs of their workflow."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from ael_otel.cost.wording import amount
from ael_otel.insights.finding import MIN_ERRORS, Finding, pair
from ael_otel.insights.history import Past
from ael_otel.insights.statistics_of import wilson

MIN_PRICED: Final = 30
"""Minimum number of runs with a known cost."""

MIN_TIMES: Final = 5
"""Minimum factor between the cost of an outlier and the median."""


def cost_outliers(workflow: str, history: Sequence[Past]) -> Iterator[Finding]:
    """Yield, for each currency, the runs that cost at least five times the median; unknown costs are ignored."""
    by_currency: dict[str, list[tuple[int, Past]]] = defaultdict(list)
    for run in history:
        if run.spent is not None:
            whole: dict[str, int] = defaultdict(int)
            for part in run.spent:
                whole[part.currency] += part.nano
            for currency, nano in whole.items():
                by_currency[currency].append((nano, run))
    for currency, priced in by_currency.items():
        usual = median(nano for nano, _ in priced)
        far = [(nano, run) for nano, run in priced if nano >= MIN_TIMES * usual]
        if len(priced) < MIN_PRICED or len(far) < MIN_ERRORS or usual <= 0:
            continue
        spent, everything = sum(nano for nano, _ in far), sum(nano for nano, _ in priced)
        places: Counter[str] = Counter()
        for _, run in far:
            for part in run.spent or ():
                if part.currency == currency:
                    places[part.place] += part.nano
        place, most = places.most_common(1)[0]
        low, high = wilson(len(far), len(priced))
        far.sort(key=lambda each: each[0])
        ordinary = [run for nano, run in priced if nano <= usual]
        yield Finding(
            kind="cost_outlier",
            workflow=workflow,
            text=f"{workflow}: {len(far):,} of {len(priced):,} runs with a known cost are {MIN_TIMES} times the median"
            f" of {amount(round(usual), currency)} or more (95 % interval {low:.0%} to {high:.0%}): together"
            f" {amount(spent, currency)}, {spent / everything:.0%} of all; {most / spent:.0%} of that is {place}",
            figure=round(len(far) / len(priced), 4),
            unit="share of runs",
            sample=len(priced),
            interval=(round(low, 4), round(high, 4)),
            lost_nano=round(spent - usual * len(far)),
            currency=currency,
            runs=pair([run for _, run in far], ordinary),
        )
