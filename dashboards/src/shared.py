"""Panels, and a column, that more than one board has."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import DashboardLink, Panel

from ael_otel._generated.attributes import LABEL_STATUS
from ael_otel._generated.events import (
    LOG_ERROR_TYPE,
    LOG_EXCEPTION_MESSAGE,
    LOG_EXECUTION_ID,
    LOG_STEP_ID,
    LOG_TRACE_ID,
    LOG_WORKFLOW_ID,
)
from ael_otel._generated.metrics import MetricSpec
from dashboards.src import links
from dashboards.src.colours import OUTCOMES
from dashboards.src.panels import Line, bars, lines
from dashboards.src.panels_logs import log_table
from dashboards.src.parts import (
    ERROR_WIDTH,
    EXECUTION_WIDTH,
    SHORT_EXECUTION_ID,
    SHORT_TRACE_ID,
    TRACE_WIDTH,
    Column,
    Field,
)
from dashboards.src.queries import Matcher, events, legend, loki_name, quantile, total
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
            Field(name="Workflow", field=loki_name(LOG_WORKFLOW_ID), width=125),
            Field(name="Error", field=loki_name(LOG_ERROR_TYPE), width=ERROR_WIDTH),
            Field(name="Step", field=loki_name(LOG_STEP_ID), width=95),
            *trace_and_run("Trace of this run"),
            Field(name="Message", field=loki_name(LOG_EXCEPTION_MESSAGE)),
        ],
    )


def trace_and_run(trace: str) -> list[Field]:
    """The columns of a line of the log that lead on: to its trace, by a link of that title, and to its run's lines."""
    return [
        Field(
            name="Trace",
            field=loki_name(LOG_TRACE_ID),
            width=TRACE_WIDTH,
            shown_as=SHORT_TRACE_ID,
            links=[links.trace(trace, links.VALUE)],
        ),
        Field(
            name="Execution",
            field=loki_name(LOG_EXECUTION_ID),
            width=EXECUTION_WIDTH,
            shown_as=SHORT_EXECUTION_ID,
            links=[links.run_logs("Log lines of this run", links.VALUE)],
        ),
    ]


def by_outcome(*, number: int, width: int, title: str, description: str, of: str) -> Panel:
    """What ended in each interval and how; `of` selects the counter."""
    return bars(
        number=number,
        width=width,
        title=title,
        description=description,
        unit="locale",
        no_value="No engine reported in this range",
        query=[Line(query=total(events(of, "$__interval"), (LABEL_STATUS,)), legend=legend(LABEL_STATUS))],
        colours=OUTCOMES,
    )


def durations(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    no_value: str,
    of: MetricSpec,
    chosen: Matcher,
    link: DashboardLink,
) -> Panel:
    """How long most, nearly all and all but the slowest took: three quantiles of a histogram, with exemplars."""
    return lines(
        number=number,
        width=width,
        title=title,
        description=description,
        unit="s",
        no_value=no_value,
        query=[
            Line(
                query=quantile(level, of, chosen, window="$__rate_interval"),
                legend=name,
                exemplars=level == 0.95,  # the three queries have the same exemplars
            )
            for level, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
        ],
        interval="1m",
        calculations=["lastNotNull", "max"],
        links=[link],
    )


def failed_share(query: str, *, width: int, leads_to: Sequence[DashboardLink] = ()) -> Column:
    """The column that says which share failed."""
    return Column(name="Failed", query=query, unit="percentunit", decimals=1, width=width, links=leads_to)
