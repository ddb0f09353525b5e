"""Zipkin v2 JSON against its published schema, and Jaeger's JSON against the fields that its interface reads."""

import importlib.util
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ael_otel.export.formats import write_jaeger, write_zipkin
from ael_otel.export.jaeger import as_jaeger
from ael_otel.export.span_tree import spans_of
from ael_otel.export.zipkin import as_zipkin
from tests.support.needs import require
from tests.unit.export.conftest import SPANS

SCHEMA = json.loads(Path(__file__).with_name("zipkin2.schema.json").read_text("utf-8"))


def check(document):
    """Hold a list of spans to the schema."""
    require(importlib.util.find_spec("jsonschema"), "jsonschema is absent: it comes with the `engine` extra")
    import jsonschema

    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)


@given(st.lists(SPANS, max_size=3))
def test_any_spans_fit_zipkins_schema(spans):
    """With any kind, time, event and attribute."""
    check(json.loads(json.dumps([as_zipkin(span) for span in spans])))


def test_zipkin_has_a_run_with_its_services_errors_and_retries(full):
    """Tool servers are remote endpoints, the failure is the tag `error`, the retry an annotation."""
    spans = json.loads(b"".join(write_zipkin([full])))
    check(spans)
    assert len(spans) == 10
    root, step, call = spans[:3]
    assert "parentId" not in root
    assert (step["parentId"], call["parentId"]) == (root["id"], step["id"])
    assert (root["timestamp"], root["duration"]) == (1795236999123456, 50250)
    assert root["tags"]["error"] == "TOOL_FAILED"
    assert (call["kind"], call["remoteEndpoint"]) == ("CLIENT", {"serviceName": "demo"})
    assert json.loads(step["annotations"][0]["value"]) == {
        "retry": {"ael.step.attempt": "2", "ael.error.type": "MCP_CONNECTION"}
    }
    assert spans[7]["duration"] == 1, "Zipkin takes nothing shorter"


def test_jaeger_has_a_run_as_one_trace(full, direct):
    """References to parents, typed tags, a process for the service."""
    document = json.loads(b"".join(write_jaeger([full, direct])))
    trace, other = document["data"]
    assert (trace["traceID"], other["traceID"]) == (full.trace_id, direct.trace_id)
    assert trace["processes"] == {"p1": {"serviceName": "ael", "tags": []}}
    root, step = trace["spans"][:2]
    assert root["references"] == []
    assert step["references"] == [{"refType": "CHILD_OF", "traceID": full.trace_id, "spanID": root["spanID"]}]
    assert {"key": "error", "type": "bool", "value": True} in root["tags"]
    assert {"key": "ael.step.index", "type": "int64", "value": 1} in step["tags"]
    assert step["logs"][0]["fields"][0] == {"key": "event", "type": "string", "value": "retry"}


@given(st.lists(SPANS, min_size=1, max_size=3))
def test_any_spans_are_jaeger_json(spans):
    """Every tag has a value of its declared type, and no number is one that a browser rounds."""
    kinds = {"string": str, "bool": bool, "int64": int, "float64": float}
    for span in json.loads(json.dumps(as_jaeger(spans)))["spans"]:
        for tag in span["tags"]:
            assert isinstance(tag["value"], kinds[tag["type"]])
            if tag["type"] == "int64":
                assert abs(tag["value"]) < 2**53


def test_no_content_leaves_in_spans(full):
    """Neither inputs nor results nor messages are in either format."""
    assert spans_of(full)
    for write in (write_zipkin, write_jaeger):
        text = b"".join(write([full])).decode()
        assert "Ada" not in text
        assert "card declined" not in text
