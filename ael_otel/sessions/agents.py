"""Translate the events of coding agents, as `ael-hook` spools them, into those of the Telemetry System PRD.

Agents name the same event differently (`PreToolUse`, `preToolUse`, `BeforeTool`, `tool.execute.before`), so names are
compared by their letters only. A new agent with other names needs entries in `_EVENTS`; an event without an entry only
shows that the session is alive.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ael_otel.sessions.events import CallOutcome, EventKind, SessionEvent, event_key

__all__ = ["AGENTS", "Spooled", "events_of", "kinds_of"]

AGENTS: Final = (
    "claude-code",
    "cursor",
    "copilot-cli",
    "vscode",
    "codex",
    "gemini-cli",
    "opencode",
)

_EVENTS: Final[dict[str, EventKind]] = {
    "sessionstart": "session.start",
    "sessioncreated": "session.start",
    "sessionend": "session.end",
    "sessiondeleted": "session.end",
    "userpromptsubmit": "turn.start",
    "userpromptsubmitted": "turn.start",
    "beforesubmitprompt": "turn.start",
    "beforeagent": "turn.start",
    "chatmessage": "turn.start",
    "stop": "turn.end",
    "stopfailure": "turn.end",
    "agentstop": "turn.end",
    "afteragent": "turn.end",
    "sessionidle": "turn.end",
    "sessionstatus": "turn.end",
    "agentturncomplete": "turn.end",
    "interrupt": "turn.end",
    "pretooluse": "tool.execute.before",
    "beforetool": "tool.execute.before",
    "toolexecutebefore": "tool.execute.before",
    "posttooluse": "tool.execute.after",
    "posttoolusefailure": "tool.execute.after",
    "aftertool": "tool.execute.after",
    "toolexecuteafter": "tool.execute.after",
    "permissionrequest": "decision",
    "permissionask": "decision",
    "permissiondenied": "decision",
    "teammateidle": "enforcement.idle",
    "erroroccurred": "error",
    "sessionerror": "error",
    "subagentstart": "subagent.start",
    "subagentstop": "subagent.end",
}
_DECISIONS: Final = {"permissionrequest": "ask", "permissionask": "ask", "permissiondenied": "deny"}
_NOTIFICATIONS: Final[dict[str, tuple[EventKind, str | None]]] = {
    # Notifications by type: the kind of event, and the answer of a decision.
    "idleprompt": ("enforcement.idle", None),
    "agentidle": ("enforcement.idle", None),
    "toolpermission": ("decision", "ask"),
}
_TIMEOUTS: Final = frozenset({"timeout", "timedout"})
_DENIALS: Final = frozenset({"permissiondenied", "denied", "rejected", "deny"})
_CANCELLATIONS: Final = frozenset({"cancelled", "canceled", "aborted", "abort", "interrupted"})
_FAILURES: Final = frozenset({"error", "failure", "failed"})
_PERMISSION: Final = "permission"
_SHELLS: Final = frozenset({"bash", "shell", "shellcommand", "execcommand", "localshell"})
"""Tools of Codex that run a command; Codex does not report the exit code to hooks."""

_TIMED: Final = frozenset({"copilot-cli", "vscode"})
"""Agents whose events have their own time, the same in each delivery, but not always an id."""

_LATEST_NS: Final = 4_102_444_800 * 10**9
"""2100-01-01: a larger number in a payload is in another unit."""


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the spool, as `ael_hook` writes it: the allowed fields of an agent's event.

    `t` and `at` are nanoseconds since 1970: when the hook read the event, and the payload's own time.
    """

    v: int
    t: int
    agent: str
    event: str
    session: str
    at: int | None = None
    agent_version: str | None = None
    model: str | None = None
    cwd: str | None = None
    source: str | None = None
    reason: str | None = None
    tool: str | None = None
    call: str | None = None
    turn: str | None = None
    subagent: str | None = None
    subagent_type: str | None = None
    parent: str | None = None
    duration_ms: float | None = None
    status: str | None = None
    failure: str | None = None
    interrupt: bool | None = None
    notification: str | None = None
    permission_mode: str | None = None
    stop_hook_active: bool | None = None
    loop_count: int | None = None
    mcp_server: str | None = None
    trace: str | None = None
    sizes: dict[str, int] = {}
    hashes: dict[str, str] = {}
    paths: list[str] = []
    excluded: int = 0
    tokens: dict[str, int] = {}
    cost: dict[str, float] = {}
    content: dict[str, Any] | None = None


def kinds_of(event: str) -> frozenset[EventKind]:
    """Return the kinds that an agent's event may be stored as; a notification's kind depends on its subject."""
    word = _letters(event)
    if word == "notification":
        return frozenset({"activity", *(kind for kind, _decision in _NOTIFICATIONS.values())})
    return frozenset({_EVENTS.get(word, "activity")})


def events_of(spooled: Spooled) -> Iterator[SessionEvent]:
    """Yield the session events for one spooled event of an agent."""
    word = _letters(spooled.event)
    kind = _EVENTS.get(word, "activity")
    if word == "sessionstatus" and _letters(spooled.status or "") != "idle":
        kind = "activity"
    about: str | None = None
    decision = _DECISIONS.get(word)
    if word == "notification":
        subject = _letters(spooled.notification or "")
        kind, decision = _NOTIFICATIONS.get(subject, ("activity", None))
        about = spooled.notification
    if kind == "decision":
        about = _PERMISSION
    if kind == "turn.end" and (spooled.stop_hook_active or (spooled.loop_count or 0) > 0):
        # A hook gave the agent a message when it wanted to stop; this turn is the result.
        yield _event(spooled, "enforcement.message", counts=False)
    if word == "stopfailure":
        yield _event(spooled, "error", counts=False)
    if kind == "tool.execute.after":
        yield _event(spooled, kind, outcome=_call_outcome(word, spooled))
    elif word == "permissiondenied" and spooled.tool is not None:
        # No other event reports the end of the call.
        yield _event(spooled, "decision", about=about, decision=decision)
        yield _event(spooled, "tool.execute.after", outcome="denied")
    else:
        yield _event(
            spooled, kind, about=about, decision=decision, outcome=_turn_outcome(word, spooled, kind)
        )


def _event(
    spooled: Spooled,
    kind: EventKind,
    *,
    about: str | None = None,
    decision: str | None = None,
    outcome: CallOutcome | None = None,
    counts: bool = True,
) -> SessionEvent:
    """Return one event; `counts` is False for an additional event of one report, so that tokens and cost count once."""
    at_us = (spooled.at if spooled.at is not None and 0 < spooled.at < _LATEST_NS else spooled.t) // 1000
    identity = _identity(kind, spooled)
    cost = spooled.cost.get("usd")
    return SessionEvent(
        session_id=spooled.session,
        agent=spooled.agent,
        kind=kind,
        origin="hooks",
        at_us=at_us,
        key=event_key(kind, identity if identity is not None else spooled.t),
        agent_version=spooled.agent_version,
        model=spooled.model,
        workspace=spooled.cwd or None,
        source=spooled.source,
        reason=spooled.reason,
        parent_session_id=spooled.parent,
        turn_id=spooled.turn,
        subagent_id=spooled.subagent,
        subagent_type=spooled.subagent_type,
        tool=spooled.tool,
        server=spooled.mcp_server,
        call_id=spooled.call,
        input_hash=spooled.hashes.get("input"),
        outcome=outcome,
        error_type=spooled.failure if outcome not in (None, "success") or kind == "error" else None,
        duration_us=None if spooled.duration_ms is None else _microseconds(spooled.duration_ms),
        about=about,
        decision=decision,
        trace_id=_trace_id(spooled.trace),
        paths=spooled.paths,
        excluded_paths=spooled.excluded,
        sizes=spooled.sizes,
        # Gemini repeats a request's counts with each chunk of the answer, so adding them would count too much.
        tokens=spooled.tokens if counts and _letters(spooled.event) != "aftermodel" else {},
        cost_nano_usd=round(cost * 1e9) if counts and cost is not None and 0 <= cost < 1e9 else None,
        content=spooled.content,
    )


def _identity(kind: EventKind, spooled: Spooled) -> str | None:
    """Return an id that is the same for two deliveries of one event; None if there is none.

    Cursor, Copilot CLI and VS Code also read the settings of Claude Code, so they deliver each event twice.
    """
    if spooled.agent in _TIMED and not spooled.call and spooled.at is not None:
        subject = spooled.hashes.get("input")
        if subject is not None or not kind.startswith(("tool.", "decision")):
            milliseconds = (spooled.at + 500_000) // 1_000_000
            return f"{_letters(spooled.event)} {milliseconds} {subject}"
    if spooled.agent == "cursor" and kind in ("turn.end", "enforcement.message") and spooled.turn:
        return f"{spooled.turn} {spooled.loop_count}"
    if kind.startswith("tool."):
        return spooled.call
    if kind.startswith("subagent."):
        return spooled.subagent
    if kind == "decision":
        # A turn may ask several times, and a request may be denied later: these are different events.
        subject = spooled.call or spooled.hashes.get("input")
        return None if subject is None else f"{_letters(spooled.event)} {spooled.turn} {subject}"
    return spooled.call or spooled.turn if kind == "turn.start" else None


def _call_outcome(word: str, spooled: Spooled) -> CallOutcome:
    words = {_letters(text) for text in (spooled.failure, spooled.status) if text}
    if spooled.interrupt or words & _CANCELLATIONS:
        return "cancelled"
    if words & _TIMEOUTS:
        return "timeout"
    if words & _DENIALS:
        return "denied"
    if word.endswith("failure") or spooled.failure or words & _FAILURES:
        return "error"
    return "unknown" if spooled.agent == "codex" and _letters(spooled.tool or "") in _SHELLS else "success"


def _turn_outcome(word: str, spooled: Spooled, kind: EventKind) -> CallOutcome | None:
    """Return how a turn or a session ended, None if the agent does not report it."""
    if kind not in ("turn.end", "session.end"):
        return None
    words = {_letters(text) for text in (spooled.reason, spooled.status, spooled.failure) if text}
    if word == "interrupt" or words & _CANCELLATIONS:
        return "cancelled"
    if words & _TIMEOUTS:
        return "timeout"
    if word == "stopfailure" or words & _FAILURES:
        return "error"
    return "success" if words & {"complete", "completed"} else None


def _microseconds(milliseconds: float) -> int | None:
    return round(milliseconds * 1000) if 0 <= milliseconds < 1e12 else None


def _trace_id(traceparent: str | None) -> str | None:
    """Return the trace id of a W3C `traceparent`, None if it is invalid."""
    parts = (traceparent or "").split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or not set(parts[1]) <= set("0123456789abcdef"):
        return None
    return parts[1] if parts[1].strip("0") else None


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def spooled_of(data: bytes) -> Spooled:
    """Decode a file of the spool.

    Raises:
        ValueError: this version of `ael_hook` did not write it.
    """
    try:
        spooled = msgspec.json.decode(data, type=Spooled)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an event of ael-hook: {type(error).__name__}") from None
    if spooled.v != 1 or not spooled.session or not spooled.agent or not 0 < spooled.t < _LATEST_NS:
        raise ValueError("not an event of this version of ael-hook")
    return spooled
