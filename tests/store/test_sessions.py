"""Sessions in SQLite and PostgreSQL: the same results for any batches, and nothing stored twice."""

from collections import Counter
from collections.abc import Callable
from itertools import batched, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ael_otel._generated.attributes import SessionOrigin
from ael_otel.errors import StoreBusyError
from ael_otel.export.session_spans import session_spans
from ael_otel.sessions import table as session_table
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.session import Entry, Limits, Session, SessionRecord, session_of
from ael_otel.sessions.table import (
    CALLS,
    DROPPED,
    IDLE,
    MAX_EVENTS,
    SESSIONS,
    Added,
    Finished,
    Happening,
    SessionTable,
    TotalKey,
)
from ael_otel.store.sqlite import SqliteStore
from tests.unit.sessions.test_session import (
    T0,
    S,
    Truth,
    any_events,
    call,
    event,
    histories,
    resumed_sessions,
)


@pytest.fixture
def table(make_backend: Callable[[], Any]) -> SessionTable:
    """An empty table of sessions."""
    return SessionTable(make_backend())


def test_last_event_of_each_kind_is_reported(table: SessionTable) -> None:
    """The newest of each kind, by agent; nothing in an empty store."""
    assert table.last_events() == {}
    table.add([event("turn.start", 0), event("turn.end", 1), event("turn.start", 2)])
    agent = table.select()[0].agent
    assert table.last_events() == {(agent, "turn.start"): T0 + 2 * S, (agent, "turn.end"): T0 + S}


def test_session_is_listed_found_and_shown(table: SessionTable) -> None:
    """A session is found by the beginning of its id or trace id, newest first."""
    events = [
        event("session.start", 0, workspace="/w"),
        *call(1, 1, 2),
        event("session.end", 9, outcome="success"),
    ]
    added = table.add(events)
    assert (added.events, added.dropped) == (4, 0)
    (record,) = table.select()
    assert record == session_of(events).record
    assert [each.session_id for each in table.find("s-")] == ["s-1"]
    assert [each.session_id for each in table.find(record.trace_id[:9])] == ["s-1"]
    assert table.find("s-2") == []
    session = table.session(record)
    assert session is not None
    assert session.entries == session_of(events).entries
    assert table.select(agent="codex") == []
    assert table.select(since_us=T0 + 1) == []
    assert len(table.select(until_us=T0 + 1)) == 1


def test_second_delivery_of_an_event_changes_nothing(table: SessionTable) -> None:
    """A worker that died between the commit and the deletion of its files reads them again."""
    events = call(1, 1, 2)
    assert table.add(events).events == 2
    totals, finished = table.totals(), table.finished()
    assert table.add([*events, *events]).events == 0
    assert table.totals() == totals == {TotalKey(CALLS, "claude-code", "success"): 1}
    assert [each.keys for each in table.finished()] == [each.keys for each in finished]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    truth=histories(), cuts=st.lists(st.integers(0, 40), max_size=5), random=st.randoms(use_true_random=False)
)
def test_batches_do_not_matter(
    make_backend: Callable[[], Any], truth: Truth, cuts: list[int], random: Any
) -> None:
    """Any partition of a session's events, in order, gives the same session, counts and exports each entry once."""
    table = SessionTable(make_backend())
    expected = session_of(truth.events)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(truth.events)), len(truth.events)]
    exported: list[str] = []
    for start, end in pairwise(bounds):
        batch = truth.events[start:end]
        random.shuffle(batch)
        table.add(batch)
        for finished in table.finished():
            exported += [entry.key for entry in finished.entries]
            table.exported([finished])
    assert table.finished() == []
    (record,) = table.select(now=expected.record.last_us)
    assert record == expected.record
    ended = [each for each in expected.entries if each.end_us is not None or each.outcome is not None]
    assert sorted(exported) == sorted(each.key for each in ended)
    totals = table.totals()
    calls = sum(value for key, value in totals.items() if key.name == CALLS)
    assert calls == truth.calls
    assert totals.get(TotalKey(IDLE, "claude-code", ""), 0) == expected.record.idle_us


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    truth=histories(), size=st.integers(1, 9), random=st.randoms(use_true_random=False), sends=st.booleans()
)
def test_calls_count_once_in_whatever_order_their_events_are_stored(
    make_backend: Callable[[], Any], truth: Truth, size: int, random: Any, sends: bool
) -> None:
    """Hooks run at once, so the end of a call may reach the store before its start does."""
    desk = Watched(make_backend())
    events = list(truth.events)
    random.shuffle(events)
    for start in range(0, len(events), size):
        desk.note(desk.table.add(events[start : start + size]))
        if sends:
            desk.send()
    desk.send()
    calls = sum(value for key, value in desk.totals.items() if key.name == CALLS)
    spans = [span.span_id for span in desk.spans if span.name == "tool.execute"]
    assert (calls, len(spans), len(set(spans))) == (truth.calls,) * 3


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(8)), size=st.integers(1, 4))
def test_same_calls_without_ids_count_once_in_whatever_order_their_events_are_stored(
    make_backend: Callable[[], Any], order: list[int], size: int
) -> None:
    """Of calls that only their input pairs, a late event may change which start belongs to which end."""
    desk = Watched(make_backend())
    kinds = ["tool.execute.before", "tool.execute.before", "tool.execute.after", "tool.execute.after"] * 2
    events = [
        event(kind, at, tool="bash", input_hash="aa", outcome="success" if kind.endswith("after") else None)
        for at, kind in enumerate(kinds)
    ]
    for some in batched(order, size):
        desk.note(desk.table.add([events[each] for each in some]))
    assert desk.totals == {TotalKey(CALLS, "claude-code", "success"): 4}


@pytest.mark.parametrize("sends", [False, True])
def test_start_of_a_call_that_is_stored_after_its_end_adds_no_call(
    make_backend: Callable[[], Any], *, sends: bool
) -> None:
    """It counts once; its span is the whole call if it still waits for export, and what was sent otherwise."""
    desk = Watched(make_backend())
    start, end = call(1, 1, 9, "error")
    desk.note(desk.table.add([event("turn.start", 0), end]))
    if sends:
        desk.send()
    desk.note(desk.table.add([start]))
    desk.send()
    assert desk.totals == {TotalKey(CALLS, "claude-code", "error"): 1}
    (span,) = [span for span in desk.spans if span.name == "tool.execute"]
    assert span.start_ns == (T0 + (10 if sends else 1) * S) * 1000
    assert desk.table.finished() == []


class Watched:
    """All that a table has counted, logged and exported of a session, however often it was asked for."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.table = SessionTable(backend, logs=True)
        self.table.on_ended = self._ended
        self.at_once: list[Any] = []
        self.spans: list[Any] = []
        self.log: list[Any] = []
        self.log_at_once: list[Any] = []
        self.totals: Counter[TotalKey] = Counter()

    def _ended(self, session: Session, entries: list[Entry], ends: list[SessionRecord]) -> None:
        self.at_once += session_spans(session, entries, ends=ends)

    def note(self, added: Added) -> None:
        """Note what a batch has changed."""
        self.totals.update(added.totals)
        self.log_at_once += map(_line, added.happenings)

    def send(self) -> None:
        """Note what waits for export."""
        self.compare()
        for finished in self.table.finished():
            self.spans += session_spans(finished.session, finished.entries, ends=finished.ends)
            self.table.exported([finished])
        for unlogged in self.table.unlogged():
            self.log += map(_line, unlogged.happenings)
            self.table.exported([unlogged])

    def compare(self) -> None:
        """Assert that another process would export the same."""
        other = SessionTable(self.backend, logs=True)
        assert list(map(_sorted, self.table.finished())) == list(map(_sorted, other.finished()))
        assert self.table.unlogged() == other.unlogged()

    def outcome(self) -> list[Any]:
        """Return all of it in an order that is always the same."""
        assert self.table.totals() == self.totals
        spans = sorted(self.spans, key=lambda span: span.span_id)
        assert sorted(self.at_once, key=lambda span: span.span_id) == spans
        assert sorted(self.log_at_once) == sorted(self.log)
        return [dict(self.totals), sorted(self.log), spans]


def _sorted(finished: Finished) -> tuple[Any, ...]:
    """Return the exported parts of a session, in a fixed order."""
    entries = sorted(finished.entries, key=lambda entry: entry.key)
    return finished.session.record, entries, sorted(finished.keys), finished.ends


def _line(happening: Happening) -> tuple[Any, ...]:
    """Return what the log line of a happening is made of."""
    record, entry = happening.record, happening.entry
    if entry is not None:
        return (happening.kind, entry.key, entry.end_us, entry.waiting, record.source)
    if happening.kind == "start":
        return (happening.kind, record.started_us, record.source)
    return (happening.kind, record.ended_us, record.outcome, record.reason, record.turns, record.tool_calls)


def watched(
    backend: Any, events: list[SessionEvent], cuts: list[int], *, expires: bool, sends: bool
) -> Watched:
    """Add events in batches that end at `cuts`; in between, look for silence and export, if asked to."""
    desk = Watched(backend)
    for start, end in pairwise([0, *sorted({each for each in cuts if 0 < each < len(events)}), len(events)]):
        if expires:
            desk.note(desk.table.expire(events[start].at_us))
        desk.note(desk.table.add(events[start:end]))
        if sends:
            desk.send()
    desk.note(desk.table.expire(events[-1].at_us + 90_000 * S))
    desk.send()
    return desk


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    events=resumed_sessions(),
    cuts=st.lists(st.integers(1, 60), max_size=6),
    expires=st.booleans(),
    sends=st.booleans(),
)
def test_batches_do_not_matter_to_a_resumed_session(
    make_backend: Callable[[], Any], events: list[SessionEvent], cuts: list[int], expires: bool, sends: bool
) -> None:
    """Proves that counts, log events and spans are those of one batch, whenever silence is looked for and what has
    ended is exported; each span is sent once and has its parent in the trace.
    """
    expected = watched(make_backend(), events, [], expires=False, sends=False)
    seen = watched(make_backend(), events, cuts, expires=expires, sends=sends)
    assert seen.outcome() == expected.outcome()
    ids = [span.span_id for span in seen.spans]
    assert len(ids) == len(set(ids))
    assert {span.parent_id for span in seen.spans} <= {"", *ids}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    events=any_events(),
    cuts=st.lists(st.integers(1, 40), max_size=6),
    sends=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_entries_in_memory_for_export_match_the_store(
    make_backend: Callable[[], Any], events: list[SessionEvent], cuts: list[int], sends: list[bool]
) -> None:
    """However late events come, and whatever was exported in between, another process would export the same."""
    desk = Watched(make_backend())
    bounds = [0, *sorted({each for each in cuts if each < len(events)}), len(events)]
    for place, (start, end) in enumerate(pairwise(bounds)):
        desk.table.add(events[start:end])
        desk.compare()
        if sends[place]:
            desk.send()
    desk.table.expire(T0 + 200_000 * S)
    desk.send()
    assert desk.table.finished() == []


RESUMED = [
    event("session.start", 0, source="startup"),
    event("turn.start", 1),
    event("turn.end", 2),
    event("session.end", 3, outcome="error", reason="other"),
    event("session.start", 10, source="resume"),
    event("turn.start", 11),
    event("turn.end", 12),
    event("session.end", 13, outcome="success", reason="other"),
]


@pytest.mark.parametrize("cuts", [[], [4], [5], [4, 7], [3, 7]])
def test_each_end_of_a_resumed_session_is_counted_logged_and_exported(
    make_backend: Callable[[], Any], cuts: list[int]
) -> None:
    """`claude -p` and `claude -c -p` within seconds arrive in one batch, or in batches that hide an end."""
    desk = watched(make_backend(), RESUMED, cuts, expires=False, sends=False)
    agent = "claude-code"
    assert desk.totals == {
        TotalKey(SESSIONS, agent, "error"): 1,
        TotalKey(SESSIONS, agent, "success"): 1,
    }
    assert [line[:3] for line in desk.log] == [
        ("start", T0, "startup"),
        ("end", T0 + 3 * S, "error"),
        ("end", T0 + 13 * S, "success"),
    ]
    record = desk.table.select()[0]
    roots = [span for span in desk.spans if span.name == "session"]
    assert [(root.parent_id, root.status, root.attributes["ael.session.turns"]) for root in roots] == [
        ("", "error", 1),
        (record.span_id, "unset", 2),
    ]
    assert roots[0].span_id == record.span_id
    assert {span.parent_id for span in desk.spans if span not in roots} == {record.span_id}


def test_queued_end_of_a_reopened_session_is_sent_unchanged(table: SessionTable) -> None:
    """The receiver was away while the session was resumed."""
    table.add(RESUMED[:4])
    table.add(RESUMED[4:6])
    (finished,) = table.finished()
    assert len(finished.ends) == 1
    (root, *_) = session_spans(finished.session, finished.entries, ends=finished.ends)
    assert (root.parent_id, root.status) == ("", "error")
    assert root.end_ns == (T0 + 3 * S) * 1000


def test_idle_time_that_a_late_event_splits_is_counted_and_exported_once(
    make_backend: Callable[[], Any],
) -> None:
    """Proves that time which turns out not to be idle is subtracted from the next count, also in another process."""
    backend = make_backend()
    desk = Watched(backend)
    desk.note(desk.table.add([event("activity", 0), event("activity", 700)]))
    desk.send()
    desk.note(desk.table.add(call(1, 100, 500)))  # of 700 s, 200 were idle
    desk.note(desk.table.add([event("activity", 800)]))
    assert desk.totals[TotalKey(IDLE, "claude-code", "")] == 700 * S
    other = SessionTable(backend, logs=True)
    other.add([event("activity", 1400)])
    other.expire(T0 + 90_000 * S)
    totals = other.totals()
    (record,) = other.select()
    assert totals[TotalKey(IDLE, "claude-code", "")] == record.idle_us == 900 * S
    desk.send()
    idle = [line[1] for line in desk.log if line[0] == "idle"]
    assert idle == [f"idle-{T0 + at * S}" for at in (0, 700, 800)]
    assert [span.name for span in desk.spans].count("enforcement.idle") == 3


def test_idle_time_that_a_late_event_splits_before_its_export_is_exported_in_parts(
    make_backend: Callable[[], Any],
) -> None:
    """What was not sent yet is sent as it is now."""
    desk = Watched(make_backend())
    desk.table.add([event("activity", 0), event("activity", 700)])
    desk.table.add([event("activity", 300)])
    desk.send()
    assert [line[1:3] for line in desk.log if line[0] == "idle"] == [
        (f"idle-{T0}", T0 + 300 * S),
        (f"idle-{T0 + 300 * S}", T0 + 700 * S),
    ]
    assert len([span for span in desk.spans if span.name == "enforcement.idle"]) == 2


def test_silent_session_is_abandoned_once_and_reopened(make_backend: Callable[[], Any]) -> None:
    """What is abandoned is counted and exported once; a later event opens it again."""
    table = SessionTable(make_backend(), Limits(abandoned_s=100))
    table.add([event("session.start", 0), event("turn.start", 1)])
    assert table.expire(T0 + 50 * S).totals == {}
    assert table.expire(T0 + 102 * S).totals == {TotalKey(SESSIONS, "claude-code", "abandoned"): 1}
    assert table.expire(T0 + 300 * S).totals == {}
    (finished,) = table.finished()
    assert [end.outcome for end in finished.ends] == ["abandoned"]
    assert [entry.kind for entry in finished.entries] == ["turn"]
    table.exported([finished])
    table.add([event("turn.start", 400)])
    (record,) = table.select(now=T0 + 400 * S)
    assert (record.status, record.reopened, record.outcome) == ("running", 1, None)
    assert table.finished() == [], "its turn was sent when the session was abandoned"


def test_silent_sessions_of_others_hide_none_of_our_own(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sessions of clients have fallen silent, those of hooks are abandoned in turn."""
    monkeypatch.setattr(session_table, "_AT_ONCE", 2)
    table = SessionTable(make_backend(), Limits(abandoned_s=100))
    for number in range(6):
        table.add([replace(event("session.start", number, source="http"), session_id=f"c-{number}")])
    for number in range(3):
        table.add([replace(event("session.start", 10 + number), session_id=f"h-{number}")])
    ours: list[SessionOrigin] = ["hooks"]
    ends = [table.expire(T0 + 900 * S, ours).totals for _ in range(3)]
    assert [sum(each.values()) for each in ends] == [2, 1, 0]


LATE_ENDS = [
    event("session.start", 0),
    event("turn.start", 1, turn_id="1"),
    event("subagent.start", 2, "a", subagent_id="a"),
    event("tool.execute.before", 3, "1", call_id="1", tool="Bash"),
    event("tool.execute.before", 4, "2", call_id="2", tool="Bash"),
    event("turn.end", 5),
    event("tool.execute.after", 6, "1", call_id="1", outcome="success"),
    event("subagent.end", 7, "a", subagent_id="a", outcome="success"),
    event("turn.start", 8, turn_id="2"),
    event("turn.end", 9),
    event("session.end", 10, outcome="success"),
]


@pytest.mark.parametrize("cuts", [[], [6], [4, 6, 7], [6, 8], list(range(1, 11))])
def test_call_that_ends_after_its_turn_counts_as_it_ended(
    make_backend: Callable[[], Any], cuts: list[int]
) -> None:
    """In whatever batch its end comes; one whose end never comes counts when its session ends."""
    desk = watched(make_backend(), LATE_ENDS, cuts, expires=True, sends=True)
    assert {key.outcome: count for key, count in desk.totals.items() if key.name == CALLS} == {
        "success": 1,
        "unknown": 1,
    }
    calls = sorted(
        (span.end_ns, span.name) for span in desk.spans if span.name in ("subagent", "tool.execute")
    )
    assert calls == [
        ((T0 + 4 * S) * 1000, "tool.execute"),
        ((T0 + 6 * S) * 1000, "tool.execute"),
        ((T0 + 7 * S) * 1000, "subagent"),
    ]
    desk.outcome()


def test_rows_that_cannot_be_read_block_no_export(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: each is counted once as dropped (`store_error`), and the others are exported."""
    monkeypatch.setattr(session_table, "_AT_ONCE", 2)
    backend = make_backend()
    table = SessionTable(backend, logs=True)
    for number in range(6):
        table.add(
            [replace(each, session_id=f"s-{number}") for each in [*call(1, 1, 2), event("session.end", 9)]]
        )
    damaged = {f"s-{number}" for number in range(5)}
    numbers = [
        number
        for number, session_id in backend.read("SELECT id, session_id FROM sessions", [])
        if session_id in damaged
    ]
    with backend.transaction() as transaction:
        transaction.many(
            "UPDATE session_events SET body = '{' WHERE session = ?", [(each,) for each in numbers]
        )
        transaction.run("UPDATE session_events SET body = '{' WHERE at_us = ?", [T0 + 9 * S])
    fresh = SessionTable(backend, logs=True)
    spans = logs = 0
    while finished := fresh.finished(2):
        spans += sum(len(each.entries) + len(each.ends) for each in finished)
        fresh.exported(finished)
    while unlogged := fresh.unlogged(2):
        logs += sum(len(each.happenings) for each in unlogged)
        fresh.exported(unlogged)
    assert (spans, logs) == (1, 1), "the call and the start of the session whose end is damaged"
    dropped = {key.agent: count for key, count in fresh.totals().items() if key.name == DROPPED}
    assert dropped == {"traces": 5 * 2 + 1, "logs": 5 * 2 + 1}
    assert backend.read("SELECT count(*) FROM session_outbox", []) == [(0,)]


def test_silent_session_that_cannot_be_read_is_abandoned_and_hides_no_other(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted once; its span and its log line are counted as dropped."""
    monkeypatch.setattr(session_table, "_AT_ONCE", 2)
    backend = make_backend()
    table = SessionTable(backend, Limits(abandoned_s=100), logs=True)
    for number in range(5):
        table.add([replace(event("activity", 0), session_id=f"s-{number}")])
    table.exported(table.unlogged())
    table.exported(table.unlogged())
    table.exported(table.unlogged())
    with backend.transaction() as transaction:
        transaction.run("UPDATE session_events SET body = ? WHERE at_us = ?", ["{", T0])
    table.add([replace(event("activity", 1), session_id="s-9")])
    fresh = SessionTable(backend, Limits(abandoned_s=100), logs=True)
    ends = [sum(fresh.expire(T0 + 900 * S).totals.values()) for _ in range(4)]
    assert sorted(ends) == [0, 2, 2, 2]
    assert {each.status for each in fresh.select(now=T0)} == {"abandoned"}
    while finished := fresh.finished():
        fresh.exported(finished)
    while unlogged := fresh.unlogged():
        fresh.exported(unlogged)
    dropped = {key.agent: count for key, count in fresh.totals().items() if key.name == DROPPED}
    assert dropped == {"traces": 5, "logs": 5}


def test_long_session_is_not_worked_out_again_for_each_batch(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export costs as much as there is to export: events are read once by the process that has not added them."""
    reads = 0
    decode = session_table._event

    def counted(body: str) -> SessionEvent | None:
        nonlocal reads
        reads += 1
        return decode(body)

    monkeypatch.setattr(session_table, "_event", counted)
    backend = make_backend()
    table, exported = SessionTable(backend, logs=True), 0
    for number in range(60):
        at = 100.0 * number
        table.add([event("turn.start", at), *call(number, at + 1, 2), event("turn.end", at + 5)])
        for finished in table.finished():
            exported += len(finished.entries)
            table.exported([finished])
        table.exported(table.unlogged())
    assert (exported, reads) == (60 * 2 + 59, 0)
    SessionTable(backend, logs=True).add(
        [replace(each, session_id="s-2") for each in table.events(table.select()[0])]
    )
    other, reads = SessionTable(backend, logs=True), 0
    while parts := other.finished(10):
        other.exported(parts)
    assert reads == 240


def test_silent_sessions_are_abandoned_by_small_transactions(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others can write in between; one that fails leaves its sessions to the next time, and hides none that is done."""
    monkeypatch.setattr(session_table, "_EXPIRED_AT_ONCE", 2)
    backend = make_backend()
    table = SessionTable(backend, Limits(abandoned_s=100))
    for number in range(5):
        table.add([replace(event("session.start", number), session_id=f"s-{number}")])
    ended: list[str] = []
    table.on_ended = lambda session, _entries, _ends: ended.append(session.record.session_id)
    transaction, begun = backend.transaction, 0

    def fails_in_the_second() -> Any:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise StoreBusyError("made up")
        return transaction()

    monkeypatch.setattr(backend, "transaction", fails_in_the_second)
    ends = [sum(table.expire(T0 + 900 * S).totals.values()) for _ in range(2)]
    assert (ends, begun) == ([2, 3], 4)
    assert sorted(ended) == [f"s-{number}" for number in range(5)]


def test_happenings_wait_in_the_outbox_until_they_are_logged(make_backend: Callable[[], Any]) -> None:
    """Start, idle time and end are to be logged once each, apart from what is exported as spans."""
    table = SessionTable(make_backend(), logs=True)
    added = table.add([event("session.start", 0), event("activity", 100), event("session.end", 200)])
    expected = ["start", "idle", "idle", "end"]
    assert [each.kind for each in added.happenings] == expected
    spans = [each.keys for each in table.finished()]
    (unlogged,) = table.unlogged()
    assert [each.kind for each in unlogged.happenings] == expected
    assert len(unlogged.keys) == 4
    table.exported([unlogged])
    assert table.unlogged() == []
    assert [each.keys for each in table.finished()] == spans
    assert table.add([event("session.end", 200)]).happenings == []
    more = [event("session.start", 210), event("activity", 310), event("session.end", 311)]
    resumed = SessionTable(make_backend(), logs=True)
    order = [each.kind for each in resumed.add([event("session.end", 200), *more]).happenings]
    assert order == ["start", "end", "idle", "end"]
    assert [each.kind for each in resumed.unlogged()[0].happenings] == order


def test_process_that_counts_itself_leaves_the_totals_of_the_store(make_backend: Callable[[], Any]) -> None:
    """Two processes of one store: each growth is counted once, by the one that stored what has ended."""
    backend = make_backend()
    engine = SessionTable(backend, exports=False, counts=False)
    worker = SessionTable(backend)
    client = [event("session.start", 0, source="http"), *call(1, 1, 2)]
    assert engine.add([msgspec.structs.replace(each, agent="desk") for each in client]).totals == {
        TotalKey(CALLS, "desk", "success", "client"): 1
    }
    worker.add([event("session.start", 0), *call(1, 1, 2)])
    assert worker.totals() == {TotalKey(CALLS, "claude-code", "success"): 1}
    late = T0 + 90_000 * S
    assert worker.expire(late, origins=["hooks"]).totals == {
        TotalKey(SESSIONS, "claude-code", "abandoned"): 1
    }
    assert engine.expire(late, origins=["client", "hosted"]).totals == {
        TotalKey(SESSIONS, "desk", "abandoned", "client"): 1
    }
    assert worker.totals() == {
        TotalKey(CALLS, "claude-code", "success"): 1,
        TotalKey(SESSIONS, "claude-code", "abandoned"): 1,
    }


def test_totals_have_an_identity_and_store_what_was_exported(make_backend: Callable[[], Any]) -> None:
    """Counts from before the first export are not exported; the identity is the same for every caller."""
    backend = make_backend()
    table = SessionTable(backend)
    table.add([*call(1, 1, 2), event("session.end", 3, outcome="success", source="in_process")])
    before = table.totals()
    assert before == {
        TotalKey(CALLS, "claude-code", "success", "hosted"): 1,
        TotalKey(SESSIONS, "claude-code", "success", "hosted"): 1,
    }
    assert table.sent() == {}
    identity = table.totals_id()
    assert 0 <= identity.number < 2**62
    assert SessionTable(backend).totals_id() == identity
    assert table.sent() == before == table.totals()
    table.note_sent({key: value + 1 for key, value in before.items()})
    assert table.sent() == {key: value + 1 for key, value in before.items()}
    assert table.totals() == before


def test_status_follows_the_silence_when_it_is_read(table: SessionTable) -> None:
    """Nothing has to run for a session to become idle."""
    table.add([event("session.start", 0)])
    assert [each.status for each in table.select(now=T0 + S)] == ["running"]
    assert [each.status for each in table.select(now=T0 + 90 * S)] == ["idle"]
    assert [each.status for each in table.select(now=T0 + 90_000 * S)] == ["abandoned"]
    assert table.select(keep=lambda record: record.status == "idle", now=T0 + S) == []


def test_too_many_events_are_dropped_and_counted(
    table: SessionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One session cannot fill the store."""
    monkeypatch.setattr("ael_otel.sessions.table.MAX_EVENTS", 5)
    assert MAX_EVENTS > 5
    added = table.add([event("activity", number) for number in range(8)])
    assert (added.events, added.dropped) == (5, 3)
    assert table.add([event("activity", 99)]) == (0, 1, {}, [])


def test_deleted_session_is_not_found(make_backend: Callable[[], Any]) -> None:
    """Its events and what waited for export go with it; totals stay."""
    backend = make_backend()
    table = SessionTable(backend)
    table.add([*call(1, 1, 2), event("session.end", 9)])
    totals = table.totals()
    assert table.delete(table.select()) == 1
    for name in ("sessions", "session_events", "session_outbox"):
        assert backend.read(f"SELECT count(*) FROM {name}") == [(0,)]  # noqa: S608 - names of ours
    assert table.totals() == totals


def test_session_deleted_during_a_read_is_not_found(
    make_backend: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the read of its events and that of its record, another process deletes it."""
    backend = make_backend()
    table, other = SessionTable(backend), SessionTable(backend)
    table.add([event("session.start", 0)])
    (record,) = table.select(now=T0)
    read = backend.read

    def read_and_delete(statement: str, *parameters: Any) -> Any:
        rows = read(statement, *parameters)
        if "FROM session_events" in statement:
            monkeypatch.undo()
            other.delete([record])
        return rows

    monkeypatch.setattr(backend, "read", read_and_delete)
    assert table.session(record) is None
    assert table.select() == []


def test_sessions_go_with_the_retention_of_runs(make_backend: Callable[[], Any]) -> None:
    """`prune` deletes sessions whose last event is older, and leaves the others."""
    from ael_otel.store.times import from_us

    backend = make_backend()
    table = SessionTable(backend)
    table.add([event("session.start", 0), event("session.end", 9)])
    backend.prune(older_than=from_us(T0 + 9 * S))
    assert len(table.select()) == 1
    backend.prune(older_than=from_us(T0 + 9 * S + 1))
    assert table.select() == []


def test_damaged_rows_hide_no_others(make_backend: Callable[[], Any]) -> None:
    """A body that cannot be read is left out; what was counted of its session is not counted again."""
    backend = make_backend()
    table = SessionTable(backend)
    table.add([event("session.start", 0), event("activity", 1)])
    with backend.transaction() as transaction:
        transaction.run("UPDATE session_events SET body = ? WHERE at_us = ?", ["{", T0])
    (record,) = table.select(now=T0 + 2 * S)
    assert [each.kind for each in table.events(record)] == ["activity"]
    other = SessionEvent(session_id="s-2", agent="codex", kind="session.start", at_us=T0, key="k")
    assert table.add([other, event("activity", 2)]).events == 2
    table.add([event("activity", 100), event("session.end", 101)])
    totals = table.totals()
    with backend.transaction() as transaction:
        transaction.run("UPDATE sessions SET body = ?", ["{"])
    assert table.add([event("activity", 102)]).totals == {}
    assert table.totals() == totals
    assert len(table.select()) == 1


def test_repair_copies_sessions(tmp_path: Path) -> None:
    """A repaired store has the sessions of the damaged one, with their events and totals."""
    from ael_otel.store.repair import repair

    source, target = tmp_path / "old.db", tmp_path / "new.db"
    backend = SqliteStore(source)
    table = SessionTable(backend)
    table.add([*call(1, 1, 2), event("session.end", 9)])
    before, totals = table.select(), table.totals()
    backend.close()
    repair(source, target)
    copy = SqliteStore(target)
    try:
        assert SessionTable(copy).select() == before
        assert len(SessionTable(copy).events(before[0])) == 3
        assert SessionTable(copy).totals() == totals
    finally:
        copy.close()


def test_scan_names_the_session_of_a_secret_and_removes_it(
    make_backend: Callable[[], Any], request: pytest.FixtureRequest
) -> None:
    """`ael privacy scan` looks into sessions too, and `--fix` leaves them readable."""
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor
    from ael_otel.store.scan.database import scan_database
    from ael_otel.store.scan.local import scan

    backend = make_backend()
    secret = "ghp_" + "a1B2" * 9
    SessionTable(backend).add(
        [event("session.start", 0), event("activity", 1, content={"prompt": f"use {secret}"})]
    )
    redactor = Redactor(Policy())

    def search(*, fix: bool) -> list[Any]:
        if isinstance(backend, SqliteStore):
            return scan(backend.path, redactor, fix=fix)
        return scan_database(request.getfixturevalue("dsn"), redactor, fix=fix)

    found = search(fix=True)
    assert {(each.run, each.column) for each in found} == {("s-1", "session_events.body")}
    assert search(fix=False) == []
    (record,) = SessionTable(backend).select()
    contents = [each.content for each in SessionTable(backend).events(record) if each.content]
    assert len(contents) == 1
    assert secret not in str(contents)
