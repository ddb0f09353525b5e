"""The receivers take what exporters send, over both protocols, and nothing else."""

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

from tests.support.otlp_sink import OtlpSink
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.check import LiveCheck
from tools.telemetry_schema.live.listen import listen
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.project import packaged_registry

DOCUMENT = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "scope": {"name": "ael"},
                    "spans": [{"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "Run", "kind": 1}],
                }
            ]
        }
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
def test_request_of_an_exporter_arrives(protocol: str) -> None:
    """A span of the SDK's own exporter comes through with its name, kind, scope and attributes."""
    with OtlpSink(http_port=0) as sink:
        exporter: Any = (
            GrpcExporter(sink.endpoint, insecure=True)
            if protocol == "grpc"
            else HttpExporter(f"{sink.http_endpoint}/v1/traces")
        )
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("ael").start_as_current_span("Python Exec") as span:
            span.set_attribute("ael.step.attempt", 2)
        provider.shutdown()
        (found,) = sink.spans()
    assert (found["name"], found["kind"], found["scope"]) == ("Python Exec", "INTERNAL", "ael")
    assert found["attributes"] == {"ael.step.attempt": 2}


def test_metrics_arrive_too() -> None:
    """Each signal has its own path."""
    with OtlpSink(port=None, http_port=0) as sink:
        provider = MeterProvider(
            [PeriodicExportingMetricReader(OTLPMetricExporter(f"{sink.http_endpoint}/v1/metrics"))]
        )
        provider.get_meter("ael").create_counter("ael.errors", "{error}").add(3, {"type": "other"})
        provider.shutdown()
        assert sink.metrics() == {"ael.errors": {"type=other": 3}}
        assert sink.port == 0


def test_json_and_compression_are_taken() -> None:
    """A client may send JSON, whose ids are in hex, and may compress it."""
    text = json.dumps(DOCUMENT).encode()
    kind = {"Content-Type": "application/json"}
    with OtlpSink(http_port=0) as sink:
        assert post(sink.http_port, "/v1/traces", text, **kind) == 200
        packed = gzip.compress(text)
        assert post(sink.http_port, "/v1/traces", packed, **kind, **{"Content-Encoding": "gzip"}) == 200
        found = [(span["name"], span["trace_id"], span["span_id"]) for span in sink.spans()]
    assert found == [("Run", "0a" * 16, "0b" * 8)] * 2


def test_request_without_telemetry_is_refused() -> None:
    """Another path and a body that does not parse get an error, and the server continues."""
    with OtlpSink(http_port=0) as sink:
        assert post(sink.http_port, "/v1/coffee", b"x") == 404
        assert post(sink.http_port, "/v1/traces", b"{", **{"Content-Type": "application/json"}) == 400
        protobuf = {"Content-Type": "application/x-protobuf"}
        assert post(sink.http_port, "/v1/traces", b"\xff\xff", **protobuf) == 400
        assert sink.requests() == []
        assert post(sink.http_port, "/v1/traces", b"", **protobuf) == 200


@pytest.fixture
def registry() -> Registry:
    """The registry that ships."""
    return packaged_registry()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:99999"])
def test_a_wrong_address_is_named(address: str, registry: Registry) -> None:
    """An address without a port ends in one line that shows how to write it."""
    with pytest.raises(SchemaError, match="write host:port"):
        listen(LiveCheck(registry), grpc=None, http=address, seconds=0, say=lambda _: None)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_port_in_use_is_named(protocol: str, registry: Registry) -> None:
    """Two servers cannot share a port; the second reports it, and closes what it had opened."""
    with OtlpSink(http_port=0) as sink:
        addresses = {"grpc": None, "http": None, protocol: f"127.0.0.1:{sink.http_port}"}
        with pytest.raises(SchemaError, match="cannot be listened on"):
            listen(LiveCheck(registry), **addresses, seconds=0, say=lambda _: None)
