"""Our histograms and the SDK's, fed with the same values, give readers the same."""

import logging
import math
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    MeterProvider,
    SimpleFixedSizeExemplarReservoir,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import set_span_in_context, use_span

from ael_otel.emit import histograms
from ael_otel.emit.metric_sets import MetricSet
from ael_otel.emit.sdk_aggregation import Aggregations
from tests.unit.emit.sets import Timed, TimedRow, spec

_SDK_CLOCKS = (
    "opentelemetry.sdk.metrics._internal.instrument",
    "opentelemetry.sdk.metrics._internal._view_instrument_match",
    "opentelemetry.sdk.metrics._internal.metric_reader_storage",
)
SAMPLED = TracerProvider(shutdown_on_exit=False).get_tracer("test")
UNSAMPLED = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("test")
SPANS = [SAMPLED.start_span("one"), SAMPLED.start_span("two"), UNSAMPLED.start_span("three")]
CONTEXTS = [None, *(set_span_in_context(span) for span in SPANS)]
FILTERS = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}


class Clock:
    """One clock for the SDK and for us, which stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        """Return the time in nanoseconds."""
        return self.now


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    """The clock of all pipelines of this module."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        for name in _SDK_CLOCKS:
            patch.setattr(sys.modules[name], "time_ns", clock)
        patch.setattr(histograms, "time_ns", clock)
        yield clock


def reader(kind: str) -> InMemoryMetricReader:
    """A reader of that temporality, or one that asks for exponential buckets."""
    if kind == "exponential":
        return InMemoryMetricReader(
            preferred_aggregation={SdkHistogram: ExponentialBucketHistogramAggregation()}
        )
    temporality = {"delta": AggregationTemporality.DELTA, "cumulative": AggregationTemporality.CUMULATIVE}[
        kind
    ]
    return InMemoryMetricReader(preferred_temporality={SdkHistogram: temporality})


class Pair:
    """Our histogram and the SDK's of the same description, each on its own provider with the same readers."""

    def __init__(self, kinds: tuple[str, ...], clock: Clock, **options: Any) -> None:
        self.clock = clock
        self.readers = [[reader(kind) for kind in kinds] for _ in range(2)]
        self.providers = [
            MeterProvider(readers, Resource({}), shutdown_on_exit=False, **options)
            for readers in self.readers
        ]
        ours, theirs = (provider.get_meter("pair") for provider in self.providers)
        self.timed = Timed(ours, rows=10, times=10)
        self.sdk = theirs.create_histogram(
            "time", "s", "Time of a call.", explicit_bucket_boundaries_advisory=(0.1, 1.0)
        )

    @property
    def is_fast(self) -> bool:
        """Whether the values of ours do not go through the SDK."""
        return self.timed.histograms[0].histogram.aggregations() is not None

    def record(self, tool: str, value: float, context: Any = None) -> None:
        """Record a value with both."""
        self.clock.now += 7
        self.timed.row((tool, "success")).record(time=value, context=context)
        self.sdk.record(value, {"tool": tool}, context)

    def add_reader(self, kind: str) -> None:
        """Give both providers another reader."""
        for readers, provider in zip(self.readers, self.providers, strict=True):
            readers.append(reader(kind))
            provider.add_metric_reader(readers[-1])

    def check(self, index: int) -> Any:
        """Collect with one reader of each and compare; return the collected data, or None."""
        self.clock.now += 1_000
        ours, theirs = (self.collected(readers[index]) for readers in self.readers)
        assert ours == theirs
        return ours

    @staticmethod
    def collected(reader: InMemoryMetricReader) -> Any:
        """Everything that a reader gets of the histogram, sums without the noise of the order of additions."""
        data = reader.get_metrics_data()
        metrics = [
            metric
            for resource in (() if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name != "calls"
        ]
        return [
            (
                (metric.name, metric.unit, metric.description),
                type(metric.data).__name__,
                metric.data.aggregation_temporality,
                [
                    {name: value for name, value in vars(point).items() if name != "sum"}
                    | {"attributes": dict(point.attributes), "sum": pytest.approx(point.sum, rel=1e-12)}
                    for point in metric.data.data_points
                ],
            )
            for metric in metrics
        ]


VALUES = st.one_of(
    st.sampled_from((0, 0.1, 1, 1.0, 5e-324, 1e300, 7)),
    st.floats(0, 1e6),
    st.sampled_from((-1.0, math.inf, math.nan)),
)
RECORDS = st.tuples(
    st.just("record"), st.sampled_from("abcd"), VALUES, st.integers(0, len(CONTEXTS) - 1), st.booleans()
)
STEPS = st.lists(
    st.one_of(
        RECORDS,
        RECORDS,
        st.tuples(st.just("collect"), st.integers(0, 3)),
        st.tuples(st.just("reader"), st.sampled_from(("cumulative", "delta"))),
    ),
    max_size=40,
)


A, B = (("record", tool, 0.5, 0, False) for tool in "ab")


@settings(deadline=None)
@example([A, A, ("collect", 0), A, B], ["delta"], "always_off", 5)  # the order of series
@example([A, A, ("collect", 0), A, B], ["delta"], "always_off", 1)
@example(
    [("record", "a", -1.0, 0, False), ("collect", 0), A], ["delta"], "always_off", 5
)  # when the first one began
@example([A, A, ("reader", "cumulative"), A, A], ["cumulative"], "always_off", 5)  # the data of a late reader
@given(
    steps=STEPS,
    kinds=st.lists(st.sampled_from(("cumulative", "delta")), min_size=1, max_size=2),
    exemplars=st.sampled_from(sorted(FILTERS)),
    limit=st.integers(1, 5),
)
def test_readers_get_the_same_as_from_the_sdks_histogram(
    clock: Clock, steps: list, kinds: list[str], exemplars: str, limit: int
) -> None:
    """For any sequence of records and collections by any readers: counts, sums, extremes, times, exemplars and
    the order of points are those of the SDK's histogram, for each temporality, exemplar filter and cardinality limit.
    """
    logging.disable(logging.CRITICAL)
    try:
        views = [View(instrument_name="time", aggregation_cardinality_limit=limit)]
        pair = Pair(tuple(kinds), clock, exemplar_filter=FILTERS[exemplars](), views=views)
        for action, *details in steps:
            if action == "record":
                tool, value, context, current = details
                with use_span(SPANS[0 if current else 2], end_on_exit=False):
                    pair.record(tool, value, CONTEXTS[context])
            elif action == "collect":
                pair.check(details[0] % len(pair.readers[0]))
            else:
                pair.add_reader(details[0])
        assert pair.is_fast
        for index in range(len(pair.readers[0])):
            pair.check(index)
    finally:
        logging.disable(logging.NOTSET)


class FirstOnly(SimpleFixedSizeExemplarReservoir):
    """Keeps the first value after each collection."""

    def offer(self, *measurement: Any) -> None:
        """Take a value if there is none yet."""
        if not self._measurements_seen:
            super().offer(*measurement)


def first_only(**_options: object) -> FirstOnly:
    """Return such a reservoir; the buckets are ignored."""
    return FirstOnly()


VIEWS: dict[str, tuple[list[View], bool]] = {
    "fewer attributes": ([View(instrument_name="time", attribute_keys=set())], True),
    "another name": ([View(instrument_name="time", name="duration", description="Renamed.")], True),
    "a limit of one series": ([View(instrument_name="time", aggregation_cardinality_limit=1)], True),
    "other buckets": (
        [View(instrument_name="time", aggregation=ExplicitBucketHistogramAggregation((0.2, 0.3, 2.0)))],
        True,
    ),
    "no extremes": (
        [View(instrument_name="time", aggregation=ExplicitBucketHistogramAggregation(record_min_max=False))],
        True,
    ),
    "one bucket": ([View(instrument_name="time", aggregation=ExplicitBucketHistogramAggregation(()))], True),
    "dropped": ([View(instrument_name="time", aggregation=DropAggregation())], True),
    "two alike": ([View(instrument_name="time", name="one"), View(instrument_name="t*", name=None)], True),
    "two of different buckets": (
        [
            View(instrument_name="time", name="one"),
            View(instrument_name="time", aggregation=ExplicitBucketHistogramAggregation((2.0,))),
        ],
        False,
    ),
    "exemplars of its own choice": (
        [View(instrument_name="time", exemplar_reservoir_factory=lambda _kind: first_only)],
        False,
    ),
    "exponential": (
        [View(instrument_name="time", aggregation=ExponentialBucketHistogramAggregation())],
        False,
    ),
}


@pytest.mark.parametrize("kind", ["cumulative", "delta"])
@pytest.mark.parametrize("views", VIEWS)
def test_views_apply_as_to_the_sdks_histogram(clock: Clock, views: str, kind: str) -> None:
    """Each view has the same effect on both; where it aggregates in another way, values go through the SDK."""
    made, fast = VIEWS[views]
    pair = Pair((kind,), clock, views=made)
    for _ in range(3):
        for tool, value in (("a", 0.25), ("b", 0.05), ("a", 2.5), ("a", 0.3), ("b", 0.3)):
            pair.record(tool, value, CONTEXTS[1])
        found = pair.check(0)
        assert bool(found) == (views != "dropped")
    assert pair.is_fast == fast


def test_attributes_that_a_view_leaves_out_are_with_the_exemplar(clock: Clock) -> None:
    """An exemplar carries the attributes that its point lacks (`filtered_attributes`)."""
    pair = Pair(("cumulative",), clock, views=[View(instrument_name="time", attribute_keys=set())])
    for value in (0.5, 0.6):
        pair.record("echo", value, CONTEXTS[1])
    ((_, _, _, (point,)),) = pair.check(0)
    (exemplar,) = point["exemplars"]
    assert (exemplar.value, exemplar.filtered_attributes) == (0.6, {"tool": "echo"})
    assert exemplar.span_id == SPANS[0].get_span_context().span_id


def test_a_reader_that_adds_up_otherwise_sends_values_through_the_sdk(clock: Clock) -> None:
    """A later reader of exponential buckets gets values recorded from then on; the others get all."""
    pair = Pair(("cumulative", "delta"), clock)
    for value in (0.05, 0.5, 5.0):
        pair.record("echo", value)
    assert pair.is_fast
    pair.add_reader("exponential")
    for value in (0.06, 0.6, 6.0):
        pair.record("echo", value)
    assert not pair.is_fast
    for index in (0, 1, 2):
        assert pair.check(index)


def test_values_wait_outside_the_sdk_until_a_reader_collects(clock: Clock) -> None:
    """From the second value of a series on the SDK is not called before a collection, which gets all of them."""
    pair = Pair(("cumulative",), clock)
    pair.record("echo", 0.5)
    instrument = pair.timed.histograms[0].histogram.instrument
    calls: list[Any] = []
    consumer = instrument._measurement_consumer
    instrument._measurement_consumer = SimpleNamespace(
        consume_measurement=calls.append, _reader_storages=consumer._reader_storages
    )
    for value in (0.6, 0.7):
        pair.record("echo", value)
    assert calls == []
    instrument._measurement_consumer = consumer
    ((_, _, _, (point,)),) = pair.check(0)
    assert point["count"] == 3


def test_a_refused_value_is_reported_and_not_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Negative and non-finite values get the SDK's warning, before and after there is a series."""
    pair = Pair(("cumulative",), clock)
    for value in (-1.0, 0.5, -2.0, math.nan, math.inf):
        pair.timed.row(("echo", "success")).record(time=value)
        pair.sdk.record(value, {"tool": "echo"})
    said = [record.getMessage() for record in caplog.records]
    assert [said.count(message) for message in dict.fromkeys(said)] == [4, 2, 2]
    assert pair.check(0)


def test_series_that_ends_discards_waiting_values(clock: Clock) -> None:
    """Values of a series whose subject is gone are not exported; one that comes back begins again."""
    pair = Pair(("cumulative", "delta"), clock)
    for value in (0.5, 0.6):
        pair.record("echo", value)
    pair.check(0)
    pair.record("echo", 0.7)
    points = pair.timed.histograms[0]
    held = pair.timed.row(("echo", "success")).points[0]
    points.end({"tool": "echo"})
    assert pair.collected(pair.readers[0][0]) == []
    clock.now += 100
    for value in (0.8, 0.9):
        held.record(value, None)
    for reader in pair.readers[0]:
        ((_, _, _, (point,)),) = pair.collected(reader)
        assert (point["count"], point["sum"], point["min"]) == (2, pytest.approx(1.7), 0.8)
        assert point["start_time_unix_nano"] == clock.now


def test_a_second_set_of_the_same_metrics_goes_through_the_sdk(clock: Clock) -> None:
    """The SDK calls the callbacks of the first set only, so the values of the second must not wait for them."""
    pair = Pair(("cumulative",), clock)
    second = Timed(pair.providers[0].get_meter("pair"), rows=10, times=10)
    assert second.histograms[0].histogram.aggregations() is None
    for value in (0.5, 0.6):
        clock.now += 7
        second.row(("echo", "success")).record(time=value)
        pair.sdk.record(value, {"tool": "echo"})
    ((_, _, _, (point,)),) = pair.check(0)
    assert point["count"] == 2


def test_a_set_without_counters_goes_through_the_sdk(clock: Clock) -> None:
    """Without an observable instrument a collection by a reader goes unnoticed."""
    pair = Pair(("cumulative",), clock)
    meter = pair.providers[0].get_meter("alone")
    alone = MetricSet(
        meter, TimedRow, histograms=[spec("alone", instrument="histogram", labels=("tool",), buckets=(1.0,))]
    )
    for value in (0.5, 2.0):
        alone.row(("echo",)).points[0].record(value, None)
    ((_, _, _, (point,)),) = pair.collected(pair.readers[0][0])
    assert (point["count"], list(point["bucket_counts"])) == (2, [1, 1])


def test_disabled_meter_stores_no_values(clock: Clock) -> None:
    """A meter that the application has disabled records nothing, and nothing waits for it."""
    pair = Pair(("cumulative",), clock, _meter_configurator=lambda _scope: SimpleNamespace(is_enabled=False))
    for value in (0.5, 0.6):
        pair.record("echo", value)
    assert not pair.is_fast
    assert pair.timed.histograms[0].histogram.waiting == []
    assert pair.check(0) == []


def test_without_an_sdk_no_values_wait() -> None:
    """A meter that records nothing, and one that has no provider yet, take values and keep none."""
    timed = Timed(NoOpMeterProvider().get_meter("none"), rows=10, times=10)
    for value in (0.5, 0.6):
        timed.row(("echo", "success")).record(time=value)
    assert timed.histograms[0].histogram.waiting == []
    assert timed.state()["time"][:2] == (2, 1)


BROKEN = {
    "no storages": ("_measurement_consumer._reader_storages", None),
    "no callbacks": ("_measurement_consumer._async_instruments", [SimpleNamespace()]),
    "no filter": ("_measurement_consumer._sdk_config", SimpleNamespace()),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_another_sdk_is_not_touched(clock: Clock, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the SDK lacks an expected attribute, the result is None and not an exception."""
    pair = Pair(("cumulative",), clock)
    histogram = pair.timed.histograms[0].histogram
    path, value = BROKEN[broken]
    *way, name = path.split(".")
    owner: Any = histogram.instrument
    for part in way:
        owner = getattr(owner, part)
    monkeypatch.setattr(owner, name, value)
    assert Aggregations.of(histogram.instrument, histogram._collected_by) is None


def test_an_sdk_that_adds_up_otherwise_is_noticed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial on a spare aggregation sees sums that do not come back, and every value goes through the SDK."""
    module = sys.modules["opentelemetry.sdk.metrics._internal.aggregation"]
    kind = module._ExplicitBucketHistogramAggregation
    collect = kind.collect

    def half(self: Any, *arguments: Any) -> Any:
        self._sum /= 2
        return collect(self, *arguments)

    monkeypatch.setattr(kind, "collect", half)
    pair = Pair(("cumulative",), clock)
    assert not pair.is_fast


def test_no_value_is_lost_between_threads() -> None:
    """Threads that record to the same series, a reader that collects deltas and readers that come in between."""
    delta = reader("delta")
    provider = MeterProvider([delta], Resource({}), shutdown_on_exit=False)
    timed = Timed(provider.get_meter("threads"), rows=10, times=10)
    threads, rounds = 4, 1_500
    start = threading.Barrier(threads + 1)

    def work() -> None:
        start.wait()
        for number in range(rounds):
            timed.row(("ab"[number % 2], "success")).record(time=0.5, calls=1)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    total = 0
    try:
        for worker in workers:
            worker.start()
        start.wait()
        for turn in range(40):
            total += sum(point["count"] for *_, points in Pair.collected(delta) for point in points)
            if turn % 10 == 0:
                provider.add_metric_reader(reader("cumulative"))
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    total += sum(point["count"] for *_, points in Pair.collected(delta) for point in points)
    assert total == threads * rounds == timed.state()["time"][0]
