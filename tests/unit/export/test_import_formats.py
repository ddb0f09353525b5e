"""The way back: records from our spans, from those of others, and from files."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.errors import ImportFormatError
from ael_otel.export import otlp
from ael_otel.export.formats import write_json, write_jsonl, write_otlp
from ael_otel.export.import_formats import read, records_of
from ael_otel.export.span_tree import Span, spans_of
from tests.unit.export.conftest import SPANS, records


def without_content(record):
    """What a trace can tell of a run: no content, no messages, no bookkeeping of the engine."""

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
    """The spans below the root are steps, what calls a tool below them a call, with the content that they carry."""

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


def test_spans_that_no_run_can_be_made_of_are_refused(full):
    """With the trace and the reason."""
    wrong = msgspec.structs.replace(
        spans_of(full)[1], attributes={"ael.step.name": "x", "ael.step.index": "first"}
    )
    with pytest.raises(ImportFormatError, match=f"no run can be made of the trace {full.trace_id}"):
        records_of([spans_of(full)[0], wrong])


@pytest.mark.parametrize("data", [b"1", b'"x"', b"null", b"[1]", b"[[]]"])
def test_json_that_is_no_trace_is_refused(data):
    """Whatever it is."""
    with pytest.raises(ImportFormatError, match="no OTLP/JSON"):
        read(data)
