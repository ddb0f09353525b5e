"""AEL Traces: what happened in one run, step by step, and who called whom?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from ael_otel._generated.attributes import (
    AEL_ERROR_TYPE,
    AEL_WORKFLOW_ID,
    AEL_WORKFLOW_NAME,
    AEL_WORKFLOW_STATUS,
    WORKFLOW_STATUS_VALUES,
)
from ael_otel._generated.spans import WORKFLOW
from dashboards.src import links
from dashboards.src.board import Section, board, list_variable, text_variable, workflow_variable
from dashboards.src.foreign import GRAPH_FAILED, GRAPH_REQUESTS, SPAN_CALLS, SPAN_FAILED, SPAN_LATENCY
from dashboards.src.panels import Line, bars, lines, note, ranking
from dashboards.src.panels_traces import service_graph, span_table, waterfall
from dashboards.src.parts import ERROR_WIDTH, EXECUTION_WIDTH, SHORT_EXECUTION_ID, Column, Field
from dashboards.src.queries import (
    attribute,
    events,
    lasts,
    legend,
    quantile,
    ratio,
    selecting,
    series,
    span_is,
    spans,
    total,
)
from dashboards.src.shared import failed_share

NO_TRACE = "{ false }"
"""A search that finds nothing, because none is chosen yet. Nothing at all, or an id that no trace has, is an error."""

_NAME = "span_name"
_KIND = "kind"
_COUNTED = "Tempo has counted no span in this range"


def traces() -> Dashboard:
    """Make the board AEL Traces."""
    question = "What happened in one run, step by step, and who called whom?"
    return board(
        uid=links.TRACES,
        title="AEL Traces",
        description=question,
        tags=["traces"],
        variables=[
            workflow_variable(),
            list_variable("status", "Status", "How the runs ended", WORKFLOW_STATUS_VALUES),
            text_variable("duration", "At least", "Least duration of the runs: 250ms, 1.5s, 2m", "0ms"),
            text_variable("execution", "Execution", "Id of one run, or how it begins; empty for all", ""),
            text_variable(
                "trace", "Trace", "Id of the trace below: click one, or write one from elsewhere", NO_TRACE
            ),
        ],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Runs", height=9, panels=[_runs()]),
            Section(number=20, title="The chosen trace", height=2, panels=[_how_to_choose()]),
            Section(number=25, title="", height=18, panels=[_chosen()]),
            Section(number=30, title="Spans, as Tempo counts them", height=9, panels=_spans()),
            Section(number=40, title="Who calls whom", height=11, panels=_graph()),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** A run's trace leads to its waterfall below, a span's own links to its log lines and "
        "its metrics.",
    )


def _runs() -> Panel:
    found = spans(
        span_is(WORKFLOW.name),
        attribute(AEL_WORKFLOW_NAME, "=~", "${workflow:pipe}"),
        attribute(AEL_WORKFLOW_STATUS, "=~", "${status:pipe}"),
        attribute(AEL_WORKFLOW_ID, "=~", "$execution.*"),
        lasts("$duration"),
    )
    return span_table(
        number=11,
        width=24,
        title="Runs",
        description="The newest 50 runs of the choice that have ended, from their traces. The trace opens its "
        "waterfall below, the execution its log lines.",
        unit="string",
        no_value="No run of this choice in this range",
        query=selecting(found, AEL_WORKFLOW_NAME, AEL_WORKFLOW_STATUS, AEL_WORKFLOW_ID, AEL_ERROR_TYPE),
        limit=50,
        fields=[
            Field(name="Workflow", field=AEL_WORKFLOW_NAME),
            Field(name="Status", field=AEL_WORKFLOW_STATUS, width=95),
            Field(name="Error", field=AEL_ERROR_TYPE, width=ERROR_WIDTH),
            Field(
                name="Execution",
                field=AEL_WORKFLOW_ID,
                width=EXECUTION_WIDTH,
                shown_as=SHORT_EXECUTION_ID,
                links=[links.run_logs("Log lines of this run", links.VALUE)],
            ),
        ],
        links=[links.trace("Waterfall of this run", links.VALUE)],
    )


def _how_to_choose() -> Panel:
    # The waterfall's own words for nothing are Grafana's, whatever no_value says.
    return note(
        number=22,
        width=24,
        content="Nothing here? **Click the trace of a run above**: its spans appear below. The id of a trace from "
        "elsewhere, such as `ael trace list`, goes into *Trace* at the top, in full.",
    )


def _chosen() -> Panel:
    return waterfall(
        number=21,
        width=24,
        title="Waterfall",
        description="Every span of the trace chosen above: who called whom, how long each took, which one failed. Its "
        "log lines and metrics are one click on a span away.",
        unit="string",
        no_value="No trace is chosen: click the trace of a run above",
        query="$trace",
    )


def _by_kind(counted: str) -> str:
    """Add spans up by name, those of steps by their type alone: "Step 2: code" is another step in each workflow."""
    named = f'label_replace({counted}, "{_KIND}", "$1", "{_NAME}", "(.+)")'
    return total(f'label_replace({named}, "{_KIND}", "Step: $1", "{_NAME}", "Step [0-9]+: (.+)")', (_KIND,))


def _spans() -> list[Panel]:
    counted, failed = series(SPAN_CALLS), series(SPAN_CALLS, ("status_code", "=", SPAN_FAILED))
    by = (_NAME,)
    all_spans = links.traces("Traces with these spans", spans("name != nil"))
    row = links.traces("Traces with this span", spans(f'name = "{links.column("Span")}"'))
    return [
        lines(
            number=31,
            width=8,
            title="Span duration (p95)",
            description="The duration that 95 % of the spans of each name stayed below, estimated from the buckets of "
            "Tempo's histogram. Spans of steps are numbered by position.",
            unit="s",
            no_value=_COUNTED,
            query=[
                Line(
                    query=f"topk(10, {quantile(0.95, SPAN_LATENCY, window='$__rate_interval', by=by)})",
                    legend=legend(_NAME),
                    exemplars=True,
                )
            ],
            interval="1m",
            calculations=["lastNotNull", "max"],
            links=[all_spans],
        ),
        bars(
            number=32,
            width=7,
            title="Spans by name",
            description="Spans that ended in each interval, by name; steps by their type, wherever in a workflow they "
            "stand.",
            unit="locale",
            no_value=_COUNTED,
            query=[
                Line(
                    query=f"{_by_kind(events(counted, '$__interval'))} > 0",
                    legend=legend(_KIND),
                )
            ],
            links=[all_spans],
        ),
        ranking(
            number=33,
            width=9,
            title="Spans",
            description="Number, failed share and p95 of the spans of each name in the time range, as Tempo counted "
            "them.",
            unit="locale",
            no_value=_COUNTED,
            order_by="Spans",
            limit=50,
            query=[
                Column(name="Span", label=_NAME, links=[row]),
                Column(
                    name="Spans", query=f"{total(events(counted, '$__range'), by)} > 0", decimals=0, width=80
                ),
                failed_share(ratio(failed, counted, "$__range", by), width=80),
                Column(
                    name="p95",
                    query=quantile(0.95, SPAN_LATENCY, window="$__range", by=by),
                    unit="s",
                    width=80,
                ),
            ],
        ),
    ]


def _graph() -> list[Panel]:
    by = ("client", "server")
    counted, failed = series(GRAPH_REQUESTS), series(GRAPH_FAILED)
    return [
        service_graph(
            number=41,
            width=14,
            title="Service graph",
            description="Who called whom in the time range: a service that sends spans, and the MCP servers it called. "
            "The numbers are calls per second and mean time, which is 0 for a server that sends no spans of its own.",
            unit="string",
            no_value="Tempo has seen no call between services in this range",
            query="{}",
        ),
        ranking(
            number=42,
            width=10,
            title="Calls between services",
            description="Calls from one service to another in the time range, as Tempo counted them, and the share "
            "that failed.",
            unit="locale",
            no_value="Tempo has seen no call between services in this range",
            order_by="Calls",
            limit=50,
            query=[
                Column(
                    name="From",
                    label="client",
                    links=[
                        links.traces(
                            "Traces of this service",
                            spans(f'resource.service.name = "{links.VALUE}"'),
                        )
                    ],
                ),
                Column(name="To", label="server"),
                Column(
                    name="Calls", query=f"{total(events(counted, '$__range'), by)} > 0", decimals=0, width=90
                ),
                failed_share(ratio(failed, counted, "$__range", by), width=90),
            ],
        ),
    ]
