"""Folding events into a session, against a generator that knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.sessions.events import SessionEvent, event_key, span_id_of, trace_id_of
from ael_otel.sessions.session import GrowingSession, Limits, session_of

T0 = 1_800_000_000 * 10**6
S = 10**6


def event(kind: Any, at_s: float, *parts: object, **fields: Any) -> SessionEvent:
    """Return an event `at_s` seconds after the start; its key follows from kind and parts."""
    return SessionEvent(
        session_id="s-1",
        agent="claude-code",
        kind=kind,
        at_us=T0 + round(at_s * S),
        key=event_key(kind, *(parts or (at_s,))),
        **fields,
    )


def call(
    number: int, at_s: float, took_s: float, outcome: Any = "success", tool: str = "Bash"
) -> list[SessionEvent]:
    """Return start and end of a tool call."""
    name = f"toolu_{number}"
    return [
        event("tool.execute.before", at_s, name, call_id=name, tool=tool, paths=["src/a.py"]),
        event("tool.execute.after", at_s + took_s, name, call_id=name, tool=tool, outcome=outcome),
    ]


@dataclass
class Truth:
    """A session as it happened."""

    events: list[SessionEvent] = field(default_factory=list[SessionEvent])
    turns: int = 0
    calls: int = 0
    failed: int = 0
    idle_s: float = 0.0
    decisions: int = 0


@st.composite
def histories(draw: st.DrawFn) -> Truth:
    """Make a session of turns with calls and silences; seconds are whole, so that no two events coincide."""
    truth, now, number = Truth(), 0.0, 0
    truth.events.append(event("session.start", now, "start", model="m-1", workspace="/w"))
    for turn in range(draw(st.integers(0, 4))):
        silence = draw(st.sampled_from([1, 30, 60, 600]))
        truth.idle_s += silence if silence >= 60 else 0
        now += silence
        truth.events.append(event("turn.start", now, "turn", turn, turn_id=str(turn)))
        truth.turns += 1
        for _ in range(draw(st.integers(0, 4))):
            pause = draw(st.sampled_from([1, 59, 61]))
            truth.idle_s += pause if pause >= 60 else 0
            now += pause
            took = draw(st.sampled_from([1, 90, 700]))
            outcome = draw(st.sampled_from(["success", "error", "timeout", "cancelled", "denied"]))
            truth.events += call(number, now, took, outcome)
            truth.calls += 1
            truth.failed += outcome in ("error", "timeout")
            number, now = number + 1, now + took
        now += 2
        truth.events.append(event("turn.end", now, "turn end", turn))
    if draw(st.booleans()):
        now += 3
        truth.events.append(event("session.end", now, "end", reason="logout"))
    return truth


@given(histories(), st.randoms(use_true_random=False), st.booleans())
def test_session_is_the_same_in_any_order_and_with_repeats(truth: Truth, random: Any, repeat: bool) -> None:
    """Figures equal the truth however the events arrived."""
    events = [*truth.events, *(truth.events if repeat else [])]
    random.shuffle(events)
    session = session_of(events)
    assert session == session_of(truth.events)
    record = session.record
    assert (record.turns, record.tool_calls, record.failed_calls) == (truth.turns, truth.calls, truth.failed)
    assert record.idle_us == round(truth.idle_s * S)
    assert record.events == len(truth.events)
    assert record.status == ("ended" if truth.events[-1].kind == "session.end" else "running")
    calls = [entry for entry in session.entries if entry.kind == "call"]
    assert all(entry.end_us is not None and entry.turn is not None for entry in calls)
    assert (
        sum((entry.end_us or 0) - entry.at_us for entry in session.entries if entry.kind == "idle")
        == record.idle_us
    )


@pytest.mark.parametrize("reopens", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_session_is_reopened_only_where_it_may_be(*, reopens: bool, ended: bool) -> None:
    """One that ended or was abandoned stays as it is, with the calls that came later; a growing one agrees."""
    limits = Limits(abandoned_s=100, reopens=reopens)
    start = [event("session.start", 0), event("session.end" if ended else "activity", 1)]
    later = [event("turn.start", 500), *call(1, 501, 2), event("turn.end", 505)]
    session = session_of([*start, *later], limits=limits)
    growing = GrowingSession(start, limits)
    assert growing.add(later)
    assert growing.session.record == session.record
    record = session.record
    assert (record.turns, record.tool_calls, record.reopened) == (1, 1, int(reopens))
    outcome = None if reopens else "unknown" if ended else "abandoned"
    assert (record.outcome, record.ended_us) == (outcome, None if reopens else T0 + 1 * S)
    assert len(session.ends) == 1


def test_call_after_an_end_that_stays_is_undecided_until_its_own_end_or_an_hour() -> None:
    """Proves that its end may come in a later batch, where no event reopens the session."""
    limits = Limits(reopens=False)
    begins, ends = call(1, 10, 5)
    growing = GrowingSession([event("session.start", 0), event("session.end", 1), begins], limits)
    (entry,) = [each for each in growing.session.entries if each.kind == "call"]
    assert not growing.session.is_over(entry)
    assert growing.add([ends])
    (entry,) = [each for each in growing.session.entries if each.kind == "call"]
    assert (entry.outcome, growing.session.is_over(entry)) == ("success", True)
    late = session_of(
        [event("session.start", 0), event("session.end", 1), begins, event("turn.start", 3700)], limits=limits
    )
    (entry,) = [each for each in late.entries if each.kind == "call"]
    assert (entry.outcome, late.is_over(entry)) == ("unknown", True)


@st.composite
def any_events(draw: st.DrawFn) -> list[SessionEvent]:
    """Make events of all kinds in an order of arrival that differs from that of time: few seconds and few calls, so
    that many coincide, pair and repeat.
    """
    kinds = ["session.start", "turn.start", "turn.end", "activity", "decision", "error", "session.end"]
    tools = ["tool.execute.before", "tool.execute.after"]
    agents = ["subagent.start", "subagent.end"]
    found: list[SessionEvent] = []
    now = 0
    for number in range(draw(st.integers(1, 40))):
        now += draw(st.sampled_from([0, 1, 1, 1, 70, 3700, 90_000]))
        late = draw(st.sampled_from([0] * 9 + [3]))
        kind = draw(st.sampled_from(kinds + tools * 6 + agents))
        more: dict[str, Any] = {}
        if kind in tools:
            one = draw(st.integers(0, 6))
            more = {"call_id": f"c{one}" if one > 2 else None, "input_hash": f"h{one}", "tool": "Bash"}
            more["outcome"] = draw(st.sampled_from(["success", "error"]))
        if kind in agents:
            more = {"subagent_id": draw(st.sampled_from(["a", "b"]))}
        found.append(event(kind, max(0, now - late), number, **more))
    return found


@st.composite
def resumed_sessions(draw: st.DrawFn) -> list[SessionEvent]:
    """Make a session that ends, is abandoned and is reopened, in the order of time; calls end in turns or never."""
    found: list[SessionEvent] = []
    now = 0

    def add(kind: str, after_s: int, **more: Any) -> None:
        nonlocal now
        now += after_s
        found.append(event(kind, now, len(found), **more))

    for part in range(draw(st.integers(1, 4))):
        add("session.start", draw(st.sampled_from([1, 90, 90_000])), source="resume" if part else "startup")
        for _ in range(draw(st.integers(0, 3))):
            add("turn.start", draw(st.sampled_from([1, 90])))
            for _ in range(draw(st.integers(0, 3))):
                one, how = f"c{len(found)}", draw(st.sampled_from(["success", "error", "lost"]))
                add("tool.execute.before", draw(st.sampled_from([1, 61])), call_id=one, tool="Bash")
                if how != "lost":
                    add("tool.execute.after", draw(st.sampled_from([1, 700])), call_id=one, outcome=how)
            if draw(st.booleans()):
                add("turn.end", draw(st.sampled_from([1, 90, 90_000])))
        outcome = draw(st.sampled_from(["success", "error", None]))
        if outcome is not None:
            add("session.end", draw(st.sampled_from([1, 90])), outcome=outcome, reason="logout")
            if draw(st.booleans()):
                add(draw(st.sampled_from(["activity", "session.end"])), 1)
    return found


@given(any_events(), st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(0, 6))
def test_session_that_grows_is_the_one_of_all_its_events(
    events: list[SessionEvent], sizes: list[int], tail: int
) -> None:
    """Proves for any batches that the record, its ends, and what has ended of the entries, are those of a session
    which is worked out anew from all events; one that refuses a batch is begun anew, as the table does.
    """
    grown: GrowingSession | None = None
    over: set[str] = set()
    ends = 0
    done, waiting = list[SessionEvent](), list(events)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ael_otel.sessions.session._TAIL", tail)
        while waiting:
            size = sizes[len(done) % len(sizes)]
            batch, waiting = waiting[:size], waiting[size:]
            done += batch
            whole = session_of(done)
            if grown is None or not grown.add(batch):
                grown = GrowingSession(done, Limits())
            entries = {entry.key: entry for entry in whole.entries}
            assert grown.session.record == whole.record
            assert all(entries[entry.key] == entry for entry in grown.session.entries)
            now_over = {entry.key for entry in whole.entries if entry.end_us is not None or entry.outcome}
            ended = [entry.key for entry in whole.entries if entry.key in now_over - over]
            seen = [entry.key for entry in grown.session.entries if entry.key in now_over - over]
            assert seen == ended
            over = now_over
            record = whole.record
            assert [end.reopened for end in whole.ends] == list(range(len(whole.ends)))
            assert len(whole.ends) == record.reopened + (record.ended_us is not None)
            assert [end for end in grown.session.ends if end.reopened >= ends] == whole.ends[ends:]
            ends = len(whole.ends)


@pytest.mark.parametrize(
    ("silent_s", "status"), [(59, "running"), (60, "idle"), (86_399, "idle"), (86_400, "abandoned")]
)
def test_silence_makes_a_session_idle_and_then_abandoned(silent_s: int, status: str) -> None:
    """The limits are inclusive."""
    session = session_of([event("session.start", 0)], now_us=T0 + silent_s * S)
    assert session.record.status == status
    assert session.record.outcome == ("abandoned" if status == "abandoned" else None)
    assert session.record.idle_us == (silent_s * S if status == "idle" else 0)


def test_silence_after_a_turn_with_a_lost_call_is_idle_time() -> None:
    """A call whose end never came is over with its turn; without the end of a turn it lasts for an hour."""
    lost = [event("turn.start", 0), event("tool.execute.before", 1, "lost", call_id="lost")]
    after = session_of([*lost, event("turn.end", 10), event("turn.start", 200)])
    assert after.record.idle_us == 190 * S
    assert session_of([*lost, event("activity", 3600)]).record.idle_us == 0


def test_running_tool_and_open_permission_are_not_idle_time() -> None:
    """An agent that waits for a tool or for a person's permission is not idle."""
    slow = call(1, 1, 600)
    assert session_of([event("session.start", 0), slow[0]], now_us=T0 + 500 * S).record.status == "running"
    asked = [
        event("session.start", 0),
        event("decision", 1, about="permission", decision="ask"),
        *call(1, 300, 1),
    ]
    assert session_of(asked).record.idle_us == 0


def test_call_without_end_is_unknown_once_its_turn_is_over() -> None:
    """Rejected and cancelled calls send no end."""
    start = call(1, 1, 1)[0]
    events = [event("turn.start", 0), start, event("turn.end", 5)]
    entry = next(each for each in session_of(events).entries if each.kind == "call")
    assert (entry.outcome, entry.end_us) == ("unknown", None)
    running = next(each for each in session_of(events[:2]).entries if each.kind == "call")
    assert running.outcome is None


def test_calls_without_ids_pair_by_tool_and_input_in_order() -> None:
    """Copilot reports no id of a call."""
    events = [
        event("tool.execute.before", 1, 1, tool="bash", input_hash="aa"),
        event("tool.execute.before", 2, 2, tool="bash", input_hash="aa"),
        event("tool.execute.after", 3, 3, tool="bash", input_hash="aa", outcome="error"),
        event("tool.execute.after", 4, 4, tool="bash", input_hash="aa", outcome="success"),
    ]
    calls = [entry for entry in session_of(events).entries if entry.kind == "call"]
    assert [(each.at_us - T0, each.end_us and each.end_us - T0, each.outcome) for each in calls] == [
        (1 * S, 3 * S, "error"),
        (2 * S, 4 * S, "success"),
    ]


def test_end_without_start_is_one_call_with_its_duration() -> None:
    """Some clients report ends only."""
    session = session_of(
        [event("session.start", 0), event("tool.execute.after", 9, tool="Edit", duration_us=2 * S)]
    )
    (entry,) = (each for each in session.entries if each.kind == "call")
    assert (entry.at_us, entry.end_us, session.record.tool_calls) == (T0 + 7 * S, T0 + 9 * S, 1)


def test_later_event_reopens_an_ended_session() -> None:
    """A resumed session goes on; the last call of an ended one that arrives late does not reopen it."""
    ended = [event("session.start", 0), event("session.end", 10, reason="other")]
    assert session_of([*ended, call(1, 9, 2)[1]]).record.status == "ended"
    resumed = session_of([*ended, event("session.start", 100, source="resume")])
    assert (resumed.record.status, resumed.record.reopened, resumed.record.outcome) == ("running", 1, None)
    assert resumed.record.idle_us == 0, "nobody was there between the end and the start"
    silent = session_of([event("session.start", 0), event("turn.start", 90_000)])
    assert (silent.record.reopened, silent.record.idle_us) == (1, 0)


def test_resumed_session_has_the_record_of_each_of_its_ends() -> None:
    """Proves that an end keeps its outcome, reason and counts once the session is reopened, and that a second end
    without a reopening is the same end.
    """
    session = session_of(
        [
            event("session.start", 0),
            event("turn.start", 1),
            event("session.end", 10, outcome="error", reason="crash"),
            event("session.end", 11, outcome="success", reason="other"),
            event("session.start", 20, source="resume"),
            event("turn.start", 21),
            event("session.end", 30, outcome="success", reason="logout"),
        ]
    )
    assert [
        (each.reopened, each.status, each.outcome, each.reason, each.turns, each.ended_us)
        for each in session.ends
    ] == [
        (0, "ended", "error", "crash", 1, T0 + 10 * S),
        (1, "ended", "success", "logout", 2, T0 + 30 * S),
    ]
    assert session.record == session.ends[-1]


def test_silence_until_abandonment_is_an_end_with_its_turn() -> None:
    """Proves that an event which follows a day of silence finds the session ended, whether or not anyone noticed: its
    turn is over, its open call is unknown, and the late end of the turn counts no other turn.
    """
    session = session_of(
        [
            event("turn.start", 0),
            event("tool.execute.before", 1, "lost", call_id="lost"),
            event("activity", 90_000),
            event("turn.end", 90_001),
        ]
    )
    (end,) = session.ends
    assert (end.status, end.outcome, end.ended_us) == ("abandoned", "abandoned", T0 + S)
    assert (session.record.status, session.record.reopened, session.record.turns) == ("running", 1, 1)
    assert [(each.kind, each.end_us, each.outcome) for each in session.entries] == [
        ("turn", T0 + S, None),
        ("call", None, "unknown"),
    ]


def test_call_that_is_open_at_an_end_stays_unknown_when_the_session_is_resumed() -> None:
    """Proves it for a call outside any turn, and for a subagent that began after the end; no end was ever reported."""
    events = [
        event("tool.execute.before", 1, "lost", call_id="lost"),
        event("session.end", 2),
        event("subagent.start", 3, subagent_id="a"),
    ]
    over = session_of(events).entries
    assert [(entry.kind, entry.outcome) for entry in over] == [("call", "unknown"), ("subagent", "unknown")]
    assert session_of([*events, event("session.start", 4, source="resume")]).entries == over


def test_facts_come_from_whichever_event_reports_them() -> None:
    """The model is reported once, tokens and costs are summed."""
    session = session_of(
        [
            event("session.start", 0, agent_version="2.1", source="startup"),
            event("activity", 1, model="m-1", tokens={"input": 5, "output": 1}, cost_nano_usd=7),
            event("turn.end", 2, model="m-2", tokens={"input": 10}, cost_nano_usd=3),
            event("session.end", 3, outcome="success", reason="complete"),
        ]
    )
    record = session.record
    assert (record.models, record.tokens, record.cost_nano_usd) == (
        ["m-1", "m-2"],
        {"input": 15, "output": 1},
        10,
    )
    assert (record.outcome, record.reason, record.turns) == ("success", "complete", 1)


def test_ids_are_the_same_in_every_process() -> None:
    """Hook processes and engines that know only the session's id agree on its trace."""
    record = session_of([event("session.start", 0)]).record
    assert record.trace_id == trace_id_of("claude-code", "s-1")
    assert len(record.trace_id) == 32
    assert record.span_id == span_id_of("claude-code", "s-1")
    assert trace_id_of("codex", "s-1") != record.trace_id


def test_limits_are_settings() -> None:
    """Idle and abandoned follow the configured limits."""
    events: Sequence[SessionEvent] = [event("session.start", 0), event("turn.start", 10)]
    assert session_of(events, limits=Limits(idle_s=5)).record.idle_us == 10 * S
    assert session_of(events, limits=Limits(abandoned_s=10)).record.reopened == 1
