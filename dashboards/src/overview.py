"""AEL Overview: do the agents' workflows do their work, and if not, where does it go wrong?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from ael_otel._generated.attributes import (
    AEL_ENGINE_VERSION,
    AEL_OTEL_VERSION,
    AEL_TOOL_NAME,
    AEL_WORKFLOW_NAME,
    GEN_AI_RESPONSE_MODEL,
    LABEL_COMPONENT,
    LABEL_CURRENCY,
    LABEL_KIND,
    LABEL_MODEL,
    LABEL_PRICE,
    LABEL_PROVIDER,
    LABEL_QUEUE,
    LABEL_REASON,
    LABEL_SIGNAL,
    LABEL_TOKEN_TYPE,
    LABEL_TOOL,
    LABEL_TYPE,
    LABEL_WORKFLOW,
    TELEMETRY_SDK_VERSION,
    ModelTokenType,
)
from ael_otel._generated.events import (
    LOG_COMPONENT,
    LOG_ERROR_TYPE,
    LOG_WORKFLOW_ID,
)
from ael_otel._generated.metrics import (
    ACTIVE_WORKFLOWS,
    ERRORS,
    MODEL_BUDGET,
    MODEL_CALLS,
    MODEL_COST,
    MODEL_TOKENS,
    PROCESS_RUNNING,
    REDACTION,
    TELEMETRY_DROPPED,
    TELEMETRY_QUEUE_FILL,
    TELEMETRY_QUEUE_ITEMS,
    TELEMETRY_QUEUE_SIZE,
    TOOL_DURATION,
    WORKFLOW_DURATION,
)
from ael_otel._generated.spans import WORKFLOW
from ael_otel.prometheus import prometheus_label
from dashboards.src import foreign, links
from dashboards.src.board import Section, board, tool_variable, workflow_variable
from dashboards.src.colours import BAD, GOOD, OUTCOMES, WARNING
from dashboards.src.panels import (
    Line,
    bars,
    figure,
    lines,
    note,
    ranking,
    share,
)
from dashboards.src.parts import Column
from dashboards.src.queries import (
    among,
    attribute,
    events,
    legend,
    log_lines,
    mean,
    per_second,
    quantile,
    ratio,
    series,
    span_is,
    spans,
    tagged,
    total,
)
from dashboards.src.selections import (
    ENGINE,
    FAILED,
    JUDGED,
    THIS_TOOL,
    THIS_WORKFLOW,
    calls,
    runs,
)
from dashboards.src.shared import by_outcome, durations, failed_share, recent_failures

_NO_MODEL_CALL = "No run with a model call ended in this range"
_FAILED_SHARE = "Failed share of runs"


def overview() -> Dashboard:
    """Make the board AEL Overview."""
    question = "Do the agents' workflows do their work, and if not, where does it go wrong?"
    return board(
        uid=links.OVERVIEW,
        title="AEL Overview",
        description=question,
        tags=["overview"],
        variables=[workflow_variable(), tool_variable()],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Runs", height=7, panels=_health()),
            Section(number=20, title="Outcomes and errors", height=10, panels=_errors()),
            Section(number=30, title="Recent failures", height=9, panels=[recent_failures(number=31)]),
            Section(number=40, title="How long runs take", height=10, panels=_durations()),
            Section(number=50, title="Tool calls", height=9, panels=_tools()),
            Section(number=80, title="Model calls", height=9, panels=_model_calls()),
            Section(number=60, title="The telemetry itself", height=8, panels=_telemetry()),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** From here: a failed run's row leads to its trace, an error's row to its log lines, "
        "a diamond on a duration to the trace that took so long.",
    )


def _health() -> list[Panel]:
    return [
        figure(
            number=11,
            width=5,
            title="Runs in 24 h",
            description="Workflow runs that ended in the last 24 hours, whatever the outcome and whatever the time "
            "range of the board. A run that is under way is not counted yet.",
            unit="locale",
            decimals=0,
            no_value="No engine reported in 24 h",
            query=total(events(runs(), "24h")),
        ),
        share(
            number=12,
            width=6,
            title="Success rate in 24 h",
            description="Successful runs divided by successful, failed and timed-out runs of the last 24 hours. "
            "Cancelled runs count on neither side.",
            no_value="No runs",
            query=ratio(runs("success"), runs(*JUDGED), "24h"),
            base=BAD,
            steps=[(0.9, WARNING), (0.99, GOOD)],
        ),
        figure(
            number=13,
            width=6,
            title="Active workflows",
            description="Runs that are under way now, of all workflows. After a process was killed its last value "
            "stays for up to five minutes.",
            unit="locale",
            decimals=0,
            no_value="No engine is reporting",
            query=total(series(ACTIVE_WORKFLOWS)),
        ),
        lines(
            number=14,
            width=7,
            title="Error rate",
            description="Failed and timed-out runs divided by all that were not cancelled, over at least five minutes "
            "at a time. A gap means that no run ended, not that none failed.",
            unit="percentunit",
            bounds=(0, 1),
            no_value="No run ended in this range",
            query=[
                Line(
                    query=ratio(runs(*FAILED), runs(*JUDGED), "$__rate_interval"),
                    legend=_FAILED_SHARE,
                )
            ],
            interval="5m",
            colours={_FAILED_SHARE: OUTCOMES["error"]},
            links=[
                links.logs(
                    "Log lines of failed runs",
                    log_lines((LOG_COMPONENT, "=", ENGINE), (LOG_ERROR_TYPE, "!=", "")),
                )
            ],
        ),
    ]


def _errors() -> list[Panel]:
    errors = series(ERRORS)
    return [
        by_outcome(
            number=21,
            width=7,
            title="Runs by outcome",
            description="Runs that ended in each interval. The bars add up to the number of runs in the time range.",
            of=runs(),
        ),
        bars(
            number=22,
            width=8,
            title="Errors by type",
            description="Errors of all workflows, each counted once, where it arose. An error that was retried or "
            "skipped over counts too, so there can be more errors than failed runs.",
            unit="locale",
            no_value="No errors in this range",
            query=[
                Line(
                    query=f"{total(events(errors, '$__interval'), (LABEL_TYPE,))} > 0",
                    legend=legend(LABEL_TYPE),
                )
            ],
        ),
        ranking(
            number=23,
            width=9,
            title="Errors by type and component",
            description="Errors of all workflows in the time range, by what went wrong and the part in which it "
            "arose. The type leads to the log lines that carry it.",
            unit="locale",
            no_value="No errors in this range",
            order_by="Errors",
            limit=50,
            query=[
                Column(
                    name="Type",
                    label=LABEL_TYPE,
                    links=[
                        links.logs("Log lines of this error", log_lines((LOG_ERROR_TYPE, "=", links.VALUE)))
                    ],
                ),
                Column(name="Component", label=LABEL_COMPONENT, width=125),
                Column(
                    name="Errors",
                    query=f"{total(events(errors, '$__range'), (LABEL_TYPE, LABEL_COMPONENT))} > 0",
                    decimals=0,
                    width=75,
                ),
            ],
        ),
    ]


def _durations() -> list[Panel]:
    run = span_is(WORKFLOW.name)
    of_choice = attribute(AEL_WORKFLOW_NAME, "=~", "${workflow:pipe}")
    of_row = attribute(AEL_WORKFLOW_NAME, "=", links.column("Workflow"))
    by = (LABEL_WORKFLOW,)
    return [
        durations(
            number=41,
            width=12,
            title="Run duration",
            description="The duration that 50 %, 95 % and 99 % of the runs stayed below, estimated from the "
            "histogram's buckets. A diamond is one run: it leads to the run's trace.",
            no_value="No run ended in this range",
            of=WORKFLOW_DURATION,
            chosen=THIS_WORKFLOW,
            link=links.traces("Traces of these runs", spans(run, of_choice)),
        ),
        ranking(
            number=42,
            width=12,
            title="Slowest workflows",
            description="The ten workflows with the largest p95 in the time range. The name leads to the runs' "
            "traces, the failed share to their failures.",
            unit="s",
            no_value="No run ended in this range",
            order_by="p95",
            limit=10,
            query=[
                Column(
                    name="Workflow",
                    label=LABEL_WORKFLOW,
                    links=[links.traces("Traces of this workflow", spans(run, of_row))],
                ),
                Column(
                    name="p95",
                    query=quantile(0.95, WORKFLOW_DURATION, THIS_WORKFLOW, window="$__range", by=by),
                    unit="s",
                    width=100,
                ),
                Column(
                    name="Mean",
                    query=mean(WORKFLOW_DURATION, THIS_WORKFLOW, window="$__range", by=by),
                    unit="s",
                    width=100,
                ),
                Column(
                    name="Runs",
                    query=f"{total(events(runs(), '$__range'), by)} > 0",
                    unit="locale",
                    decimals=0,
                    width=80,
                ),
                failed_share(
                    ratio(runs(*FAILED), runs(*JUDGED), "$__range", by),
                    width=80,
                    leads_to=[
                        links.logs(
                            "Failures of this workflow",
                            log_lines(
                                (LOG_WORKFLOW_ID, "=", links.column("Workflow")),
                                (LOG_ERROR_TYPE, "!=", ""),
                            ),
                        )
                    ],
                ),
            ],
        ),
    ]


def _tools() -> list[Panel]:
    by = (LABEL_TOOL,)
    called = f"{total(events(calls(), '$__range'), by)} > 0"
    of_row = attribute(AEL_TOOL_NAME, "=", links.column("Tool"))
    return [
        by_outcome(
            number=51,
            width=12,
            title="Tool calls by outcome",
            description="Tool calls that ended in each interval, whether a step, code or a client made them. Retries "
            "count, so there can be more failed calls than failed runs.",
            of=calls(),
        ),
        ranking(
            number=52,
            width=12,
            title="Tools",
            description="Calls of each tool in the time range, the tools with the most failures first. The name leads "
            "to the calls' traces.",
            unit="locale",
            no_value="No tool was called in this range",
            order_by="Failures",
            limit=20,
            query=[
                Column(
                    name="Tool",
                    label=LABEL_TOOL,
                    links=[links.traces("Traces with this tool", spans(of_row))],
                ),
                Column(name="Calls", query=called, decimals=0, width=80),
                Column(
                    name="Failures",
                    query=f"{total(events(calls(*FAILED), '$__range'), by)}\nand\n{called}",
                    decimals=0,
                    width=90,
                ),
                failed_share(ratio(calls(*FAILED), calls(*JUDGED), "$__range", by), width=80),
                Column(
                    name="p95",
                    query=quantile(0.95, TOOL_DURATION, THIS_TOOL, window="$__range", by=by),
                    unit="s",
                    width=100,
                ),
            ],
        ),
    ]


def _model_calls() -> list[Panel]:
    by = (LABEL_MODEL, LABEL_PROVIDER)
    called = f"{total(events(series(MODEL_CALLS), '$__range'), by)} > 0"
    day = total(events(series(MODEL_COST), "24h"), (LABEL_CURRENCY,))
    budget = f"max by ({LABEL_CURRENCY}) ({series(MODEL_BUDGET)})"

    def tokens(*types: ModelTokenType) -> str:
        counted = total(events(series(MODEL_TOKENS, among(LABEL_TOKEN_TYPE, types)), "$__range"), by)
        return f"{counted}\nand\n{called}"

    return [
        ranking(
            number=81,
            width=13,
            title="Model calls by model",
            description="Calls of models in the runs that ended in the time range, and their tokens as the source "
            "counted them. Input has cached tokens, output has reasoning. Calls without a price are in no amount. "
            "What agents report of their own sessions is in `ael cost`.",
            unit="locale",
            no_value=_NO_MODEL_CALL,
            order_by="Calls",
            limit=50,
            query=[
                Column(
                    name="Model",
                    label=LABEL_MODEL,
                    links=[
                        links.traces(
                            "Traces with this model",
                            spans(attribute(GEN_AI_RESPONSE_MODEL, "=", links.column("Model"))),
                        )
                    ],
                ),
                Column(name="Provider", label=LABEL_PROVIDER, width=100),
                Column(name="Calls", query=called, decimals=0, width=75),
                Column(
                    name="Input", query=tokens("input", "cache_read", "cache_write"), decimals=0, width=85
                ),
                Column(name="Cached", query=tokens("cache_read"), decimals=0, width=85),
                Column(name="Output", query=tokens("output", "reasoning"), decimals=0, width=85),
                Column(
                    name="No price",
                    query=total(events(series(MODEL_CALLS, among(LABEL_PRICE, ["none"])), "$__range"), by)
                    + f"\nand\n{called}",
                    decimals=0,
                    width=85,
                ),
            ],
        ),
        bars(
            number=82,
            width=7,
            title="Cost by model",
            description="What the model calls of the runs that ended in each interval cost, by model, in units of the "
            "currency. Fixed when a call was recorded; a call without a price is not in it.",
            unit="locale",
            no_value="No model call with a price in this range",
            query=[
                Line(
                    query=f"{total(events(series(MODEL_COST), '$__interval'), (LABEL_CURRENCY, LABEL_MODEL))} > 0",
                    legend=f"{legend(LABEL_CURRENCY)} {legend(LABEL_MODEL)}",
                )
            ],
        ),
        share(
            number=83,
            width=4,
            title="Budget used in 24 h",
            description="Cost of the last 24 hours divided by `telemetry.cost.budget`, whatever the range of the "
            "board. `AelCostOverBudget` fires above 100 %.",
            no_value="No budget is set",
            query=f"(({day} or 0 * {budget})\n/ on ({LABEL_CURRENCY})\n({budget} > 0))",
            base=GOOD,
            steps=[(0.8, WARNING), (1, BAD)],
        ),
    ]


def _each_signal(queries: Mapping[str, str]) -> str:
    """Join one query for each kind of data into one whose series say which they are, in the label `signal`."""
    return "\nor\n".join(tagged(query, LABEL_SIGNAL, signal) for signal, query in queries.items())


def _telemetry() -> list[Panel]:
    reported = series(ACTIVE_WORKFLOWS)
    lost = {
        "{{signal}} refused by {{receiver}}": (foreign.REFUSED, "receiver"),
        "{{signal}} without room before {{exporter}}": (foreign.ENQUEUE_FAILED, "exporter"),
        "{{signal}} given up by {{exporter}}": (foreign.SEND_FAILED, "exporter"),
    }
    return [
        figure(
            number=61,
            width=4,
            title="Last report",
            description="Time since metrics of any engine arrived, looked for over 24 hours. A running engine reports "
            "every 15 s; one that has ended is silent, which is as it should be.",
            unit="s",
            decimals=0,
            no_value="None in 24 h",
            query=f"time() - max(max_over_time(timestamp({reported})[24h:1m]))",
            steps=[(0, GOOD), (120, WARNING)],  # nothing at all is not good
        ),
        figure(
            number=66,
            width=4,
            title="Processes",
            description="Processes with ael_otel that are running now. One that was killed counts for five more "
            "minutes; one that ended in order does not.",
            unit="locale",
            decimals=0,
            no_value="No process is reporting",
            query=total(series(PROCESS_RUNNING)),
        ),
        bars(
            number=62,
            width=8,
            title="Telemetry lost in the application",
            description="Spans, log lines, metric series and records that ael_otel could not deliver or keep, by "
            "reason. The engine never waits for telemetry: what finds no room is dropped and counted.",
            unit="locale",
            no_value="Nothing was lost in this range",
            query=[
                Line(
                    query=f"{total(events(series(TELEMETRY_DROPPED), '$__interval'), (LABEL_REASON,))} > 0",
                    legend=legend(LABEL_REASON),
                )
            ],
        ),
        bars(
            number=63,
            width=8,
            title="Telemetry lost in the Collector",
            description="Items that the Collector refused (the sender tries again), had no room for, or gave up "
            "sending. What waits in its disk queue is not lost. Prometheus remarks that the Collector's names do not "
            "end in _total; they count all the same.",
            unit="locale",
            no_value="Nothing was lost in this range, or the Collector is not scraped",
            query=[
                Line(
                    query=_each_signal(
                        {
                            signal: f"{total(events(series(metric), '$__interval'), (by,))} > 0"
                            for signal, metric in metrics.items()
                        }
                    ),
                    legend=name,
                )
                for name, (metrics, by) in lost.items()
            ],
        ),
        lines(
            number=64,
            width=8,
            title="Queue of the Collector",
            description="How full the disk queue in front of each store is. It fills while a store is away; when it is "
            "full the Collector refuses new data.",
            unit="percentunit",
            bounds=(0, 1),
            no_value="The Collector is not scraped",
            query=[
                Line(
                    query=f"max by (exporter) ({series(foreign.QUEUE_SIZE)} / {series(foreign.QUEUE_CAPACITY)})",
                    legend="{{exporter}}",
                )
            ],
        ),
        lines(
            number=65,
            width=8,
            title="Delivered by the Collector",
            description="Spans, log lines and metric points that each store took over, per second. Prometheus remarks "
            "that the Collector's names do not end in _total; they count all the same.",
            unit="cps",
            no_value="The Collector has delivered nothing yet, or is not scraped",
            query=[
                Line(
                    query=_each_signal(
                        {
                            signal: total(per_second(series(metric)), ("exporter",))
                            for signal, metric in foreign.SENT.items()
                        }
                    ),
                    legend="{{signal}} to {{exporter}}",
                )
            ],
        ),
        bars(
            number=67,
            width=8,
            title="Redactions",
            description="Secrets and personal data that ael_otel took out of what is kept and sent, by kind, in each "
            "interval. Many of one kind mean that a tool or a workflow hands them around.",
            unit="locale",
            no_value="Nothing was redacted in this range",
            query=[
                Line(
                    query=f"{total(events(series(REDACTION), '$__interval'), (LABEL_KIND,))} > 0",
                    legend=legend(LABEL_KIND),
                )
            ],
        ),
        lines(
            number=69,
            width=8,
            title="Buffers in the application",
            description="How full each buffer of ael_otel is: spans and log lines that wait for export, unsampled "
            "spans whose trace goes on, runs that wait for the run store, spans of other instrumentations. When one is "
            "full, what comes next is dropped and counted. docs/reference/limits.md has the bounds.",
            unit="percentunit",
            bounds=(0, 1),
            no_value="No process is reporting",
            query=[
                Line(
                    query=f"max by ({LABEL_QUEUE}) ({series(TELEMETRY_QUEUE_FILL)})",
                    legend=legend(LABEL_QUEUE),
                )
            ],
        ),
        lines(
            number=71,
            width=8,
            title="Items that wait in the application",
            description="Spans, log lines and runs in the buffers of all processes together.",
            unit="locale",
            no_value="No process is reporting",
            query=[
                Line(query=total(series(TELEMETRY_QUEUE_ITEMS), (LABEL_QUEUE,)), legend=legend(LABEL_QUEUE))
            ],
        ),
        lines(
            number=72,
            width=8,
            title="Memory of what waits",
            description="What the buffers of all processes hold in memory together, roughly.",
            unit="bytes",
            no_value="No process is reporting",
            query=[
                Line(query=total(series(TELEMETRY_QUEUE_SIZE), (LABEL_QUEUE,)), legend=legend(LABEL_QUEUE))
            ],
        ),
        _processes(),
    ]


def _processes() -> Panel:
    engine, package, sdk = map(
        prometheus_label, (AEL_ENGINE_VERSION, AEL_OTEL_VERSION, TELEMETRY_SDK_VERSION)
    )
    by = ("service_name", "instance", engine, package, sdk)
    engines = series(foreign.TARGET_INFO, (engine, "!=", ""), (sdk, "!=", ""))
    return ranking(
        number=68,
        width=24,
        title="Processes and versions",
        description="The engines that report now, with the versions of the engine, of ael_otel and of the telemetry "
        "SDK. The instance leads to the process's log lines.",
        unit="locale",
        no_value="No process is reporting",
        order_by="Service",
        limit=50,
        query=[
            Column(name="Service", label="service_name"),
            Column(
                name="Instance",
                label="instance",
                links=[
                    links.logs(
                        "Log lines of this process", log_lines(("service_instance_id", "=", links.VALUE))
                    )
                ],
            ),
            Column(name="Engine", label=engine, width=120),
            Column(name="Instrumentation", label=package, width=150),
            Column(name="SDK", label=sdk, width=120),
            Column(
                name="Processes",
                query=f"count by ({', '.join(by)}) ({engines})",
                decimals=0,
                width=100,
            ),
        ],
    )
