"""One finding, and what several methods share: sample sizes, the choice of two runs, how times are written."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ael_otel.insights.history import Past

MIN_SIDE: Final = 20
"""Runs on each side of a comparison of times or of rates of failures."""

MIN_ERRORS: Final = 5
"""Runs, retries or failures that a count needs."""

MIN_LIFT: Final = 1.5
"""Times by which a rate of failures must be above the other."""

_SECONDS_OF_A_FAILURE: Final = 60.0
"""What a failed run, and a unit of any currency, weighs beside lost seconds, when findings are ranked."""

type Kind = Literal[
    "precursor",
    "slower",
    "failing_more",
    "slow_path",
    "retries",
    "retry_storm",
    "flaky",
    "error",
    "candidate",
    "cost_outlier",
]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding.

    `significant` says that a test supports it, at `p`; else it is a count. `interval` is that of 95 % of `figure`, None
    for a total. `workflow` is empty for direct calls. `runs` are a run that shows it and one of the same workflow that
    does not, for `ael trace diff`; fewer if there is none. `lost_nano` is in billionths of `currency`.
    """

    kind: Kind
    workflow: str
    text: str
    figure: float
    unit: str
    sample: int
    significant: bool = False
    p: float | None = None
    interval: tuple[float, float] | None = None
    failed_runs: float = 0.0
    lost_seconds: float = 0.0
    lost_nano: int = 0
    currency: str | None = None
    runs: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """What it is ranked by."""
        return (self.failed_runs + self.lost_nano / 1e9) * _SECONDS_OF_A_FAILURE + self.lost_seconds


type Tested = tuple[Finding | None, float]
"""The chance of one test, and its finding if the effect is large enough."""


def pair(shows: Sequence[Past], does_not: Sequence[Past]) -> tuple[str, ...]:
    """Return the newest run of each, which are oldest first."""
    return tuple(runs[-1].execution_id for runs in (shows, does_not) if runs)


def duration(ms: float) -> str:
    """Return milliseconds as people write them."""
    return f"{ms:.3g} ms" if ms < 1_000 else f"{ms / 1e3:,.3g} s"
