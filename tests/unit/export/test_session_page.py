"""The page of a session: complete, honest about what is unknown, and harmless for any content."""

import re
from typing import Any

from hypothesis import given

from ael_otel.export.session_page import session_page
from ael_otel.sessions.session import Session, session_of
from ael_otel.store import ExecutionRecord
from ael_otel.store.times import from_us
from tests.unit.export.test_page import ALLOWED, LOADS, Reader
from tests.unit.sessions.test_session import T0, Truth, call, event, histories

LATER = 7200 * 10**6


def _session(*events: Any, agent: str = "claude-code") -> Session:
    session = session_of(events, now_us=T0 + LATER)
    session.record.agent = agent
    return session


def _full() -> Session:
    return _session(
        event("session.start", 0, source="startup", agent_version="2.1", model="m-1", workspace="/w"),
        event("turn.start", 1, tokens={"input": 1234}),
        *call(1, 2, 3),
        *call(2, 6, 1, "error"),
        event("tool.execute.before", 8, "lost", call_id="lost", tool="Write"),
        event("error", 9, error_type="rate_limit"),
        event("turn.end", 10),
        event("turn.start", 200),
        event("decision", 201, about="permission", decision="deny"),
        event("enforcement.message", 202),
        event("subagent.start", 203, subagent_id="a", subagent_type="Explore"),
        event("subagent.end", 204, subagent_id="a"),
        event("turn.end", 205),
        event("session.end", 206, reason="logout"),
    )


def test_session_is_a_row_for_each_line_of_its_tree() -> None:
    """Session, turns, calls, error, idle time, decision, message and subagent, with outcomes and durations."""
    session = _full()
    read = Reader(session_page(session))
    assert len([tag for tag, _ in read.elements if tag == "summary"]) == 1 + len(session.entries) == 11
    for words in (
        "claude-code 2.1",
        "turn 1",
        "Bash",
        "error rate_limit",
        "waiting for a person",
        "permission",
        "deny",
        "sent on by a hook",
        "subagent Explore",
        "3.00 s",
        "3 min 10 s",
        "src/a.py",
        "input 1,234",
        "unknown: its end was not reported",
        "the agent reports that it ended, not how",
    ):
        assert words in read.text, words


def test_unknown_is_named_with_its_reason() -> None:
    """A session of Codex without start, model, tokens and exit codes says so; a complete one has no such section."""
    ends = call(1, 2, 3, "unknown", tool="shell")
    text = Reader(session_page(_session(*ends, event("turn.end", 9), agent="codex"))).text
    for words in (
        "no start was reported",
        "no event of this session names it",
        "no event of this session counts them",
        "the agent reported the end only",
        "Codex reports no exit code to hooks",
    ):
        assert words in text, words
    known = _session(
        event("session.start", 0, model="m", tokens={"input": 1}, cost_nano_usd=5),
        event("session.end", 9, outcome="success"),
    )
    assert "What is unknown" not in session_page(known)


def test_runs_are_linked_to_their_pages() -> None:
    """A run with a page is a link, in its row and in the list; one that is stored nowhere is named."""
    caused = [
        event("tool.execute.before", 1, "a", call_id="a", tool="workflow_hello"),
        event("tool.execute.after", 2, "a", call_id="a", outcome="success", execution_id="exec-1"),
        event("tool.execute.before", 3, "b", call_id="b", tool="workflow_hello"),
        event("tool.execute.after", 4, "b", call_id="b", outcome="success", execution_id="exec-2"),
    ]
    run = ExecutionRecord("exec-1", "hello", "completed", from_us(T0))
    page = session_page(_session(*caused), [run], {"exec-1": "1-hello &#.html"})
    assert page.count('<a href="1-hello%20%26%23.html">exec-1</a>') == 2
    assert "exec-2 is in none of the stores that were searched" in page


def test_bars_stay_in_their_lane() -> None:
    """In percent of the session, also while it goes on."""
    for events in ([event("turn.start", 1), *call(1, 2, 3)], [event("activity", 0)]):
        for left, width in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", session_page(_session(*events))):
            assert 0 <= float(left) <= float(left) + float(width) <= 100.001


@given(histories())
def test_page_of_any_session_is_well_formed(truth: Truth) -> None:
    """Elements are ours and close in order, and nothing is loaded."""
    read = Reader(session_page(session_of(truth.events)))
    assert read.open == []
    assert {tag for tag, _ in read.elements} <= ALLOWED
    assert not [name for _, attributes in read.elements for name in attributes if name in LOADS]


def test_an_attack_is_text() -> None:
    """Markup in every place that an agent can write to."""
    attack = "</style></pre>\"'><img src=x onerror=alert(1)><script>alert(1)</script>\x00\x1b[31m\ud800"
    session = _session(
        event("session.start", 0, source=attack, agent_version=attack, model=attack, workspace=attack),
        event("tool.execute.before", 1, "a", call_id="a", tool=attack, server=attack, paths=[attack]),
        event(
            "tool.execute.after",
            2,
            "a",
            call_id="a",
            outcome="error",
            error_type=attack,
            content={attack: attack, "output": {attack: [attack]}},
            execution_id=attack,
        ),
        event("decision", 3, about=attack, decision=attack),
        event("session.end", 4, reason=attack),
        agent=attack,
    )
    session.record.session_id = attack
    run = ExecutionRecord(attack, attack, "completed", from_us(T0))
    page = session_page(session, [run], {attack: attack.encode("utf-8", "replace").decode()})
    page.encode("utf-8")
    read = Reader(page)
    assert {tag for tag, _ in read.elements} <= ALLOWED | {"a"}
    assert [name for _, attributes in read.elements for name in attributes if name in LOADS - {"href"}] == []
    assert all("<" not in (attributes.get("href") or "") for _, attributes in read.elements)
    assert read.text.count("<script>alert(1)</script>") > 12
    assert not {"\x00", "\x1b"} & set(page)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
