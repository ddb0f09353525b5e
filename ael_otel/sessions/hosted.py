"""Sessions of agents that this process hosts."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from secrets import token_hex
from time import time_ns
from types import TracebackType
from typing import Any, Final, Self

from ael_otel._generated.attributes import WorkflowStatus
from ael_otel.core.caller import Caller, RunIds, current_caller
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.lifecycle import Moment, ToolCall, classify
from ael_otel.lifecycle.outcome import status_of
from ael_otel.sessions import hooks
from ael_otel.sessions.callers import caller_of, clean_name
from ael_otel.sessions.events import MAX_PATH, CallOutcome, EventKind, SessionEvent, event_key
from ael_otel.sessions.live import report

_MAX_RUNS: Final = 1_024
"""Maximum number of concurrent runs of one session whose ends are matched; the oldest are forgotten."""

current_session: ContextVar["AgentSession | None"] = ContextVar("ael_otel_session", default=None)
"""The session of the current code, None outside a session."""


class AgentSession:
    """A session, from `with` to its end; every method may be called from any thread and never raises.

    Args:
        agent: the agent's name, cleaned.
        session_id: its id, cleaned; None generates one.
        version: the agent's version.
        model: the model that it uses.
        workspace: the folder that it works in.
    """

    def __init__(
        self,
        agent: str,
        session_id: str | None = None,
        *,
        version: str | None = None,
        model: str | None = None,
        workspace: str | None = None,
    ) -> None:
        self.agent = agent
        self.session_id = session_id or f"{agent[:64]}-{token_hex(12)}"
        self._about: Final = {"agent_version": version, "model": model, "workspace": _path(workspace)}
        self._caller = caller_of(agent, self.session_id, agent)
        self._caller.origin = "hosted"
        self._caller.on_run, self._caller.on_end = self._run_begins, self._run_ends
        self._turn: str | None = None
        self._runs: OrderedDict[int, tuple[RunIds, str]] = OrderedDict()
        self._tokens: tuple[Token[Caller | None], Token[AgentSession | None]] | None = None

    def __enter__(self) -> Self:
        self._tokens = (current_caller.set(self._caller), current_session.set(self))
        hooks.watch_tools(self, _observe)
        self._report("session.start", source="in_process", **self._about)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tokens is None:
            return
        outcome: CallOutcome = "success"
        with fault_barrier("session.end"):
            if error is not None:
                failure = classify(error, "workflow_engine")
                outcome = status_of(failure)
                if outcome != "cancelled":
                    self._report("error", outcome=outcome, error_type=failure.type)
            self._report(
                "session.end", reason="completed" if outcome == "success" else outcome, outcome=outcome
            )
        hooks.unwatch_tools(self)
        callers, sessions = self._tokens
        self._tokens = None
        try:
            current_caller.reset(callers)
            current_session.reset(sessions)
        except ValueError:  # the context differs from that of `__enter__`
            current_caller.set(None)
            current_session.set(None)

    @contextmanager
    def turn(self, turn_id: str | None = None) -> Generator[None]:
        """Record a turn: the agent's work between two messages of a person."""
        before, self._turn = self._turn, turn_id or token_hex(8)
        name = self._turn
        self._report("turn.start", turn_id=name)
        outcome: CallOutcome = "error"
        try:
            yield
            outcome = "success"
        finally:
            self._report("turn.end", turn_id=name, outcome=outcome)
            self._turn = before

    def decided(self, about: str, decision: str) -> None:
        """Record a decision: `decision` (`allow`, `deny`, `ask` or any other word) on `about`."""
        self._report("decision", about=clean_name(about), decision=clean_name(decision))

    def failed(self, error: BaseException) -> None:
        """Record an error that did not end the session; only its type is stored."""
        with fault_barrier("session.failed"):
            failure = classify(error, "workflow_engine")
            self._report("error", outcome=status_of(failure), error_type=failure.type)

    def message(self, text: str | None = None) -> None:
        """Record a message that was sent to the agent to make it continue; hooks get its text, redacted."""
        with fault_barrier("session.message"):
            event = self._event("enforcement.message", turn_id=self._turn)
            report(event, None if text is None else {"message": active_redaction().text(text)})

    def idle(self, seconds: float) -> None:
        """Record that the agent has been idle for `seconds`."""
        self._report("enforcement.idle", duration_us=int(max(0.0, seconds) * 1e6))

    def _report(self, kind: EventKind, **facts: Any) -> None:
        with fault_barrier("session.report"):
            facts.setdefault("turn_id", self._turn)
            report(self._event(kind, **facts))

    def _event(self, kind: EventKind, *, key: str | None = None, **facts: Any) -> SessionEvent:
        return SessionEvent(
            session_id=self.session_id,
            agent=self.agent,
            kind=kind,
            origin="hosted",
            at_us=time_ns() // 1_000,
            key=event_key(kind, token_hex(8)) if key is None else key,
            **facts,
        )

    def _run_begins(self, run: RunIds) -> None:
        """Record the start of a workflow's run as a call; `tool_call` records a direct one."""
        if run.workflow_name is None:
            return
        call_id = run.span_id or token_hex(8)  # the execution id may be set after the start
        # The run is stored with its id: otherwise another run could get its address before its end is reported.
        self._runs[id(run)] = run, call_id
        while len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)
        self._report("tool.execute.before", **_facts_of_run("before", run, call_id))

    def _run_ends(self, run: RunIds, status: WorkflowStatus, error_type: str | None) -> None:
        _, call_id = self._runs.pop(id(run), (run, run.span_id or token_hex(8)))
        self._report(
            "tool.execute.after",
            outcome=status,
            error_type=error_type,
            execution_id=run.execution_id or None,
            trace_id=run.trace_id or None,
            span_id=run.span_id or None,
            **_facts_of_run("after", run, call_id),
        )

    def tool_call(self, moment: Moment, call: ToolCall) -> None:
        """Record the start or end of a tool call outside runs."""
        self._report(f"tool.execute.{moment}", **hooks.facts_of(moment, call))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def _observe(moment: Moment, call: ToolCall) -> None:
    session = current_session.get()
    if session is not None and call.direct:
        session.tool_call(moment, call)


def _facts_of_run(moment: Moment, run: RunIds, call_id: str) -> dict[str, Any]:
    return {
        "key": event_key(f"tool.execute.{moment}", call_id),
        "call_id": call_id,
        "tool": run.workflow_name,
    }


def _path(workspace: str | None) -> str | None:
    return None if workspace is None else active_redaction().name(workspace[:MAX_PATH])
