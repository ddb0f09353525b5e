"""The budget proof: twelve model calls of four providers, with cached, written, reasoning and batch tokens.

Each amount is computed by hand from the prices a million tokens beside it, and checked against the responses as the
providers send them, through the counts, the price file and the installed price table. And the ways in which other tools
counted twice, by the reports of their users, as tests of the kind.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ael_otel.cost import Prices, summarise
from ael_otel.cost.price_file import PriceFile
from ael_otel.cost.price_table import PriceTable
from ael_otel.store import ExecutionRecord, MemoryStore, RunQuery
from ael_otel.store.model_calls import add_results, price_with

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)

PRICES = """
version: proof
prices:
  - model: "claude-sonnet-4-5*"
    provider: anthropic
    input: 3
    output: 15
    cache_read: 0.30
    cache_write: 3.75
    cache_write_1h: 6
    tiers: {batch: {input: 1.5, output: 7.5}}
  - model: "gpt-4o*"
    input: 2.50
    output: 10
    cache_read: 1.25
    tiers: {batch: {input: 1.25, output: 5}}
  - {model: "gemini-2.5-pro", provider: google, input: 1.25, output: 10, cache_read: 0.125}
  - {model: "nova-pro", input: 0.80, output: 3.20, cache_read: 0.20}
"""


class Proof(NamedTuple):
    """A response and its cost in billionths of a dollar; `by_table` where the installed table has the same prices."""

    response: dict[str, Any]
    nano: int
    by_table: bool = True


def claude(number: int, usage: dict[str, Any]) -> dict[str, Any]:
    """A message of Anthropic."""
    known = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    return {"id": f"msg_{number:024d}", "model": "claude-sonnet-4-5-20250929", "usage": known | usage}


def gpt(number: int, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chat completion of OpenAI."""
    return {
        "id": f"chatcmpl-{number:024d}",
        "model": "gpt-4o-2024-08-06",
        "provider": "openai",
        "usage": usage,
        **more,
    }


def gemini(number: int, usage: dict[str, Any]) -> dict[str, Any]:
    """An answer of Gemini."""
    return {"responseId": f"{number:024d}", "modelVersion": "gemini-2.5-pro", "usageMetadata": usage}


def nova(usage: dict[str, Any]) -> dict[str, Any]:
    """An answer of Bedrock's Converse, with the model that the tool adds."""
    return {"modelId": "nova-pro", "output": {}, "usage": usage}


CALLS = (
    # 300 x 3 + 10 x 15 = 1,050 millionths of a dollar.
    Proof(claude(1, {"input_tokens": 300, "output_tokens": 10}), 1_050_000),
    # 235 x 3 + 40 x 0.30 + 25 x 3.75 + 10 x 15 = 705 + 12 + 93.75 + 150 = 960.75.
    Proof(
        claude(
            2,
            {
                "input_tokens": 235,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 25,
                "output_tokens": 10,
            },
        ),
        960_750,
    ),
    # 100 x 3 + 1,000 written for an hour x 6 + 500 written x 3.75 + 20 x 15 = 300 + 6,000 + 1,875 + 300 = 8,475.
    Proof(
        claude(
            3,
            {
                "input_tokens": 100,
                "cache_creation_input_tokens": 1_500,
                "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1_000},
                "output_tokens": 20,
            },
        ),
        8_475_000,
    ),
    # A batch: 1,000 x 1.5 + 100 x 7.5 = 1,500 + 750 = 2,250.
    Proof(claude(4, {"input_tokens": 1_000, "output_tokens": 100, "service_tier": "batch"}), 2_250_000),
    # 1,000 x 2.50 + 100 x 10 = 2,500 + 1,000 = 3,500.
    Proof(gpt(5, {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}), 3_500_000),
    # 200 x 2.50 + 800 cached x 1.25 + 100 x 10 = 500 + 1,000 + 1,000 = 2,500.
    Proof(
        gpt(
            6,
            {
                "prompt_tokens": 1_000,
                "completion_tokens": 100,
                "prompt_tokens_details": {"cached_tokens": 800},
            },
        ),
        2_500_000,
    ),
    # 500 x 2.50 + 400 x 10, of which 350 are reasoning = 1,250 + 4,000 = 5,250.
    Proof(
        gpt(
            7,
            {
                "prompt_tokens": 500,
                "completion_tokens": 400,
                "total_tokens": 900,
                "completion_tokens_details": {"reasoning_tokens": 350},
            },
        ),
        5_250_000,
    ),
    # A batch: 1,000 x 1.25 + 10 x 5 = 1,250 + 50 = 1,300.
    Proof(gpt(8, {"prompt_tokens": 1_000, "completion_tokens": 10}, service_tier="batch"), 1_300_000),
    # 1,000 x 1.25 + 10 x 10 = 1,250 + 100 = 1,350.
    Proof(gemini(9, {"promptTokenCount": 1_000, "candidatesTokenCount": 10}), 1_350_000),
    # 400 x 1.25 + 600 cached x 0.125 + (10 + 90 thoughts) x 10 = 500 + 75 + 1,000 = 1,575.
    Proof(
        gemini(
            10,
            {
                "promptTokenCount": 1_000,
                "cachedContentTokenCount": 600,
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 90,
            },
        ),
        1_575_000,
    ),
    # 1,000 x 0.80 + 100 x 3.20 = 800 + 320 = 1,120.
    Proof(nova({"inputTokens": 1_000, "outputTokens": 100, "totalTokens": 1_100}), 1_120_000, by_table=False),
    # 100 x 0.80 + 900 read x 0.20 + 50 x 3.20 = 80 + 180 + 160 = 420.
    Proof(
        nova({"inputTokens": 100, "cacheReadInputTokens": 900, "outputTokens": 50, "totalTokens": 1_050}),
        420_000,
        by_table=False,
    ),
)
TOTAL = 29_750_750
"""1,050,000 + 960,750 + 8,475,000 + 2,250,000 + 3,500,000 + 2,500,000 + 5,250,000 + 1,300,000 + 1,350,000 + 1,575,000 +
1,120,000 + 420,000 billionths of a dollar."""


@pytest.fixture
def by_file(tmp_path: Path) -> Prices:
    """The prices of the file alone."""
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES, "utf-8")
    return Prices(PriceFile(path))


@pytest.fixture
def store(by_file: Prices) -> Iterator[MemoryStore]:
    """A store whose calls are priced by the file."""
    price_with(by_file.price)
    yield MemoryStore()
    price_with(None)


def run(*results: Any, number: int = 1) -> ExecutionRecord:
    """A run whose tool returned these."""
    record = ExecutionRecord(f"exec-{number}", "workflow", "completed", AT, "proof")
    for place, result in enumerate(results):
        add_results(record, result, AT, None, tool_name="ask", call_id=f"{number}-{place}")
    return record


def test_twelve_calls_cost_what_was_computed_by_hand(store: MemoryStore) -> None:
    """Proves each amount and the sum, in whole billionths."""
    store.put([run(*(each.response for each in CALLS))])
    found = list(store.model_calls(RunQuery()))
    assert [each.call.cost_nano for each in found] == [each.nano for each in CALLS]
    (total,) = summarise(None, found)
    assert total.cost_nano == {"USD": TOTAL}
    assert (total.calls, total.no_price, total.copies, total.sources) == (12, 0, 0, {"table": 12})


@pytest.mark.parametrize("proof", [each for each in CALLS if each.by_table])
def test_the_installed_price_table_agrees(proof: Proof) -> None:
    """Proves the same amounts by `genai-prices`, and that the price id names model, provider and version."""
    pytest.importorskip("genai_prices", reason="needs the extra `cost`, which the extra `dev` holds too")
    record = run(proof.response)
    found = PriceTable().find(record.model_calls[0])
    assert found is not None
    assert (found.nano, found.currency) == (proof.nano, "USD")
    assert found.price.table.startswith("genai-prices 0.")
    assert found.price.model in str(proof.response)


def test_a_model_without_a_price_is_counted_and_in_no_amount(store: MemoryStore) -> None:
    """Proves that an unknown model costs None, never 0, and is counted."""
    unknown = {"model": "house-model-7b", "usage": {"prompt_tokens": 900, "completion_tokens": 9}}
    store.put([run(unknown, CALLS[0].response)])
    (row,) = summarise("workflow", store.model_calls(RunQuery()))
    assert (row.calls, row.no_price, row.cost_nano) == (2, 1, {"USD": CALLS[0].nano})
    assert row.input_tokens == 1_200
    record = store.get("exec-1")
    assert record is not None
    assert (record.model_calls[0].cost_nano, record.model_calls[0].cost_source) == (None, "none")


def test_a_cost_of_the_provider_wins_over_any_table(store: MemoryStore) -> None:
    """Proves that what a provider charged is taken, and marked so."""
    reported = gpt(1, {"prompt_tokens": 1_000, "completion_tokens": 100, "cost": 0.0042})
    store.put([run(reported)])
    record = store.get("exec-1")
    assert record is not None
    (call,) = record.model_calls
    assert (call.cost_nano, call.currency, call.cost_source, call.price) == (
        4_200_000,
        "USD",
        "provider",
        None,
    )


# --- how others counted twice -----------------------------------------------------------------------------------------


def test_cached_input_is_not_added_to_input_that_includes_it(store: MemoryStore) -> None:
    """Langfuse #10592: 17,903 tokens with 17,817 cached were shown as 35,720."""
    usage = {
        "prompt_tokens": 17_903,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 17_817},
    }
    store.put([run(gpt(1, usage))])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert (row.input_tokens, row.cache_read_tokens) == (17_903, 17_817)
    assert row.cost_nano == {"USD": 86 * 2_500 + 17_817 * 1_250 + 10_000}


def test_cached_input_without_a_rate_of_its_own_is_not_free(store: MemoryStore) -> None:
    """Langfuse's Codex plugin #22: a usage type without a price was billed at zero."""
    written = claude(1, {"input_tokens": 10, "cache_creation_input_tokens": 1_000, "output_tokens": 1})
    written["model"] = "gpt-4o"  # whose entry has no rate for writes
    store.put([run(written)])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert row.cost_nano == {"USD": 1_010 * 2_500 + 10_000}


def test_parts_of_a_streamed_response_count_once_with_the_last_output(store: MemoryStore) -> None:
    """Reports #389, #797 and #994 of ccusage: one message in several lines was counted for each, or by its first."""
    lines = [claude(1, {"input_tokens": 6, "output_tokens": output}) for output in (1, 1, 384)]
    store.put([run(*lines)])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert (row.calls, row.input_tokens, row.output_tokens) == (1, 6, 384)


def test_a_response_that_a_resumed_session_brings_again_counts_once(store: MemoryStore) -> None:
    """Report #1762 of ccusage: copies of a transcript in other sessions were counted again."""
    store.put([run(CALLS[0].response), run(CALLS[0].response, CALLS[1].response, number=2)])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert (row.calls, row.copies) == (2, 1)
    assert row.cost_nano == {"USD": CALLS[0].nano + CALLS[1].nano}


def test_result_of_code_counts_again_only_with_an_id_of_another_response() -> None:
    """Proves that code which passes a response on makes no call, and that equal counts alone hide none."""
    usage = {"input_tokens": 7, "output_tokens": 1}
    record = run(claude(1, usage))
    without_id = {key: value for key, value in claude(1, usage).items() if key != "id"}
    for response in (claude(1, usage), without_id):
        add_results(record, response, AT, None, passed_on=True, step_id="code")
        assert len(record.model_calls) == 1
    add_results(record, claude(2, usage), AT, None, passed_on=True, step_id="code")
    assert len(record.model_calls) == 2


def test_responses_of_a_relay_with_one_id_all_count(store: MemoryStore) -> None:
    """Report #1635 of ccusage: a relay that answers with one id had all but one response dropped."""
    short = [{**claude(1, {"input_tokens": size, "output_tokens": 1}), "id": "ocgo"} for size in (5, 5, 7)]
    constant = [claude(1, {"input_tokens": size, "output_tokens": 1}) for size in (11, 13)]
    store.put([run(*short, *constant)])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert (row.calls, row.input_tokens) == (5, 5 + 5 + 7 + 11 + 13)


def test_a_closed_day_keeps_its_cost_when_prices_change(store: MemoryStore, tmp_path: Path) -> None:
    """Report #1636 of ccusage: the same week cost another amount with each price table."""
    record = run(CALLS[0].response)
    store.put([record])
    dearer = tmp_path / "dearer.yaml"
    dearer.write_text("prices: [{model: '*', input: 100, output: 100}]", "utf-8")
    price_with(Prices(PriceFile(dearer)).price)
    again = store.get("exec-1")
    assert again is not None
    store.put([again])
    (row,) = summarise(None, store.model_calls(RunQuery()))
    assert row.cost_nano == {"USD": CALLS[0].nano}
