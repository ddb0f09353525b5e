"""Read names and sessions of callers from what they send: redacted, bounded, and linked to the session's trace."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Token
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from opentelemetry import baggage, propagate
from opentelemetry.context import Context, attach, detach

from ael_otel._generated import attributes as attr
from ael_otel.core.caller import Caller, current_caller
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.sessions.events import MAX_TEXT, span_id_of, trace_id_of

SESSION_KEYS: Final = (attr.SESSION_ID, attr.GEN_AI_CONVERSATION_ID)
"""Keys in baggage, and in `_meta` of an MCP request, for the session of an agent."""

AGENT_KEY: Final = attr.GEN_AI_AGENT_NAME

SESSION_VARIABLE: Final = "AEL_SESSION_ID"
AGENT_VARIABLE: Final = "AEL_SESSION_AGENT"
"""Variables with which an agent passes its session to `ael run`; the agent's name is needed to link to its trace."""

_CARRIED: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
"""Variables that carry a trace context to another process, by OpenTelemetry's specification."""


def clean_name(name: object) -> str | None:
    """Return a caller's name, redacted, printable and at most 256 characters long; None if it is not a string."""
    if not isinstance(name, str) or not name.strip():
        return None
    return active_redaction().name(_printable(name.strip()[:MAX_TEXT]))


def clean_id(session_id: object) -> str | None:
    """Return the id of a session, printable and at most 256 characters long; None if it is not a string.

    An id that looks like a secret is replaced by its hash, so that different sessions stay different.
    """
    if not isinstance(session_id, str) or not session_id.strip():
        return None
    text = session_id.strip()
    short = _printable(text[:MAX_TEXT])
    if len(text) <= MAX_TEXT and active_redaction().name(short) == short:
        return short
    return f"session-{sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def caller_of(name: str | None, session_id: str | None, agent: str | None) -> Caller:
    """Return a caller from a cleaned name and session id, linked to the session's trace if `agent` is known."""
    if session_id is None or agent is None:
        return Caller(name, session_id)
    trace_id, span_id = _span_of(agent, session_id)
    return Caller(name, session_id, trace_id=trace_id, span_id=span_id)


@lru_cache(maxsize=512)
def _span_of(agent: str, session_id: str) -> tuple[int, int]:
    return int(trace_id_of(agent, session_id), 16), int(span_id_of(agent, session_id), 16)


def named_in(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the session and the agent named in baggage or `_meta`, cleaned; None if there is none."""
    session_id = next((found for key in SESSION_KEYS if (found := clean_id(values.get(key)))), None)
    return session_id, None if session_id is None else clean_name(values.get(AGENT_KEY))


def caller_now() -> Caller | None:
    """Return the caller of a run that begins now; a session in the baggage takes precedence over the connection's."""
    caller = current_caller.get()
    entries = baggage.get_all()
    session_id, agent = named_in(entries) if entries else (None, None)
    if session_id is None:
        return caller
    if caller is None:
        return caller_of(agent, session_id, agent)
    found = caller_of(caller.name, session_id, agent or caller.name)
    found.on_run, found.on_end = caller.on_run, caller.on_end
    return found


@contextmanager
def called_by_command(command: str, environ: Mapping[str, str]) -> Generator[None]:
    """Make `command` the caller of the runs inside, in the trace and the session from the environment.

    The session is that of `AEL_SESSION_ID` and `AEL_SESSION_AGENT`, or else that of the baggage.
    """
    joined: Token[Context] | None = None
    token: Token[Caller | None] | None = None
    with fault_barrier("caller"):
        caller, context = _of_environment(command, environ)
        joined = None if context is None else attach(context)
        token = current_caller.set(caller)
    try:
        yield
    finally:
        if token is not None:
            current_caller.reset(token)
        if joined is not None:
            detach(joined)


def _of_environment(command: str, environ: Mapping[str, str]) -> tuple[Caller, Context | None]:
    carrier = {name.lower(): value for name in _CARRIED if (value := environ.get(name))}
    context = propagate.extract(carrier) if carrier else None
    session_id = clean_id(environ.get(SESSION_VARIABLE))
    if session_id is None and context is not None:
        session_id, agent = named_in(baggage.get_all(context))
    else:
        agent = clean_name(environ.get(AGENT_VARIABLE))
    return caller_of(command, session_id, agent), context


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)
