"""The receivers on loopback take what exporters send, over both protocols, and nothing else."""

import gzip
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.samples import Batch, Span
from tools.telemetry_schema.live.sink import Sink

DOCUMENT = {
    "resourceSpans": [
        {"scopeSpans": [{"scope": {"name": "ael"}, "spans": [{"name": "Workflow Execution", "kind": 1}]}]}
    ]
}


def post(port: int, path: str, body: bytes, **headers: str) -> int:
    """Send a request and return the status of the answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_an_exporter_sends_arrives(protocol: str) -> None:
    """A span of the SDK's own exporter comes through with its name, kind, scope and attributes."""
    taken: list[Batch] = []
    with Sink(taken.extend, grpc="127.0.0.1:0", http="127.0.0.1:0") as sink:
        exporter: Any = (
            GrpcExporter(f"http://127.0.0.1:{sink.grpc_port}", insecure=True)
            if protocol == "grpc"
            else HttpExporter(f"http://127.0.0.1:{sink.http_port}/v1/traces")
        )
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("ael", "1", schema_url="https://x/1").start_as_current_span(
            "Python Exec"
        ) as span:
            span.set_attribute("ael.step.attempt", 2)
        provider.shutdown()
        assert sink.requests == 1
    (batch,) = taken
    assert (batch.scope.name, batch.scope.schema_url) == ("ael", "https://x/1")
    (item,) = batch.items
    assert isinstance(item, Span)
    assert (item.name, item.kind, item.attributes) == ("Python Exec", "internal", {"ael.step.attempt": 2})


def test_metrics_arrive_too() -> None:
    """Each signal has its own path, and the number of a point survives being text in JSON."""
    taken: list[Batch] = []
    with Sink(taken.extend, http="127.0.0.1:0") as sink:
        exporter = OTLPMetricExporter(f"http://127.0.0.1:{sink.http_port}/v1/metrics")
        provider = MeterProvider([PeriodicExportingMetricReader(exporter)])
        provider.get_meter("ael").create_counter("ael.errors", "{error}").add(3, {"type": "other"})
        provider.shutdown()
    ((metric,),) = [batch.items for batch in taken]
    assert (metric.name, metric.unit, metric.instrument) == ("ael.errors", "{error}", "counter")  # type: ignore[union-attr]
    assert metric.points[0].value == 3  # type: ignore[union-attr]


def test_json_and_compression_are_taken() -> None:
    """A client may send JSON, and may compress it."""
    taken: list[Batch] = []
    text = json.dumps(DOCUMENT).encode()
    with Sink(taken.extend, http="127.0.0.1:0") as sink:
        kind = {"Content-Type": "application/json"}
        assert post(sink.http_port, "/v1/traces", text, **kind) == 200
        assert (
            post(sink.http_port, "/v1/traces", gzip.compress(text), **kind, **{"Content-Encoding": "gzip"})
            == 200
        )
    assert [batch.items[0].name for batch in taken] == ["Workflow Execution"] * 2  # type: ignore[union-attr]


def test_what_is_no_telemetry_is_refused() -> None:
    """Another path and a body that does not parse get an error, and the sink goes on."""
    with Sink(lambda _: None, http="127.0.0.1:0") as sink:
        assert post(sink.http_port, "/v1/coffee", b"x") == 404
        assert post(sink.http_port, "/v1/traces", b"{", **{"Content-Type": "application/json"}) == 400
        assert (
            post(sink.http_port, "/v1/traces", b"\xff\xff", **{"Content-Type": "application/x-protobuf"})
            == 400
        )
        assert sink.requests == 0


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:99999"])
def test_a_wrong_address_is_named(address: str) -> None:
    """An address without a port ends in one line that shows how to write it."""
    with pytest.raises(SchemaError, match="write host:port"), Sink(lambda _: None, http=address):
        pass


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_port_in_use_is_named(protocol: str) -> None:
    """Two sinks cannot share a port; the second says so."""
    with Sink(lambda _: None, http="127.0.0.1:0") as sink:
        taken = f"127.0.0.1:{sink.http_port}"
        with (
            pytest.raises(SchemaError, match="cannot be listened on"),
            Sink(lambda _: None, **{protocol: taken}),  # type: ignore[arg-type]
        ):
            pass
