"""Status values of metrics and of records, and the bounded labels of workflows and tools that do not exist."""

from typing import Final

from ael_otel._generated.attributes import WorkflowStatus
from ael_otel.lifecycle.failure import Failure
from ael_otel.store import ExecutionStatus

UNKNOWN_WORKFLOW: Final = "unknown"
"""Label of runs of a nonexistent workflow: such names come from callers and are not bounded."""

UNKNOWN_TOOL: Final = "unknown"
"""Label of calls of a nonexistent tool by a client or code, for the same reason."""


def status_of(failure: Failure | None) -> WorkflowStatus:
    """Return the `status` label of a run or call that has ended; `failure` is None if it succeeded."""
    if failure is None:
        return "success"
    if failure.cancelled:
        return "cancelled"
    return "timeout" if failure.timed_out else "error"


def execution_status(failure: Failure | None) -> ExecutionStatus:
    """Return the status in the record of a run that has ended; `failure` is None if it succeeded."""
    if failure is None:
        return "completed"
    return "cancelled" if failure.cancelled else "failed"
