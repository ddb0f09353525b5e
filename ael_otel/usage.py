"""Token counts of model calls as their sources report them: attributes of spans, and results of providers.

Nothing is estimated. All counts follow the GenAI semantic conventions: `input_tokens` includes what was read from and
written to a cache, `output_tokens` includes reasoning. Providers that report these beside each other (Anthropic and
Bedrock for caches, Gemini for thoughts) are added up once, where their own form of a result is recognised.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import msgspec

from ael_otel._generated import attributes as attr

MAX_COUNT: Final = 2**53
"""Tokens of one call; a larger number is not a count, and no JSON or database would keep it exactly."""

MAX_NANO: Final = 2**62
"""Nano-units of one call."""

PROVIDER: Final = "provider"
"""`Usage.reported_by` of a cost that the provider charged."""

MAX_RESPONSES: Final = 1_000
"""Responses that are read in one result."""

_MAX_DEPTH: Final = 24
_MAX_NODES: Final = 100_000
_MAX_TEXT: Final = 4 * 1024 * 1024
_MAX_NAME: Final = 200
_CURRENCY: Final = 3


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of a model used.

    Counts are tokens, None where the source has none. `cache_read_tokens` and `cache_write_tokens` are parts of
    `input_tokens`, `cache_write_1h_tokens` of `cache_write_tokens`, `reasoning_tokens` of `output_tokens`. `tier` is
    the tier of service that the provider answered with, such as `batch` or `flex`; None for the usual one.
    `reported_nano` is a cost that came with the counts, in billionths of `reported_currency`; `reported_by` is
    `provider`, or the attribute of another program that computed it.
    """

    model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    tier: str | None = None
    reported_nano: int | None = None
    reported_currency: str | None = None
    reported_by: str | None = None


# --- spans ------------------------------------------------------------------------------------------------------------

MODELS: Final = (attr.GEN_AI_RESPONSE_MODEL, attr.GEN_AI_REQUEST_MODEL, "llm.model_name")
PROVIDERS: Final = (attr.GEN_AI_PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system")

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": (
        attr.GEN_AI_USAGE_INPUT_TOKENS,
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ),
    "output_tokens": (
        attr.GEN_AI_USAGE_OUTPUT_TOKENS,
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    "cache_read_tokens": (
        attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.input_cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
}
"""Names of each count, the current one of the conventions first; the first that is present counts."""

_TIERS: Final = (
    "gen_ai.response.service_tier",
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
)
_USUAL: Final = frozenset({"default", "standard", "auto", "on_demand"})

_COSTS: Final = ("operation.cost", "llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total_tokens")
"""Costs that the instrumentation of a client computed, in US dollars."""

_AGGREGATES: Final = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "plan"})
_AGGREGATE_KINDS: Final = frozenset(
    {"AGENT", "CHAIN", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "WORKFLOW", "TASK"}
)
SPAN_KINDS: Final = ("openinference.span.kind", "traceloop.span.kind")
"""What OpenInference and OpenLLMetry call a span."""


def of_span(attributes: Mapping[str, Any]) -> Usage | None:
    """Return the usage that the attributes of a span report, by current, older and OpenInference names.

    None if they have neither a count of input or output nor a cost. Cached tokens that are more than the input cannot
    be a part of it: the instrumentation passed on counts of Anthropic's or Bedrock's form, which are added up.
    """
    counts = {name: _first_count(attributes, aliases) for name, aliases in _ALIASES.items()}
    nano, currency, by = _cost_of_span(attributes)
    if counts["input_tokens"] is None and counts["output_tokens"] is None and nano is None:
        return None
    cached = (counts["cache_read_tokens"] or 0) + (counts["cache_write_tokens"] or 0)
    if cached > (counts["input_tokens"] or 0):
        counts["input_tokens"] = (counts["input_tokens"] or 0) + cached
    return Usage(
        model=_first_text(attributes, MODELS),
        provider=_first_text(attributes, PROVIDERS),
        response_id=_text(attributes.get("gen_ai.response.id")),
        **_limited(counts),
        tier=_tier(*(attributes.get(name) for name in _TIERS)),
        reported_nano=nano,
        reported_currency=currency,
        reported_by=by,
    )


def is_aggregate(attributes: Mapping[str, Any]) -> bool:
    """Return whether a span is one of an agent, workflow or tool, whose counts sum up those of model calls below it."""
    return attributes.get(attr.GEN_AI_OPERATION_NAME) in _AGGREGATES or any(
        str(attributes.get(name)).upper() in _AGGREGATE_KINDS for name in SPAN_KINDS
    )


def _cost_of_span(attributes: Mapping[str, Any]) -> tuple[int | None, str | None, str | None]:
    nano = nano_of(attributes.get("gen_ai.usage.cost.amount"))
    if nano is not None:
        currency = _currency(attributes.get("gen_ai.usage.cost.currency"))
        if currency is not None:
            local = attributes.get("gen_ai.usage.cost.source") == "local"
            return nano, currency, "gen_ai.usage.cost.amount" if local else PROVIDER
    for name in _COSTS:
        nano = nano_of(attributes.get(name))
        if nano is not None:
            return nano, "USD", name
    return None, None, None


# --- results ----------------------------------------------------------------------------------------------------------

_USAGE_KEYS: Final = ("usage", "usageMetadata", "usage_metadata")
_MODEL_KEYS: Final = ("model", "modelVersion", "model_version", "modelId", "model_id")
_ID_KEYS: Final = ("id", "responseId", "response_id")


def in_result(value: Any) -> list[Usage]:
    """Return the usage of each response of a provider in a result, in order.

    Responses of OpenAI (chat, responses, embeddings), Anthropic, Gemini, Bedrock's Converse and LangChain's messages
    are recognised by the form of their `usage` object, wherever they are: also in a text that is JSON, as MCP tools
    return it. What an MCP result holds twice, as text and as `structuredContent`, counts once. Inside an object that
    has a usage nothing else counts: it is the sum, unless it names no model and what is inside adds up to it.

    Args:
        value: plain JSON values; anything else is passed over.
    """
    return _Walk().within(value, 0)[:MAX_RESPONSES]


class _Walk:
    def __init__(self) -> None:
        self._left = _MAX_NODES

    def within(self, value: Any, depth: int) -> list[Usage]:
        self._left -= 1
        if depth > _MAX_DEPTH or self._left < 0:
            return []
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, (list, tuple)):
            found: list[Usage] = []
            for item in cast("Sequence[Any]", value):
                if isinstance(item, (dict, list, tuple, str)):
                    found += self.within(item, depth + 1)
            return found
        return self._object(cast("dict[object, Any]", value), depth) if isinstance(value, dict) else []

    def _text(self, value: str, depth: int) -> list[Usage]:
        if len(value) > _MAX_TEXT or "sage" not in value or value.lstrip()[:1] not in ("{", "["):
            return []
        try:
            held = msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return []
        return self.within(held, depth + 1)

    def _object(self, value: dict[object, Any], depth: int) -> list[Usage]:
        if value.get("structuredContent") is not None and "content" in value:
            found = self.within(value["structuredContent"], depth + 1)
            return found or self.within(value["content"], depth + 1)
        own = _of_response(value)
        inside: list[Usage] = []
        for key, item in value.items():
            if isinstance(item, (dict, list, tuple, str)) and not (own is not None and key in _USAGE_KEYS):
                inside += self.within(item, depth + 1)
        if own is None:
            return inside
        return inside if own.model is None and inside and _adds_up(own, inside) else [own]


def _adds_up(whole: Usage, parts: Sequence[Usage]) -> bool:
    return (whole.input_tokens or 0) == sum(each.input_tokens or 0 for each in parts) and (
        whole.output_tokens or 0
    ) == sum(each.output_tokens or 0 for each in parts)


def _of_response(value: Mapping[Any, Any]) -> Usage | None:
    for key in _USAGE_KEYS:
        held = value.get(key)
        if isinstance(held, dict):
            found = _of_usage(cast("dict[str, Any]", held), value)
            if found is not None:
                return found
    return None


def _of_usage(usage: Mapping[str, Any], response: Mapping[Any, Any]) -> Usage | None:
    """Return what a `usage` object counts, None if it is in no form of a provider."""
    shape = next((found for read in _SHAPES if (found := read(usage)) is not None), None)
    if shape is None:
        return None
    provider, counts = shape
    if counts["input_tokens"] is None and counts["output_tokens"] is None:
        return None
    metadata = response.get("response_metadata")  # LangChain
    about: Mapping[Any, Any] = cast("Mapping[Any, Any]", metadata) if isinstance(metadata, dict) else {}
    nano = nano_of(usage.get("cost"))  # OpenRouter
    return Usage(
        model=_first_text(response, _MODEL_KEYS) or _first_text(about, ("model_name", *_MODEL_KEYS)),
        provider=_text(response.get("provider")) or provider,
        response_id=_first_text(response, _ID_KEYS),
        **_limited(counts),
        tier=_tier(usage.get("service_tier"), response.get("service_tier")),
        reported_nano=nano,
        reported_currency=None if nano is None else "USD",
        reported_by=None if nano is None else PROVIDER,
    )


type _Counts = dict[str, int | None]
type _Shape = tuple[str | None, _Counts]


def _chat(usage: Mapping[str, Any]) -> _Shape | None:
    """Read OpenAI's chat completions and embeddings, and the many services that answer in their form."""
    if "prompt_tokens" not in usage:
        return None
    before, after = _part(usage, "prompt_tokens_details"), _part(usage, "completion_tokens_details")
    whole, output = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    read, thought = _count(before.get("cached_tokens")), _count(after.get("reasoning_tokens"))
    if thought and _count(usage.get("total_tokens")) == (whole or 0) + (output or 0) + thought:
        output = (output or 0) + thought  # beside the completion: xAI
    return None, _counts(
        whole,
        output,
        usage.get("prompt_cache_hit_tokens") if read is None else read,  # DeepSeek
        before.get("cache_write_tokens"),
        thought,
    )


def _anthropic(usage: Mapping[str, Any]) -> _Shape | None:
    """Read Anthropic's messages, whose input excludes what caches held."""
    if "input_tokens" not in usage or not any(
        name in usage for name in ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")
    ):
        return None
    details = _part(usage, "cache_creation")
    read, written = (
        _count(usage.get("cache_read_input_tokens")),
        _count(usage.get("cache_creation_input_tokens")),
    )
    hour = _count(details.get("ephemeral_1h_input_tokens"))
    if written is None:
        five = _count(details.get("ephemeral_5m_input_tokens"))
        written = None if five is None and hour is None else (five or 0) + (hour or 0)
    whole = _sum(_count(usage.get("input_tokens")), read, written)
    thought = _part(usage, "output_tokens_details").get("thinking_tokens")
    return "anthropic", _counts(whole, usage.get("output_tokens"), read, written, thought, hour)


def _responses(usage: Mapping[str, Any]) -> _Shape | None:
    """Read OpenAI's responses, LangChain's `usage_metadata`, and Anthropic's messages without any cache."""
    if "input_tokens" not in usage:
        return None
    before = _part(usage, "input_tokens_details") or _part(usage, "input_token_details")
    after = _part(usage, "output_tokens_details") or _part(usage, "output_token_details")
    read, written = before.get("cached_tokens"), before.get("cache_write_tokens")
    return None, _counts(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        before.get("cache_read") if read is None else read,
        before.get("cache_creation") if written is None else written,
        after.get("reasoning_tokens", after.get("reasoning")),
    )


def _gemini(usage: Mapping[str, Any]) -> _Shape | None:
    """Read Gemini, whose candidates exclude thoughts and whose prompt excludes the results of its own tools."""
    if "promptTokenCount" in usage:
        names = ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
        cached = "cachedContentTokenCount"
    elif "prompt_token_count" in usage:
        names = (
            "prompt_token_count",
            "tool_use_prompt_token_count",
            "candidates_token_count",
            "thoughts_token_count",
        )
        cached = "cached_content_token_count"
    else:
        return None
    prompt, tools, candidates, thoughts = (_count(usage.get(name)) for name in names)
    return "google", _counts(
        _sum(prompt, tools), _sum(candidates, thoughts), usage.get(cached), None, thoughts
    )


def _bedrock(usage: Mapping[str, Any]) -> _Shape | None:
    """Read Bedrock's Converse, whose input excludes what caches held."""
    if "inputTokens" not in usage:
        return None
    read, written = _count(usage.get("cacheReadInputTokens")), _count(usage.get("cacheWriteInputTokens"))
    whole, output = _count(usage.get("inputTokens")), _count(usage.get("outputTokens"))
    return "aws", _counts(_sum(whole, read, written), output, read, written, None)


_SHAPES: Final = (_chat, _anthropic, _responses, _gemini, _bedrock)


# --- values -----------------------------------------------------------------------------------------------------------


def nano_of(value: object) -> int | None:
    """Return an amount of money in billionths of its unit, rounded half to even; None if it is not one.

    A float is read by its shortest decimal form, so that 0.1 is 100,000,000 and nothing else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        nano = Decimal(str(value)).scaleb(9).to_integral_value()
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return int(nano) if nano.is_finite() and 0 <= nano < MAX_NANO else None


def _counts(
    whole: object, output: object, read: object, written: object, thought: object, hour: object = None
) -> _Counts:
    return {
        "input_tokens": _count(whole),
        "output_tokens": _count(output),
        "cache_read_tokens": _count(read),
        "cache_write_tokens": _count(written),
        "cache_write_1h_tokens": _count(hour),
        "reasoning_tokens": _count(thought),
    }


def _limited(counts: _Counts) -> dict[str, Any]:
    """Return the counts with each part no larger than its whole: one that is larger is not a part, and is dropped."""
    kept = dict(counts)
    whole, output = kept["input_tokens"] or 0, kept["output_tokens"] or 0
    if (kept["cache_read_tokens"] or 0) + (kept["cache_write_tokens"] or 0) > whole:
        kept["cache_read_tokens"] = kept["cache_write_tokens"] = None
    if (kept.get("cache_write_1h_tokens") or 0) > (kept["cache_write_tokens"] or 0):
        kept["cache_write_1h_tokens"] = None
    if (kept["reasoning_tokens"] or 0) > output:
        kept["reasoning_tokens"] = None
    return kept


def _sum(*counts: int | None) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def _count(value: object) -> int | None:
    """Return a count of tokens; None for what is not a whole number from 0 to `MAX_COUNT`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _first_count(attributes: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return next(_present(_count(attributes.get(name)) for name in names), None)


def _present(counts: Iterator[int | None]) -> Iterator[int]:
    return (each for each in counts if each is not None)


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _text(value: object) -> str | None:
    return value[:_MAX_NAME] if isinstance(value, str) and value else None


def _first_text(values: Mapping[Any, Any], names: Sequence[str]) -> str | None:
    return next((text for name in names if (text := _text(values.get(name))) is not None), None)


def _tier(*values: object) -> str | None:
    """Return the first tier of service that is named, None for the usual one."""
    named = next((value.lower()[:_MAX_NAME] for value in values if isinstance(value, str) and value), None)
    return None if named in _USUAL else named


def _currency(value: object) -> str | None:
    return (
        value
        if isinstance(value, str) and len(value) == _CURRENCY and value.isalpha() and value.isupper()
        else None
    )
