"""The way back: records from our spans, from those of others, and from files."""

import base64
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.errors import ImportFormatError
from ael_otel.export import otlp
from ael_otel.export.formats import write, write_json, write_jsonl, write_otlp
from ael_otel.export.import_formats import LeftOut, read, read_with_rest, records_of
from ael_otel.export.span_tree import Span, spans_of
from ael_otel.store.records import ModelCallRecord, PriceRecord
from tests.unit.export.conftest import SPANS, records


def without_content(record):
    """The part of a run that a trace holds: no content, no messages, no engine internals."""

    def bare(error):
        return None if error is None else error.code

    return {
        "id": record.execution_id,
        "type": record.type,
        "status": record.status,
        "workflow": (record.workflow_name, record.workflow_version),
        "times": (record.started_at, record.completed_at, record.duration_ms),
        "ids": (record.trace_id, record.span_id),
        "error": bare(record.error),
        "steps": [
            {
                "step": (step.step_id, step.index, step.step_type, step.status, step.skip_reason),
                "times": (step.started_at, step.duration_ms or 0.0),
                "tool": (step.tool_name, step.server, step.attempt, step.max_attempts),
                "code": None if step.code is None else (step.code.code_hash, step.code.started_at),
                "hash": step.code_hash,
                "error": bare(step.error),
                "calls": [
                    (
                        call.tool_name,
                        call.source,
                        call.sequence,
                        call.server,
                        call.status,
                        call.duration_ms,
                        call.span_id,
                    )
                    for call in step.tool_calls
                ],
            }
            for step in record.steps
        ],
    }


def test_a_run_comes_back_from_its_spans(full):
    """Field by field, content apart."""
    [back] = records_of(spans_of(full))
    full.completed_at = back.completed_at  # the clock's; the spans have the duration's
    assert without_content(back) == without_content(full)


def test_model_calls_come_back_with_their_recorded_cost(full):
    """Counts, cost and price are those of the record: an import computes no other cost."""
    table = PriceRecord("claude x", "anthropic", "prices.yaml contract 7", "2026-01-01")
    full.model_calls = [
        ModelCallRecord(
            "result",
            full.started_at,
            "claude-x",
            "anthropic",
            step_id="greet",
            tool_name="echo",
            call_id="call-echo-2",
            input_tokens=1_200,
            output_tokens=30,
            cache_read_tokens=200,
            cache_write_tokens=100,
            reasoning_tokens=10,
            cost_nano=961_234_567,
            currency="EUR",
            cost_source="table",
            price=table,
        ),
        ModelCallRecord(
            "span", full.started_at, "m", span_id="00000000000000aa", input_tokens=1, cost_source="none"
        ),
    ]
    spans = spans_of(full)
    named = [span for span in spans if span.name == "Model Call"]
    assert [span.parent_id for span in named] == ["1000000000000004", "1000000000000001"]
    [back] = records_of(spans)
    priced, unpriced = sorted(back.model_calls, key=lambda call: call.cost_source == "none")
    kept = ("model", "provider", "step_id", "tool_name", "input_tokens", "output_tokens", "cache_read_tokens")
    kept += ("cache_write_tokens", "reasoning_tokens", "cost_nano", "currency", "cost_source", "price")
    for name in kept:
        assert getattr(priced, name) == getattr(full.model_calls[0], name), name
    assert (unpriced.input_tokens, unpriced.cost_source, unpriced.cost_nano) == (1, "none", None)
    assert unpriced.span_id == "00000000000000aa"
    assert len({span.span_id for span in spans}) == len(spans)


def test_model_call_that_is_a_step_of_another_agent_is_one_span():
    """The chat below an agent's run is its step too: exported, it is one span with the usage on it."""

    def span(number, parent, name, **facts):
        return Span(
            trace_id="a" * 32,
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}" if parent else "",
            name=name,
            start_ns=number * 1_000_000,
            end_ns=number * 1_000_000 + 500_000,
            attributes=facts,
        )

    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7, "gen_ai.response.model": "m"}
    [run] = records_of([span(1, 0, "bot"), span(2, 1, "chat m", **chat)])
    spans = spans_of(run)
    assert [each.span_id for each in spans] == [f"{1:016x}", f"{2:016x}"]
    assert spans[1].attributes["gen_ai.usage.input_tokens"] == 7


def test_the_order_of_spans_and_repeated_ones_do_not_matter(full, direct):
    """A Collector writes batches, and a retried request twice."""
    spans = [*spans_of(full), *spans_of(direct)]
    back = sorted(map(msgspec.json.encode, records_of(spans)))
    assert sorted(map(msgspec.json.encode, records_of([*reversed(spans), *spans]))) == back


def test_a_run_that_had_not_ended_is_marked(going_on):
    """It can never end here."""
    [back] = records_of(spans_of(going_on))
    assert (back.status, back.error.code) == ("failed", "interrupted")


def test_runs_that_share_a_trace_stay_apart(full):
    """A caller's trace with two runs in it, and spans of the caller above them."""
    other = msgspec.json.decode(msgspec.json.encode(full), type=type(full))
    other.execution_id = "exec-other"
    above = Span(trace_id=full.trace_id, span_id="f" * 16, name="agent", start_ns=0, end_ns=9)
    spans = [above]
    for number, run in enumerate((full, other)):
        for span in spans_of(run):
            parent = span.parent_id and f"{number}{span.parent_id[1:]}"
            spans.append(
                msgspec.structs.replace(
                    span, span_id=f"{number}{span.span_id[1:]}", parent_id=parent or above.span_id
                )
            )
    found = {run.execution_id: run for run in records_of(spans)}
    assert set(found) == {"exec-7f3a91c20001", "exec-other"}
    assert [len(run.steps) for run in found.values()] == [4, 4]


def test_a_trace_of_another_agent_is_a_run_of_its_root():
    """Spans below the root become steps, tool spans below these become calls, with the content that they carry."""

    def span(number, parent, name, **more):
        return Span(
            trace_id="a" * 32,
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}" if parent else "",
            name=name,
            start_ns=number * 1_000_000,
            end_ns=number * 1_000_000 + 500_000,
            service="helper",
            scope="other",
            **more,
        )

    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    given = {"gen_ai.tool.call.arguments": '{"q": "cats"}', "output.value": "nine lives"}
    spans = [
        span(1, 0, "invoke_agent", attributes={"input.value": "find cats", "output.value": b"found"}),
        span(2, 1, "chat"),
        span(3, 2, "execute_tool search", attributes=tool | given, status="error", status_message="boom"),
        span(4, 1, "execute_tool search", attributes=tool),
    ]
    [run] = records_of(spans)
    assert (run.workflow_name, run.status) == ("invoke_agent", "completed")
    assert [len(step.tool_calls) for step in run.steps] == [1, 1]
    [call] = run.steps[0].tool_calls
    assert (call.tool_name, call.status, call.error.message) == ("search", "error", "boom")
    assert (run.inputs, run.outputs) == ("find cats", "found")
    assert (call.params, call.result) == ('{"q": "cats"}', "nine lives")
    assert (run.steps[1].tool_calls[0].params, run.steps[1].tool_calls[0].result) == (None, None)


@given(st.lists(SPANS, max_size=6))
def test_any_spans_make_records_that_can_be_stored(spans):
    """Also without roots, in circles, with ids that are there twice."""
    early = [
        msgspec.structs.replace(span, start_ns=span.start_ns % 10**18, end_ns=span.end_ns % 10**18)
        for span in spans
    ]
    for record in records_of(early):
        assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


@given(st.lists(records(), max_size=2))
def test_our_own_files_are_read_exactly(runs):
    """The array and the lines."""
    assert read(b"".join(write_json(runs))) == runs
    if runs:
        assert read(b"".join(write_jsonl(runs))) == runs


def test_a_file_may_be_indented_or_lines_and_begin_with_a_mark(full):
    """As editors and other writers leave it."""
    data = b"".join(write_otlp([full]))
    expected = read(data)
    assert len(expected) == 1
    assert read(json.dumps(json.loads(data), indent=2).encode()) == expected
    assert read(b"\xef\xbb\xbf\n" + data + b"\n\n") == expected
    spans = spans_of(full)
    lines = b"\n".join([otlp.encode(spans[5:]), otlp.encode(spans[:5])])
    assert read(lines) == expected, "the spans of a trace may be on several lines"


def test_spans_that_do_not_form_a_run_are_refused(full):
    """With the trace and the reason."""
    wrong = msgspec.structs.replace(
        spans_of(full)[1], attributes={"ael.step.name": "x", "ael.step.index": "first"}
    )
    with pytest.raises(ImportFormatError, match=f"trace {full.trace_id} cannot be converted to a run"):
        records_of([spans_of(full)[0], wrong])


@pytest.mark.parametrize("data", [b"1", b'"x"', b"null", b"[1]", b"[[]]"])
def test_json_without_a_trace_is_refused(data):
    """Whatever it is."""
    with pytest.raises(ImportFormatError, match="not OTLP/JSON"):
        read(data)


# --- other writers ----------------------------------------------------------------------------------------------------


TRACE, AGENT, TOOL = "9f" * 16, "aa" * 8, "bb" * 8


def otlp_document(*, ids=(TRACE, AGENT, TOOL), end="1767225601000000000", scopes="scopeSpans", scope="scope"):
    """One agent's trace as a request: the agent, and below it a tool that failed."""
    trace, agent, tool = ids

    def text(key, value):
        return {"key": key, "value": {"stringValue": value}}

    spans = [
        {
            "traceId": trace,
            "spanId": agent,
            "name": "plan",
            "startTimeUnixNano": "1767225600000000000",
            "endTimeUnixNano": end,
            "attributes": [text("gen_ai.operation.name", "invoke_agent")],
        },
        {
            "traceId": trace,
            "spanId": tool,
            "parentSpanId": agent,
            "name": "execute_tool find",
            "startTimeUnixNano": "1767225600100000000",
            "endTimeUnixNano": "1767225600200000000",
            "attributes": [
                text("gen_ai.operation.name", "execute_tool"),
                text("gen_ai.tool.name", "find"),
                text("gen_ai.tool.call.arguments", "{}"),
            ],
            "status": {"code": 2, "message": "gone"},
        },
    ]
    return {"resourceSpans": [{scopes: [{scope: {"name": "helper"}, "spans": spans}]}]}


def jaeger_answer():
    """The same trace as Jaeger's API answers, its trace id without leading zeros."""

    def tag(key, kind, value):
        return {"key": key, "type": kind, "value": value}

    def span(number, name, start, duration, tags, references=()):
        return {
            "traceID": "9f" * 8,
            "spanID": number,
            "operationName": name,
            "references": list(references),
            "startTime": start,
            "duration": duration,
            "tags": tags,
            "logs": [],
            "processID": "p1",
        }

    agent = span(
        "aa" * 8, "plan", 1767225600000000, 1000000, [tag("gen_ai.operation.name", "string", "invoke_agent")]
    )
    tool = span(
        "b" * 15,
        "execute_tool find",
        1767225600100000,
        100000,
        [
            tag("gen_ai.operation.name", "string", "execute_tool"),
            tag("gen_ai.tool.name", "string", "find"),
            tag("gen_ai.tool.call.arguments", "string", "{}"),
            tag("error", "bool", True),
            tag("otel.status_description", "string", "gone"),
        ],
        [{"refType": "CHILD_OF", "traceID": "9f" * 8, "spanID": "aa" * 8}],
    )
    return {
        "data": [{"traceID": "9f" * 8, "spans": [tool, agent], "processes": {"p1": {"serviceName": "s"}}}]
    }


def base64_of(identifier):
    """An id as protobuf libraries write it."""
    return base64.b64encode(bytes.fromhex(identifier)).decode()


def snake_case(value):
    """A document with the names of the .proto files."""
    if isinstance(value, dict):
        return {re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", k): snake_case(v) for k, v in value.items()}
    return [snake_case(item) for item in value] if isinstance(value, list) else value


WHOLE = otlp_document()
IN_BASE64 = otlp_document(ids=tuple(map(base64_of, (TRACE, AGENT, TOOL))))
BEFORE_2022 = otlp_document(scopes="instrumentationLibrarySpans", scope="instrumentationLibrary")


@pytest.mark.parametrize(
    "document",
    [
        WHOLE,
        [WHOLE],
        snake_case(WHOLE),
        IN_BASE64,
        BEFORE_2022,
        snake_case(BEFORE_2022),
        {"batches": WHOLE["resourceSpans"]},
        {"batches": BEFORE_2022["resourceSpans"]},
        {"trace": {"resourceSpans": IN_BASE64["resourceSpans"]}, "metrics": {}, "status": "COMPLETE"},
        {"trace": {"batches": WHOLE["resourceSpans"]}},
        {"result": WHOLE},
        jaeger_answer(),
        jaeger_answer()["data"],
        {"resourceLogs": [], "resourceMetrics": []} | WHOLE,
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_every_form_of_a_trace_is_the_same_run(document, indent):
    """Proves that OTLP/JSON of any version, and answers of Tempo and Jaeger, give one run with its tool call."""
    [run], left, _ = read_with_rest(json.dumps(document, indent=indent).encode())
    assert left == []
    assert (run.workflow_name, run.status, run.duration_ms) == ("plan", "completed", 1000.0)
    [step] = run.steps
    [call] = step.tool_calls
    assert (call.tool_name, call.status, call.params, call.error.message) == ("find", "error", "{}", "gone")
    assert (call.duration_ms, run.trace_id[-16:]) == (100.0, "9f" * 8)


@given(st.lists(records(), min_size=1, max_size=3, unique_by=lambda run: run.execution_id))
def test_our_own_jaeger_file_gives_the_runs_of_our_otlp_file(runs):
    """Proves that `export --format jaeger` and `--format otlp` are imported as the same run."""
    one = [
        [run.execution_id for run in read(b"".join(write(kind, iter(runs), "ael")))]
        for kind in ("otlp", "jaeger")
    ]
    assert sorted(one[0]) == sorted(one[1])


def test_spans_of_the_console_exporter_are_read_one_after_another():
    """Proves that indented objects without commas between them are a trace, and a cut last one is counted."""
    spans = [
        {
            "name": name,
            "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{own}", "trace_state": "[]"},
            "kind": "SpanKind.INTERNAL",
            "parent_id": parent,
            "start_time": "2026-01-01T00:00:00.000000Z",
            "end_time": "2026-01-01T00:00:01.000000Z",
            "status": {"status_code": "ERROR", "description": "gone"},
            "attributes": {"gen_ai.operation.name": operation},
            "events": [{"name": "e", "timestamp": "2026-01-01T00:00:00.500000Z", "attributes": {}}],
            "resource": {"attributes": {"service.name": "s"}},
        }
        for name, own, parent, operation in (
            ("plan", AGENT, None, "invoke_agent"),
            ("find", TOOL, f"0x{AGENT}", "execute_tool"),
        )
    ]
    text = "\n".join(json.dumps(span, indent=4) for span in spans)
    [run], left, _ = read_with_rest(text.encode())
    assert (run.status, run.error.message, run.steps[0].tool_calls[0].tool_name) == ("failed", "gone", "find")
    assert left == []
    [again], left, _ = read_with_rest(f"{text}\n{text[:90]}".encode())
    assert (again, left) == (run, [LeftOut(1, "document", "cut short at the end")])


def test_a_span_that_had_not_ended_ends_where_it_was_last_seen():
    """Proves that an end of 0 is not the year 1970."""
    [run] = read(json.dumps(otlp_document(end="0")).encode())
    assert (run.completed_at, run.duration_ms) == (run.started_at, 0.0)


def test_items_that_are_not_runs_are_counted_by_kind():
    """Proves that other signals, spoilt spans and lines are each counted, with the place of the first."""
    spoilt = otlp_document(ids=("no id", AGENT, TOOL))
    other = {
        "resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}, {"logRecords": [{}]}]}],
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{}]}]}],
    }
    lines = [json.dumps(each) for each in (WHOLE, spoilt, other, {"execution_id": 1}, 7)]
    [run], left, _ = read_with_rest("\n".join([*lines[:2], "oops", *lines[2:], lines[0][:50]]).encode())
    assert run.workflow_name == "plan"
    assert {(each.noun, each.number) for each in left} == {
        ("span", 2),
        ("line", 1),
        ("log record", 3),
        ("metric", 1),
        ("run", 1),
        ("document", 1),
    } | {("line", 1)}
    assert [each.reason for each in left if each.noun == "line"] == [
        "without valid JSON (line 3: JSON is malformed: invalid character (byte 0))",
        "cut short at the end",
    ]
    assert "line 2: traceId must be 32 hex digits" in next(e.reason for e in left if e.noun == "span")


@pytest.mark.parametrize(
    "data", [b'{"resourceSpans": [{"sc', b'{"resourceSpans": [\n{"sc', b"hello\nthere\n"]
)
def test_file_without_a_readable_part_is_refused(data):
    """Proves that a file without one whole document is an error and not zero runs."""
    with pytest.raises(ImportFormatError, match="not JSON"):
        read(data)


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 50_000, "not JSON"),
        (b"\x1f\x8b\x08\x00", "gzip: unpack"),
        ("{}".encode("utf-16"), "UTF-16: convert"),
        (b"PK\x03\x04", "zip archive: unpack"),
    ],
)
def test_file_that_cannot_be_json_is_reported_with_a_remedy(data, remedy):
    """Proves that neither depth nor another kind of file is a traceback, and that compressed ones are named."""
    with pytest.raises(ImportFormatError, match=remedy):
        read(data)


@pytest.mark.parametrize("parents", [{"1": "1"}, {"1": "2", "2": "1"}, {"1": "2", "2": "3", "3": "2"}])
def test_spans_that_are_each_others_parents_are_a_run(parents):
    """Proves that spans without a root are imported and counted."""
    spans = [
        {
            "traceId": "a" * 32,
            "spanId": each * 16,
            "parentSpanId": parent * 16,
            "name": "ask",
            "startTimeUnixNano": each,
            "endTimeUnixNano": "9",
        }
        for each, parent in parents.items()
    ]
    found = read_with_rest(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode())
    (record,) = found.runs
    assert len(record.steps) == len(spans) - 1
    assert found.left_out == []


def test_huge_number_is_cut_in_the_reason():
    """Proves that a reason quotes a value in short."""
    span = {"traceId": "a" * 32, "spanId": "b" * 16, "startTimeUnixNano": "9" * 4_000}
    (left,) = read_with_rest(
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    ).left_out
    assert len(left.reason) < 200


FIELDS = st.sampled_from(
    [
        *(
            "resourceSpans",
            "batches",
            "trace",
            "result",
            "data",
            "spans",
            "processes",
            "context",
            "scopeSpans",
        ),
        *(
            "start_time",
            "trace_id",
            "execution_id",
            "resourceLogs",
            "scopeLogs",
            "logRecords",
            "traceID",
            "tags",
        ),
        *("references", "key", "value", "type"),
    ]
)


@pytest.mark.parametrize("odd", [[1], {"a": 1}, "\N{SUPERSCRIPT TWO}", "--5", "9" * 5_000, 1e300, True])
@pytest.mark.parametrize(
    "field", ["kind", "status", "startTimeUnixNano", "attributes", "events", "name", "traceId"]
)
def test_one_odd_field_costs_one_span(odd, field):
    """Proves that a value that no writer should write costs its span at most, which is counted with a reason."""
    good = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "agent",
        "startTimeUnixNano": "1767225600000000000",
        "endTimeUnixNano": "1767225601000000000",
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}}],
    }
    value = {"code": odd} if field == "status" else odd
    bad = good | {"spanId": "eee19b7ec3c1b175", "traceId": "6" * 32} | {field: value}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [bad, good]}]}]}
    found = read_with_rest(json.dumps(document).encode())
    assert good["traceId"] in [run.trace_id for run in found.runs]
    assert sum(part.number for part in found.left_out) in (0, 1)
    assert len(found.runs) + sum(part.number for part in found.left_out) >= 1


@pytest.mark.parametrize("depth", [60, 400, 5_000])
@pytest.mark.parametrize(
    ("open_", "close"), [('{"trace":', "}"), ('{"data":[', "]}"), ('{"result":', "}"), ("[", "]")]
)
def test_document_that_is_nested_deeply_is_refused_in_a_line(depth, open_, close):
    """Proves for documents inside documents that too deep nesting is a refusal and not a fault."""
    inner = '{"resourceSpans":[]}'
    said = "read"
    try:
        read_with_rest((open_ * depth + inner + close * depth).encode())
    except ImportFormatError as error:
        said = str(error)
    assert 0 < len(said) < 300
    assert "\n" not in said


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    )
)
def test_any_json_is_read_or_refused_with_a_reason(document):
    """Proves that no shape of a document raises any exception but a refusal with its reason."""
    said = "read"
    try:
        read_with_rest(json.dumps(document).encode())
    except ImportFormatError as error:
        said = str(error)
    assert said
