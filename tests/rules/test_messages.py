"""The judgement of the live tests finds each way in which an alert can miss a state or a message."""

from typing import Any

import pytest

from tests.rules.messages import Labels, faults, labels, news, phases
from tests.rules.rules import Alert

SLOW = Alert("Slow", "", {"alert": "Slow", "for": "5m", "labels": {"severity": "warning"}})
FIRST = Alert("First", "", {"alert": "First", "labels": {"severity": "warning"}})
ABOUT: dict[str, str] = {"alertname": "Slow", "severity": "warning", "workflow": "report"}
OTHER: dict[str, str] = {**ABOUT, "workflow": "other"}
ONE: Labels = labels(ABOUT)
WENT = {ONE: ["pending", "firing"]}
TOLD = {ONE: ["firing", "resolved"]}


def message(status: str, *alerts: tuple[dict[str, str], str]) -> dict[str, Any]:
    """A notification as Alertmanager sends it."""
    group = {"alertname": "Slow", "severity": "warning"}
    found = [{"labels": about, "status": state} for about, state in alerts]
    return {"status": status, "groupLabels": group, "alerts": found}


def test_complete_history_is_accepted() -> None:
    """Pending, firing, over; one message for begin and end."""
    assert faults([SLOW], [], WENT, TOLD) == []


@pytest.mark.parametrize(
    ("active", "went", "received", "fault"),
    [
        ([], {}, {}, "Slow never fired"),
        ([], {ONE: ["pending"]}, {}, "Slow never fired"),
        ([], {ONE: ["firing"]}, TOLD, "Slow went ['firing']"),
        ([], {ONE: ["pending", "firing"] * 2}, TOLD, "Slow went ['pending', 'firing', 'pending', 'firing']"),
        ([ONE], WENT, TOLD, "Slow has not ended"),
        ([], WENT, {}, "Slow fired for 1 and was notified for 0"),
        ([], WENT, {ONE: ["firing"]}, "Slow was notified ['firing']"),
        ([], WENT, {ONE: ["firing", "resolved", "firing", "resolved"]}, "Slow was notified"),
        ([], WENT, {ONE: ["resolved"]}, "Slow was notified ['resolved']"),
        (
            [],
            WENT,
            {**TOLD, labels(OTHER): ["firing", "resolved"]},
            "Slow fired for 1 and was notified for 2",
        ),
        ([], WENT, {**TOLD, frozenset(): ["Slow firing again"]}, "received twice: Slow firing again"),
    ],
)
def test_each_fault_is_found(
    active: list[Labels], went: dict[Labels, list[str]], received: dict[Labels, list[str]], fault: str
) -> None:
    """One thing is missing or too many at a time."""
    found = faults([SLOW], active, went, received)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_a_rule_that_does_not_wait() -> None:
    """It fires at once, and to be pending is a fault then."""
    about = labels({"alertname": "First", "severity": "warning"})
    received = {about: ["firing", "resolved"]}
    assert faults([FIRST], [], {about: ["firing"]}, received) == []
    assert faults([FIRST], [], {about: ["pending", "firing"]}, received) != []


def test_news_are_counted_once() -> None:
    """Each alert of a group counts for itself; a message without news is recognised."""
    sent = [
        message("firing", (ABOUT, "firing")),
        message("firing", (ABOUT, "firing"), (OTHER, "firing")),
        message("firing", (ABOUT, "resolved"), (OTHER, "firing")),
        message("resolved", (OTHER, "resolved")),
    ]
    assert news(sent) == {ONE: ["firing", "resolved"], labels(OTHER): ["firing", "resolved"]}
    assert news([*sent, sent[-1]])[frozenset()] == ["Slow resolved again"]
    assert news([*sent, sent[0]])[ONE] == ["firing", "resolved", "firing"]


def test_phases_are_in_order_of_time() -> None:
    """The two states of an alert are two series; it is over and comes back only by beginning anew."""

    def series(state: str, *times: float) -> dict[str, Any]:
        metric = {"__name__": "ALERTS", "alertstate": state, **ABOUT}
        return {"metric": metric, "values": [[time, "1"] for time in times]}

    assert phases([series("firing", 3, 4), series("pending", 1, 2)]) == WENT
    assert phases([series("firing", 3, 8), series("pending", 1, 6)]) == {ONE: ["pending", "firing"] * 2}
