"""What several boards select: runs and tool calls by outcome, and the lines of the log that tell of a failure."""

from typing import Final

from ael_otel._generated.attributes import (
    LABEL_STATUS,
    LABEL_TOOL,
    LABEL_WORKFLOW,
    ErrorComponent,
    WorkflowStatus,
)
from ael_otel._generated.events import LOG_COMPONENT, LOG_ERROR_TYPE, LOG_WORKFLOW_ID
from ael_otel._generated.metrics import STEP_EXECUTIONS, TOOL_INVOCATIONS, WORKFLOW_EXECUTIONS
from ael_otel.prometheus import prometheus_label
from dashboards.src.foreign import SPAN_CALLS, SPAN_FAILED
from dashboards.src.queries import Matcher, among, chosen, log_lines, series

FAILED: Final[tuple[WorkflowStatus, ...]] = ("error", "timeout")
JUDGED: Final[tuple[WorkflowStatus, ...]] = ("success", *FAILED)
"""A cancelled run was called off: neither a success nor a failure."""

ENGINE: Final[ErrorComponent] = "workflow_engine"
"""The component whose error lines are failed runs, one line for each."""

THIS_WORKFLOW: Final = chosen(LABEL_WORKFLOW, "workflow")
THIS_TOOL: Final = chosen(LABEL_TOOL, "tool")


def runs(*statuses: WorkflowStatus) -> str:
    """Select the runs of the chosen workflows that ended in one of these ways, or in any."""
    return series(WORKFLOW_EXECUTIONS, THIS_WORKFLOW, *_ended(statuses))


def calls(*statuses: WorkflowStatus) -> str:
    """Select the calls of the chosen tools that ended in one of these ways, or in any."""
    return series(TOOL_INVOCATIONS, THIS_TOOL, *_ended(statuses))


def steps() -> str:
    """Select the steps of the chosen workflows."""
    return series(STEP_EXECUTIONS, THIS_WORKFLOW)


def failed_runs(*matchers: Matcher) -> str:
    """Select the log lines that say that a run of the chosen workflows failed, one for each such run."""
    return log_lines(
        (LOG_COMPONENT, "=", ENGINE),
        (LOG_ERROR_TYPE, "!=", ""),
        chosen(LOG_WORKFLOW_ID, "workflow"),
        *matchers,
    )


def _ended(statuses: tuple[WorkflowStatus, ...]) -> list[Matcher]:
    return [among(LABEL_STATUS, statuses)] if statuses else []


def span_calls(of: str, *matchers: Matcher) -> str:
    """Select the spans that Tempo has counted and that have the attribute `of`; needs the store of traces."""
    return series(SPAN_CALLS, (prometheus_label(of), "!=", ""), *matchers)


def failed_spans(of: str, *matchers: Matcher) -> str:
    """Select those of them that ended with an error."""
    return span_calls(of, ("status_code", "=", SPAN_FAILED), *matchers)
