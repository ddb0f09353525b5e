"""Metric sets: a reader gets all counts, in at most as many series as the registry allows."""

import sys
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import set_span_in_context

from ael_otel._generated import metrics as registry
from ael_otel._generated.metric_sets import MetricSets, StepMetrics, ToolMetrics, WorkflowMetrics
from ael_otel.emit.metric_sets import MetricSet
from tests.unit.conftest import Metered, labels
from tests.unit.emit.sets import Calls, Timed

OVERFLOW = frozenset({("otel.metric.overflow", True)})


def test_one_call_updates_every_metric_of_the_row(metered: Metered) -> None:
    """Three metrics, one call, the same labels; name, unit, description and kind are the spec's."""
    row = Calls(metered.meter).row(("echo", "success"))
    row.add(calls=1, running=2)
    row.add(calls=4, retries=1, running=-1)

    here = labels(tool="echo", status="success")
    assert metered.series() == {"calls": {here: 5}, "retries": {here: 1}, "running": {here: 1}}
    found = metered.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert [(metric.name, metric.unit, metric.data.is_monotonic) for metric in found] == [
        ("calls", "{call}", True),
        ("retries", "{call}", True),
        ("running", "{call}", False),
    ]
    assert found[0].description == "Calls."


def test_the_same_values_give_the_same_row(metered: Metered) -> None:
    """A caller may keep a row or bind it each time: there is one for each combination of values."""
    calls = Calls(metered.meter)
    row = calls.row(("echo", "success"))
    assert calls.row(("echo", "success")) is row
    assert calls.row(("echo", "error")) is not row


def test_a_bound_row_is_there_at_zero(metered: Metered) -> None:
    """A zero before the first event makes the first failure an increase; binding again does not reset."""
    calls = Calls(metered.meter)
    calls.row(("echo", "error"))
    assert metered.series()["calls"] == {labels(tool="echo", status="error"): 0}
    calls.row(("echo", "error")).add(calls=2)
    calls.row(("echo", "error"))
    assert metered.series()["calls"] == {labels(tool="echo", status="error"): 2}


def test_counts_survive_collection(metered: Metered) -> None:
    """Each reader sees the running total each time: rows are cumulative, and reading takes nothing away."""
    row = Calls(metered.meter).row(("echo", "success"))
    second = InMemoryMetricReader()
    metered.provider.add_metric_reader(second)
    for expected in (1, 2, 3):
        row.add(calls=1)
        assert metered.series()["calls"] == {labels(tool="echo", status="success"): expected}
    other = Metered(metered.meter, metered.provider, second)
    assert other.series()["calls"] == {labels(tool="echo", status="success"): 3}


def test_beyond_the_cap_everything_lands_in_one_row(metered: Metered) -> None:
    """New combinations share the overflow series and each metric there is reported; existing rows still count."""
    lost: list[str] = []
    calls = Calls(metered.meter, lost.append)
    for number in range(5):
        calls.row((f"tool{number}", "success")).add(calls=1)
    calls.row(("tool0", "success")).add(calls=1)
    calls.row(("tool4", "success")).add(calls=7, retries=2)

    assert metered.series()["calls"] == {
        labels(tool="tool0", status="success"): 2,
        labels(tool="tool1", status="success"): 1,
        labels(tool="tool2", status="success"): 1,
        OVERFLOW: 9,
    }
    assert lost == ["calls", "calls", "calls", "retries"]
    assert calls.dropped == {"calls": 3, "retries": 1}


def test_a_row_points_at_the_last_sampled_span(metered: Metered, tracer, unsampled) -> None:
    """A row's exemplar is of its last update with a context, in every collection until there is a newer one."""
    calls = Calls(metered.meter)
    spans = [tracer.start_span("one"), tracer.start_span("two")]
    for span in spans:
        calls.row(("echo", "success")).add(calls=1, context=set_span_in_context(span))
        calls.row(("echo", "success")).add(calls=1)
        for _ in range(2):
            (point,) = metered.points()["calls"]
            (exemplar,) = point.exemplars
            assert (exemplar.trace_id, exemplar.span_id) == (span.context.trace_id, span.context.span_id)
    calls.row(("echo", "error")).add(calls=1, context=set_span_in_context(unsampled.start_span("three")))
    (bare,) = [point for point in metered.points()["calls"] if point.attributes["status"] == "error"]
    assert list(bare.exemplars) == []


@pytest.mark.parametrize("values", [(), ("echo",), ("echo", "success", "more")])
def test_a_wrong_number_of_values_is_refused(metered: Metered, values: tuple[str, ...]) -> None:
    """A call that does not fit its set is a bug of ours: it is named, and leaves no row behind."""
    calls = Calls(metered.meter)
    with pytest.raises(ValueError, match=rf"\('tool', 'status'\).* not {len(values)} values"):
        calls.row(values)
    assert metered.series() == {}


def test_no_update_is_lost_between_threads(metered: Metered) -> None:
    """Threads that add to the same and to new rows while a reader collects lose nothing."""
    threads, rounds = 6, 2_000
    lost = Counter[str]()
    lock = threading.Lock()

    def on_overflow(name: str) -> None:
        with lock:
            lost[name] += 1

    calls = Calls(metered.meter, on_overflow, max_series=4)
    start = threading.Barrier(threads + 1)

    def work(number: int) -> None:
        start.wait()
        for turn in range(rounds):
            calls.row((f"tool{(number + turn) % 8}", "success")).add(calls=1, running=1)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        start.wait()
        seen = [sum(metered.series().get("calls", {}).values()) for _ in range(50)]
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    series = metered.series()
    assert seen == sorted(seen)
    assert sum(series["calls"].values()) == sum(series["running"].values()) == threads * rounds
    assert len(series["calls"]) == 5
    assert lost == {name: series[name][OVERFLOW] for name in ("calls", "running")}


def test_histogram_is_recorded_in_the_passed_context(metered: Metered, tracer) -> None:
    """Values go to the registry's boundaries, with an exemplar of the span that is passed, in one call with a count."""
    row = Timed(metered.meter).row(("echo", "success"))
    span = tracer.start_span("call")
    row.record(time=0.05)
    row.record(time=0.5, calls=1, context=set_span_in_context(span))
    row.record(time=5.0, calls=1)

    (point,) = metered.points()["time"]
    assert dict(point.attributes) == {"tool": "echo"}
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1.0], [1, 1, 1])
    assert (point.count, point.sum) == (3, 5.55)
    (exemplar,) = point.exemplars
    assert (exemplar.value, exemplar.span_id) == (0.5, span.context.span_id)
    (count,) = metered.points()["calls"]
    assert count.value == 2
    assert [each.span_id for each in count.exemplars] == [span.context.span_id]


def test_a_histogram_has_its_own_labels(metered: Metered) -> None:
    """Rows that differ only in a label the histogram does not have share its series."""
    group = Timed(metered.meter)
    group.row(("echo", "success")).record(time=0.5, calls=1)
    group.row(("echo", "error")).record(time=0.7, calls=1)
    assert metered.series() == {
        "calls": {labels(tool="echo", status="success"): 1, labels(tool="echo", status="error"): 1},
        "time": {labels(tool="echo"): 2},
    }


def test_a_histogram_is_capped_too(metered: Metered) -> None:
    """Beyond its cap a value goes into the overflow series and is reported; existing rows still count."""
    lost: list[str] = []
    group = Timed(metered.meter, lost.append, rows=10)
    for tool in ("a", "b", "c", "d", "a"):
        group.row((tool, "success")).record(time=0.5)
    assert metered.series()["time"] == {labels(tool="a"): 2, labels(tool="b"): 1, OVERFLOW: 2}
    assert lost == ["time", "time"]
    assert group.histograms[0].dropped == 2


def test_set_states_how_it_is_used(metered: Metered) -> None:
    """The live schema's numbers: updates, series, and when a change was last seen, for each metric."""
    group = Timed(metered.meter, rows=1)
    assert group.state() == {"calls": (0, 0, 0.0), "time": (0, 0, 0.0)}
    for tool in ("a", "b", "c"):
        group.row((tool, "success")).record(time=0.5, calls=2)
    state = group.state()
    assert {name: found[:2] for name, found in state.items()} == {"calls": (3, 2), "time": (3, 2)}
    assert all(last > 0 for *_, last in state.values())
    assert group.state() == state, "without another update the time stays"


VALUES = st.tuples(st.sampled_from("abcde"), st.sampled_from(("success", "error")))
STEPS = st.lists(st.tuples(st.sampled_from(("add", "bind")), VALUES, st.integers(0, 5)), max_size=40)


@settings(max_examples=60)
@given(steps=STEPS, cap=st.integers(1, 6))
def test_rows_behave_like_a_dictionary_with_a_lid(steps: list, cap: int) -> None:
    """For any updates in any order: rows behave as a dictionary, and the rest adds up in the overflow row."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource({}), shutdown_on_exit=False)
    metered = Metered(provider.get_meter("test"), provider, reader)
    lost: list[str] = []
    calls = Calls(metered.meter, lost.append, max_series=cap)
    model: dict[tuple[str, str], int] = {}
    overflow = reported = 0
    for action, values, amount in steps:
        row = calls.row(values)
        if values in model or len(model) < cap:
            model[values] = model.get(values, 0) + (amount if action == "add" else 0)
        elif action == "add":
            overflow += amount
            reported += amount > 0
        if action == "add":
            row.add(calls=amount)
    found = metered.series().get("calls", {})
    assert found.pop(OVERFLOW, 0) == overflow
    assert found == {labels(tool=tool, status=status): count for (tool, status), count in model.items()}
    assert lost == ["calls"] * reported
    provider.shutdown()


class Interrupted:
    """A lock that is acquired, whereupon Ctrl-C interrupts the caller."""

    def __init__(self, lock: threading.Lock) -> None:
        self.lock = lock
        self.release = lock.release

    def acquire(self) -> None:
        """Take it and be interrupted."""
        self.lock.acquire()
        raise KeyboardInterrupt


class TestGeneratedSets:
    """The sets of the real registry."""

    def test_binding_alone_makes_zeros(self, metered: Metered) -> None:
        """`expect` gets the labels of a loaded workflow or tool; every series that can follow is exported at zero."""
        sets = MetricSets(metered.meter)
        sets.workflow.expect(workflow="mixed")
        sets.step.expect(workflow="mixed", step="greet", type="tool_call")
        sets.tool.expect(tool="echo")
        statuses = ("success", "error", "timeout", "cancelled")
        expected = {
            "ael.workflow.executions": {labels(workflow="mixed", status=status): 0 for status in statuses},
            "ael.step.executions": {labels(workflow="mixed", step="greet", type="tool_call"): 0},
            "ael.tool.invocations": {labels(tool="echo", status=status): 0 for status in statuses},
        }
        # The sets may have more metrics than these, with the same zeros.
        found = metered.series()
        assert {name: found.get(name) for name in expected} == expected

    def test_the_end_of_a_run_is_one_call(self, metered: Metered) -> None:
        """Count and duration of one event cannot disagree: `record` takes both."""
        row = WorkflowMetrics(metered.meter).bind(workflow="mixed", status="success")
        row.record(duration=1.2, executions=1)
        assert row.executions == 1
        found = metered.series()
        assert found["ael.workflow.executions"] == {labels(workflow="mixed", status="success"): 1}
        assert found["ael.workflow.duration"] == {labels(workflow="mixed"): 1}

    def test_interrupt_inside_an_update_releases_the_lock(self, metered: Metered) -> None:
        """Ctrl-C in the middle of an update ends only that update: the next update and the next reader work."""
        row = WorkflowMetrics(metered.meter).bind(workflow="mixed", status="success")
        lock = row.lock
        row.lock = Interrupted(lock)
        with pytest.raises(KeyboardInterrupt):
            row.add(executions=1)
        row.lock = lock
        assert not lock.locked()
        row.add(executions=1)
        assert metered.series()["ael.workflow.executions"] == {labels(workflow="mixed", status="success"): 1}

    @pytest.mark.parametrize("metric", registry.ALL, ids=lambda metric: metric.name)
    def test_every_metric_has_its_instrument(self, metered: Metered, metric: registry.MetricSpec) -> None:
        """No metric of the registry is left out of the sets, and each is in one of them with its own description."""
        sets = [each for each in vars(MetricSets(metered.meter)).values() if isinstance(each, MetricSet)]
        having = [
            each
            for each in sets
            if metric in each.counters or metric in [points.spec for points in each.histograms]
        ]
        assert len(having) == 1

    def test_labels_come_in_the_order_of_the_parameters(self, metered: Metered) -> None:
        """Each value lands under its own label."""
        StepMetrics(metered.meter).bind(workflow="w", step="s", type="code").add(executions=1)
        ToolMetrics(metered.meter).bind(tool="t", status="error").add(invocations=1)
        series = metered.series()
        assert series["ael.step.executions"] == {labels(workflow="w", step="s", type="code"): 1}
        assert series["ael.tool.invocations"] == {labels(tool="t", status="error"): 1}
