"""The caller of a run: its name and the session that the run belongs to."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Protocol

from ael_otel._generated.attributes import SessionOrigin, WorkflowStatus


class RunIds(Protocol):
    """Ids of a run, empty strings until they are assigned, and its workflow, None for a direct tool call."""

    execution_id: str
    trace_id: str
    span_id: str
    workflow_name: str | None


class Caller:
    """The caller of a run: a client of the engine, an agent in this process, or a command; redacted and bounded.

    Args:
        name: the caller's name, None where it is unknown.
        session_id: the session that the run belongs to, None where there is none.
        trace_id: trace of the session's span as a number, 0 where it is unknown: the run is not linked to it then.
        span_id: the session's span.
        origin: who reports the session, None where another process does.
        on_run: called with each run that begins, which may get its execution id later.
        on_end: called with each run of a workflow that ends, its status, and the type of its error.
    """

    __slots__ = ("name", "on_end", "on_run", "origin", "session_id", "span_id", "trace_id")

    def __init__(
        self,
        name: str | None = None,
        session_id: str | None = None,
        *,
        trace_id: int = 0,
        span_id: int = 0,
        origin: SessionOrigin | None = None,
        on_run: Callable[[RunIds], None] | None = None,
        on_end: Callable[[RunIds, WorkflowStatus, str | None], None] | None = None,
    ) -> None:
        self.name = name
        self.session_id = session_id
        self.trace_id = trace_id
        self.span_id = span_id
        self.origin: SessionOrigin | None = origin
        self.on_run = on_run
        self.on_end = on_end


current_caller: ContextVar[Caller | None] = ContextVar("ael_otel_caller", default=None)
"""The caller of the runs that begin in this context; None if there is none."""
