"""Which cases of an alert the unit tests cover: derived from a test's content, and claimed by its name.

A name is `ALERT[, ALERT]: CASE[, CASE][; what it is about]`, an alert with its key where several rules have its name;
one without a key speaks for all of them. `no data` needs no claim: it is any test without series.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.rules.rules import Alert, minutes

CASES: Final = ("fires", "silent", "resolves", "no data", "born")
_BORN: Final = re.compile(r"_(x\d+)? [^ ]+")


def claims(test: dict[str, Any], alert: Alert) -> set[str]:
    """Return the cases of the alert that a test claims by its name."""
    heads, colon, rest = test["name"].partition(": ")
    if not colon:
        return set()
    words = {case for case in CASES if case in re.split(r", ", rest.partition(";")[0])}
    named = heads.split(", ")
    return words if alert.title in named or alert.name in named else set()


def false_claims(test: dict[str, Any], alert: Alert) -> Iterator[str]:
    """Return the cases that a test claims and does not cover."""
    asked = [case for case in test["alert_rule_test"] if case["alertname"] == alert.name]
    times = {case["eval_time"]: alert.among(case["exp_alerts"]) for case in asked}
    fired = [minutes(time) for time, there in times.items() if there]
    gone = [minutes(time) for time, there in times.items() if not there]
    for claim in claims(test, alert):
        held = {
            "fires": bool(fired),
            "silent": bool(gone) and not fired and bool(test["input_series"]),
            "resolves": bool(fired) and any(time > min(fired) for time in gone),
            "no data": not test["input_series"] and bool(asked),
            "born": bool(fired) and bool(test["input_series"]) and all(map(born, triggers(test))),
        }[claim]
        if not held:
            yield f"{test['name']!r} does not show that {alert.title} {claim}"


def triggers(test: dict[str, Any]) -> list[str]:
    """The values of the series of a test that are not there from the start; all, if none is."""
    values = [series["values"] for series in test["input_series"]]
    return [each for each in values if each.startswith("_")] or values


def born(values: str) -> bool:
    """Whether a series begins late and never changes after its first value: its birth is the event."""
    if not _BORN.match(values):
        return False
    after = [part for part in values.split() if not part.startswith("_")]
    return len(after) == 1 and not re.search(r"\d[+-]\d", after[0])


def covered(tests: list[dict[str, Any]], alert: Alert) -> set[str]:
    """The cases of an alert that some test covers."""
    found = {case for test in tests for case in claims(test, alert)}
    if any(
        not test["input_series"] and any(case["alertname"] == alert.name for case in test["alert_rule_test"])
        for test in tests
    ):
        found.add("no data")
    return found
