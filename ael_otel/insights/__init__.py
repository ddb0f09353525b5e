"""What stored runs show together: why runs fail, what got slower, where time is lost.

`history` reduces runs to what the methods need; `causes`, `regressions`, `lost_time`, `outcomes`, `chains` and `money`
are the methods, on `statistics_of` (standard library only); `findings` puts them together. Nothing is reported below
its sample size, and what claims significance is controlled together for false discoveries.
"""

from ael_otel.insights.finding import Finding
from ael_otel.insights.findings import MAX_FINDINGS, MAX_RUNS, Insights, insights

__all__ = ["MAX_FINDINGS", "MAX_RUNS", "Finding", "Insights", "insights"]
