"""Functions that the application registers: called for each event, and never felt by who causes it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ael_otel
from ael_otel.core.caller import current_caller
from ael_otel.errors import AelOtelError
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall, observers
from ael_otel.sessions import hooks
from ael_otel.sessions.callers import caller_of
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.live import Intake, report, set_intake
from ael_otel.store import MemoryStore

WAIT_S = 20.0
SECRET = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"  # hygiene: made up


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How often functions were not called, by reason; what a test registers is removed."""
    found: dict[str, int] = {}

    def count(reason: str, count: int) -> None:
        found[reason] = found.get(reason, 0) + count

    monkeypatch.setattr(hooks._State, "lost", staticmethod(count))
    yield found
    for each in [hook for some in hooks._State.hooks.values() for hook in some]:
        each.remove()


@pytest.fixture
def recorder() -> Recorder:
    """A recorder with a store in memory."""
    return Recorder(store=MemoryStore())


def end_of(session_id: str = "s", kind: Any = "session.end") -> SessionEvent:
    """An event of a session."""
    return SessionEvent(session_id=session_id, agent="bot", kind=kind, at_us=1, key=session_id)


def call(recorder: Recorder, params: Any = None, result: Any = None) -> None:
    """Call a tool."""
    with ToolCall(recorder, "search", server="crm", caller=caller_of("bot", "s-1", "bot")) as frame:
        if params is not None:
            frame.called_with(params)
        frame.returned(result)


def test_tool_call_is_an_event_before_and_after(recorder: Recorder, lost: dict[str, int]) -> None:
    """Proves that both have the call's ids, session and agent, and that the second has how it ended."""
    seen: list[SessionEvent] = []
    both = [ael_otel.on("tool.execute.before", seen.append), ael_otel.on("tool.execute.after", seen.append)]
    call(recorder, {"query": "printer"}, {"hits": 2})
    assert all(hook.flush(WAIT_S) for hook in both)
    before, after = sorted(seen, key=lambda event: event.kind, reverse=True)
    assert (before.kind, after.kind) == ("tool.execute.before", "tool.execute.after")
    for event in (before, after):
        assert (event.tool, event.server, event.session_id, event.agent) == ("search", "crm", "s-1", "bot")
    assert before.call_id == after.call_id
    assert before.execution_id == after.execution_id is not None
    assert (before.outcome, after.outcome) == (None, "success")
    assert (before.content, after.content) == (
        {"input": {"query": "printer"}},
        {"input": {"query": "printer"}, "output": {"hits": 2}},
    )
    assert lost == {}


def test_call_without_parameters_is_announced_too(recorder: Recorder, lost: dict[str, int]) -> None:
    """Proves that a call of which nobody says what it is called with has both events, in a step as well."""
    kinds: list[str] = []
    both = [
        ael_otel.on(kind, lambda event: kinds.append(event.kind))
        for kind in ("tool.execute.before", "tool.execute.after")
    ]
    with Execution(recorder, "triage"), Step(recorder, "ask", "tool_call"), ToolCall(recorder, "search"):
        pass
    assert all(hook.flush(WAIT_S) for hook in both)
    assert sorted(kinds) == ["tool.execute.after", "tool.execute.before"]
    assert lost == {}


def test_content_is_redacted_and_each_function_has_its_own(recorder: Recorder, lost: dict[str, int]) -> None:
    """Proves that no function sees a secret, and that one that changes its copy changes no other's."""
    seen: list[Any] = []

    def change(event: SessionEvent) -> None:
        assert event.content is not None
        seen.append(str(event.content))
        event.content.clear()

    both = [ael_otel.on("tool.execute.before", change) for _ in range(2)]
    call(recorder, {"token": SECRET, "query": SECRET})
    assert all(hook.flush(WAIT_S) for hook in both)
    assert len(seen) == 2
    assert seen[0] == seen[1] != "{}"
    assert SECRET not in seen[0]
    assert lost == {}


def test_function_that_raises_is_counted_and_reported_once(
    recorder: Recorder, lost: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that the call goes on, that each failure is counted (`hook_error`), and that the log has one line without
    the secret that the error holds.
    """

    def fail(event: SessionEvent) -> None:
        raise ValueError(f"cannot send with {SECRET}")

    hook = ael_otel.on("tool.execute.after", fail)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            call(recorder)
        assert hook.flush(WAIT_S)
    assert lost == {"hook_error": 3}
    assert (hook.called, hook.failed) == (0, 3)
    (line,) = [each.getMessage() for each in caplog.records if "fail" in each.getMessage()]
    assert "registered for tool.execute.after" in line
    assert SECRET not in line


def test_function_that_hangs_is_skipped_and_delays_nobody(lost: dict[str, int]) -> None:
    """Proves that who causes events goes on, that another function gets all of them, and that what does not fit is
    counted (`queue_full`).
    """
    held, let_go = threading.Event(), threading.Event()

    def hang(event: SessionEvent) -> None:
        held.set()
        let_go.wait(WAIT_S)

    seen: list[str] = []
    stuck = ael_otel.on("session.end", hang)
    other = ael_otel.on("session.end", lambda event: seen.append(event.session_id))
    try:
        report(end_of("first"))
        assert held.wait(WAIT_S)
        for number in range(hooks.MAX_WAITING + 9):
            report(end_of(str(number)))
            if number % 500 == 0:
                assert other.flush(WAIT_S)
        assert other.flush(WAIT_S)
        assert len(seen) == hooks.MAX_WAITING + 10
        assert lost == {"queue_full": 10}
        assert stuck.skipped == 10
    finally:
        let_go.set()
    assert stuck.flush(WAIT_S)
    assert stuck.called == hooks.MAX_WAITING


def test_function_that_is_slow_is_counted_and_reported_once(
    lost: dict[str, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that each call beyond the budget is counted, that the log has one line, and that none is lost."""
    monkeypatch.setattr(hooks, "BUDGET_S", -1.0)
    hook = ael_otel.on("session.end", lambda _event: None)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            report(end_of(str(number)))
        assert hook.flush(WAIT_S)
    assert (hook.called, hook.slow, lost) == (3, 3, {})
    assert (
        len([each for each in caplog.records if "registered for session.end, took" in each.getMessage()]) == 1
    )
    monkeypatch.setattr(hooks, "BUDGET_S", 3600.0)
    report(end_of("quick"))
    assert hook.flush(WAIT_S)
    assert (hook.called, hook.slow) == (4, 3)


def test_coroutine_function_is_awaited_elsewhere(recorder: Recorder, lost: dict[str, int]) -> None:
    """Proves that it runs on a thread of its own, also where the event comes from a running loop, and in order."""
    seen: list[tuple[str, str]] = []

    async def slow(event: SessionEvent) -> None:
        await asyncio.sleep(0)
        seen.append((event.session_id, threading.current_thread().name))

    hook = ael_otel.on("session.end", slow)

    async def cause() -> None:
        for number in range(3):
            report(end_of(str(number)))

    asyncio.run(cause())
    assert hook.flush(WAIT_S)
    assert seen == [(str(number), "ael-hook") for number in range(3)]
    assert lost == {}


def test_coroutine_that_takes_too_long_is_cancelled_and_counted(
    lost: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that it ends (`timeout`) and that the next event is served."""
    monkeypatch.setattr(hooks, "ASYNC_S", 0.01)
    done: list[str] = []

    async def hang(event: SessionEvent) -> None:
        if event.session_id == "first":
            await asyncio.Event().wait()
        done.append(event.session_id)

    hook = ael_otel.on("session.end", hang)
    report(end_of("first"))
    report(end_of("second"))
    assert hook.flush(WAIT_S)
    assert (done, lost) == (["second"], {"timeout": 1})


def test_removed_function_is_called_no_more_and_nothing_observes(
    recorder: Recorder, lost: dict[str, int]
) -> None:
    """Proves that removal ends the calls, twice is no error, and that without any function calls are not observed."""
    seen: list[SessionEvent] = []
    hook = ael_otel.on("tool.execute.after", seen.append)
    assert observers._InForce.observer is not None
    hook.remove()
    hook.remove()
    call(recorder)
    assert observers._InForce.observer is None
    assert seen == []
    assert lost == {}


@pytest.mark.parametrize("event", ["tool.execute", "session.stop", "", None, 7])
def test_unknown_event_is_refused(event: Any) -> None:
    """Proves that a misspelt event is an error that names the six."""
    with pytest.raises(AelOtelError, match=r"enforcement\.message"):
        ael_otel.on(event, print)
    with pytest.raises(AelOtelError, match="not a function"):
        ael_otel.on("session.end", 7)  # type: ignore[arg-type]


def test_events_of_the_prd_are_all_there() -> None:
    """Proves that the six hook points of the PRD can be named."""
    assert set(hooks.EVENTS) == set(get_args(hooks.HookEvent.__value__)) == {
        "tool.execute.before", "tool.execute.after", "session.start", "session.end", "enforcement.idle",
        "enforcement.message",
    }  # fmt: skip


@given(plan=st.lists(st.sampled_from(["return", "raise", "remove"]), max_size=30))
def test_each_event_is_called_failed_or_skipped(plan: list[str]) -> None:
    """Proves for any order of success, failure and removal that every event until the removal is accounted for."""
    steps = iter(plan)

    def follow(event: SessionEvent) -> None:
        if next(steps) == "raise":
            raise RuntimeError("no")

    hook = ael_otel.on("session.end", follow)
    sent = 0
    try:
        for step in plan:
            if step == "remove":
                break
            report(end_of(str(sent)))
            sent += 1
        assert hook.flush(WAIT_S)
        assert hook.called + hook.failed + hook.skipped == sent
        assert hook.failed == plan[:sent].count("raise")
    finally:
        hook.remove()


class Kept:
    """A table in memory."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.broken = False

    def add(self, events: Any) -> None:
        """Keep events, unless broken."""
        if self.broken:
            raise OSError("disk full")
        self.events += events


@pytest.fixture
def kept() -> Iterator[tuple[Kept, Intake, dict[str, int]]]:
    """What is stored of sessions, by what, and what was dropped."""
    table, dropped = Kept(), dict[str, int]()

    def count(reason: str, count: int) -> None:
        dropped[reason] = dropped.get(reason, 0) + count

    taking = Intake(table, count)
    set_intake(taking)
    yield table, taking, dropped
    set_intake(None)
    taking.close(WAIT_S)


def test_hosted_session_is_reported_from_start_to_end(
    recorder: Recorder, kept: tuple[Kept, Intake, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that turns, direct tool calls, runs, decisions and messages are events of the session in order, and that a
    run inside has its agent and session while its own tool calls stay the run's.
    """
    from ael_otel.runtime import recording

    monkeypatch.setattr(recording, "recorder", lambda: recorder)
    table, taking, _ = kept
    origins: list[tuple[str, str | None]] = []
    hook = ael_otel.on("tool.execute.after", lambda event: origins.append((event.session_id, event.origin)))
    with ael_otel.session("bot", session_id="s-1", version="2", model="m", workspace="/srv") as conversation:
        with conversation.turn("t-1"):
            with ael_otel.tool_call("search", params={"query": "printer"}) as made:
                made.returned({"hits": 2})
            conversation.decided("permission", "allow")
            with ael_otel.execution("triage"), ael_otel.step("ask", tool="ask"), ael_otel.tool_call("ask"):
                pass
        conversation.message("go on")
        conversation.idle(61.5)
    assert taking.flush(WAIT_S)
    assert [event.kind for event in table.events] == [
        "session.start", "turn.start", "tool.execute.before", "tool.execute.after", "decision",
        "tool.execute.before", "tool.execute.after", "turn.end", "enforcement.message", "enforcement.idle",
        "session.end",
    ]  # fmt: skip
    assert {(event.session_id, event.agent, event.origin) for event in table.events} == {
        ("s-1", "bot", "hosted")
    }
    assert hook.flush(WAIT_S)
    hook.remove()
    assert origins == [("s-1", "hosted")] * 2
    assert [event.turn_id for event in table.events] == [None, *["t-1"] * 7, None, None, None]
    begun, done = table.events[5:7]
    assert (begun.tool, done.tool, done.outcome) == ("triage", "triage", "success")
    assert begun.call_id == done.call_id
    start, end = table.events[0], table.events[-1]
    assert (start.agent_version, start.model, start.workspace) == ("2", "m", "/srv")
    assert (end.reason, end.outcome) == ("completed", "success")
    assert all(event.content is None for event in table.events)
    store = recorder.store
    assert isinstance(store, MemoryStore)
    assert {(run.caller_id, run.metadata["session_id"]) for run in store.recent()} == {("bot", "s-1")}
    assert {run.workflow_name: run.execution_id for run in store.recent()}["triage"] == done.execution_id
    assert {run.workflow_name for run in store.recent()} == {"triage", None}
    assert observers._InForce.observer is None


@dataclass
class Run:
    """A run that is not traced, so that it has no span."""

    execution_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    workflow_name: str | None = "triage"


def test_runs_that_are_not_traced_are_paired_with_their_own_ends(
    kept: tuple[Kept, Intake, dict[str, int]],
) -> None:
    """Proves that a run which takes the place of an earlier one in memory is not joined with it."""
    table, taking, _ = kept
    with ael_otel.session("bot"):
        caller = current_caller.get()
        assert caller is not None
        assert caller.on_run is not None
        assert caller.on_end is not None
        for number in range(40):
            run = Run()
            caller.on_run(run)
            run.execution_id = f"exec-{number}"
            if number % 2:
                caller.on_end(run, "success", None)
            del run
    assert taking.flush(WAIT_S)
    begun, ended = (
        [event for event in table.events if event.kind == f"tool.execute.{moment}"]
        for moment in ("before", "after")
    )
    assert len({event.call_id for event in begun}) == len({event.key for event in begun}) == 40
    assert [event.call_id for event in ended] == [event.call_id for event in begun[1::2]]
    assert [event.execution_id for event in ended] == [f"exec-{number}" for number in range(1, 40, 2)]


def test_hosted_session_that_fails_ends_with_its_error(
    recorder: Recorder, kept: tuple[Kept, Intake, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that an exception passes on, and is the type of an error and the outcome of the session."""
    from ael_otel.runtime import recording

    monkeypatch.setattr(recording, "recorder", lambda: recorder)
    table, taking, _ = kept
    with pytest.raises(TimeoutError), ael_otel.session("bot") as conversation:
        raise TimeoutError("the model does not answer")
    assert taking.flush(WAIT_S)
    _, error, end = table.events
    assert (error.kind, error.error_type, error.outcome) == ("error", "timeout", "timeout")
    assert (end.reason, end.outcome) == ("timeout", "timeout")
    assert conversation.session_id.startswith("bot-")


def test_store_that_fails_drops_events_by_reason(
    kept: tuple[Kept, Intake, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that events that cannot be stored are counted (`store_error`), and the next ones are stored again."""
    monkeypatch.setenv("AEL_OTEL_RAISE_FAULTS", "0")
    table, taking, dropped = kept
    table.broken = True
    report(end_of("a"))
    assert taking.flush(WAIT_S)
    table.broken = False
    report(end_of("b"))
    assert taking.flush(WAIT_S)
    assert dropped == {"store_error": 1}
    assert [event.session_id for event in table.events] == ["b"]
