"""How a frame ended, in the words of the metrics and of the records, and the bounded names of what does not exist."""

from typing import Final

from ael_otel._generated.attributes import WorkflowStatus
from ael_otel.lifecycle.failure import Failure
from ael_otel.store import ExecutionStatus

UNKNOWN_WORKFLOW: Final = "unknown"
"""Label of runs whose workflow does not exist: their names come from callers and are not bounded."""

UNKNOWN_TOOL: Final = "unknown"
"""Label of calls that a client or code made of a tool that does not exist, for the same reason."""


def status_of(failure: Failure | None) -> WorkflowStatus:
    """Return the metrics' word for the end of a run or of a call."""
    if failure is None:
        return "success"
    if failure.cancelled:
        return "cancelled"
    return "timeout" if failure.timed_out else "error"


def execution_status(failure: Failure | None) -> ExecutionStatus:
    """Return the records' word for the end of a run."""
    if failure is None:
        return "completed"
    return "cancelled" if failure.cancelled else "failed"
