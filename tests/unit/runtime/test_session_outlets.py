"""The totals of a store as series: bounded, and nothing of them left out in silence."""

from ael_otel._generated.attributes import (
    ATTRIBUTION_CONTRIBUTOR_VALUES,
    SESSION_CALL_OUTCOME_VALUES,
    SESSION_OUTCOME_VALUES,
)
from ael_otel._generated.metrics import SESSION_TOOL_CALLS
from ael_otel.runtime.session_outlets import OVERFLOW, bounded
from ael_otel.sessions.table import CALLS, DROPPED, IDLE, LINES, SESSIONS, TotalKey


def test_agent_has_zeros_for_all_that_it_can_still_cause() -> None:
    """What was dropped is of no agent and causes no zeros."""
    totals = {TotalKey(CALLS, "codex", "error"): 3, TotalKey(DROPPED, "sessions", "queue_full"): 7}
    values, beyond = bounded(totals)
    assert beyond == 0
    assert {key: value for key, value in values.items() if value} == totals
    assert {key for key, value in values.items() if not value} == {
        *(TotalKey(SESSIONS, "codex", outcome) for outcome in SESSION_OUTCOME_VALUES),
        *(TotalKey(CALLS, "codex", outcome) for outcome in SESSION_CALL_OUTCOME_VALUES if outcome != "error"),
        TotalKey(IDLE, "codex", ""),
        *(TotalKey(LINES, "codex", contributor) for contributor in ATTRIBUTION_CONTRIBUTOR_VALUES),
    }


def test_totals_beyond_the_limit_of_series_are_added_up_in_one() -> None:
    """Each is in the sum, and how many they are is returned; zeros give way to what was counted."""
    most = SESSION_TOOL_CALLS.max_series
    totals = {TotalKey(CALLS, f"agent-{number:05}", "success"): 1 for number in range(most + 20)}
    values, beyond = bounded(totals)
    calls = {key: value for key, value in values.items() if key.name == CALLS}
    assert (len(calls), beyond, sum(calls.values())) == (most, 21, most + 20)
    assert calls[TotalKey(CALLS, OVERFLOW, "")] == 21
    full, beyond = bounded(dict(list(totals.items())[:most]))
    assert (sum(key.name == CALLS for key in full), beyond) == (most, 0)
