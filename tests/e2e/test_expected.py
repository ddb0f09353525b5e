"""The comparison of names and labels itself, without a stack: its exceptions, and that nothing else passes."""

import pytest

from tests.e2e.expected import RESOURCE_LABELS, labels_by_name, published_labels

OF_THE_PROCESS = dict.fromkeys(RESOURCE_LABELS, "x")


def series(name: str, **labels: str) -> tuple[str, dict[str, str], float]:
    """A series of the process under test."""
    return name, OF_THE_PROCESS | labels, 1.0


WHOLE = [
    series(name, **dict.fromkeys(labels - RESOURCE_LABELS, "x"))
    for name, sets in published_labels().items()
    for labels in sets
]


def test_pending_alert_is_not_a_series_of_the_process() -> None:
    """Proves the cause of a rare failure: AelRunStuck holds at an evaluation in a process's first seconds, and its
    series have the process's `job`; a drop, which other tests refuse, changes no name or label either.
    """
    alert = {"alertname": "AelRunStuck", "alertstate": "pending", "job": "x", "instance": "x"}
    rows = [
        *WHOLE,
        ("ALERTS", alert, 1.0),
        ("ALERTS_FOR_STATE", alert, 1.0),
        series("ploston_anything", odd="x"),
        series("target_info", host="x"),
        series("ael_telemetry_queue_items", queue="store"),
        series("ael_telemetry_dropped_total", signal="logs", reason="timeout"),
        series("ael_session_idle_seconds_total", agent="x", origin="client"),
    ]
    assert labels_by_name(rows) == published_labels()


@pytest.mark.parametrize(
    "more",
    [
        [series("ael_workflow_executions_total", workflow="x", status="x", tool="x")],
        [series("ael_workflow_executions_ratio_total", workflow="x", status="x")],
        [series("ael_telemetry_queue_items")],
        [series("ael_telemetry_dropped_total", signal="logs", reason="timeout", workflow="x")],
        [series("alerts", alertname="x")],
    ],
)
def test_other_name_or_label_is_found(more: list[tuple[str, dict[str, str], float]]) -> None:
    """Proves that a further label, another name and a gauge without its label differ from the contract."""
    assert labels_by_name([*WHOLE, *more]) != published_labels()


def test_name_that_is_absent_is_found() -> None:
    """Proves that each of the names has to be there."""
    for index in range(len(WHOLE)):
        assert labels_by_name(WHOLE[:index] + WHOLE[index + 1 :]) != published_labels()
