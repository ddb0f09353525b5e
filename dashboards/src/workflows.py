"""AEL Workflows: which workflow is slow or fails, and in which step?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLink, Panel

from ael_otel._generated.attributes import (
    AEL_STEP_NAME,
    AEL_STEP_SKIP_REASON,
    AEL_STEP_TYPE,
    AEL_WORKFLOW_NAME,
    LABEL_STEP,
    LABEL_TYPE,
    LABEL_WORKFLOW,
)
from ael_otel._generated.events import (
    LOG_ERROR_TYPE,
    LOG_EVENT_NAME,
    LOG_STEP_ID,
    LOG_WORKFLOW_ID,
    STEP_RETRY,
    STEP_SKIP,
)
from ael_otel._generated.metrics import WORKFLOW_DURATION
from ael_otel._generated.spans import WORKFLOW
from ael_otel.prometheus import prometheus_label
from dashboards.src import links
from dashboards.src.board import Section, board, workflow_variable
from dashboards.src.colours import PASSED_OVER, STEP_TYPES
from dashboards.src.foreign import SPAN_FAILED, SPAN_LATENCY
from dashboards.src.panels import Line, bars, distribution, note, ranking
from dashboards.src.panels_logs import log_bars, log_ranking
from dashboards.src.parts import Column, Field, words
from dashboards.src.queries import (
    Matcher,
    attribute,
    chosen,
    events,
    legend,
    line_counts,
    line_totals,
    log_lines,
    loki_name,
    mean,
    quantile,
    ratio,
    series,
    span_is,
    spans,
    total,
)
from dashboards.src.selections import FAILED, JUDGED, THIS_WORKFLOW, failed_spans, runs, span_calls, steps
from dashboards.src.shared import by_outcome, durations, failed_share, recent_failures

_BY = (LABEL_WORKFLOW,)
_WORKFLOW = prometheus_label(AEL_WORKFLOW_NAME)
_STEP = prometheus_label(AEL_STEP_NAME)
_STEP_TYPE = prometheus_label(AEL_STEP_TYPE)
_OF_CHOICE = chosen(_WORKFLOW, "workflow")
_WHAT = {STEP_RETRY.name: "retried", STEP_SKIP.name: "skipped"}
_NO_RUN = "No run ended in this range"


def workflows() -> Dashboard:
    """Make the board AEL Workflows."""
    question = "Which workflow is slow or fails, and in which step?"
    return board(
        uid=links.WORKFLOWS,
        title="AEL Workflows",
        description=question,
        tags=["workflows"],
        variables=[workflow_variable()],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Outcomes", height=10, panels=_outcomes()),
            Section(number=20, title="How long runs take", height=10, panels=_durations()),
            Section(
                number=30,
                title="Recent failures",
                height=9,
                panels=[recent_failures(number=31)],
            ),
            Section(number=40, title="Steps", height=9, panels=_steps()),
            Section(number=50, title="Retries and skips", height=9, panels=_retries_and_skips()),
            Section(number=60, title="Insights", height=8, panels=_insights()),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** A failed run's row leads to its trace and its log lines, a step's row to the traces "
        "in which it ran, a diamond on a duration to the trace that took so long.",
    )


def _traces_of_these() -> DashboardLink:
    return links.traces(
        "Traces of these runs",
        spans(span_is(WORKFLOW.name), attribute(AEL_WORKFLOW_NAME, "=~", "${workflow:pipe}")),
    )


def _outcomes() -> list[Panel]:
    row = links.column("Workflow")
    return [
        by_outcome(
            number=11,
            width=12,
            title="Runs by outcome",
            description="Runs of the chosen workflows that ended in each interval. The bars add up to the number of "
            "runs in the time range.",
            of=runs(),
        ),
        ranking(
            number=12,
            width=12,
            title="Success rate by workflow",
            description="Successful runs divided by successful, failed and timed-out runs of the time range; a "
            "workflow of which every run was cancelled has no rate.",
            unit="locale",
            no_value=_NO_RUN,
            order_by="Failures",
            limit=100,
            query=[
                Column(
                    name="Workflow",
                    label=LABEL_WORKFLOW,
                    links=[
                        links.traces(
                            "Traces of this workflow",
                            spans(span_is(WORKFLOW.name), attribute(AEL_WORKFLOW_NAME, "=", row)),
                        )
                    ],
                ),
                Column(
                    name="Runs", query=f"{total(events(runs(), '$__range'), _BY)} > 0", decimals=0, width=90
                ),
                Column(
                    name="Failures",
                    query=f"{total(events(runs(*FAILED), '$__range'), _BY)}\nand\n"
                    f"{total(events(runs(), '$__range'), _BY)} > 0",
                    decimals=0,
                    width=90,
                    links=[
                        links.logs(
                            "Failures of this workflow",
                            log_lines((LOG_WORKFLOW_ID, "=", row), (LOG_ERROR_TYPE, "!=", "")),
                        )
                    ],
                ),
                Column(
                    name="Success",
                    query=ratio(runs("success"), runs(*JUDGED), "$__range", _BY),
                    unit="percentunit",
                    decimals=1,
                    width=100,
                ),
            ],
        ),
    ]


def _durations() -> list[Panel]:
    return [
        distribution(
            number=21,
            width=12,
            title="Distribution of run durations",
            description="How many runs took how long: each row is a bucket of the histogram, each column an interval. "
            "A diamond is one run and leads to its trace.",
            unit="s",
            no_value=_NO_RUN,
            query=total(
                events(series(WORKFLOW_DURATION, THIS_WORKFLOW, part="bucket"), "$__interval"), ("le",)
            ),
            links=[_traces_of_these()],
        ),
        durations(
            number=22,
            width=12,
            title="Run duration",
            description="The duration that 50 %, 95 % and 99 % of the runs stayed below, estimated from the "
            "histogram's buckets. A diamond is one run: it leads to the run's trace.",
            no_value=_NO_RUN,
            of=WORKFLOW_DURATION,
            chosen=THIS_WORKFLOW,
            link=_traces_of_these(),
        ),
    ]


def _steps() -> list[Panel]:
    by = (LABEL_WORKFLOW, LABEL_STEP, LABEL_TYPE)
    no_time = "Tempo has counted no step in this range"
    seconds = series(SPAN_LATENCY, (_STEP, "!=", ""), _OF_CHOICE, part="sum")
    return [
        bars(
            number=41,
            width=12,
            title="Steps by type",
            description="Steps that ran and ended in each interval. A retried step counts once, a skipped one not.",
            unit="locale",
            no_value="No step ended in this range",
            query=[
                Line(
                    query=f"{total(events(steps(), '$__interval'), (LABEL_TYPE,))} > 0",
                    legend=legend(LABEL_TYPE),
                )
            ],
            colours=STEP_TYPES,
        ),
        bars(
            number=43,
            width=12,
            title="Time in steps by type",
            description="Seconds that the steps which ended in each interval took together, all attempts included. "
            "Counted from the spans.",
            unit="s",
            no_value=no_time,
            query=[
                Line(
                    query=f"{total(events(seconds, '$__interval'), (_STEP_TYPE,))} > 0",
                    legend=legend(_STEP_TYPE),
                )
            ],
            colours=STEP_TYPES,
        ),
        ranking(
            number=42,
            width=9,
            title="Steps",
            description="How often each step of the chosen workflows ran in the time range. The step leads to its log "
            "lines.",
            unit="locale",
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
                                (LOG_WORKFLOW_ID, "=", links.column("Workflow")),
                                (LOG_STEP_ID, "=", links.VALUE),
                            ),
                        )
                    ],
                ),
                Column(
                    name="Ran", query=f"{total(events(steps(), '$__range'), by)} > 0", decimals=0, width=75
                ),
                Column(name="Type", label=LABEL_TYPE, width=95),  # last: the numbers are what is looked for
            ],
        ),
        _time_of_steps(no_time),
    ]


def _time_of_steps(no_value: str) -> Panel:
    by = (_WORKFLOW, _STEP, _STEP_TYPE)
    of_steps: tuple[Matcher, ...] = ((_STEP, "!=", ""), _OF_CHOICE)
    return ranking(
        number=44,
        width=15,
        title="Time of steps",
        description="How long each step took in the time range, all its attempts included, the one with the most time "
        "first. Counted from the traces; a skipped step is a span of no length.",
        unit="s",
        no_value=no_value,
        order_by="Total",
        limit=50,
        query=[
            Column(name="Workflow", label=_WORKFLOW),
            Column(
                name="Step",
                label=_STEP,
                links=[
                    links.traces(
                        "Traces with this step",
                        spans(
                            attribute(AEL_WORKFLOW_NAME, "=", links.column("Workflow")),
                            attribute(AEL_STEP_NAME, "=", links.VALUE),
                        ),
                    )
                ],
            ),
            Column(
                name="Total",
                query=total(events(series(SPAN_LATENCY, *of_steps, part="sum"), "$__range"), by),
                width=85,
            ),
            Column(name="Mean", query=mean(SPAN_LATENCY, *of_steps, window="$__range", by=by), width=85),
            Column(
                name="p95", query=quantile(0.95, SPAN_LATENCY, *of_steps, window="$__range", by=by), width=85
            ),
            failed_share(
                ratio(
                    failed_spans(AEL_STEP_NAME, _OF_CHOICE),
                    span_calls(AEL_STEP_NAME, _OF_CHOICE),
                    "$__range",
                    by,
                ),
                width=85,
            ),
            Column(name="Type", label=_STEP_TYPE, width=95),
        ],
    )


def _retries_and_skips() -> list[Panel]:
    of_choice = chosen(LOG_WORKFLOW_ID, "workflow")
    both = log_lines((LOG_EVENT_NAME, "=~", f"{STEP_RETRY.name}|{STEP_SKIP.name}"), of_choice)
    of_row = log_lines(
        (
            LOG_EVENT_NAME,
            "=",
            links.VALUE,
        ),  # the value of the column What, which is not the word that it shows
        (LOG_WORKFLOW_ID, "=", links.column("Workflow")),
        (LOG_STEP_ID, "=", links.column("Step")),
    )
    return [
        log_bars(
            number=51,
            width=9,
            title="Retries and skips",
            description="Attempts that followed a failed one, and steps that were passed over or whose error was waved "
            "through, in each interval; from the log.",
            unit="locale",
            no_value="No step was retried or skipped in this range",
            query=line_counts(both, (LOG_EVENT_NAME,)),
            legend=legend(LOG_EVENT_NAME),
            colours=PASSED_OVER,
            names=_WHAT,
            links=[links.logs("Log lines of these", both)],
        ),
        log_ranking(
            number=52,
            width=15,
            title="Retried and skipped steps",
            description="Retries and skips of each step in the time range. A skip has the error that was waved "
            "through, or the reason why the step did not run.",
            unit="locale",
            no_value="No step was retried or skipped in this range",
            query=line_totals(
                both, (LOG_EVENT_NAME, LOG_WORKFLOW_ID, LOG_STEP_ID, LOG_ERROR_TYPE, AEL_STEP_SKIP_REASON)
            ),
            count="Times",
            fields=[
                Field(
                    name="What",
                    field=LOG_EVENT_NAME,
                    width=90,
                    shown_as=words(_WHAT),
                    links=[links.logs("Log lines of these", of_row)],
                ),
                Field(name="Workflow", field=LOG_WORKFLOW_ID, width=115),
                Field(name="Step", field=LOG_STEP_ID, width=100),
                Field(name="Error", field=LOG_ERROR_TYPE, width=140),
                Field(name="Reason", field=loki_name(AEL_STEP_SKIP_REASON)),
            ],
        ),
    ]


def _insights() -> list[Panel]:
    by = (_WORKFLOW,)
    of_steps: tuple[Matcher, ...] = ((_STEP, "!=", ""), _OF_CHOICE)
    seconds = events(series(SPAN_LATENCY, *of_steps, part="sum"), "$__range")
    failed = series(SPAN_LATENCY, *of_steps, ("status_code", "=", SPAN_FAILED), part="sum")
    lost = total(events(failed, "$__range"), by)
    of_row: Matcher = (LOG_WORKFLOW_ID, "=", links.column("Workflow"))
    recovered = log_lines(
        (LOG_EVENT_NAME, "=~", f"{STEP_RETRY.name}|{STEP_SKIP.name}"),
        (LOG_ERROR_TYPE, "!=", ""),
        chosen(LOG_WORKFLOW_ID, "workflow"),
    )
    return [
        ranking(
            number=61,
            width=9,
            title="Time lost in failed steps",
            description="Seconds that steps took which then failed, all their attempts included, and their share of "
            "the time of all steps in the time range. Counted from the spans.",
            unit="s",
            no_value="Tempo has counted no failed step in this range",
            order_by="Lost",
            limit=50,
            query=[
                Column(
                    name="Workflow",
                    label=_WORKFLOW,
                    links=[
                        links.traces(
                            "Traces with failed steps of this workflow",
                            spans(attribute(AEL_WORKFLOW_NAME, "=", links.VALUE), "status = error"),
                        )
                    ],
                ),
                Column(name="Lost", query=f"{lost} > 0", width=90),
                Column(
                    name="Share",
                    query=f"{lost}\n/\n({total(seconds, by)} > 0) > 0",
                    unit="percentunit",
                    decimals=1,
                    width=90,
                ),
            ],
        ),
        log_ranking(
            number=62,
            width=9,
            title="Recovered errors",
            description="Errors after which a step was tried again or the run went on without it, in the time range; "
            "from the log.",
            unit="locale",
            no_value="No run recovered from an error in this range",
            query=line_totals(recovered, (LOG_WORKFLOW_ID, LOG_ERROR_TYPE)),
            count="Times",
            fields=[
                Field(name="Workflow", field=LOG_WORKFLOW_ID),
                Field(
                    name="Error",
                    field=LOG_ERROR_TYPE,
                    width=160,
                    links=[
                        links.logs(
                            "Log lines of these", log_lines(of_row, (LOG_ERROR_TYPE, "=", links.VALUE))
                        )
                    ],
                ),
            ],
        ),
        note(
            number=63,
            width=6,
            content="What precedes failures, what got slower since a version or a day, where the slowest runs lose "
            "their time, flaky steps and retry storms need whole runs: `ael insights --since 7d` looks at them in "
            "the run store, and names two runs to compare for each.",
        ),
    ]
