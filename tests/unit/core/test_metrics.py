"""The metrics of the contract as one object: zeros for what is known, and nothing lost on the way to a reader."""

import pytest

from ael_otel._generated import metrics as registry
from ael_otel.core.metrics import AelMetrics
from tests.unit.conftest import Metered, labels

OVERFLOW = frozenset({("otel.metric.overflow", True)})


def test_nothing_has_run_yet(metered: Metered) -> None:
    """Before the first run there is one series: no active workflow."""
    AelMetrics(metered.provider)
    assert metered.series() == {"ael.active_workflows": {labels(): 0}}


def test_a_loaded_workflow_has_zeros(metered: Metered) -> None:
    """Every status of a workflow and each of its steps is there at zero, without a duration."""
    metrics = AelMetrics(metered.provider)
    metrics.expect_workflow("mixed", [("greet", "tool_call"), ("crunch", "code")])
    series = metered.series()
    assert series == {
        "ael.active_workflows": {labels(): 0},
        "ael.workflow.executions": {
            labels(workflow="mixed", status=status): 0
            for status in ("success", "error", "timeout", "cancelled")
        },
        "ael.step.executions": {
            labels(workflow="mixed", step="greet", type="tool_call"): 0,
            labels(workflow="mixed", step="crunch", type="code"): 0,
        },
    }


def test_a_listed_tool_has_zeros(metered: Metered) -> None:
    """Every status of a tool is there at zero, and stays what it is when the tool is listed again."""
    metrics = AelMetrics(metered.provider)
    metrics.expect_tool("echo")
    metrics.tool.bind(tool="echo", status="timeout").add(invocations=1)
    metrics.expect_tool("echo")
    assert metered.series()["ael.tool.invocations"] == {
        labels(tool="echo", status="success"): 0,
        labels(tool="echo", status="error"): 0,
        labels(tool="echo", status="timeout"): 1,
        labels(tool="echo", status="cancelled"): 0,
    }


def test_what_a_cap_takes_is_reported_as_dropped(metered: Metered) -> None:
    """A name that comes from outside cannot grow the memory, and the loss of its series is counted."""
    metrics = AelMetrics(metered.provider)
    extra = 3
    for number in range(registry.TOOL_DURATION.max_series + extra):
        metrics.tool.bind(tool=f"tool{number}", status="success").record(duration=0.1)
    series = metered.series()
    assert len(series["ael.tool.duration"]) == registry.TOOL_DURATION.max_series + 1
    assert series["ael.tool.duration"][OVERFLOW] == extra
    assert series["ael.telemetry.dropped"] == {labels(signal="metrics", reason="cardinality"): extra}


@pytest.mark.parametrize("spec", registry.ALL, ids=lambda spec: spec.name)
def test_a_closed_set_never_overflows(spec: registry.MetricSpec) -> None:
    """Where every label has a closed set, all combinations fit under the cap."""
    if set(spec.labels) == set(spec.label_values):
        combinations = 1
        for values in spec.label_values.values():
            combinations *= len(values)
        assert combinations <= spec.max_series
