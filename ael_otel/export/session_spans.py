"""Convert sessions of agents to spans: the session, its turns, and in them calls, subagents, idle times, decisions.

Ids are derived from the session's id, so that every process computes the same ids, and a span that is sent twice is the
same span.
"""

from collections.abc import Iterable
from typing import Any

from ael_otel._generated import attributes as attr
from ael_otel._generated import spans as names
from ael_otel.export.span_tree import SERVICE, Span
from ael_otel.sessions.events import span_id_of
from ael_otel.sessions.session import Entry, Session, SessionRecord, span_of

_NAMES = {
    "turn": names.SESSION_TURN.name,
    "call": names.SESSION_TOOL.name,
    "subagent": names.SESSION_SUBAGENT.name,
    "idle": names.SESSION_IDLE.name,
    "message": names.SESSION_MESSAGE.name,
    "decision": names.SESSION_DECISION.name,
    "error": names.SESSION_ERROR.name,
}


def session_spans(
    session: Session,
    entries: Iterable[Entry] | None = None,
    *,
    ends: Iterable[SessionRecord] | None = None,
    genai: bool = False,
    service: str = SERVICE,
) -> list[Span]:
    """Return spans of a session.

    Args:
        session: the session.
        entries: the entries of its tree to convert; None uses all that have ended.
        ends: the ends of the session to convert, each to a span of the session itself; None uses all, and the current
            state of the session if it continues.
        genai: whether to set the GenAI attributes too.
        service: `service.name` of the spans.
    """
    record = session.record
    wanted = filter(session.is_over, session.entries) if entries is None else entries
    if ends is None:
        ends = session.ends if record.ended_us is not None else [*session.ends, record]
    spans = [_root(end, genai=genai, service=service) for end in ends]
    return spans + [_entry(record, entry, service) for entry in wanted]


def _root(record: SessionRecord, *, genai: bool, service: str) -> Span:
    facts = _facts(record)
    facts[attr.AEL_SESSION_OUTCOME] = record.outcome or "unknown"
    facts[attr.AEL_SESSION_TURNS] = record.turns
    facts[attr.AEL_SESSION_TOOL_CALLS] = record.tool_calls
    optional: list[tuple[str, Any]] = [
        (attr.AEL_SESSION_SOURCE, record.source),
        (attr.AEL_SESSION_REASON, record.reason),
    ]
    if genai:
        optional += [
            (attr.GEN_AI_CONVERSATION_ID, record.session_id),
            (attr.GEN_AI_AGENT_NAME, record.agent),
            (attr.GEN_AI_REQUEST_MODEL, record.models[-1] if record.models else None),
        ]
    facts |= {name: value for name, value in optional if value}
    failed = record.outcome in ("error", "timeout")
    return Span(
        trace_id=record.trace_id,
        span_id=span_of(record),
        parent_id=record.span_id if record.reopened else "",
        name=names.SESSION.name,
        start_ns=record.started_us * 1000,
        end_ns=(record.ended_us or record.last_us) * 1000,
        attributes=facts,
        status="error" if failed else "unset",
        status_message=record.outcome or "" if failed else "",
        service=service,
    )


def _entry(record: SessionRecord, entry: Entry, service: str) -> Span:
    facts = _facts(record)
    failed = False
    if entry.kind == "call":
        facts[attr.AEL_SESSION_CALL_OUTCOME] = entry.outcome or "unknown"
        failed = entry.outcome in ("error", "timeout")
        optional = (
            (attr.AEL_TOOL_NAME, entry.name),
            (attr.AEL_MCP_SERVER, entry.server),
            (attr.AEL_WORKFLOW_ID, entry.execution_id),
        )
        facts |= {name: value for name, value in optional if value}
    elif entry.kind == "idle":
        facts[attr.AEL_SESSION_IDLE_WAITING] = entry.waiting
    elif entry.kind == "decision" and entry.decision:
        facts[attr.AEL_SESSION_DECISION_ANSWER] = entry.decision
    elif entry.kind == "error":
        failed = True
    parent = entry.turn if entry.turn is not None and entry.turn != entry.key else ""
    return Span(
        trace_id=record.trace_id,
        span_id=span_id_of(record.agent, record.session_id, entry.key),
        parent_id=span_id_of(record.agent, record.session_id, parent),
        name=_NAMES[entry.kind],
        start_ns=entry.at_us * 1000,
        end_ns=(entry.end_us or entry.at_us) * 1000,
        attributes=facts,
        status="error" if failed else "unset",
        status_message=(entry.error_type or entry.outcome or "error") if failed else "",
        service=service,
    )


def _facts(record: SessionRecord) -> dict[str, Any]:
    return {attr.SESSION_ID: record.session_id, attr.AEL_SESSION_AGENT: record.agent}
