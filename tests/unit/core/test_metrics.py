"""The metrics of the contract as one object: zeros for registered names, and every count reaches a reader."""

import gc
from types import SimpleNamespace

import pytest

from ael_otel._generated import metrics as registry
from ael_otel.config import Limits
from ael_otel.core.metrics import AelMetrics, Level
from ael_otel.emit.metric_sets import GONE_SECONDS
from tests.unit.conftest import Metered, labels

OVERFLOW = frozenset({("otel.metric.overflow", True)})


def test_before_the_first_run_all_series_are_zero(metered: Metered) -> None:
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
    """Every status of a tool starts at zero, and keeps its value when the tool is listed again."""
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


def test_values_over_the_cap_are_reported_as_dropped(metered: Metered) -> None:
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


class Registry(SimpleNamespace):
    """Stands for a registry of the engine: it can be weakly referenced, and each is its own."""

    __hash__ = object.__hash__


def test_workflow_beyond_the_default_is_counted_under_its_name_when_the_limit_allows(
    metered: Metered,
) -> None:
    """With `limits.workflows: 101` the 101st registered workflow has its own series; the 102nd has not."""
    metrics = AelMetrics(metered.provider)
    metrics.limit(Limits(workflows=101, tools=251, steps=3))
    names = [f"flow{number}" for number in range(102)]
    metrics.list_workflows(Registry(), names)
    for name in names:
        metrics.workflow.bind(workflow=name, status="success").record(duration=0.1, executions=1)
    for step in range(5):
        metrics.step.bind(workflow="flow0", step=f"s{step}", type="code").add(executions=1)
    for tool in range(252):
        metrics.tool.bind(tool=f"tool{tool}", status="success").record(duration=0.1, invocations=1)
    series = metered.series()
    assert series["ael.workflow.executions"][labels(workflow="flow100", status="success")] == 1
    assert series["ael.workflow.duration"][labels(workflow="flow100")] == 1
    assert labels(workflow="flow101", status="success") not in series["ael.workflow.executions"]
    assert series["ael.workflow.executions"][OVERFLOW] == 1
    assert series["ael.step.executions"][OVERFLOW] == 2
    assert series["ael.tool.duration"][labels(tool="tool250")] == 1
    assert series["ael.tool.duration"][OVERFLOW] == 1


def test_rows_of_a_removed_workflow_end_after_a_grace_and_go_on_when_it_comes_back(metered: Metered) -> None:
    """Its last counts are exported for a while, then its series end, and its counters resume where they were."""
    now = [0.0]
    metrics = AelMetrics(metered.provider)
    for each in (metrics.workflow, metrics.step):
        each.clock = lambda: now[0]
    registry_ = Registry()
    metrics.list_workflows(registry_, ["old", "stays"])
    here = labels(workflow="old", status="success")
    metrics.workflow.bind(workflow="old", status="success").record(duration=0.1, executions=3)
    metrics.step.bind(workflow="old", step="a", type="code").add(executions=3)

    metrics.list_workflows(registry_, ["stays"])
    metrics.workflow.bind(workflow="old", status="success").add(executions=1)
    now[0] = GONE_SECONDS - 1
    assert metered.series()["ael.workflow.executions"][here] == 4

    now[0] = GONE_SECONDS
    series = metered.series()
    assert here not in series["ael.workflow.executions"]
    assert labels(workflow="stays", status="success") in series["ael.workflow.executions"]
    assert "ael.workflow.duration" not in series
    assert "ael.step.executions" not in series

    metrics.list_workflows(registry_, ["old", "stays"])
    metrics.workflow.bind(workflow="old", status="success").record(duration=0.1, executions=1)
    now[0] = 9 * GONE_SECONDS
    series = metered.series()
    assert series["ael.workflow.executions"][here] == 5
    assert series["ael.workflow.duration"] == {labels(workflow="old"): 1}


def test_run_that_outlives_its_workflow_is_counted_and_its_rows_end_again(metered: Metered) -> None:
    """A run that ends long after the removal of its workflow is counted, and its series are removed in the end."""
    now = [0.0]
    metrics = AelMetrics(metered.provider)
    metrics.workflow.clock = metrics.step.clock = lambda: now[0]
    registry_ = Registry()
    metrics.list_workflows(registry_, ["old"])
    metrics.workflow.bind(workflow="old", status="success").add(executions=2)
    metrics.list_workflows(registry_, [])
    now[0] = GONE_SECONDS
    assert "ael.workflow.executions" not in metered.series()
    metrics.workflow.bind(workflow="old", status="success").add(executions=1)
    assert metered.series()["ael.workflow.executions"] == {labels(workflow="old", status="success"): 3}
    now[0] = 2 * GONE_SECONDS
    assert "ael.workflow.executions" not in metered.series()


def test_place_of_a_removed_workflow_is_free_for_another(metered: Metered) -> None:
    """A process that renames its workflows for months does not run into the limit."""
    now = [0.0]
    metrics = AelMetrics(metered.provider)
    metrics.workflow.clock = metrics.step.clock = lambda: now[0]
    metrics.limit(Limits(workflows=1))
    registry_ = Registry()
    for number in range(5):
        metrics.list_workflows(registry_, [f"flow{number}"])
        now[0] += GONE_SECONDS
        metrics.list_workflows(registry_, [f"flow{number}"])
        metrics.workflow.bind(workflow=f"flow{number}", status="error").record(duration=1, executions=1)
    series = metered.series()
    assert (
        OVERFLOW not in series["ael.workflow.executions"] or series["ael.workflow.executions"][OVERFLOW] == 0
    )
    assert series["ael.workflow.executions"][labels(workflow="flow4", status="error")] == 1
    assert "ael.telemetry.dropped" not in series


def test_tool_that_another_registry_lists_keeps_its_rows(metered: Metered) -> None:
    """Two engines in one process do not end each other's rows."""
    now = [0.0]
    metrics = AelMetrics(metered.provider)
    metrics.tool.clock = lambda: now[0]
    first, second = Registry(), Registry()
    metrics.list_tools(first, ["echo", "only"])
    metrics.list_tools(second, ["echo"])
    metrics.list_tools(first, [])
    now[0] = GONE_SECONDS
    assert {dict(key)["tool"] for key in metered.series()["ael.tool.invocations"]} == {"echo"}


class Held:
    """A buffer whose level a test sets."""

    def __init__(self, level: Level) -> None:
        self.level = level


def test_levels_of_buffers_are_read_when_a_reader_collects_and_not_before(metered: Metered) -> None:
    """Several of one name add up, the fullest decides the fill, and one that is gone leaves zeros."""
    metrics = AelMetrics(metered.provider)
    first, second = Held(Level(3, 100, 0.5)), Held(Level(4, 50, 0.25))
    metrics.watch("traces", first)
    metrics.watch("traces", second)
    here = labels(queue="traces")
    series = metered.series()
    assert series["ael.telemetry.queue.items"] == {here: 7}
    assert series["ael.telemetry.queue.size"] == {here: 150}
    assert series["ael.telemetry.queue.fill"] == {here: 0.5}
    first.level = Level(0, 0, 0.0)
    assert metered.series()["ael.telemetry.queue.fill"] == {here: 0.25}
    del first, second
    gc.collect()
    series = metered.series()
    assert series["ael.telemetry.queue.items"] == series["ael.telemetry.queue.size"] == {here: 0}
    assert series["ael.telemetry.queue.fill"] == {here: 0}
