"""Sessions that a process keeps are exported as they end, once, and only once they are stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from ael_otel.errors import StoreBusyError
from ael_otel.export.session_spans import session_spans
from ael_otel.runtime.session_spans import SessionSpans
from ael_otel.sessions.events import span_id_of, trace_id_of
from ael_otel.sessions.session import session_of
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.unit.sessions.test_session import call, event

TRACE = int(trace_id_of("claude-code", "s-1"), 16)
SPAN = int(span_id_of("claude-code", "s-1"), 16)


class Made:
    """A table in a file, and the spans that were sent."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.sent: list[ReadableSpan] = []
        self.table = SessionTable(self.store, exports=False)
        self.table.on_ended = SessionSpans(self.sent.append, Resource({"service.name": "mine"})).ended

    def names(self) -> list[str]:
        """The names of the spans, in the order in which they were sent."""
        return [span.name for span in self.sent]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A table without sessions."""
    made = Made(tmp_path / "runs.db")
    yield made
    made.store.close()


def test_what_ends_is_sent_in_the_sessions_trace(made: Made) -> None:
    """A call when it ends, the session at its end, below each other, sampled, with the resource of the process."""
    start, end = call(1, 1, 2)
    made.table.add([event("session.start", 0), start])
    assert made.sent == []
    made.table.add([end])
    made.table.add([end])
    assert made.names() == ["tool.execute"]
    made.table.add([event("session.end", 9, reason="closed", outcome="success")])
    assert made.names() == ["tool.execute", "session"]
    tool, session = made.sent
    for span in made.sent:
        assert span.context is not None
        assert span.context.trace_id == TRACE
        assert span.context.trace_flags.sampled
        assert span.resource.attributes["service.name"] == "mine"
    assert session.context is not None
    assert session.context.span_id == SPAN
    assert session.parent is None
    assert tool.parent is not None
    assert tool.parent.span_id == SPAN


def test_each_end_of_a_resumed_session_is_sent_and_has_its_parent(made: Made) -> None:
    """Both ends in one batch: the first is the root, the second is below it."""
    events = [
        event("session.start", 0),
        event("session.end", 2, outcome="error"),
        event("session.start", 5, source="resume"),
        *call(1, 6, 2),
        event("session.end", 9, outcome="success"),
    ]
    made.table.add(events)
    assert made.names() == ["session", "session", "tool.execute"]
    first, second, tool = made.sent
    assert first.context is not None
    assert first.context.span_id == SPAN
    assert second.context is not None
    assert second.context.span_id != SPAN
    assert first.parent is None
    assert [span.parent and span.parent.span_id for span in (second, tool)] == [SPAN, SPAN]
    assert [(span.attributes or {})["ael.session.outcome"] for span in (first, second)] == [
        "error",
        "success",
    ]
    whole = session_spans(session_of(events))
    assert [span.span_id for span in whole] == [
        f"{span.context.span_id:016x}" for span in made.sent if span.context is not None
    ]
    going_on = session_spans(session_of(events[:3]))
    assert [span.attributes["ael.session.outcome"] for span in going_on] == ["error", "unknown"]


def test_batch_that_is_not_stored_is_not_sent(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events come again; then it is sent."""
    events = [event("session.start", 0), *call(1, 1, 2)]

    def fails(*_: object) -> None:
        raise StoreBusyError("made up")

    with monkeypatch.context() as patched:
        patched.setattr("ael_otel.sessions.table.SessionTable._grow", fails)
        with pytest.raises(StoreBusyError):
            made.table.add(events)
    assert made.sent == []
    made.table.add(events)
    assert made.names() == ["tool.execute"]


def test_abandoned_session_is_sent_when_it_is_marked(made: Made) -> None:
    """Its outcome says so."""
    made.table.add([event("session.start", 0)])
    made.table.expire(now=event("activity", 2 * 86_400).at_us)
    assert made.names() == ["session"]
    assert (made.sent[0].attributes or {})["ael.session.outcome"] == "abandoned"
