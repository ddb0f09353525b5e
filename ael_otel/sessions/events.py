"""The event of a session: the common form of events from hooks, engines and importers.

The kinds are those of the Telemetry System PRD (`session.*`, `tool.execute.*`, `enforcement.*`, `decision`, `error`),
and turns, subagents and signs of life, which the figures of a session need.
"""

from hashlib import sha256
from typing import Any, Final, Literal, get_args

import msgspec

from ael_otel._generated.attributes import SessionOrigin

type EventKind = Literal[
    "session.start",
    "session.end",
    "turn.start",
    "turn.end",
    "tool.execute.before",
    "tool.execute.after",
    "enforcement.idle",
    "enforcement.message",
    "decision",
    "error",
    "subagent.start",
    "subagent.end",
    "activity",
]
type CallOutcome = Literal["success", "error", "timeout", "denied", "cancelled", "unknown"]

KINDS: Final[tuple[str, ...]] = get_args(EventKind.__value__)
MAX_TEXT: Final = 256
"""Maximum characters of an id or a name."""

MAX_PATH: Final = 1024
MAX_PATHS: Final = 64


class SessionEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a session.

    `at_us` is microseconds since 1970, UTC; `key` identifies the event in its session: a second event with the same key
    is the same event. `origin` is the reporter, None if it is not stored: `hooks` of a coding agent, the engine of a
    `client`, or the application of a `hosted` agent. Every other field is None or empty if the agent does not report
    it. `call_id` pairs the start and the end of a tool call; without it, `input_hash` does. `about` is the subject of a
    decision (`permission`, `when`) or of a sign of life, `decision` the answer. `execution_id` names the engine's run
    of the event. `tokens` and `cost_nano_usd` are the agent's own counts. `content` is redacted, and None unless its
    recording is enabled.
    """

    session_id: str
    agent: str
    kind: EventKind
    at_us: int
    key: str
    origin: SessionOrigin | None = None
    agent_version: str | None = None
    model: str | None = None
    workspace: str | None = None
    source: str | None = None
    reason: str | None = None
    parent_session_id: str | None = None
    turn_id: str | None = None
    subagent_id: str | None = None
    subagent_type: str | None = None
    tool: str | None = None
    server: str | None = None
    call_id: str | None = None
    input_hash: str | None = None
    outcome: CallOutcome | None = None
    error_type: str | None = None
    duration_us: int | None = None
    about: str | None = None
    decision: str | None = None
    execution_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    paths: list[str] = []
    excluded_paths: int = 0
    sizes: dict[str, int] = {}
    tokens: dict[str, int] = {}
    cost_nano_usd: int | None = None
    content: dict[str, Any] | None = None


def event_key(kind: str, *parts: object) -> str:
    """Return the key of an event: 16 hex digits of the SHA-256 of its kind and its identifying parts."""
    return sha256("\0".join([kind, *map(str, parts)]).encode("utf-8", "replace")).hexdigest()[:16]


def trace_id_of(agent: str, session_id: str) -> str:
    """Return the trace id of a session, 32 hex digits; the same in every process, since hooks share no state."""
    return _digest("trace", agent, session_id)[:32]


def span_id_of(agent: str, session_id: str, key: str = "") -> str:
    """Return the span id of a session, or of one of its events: 16 hex digits."""
    return _digest("span", agent, session_id, key)[:16]


def _digest(*parts: str) -> str:
    return sha256("\0".join(["ael-session", *parts]).encode("utf-8", "replace")).hexdigest()
