"""Model calls of a run: from results of tools and code, and from spans of other instrumentations inside it."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from ael_otel.lifecycle import CodeBlock, Execution, Step, ToolCall
from ael_otel.lifecycle.model_spans import RunModelSpans, read_model_spans
from tests.unit.lifecycle.conftest import Telemetry

ANSWER = {
    "id": "msg_0123456789abcdefghij",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello " * 40_000}],
    "usage": {
        "input_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "output_tokens": 2,
    },
}


def chat(provider: TracerProvider, tokens: int, **more: Any) -> None:
    """One model call of an instrumented client."""
    with provider.get_tracer("client").start_as_current_span("chat m") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.usage.input_tokens": tokens,
            }
            | more
        )


def test_usage_of_a_result_is_counted_before_the_result_is_cut(telemetry: Telemetry) -> None:
    """Proves that counts at the end of a long answer are read, with their step and tool, and their secrets are not."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "ask", "tool_call", index=0, tool="llm"),
        ToolCall(recorder, "llm") as call,
    ):
        call.returned(ANSWER)
    record = telemetry.store.get("exec-1")
    assert record is not None
    (found,) = record.model_calls
    assert (found.input_tokens, found.cache_read_tokens, found.output_tokens) == (10, 3, 2)
    assert (found.step_id, found.tool_name, found.model, found.source) == ("ask", "llm", "claude-x", "result")
    assert found.call_id == record.steps[0].tool_calls[0].call_id
    assert "msg_0123456789abcdefghij" not in repr(record.model_calls)
    assert "ael.truncated" in repr(record.steps[0].tool_calls[0].result)


def test_code_that_passes_an_answer_on_is_no_second_call(telemetry: Telemetry) -> None:
    """Proves that a response counts once whether a tool returns it, code returns it again, or another step does."""
    recorder = telemetry.recorder
    other = {"model": "m", "usage": {"prompt_tokens": 4, "completion_tokens": 4}}
    with Execution(recorder, "shop", execution_id="exec-1"):
        with Step(recorder, "ask", "code", index=0, code="ask()"), CodeBlock(recorder, code="ask()") as block:
            with ToolCall(recorder, "llm") as call:
                call.returned(other)
            block.printed("", "", {"answers": [other]})
        with Step(recorder, "own", "code", index=1, code="x"), CodeBlock(recorder, code="x") as block:
            block.printed("", "", {"usage": {"prompt_tokens": 9, "completion_tokens": 1}, "model": "n"})
    record = telemetry.store.get("exec-1")
    assert record is not None
    assert [(each.step_id, each.input_tokens) for each in record.model_calls] == [("ask", 4), ("own", 9)]


def test_spans_inside_a_run_count_once_and_go_before_results(telemetry: Telemetry) -> None:
    """Proves that an instrumented client's spans count in the run around them, each call once, and none outside."""
    recorder, provider = telemetry.recorder, TracerProvider()
    processor = RunModelSpans()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("framework")
    chat(provider, 1)
    with Execution(recorder, "shop", execution_id="exec-1"):
        with Step(recorder, "ask", "tool_call", index=0, tool="llm"), ToolCall(recorder, "llm") as call:
            with tracer.start_as_current_span("agent") as agent:
                chat(provider, 10)
                chat(provider, 20)
                agent.set_attributes(
                    {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 30}
                )
            call.returned(ANSWER)
        with tracer.start_as_current_span("framework's chat") as outer:
            chat(provider, 5)
            outer.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5})
    record = telemetry.store.get("exec-1")
    assert record is not None
    assert [(each.input_tokens, each.step_id, each.tool_name) for each in record.model_calls] == [
        (10, "ask", "llm"),
        (20, "ask", "llm"),
        (5, None, None),
    ]
    assert not processor._open
    provider.shutdown()


def test_a_provider_is_read_once(telemetry: Telemetry) -> None:
    """Proves that telemetry that starts twice in a process counts no call twice."""
    provider = TracerProvider()
    read_model_spans(provider)
    read_model_spans(provider)
    with Execution(telemetry.recorder, "shop", execution_id="exec-1"):
        chat(provider, 10)
    record = telemetry.store.get("exec-1")
    assert record is not None
    assert len(record.model_calls) == 1
    provider.shutdown()


def test_model_calls_of_a_run_are_counted_when_it_ends(telemetry: Telemetry) -> None:
    """Proves that a call counts once: a result of a tool, and the code that passes it on."""
    recorder = telemetry.recorder
    with Execution(recorder, "shop", execution_id="exec-1"):
        with Step(recorder, "ask", "code", index=0, code="ask()"), CodeBlock(recorder, code="ask()") as block:
            with ToolCall(recorder, "llm") as call:
                call.returned(ANSWER)
            block.printed("", "", ANSWER)
        assert "ael.model.calls" not in telemetry.points()
    points = telemetry.points()
    assert [
        (dict(point.attributes)["price"], point.value) for point in points["ael.model.calls"] if point.value
    ] == [("none", 1)]
    assert sum(point.value for point in points["ael.model.tokens"]) == 12
    assert "ael.model.cost" not in points


def test_model_call_of_a_result_has_a_span_below_its_tool_call_on_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Proves that usage and cost are on a span by the GenAI conventions, only where these are asked for."""
    for genai in (True, False):
        telemetry = Telemetry(caplog, genai=genai)
        with (
            Execution(telemetry.recorder, "shop", execution_id="exec-1"),
            Step(telemetry.recorder, "ask", "tool_call", index=0, tool="llm"),
            ToolCall(telemetry.recorder, "llm") as call,
        ):
            call.returned(ANSWER | {"usage": ANSWER["usage"] | {"cost": 0.5}})
        telemetry.close()
        found = [span for span in telemetry.spans if span.name == "Model Call"]
        if not genai:
            assert found == []
            continue
        (span,) = found
        request = next(span for span in telemetry.spans if span.name == "MCP Request")
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
        assert dict(span.attributes) == {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.response.model": "claude-x",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 3,
            "gen_ai.usage.cache_write.input_tokens": 0,
            "gen_ai.usage.output_tokens": 2,
            "ael.cost.source": "provider",
            "ael.cost.amount": 0.5,
            "ael.cost.currency": "USD",
        }
        record = telemetry.store.get("exec-1")
        assert record is not None
        assert record.model_calls[0].span_id == format(span.context.span_id, "016x")


def test_unsampled_run_sends_no_span_of_its_model_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Proves that the sampler's decision on a run holds for its model calls; they are counted."""
    telemetry = Telemetry(caplog, ALWAYS_OFF, genai=True)
    with (
        Execution(telemetry.recorder, "shop", execution_id="exec-1"),
        ToolCall(telemetry.recorder, "llm") as call,
    ):
        call.returned(ANSWER)
    assert telemetry.spans == ()
    assert sum(point.value for point in telemetry.points()["ael.model.calls"]) == 1
    telemetry.close()
