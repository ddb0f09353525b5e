"""AEL Logs: what did the engine say, about which run, and what came before an error?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from ael_otel._generated.events import (
    LOG_COMPONENT,
    LOG_ERROR_TYPE,
    LOG_EXCEPTION_MESSAGE,
    LOG_EXECUTION_ID,
    LOG_WORKFLOW_ID,
)
from dashboards.src import links
from dashboards.src.board import Section, board, list_variable, text_variable, workflow_variable
from dashboards.src.colours import COMPONENTS, LEVELS
from dashboards.src.panels import note
from dashboards.src.panels_logs import log_bars, log_lines_panel, log_table
from dashboards.src.parts import (
    ERROR_WIDTH,
    Field,
)
from dashboards.src.queries import (
    Matcher,
    chosen,
    containing,
    legend,
    line_counts,
    log_lines,
    loki_name,
)
from dashboards.src.shared import trace_and_run

_NO_LINE = "No line in this range is of this choice"


def logs() -> Dashboard:
    """Make the board AEL Logs."""
    question = "What did the engine log, about which run, and what came before an error?"
    return board(
        uid=links.LOGS,
        title="AEL Logs",
        description=question,
        tags=["logs"],
        refresh="10s",
        variables=[
            workflow_variable(),
            list_variable("level", "Level", "Severity of the lines", list(LEVELS)),
            text_variable("component", "Component", "Part of the name of a component; empty for all", ""),
            text_variable("execution", "Execution", "Id of one run, or how it begins; empty for all", ""),
            text_variable("text", "Text", "What a line contains, in this spelling; empty for all", ""),
        ],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Volume", height=9, panels=_volume()),
            Section(number=20, title="Errors", height=8, panels=[_errors()]),
            Section(number=30, title="Live log", height=18, panels=[_live()]),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** The choice above holds for all panels. A line's details hold its fields and the link "
        "to its trace.",
    )


def _of_choice(*matchers: Matcher) -> str:
    """Lines of the choice; those outside a run have no workflow and no execution, which All and empty include."""
    return containing(
        log_lines(
            chosen(LOG_LEVEL_FIELD, "level"),
            chosen(LOG_WORKFLOW_ID, "workflow"),
            (LOG_COMPONENT, "=~", ".*$component.*"),
            (LOG_EXECUTION_ID, "=~", "$execution.*"),
            *matchers,
        ),
        "$text",
    )


LOG_LEVEL_FIELD: Final = "severity_text"
"""Where Loki keeps what a line of the contract calls `level`: OTLP has a field of its own for it."""


def _volume() -> list[Panel]:
    of_series = links.logs("These lines", _of_choice())
    return [
        log_bars(
            number=11,
            width=12,
            title="Lines by level",
            description="Log lines of the choice in each interval, by severity. The bars add up to the number of lines "
            "in the time range.",
            unit="locale",
            no_value=_NO_LINE,
            query=line_counts(_of_choice(), (LOG_LEVEL_FIELD,)),
            legend=legend(LOG_LEVEL_FIELD),
            colours=LEVELS,
            links=[of_series],
        ),
        log_bars(
            number=12,
            width=12,
            title="Lines by component",
            description="Log lines of the choice in each interval, by the part of the engine that wrote them.",
            unit="locale",
            no_value=_NO_LINE,
            query=line_counts(_of_choice(), (LOG_COMPONENT,)),
            legend=legend(LOG_COMPONENT),
            colours=COMPONENTS,
            links=[of_series],
        ),
    ]


def _errors() -> Panel:
    return log_table(
        number=21,
        width=24,
        title="Errors",
        description="The newest 100 lines of the choice that carry an error. The trace opens the waterfall, the "
        "execution narrows this board to one run.",
        unit="string",
        no_value="No line of this choice carries an error",
        query=_of_choice((LOG_ERROR_TYPE, "!=", "")),
        limit=100,
        fields=[
            Field(name="Component", field=loki_name(LOG_COMPONENT), width=130),
            Field(name="Error", field=loki_name(LOG_ERROR_TYPE), width=ERROR_WIDTH),
            Field(name="Workflow", field=loki_name(LOG_WORKFLOW_ID), width=125),
            *trace_and_run("Trace of this line"),
            Field(name="Message", field=loki_name(LOG_EXCEPTION_MESSAGE)),
        ],
    )


def _live() -> Panel:
    return log_lines_panel(
        number=31,
        width=24,
        title="Live log",
        description="The newest 500 lines of the choice, the newest first, read again every ten seconds. Open a line "
        "to see its fields and the link to its trace.",
        unit="string",
        no_value=_NO_LINE,
        query=_of_choice(),
        limit=500,
    )
