"""Token counts from spans and results: every shape counts each token once; a generator that knows the truth."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.usage import MAX_COUNT, Usage, in_result, is_aggregate, nano_of, of_span

COUNT = st.integers(0, 10**7)


class Truth(NamedTuple):
    """What one call used, each token in exactly one of the parts."""

    fresh: int
    read: int
    written: int
    said: int
    thought: int

    @property
    def input(self) -> int:
        """All input."""
        return self.fresh + self.read + self.written

    @property
    def output(self) -> int:
        """All output."""
        return self.said + self.thought


TRUTH = st.builds(Truth, COUNT, COUNT, COUNT, COUNT, COUNT)


def openai_chat(truth: Truth) -> dict[str, Any]:
    """OpenAI's chat completion: caches and reasoning are within; writes are not reported."""
    return {
        "id": "chatcmpl-0123456789abcdefghij",
        "model": "m",
        "choices": [],
        "usage": {
            "prompt_tokens": truth.input,
            "completion_tokens": truth.output,
            "total_tokens": truth.input + truth.output,
            "prompt_tokens_details": {"cached_tokens": truth.read},
            "completion_tokens_details": {"reasoning_tokens": truth.thought},
        },
    }


def openai_responses(truth: Truth) -> dict[str, Any]:
    """OpenAI's response."""
    return {
        "model": "m",
        "output": [],
        "usage": {
            "input_tokens": truth.input,
            "input_tokens_details": {"cached_tokens": truth.read},
            "output_tokens": truth.output,
            "output_tokens_details": {"reasoning_tokens": truth.thought},
        },
    }


def anthropic(truth: Truth) -> dict[str, Any]:
    """Anthropic's message: caches are beside the input."""
    return {
        "model": "m",
        "content": [{"type": "text", "text": "hello"}],
        "usage": {
            "input_tokens": truth.fresh,
            "cache_read_input_tokens": truth.read,
            "cache_creation_input_tokens": truth.written,
            "cache_creation": {
                "ephemeral_5m_input_tokens": truth.written // 2,
                "ephemeral_1h_input_tokens": truth.written - truth.written // 2,
            },
            "output_tokens": truth.output,
        },
    }


def gemini(truth: Truth) -> dict[str, Any]:
    """Gemini's answer: caches within the prompt, thoughts beside the candidates."""
    return {
        "modelVersion": "m",
        "candidates": [],
        "usageMetadata": {
            "promptTokenCount": truth.input,
            "cachedContentTokenCount": truth.read,
            "candidatesTokenCount": truth.said,
            "thoughtsTokenCount": truth.thought,
        },
    }


def bedrock(truth: Truth) -> dict[str, Any]:
    """Bedrock's Converse: caches beside the input."""
    return {
        "output": {"message": {}},
        "usage": {
            "inputTokens": truth.fresh,
            "cacheReadInputTokens": truth.read,
            "cacheWriteInputTokens": truth.written,
            "outputTokens": truth.output,
            "totalTokens": truth.input + truth.output,
        },
    }


def langchain(truth: Truth) -> dict[str, Any]:
    """A message of LangChain: everything within."""
    return {
        "content": "hello",
        "response_metadata": {"model_name": "m"},
        "usage_metadata": {
            "input_tokens": truth.input,
            "output_tokens": truth.output,
            "input_token_details": {"cache_read": truth.read, "cache_creation": truth.written},
            "output_token_details": {"reasoning": truth.thought},
        },
    }


SHAPES = (openai_chat, openai_responses, anthropic, gemini, bedrock, langchain)


@pytest.mark.parametrize("shape", SHAPES)
@given(truth=TRUTH)
def test_each_token_of_a_response_counts_once(shape: Any, truth: Truth) -> None:
    """Proves that input and output are what the provider charges for, with caches and reasoning as parts of them."""
    (usage,) = in_result(shape(truth))
    assert (usage.input_tokens, usage.output_tokens) == (truth.input, truth.output)
    assert usage.cache_read_tokens == truth.read
    assert usage.cache_write_tokens in (None, truth.written)
    assert usage.reasoning_tokens in (None, truth.thought)
    assert usage.model == (None if shape is bedrock else "m")


@pytest.mark.parametrize("shape", SHAPES)
@given(truth=TRUTH)
def test_an_mcp_result_counts_once_in_text_and_structure(shape: Any, truth: Truth) -> None:
    """Proves that a response counts once where an MCP tool returns it as text and as structured content."""
    response = shape(truth)
    alone = in_result(response)
    as_text = {"content": [{"type": "text", "text": json.dumps(response)}], "isError": False}
    assert in_result(as_text) == alone
    assert in_result({**as_text, "structuredContent": response}) == alone
    assert in_result({**as_text, "structuredContent": {"ok": True}}) == alone
    assert in_result([{"steps": [response, {"inner": response}]}]) == alone * 2


INCLUSIVE = (
    ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
     "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.reasoning.output_tokens"),
    ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read_tokens",
     "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning_tokens"),
    ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "gen_ai.usage.cache_read_input_tokens",
     "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.output_tokens.reasoning"),
    ("llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.prompt_details.cache_read",
     "llm.token_count.prompt_details.cache_write", "llm.token_count.completion_details.reasoning"),
)  # fmt: skip


@pytest.mark.parametrize("names", INCLUSIVE)
@given(truth=TRUTH)
def test_current_and_older_names_of_a_span_mean_the_same(names: tuple[str, ...], truth: Truth) -> None:
    """Proves that a span of the current conventions, of older ones and of OpenInference counts alike."""
    counts = (truth.input, truth.output, truth.read, truth.written, truth.thought)
    usage = of_span({"gen_ai.response.model": "m", **dict(zip(names, counts, strict=True))})
    assert usage is not None
    assert (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ) == counts


@given(truth=TRUTH)
def test_cached_tokens_beyond_the_input_are_beside_it(truth: Truth) -> None:
    """Proves that counts of Anthropic's form on a span are added up where they cannot be parts of the input."""
    usage = of_span(
        {
            "gen_ai.usage.input_tokens": truth.fresh,
            "gen_ai.usage.output_tokens": truth.output,
            "gen_ai.usage.cache_read.input_tokens": truth.fresh + 1 + truth.read,
        }
    )
    assert usage is not None
    assert usage.input_tokens == 2 * truth.fresh + 1 + truth.read


def test_reasoning_beside_the_completion_is_added_where_the_total_says_so() -> None:
    """Proves that a provider whose completion excludes reasoning is recognised by its total."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 45,
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    (found,) = in_result({"model": "m", "usage": usage})
    assert (found.output_tokens, found.reasoning_tokens) == (35, 30)
    (within,) = in_result({"usage": usage | {"total_tokens": 45, "completion_tokens": 35}})
    assert (within.output_tokens, within.reasoning_tokens) == (35, 30)


def test_a_sum_beside_its_parts_counts_once() -> None:
    """Proves that the total of an agent's answer and the responses that it is made of are not added up."""
    part = {"model": "m", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    whole = {"usage": {"prompt_tokens": 10, "completion_tokens": 4}, "steps": [part, part]}
    assert [each.model for each in in_result(whole)] == ["m", "m"]
    other = {"usage": {"prompt_tokens": 11, "completion_tokens": 4}, "steps": [part, part]}
    assert [each.input_tokens for each in in_result(other)] == [11]


def test_tier_of_service_is_read_from_the_response() -> None:
    """Proves that a batch is recognised, and that the usual tier is none."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    assert [each.tier for each in in_result({"service_tier": "flex", "usage": usage})] == ["flex"]
    assert [each.tier for each in in_result({"service_tier": "default", "usage": usage})] == [None]
    assert [each.tier for each in in_result({"usage": {**usage, "service_tier": "batch"}})] == ["batch"]


def test_a_cost_that_came_with_the_counts_names_who_computed_it() -> None:
    """Proves that a provider's cost is distinguished from one that a client computed."""
    counts = {"gen_ai.usage.input_tokens": 1}
    cost = {"gen_ai.usage.cost.amount": 0.1, "gen_ai.usage.cost.currency": "EUR"}
    found = [
        of_span(counts | cost),
        of_span(counts | cost | {"gen_ai.usage.cost.source": "local"}),
        of_span(counts | {"operation.cost": 0.25}),
    ]
    assert [(each.reported_nano, each.reported_currency, each.reported_by) for each in found if each] == [
        (100_000_000, "EUR", "provider"),
        (100_000_000, "EUR", "gen_ai.usage.cost.amount"),
        (250_000_000, "USD", "operation.cost"),
    ]
    (response,) = in_result({"usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.0003}})
    assert (response.reported_nano, response.reported_by) == (300_000, "provider")


@pytest.mark.parametrize(
    "value",
    [
        {"usage": "high"},
        {"usage": {"cpu": 3}},
        {"usage": {"prompt_tokens": -1, "completion_tokens": True}},
        {"usage": {"prompt_tokens": 1.5, "completion_tokens": MAX_COUNT + 1}},
        {"max_tokens": 100, "tokens": 12},
        '{"usage": {"prompt_tokens": 1',
        None,
        7,
    ],
)
def test_what_is_no_response_of_a_provider_counts_nothing(value: Any) -> None:
    """Proves that other objects with a `usage`, and counts that are not counts, are passed over."""
    assert in_result(value) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just('{"usage": {}}'),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["usage", "input_tokens", "prompt_tokens", "content", "x"]), inner)
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_read_without_an_error(value: Any) -> None:
    """Proves that no form of a result raises, and that what counts is in range."""
    for usage in in_result(value):
        counted = (usage.input_tokens, usage.output_tokens)
        assert any(each is not None for each in counted)
        assert all(each is None or 0 <= each <= 4 * MAX_COUNT for each in counted)


def test_a_result_that_is_nested_without_end_is_left_alone() -> None:
    """Proves that depth is bounded."""
    value: Any = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    for _ in range(500):
        value = [value]
    assert in_result(value) == []


@pytest.mark.parametrize(
    ("value", "nano"),
    [
        (0.1, 100_000_000),
        ("0.00096075", 960_750),
        (1e-10, 0),
        (-1, None),
        ("x", None),
        (float("nan"), None),
        (True, None),
    ],
)
def test_amount_is_read_in_billionths(value: object, nano: int | None) -> None:
    """Proves that an amount is exact to a billionth, and that what is not an amount is none."""
    assert nano_of(value) == nano


def test_spans_of_agents_sum_up_and_those_of_models_do_not() -> None:
    """Proves which spans count only where nothing below them does."""
    assert is_aggregate({"gen_ai.operation.name": "invoke_agent"})
    assert is_aggregate({"openinference.span.kind": "CHAIN"})
    assert not is_aggregate({"gen_ai.operation.name": "chat"})
    assert of_span({"gen_ai.request.model": "m"}) is None
    assert of_span({"gen_ai.usage.input_tokens": "12"}) == Usage(input_tokens=12)
