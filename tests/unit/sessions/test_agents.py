"""Events of agents in the words of the product, where real agents differ from one another."""

from typing import Any

import pytest

from ael_otel.sessions.agents import Spooled, events_of
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.session import session_of


def events(*spooled: dict[str, Any], agent: str) -> list[SessionEvent]:
    """Return the events that files of the spool stand for, a second apart."""
    return [
        event
        for number, each in enumerate(spooled)
        for event in events_of(Spooled(v=1, t=(number + 1) * 10**9, agent=agent, session="s", **each))
    ]


def test_opencode_turn_ends_when_the_session_is_idle() -> None:
    """OpenCode 1.18 reports `session.status`, no longer `session.idle`; another status ends nothing."""
    turn = [{"event": "chat.message"}, {"event": "session.status", "status": "busy"}]
    (entry,) = session_of(events(*turn, agent="opencode")).entries
    assert entry.end_us is None
    (entry,) = session_of(
        events(*turn, {"event": "session.status", "status": "idle"}, agent="opencode")
    ).entries
    assert (entry.kind, entry.at_us, entry.end_us) == ("turn", 10**6, 3 * 10**6)


@pytest.mark.parametrize(
    ("agent", "tool", "outcome"),
    [("codex", "Bash", "unknown"), ("codex", "apply_patch", "success"), ("claude-code", "Bash", "success")],
)
def test_outcome_of_a_command_of_codex_is_unknown(agent: str, tool: str, outcome: str) -> None:
    """Codex reports the same for a command that ended with 0 and for one that ended with 3."""
    call = {"tool": tool, "call": "c"}
    (entry,) = session_of(
        events({"event": "PreToolUse", **call}, {"event": "PostToolUse", **call}, agent=agent)
    ).entries
    assert (entry.kind, entry.outcome) == ("call", outcome)


def test_permissions_of_one_turn_are_counted_each_and_a_second_delivery_is_not() -> None:
    """What tells them apart is what was asked for; a denial of it is a decision too."""
    first = {"event": "PermissionRequest", "turn": "p", "tool": "Bash", "hashes": {"input": "1"}}
    second = {**first, "hashes": {"input": "2"}}
    denied = {**first, "event": "PermissionDenied"}
    session = session_of(events(first, second, first, denied, agent="claude-code"))
    assert session.record.decisions == 3
    assert [entry.decision for entry in session.entries if entry.kind == "decision"] == ["ask", "ask", "deny"]


@pytest.mark.parametrize("deliveries", [1, 2])
def test_session_of_cursor_that_is_delivered_twice_counts_once(deliveries: int) -> None:
    """Cursor runs the hooks of its own file and of Claude Code's: turns and tokens are not doubled."""
    turn = [
        {"event": "beforeSubmitPrompt", "turn": "g1"},
        {"event": "stop", "turn": "g1", "loop_count": 0, "tokens": {"input": 100}},
        {"event": "stop", "turn": "g1", "loop_count": 1, "tokens": {"input": 7}},
    ]
    record = session_of(events(*(each for each in turn for _ in range(deliveries)), agent="cursor")).record
    assert (record.turns, record.messages, record.tokens) == (2, 1, {"input": 107})


@pytest.mark.parametrize("deliveries", [1, 2])
def test_session_of_copilot_that_is_delivered_twice_counts_once(deliveries: int) -> None:
    """Events of Copilot CLI have no id, but the time at which they happened; parallel calls differ by their input."""
    at = 1_795_975_200 * 10**9
    one, other = {"hashes": {"input": "1"}}, {"hashes": {"input": "2"}}
    turn: list[dict[str, Any]] = [
        {"event": "userPromptSubmitted", "at": at},
        {"event": "preToolUse", "tool": "bash", "at": at + 10**9, **one},
        {"event": "preToolUse", "tool": "bash", "at": at + 10**9, **other},
        {"event": "postToolUse", "tool": "bash", "at": at + 2 * 10**9, **one},
        {"event": "postToolUse", "tool": "bash", "at": at + 3 * 10**9, **other},
        {"event": "agentStop", "at": at + 4 * 10**9},
    ]
    # The other file names events in Pascal case, and so writes their time as a text, which is less exact.
    again = [
        {**each, "event": each["event"][0].upper() + each["event"][1:], "at": each["at"] + 200}
        for each in turn
    ]
    record = session_of(events(*turn, *(again if deliveries == 2 else []), agent="copilot-cli")).record
    assert (record.turns, record.tool_calls) == (1, 2)
