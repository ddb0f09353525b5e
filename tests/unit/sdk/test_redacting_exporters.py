"""Foreign telemetry leaves our exporters redacted: each field of each signal, and nothing is changed in place."""

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExporter, MetricsData
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace import NonRecordingSpan as Remote

from ael_otel.config import Settings, settings_from_mapping
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.privacy.markers import FAULT
from ael_otel.sdk.redacting_exporters import (
    RedactingMetricExporter,
    RedactingSpanExporter,
    clean_log,
    clean_metrics,
    clean_resource,
    clean_span,
)

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
ELSEWHERE = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
GUARD = ActiveRedaction(Settings())


class Kept(SpanExporter):
    """Stores its arguments."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep them."""
        self.spans += spans
        return SpanExportResult.SUCCESS


def spans_of(make: Any, resource: Resource | None = None) -> tuple[ReadableSpan, ReadableSpan]:
    """Return the span that `make` completes, original and exported."""
    raw, clean = Kept(), Kept()
    provider = TracerProvider(
        resource=resource or Resource({}),
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_attributes=2, max_events=2),
    )
    provider.add_span_processor(SimpleSpanProcessor(raw))
    provider.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(clean)))
    make(provider.get_tracer("foreign"))
    return raw.spans[0], clean.spans[0]


def test_every_field_of_a_span_is_redacted_in_a_copy() -> None:
    """Proves it for name, attributes, status, events, exceptions, links and the resource; ids, times and drops stay."""

    def make(tracer: Any) -> None:
        with tracer.start_as_current_span(f"GET {KEY}", links=[Link(ELSEWHERE, {"why": KEY})]) as span:
            span.set_attributes({"a": 1, "token": "no-shape-at-all", "said": ["ok", KEY]})  # hygiene: made up
            span.add_event("finds no room")
            span.add_event(f"got {KEY}", {"text": KEY})
            span.record_exception(ValueError(KEY))
            span.set_status(Status(StatusCode.ERROR, f"no: {KEY}"))

    raw, clean = spans_of(make, Resource({"process.command_args": ("serve", "--api-key", "hunter2", KEY)}))
    assert KEY not in clean.to_json()
    assert "no-shape" not in clean.to_json()
    assert "hunter2" not in clean.to_json()
    assert KEY in raw.to_json()
    assert (clean.context, clean.start_time, clean.end_time) == (raw.context, raw.start_time, raw.end_time)
    assert clean.dropped_attributes == raw.dropped_attributes == 1
    assert clean.dropped_events == raw.dropped_events == 1
    assert clean.status.description == "no: [TOKEN]"
    assert clean.instrumentation_scope == raw.instrumentation_scope


def test_a_clean_span_goes_out_as_the_object_that_it_is() -> None:
    """Proves that nothing is copied where there is nothing to take out."""
    raw, _ = spans_of(lambda tracer: tracer.start_span("GET /", attributes={"http.route": "/"}).end())
    assert clean_span(raw, GUARD) is raw


def test_a_fault_lets_only_ids_times_and_status_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that redaction of a span, a record or a metric that fails fails closed, and counts each of them."""

    def fails(*_: object) -> str:
        raise RuntimeError("made up")

    metrics = AelMetrics()
    guard = ActiveRedaction(Settings(), metrics)
    monkeypatch.setattr(guard, "name", fails)
    monkeypatch.setattr(guard, "attributes", fails)
    raw, _ = spans_of(lambda tracer: tracer.start_span(KEY, attributes={"said": KEY}).end())
    found = clean_span(raw, guard)
    assert (found.name, dict(found.attributes or {}), found.context) == (FAULT, {}, raw.context)
    assert faults_of(metrics) == 1
    record = ReadableLogRecord(LogRecord(body=KEY, attributes={"said": KEY}), Resource({"a": "b"}))
    assert KEY not in clean_log(record, guard).to_json()
    assert faults_of(metrics) == 2
    assert clean_metrics(collected(MeterProvider()), guard).resource_metrics == []
    assert faults_of(metrics) == 3


def faults_of(metrics: AelMetrics) -> int:
    """How many values were replaced because redaction failed."""
    return metrics.redaction.bind(kind="error").redaction


def test_a_metric_that_cannot_be_redacted_is_left_out_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a fault in one metric counts once and costs no other metric of the same export."""
    metrics = AelMetrics()
    guard = ActiveRedaction(Settings(), metrics)
    asked = guard.name

    def fails_once(name: str) -> str:
        if name == "wide":
            raise RuntimeError("made up")
        return asked(name)

    monkeypatch.setattr(guard, "name", fails_once)
    (found,) = clean_metrics(collected(), guard).resource_metrics
    assert {metric.name for metric in found.scope_metrics[0].metrics} == {"narrow", "times", "level"}
    assert KEY not in found.to_json()
    assert faults_of(metrics) == 1


def test_a_foreign_log_record_is_redacted() -> None:
    """Proves it for body, nested body, attributes and resource; the original record is not changed."""
    inner = LogRecord(body={"said": [KEY], "password": "x-y-z"}, attributes={"why": KEY}, event_name="e")
    record = ReadableLogRecord(inner, Resource({"app.api_key": "x"}), InstrumentationScope("foreign"))
    found = clean_log(record, GUARD)
    assert found.log_record.body == {"said": ["[TOKEN]"], "password": "[PASSWORD]"}
    assert dict(found.log_record.attributes or {}) == {"why": "[TOKEN]"}
    assert dict(found.resource.attributes) == {"app.api_key": "[API_KEY]"}
    assert inner.body == {"said": [KEY], "password": "x-y-z"}


def collected(provider: MeterProvider | None = None) -> MetricsData:
    """Metrics whose labels and exemplars hold secrets."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(
        [reader],
        Resource({"owner": "ada@example.org"}),
        views=[View(Counter, "narrow", attribute_keys={"path"})],
        shutdown_on_exit=False,
    )
    meter = provider.get_meter("foreign")
    context = set_span_in_context(Remote(ELSEWHERE))
    narrow, wide = meter.create_counter("narrow"), meter.create_counter("wide")
    times, level = meter.create_histogram("times"), meter.create_gauge("level")
    narrow.add(1, {"path": "/", "said": KEY}, context)
    for number, who in enumerate(("a@example.org", "b@example.org")):
        wide.add(2, {"who": who}, context)
        times.record(number + 0.5, {"who": who}, context)
        level.set(number + 1, {"who": who})
    data = reader.get_metrics_data()
    assert data is not None
    return data


def test_labels_exemplars_and_the_resource_of_metrics_are_redacted_and_equal_series_become_one() -> None:
    """Proves that no secret is left, that sums and histograms add up, and that no two series have the same labels."""
    data = collected()
    found = clean_metrics(data, GUARD)
    assert KEY not in found.to_json()
    assert "example.org" not in found.to_json()
    assert KEY in data.to_json()
    metrics = {
        metric.name: metric.data.data_points for metric in found.resource_metrics[0].scope_metrics[0].metrics
    }
    (wide,), (times,), (level,), (narrow,) = (metrics[name] for name in ("wide", "times", "level", "narrow"))
    assert (dict(wide.attributes), wide.value) == ({"who": "[EMAIL]"}, 4)  # type: ignore[arg-type]
    assert (times.count, times.sum, times.min, times.max) == (2, 2.0, 0.5, 1.5)
    assert (sum(times.bucket_counts), level.value) == (2, 2)
    assert narrow.exemplars[0].filtered_attributes == {"said": "[TOKEN]"}


def test_names_of_attributes_and_scopes_are_redacted_too() -> None:
    """Proves it for all three signals and the resource: libraries make names from arguments, also addresses."""
    about = {"password": "no-shape", KEY: "x"}  # hygiene: made up
    spans, reader = Kept(), InMemoryMetricReader()
    origin = Resource({f"by.{KEY}": "x", "ada@example.org": "x", "bob@example.org": "y"})
    traces = TracerProvider(resource=origin, shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(spans)))
    with traces.get_tracer(f"lib {KEY}", "1", attributes=about).start_as_current_span("GET") as span:
        span.set_attributes({f"seen.{KEY}": 1, "ada@example.org": 2, "bob@example.org": 3})
        span.add_event("e", {f"seen.{KEY}": 1})
    meter = MeterProvider([reader], origin, shutdown_on_exit=False).get_meter(f"lib {KEY}", attributes=about)
    meter.create_counter("calls").add(1, {f"seen.{KEY}": "x"})
    data = reader.get_metrics_data()
    assert data is not None
    library = InstrumentationScope(f"lib {KEY}", attributes=about)
    record = clean_log(ReadableLogRecord(LogRecord(body="b", attributes={KEY: 1}), origin, library), GUARD)

    (sent,) = spans.spans
    assert dict(sent.attributes or {}) == {"seen.[TOKEN]": 1, "[EMAIL]": 2, "[EMAIL]#2": 3}
    assert dict(sent.resource.attributes) == {"by.[TOKEN]": "x", "[EMAIL]": "x", "[EMAIL]#2": "y"}
    metrics = clean_metrics(data, GUARD)
    found = [sent.to_json(), repr(sent.instrumentation_scope), metrics.to_json(), record.to_json()]
    found.append(repr(record.instrumentation_scope))
    for each in found:
        assert KEY not in each
        assert "no-shape" not in each
    for library in (sent.instrumentation_scope, record.instrumentation_scope):
        assert library is not None
        assert library.name == "lib [TOKEN]"
        assert dict(library.attributes or {}) == {"password": "[PASSWORD]", "[TOKEN]": "x"}
    assert sent.instrumentation_scope.version == "1"


def test_metric_exporter_keeps_temporality_and_aggregation() -> None:
    """Proves that temporality and aggregation are those of the wrapped exporter, and that it gets redacted metrics."""
    taken: list[MetricsData] = []

    class Inner(MetricExporter):
        def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> Any:
            taken.append(metrics_data)

        def force_flush(self, timeout_millis: float = 10_000) -> bool:
            return True

        def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
            pass

    inner = Inner(preferred_temporality={Counter: 1})  # type: ignore[dict-item]
    outer = RedactingMetricExporter(inner)
    outer.export(collected())
    assert outer._preferred_temporality == inner._preferred_temporality
    assert KEY not in taken[0].to_json()


def test_a_clean_resource_is_the_same_object() -> None:
    """Proves that ordinary resource attributes survive: ids, versions, names, paths."""
    resource = Resource(
        {
            "service.name": "ael",
            "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
            "process.command_args": ("ael", "serve", "--port", "8082"),
            "host.id": "fdbf79e8af94cb7f9e8df36789187052",
        }
    )
    assert clean_resource(resource, GUARD) is resource


def test_the_policy_of_the_configuration_counts() -> None:
    """Proves that own field patterns, allowed fields and scrub_pii apply to exported telemetry."""
    settings = settings_from_mapping(
        {
            "privacy": {"scrub_pii": False},
            "redaction": {"sensitive_field_patterns": ["^pet$"], "allow_fields": ["password"]},
        }
    )
    found = ActiveRedaction(settings).attributes(
        {"pet": "rex", "password": "shown", "mail": "ada@example.org"}
    )
    assert found == {"pet": "[REDACTED]", "password": "shown", "mail": "ada@example.org"}  # hygiene: made up


def test_redaction_fault_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span and a log record whose redaction fails are delivered without content, and counted by reason."""
    lost: list[tuple[str, str, int]] = []

    class Counting:
        def lost(self, signal: str, reason: str, count: int) -> None:
            lost.append((signal, reason, count))

    monkeypatch.setattr("ael_otel.sdk.redacting_exporters.shared_metrics", Counting)
    raw, _ = spans_of(lambda tracer: tracer.start_span("work", attributes={"key": KEY}).end())
    record = ReadableLogRecord(LogRecord(body=KEY, attributes={"key": KEY}), Resource({}))

    def fail(*_: object) -> None:
        raise ValueError("a fault of ours")

    guard = ActiveRedaction(Settings())
    monkeypatch.setattr(guard, "attributes", fail)
    span, log = clean_span(raw, guard), clean_log(record, guard)
    assert lost == [("traces", "redaction_error", 1), ("logs", "redaction_error", 1)]
    assert (span.name, dict(span.attributes or {})) == (FAULT, {})
    assert (log.log_record.body, log.log_record.attributes) == (FAULT, {})
