"""Requests of many items: encoded in slices, with pauses between them, into what one encoding would have given."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.redaction import active_redaction
from ael_otel.sdk import otlp_exporters
from ael_otel.sdk.otlp_exporters import SLICE, span_delivery
from ael_otel.sdk.otlp_transport import Answer


class Collects:
    """A transport that keeps its requests."""

    address = "receiver:4317"

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Take one request."""
        self.bodies.append(body)
        return Answer(None)

    def close(self) -> None:
        """Do nothing."""


def spans(count: int) -> list[ReadableSpan]:
    """Return spans of two resources, two scopes and a schema, mixed."""
    exporter = InMemorySpanExporter()
    providers = [TracerProvider(resource=Resource({"service.name": name})) for name in ("one", "other")]
    for provider in providers:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracers = [provider.get_tracer(name) for provider in providers for name in ("a", "b")]
    tracers.append(providers[0].get_tracer("a", schema_url="https://example.org/schema"))
    for number in range(count):
        tracers[number % 7 % len(tracers)].start_span(f"span {number}").end()
    return list(exporter.get_finished_spans())


@pytest.mark.parametrize("count", [1, SLICE, SLICE + 1, 4 * SLICE + 3])
def test_request_of_several_slices_is_that_of_one_encoding(count: int) -> None:
    """Proves that resources and scopes are not repeated, and that no span is lost, moved or sent twice."""
    transport, settled = Collects(), list[tuple[int, TelemetryDropReason | None]]()
    given = spans(count)
    span_delivery(transport).deliver(given, lambda count, reason: settled.append((count, reason)))
    (body,) = transport.bodies
    assert ExportTraceServiceRequest.FromString(body) == encode_spans(given)
    assert sum(count for count, reason in settled if reason is None) == count


def test_export_lets_other_threads_run_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that redaction and encoding of a batch pause after each slice, but not at the end of a process."""
    pauses: list[float] = []
    monkeypatch.setattr(otlp_exporters, "pause", pauses.append)
    delivery = span_delivery(Collects())
    delivery.deliver(spans(3 * SLICE), lambda count, reason: None)
    assert len(pauses) == 5
    assert min(pauses) > 0
    delivery.hurry()
    delivery.deliver(spans(3 * SLICE), lambda count, reason: None)
    assert set(pauses[5:]) == {0}


def test_export_gives_way_again_after_a_hurried_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a flush hurries the batch that it waits for, and not the exporter for the rest of the process."""
    pauses: list[float] = []
    monkeypatch.setattr(otlp_exporters, "pause", pauses.append)
    delivery = span_delivery(Collects())
    delivery.hurry()
    for _ in range(2):
        delivery.deliver(spans(3 * SLICE), lambda count, reason: None)
    assert set(pauses[:5]) == {0}
    assert len(pauses) == 10
    assert min(pauses[5:]) > 0


@pytest.mark.parametrize("hurried", [False, True])
def test_export_lets_other_threads_run_inside_a_long_item(
    monkeypatch: pytest.MonkeyPatch, hurried: bool
) -> None:
    """Proves that the redaction of one long attribute pauses too, without a sleep where little time is left."""
    pauses: list[float] = []
    monkeypatch.setattr(otlp_exporters, "pause", pauses.append)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    long = "".join(f"the token {number} is at {number}; " for number in range(8_000))
    provider.get_tracer("a").start_span("long", attributes={"text": long}).end()
    delivery = span_delivery(Collects())
    if hurried:
        delivery.hurry()
    active_redaction().redactor.forget()
    delivery.deliver(exporter.get_finished_spans(), lambda count, reason: None)
    assert len(pauses) > 10
    assert all(pause == 0 if hurried else pause > 0 for pause in pauses)
    before = len(pauses)
    active_redaction().redactor.forget()
    active_redaction().redactor.value(long)
    assert len(pauses) == before, "the thread gives way after the delivery"
