"""Metric rows: what is counted is what a reader gets, in as many series as the registry allows and no more."""

import dataclasses
import json
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
from ael_otel.pipeline.metric_sets import CounterRows, HistogramRows
from ael_otel.pipeline.metrics import AelMetrics
from tests.unit.pipeline.conftest import Metered, labels
from tests.unit.pipeline.processes import answer

OVERFLOW = frozenset({("otel.metric.overflow", True)})


def counter(**changes: object) -> registry.MetricSpec:
    """A counter with the labels `tool` and `status`, at most three series."""
    return dataclasses.replace(
        registry.TOOL_INVOCATIONS,
        **{"name": "rows", "max_series": 3, "unit": "{call}", "description": "Calls."} | changes,
    )


HISTOGRAM = dataclasses.replace(registry.TOOL_DURATION, name="time", max_series=2, buckets=(0.1, 1.0))


def test_a_row_is_one_series_with_the_specs_labels(metered: Metered) -> None:
    """Amounts add up per combination of values; name, unit, description and label order are the spec's."""
    rows = CounterRows(metered.meter, counter())
    rows.add(("echo", "success"))
    rows.add(("echo", "success"), 4)
    rows.add(("echo", "error"))

    assert metered.series() == {
        "rows": {labels(tool="echo", status="success"): 5, labels(tool="echo", status="error"): 1}
    }
    (metric,) = metered.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit, metric.description) == ("rows", "{call}", "Calls.")
    assert metric.data.is_monotonic
    assert rows.value(("echo", "success")) == 5
    assert rows.value(("echo", "cancelled")) == 0


def test_counts_survive_collection(metered: Metered) -> None:
    """Each reader sees the running total each time: rows are cumulative, and reading takes nothing away."""
    rows = CounterRows(metered.meter, counter())
    second = InMemoryMetricReader()
    metered.provider.add_metric_reader(second)
    for expected in (1, 2, 3):
        rows.add(("echo", "success"))
        assert metered.series() == {"rows": {labels(tool="echo", status="success"): expected}}
    other = Metered(metered.meter, metered.provider, second)
    assert other.series() == {"rows": {labels(tool="echo", status="success"): 3}}


def test_a_touched_row_is_there_at_zero(metered: Metered) -> None:
    """A zero before the first event makes the first failure an increase; touching again does not reset."""
    rows = CounterRows(metered.meter, counter())
    rows.touch(("echo", "error"))
    assert metered.series() == {"rows": {labels(tool="echo", status="error"): 0}}
    rows.add(("echo", "error"), 2)
    rows.touch(("echo", "error"))
    assert metered.series() == {"rows": {labels(tool="echo", status="error"): 2}}


def test_an_up_down_counter_goes_down(metered: Metered) -> None:
    """The number of active runs falls again and is no monotonic sum."""
    rows = CounterRows(metered.meter, registry.ACTIVE_WORKFLOWS)
    rows.add((), 2)
    rows.add((), -1)
    (metric,) = metered.reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert [(point.value, dict(point.attributes)) for point in metric.data.data_points] == [(1, {})]
    assert not metric.data.is_monotonic


def test_beyond_the_cap_everything_lands_in_one_row(metered: Metered) -> None:
    """New combinations share the overflow series and each update there is reported; known rows go on as before."""
    lost: list[str] = []
    rows = CounterRows(metered.meter, counter(), lost.append)
    for number in range(5):
        rows.add((f"tool{number}", "success"))
    rows.add(("tool0", "success"))
    rows.add(("tool4", "success"), 7)

    assert metered.series() == {
        "rows": {
            labels(tool="tool0", status="success"): 2,
            labels(tool="tool1", status="success"): 1,
            labels(tool="tool2", status="success"): 1,
            OVERFLOW: 9,
        }
    }
    assert lost == ["rows"] * 3
    rows.clear()
    assert metered.series().get("rows", {}) == {}


def test_a_row_points_at_the_last_sampled_span(metered: Metered, tracer, unsampled) -> None:
    """A counter row's exemplar is the last context it was given, in every collection until there is a newer one."""
    rows = CounterRows(metered.meter, counter())
    spans = [tracer.start_span("one"), tracer.start_span("two")]
    for span in spans:
        rows.add(("echo", "success"), 1, set_span_in_context(span))
        rows.add(("echo", "success"))
        for _ in range(2):
            (point,) = metered.points()["rows"]
            (exemplar,) = point.exemplars
            assert (exemplar.trace_id, exemplar.span_id) == (span.context.trace_id, span.context.span_id)
    rows.add(("echo", "error"), 1, set_span_in_context(unsampled.start_span("three")))
    (bare,) = [point for point in metered.points()["rows"] if point.attributes["status"] == "error"]
    assert list(bare.exemplars) == []


@pytest.mark.parametrize("values", [(), ("echo",), ("echo", "success", "more")])
def test_a_wrong_number_of_values_is_refused(metered: Metered, values: tuple[str, ...]) -> None:
    """A call that does not fit its metric is a bug of ours: it is named, and leaves no row behind."""
    rows = CounterRows(metered.meter, counter())
    with pytest.raises(ValueError, match=rf"^rows takes .*\('tool', 'status'\).* not {len(values)} values"):
        rows.add(values)
    with pytest.raises(ValueError, match="rows takes"):
        rows.touch(values)
    histogram = HistogramRows(metered.meter, HISTOGRAM)
    with pytest.raises(ValueError, match="zip"):
        histogram.record(("a", "b"), 0.5)
    assert metered.series() == {}


def test_no_update_is_lost_between_threads(metered: Metered) -> None:
    """Threads that add to the same and to new rows while a reader collects lose nothing."""
    threads, rounds = 6, 2_000
    lost = Counter[str]()
    lock = threading.Lock()

    def on_overflow(name: str) -> None:
        with lock:
            lost[name] += 1

    rows = CounterRows(metered.meter, counter(max_series=4), on_overflow)
    start = threading.Barrier(threads + 1)

    def work(number: int) -> None:
        start.wait()
        for turn in range(rounds):
            rows.add((f"tool{(number + turn) % 8}", "success"))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        start.wait()
        seen = [sum(metered.series().get("rows", {}).values()) for _ in range(50)]
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    series = metered.series()["rows"]
    assert seen == sorted(seen)
    assert sum(series.values()) == threads * rounds
    assert len(series) == 5
    assert lost == {"rows": series[OVERFLOW]}


def test_a_histogram_row_has_the_specs_buckets(metered: Metered, tracer) -> None:
    """Values go to the registry's boundaries, with an exemplar of the span that is passed."""
    rows = HistogramRows(metered.meter, HISTOGRAM)
    span = tracer.start_span("call")
    rows.record(("echo",), 0.05)
    rows.record(("echo",), 0.5, set_span_in_context(span))
    rows.record(("echo",), 5.0)

    (point,) = metered.points()["time"]
    assert dict(point.attributes) == {"tool": "echo"}
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1.0], [1, 1, 1])
    assert (point.count, point.sum) == (3, 5.55)
    (exemplar,) = point.exemplars
    assert (exemplar.value, exemplar.trace_id, exemplar.span_id) == (
        0.5,
        span.context.trace_id,
        span.context.span_id,
    )


def test_a_histogram_is_capped_too(metered: Metered) -> None:
    """Beyond the cap a value is kept in the overflow series and reported; known rows go on."""
    lost: list[str] = []
    rows = HistogramRows(metered.meter, HISTOGRAM, lost.append)
    for tool in ("a", "b", "c", "d", "a"):
        rows.record((tool,), 0.5)
    assert metered.series() == {"time": {labels(tool="a"): 2, labels(tool="b"): 1, OVERFLOW: 2}}
    assert lost == ["time", "time"]


VALUES = st.tuples(st.sampled_from("abcde"), st.sampled_from(("success", "error")))
STEPS = st.lists(st.tuples(st.sampled_from(("add", "touch")), VALUES, st.integers(0, 5)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, cap=st.integers(1, 6))
def test_rows_behave_like_a_dictionary_with_a_lid(steps: list, cap: int) -> None:
    """Whatever is added in whatever order: rows are a dictionary, what does not fit adds up in the overflow row."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource({}), shutdown_on_exit=False)
    metered = Metered(provider.get_meter("test"), provider, reader)
    lost: list[str] = []
    rows = CounterRows(metered.meter, counter(max_series=cap), lost.append)
    model: dict[tuple[str, str], int] = {}
    overflow = reported = 0
    for action, values, amount in steps:
        if values in model or len(model) < cap:
            model[values] = model.get(values, 0) + (amount if action == "add" else 0)
        elif action == "add":
            overflow += amount
            reported += 1
        if action == "add":
            rows.add(values, amount)
        else:
            rows.touch(values)
    found = metered.series().get("rows", {})
    assert found.pop(OVERFLOW, 0) == overflow
    assert found == {labels(tool=tool, status=status): count for (tool, status), count in model.items()}
    assert len(lost) == reported
    assert all(rows.value(values) == count for values, count in model.items())
    provider.shutdown()


FORK = """
import json, os, signal, sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from ael_otel._generated.metrics import ERRORS, TOOL_DURATION
from ael_otel.pipeline.metric_sets import CounterRows, HistogramRows

reader = InMemoryMetricReader()
meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("fork")
rows = CounterRows(meter, ERRORS)
times = HistogramRows(meter, TOOL_DURATION)
rows.add(("timeout", "tool"), 5)
rows.add(("internal", "store"), 2)


def counts():
    found = {}
    for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            if metric.name == ERRORS.name:
                for point in metric.data.data_points:
                    found[point.attributes["type"]] = point.value
    return found


# Another thread may be inside an update at the moment of the fork: the child must not wait for it.
rows._lock.acquire()
times._lock.acquire()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(10)
    rows.add(("timeout", "tool"), 1)
    times.record(("new",), 0.5)
    os.write(writing, json.dumps(counts()).encode())
    os._exit(0)
rows._lock.release()
times._lock.release()
_, status = os.waitpid(child, 0)
os.close(writing)
rows.add(("timeout", "tool"), 1)
print(json.dumps({"status": status, "child": json.loads(os.read(reading, 4096) or "null"), "parent": counts()}))
"""


def test_a_forked_child_starts_from_zero() -> None:
    """Inherited counts would be counted twice: the child exports its own only, the parent goes on where it was."""
    assert json.loads(answer(FORK)) == {
        "status": 0,
        "child": {"timeout": 1},
        "parent": {"timeout": 6, "internal": 2},
    }


class TestAelMetrics:
    """The metrics of the contract as one object."""

    def test_nothing_has_run_yet(self, metered: Metered) -> None:
        """Before the first run there is one series: no active workflow."""
        AelMetrics(metered.provider)
        assert metered.series() == {"ael.active_workflows": {labels(): 0}}

    def test_a_loaded_workflow_has_zeros(self, metered: Metered) -> None:
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

    def test_a_listed_tool_has_zeros(self, metered: Metered) -> None:
        """Every status of a tool is there at zero, and stays what it is when the tool is listed again."""
        metrics = AelMetrics(metered.provider)
        metrics.expect_tool("echo")
        metrics.invocations.add(("echo", "timeout"))
        metrics.expect_tool("echo")
        assert metered.series()["ael.tool.invocations"] == {
            labels(tool="echo", status="success"): 0,
            labels(tool="echo", status="error"): 0,
            labels(tool="echo", status="timeout"): 1,
            labels(tool="echo", status="cancelled"): 0,
        }

    def test_what_a_cap_takes_is_reported_as_dropped(self, metered: Metered) -> None:
        """A name that comes from outside cannot grow the memory, and the loss of its series is counted."""
        metrics = AelMetrics(metered.provider)
        extra = 3
        for number in range(registry.TOOL_DURATION.max_series + extra):
            metrics.tool_duration.record((f"tool{number}",), 0.1)
        series = metered.series()
        assert len(series["ael.tool.duration"]) == registry.TOOL_DURATION.max_series + 1
        assert series["ael.tool.duration"][OVERFLOW] == extra
        assert series["ael.telemetry.dropped"] == {labels(signal="metrics", reason="cardinality"): extra}

    @pytest.mark.parametrize("spec", registry.ALL, ids=lambda spec: spec.name)
    def test_a_closed_set_never_overflows(self, spec: registry.MetricSpec) -> None:
        """Where every label has a closed set, all combinations fit under the cap."""
        if set(spec.labels) == set(spec.label_values):
            combinations = 1
            for values in spec.label_values.values():
                combinations *= len(values)
            assert combinations <= spec.max_series

    def test_counts_from_before_the_provider_are_kept(self) -> None:
        """The shared rows are one object, and what they counted before the SDK was set up is exported after."""
        assert json.loads(answer(EARLY)) == [[{"type": "timeout", "component": "tool"}, 2]]


EARLY = """
import json
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from ael_otel.pipeline.metrics import shared_metrics

shared_metrics().errors.add(("timeout", "tool"))
reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
shared_metrics().errors.add(("timeout", "tool"))
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
(errors,) = [metric for metric in scope.metrics if metric.name == "ael.errors"]
print(json.dumps([[dict(point.attributes), point.value] for point in errors.data.data_points]))
"""
