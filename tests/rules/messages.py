"""The history of alerts, from Prometheus's series and from the messages that people got."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.rules.rules import Alert

type Labels = frozenset[tuple[str, str]]
"""The labels of one alert, which identify it."""


def labels(found: Mapping[str, str]) -> Labels:
    """Labels as a key."""
    return frozenset(found.items())


def is_of(alert: Labels, rule: Alert) -> bool:
    """Whether an alert was made by a rule."""
    return {("alertname", rule.name), *rule.rule["labels"].items()} <= alert


def news(notifications: Iterable[Mapping[str, Any]]) -> dict[Labels, list[str]]:
    """The messages about each alert, in order: `firing`, `resolved`, once for each message that reported it first.

    A message without news has empty labels as its key, with its subject.
    """
    received: dict[Labels, list[str]] = {}
    for message in notifications:
        fresh = False
        for alert in message["alerts"]:
            seen = received.setdefault(labels(alert["labels"]), [])
            if not seen or seen[-1] != alert["status"]:
                seen.append(alert["status"])
                fresh = True
        if not fresh:
            group = message["groupLabels"]
            received.setdefault(frozenset(), []).append(f"{group['alertname']} {message['status']} again")
    return received


def phases(series: Iterable[Mapping[str, Any]]) -> dict[Labels, list[str]]:
    """The states that each alert went through, in order, from Prometheus's `ALERTS` with all its samples.

    An alert that came back has states twice.
    """
    samples: dict[Labels, list[tuple[float, str]]] = {}
    for each in series:
        kept = {key: value for key, value in each["metric"].items() if key not in {"__name__", "alertstate"}}
        samples.setdefault(labels(kept), []).extend(
            (float(at), each["metric"]["alertstate"]) for at, _ in each["values"]
        )
    found: dict[Labels, list[str]] = {}
    for alert, states in samples.items():
        order = [state for _, state in sorted(states)]
        found[alert] = [
            state for state, before in zip(order, [None, *order], strict=False) if state != before
        ]
    return found


def faults(
    rules: Iterable[Alert],
    active: Iterable[Labels],
    went: Mapping[Labels, list[str]],
    received: Mapping[Labels, list[str]],
) -> list[str]:
    """Report each rule that did not go from pending to firing to resolved, with one message for each change.

    Args:
        rules: the rules that must have.
        active: alerts that are pending or firing now.
        went: what `phases` found.
        received: what `news` found.
    """
    active = set(active)
    found = [f"received twice: {what}" for what in received.get(frozenset(), ())]
    for rule in rules:
        expected = ["pending", "firing"] if "for" in rule.rule else ["firing"]
        fired = {alert: states for alert, states in went.items() if is_of(alert, rule) and "firing" in states}
        if not fired:
            found.append(f"{rule.title} never fired")
        for alert, states in fired.items():
            if states != expected:
                found.append(f"{rule.title} went {states}: {sorted(alert)}")
            if alert in active:
                found.append(f"{rule.title} has not ended: {sorted(alert)}")
        messages = {alert: words for alert, words in received.items() if is_of(alert, rule)}
        if messages.keys() != fired.keys():
            found.append(f"{rule.title} fired for {len(fired)} and was notified for {len(messages)}")
        for alert, words in messages.items():
            if words != ["firing", "resolved"]:
                found.append(f"{rule.title} was notified {words}: {sorted(alert)}")
    return found
