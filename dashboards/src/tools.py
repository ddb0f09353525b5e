"""AEL Tools: which tool is slow or fails, and on which MCP server?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLink, Panel

from ael_otel._generated.attributes import (
    AEL_ERROR_TYPE,
    AEL_MCP_SERVER,
    AEL_TOOL_NAME,
    AEL_TOOL_SOURCE,
    LABEL_TOOL,
)
from ael_otel._generated.events import LOG_ERROR_TYPE, LOG_TOOL_NAME
from ael_otel._generated.metrics import TOOL_DURATION
from ael_otel._generated.spans import MCP_REQUEST
from ael_otel.prometheus import prometheus_label
from dashboards.src import links
from dashboards.src.board import Section, board, tool_variable
from dashboards.src.colours import BAD, GOOD, WARNING
from dashboards.src.foreign import SPAN_LATENCY
from dashboards.src.panels import (
    Line,
    bars,
    distribution,
    figure,
    lines,
    note,
    ranking,
    share,
)
from dashboards.src.panels_traces import span_table
from dashboards.src.parts import Column, Field
from dashboards.src.queries import (
    attribute,
    chosen,
    events,
    legend,
    log_lines,
    mean,
    quantile,
    ratio,
    selecting,
    series,
    span_is,
    spans,
    total,
)
from dashboards.src.selections import FAILED, JUDGED, THIS_TOOL, calls, failed_spans, span_calls
from dashboards.src.shared import by_outcome, durations, failed_share

_BY = (LABEL_TOOL,)
_SERVER = prometheus_label(AEL_MCP_SERVER)
_TOOL = prometheus_label(AEL_TOOL_NAME)
_NO_CALL = "No tool was called in this range"


def tools() -> Dashboard:
    """Make the board AEL Tools."""
    question = "Which tool is slow or fails, and on which MCP server?"
    return board(
        uid=links.TOOLS,
        title="AEL Tools",
        description=question,
        tags=["tools"],
        variables=[tool_variable()],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Calls", height=10, panels=_calls()),
            Section(number=20, title="How long calls take", height=10, panels=_durations()),
            Section(number=30, title="Tool by tool", height=9, panels=[_failing(), _slowest()]),
            Section(number=40, title="MCP servers", height=9, panels=_servers()),
            Section(number=50, title="Failed calls", height=9, panels=[_failed_calls()]),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** A tool's row leads to the traces of its calls and to their log lines, a diamond on a "
        "duration to the trace that took so long.",
    )


def _traces_of_these() -> DashboardLink:
    return links.traces(
        "Traces of these calls",
        spans(span_is(MCP_REQUEST.name), attribute(AEL_TOOL_NAME, "=~", "${tool:pipe}")),
    )


def _calls() -> list[Panel]:
    return [
        figure(
            number=11,
            width=3,
            title="Calls",
            description="Calls of the chosen tools that ended in the time range, whoever made them: a step, code or "
            "a client.",
            unit="locale",
            decimals=0,
            no_value="No engine reported in this range",
            query=total(events(calls(), "$__range")),
        ),
        share(
            number=12,
            width=5,
            title="Successful calls",
            description="Successful calls divided by successful, failed and timed-out calls of the time range. "
            "Cancelled calls count on neither side.",
            no_value="No calls",
            query=ratio(calls("success"), calls(*JUDGED), "$__range"),
            base=BAD,
            steps=[(0.9, WARNING), (0.99, GOOD)],
        ),
        bars(
            number=13,
            width=8,
            title="Calls by tool",
            description="Calls that ended in each interval. A step that is retried calls its tool once more each time.",
            unit="locale",
            no_value=_NO_CALL,
            query=[
                Line(query=f"{total(events(calls(), '$__interval'), _BY)} > 0", legend=legend(LABEL_TOOL))
            ],
            links=[_traces_of_these()],
        ),
        by_outcome(
            number=14,
            width=8,
            title="Calls by outcome",
            description="Calls that ended in each interval. The bars add up to the number of calls in the time range.",
            of=calls(),
        ),
    ]


def _durations() -> list[Panel]:
    return [
        durations(
            number=21,
            width=8,
            title="Call duration",
            description="The duration that 50 %, 95 % and 99 % of the calls stayed below, estimated from the "
            "histogram's buckets. A diamond is one call: it leads to its trace.",
            no_value=_NO_CALL,
            of=TOOL_DURATION,
            chosen=THIS_TOOL,
            link=_traces_of_these(),
        ),
        lines(
            number=22,
            width=8,
            title="Call duration by tool (p95)",
            description="The duration that 95 % of each tool's calls stayed below, estimated from the histogram's "
            "buckets; the ten slowest at each moment.",
            unit="s",
            no_value=_NO_CALL,
            query=[
                Line(
                    query=f"topk(10, {quantile(0.95, TOOL_DURATION, THIS_TOOL, window='$__rate_interval', by=_BY)})",
                    legend=legend(LABEL_TOOL),
                    exemplars=True,
                )
            ],
            interval="1m",
            calculations=["lastNotNull", "max"],
            links=[_traces_of_these()],
        ),
        distribution(
            number=23,
            width=8,
            title="Distribution of call durations",
            description="How many calls took how long: each row is a bucket of the histogram, each column an interval. "
            "A diamond is one call and leads to its trace.",
            unit="s",
            no_value=_NO_CALL,
            query=total(events(series(TOOL_DURATION, THIS_TOOL, part="bucket"), "$__interval"), ("le",)),
            links=[_traces_of_these()],
        ),
    ]


def _of_row() -> list[DashboardLink]:
    tool = links.column("Tool")
    return [
        links.traces(
            "Traces of this tool's calls",
            spans(span_is(MCP_REQUEST.name), attribute(AEL_TOOL_NAME, "=", tool)),
        ),
        links.logs("Log lines about this tool", log_lines((LOG_TOOL_NAME, "=", tool))),
    ]


def _failing() -> Panel:
    called = f"{total(events(calls(), '$__range'), _BY)} > 0"
    return ranking(
        number=31,
        width=12,
        title="Error rate by tool",
        description="Failed and timed-out calls of each tool in the time range, the largest share first. The share "
        "leaves cancelled calls out.",
        unit="locale",
        no_value=_NO_CALL,
        order_by="Failed",
        limit=50,
        query=[
            Column(name="Tool", label=LABEL_TOOL, links=_of_row()),
            Column(name="Calls", query=called, decimals=0, width=90),
            Column(
                name="Failures",
                query=f"{total(events(calls(*FAILED), '$__range'), _BY)}\nand\n{called}",
                decimals=0,
                width=90,
                links=[
                    links.logs(
                        "Errors of this tool",
                        log_lines((LOG_TOOL_NAME, "=", links.column("Tool")), (LOG_ERROR_TYPE, "!=", "")),
                    )
                ],
            ),
            failed_share(ratio(calls(*FAILED), calls(*JUDGED), "$__range", _BY), width=90),
        ],
    )


def _slowest() -> Panel:
    return ranking(
        number=32,
        width=12,
        title="Slowest tools",
        description="The twenty tools with the largest p95 in the time range, estimated from the histogram's buckets; "
        "the mean is exact.",
        unit="s",
        no_value=_NO_CALL,
        order_by="p95",
        limit=20,
        query=[
            Column(name="Tool", label=LABEL_TOOL, links=_of_row()),
            *(
                Column(
                    name=name,
                    query=quantile(level, TOOL_DURATION, THIS_TOOL, window="$__range", by=_BY),
                    width=100,
                )
                for level, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ),
            Column(name="Mean", query=mean(TOOL_DURATION, THIS_TOOL, window="$__range", by=_BY), width=100),
        ],
    )


def _servers() -> list[Panel]:
    of_choice = chosen(_TOOL, "tool")
    counted = span_calls(AEL_MCP_SERVER, of_choice)
    failed = failed_spans(AEL_MCP_SERVER, of_choice)
    by = (_SERVER,)
    no_value = "Tempo has counted no call on an MCP server in this range"
    row = links.column("Server")
    return [
        bars(
            number=41,
            width=12,
            title="Calls by MCP server",
            description="Calls of the chosen tools that ended in each interval, by the MCP server they went to. "
            "Counted from the spans.",
            unit="locale",
            no_value=no_value,
            query=[Line(query=f"{total(events(counted, '$__interval'), by)} > 0", legend=legend(_SERVER))],
            links=[_traces_of_these()],
        ),
        ranking(
            number=42,
            width=12,
            title="MCP servers",
            description="Calls, failures and duration of each MCP server in the time range, counted from the traces.",
            unit="locale",
            no_value=no_value,
            order_by="Calls",
            limit=20,
            query=[
                Column(
                    name="Server",
                    label=_SERVER,
                    links=[
                        links.traces(
                            "Traces of this server's calls",
                            spans(span_is(MCP_REQUEST.name), attribute(AEL_MCP_SERVER, "=", row)),
                        )
                    ],
                ),
                Column(
                    name="Calls", query=f"{total(events(counted, '$__range'), by)} > 0", decimals=0, width=90
                ),
                failed_share(ratio(failed, counted, "$__range", by), width=90),
                Column(
                    name="p95",
                    query=quantile(
                        0.95, SPAN_LATENCY, (_SERVER, "!=", ""), of_choice, window="$__range", by=by
                    ),
                    unit="s",
                    width=100,
                ),
            ],
        ),
    ]


def _failed_calls() -> Panel:
    return span_table(
        number=51,
        width=24,
        title="Failed calls",
        description="The newest 50 failed calls of the chosen tools, each the span of one call. The trace opens the "
        "waterfall of the run or request that made it.",
        unit="string",
        no_value="No call failed in this range",
        query=selecting(
            spans(
                span_is(MCP_REQUEST.name), "status = error", attribute(AEL_TOOL_NAME, "=~", "${tool:pipe}")
            ),
            AEL_TOOL_NAME,
            AEL_MCP_SERVER,
            AEL_TOOL_SOURCE,
            AEL_ERROR_TYPE,
        ),
        limit=50,
        fields=[
            Field(name="Tool", field=AEL_TOOL_NAME, width=150),
            Field(name="Server", field=AEL_MCP_SERVER, width=120),
            Field(name="Called by", field=AEL_TOOL_SOURCE, width=115),
            Field(name="Error", field=AEL_ERROR_TYPE),
        ],
        links=[links.trace("Trace of this call", links.VALUE)],
    )
