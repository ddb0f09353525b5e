"""Log the start, the end and the idle times of sessions, with the ids of the session's own trace.

The events have no content: only ids, names that an agent reports of itself, counts and durations.
"""

import logging
from typing import Final

from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from ael_otel._generated.emitters import emit_enforcement_idle, emit_session_end, emit_session_start
from ael_otel.sessions.events import span_id_of
from ael_otel.sessions.session import origin_of, span_of
from ael_otel.sessions.table import Happening

# not below `ael_otel`, whose lines are not sent by OTLP
logger = logging.getLogger("ael.session_events")

COMPONENT: Final = "session"


def log_happening(happening: Happening, to: logging.Logger = logger) -> None:
    """Log one event of a session: at level INFO, a failed session at level WARNING."""
    record, entry = happening.record, happening.entry
    if entry is not None:
        span_id = span_id_of(record.agent, record.session_id, entry.key)
    else:
        span_id = span_of(record) if happening.kind == "end" else record.span_id
    span = SpanContext(
        int(record.trace_id, 16),
        int(span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    token = attach(set_span_in_context(NonRecordingSpan(span)))
    try:
        _log(to, happening)
    finally:
        detach(token)


def _log(logger: logging.Logger, happening: Happening) -> None:
    record, entry, origin = happening.record, happening.entry, origin_of(happening.record)
    if entry is not None:
        seconds = (happening.at_us - entry.at_us) / 1e6
        emit_enforcement_idle(
            logger,
            logging.INFO,
            f"{record.agent} was idle for {seconds:.0f} s{' while it waited' if entry.waiting else ''}",
            component=COMPONENT,
            session_id=record.session_id,
            session_agent=record.agent,
            session_origin=origin,
            session_idle_waiting=entry.waiting,
            duration_ms=int(seconds * 1e3),
            session_source=record.source,
        )
    elif happening.kind == "start":
        emit_session_start(
            logger,
            logging.INFO,
            f"session of {record.agent} started",
            component=COMPONENT,
            session_id=record.session_id,
            session_agent=record.agent,
            session_origin=origin,
            session_source=record.source,
        )
    else:
        outcome = record.outcome or "unknown"
        emit_session_end(
            logger,
            logging.WARNING if outcome in ("error", "timeout") else logging.INFO,
            f"session of {record.agent} ended ({outcome}): {record.turns} turns, {record.tool_calls} tool calls, "
            f"{record.failed_calls} failed",
            component=COMPONENT,
            session_id=record.session_id,
            session_agent=record.agent,
            session_origin=origin,
            session_outcome=outcome,
            session_turns=record.turns,
            session_tool_calls=record.tool_calls,
            session_failed_calls=record.failed_calls,
            duration_ms=max(0, happening.at_us - record.started_us) // 1_000,
            session_source=record.source,
            session_reason=record.reason,
        )
