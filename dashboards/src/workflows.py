"""AEL Workflows: which workflow is slow or fails, and in which step?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from ael_otel._generated.attributes import LABEL_STEP, LABEL_TYPE, LABEL_WORKFLOW
from ael_otel._generated.events import LOG_STEP_ID, LOG_WORKFLOW_ID
from dashboards.src import links
from dashboards.src.board import Section, board, workflow_variable
from dashboards.src.panels import Column, Line, bars, note, ranking
from dashboards.src.queries import events, legend, log_lines, total
from dashboards.src.selections import steps


def workflows() -> Dashboard:
    """Make the board AEL Workflows."""
    question = "Which workflow is slow or fails, and in which step?"
    return board(
        uid="ael-workflows",
        title="AEL Workflows",
        description=question,
        tags=["workflows"],
        variables=[workflow_variable()],
        sections=[
            Section(
                number=1, title="", height=2, panels=[note(number=2, width=24, content=f"**{question}**")]
            ),
            Section(number=40, title="Steps", height=9, panels=_steps()),
        ],
    )


def _steps() -> list[Panel]:
    by = (LABEL_WORKFLOW, LABEL_STEP, LABEL_TYPE)
    return [
        bars(
            number=41,
            width=12,
            title="Steps by type",
            description="Steps that ran and ended in each interval. A retried step counts once, a skipped one not.",
            unit="short",
            no_value="No step ended in this range",
            query=[
                Line(
                    query=f"{total(events(steps(), '$__interval'), (LABEL_TYPE,))} > 0",
                    legend=legend(LABEL_TYPE),
                )
            ],
        ),
        ranking(
            number=42,
            width=12,
            title="Steps",
            description="How often each step of the chosen workflows ran in the time range. The step leads to its log "
            "lines.",
            unit="short",
            no_value="No step ended in this range",
            order_by="Ran",
            limit=50,
            query=[
                Column(name="Workflow", label=LABEL_WORKFLOW),
                Column(
                    name="Step",
                    label=LABEL_STEP,
                    links=[
                        links.logs(
                            "Log lines of this step",
                            log_lines(
                                (LOG_WORKFLOW_ID, "=", "${__data.fields.Workflow}"),
                                (LOG_STEP_ID, "=", "${__value.raw}"),
                            ),
                        )
                    ],
                ),
                Column(name="Type", label=LABEL_TYPE, width=110),
                Column(
                    name="Ran", query=f"{total(events(steps(), '$__range'), by)} > 0", decimals=0, width=90
                ),
            ],
        ),
    ]
