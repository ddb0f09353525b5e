"""AEL Sessions: what did the agents do, session by session, and what went wrong?

A panel's number is its id: 1..9 the first section, 11..19 the second, and so on; headings are 10, 20, ...
"""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from ael_otel._generated.attributes import (
    AEL_SESSION_AGENT,
    AEL_SESSION_FAILED_CALLS,
    AEL_SESSION_IDLE_WAITING,
    AEL_SESSION_ORIGIN,
    AEL_SESSION_OUTCOME,
    AEL_SESSION_REASON,
    AEL_SESSION_TOOL_CALLS,
    AEL_SESSION_TURNS,
    LABEL_AGENT,
    LABEL_CONTRIBUTOR,
    LABEL_ORIGIN,
    LABEL_OUTCOME,
    SESSION_ID,
    SessionCallOutcome,
)
from ael_otel._generated.events import (
    ENFORCEMENT_IDLE,
    LOG_DURATION_MS,
    LOG_EVENT_NAME,
    LOG_TRACE_ID,
    SESSION_END,
    SESSION_START,
)
from ael_otel._generated.metrics import (
    ATTRIBUTION_LINES,
    SESSION_IDLE,
    SESSION_TOOL_CALLS,
    SESSIONS,
    MetricSpec,
)
from dashboards.src import links
from dashboards.src.board import Section, agent_variable, board
from dashboards.src.colours import BAD, CONTRIBUTORS, GOOD, OUTCOMES, WARNING
from dashboards.src.panels import Line, bars, figure, note, ranking, share
from dashboards.src.panels_logs import log_bars, log_table
from dashboards.src.parts import DURATION_WIDTH, SHORT_TRACE_ID, TRACE_WIDTH, Column, Field
from dashboards.src.queries import (
    Matcher,
    Window,
    among,
    chosen,
    continued_events,
    legend,
    line_counts,
    log_lines,
    loki_name,
    total,
)
from dashboards.src.shared import failed_share

_THIS: Final = chosen(LABEL_AGENT, "agent")
_BY: Final = (LABEL_AGENT,)
_FAILED: Final[tuple[SessionCallOutcome, ...]] = ("error", "timeout")
_JUDGED: Final[tuple[SessionCallOutcome, ...]] = ("success", *_FAILED)
_LASTING: Final[Matcher] = (LABEL_ORIGIN, "=", "hooks")
"""Series that each worker of `ael-hook` continues."""

_NO_SESSION: Final = "No session ended in this range"
_NO_LINES: Final = "No call wrote a line in this range, or attribution is off"
_NO_CALL: Final = "No agent ended a tool call in this range"


def sessions() -> Dashboard:
    """Make the board AEL Sessions."""
    question = "What did the agents do, session by session, and what went wrong?"
    return board(
        uid=links.SESSIONS,
        title="AEL Sessions",
        description=question,
        tags=["sessions"],
        variables=[agent_variable()],
        sections=[
            Section(number=1, title="", height=2, panels=[_question(question)]),
            Section(number=10, title="Sessions", height=9, panels=_sessions()),
            Section(number=20, title="Tool calls", height=9, panels=_calls()),
            Section(number=30, title="Errors and refusals", height=9, panels=_failures()),
            Section(number=40, title="Idle time", height=9, panels=_idle()),
            Section(number=60, title="Lines", height=9, panels=_lines()),
            Section(number=50, title="Recent sessions", height=10, panels=[_recent()]),
        ],
    )


def _question(question: str) -> Panel:
    return note(
        number=2,
        width=24,
        content=f"**{question}** Sessions of coding agents come from their hooks, those of an engine's clients and of "
        "hosted agents from the engine. A trace shows the whole session.",
    )


def _count(metric: MetricSpec, window: Window, *matchers: Matcher) -> str:
    return continued_events(metric, _THIS, *matchers, lasting=_LASTING, window=window)


def _lines_of(event: str) -> str:
    return log_lines((LOG_EVENT_NAME, "=", event), chosen(AEL_SESSION_AGENT, "agent"))


def _sessions() -> list[Panel]:
    return [
        figure(
            number=11,
            width=3,
            title="Sessions",
            description="Sessions of the chosen agents that ended in the time range. One that is resumed counts again "
            "when it ends again.",
            unit="locale",
            decimals=0,
            no_value="Nobody reported a session in this range",
            query=total(_count(SESSIONS, "$__range")),
        ),
        log_bars(
            number=12,
            width=7,
            title="Sessions that started",
            description="Sessions that started in each interval, by agent, from the log.",
            unit="locale",
            no_value="No session started in this range",
            query=line_counts(_lines_of(SESSION_START.name), (AEL_SESSION_AGENT,)),
            legend=legend(loki_name(AEL_SESSION_AGENT)),
        ),
        bars(
            number=13,
            width=7,
            title="Sessions by agent",
            description="Sessions that ended in each interval, by agent.",
            unit="locale",
            no_value=_NO_SESSION,
            query=[
                Line(query=f"{total(_count(SESSIONS, '$__interval'), _BY)} > 0", legend=legend(LABEL_AGENT))
            ],
        ),
        bars(
            number=14,
            width=7,
            title="Sessions by outcome",
            description="Sessions that ended in each interval, by outcome. Most agents report that a session ended, "
            "and not how: unknown. Abandoned: nothing was heard of it for a day.",
            unit="locale",
            no_value=_NO_SESSION,
            query=[
                Line(
                    query=f"{total(_count(SESSIONS, '$__interval'), (LABEL_OUTCOME,))} > 0",
                    legend=legend(LABEL_OUTCOME),
                )
            ],
            colours=OUTCOMES,
        ),
    ]


def _calls() -> list[Panel]:
    judged = total(_count(SESSION_TOOL_CALLS, "$__range", among(LABEL_OUTCOME, _JUDGED)))
    good = total(_count(SESSION_TOOL_CALLS, "$__range", among(LABEL_OUTCOME, ["success"])))
    return [
        figure(
            number=21,
            width=3,
            title="Tool calls",
            description="Tool calls of the chosen agents that ended in the time range: their own tools, and those that "
            "clients called in an engine.",
            unit="locale",
            decimals=0,
            no_value="Nobody reported a call in this range",
            query=total(_count(SESSION_TOOL_CALLS, "$__range")),
        ),
        share(
            number=22,
            width=5,
            title="Successful calls",
            description="Successful calls divided by successful, failed and timed-out calls of the time range. Calls "
            "that were refused or cancelled, and those whose end was not reported, count on neither side.",
            no_value="No calls",
            query=f"{good}\n/\n({judged} > 0)",
            base=BAD,
            steps=[(0.8, WARNING), (0.95, GOOD)],
        ),
        bars(
            number=23,
            width=8,
            title="Tool calls by agent",
            description="Tool calls that ended in each interval, by agent.",
            unit="locale",
            no_value=_NO_CALL,
            query=[
                Line(
                    query=f"{total(_count(SESSION_TOOL_CALLS, '$__interval'), _BY)} > 0",
                    legend=legend(LABEL_AGENT),
                )
            ],
        ),
        bars(
            number=24,
            width=8,
            title="Tool calls by outcome",
            description="Tool calls that ended in each interval, by outcome. Denied: a person or a rule refused it. "
            "Unknown: its end was not reported.",
            unit="locale",
            no_value=_NO_CALL,
            query=[
                Line(
                    query=f"{total(_count(SESSION_TOOL_CALLS, '$__interval'), (LABEL_OUTCOME,))} > 0",
                    legend=legend(LABEL_OUTCOME),
                )
            ],
            colours=OUTCOMES,
        ),
    ]


def _ended(*outcomes: SessionCallOutcome) -> str:
    return total(_count(SESSION_TOOL_CALLS, "$__range", among(LABEL_OUTCOME, outcomes)), _BY)


def _failures() -> list[Panel]:
    called = f"{total(_count(SESSION_TOOL_CALLS, '$__range'), _BY)} > 0"
    return [
        ranking(
            number=31,
            width=12,
            title="Calls that went wrong, by agent",
            description="Tool calls of each agent in the time range. The share divides failed and timed-out calls by "
            "these and the successful ones.",
            unit="locale",
            no_value=_NO_CALL,
            order_by="Calls",
            limit=20,
            query=[
                Column(
                    name="Agent",
                    label=LABEL_AGENT,
                    links=[
                        links.logs(
                            "Sessions of this agent",
                            log_lines(
                                (LOG_EVENT_NAME, "=", SESSION_END.name),
                                (AEL_SESSION_AGENT, "=", links.column("Agent")),
                            ),
                        )
                    ],
                ),
                Column(name="Calls", query=called, decimals=0, width=90),
                Column(name="Errors", query=f"{_ended(*_FAILED)}\nand\n{called}", decimals=0, width=90),
                Column(name="Refused", query=f"{_ended('denied')}\nand\n{called}", decimals=0, width=90),
                Column(
                    name="Cancelled", query=f"{_ended('cancelled')}\nand\n{called}", decimals=0, width=100
                ),
                failed_share(f"{_ended(*_FAILED)}\n/\n({_ended(*_JUDGED)} > 0)", width=90),
            ],
        ),
        bars(
            number=32,
            width=12,
            title="Errors and refusals",
            description="Tool calls in each interval that failed, ran into a time limit, or were refused or cancelled.",
            unit="locale",
            no_value="No call went wrong in this range",
            query=[
                Line(
                    query=total(
                        _count(
                            SESSION_TOOL_CALLS,
                            "$__interval",
                            among(LABEL_OUTCOME, [*_FAILED, "denied", "cancelled"]),
                        ),
                        (LABEL_OUTCOME,),
                    )
                    + " > 0",
                    legend=legend(LABEL_OUTCOME),
                )
            ],
            colours=OUTCOMES,
        ),
    ]


def _idle() -> list[Panel]:
    return [
        bars(
            number=41,
            width=8,
            title="Idle time by agent",
            description="Idle time that ended in each interval: of silence longer than "
            "`telemetry.sessions.idle_seconds`, waiting for a person included.",
            unit="s",
            no_value="No agent was idle in this range",
            query=[
                Line(
                    query=f"{total(_count(SESSION_IDLE, '$__interval'), _BY)} > 0",
                    legend=legend(LABEL_AGENT),
                )
            ],
        ),
        log_table(
            number=42,
            width=16,
            title="Idle times",
            description="The newest 50 idle times that are over. In a turn: the agent was silent at work; else it "
            "waited for a person. The trace shows what came before.",
            unit="string",
            no_value="No agent was idle in this range",
            query=_lines_of(ENFORCEMENT_IDLE.name),
            limit=50,
            fields=[
                _AGENT,
                Field(name="Waited", field=loki_name(AEL_SESSION_IDLE_WAITING), width=90),
                _DURATION,
                _TRACE,
                _SESSION,
            ],
        ),
    ]


_AGENT: Final = Field(name="Agent", field=loki_name(AEL_SESSION_AGENT), width=120)
_DURATION: Final = Field(name="Duration", field=loki_name(LOG_DURATION_MS), unit="ms", width=DURATION_WIDTH)
_SESSION: Final = Field(name="Session", field=loki_name(SESSION_ID))
_TRACE: Final = Field(
    name="Trace",
    field=loki_name(LOG_TRACE_ID),
    width=TRACE_WIDTH,
    shown_as=SHORT_TRACE_ID,
    links=[links.trace("Trace of this session", links.VALUE)],
)


def _lines() -> list[Panel]:
    return [
        bars(
            number=61,
            width=12,
            title="Lines by contributor",
            description="Lines that calls wrote in each interval. Ai: one call of an agent, or of a run that an agent "
            "caused. Mixed: one of several calls that overlapped. Unknown: a run that no agent caused; lines that were "
            "written outside of calls are not counted.",
            unit="locale",
            no_value=_NO_LINES,
            query=[
                Line(
                    query=f"{total(_count(ATTRIBUTION_LINES, '$__interval'), (LABEL_CONTRIBUTOR,))} > 0",
                    legend=legend(LABEL_CONTRIBUTOR),
                )
            ],
            colours=CONTRIBUTORS,
        ),
        bars(
            number=62,
            width=12,
            title="Lines by agent",
            description="Lines that calls wrote in each interval, by agent; `several` where calls of different agents "
            "overlapped, `ael` for runs of an engine that no agent caused.",
            unit="locale",
            no_value=_NO_LINES,
            query=[
                Line(
                    query=f"{total(_count(ATTRIBUTION_LINES, '$__interval'), _BY)} > 0",
                    legend=legend(LABEL_AGENT),
                )
            ],
        ),
    ]


def _recent() -> Panel:
    return log_table(
        number=51,
        width=24,
        title="Recent sessions",
        description="The newest 50 sessions of the chosen agents that ended in the time range, from the log. The trace "
        "shows turns, calls, idle times and decisions; `ael session show` has the rest.",
        unit="string",
        no_value=_NO_SESSION,
        query=_lines_of(SESSION_END.name),
        limit=50,
        fields=[
            _AGENT,
            Field(name="Reported by", field=loki_name(AEL_SESSION_ORIGIN), width=110),
            Field(name="Outcome", field=loki_name(AEL_SESSION_OUTCOME), width=100),
            Field(name="Reason", field=loki_name(AEL_SESSION_REASON), width=110),
            Field(name="Turns", field=loki_name(AEL_SESSION_TURNS), width=70),
            Field(name="Calls", field=loki_name(AEL_SESSION_TOOL_CALLS), width=70),
            Field(name="Failed", field=loki_name(AEL_SESSION_FAILED_CALLS), width=75),
            _DURATION,
            _TRACE,
            _SESSION,
        ],
    )
