"""The user's price file: which entry applies, what a call costs by it, and errors that say what to change."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.cost.price_file import PriceFile, Rates
from ael_otel.errors import ConfigError
from ael_otel.store.records import ModelCallRecord

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def call(model: str | None = "claude-x", **facts: Any) -> ModelCallRecord:
    """One model call of a thousand tokens in and a hundred out."""
    known = {"provider": "anthropic", "input_tokens": 1_000, "output_tokens": 100}
    return ModelCallRecord("span", facts.pop("at", AT), model, **(known | facts))


def prices(folder: Path, text: str) -> PriceFile:
    """The prices of a file with this text."""
    path = folder / "prices.yaml"
    path.write_text(text, "utf-8")
    return PriceFile(path)


def test_the_first_match_decides_and_its_latest_valid_price_applies(tmp_path: Path) -> None:
    """Proves the choice among patterns, providers and dates, and that a price id says which it was."""
    found = prices(
        tmp_path,
        """
        version: contract 7
        prices:
          - {model: "CLAUDE-*", provider: anthropic, valid_from: 2026-01-01, input: 1, output: 10}
          - {model: "CLAUDE-*", provider: anthropic, valid_from: 2026-07-01, input: 2, output: 20}
          - {model: "claude-x", input: 9, output: 9, currency: EUR}
        """,
    )
    cost = found.find(call())
    assert cost is not None
    assert (cost.nano, cost.currency) == (2_000_000, "USD")
    assert cost.price.id == "prices.yaml contract 7 anthropic/CLAUDE-* 2026-01-01"
    later = found.find(call(at=datetime(2026, 7, 1, tzinfo=UTC)))
    assert later is not None
    assert later.nano == 4_000_000
    # Before all dates, and for another provider, the entry without either applies.
    for other in (call(at=datetime(2025, 1, 1, tzinfo=UTC)), call(provider="relay")):
        elsewhere = found.find(other)
        assert elsewhere is not None
        assert (elsewhere.nano, elsewhere.currency) == (9_900_000, "EUR")
    assert found.find(call("gpt-x")) is None
    assert found.find(call(None)) is None


def test_the_file_on_the_page_is_one(tmp_path: Path) -> None:
    """Proves that the example of the documentation can be used, with its rates of a batch and its second currency."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "cost.md").read_text("utf-8")
    text = next(part for part in page.split("```text\n") if part.startswith("version:")).partition("```")[0]
    found = prices(tmp_path, text)
    batch = found.find(call("claude-sonnet-4-5-20250929", tier="batch"))
    assert batch is not None
    assert (batch.nano, batch.currency) == (1_000 * 1_500 + 100 * 7_500, "USD")
    own = found.find(call("house-model-7b", provider=None))
    assert own is not None
    assert own.currency == "EUR"


def test_a_day_is_one_of_utc(tmp_path: Path) -> None:
    """Proves that a price begins at midnight UTC, whatever zone a time has."""
    found = prices(tmp_path, "prices: [{model: '*', valid_from: 2026-06-02, input: 1, output: 1}]")
    late = datetime(2026, 6, 1, 23, 59, tzinfo=UTC)
    assert found.find(call(at=late)) is None
    assert found.find(call(at=late + timedelta(minutes=1))) is not None


def test_a_rate_that_is_missing_leaves_the_call_without_a_price(tmp_path: Path) -> None:
    """Proves that no token is free because a rate is missing: output, or another tier of service."""
    found = prices(tmp_path, "prices: [{model: '*', input: 1, tiers: {batch: {input: 0.5, output: 2}}}]")
    assert found.find(call()) is None
    assert found.find(call(tier="flex")) is None
    batch = found.find(call(tier="batch"))
    assert batch is not None
    assert batch.nano == 500_000 + 200_000
    embedding = found.find(call(output_tokens=None))
    assert embedding is not None
    assert embedding.nano == 1_000_000


RATE = st.none() | st.decimals(0, 1000, places=4)
PART = st.integers(0, 10**7)


@given(st.tuples(PART, PART, PART, PART, PART), st.tuples(RATE, RATE, RATE, RATE, RATE))
def test_cost_is_the_sum_over_tokens_that_each_count_once(
    parts: tuple[int, int, int, int, int], rates: tuple[Decimal | None, ...]
) -> None:
    """Proves the cost against one that is computed from parts that do not overlap, in exact fractions."""
    fresh, read, written, hour, output = parts
    in_rate, out_rate, read_rate, write_rate, hour_rate = rates
    record = call(
        input_tokens=fresh + read + written + hour,
        cache_read_tokens=read,
        cache_write_tokens=written + hour,
        cache_write_1h_tokens=hour,
        output_tokens=output,
    )
    write = in_rate if write_rate is None else write_rate
    needed = (
        (fresh, in_rate),
        (read, in_rate if read_rate is None else read_rate),
        (written, write),
        (hour, write if hour_rate is None else hour_rate),
        (output, out_rate),
    )
    found = Rates(in_rate, out_rate, read_rate, write_rate, hour_rate).nano(record)
    if any(count and rate is None for count, rate in needed):
        assert found is None
    else:
        exact = sum(
            (count * Fraction(rate) * 1000 for count, rate in needed if count and rate is not None),
            Fraction(0),
        )
        assert found == round(exact)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prices: [", "prices.yaml:1 is not YAML"),
        ("rates: []", "`rates`"),
        ("prices: [{input: 1}]", "`model`"),
        ("prices: [{model: x, inputs: 1}]", "`inputs`"),
        ("prices: [{model: x}]", "prices[0] has no rate"),
        ("prices: [{model: x, input: -1}]", "prices[0].input: -1"),
        ("prices: [{model: x, input: 1, currency: usd}]", "prices[0].currency: 'usd'"),
        ("prices: [{model: x, input: 1, tiers: {batch: {output: -2}}}]", "prices[0].tiers.batch.output: -2"),
        ("", "is empty: write `prices:`"),
        ("[]", "the file must be a mapping"),
        ("prices: 3", "prices must be a list"),
        ("prices: [x]", "prices[0] must be a mapping"),
        ("prices: [{model: [x], input: 1}]", "prices[0].model must be a text"),
        ("prices: [{model: x, input: much}]", "prices[0].input must be an amount such as 3.00"),
        ("prices: [{model: x, input: true}]", "prices[0].input must be an amount such as 3.00"),
        ("prices: [{model: x, input: 1, valid_from: soon}]", "prices[0].valid_from must be a date"),
        ("prices: [{model: x, input: 1, valid_from: 2026-13-41}]", "is not YAML: month must be in 1..12"),
        ("prices: [{model: x, input: 1, tiers: {batch: 3}}]", "prices[0].tiers.* must be a mapping"),
        ("prices: [{model: x, input: 1, tiers: {batch: {put: 3}}}]", "there are input, output, cache_read"),
        ("prices: &all [*all]", "holds itself by an alias"),
        ("[" * 5_000, "is nested too deeply"),
        ("prices: []\nversion: \x01", "is not YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(tmp_path: Path, text: str, named: str) -> None:
    """Proves that an error names the key of the configuration, the file and what is wrong in it."""
    with pytest.raises(ConfigError) as caught:
        prices(tmp_path, text)
    message = str(caught.value)
    assert "telemetry.cost.prices" in message
    assert named in message
    assert not re.search(r"recursion|Object |Expected |RFC|\$|msgspec", message), "the decoder's own words"


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    """Proves that a path that leads nowhere is an error, and not a table without prices."""
    with pytest.raises(ConfigError, match="No such file"):
        PriceFile(tmp_path / "none.yaml")


def test_rates_are_the_decimals_that_are_written(tmp_path: Path) -> None:
    """Proves that 0.1 is a tenth: 30 tokens at 0.1 for a million are 3,000 billionths."""
    found = prices(tmp_path, "prices: [{model: '*', input: 0.1, output: 0.1}]").find(
        call(input_tokens=30, output_tokens=0)
    )
    assert found is not None
    assert found.nano == 3_000
