"""Silence is reported when it has lasted, and once."""

from collections.abc import Iterator
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ael_otel
from ael_otel.sessions import idle
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.idle import IdleWatch
from ael_otel.sessions.live import Intake, report, set_intake
from ael_otel.sessions.session import session_of
from tests.unit.sessions.test_session import T0, S, event

WAIT_S = 30.0


class Watched:
    """A watch with a clock in the hand of the test, and what it has reported."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.reported: list[SessionEvent] = []
        self.watch = IdleWatch(self.reported.append, 60.0, lambda: self.now)

    def note(self, *events: SessionEvent) -> None:
        """Note events at their own times."""
        for each in events:
            self.now = 1_000.0 + (each.at_us - T0) / 1e6
            self.watch.note([each])

    def at(self, seconds: float) -> float | None:
        """Let time pass until then, and ring."""
        self.now = 1_000.0 + seconds
        return self.watch.due()


@pytest.fixture
def watched() -> Watched:
    """A watch of nothing."""
    return Watched()


def test_silence_is_reported_once_and_again_after_the_next_event(watched: Watched) -> None:
    """Exactly at the limit, with the length of the silence; the next alarm is that of what is watched still."""
    watched.note(event("session.start", 0, origin="client"), event("turn.start", 5, turn_id="t-1"))
    assert watched.at(6) == pytest.approx(59)
    assert watched.at(64.5) == pytest.approx(0.5)
    assert watched.reported == []
    assert watched.at(65) is None
    (idle_event,) = watched.reported
    assert (
        idle_event.kind,
        idle_event.origin,
        idle_event.duration_us,
        idle_event.turn_id,
        idle_event.session_id,
    ) == (
        "enforcement.idle",
        "client",
        60 * S,
        "t-1",
        "s-1",
    )
    watched.note(idle_event)
    assert watched.at(500) is None
    watched.note(event("activity", 600))
    watched.at(660)
    assert len({each.key for each in watched.reported}) == 2


def test_running_tool_open_question_and_end_are_not_silence(watched: Watched) -> None:
    """A call counts until its end or for an hour, a question until the next tool or turn, an end for good."""
    watched.note(event("tool.execute.before", 0, "a", call_id="a"))
    assert watched.at(300) == pytest.approx(3360)
    watched.note(event("tool.execute.after", 310, "a", call_id="a"))
    assert watched.at(311) == pytest.approx(59)
    watched.note(event("decision", 320, about="permission", decision="ask"))
    assert watched.at(9_000) is None
    watched.note(event("tool.execute.before", 9_001, "b", call_id="b"))
    assert watched.at(9_002) == pytest.approx(3659)
    watched.note(event("session.end", 9_003))
    assert watched.at(90_000) is None
    assert watched.reported == []
    watched.note(event("tool.execute.before", 0, "c", call_id="c"))
    watched.at(3_660)
    assert len(watched.reported) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 200)), max_size=30))
def test_report_agrees_with_the_idle_times_of_the_session(plan: list[tuple[str, int]]) -> None:
    """For any events of several sessions, what is reported is what their stored events make, and when."""
    watched, now, kept = Watched(), 0.0, dict[str, list[SessionEvent]]()
    for number, (name, pause) in enumerate(plan):
        end = now + pause
        while (seconds := watched.at(now)) is not None and now + seconds <= end:
            now += seconds
        now = end
        watched.at(now)
        each = event("activity", now, number)
        each = SessionEvent(
            session_id=name, agent=each.agent, kind="activity", at_us=each.at_us, key=each.key
        )
        kept.setdefault(name, []).append(each)
        watched.note(each)
    for name, events in kept.items():
        last = max(each.at_us for each in events)
        silences = [
            entry.at_us + 60 * S
            for entry in session_of(events, now_us=T0 + round(now * S)).entries
            if entry.kind == "idle"
        ]
        idle_events = [each for each in watched.reported if each.session_id == name]
        assert [each.duration_us for each in idle_events] == [60 * S] * len(idle_events)
        assert len([at for at in silences if at <= last or at <= T0 + now * S]) == len(idle_events)


def test_sessions_watched_are_bounded(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, the one silent longest is forgotten."""
    monkeypatch.setattr(idle, "MAX_SESSIONS", 2)
    for number in range(4):
        watched.watch.note(
            [SessionEvent(session_id=str(number), agent="a", kind="activity", at_us=1, key="k")]
        )
    watched.at(60)
    assert [each.session_id for each in watched.reported] == ["2", "3"]


@pytest.fixture
def intake() -> Iterator[Intake]:
    """What takes events of this process and keeps none."""
    taking = Intake(None, lambda _reason, _count: None, 0.05)
    set_intake(taking)
    yield taking
    set_intake(None)
    taking.close(WAIT_S)


def test_hook_is_called_while_the_session_is_silent(intake: Intake) -> None:
    """Nothing else happens: the thread of the intake wakes by itself, also without a run store."""
    idle_events: list[SessionEvent] = []
    called = Event()

    def follow(each: SessionEvent) -> None:
        idle_events.append(each)
        called.set()

    hook = ael_otel.on("enforcement.idle", follow)
    try:
        report(event("session.start", 0))
        assert called.wait(WAIT_S)
    finally:
        hook.remove()
    assert (idle_events[0].session_id, idle_events[0].agent) == ("s-1", "claude-code")
    assert (idle_events[0].duration_us or 0) >= 50_000


def test_idle_event_is_kept_and_changes_no_idle_time() -> None:
    """It is stored beside the others; the silence is worked out from these."""
    kept: list[SessionEvent] = []
    stored = Event()

    class Table:
        """Keeps events."""

        def add(self, events: object, /) -> None:
            """Keep events."""
            kept.extend(events)  # type: ignore[arg-type]
            if kept[-1].kind == "enforcement.idle":
                stored.set()

    taking = Intake(Table(), lambda _reason, _count: None, 0.05)
    try:
        taking.submit(event("turn.start", 0))
        assert stored.wait(WAIT_S)
    finally:
        taking.close(WAIT_S)
    assert [each.kind for each in kept] == ["turn.start", "enforcement.idle"]
    later = event("activity", 100)
    with_it = session_of([kept[0], kept[1], later]).record
    without = session_of([kept[0], later]).record
    assert (with_it.idle_us, with_it.last_us) == (without.idle_us, without.last_us)
