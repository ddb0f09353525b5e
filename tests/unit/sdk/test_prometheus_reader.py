"""Metrics as text: every kind of instrument, in both formats, as a Prometheus server would read them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer, format_span_id, format_trace_id, set_span_in_context
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ael_otel._generated import metrics as registry
from ael_otel.core.metrics import AelMetrics
from ael_otel.sdk.prometheus_reader import PrometheusReader

type Families = dict[str, tuple[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]]


def plain(families: Iterable) -> Families:
    """Families as plain values: name -> (type, {(sample, labels): value}); a sample that is there twice fails."""
    found: Families = {}
    for family in families:
        assert family.name not in found, family.name
        samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
        found[family.name] = (family.type, samples)
    return found


class Pulled(NamedTuple):
    """A meter provider with a pull reader, and the two texts that a client may ask for."""

    provider: MeterProvider
    reader: PrometheusReader
    registry: CollectorRegistry

    @property
    def meter(self) -> Meter:
        """A meter of the provider."""
        return self.provider.get_meter("test")

    def text(self) -> Families:
        """Scrape as Prometheus text, without `target_info`."""
        found = plain(text_string_to_metric_families(generate_latest(self.registry).decode()))
        del found["target_info"]
        return found

    def openmetrics(self) -> Iterable:
        """Scrape as OpenMetrics: parsed by the strict parser."""
        return openmetrics.text_string_to_metric_families(exposition.generate_latest(self.registry).decode())


@pytest.fixture
def pulled() -> Iterator[Pulled]:
    """A pull reader on a provider whose resource has two attributes."""
    reader = PrometheusReader()
    resource = Resource({"service.name": "shop", "service.instance.id": "i-1"})
    provider = MeterProvider([reader.reader], resource, shutdown_on_exit=False)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(reader)
    yield Pulled(provider, reader, registry)
    provider.shutdown()


def observed(value: float) -> list[Callable[[CallbackOptions], list[Observation]]]:
    """Callbacks of an observable instrument that always has this value."""
    return [lambda options: [Observation(value, {"kind": "seen"})]]


def everything(meter: Meter) -> None:
    """Use one instrument of each kind, with a unit each."""
    meter.create_counter("my.calls", "{call}", "Calls.").add(2, {"tool.name": "echo"})
    meter.create_counter("my.read", "By").add(10)
    meter.create_up_down_counter("my.queue", "{item}").add(-3)
    meter.create_histogram("my.time", "s", explicit_bucket_boundaries_advisory=[0.5, 1]).record(0.75)
    meter.create_gauge("my.load", "1").set(0.5)
    meter.create_observable_counter("my.seen", observed(7))
    meter.create_observable_up_down_counter("my.size", observed(-7), "By")
    meter.create_observable_gauge("my.heat", observed(36.6), "Cel")


def series(name: str, value: float, **labels: str) -> dict:
    """One sample as `plain` has it."""
    return {(name, frozenset(labels.items())): value}


EXPECTED: Families = {
    "my_calls": ("counter", series("my_calls_total", 2, tool_name="echo")),
    "my_read_bytes": ("counter", series("my_read_bytes_total", 10)),
    "my_queue": ("gauge", series("my_queue", -3)),
    "my_time_seconds": (
        "histogram",
        series("my_time_seconds_bucket", 0, le="0.5")
        | series("my_time_seconds_bucket", 1, le="1.0")
        | series("my_time_seconds_bucket", 1, le="+Inf")
        | series("my_time_seconds_count", 1)
        | series("my_time_seconds_sum", 0.75),
    ),
    "my_load_ratio": ("gauge", series("my_load_ratio", 0.5)),
    "my_seen": ("counter", series("my_seen_total", 7, kind="seen")),
    "my_size_bytes": ("gauge", series("my_size_bytes", -7, kind="seen")),
    "my_heat_celsius": ("gauge", series("my_heat_celsius", 36.6, kind="seen")),
}


def test_every_instrument_in_prometheus_text(pulled: Pulled) -> None:
    """Names, types, labels, units and values of each kind of instrument, as the text format has them."""
    everything(pulled.meter)
    assert pulled.text() == EXPECTED
    assert b"# HELP my_calls_total Calls.\n" in generate_latest(pulled.registry)


def test_every_instrument_in_openmetrics(pulled: Pulled) -> None:
    """The same in OpenMetrics, which the strict parser accepts; the resource is an info metric."""
    everything(pulled.meter)
    target = series("target_info", 1, service_name="shop", service_instance_id="i-1")
    assert plain(pulled.openmetrics()) == {"target": ("info", target)} | EXPECTED


def test_the_contracts_metrics_have_the_contracts_names(pulled: Pulled) -> None:
    """Each metric of the registry appears under its Prometheus name with its labels, without scope labels."""
    metrics = AelMetrics(pulled.provider)
    metrics.expect_workflow("mixed", [("greet", "tool_call")])
    metrics.expect_tool("echo")
    metrics.error.bind(type="timeout", component="tool").add(errors=1)
    metrics.telemetry.bind(signal="traces", reason="queue_full").add(dropped=1)
    metrics.process.bind().add(running=1)
    metrics.workflow.bind(workflow="mixed", status="success").record(duration=1)
    metrics.tool.bind(tool="echo", status="success").record(duration=1)
    labels = {
        sample: {label for label, _ in key if label != "le"}
        for _, samples in pulled.text().values()
        for sample, key in samples
    }
    of = {
        spec.prometheus + suffix: set(spec.labels)
        for spec in registry.ALL
        for suffix in (("_bucket", "_count", "_sum") if spec.instrument == "histogram" else ("",))
    }
    assert labels.keys() >= {
        "ael_workflow_executions_total",
        "ael_workflow_duration_seconds_bucket",
        "ael_tool_invocations_total",
        "ael_tool_duration_seconds_bucket",
        "ael_step_executions_total",
        "ael_active_workflows",
        "ael_errors_total",
    }
    assert labels == {sample: of[sample] for sample in labels}


def test_exemplars_name_the_trace(pulled: Pulled, tracer: Tracer) -> None:
    """In OpenMetrics a counter row and a histogram's bucket point at the sampled span; plain text has no exemplars."""
    metrics = AelMetrics(pulled.provider)
    span = tracer.start_span("step")
    context = set_span_in_context(span)
    metrics.error.bind(type="timeout", component="tool").add(errors=1, context=context)
    row = metrics.tool.bind(tool="echo", status="success")
    row.record(duration=0.3, invocations=1, context=context)
    row.record(duration=0.02)
    found = {
        (sample.name, sample.labels.get("le")): sample.exemplar
        for family in pulled.openmetrics()
        for sample in family.samples
        if sample.exemplar is not None
        and sample.name.startswith(("ael_errors_", "ael_tool_invocations_", "ael_tool_duration_"))
    }
    expected = {
        "trace_id": format_trace_id(span.get_span_context().trace_id),
        "span_id": format_span_id(span.get_span_context().span_id),
    }
    assert {key: (one.labels, one.value) for key, one in found.items()} == {
        ("ael_errors_total", None): (expected, 1.0),
        ("ael_tool_invocations_total", None): (expected, 1.0),
        ("ael_tool_duration_seconds_bucket", "0.5"): (expected, 0.3),
    }
    assert all(abs(float(one.timestamp) - span.start_time / 1e9) < 60 for one in found.values())
    assert "trace_id" not in generate_latest(pulled.registry).decode()


def test_one_name_in_two_scopes_is_one_family(pulled: Pulled) -> None:
    """Two libraries that count under the same name share a family, each with its own labels."""
    pulled.provider.get_meter("one").create_counter("calls").add(1, {"from": "one"})
    pulled.provider.get_meter("two").create_counter("calls").add(2, {"from": "two"})
    assert pulled.text() == {
        "calls": (
            "counter",
            series("calls_total", 1, **{"from": "one"}) | series("calls_total", 2, **{"from": "two"}),
        )
    }


COLLISIONS: dict[str, list[Callable[[Meter], None]]] = {
    "counter, gauge": [
        lambda meter: meter.create_counter("a.b").add(1),
        lambda meter: meter.create_up_down_counter("a_b").add(2),
    ],
    "gauge, counter, histogram": [
        lambda meter: meter.create_gauge("a.b").set(2),
        lambda meter: meter.create_counter("a-b").add(1),
        lambda meter: meter.create_histogram("a_b").record(3),
    ],
    "counter, a gauge named like its sample": [
        lambda meter: meter.create_counter("a.b").add(1),
        lambda meter: meter.create_gauge("a.b.total").set(2),
    ],
    "gauges named like a histogram's samples": [
        lambda meter: meter.create_gauge("a.b.count").set(2),
        lambda meter: meter.create_histogram("a.b").record(3),
        lambda meter: meter.create_gauge("a.b.sum").set(4),
    ],
    "the name that a collision would take is taken too": [
        lambda meter: meter.create_counter("a.b").add(1),
        lambda meter: meter.create_gauge("a.b.histogram").set(2),
        lambda meter: meter.create_histogram("a_b").record(3),
    ],
    "like the resource": [lambda meter: meter.create_gauge("target.info").set(2)],
}


@pytest.mark.parametrize("case", COLLISIONS)
def test_names_that_collide_stay_apart(pulled: Pulled, tracer: Tracer, case: str) -> None:
    """Different instruments whose names become one in Prometheus are all exposed, and the scrape stays valid.

    With exemplars too: an exporter that puts one on a sample of a wrong type fails the whole scrape.
    """
    with tracer.start_as_current_span("work"):
        for number, use in enumerate(COLLISIONS[case]):
            use(pulled.provider.get_meter(f"scope{number}"))
    families = plain(pulled.openmetrics())
    del families["target"]
    assert len(families) == len(COLLISIONS[case])
    again = plain(text_string_to_metric_families(generate_latest(pulled.registry).decode()))
    assert len(again) == len(COLLISIONS[case]) + 1


def test_an_exponential_histogram_is_left_out() -> None:
    """A metric without a text form does not break the scrape of the rest."""
    reader = PrometheusReader()
    view = View(instrument_name="wide", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader.reader], Resource({}), views=[view], shutdown_on_exit=False)
    meter = provider.get_meter("test")
    meter.create_histogram("wide").record(3)
    meter.create_counter("calls").add(1)
    assert [family.name for family in reader.collect()] == ["target", "calls"]
    provider.shutdown()


def test_pulling_does_not_affect_other_readers(pulled: Pulled) -> None:
    """A scrape and the push to the Collector see the same counts, in any order and number."""
    other = InMemoryMetricReader()
    pulled.provider.add_metric_reader(other)
    counter = pulled.meter.create_counter("calls")
    counter.add(1)
    for _ in range(2):
        assert pulled.text() == {"calls": ("counter", series("calls_total", 1))}
    (metric,) = other.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert metric.data.data_points[0].value == 1


def test_scrapes_at_once_each_get_everything(pulled: Pulled) -> None:
    """Clients that ask at the same moment all get whole answers."""
    everything(pulled.meter)
    answers: list[Families] = []
    threads = [threading.Thread(target=lambda: answers.append(pulled.text())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [EXPECTED] * 8


def test_after_shutdown_there_is_nothing(pulled: Pulled, caplog: pytest.LogCaptureFixture) -> None:
    """A scrape that comes too late gets an empty answer and no warning in the log."""
    everything(pulled.meter)
    pulled.provider.shutdown()
    assert list(pulled.reader.collect()) == []
    assert caplog.records == []


def test_without_a_provider_there_is_nothing() -> None:
    """A reader that was never added to a provider answers with nothing, also when it is registered."""
    reader = PrometheusReader()
    assert list(reader.describe()) == []
    assert list(reader.collect()) == []
