"""Findings from many stored runs: why runs fail, what got slower, where time is lost.

`history` reduces runs to what the methods need; `causes`, `regressions`, `lost_time`, `outcomes`, `chains` and `money`
are the methods, based on `statistics_of` (standard library only); `findings` combines them. A method reports nothing
below its minimum sample size, and the false discovery rate is controlled over all significance tests together.
"""

from ael_otel.insights.finding import Finding
from ael_otel.insights.findings import MAX_FINDINGS, MAX_RUNS, Insights, insights

__all__ = ["MAX_FINDINGS", "MAX_RUNS", "Finding", "Insights", "insights"]
