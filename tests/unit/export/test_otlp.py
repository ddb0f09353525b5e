"""OTLP/JSON as specified.

The Collector that this project builds from source has no `otlpjsonfile` receiver (deploy/images/collector/manifest.yaml
lists what it has), so the format is held to two other readers: here to the protocol's own messages, read by protobuf's
JSON mapping after the ids were turned from hex to base64, which is the one thing in which that mapping differs; and in
test_push.py to the real Collector's OTLP/HTTP receiver, which reads JSON with the same code as `otlpjsonfile`.
"""

import base64
import json
import math

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from ael_otel.errors import ImportFormatError
from ael_otel.export.otlp import any_value, decode, encode, read_value
from ael_otel.export.span_tree import spans_of
from tests.unit.export.conftest import ATTRIBUTES, MESSY, SPANS, VALUES

IDS = ("traceId", "spanId", "parentSpanId")


def by_protobuf(data: bytes) -> TracesData:
    """The message that protobuf reads; it refuses a field that the protocol does not have."""

    def with_base64_ids(mapping):
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode() if key in IDS else value
            for key, value in mapping.items()
        }

    document = json.loads(data, object_hook=with_base64_ids)
    return json_format.ParseDict(document, TracesData())


def test_ids_are_hex_enumerations_are_integers_and_long_integers_are_text(full):
    """The three rules in which OTLP's JSON differs from protobuf's."""
    [resource] = json.loads(encode(spans_of(full)))["resourceSpans"]
    [scope] = resource["scopeSpans"]
    call = scope["spans"][2]
    assert (call["traceId"], call["spanId"], call["parentSpanId"]) == (
        full.trace_id,
        "1000000000000003",
        "1000000000000002",
    )
    assert (call["kind"], call["status"]) == (3, {"message": "MCP_CONNECTION", "code": 2})
    assert call["startTimeUnixNano"] == "1795236999124456000"
    step = scope["spans"][0 + 1]["attributes"]
    assert {"key": "ael.step.index", "value": {"intValue": "1"}} in step
    assert resource["resource"]["attributes"] == [{"key": "service.name", "value": {"stringValue": "ael"}}]


def test_the_first_bytes_of_two_exports_differ(full, direct):
    """Readers that follow files take two files with the same first kilobyte for one."""
    first, second = (encode(spans_of(run)) for run in (full, direct))
    assert first[:100] != second[:100]
    assert full.trace_id.encode() in first[:100]


@given(st.lists(SPANS, max_size=3))
def test_protobuf_reads_the_same_from_any_spans(spans):
    """For any names, ids, times and attributes the protocol's own messages hold the same values."""
    read = [
        (span, scope.scope, resource.resource)
        for resource in by_protobuf(encode(spans)).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len(read) == len(spans)
    for (message, scope, resource), span in zip(read, spans, strict=True):
        assert message.trace_id.hex() == span.trace_id
        assert message.span_id.hex() == span.span_id
        assert message.parent_span_id.hex() == span.parent_id
        assert (message.name, scope.name) == (span.name, span.scope)
        assert resource.attributes[0].value.string_value == span.service
        assert (message.start_time_unix_nano, message.end_time_unix_nano) == (span.start_ns, span.end_ns)
        assert message.SpanKind.Name(message.kind) == f"SPAN_KIND_{span.kind.upper()}"
        assert message.status.StatusCode.Name(message.status.code) == f"STATUS_CODE_{span.status.upper()}"
        assert [event.time_unix_nano for event in message.events] == [event.time_ns for event in span.events]
        assert {item.key for item in message.attributes} == set(span.attributes)


@given(st.lists(SPANS, max_size=3))
def test_spans_come_back_as_they_went(spans):
    """Encoding and decoding change nothing, with every kind of attribute."""
    assert decode(encode(spans)) == spans


@given(VALUES)
def test_every_value_comes_back(value):
    """Text, truth values, integers, floats (also infinite ones), bytes, lists and mappings."""
    assert read_value(any_value(value)) == value


def test_values_without_a_word_in_the_protocol_become_text():
    """An integer of more than 64 bits, NaN, an object."""
    assert any_value(2**63) == {"stringValue": "9223372036854775808"}
    assert any_value(math.nan) == {"doubleValue": "NaN"}
    assert math.isnan(read_value({"doubleValue": "NaN"}))
    assert any_value(ValueError("x")) == {"stringValue": "x"}


@given(SPANS, MESSY, ATTRIBUTES)
def test_messy_text_is_still_json(span, text, attributes):
    """NUL and halves of surrogate pairs are replaced, not raised."""
    messy = type(span)(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=text,
        start_ns=0,
        end_ns=0,
        attributes={**attributes, text: text},
    )
    assert len(by_protobuf(encode([messy])).resource_spans) == 1


def test_json_of_protobuf_libraries_is_read_too(full):
    """Names of enumerations, integers as numbers, fields by the names of the .proto file, unknown fields."""
    span = {
        "trace_id": full.trace_id.upper(),
        "span_id": "00000000000000ab",
        "name": "chat",
        "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": 1,
        "end_time_unix_nano": 2,
        "status": {"code": "STATUS_CODE_ERROR"},
        "links": [{"traceId": "x"}],
        "attributes": [
            {"key": "n", "value": {"int_value": 3}},
            {"key": "new", "value": {"quantumValue": 1}},
        ],
    }
    document = {"resource_spans": [{"scope_spans": [{"spans": [span]}]}], "later": 1}
    [read] = decode(json.dumps(document))
    assert (read.trace_id, read.kind, read.status, read.service) == (
        full.trace_id,
        "client",
        "error",
        "unknown_service",
    )
    assert (read.start_ns, read.end_ns, read.attributes) == (1, 2, {"n": 3, "new": None})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "`resourceSpans` is missing"),
        ('{"resourceLogs": []}', "`resourceSpans` is missing"),
    ],
)
def test_document_that_is_not_otlp_is_refused(text, said):
    """The message names the missing part."""
    with pytest.raises(ImportFormatError, match=said):
        decode(text)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("traceId", "oPY7QaD2O0Gg9jtBoPY7", "traceId must be 32 hex digits"),
        ("traceId", "A" * 22 + "==", "traceId must be 32 hex digits that are not all 0"),
        ("spanId", "0" * 16, "spanId must be 16 hex digits that are not all 0"),
        ("spanId", None, "spanId must be"),
        ("startTimeUnixNano", "soon", "startTimeUnixNano must be nanoseconds"),
        ("endTimeUnixNano", -1, "endTimeUnixNano must be nanoseconds"),
    ],
)
def test_a_span_that_cannot_be_one_is_refused(field, value, said):
    """Base64 ids, ids of zeros, times that are none: the field is named."""
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, field: value}]}]}]}
    with pytest.raises(ImportFormatError, match=said):
        decode(json.dumps(document))
