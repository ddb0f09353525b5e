"""A record as the spans that it had."""

import msgspec
import pytest
from hypothesis import given
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ael_otel import lifecycle
from ael_otel.export.span_tree import Span, spans_of
from ael_otel.store import MemoryStore
from tests.unit.export.conftest import records


def outline(spans: list[Span]) -> list[tuple[str, str]]:
    """Each span with the name of the one above it."""
    names = {span.span_id: span.name for span in spans}
    return [(span.name, names.get(span.parent_id, "")) for span in spans]


def test_every_part_of_a_run_is_a_span_under_its_own_parent(full):
    """Steps under the run, calls under their step, calls from code under the code; a skipped step has no length."""
    spans = spans_of(full)
    assert outline(spans) == [
        ("Workflow Execution", ""),
        ("Step 1: tool_call", "Workflow Execution"),
        ("MCP Request", "Step 1: tool_call"),
        ("MCP Request", "Step 1: tool_call"),
        ("Step 2: code_execution", "Workflow Execution"),
        ("Python Exec", "Step 2: code_execution"),
        ("MCP Request", "Python Exec"),
        ("Step 3: tool_call", "Workflow Execution"),
        ("Step 4: tool_call", "Workflow Execution"),
        ("MCP Request", "Step 4: tool_call"),
    ]
    assert {span.trace_id for span in spans} == {full.trace_id}
    assert spans[0].end_ns - spans[0].start_ns == 50_250_000
    assert spans[7].start_ns == spans[7].end_ns
    assert spans[7].attributes["ael.step.skip_reason"] == "when condition not met: x"


def test_failures_are_statuses_and_types_without_messages(full):
    """The failed run, step and call have error status; no span holds content or the text of an error."""
    spans = spans_of(full)
    assert [span.name for span in spans if span.status == "error"] == [
        "Workflow Execution",
        "MCP Request",
        "Step 4: tool_call",
        "MCP Request",
    ]
    assert spans[0].attributes["ael.error.type"] == spans[0].status_message == "TOOL_FAILED"
    assert spans[0].attributes["ael.workflow.status"] == "error"
    everything = msgspec.json.encode(spans).decode()
    for secret in ("card declined", "Ada", "hello", "connection reset", "answer"):
        assert secret not in everything


def test_calls_of_an_agents_step_are_no_attempts(full):
    """A step that calls several tools once each, as in foreign spans, has no retry event."""
    full.steps[0].max_attempts = full.steps[0].attempt = 1
    full.steps[0].tool_calls[1].tool_name = "other"
    assert [span.events for span in spans_of(full) if span.events] == []


def test_a_retry_is_an_event_at_the_time_of_the_next_attempt(full):
    """With the number of the attempt and the type of the error before it."""
    [event] = spans_of(full)[1].events
    assert (event.name, event.attributes) == (
        "retry",
        {"ael.step.attempt": 2, "ael.error.type": "MCP_CONNECTION"},
    )
    assert event.time_ns == spans_of(full)[3].start_ns


def test_a_direct_call_is_the_root(direct):
    """One span, the call itself."""
    [span] = spans_of(direct)
    assert (span.name, span.kind, span.parent_id, span.span_id) == (
        "MCP Request",
        "client",
        "",
        direct.span_id,
    )
    assert span.attributes["ael.workflow.id"] == direct.execution_id


def test_running_run_ends_at_its_last_event_and_ids_are_stable(going_on):
    """A run without a trace has the same ids at each export, and no span of it ends before it began."""
    spans = spans_of(going_on)
    assert spans == spans_of(going_on)
    assert [span.end_ns - span.start_ns for span in spans] == [12_000_000, 9_000_000, 0]
    assert "ael.workflow.status" not in spans[0].attributes


@given(records())
def test_every_record_makes_one_tree_of_proper_spans(record):
    """Ids have their length and are unique, parents come first, times do not go backwards."""
    seen: set[str] = set()
    for span in spans_of(record):
        assert len(span.trace_id) == 32
        assert len(span.span_id) == 16
        assert span.parent_id in {"", *seen}
        assert span.end_ns >= span.start_ns
        seen.add(span.span_id)


def as_sent(span: ReadableSpan) -> Span:
    """A span of the SDK in our form, its times left out: the clock of a span is not that of the record."""
    context = span.context
    assert context is not None
    return Span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id="" if span.parent is None else f"{span.parent.span_id:016x}",
        name=span.name,
        kind=span.kind.name.lower(),  # type: ignore[arg-type]
        start_ns=0,
        end_ns=0,
        attributes=dict(span.attributes or {}),
        status=span.status.status_code.name.lower(),  # type: ignore[arg-type]
        status_message=span.status.description or "",
        events=[],
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_spans_of_a_record_are_those_that_were_sent(fails):
    """The spans of a run and of a direct call that the SDK got and those derived from their records agree in
    everything but clocks.
    """
    sent = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(sent))
    store = MemoryStore()
    recorder = lifecycle.Recorder(tracer_provider=provider, store=store, genai=False)
    try:
        with lifecycle.Execution(recorder, "order", execution_id="exec-1", version="2") as run:
            with lifecycle.Step(recorder, "gift", "tool_call", index=0, tool="wrap") as step:
                step.attempt()
                step.attempt_failed(TimeoutError("no paper"))
                step.skipped("on_error: timeout", ran=True)
            with lifecycle.Step(recorder, "pay", "tool_call", index=1, tool="charge", max_attempts=2) as step:
                step.attempt()
                with lifecycle.ToolCall(recorder, "charge") as call:
                    call.served_by("bank")
                    if fails:
                        raise ValueError("card declined")
            run.skip_step("mail", "tool_call", "mail", "when condition not met: x")
    except ValueError:
        pass
    with lifecycle.ToolCall(recorder, "charge"):
        pass
    derived = {
        span.span_id: msgspec.structs.replace(span, start_ns=0, end_ns=0, events=[])
        for record in store.recent(2)
        for span in spans_of(record)
    }
    assert derived == {span.span_id: span for span in map(as_sent, sent.get_finished_spans())}
