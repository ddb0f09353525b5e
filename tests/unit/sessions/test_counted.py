"""Metrics and log events of the sessions that a process keeps itself."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from opentelemetry.trace import get_current_span

from ael_otel._generated.attributes import SESSION_CALL_OUTCOME_VALUES, SESSION_OUTCOME_VALUES
from ael_otel._generated.metrics import SESSION_IDLE, SESSION_TOOL_CALLS, SESSIONS
from ael_otel.core.metrics import AelMetrics
from ael_otel.emit.events import EVENT, FIELDS
from ael_otel.export.session_spans import session_spans
from ael_otel.sessions import table as tables
from ael_otel.sessions.counted import EXPIRE_S, CountedTable
from ael_otel.sessions.log_events import logger
from ael_otel.sessions.session import Limits
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.unit.conftest import Metered, labels
from tests.unit.sessions.test_session import T0, S, call, event

WHO = {"agent": "claude-code", "origin": "client"}


class Desk:
    """A counted table with its metrics, drops, and a clock that is set."""

    def __init__(self, metered: Metered, store: SqliteStore) -> None:
        self.metered = metered
        self.store = store
        self.table = SessionTable(store, Limits(), exports=False, counts=False)
        self.dropped: list[tuple[str, int]] = []
        self.now = 0.0
        self.counted = CountedTable(
            self.table,
            AelMetrics(metered.provider),
            lambda reason, count: self.dropped.append((reason, count)),
            clock=lambda: self.now,
        )


@pytest.fixture
def desk(metered: Metered, tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty store."""
    store = SqliteStore(tmp_path / "telemetry.db")
    yield Desk(metered, store)
    store.close()


def started(source: str = "http") -> Any:
    """Return the start of a session."""
    return event("session.start", 0, source=source)


def test_new_session_has_zeros_for_all_that_can_follow(desk: Desk) -> None:
    """The first failure of a new agent is an increase."""
    desk.counted.add([started()])
    series = desk.metered.series()
    assert series[SESSIONS.name] == {labels(**WHO, outcome=each): 0 for each in SESSION_OUTCOME_VALUES}
    assert series[SESSION_TOOL_CALLS.name] == {
        labels(**WHO, outcome=each): 0 for each in SESSION_CALL_OUTCOME_VALUES
    }
    assert series[SESSION_IDLE.name] == {labels(**WHO): 0}


def test_calls_idle_time_and_ends_are_counted_once(desk: Desk) -> None:
    """By agent, origin and outcome; events that come again count nothing."""
    events = [
        started(),
        *call(1, 1, 2),
        *call(2, 103, 1, "error"),
        event("session.end", 110, outcome="success"),
    ]
    desk.counted.add(events)
    desk.counted.add(events)
    series = desk.metered.series()
    assert series[SESSIONS.name][labels(**WHO, outcome="success")] == 1
    calls = series[SESSION_TOOL_CALLS.name]
    assert (calls[labels(**WHO, outcome="success")], calls[labels(**WHO, outcome="error")]) == (1, 1)
    assert series[SESSION_IDLE.name] == {labels(**WHO): 100.0}


@pytest.mark.parametrize(
    ("source", "origin"), [("http", "client"), ("stdio", "client"), ("in_process", "hosted")]
)
def test_origin_follows_from_the_source(desk: Desk, source: str, origin: str) -> None:
    """Clients of an engine and hosted agents are counted separately."""
    desk.counted.add([started(source), event("session.end", 1)])
    ended = labels(agent="claude-code", origin=origin, outcome="unknown")
    assert desk.metered.series()[SESSIONS.name][ended] == 1


@pytest.mark.parametrize("origin", ["client", "hosted", "hooks"])
def test_origin_of_any_event_counts_where_the_start_is_lost(desk: Desk, origin: Any) -> None:
    """A session whose first events were dropped is counted for whom it was reported by, whatever its source says."""
    lost_start = event("session.end", 1, origin=origin, source="stdio" if origin == "hooks" else None)
    desk.counted.add([lost_start])
    ended = labels(agent="claude-code", origin=origin, outcome="unknown")
    assert desk.metered.series()[SESSIONS.name][ended] == 1


def test_happenings_are_logged_with_the_ids_of_the_sessions_trace(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Start, idle time and end; ids, counts and durations, and none of the content."""
    caplog.set_level(logging.INFO, logger.name)
    contexts: list[Any] = []
    caplog.handler.addFilter(lambda _: contexts.append(get_current_span().get_span_context()) is None)
    secret = {"prompt": "the plan"}
    desk.counted.add(
        [
            started(),
            event("turn.start", 1, content=secret),
            event("turn.end", 2),
            event("session.end", 302, outcome="error", reason="crash"),
        ]
    )
    (record,) = desk.table.select()
    seen = [(vars(each)[EVENT], vars(each)[FIELDS], each.levelname) for each in caplog.records]
    who = {"session.id": "s-1", "ael.session.agent": "claude-code", "ael.session.origin": "client"}
    who["ael.session.source"] = "http"
    assert seen == [
        ("ael.session.start", who, "INFO"),
        ("ael.enforcement.idle", {**who, "ael.session.idle.waiting": True, "duration_ms": 300_000}, "INFO"),
        (
            "ael.session.end",
            {
                **who,
                "ael.session.outcome": "error",
                "ael.session.reason": "crash",
                "ael.session.turns": 1,
                "ael.session.tool_calls": 0,
                "ael.session.failed_calls": 0,
                "duration_ms": 302_000,
            },
            "WARNING",
        ),
    ]
    assert {format(each.trace_id, "032x") for each in contexts} == {record.trace_id}
    root, idle, again = (format(each.span_id, "016x") for each in contexts)
    assert root == again == record.span_id != idle
    assert "the plan" not in caplog.text


def test_each_end_of_a_resumed_session_is_logged_with_the_id_of_its_own_span(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """A log line leads to the span of the same end."""
    caplog.set_level(logging.INFO, logger.name)
    ids: list[str] = []
    caplog.handler.addFilter(
        lambda _: ids.append(format(get_current_span().get_span_context().span_id, "016x")) is None
    )
    events = [started(), *(event(kind, at) for at in (1, 3, 5) for kind in ("turn.start", "session.end"))]
    desk.counted.add([replace(each, at_us=T0 + place * S) for place, each in enumerate(events)])
    (record,) = desk.table.select()
    session = desk.table.session(record)
    assert session is not None
    roots = [span for span in session_spans(session) if span.name == "session"]
    assert ids == [record.span_id, *(span.span_id for span in roots)]
    assert len({span.span_id for span in roots}) == 3
    assert [span.parent_id for span in roots] == ["", record.span_id, record.span_id]


def test_silent_session_is_abandoned_by_the_process_that_had_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for now and then; sessions of hooks are left to their worker."""
    desk.counted.add([started(), event("activity", 1)])
    hooks = SessionTable(desk.store)
    hooks.add([msgspec.structs.replace(event("activity", 1), agent="codex")])
    desk.counted.expire()
    assert desk.metered.series()[SESSIONS.name][labels(**WHO, outcome="abandoned")] == 0
    desk.now += EXPIRE_S
    monkeypatch.setattr(tables, "now_us", lambda: T0 + 90_000 * S)
    desk.counted.expire()
    assert desk.metered.series()[SESSIONS.name][labels(**WHO, outcome="abandoned")] == 1
    assert hooks.totals() == {}


def test_events_that_do_not_fit_are_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason that the registry has for it."""
    monkeypatch.setattr(tables, "MAX_EVENTS", 2)
    desk.counted.add([event("activity", number) for number in range(5)])
    assert desk.dropped == [("too_large", 3)]
