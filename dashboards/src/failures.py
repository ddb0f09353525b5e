"""The table of failed runs, which more than one board has."""

from grafana_foundation_sdk.models.dashboard import Panel

from ael_otel._generated.events import (
    LOG_ERROR_TYPE,
    LOG_EXCEPTION_MESSAGE,
    LOG_EXECUTION_ID,
    LOG_STEP_ID,
    LOG_TRACE_ID,
    LOG_WORKFLOW_ID,
)
from dashboards.src import links
from dashboards.src.panels_logs import log_table
from dashboards.src.parts import Field
from dashboards.src.queries import loki_name
from dashboards.src.selections import failed_runs


def recent_failures(*, number: int) -> Panel:
    """The newest failed runs of the chosen workflows, each with its step, its lines and its trace."""
    return log_table(
        number=number,
        width=24,
        title="Recent failures",
        description="The newest 50 runs of the time range that failed, timed out or were cancelled, from the log. The "
        "trace opens the run's waterfall, the execution every log line of the run.",
        unit="string",
        no_value="No run failed in this range",
        query=failed_runs(),
        limit=50,
        fields=[
            Field(name="Workflow", field=loki_name(LOG_WORKFLOW_ID), width=140),
            Field(name="Error", field=loki_name(LOG_ERROR_TYPE), width=170),
            Field(name="Step", field=loki_name(LOG_STEP_ID), width=110),
            Field(name="Message", field=loki_name(LOG_EXCEPTION_MESSAGE)),
            Field(
                name="Execution",
                field=loki_name(LOG_EXECUTION_ID),
                width=155,
                links=[links.run_logs("Log lines of this run", links.VALUE)],
            ),
            Field(
                name="Trace",
                field=loki_name(LOG_TRACE_ID),
                width=150,
                links=[links.trace("Trace of this run", links.VALUE)],
            ),
        ],
    )
