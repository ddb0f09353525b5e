"""The type of a finding, and parts that several methods share: sample sizes, example runs, formatted times."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ael_otel.insights.history import Past

MIN_SIDE: Final = 20
"""Minimum number of runs on each side of a comparison of times or failure rates."""

MIN_ERRORS: Final = 5
"""Minimum number of runs, retries or failures that are reported as a count."""

MIN_LIFT: Final = 1.5
"""Minimum factor between two failure rates."""

_SECONDS_OF_A_FAILURE: Final = 60.0
"""Weight of a failed run, and of one unit of any currency, in seconds, for the ranking of findings."""

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

    `significant` is whether a test supports it, with chance `p`; otherwise it is a count. `interval` is the 95 %
    interval of `figure`, None for a total. `workflow` is empty for direct calls. `runs` are a run that shows the
    finding and one of the same workflow that does not, for `ael trace diff`; fewer if there is none. `lost_nano` is in
    billionths of `currency`.
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
        """The weight by which findings are ranked, in seconds."""
        return (self.failed_runs + self.lost_nano / 1e9) * _SECONDS_OF_A_FAILURE + self.lost_seconds


type Tested = tuple[Finding | None, float]
"""The p-value of one test, and its finding if the effect is large enough."""


def pair(shows: Sequence[Past], does_not: Sequence[Past]) -> tuple[str, ...]:
    """Return the newest run of each sequence, which are sorted oldest first."""
    return tuple(runs[-1].execution_id for runs in (shows, does_not) if runs)


def duration(ms: float) -> str:
    """Format milliseconds, as milliseconds or seconds."""
    return f"{ms:.3g} ms" if ms < 1_000 else f"{ms / 1e3:,.3g} s"
