"""Metrics of model calls: once for each call, with bounded names, and no amount where there is no price."""

from datetime import UTC, datetime

import pytest

from ael_otel.config import Limits
from ael_otel.core.metrics import AelMetrics
from ael_otel.store import ExecutionRecord, model_metrics
from ael_otel.store.model_metrics import count_model_calls, parts_of
from ael_otel.store.records import ModelCallRecord
from tests.unit.conftest import Metered, labels

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def call(model: str | None = "m-1", **more: object) -> ModelCallRecord:
    """One model call of a result, with a cost of 0.25 USD unless told otherwise."""
    facts = {
        "provider": "house",
        "input_tokens": 100,
        "output_tokens": 40,
        "cost_nano": 250_000_000,
        "currency": "USD",
        "cost_source": "table",
    }
    return ModelCallRecord(more.pop("source", "result"), NOW, model, **(facts | more))  # type: ignore[arg-type]


def run(*calls: ModelCallRecord) -> ExecutionRecord:
    """One run that has ended."""
    return ExecutionRecord("exec-1", "workflow", "completed", NOW, model_calls=list(calls))


def test_tokens_of_all_types_add_up_to_input_and_output(metered: Metered) -> None:
    """Proves that cached tokens and reasoning are in one series each, so that no sum counts them twice."""
    metrics = AelMetrics(metered.provider)
    count_model_calls(
        metrics, run(call(cache_read_tokens=30, cache_write_tokens=20, reasoning_tokens=15), call())
    )
    series = metered.series()["ael.model.tokens"]
    found = {dict(key)["token_type"]: value for key, value in series.items()}
    assert found == {"input": 150, "cache_read": 30, "cache_write": 20, "output": 65, "reasoning": 15}
    assert sum(found.values()) == 2 * (100 + 40)


def test_a_type_that_the_source_does_not_count_has_no_series(metered: Metered) -> None:
    """Proves that an unknown count is absent, and not 0."""
    count_model_calls(AelMetrics(metered.provider), run(call(output_tokens=None)))
    assert {dict(key)["token_type"] for key in metered.series()["ael.model.tokens"]} == {"input"}
    assert parts_of(call(input_tokens=None, output_tokens=None)) == {}


def test_call_without_a_price_counts_and_is_in_no_amount(metered: Metered) -> None:
    """Proves that calls are counted by where their cost comes from, from zero, and that no price adds no cost."""
    nothing = {"cost_nano": None, "currency": None, "cost_source": None}
    count_model_calls(
        AelMetrics(metered.provider),
        run(call(), call(cost_source="provider", cost_nano=500_000_000), call(**nothing)),
    )
    series = metered.series()
    of_model = {"model": "m-1", "provider": "house"}
    assert series["ael.model.calls"] == {
        labels(**of_model, price="table"): 1,
        labels(**of_model, price="provider"): 1,
        labels(**of_model, price="none"): 1,
    }
    assert series["ael.model.cost"] == {labels(**of_model, currency="USD"): 0.75}


def test_response_of_two_runs_counts_once(metered: Metered) -> None:
    """Proves that what a workflow passes on to another, and a span of two records, is one call."""
    metrics = AelMetrics(metered.provider)
    answer = call(response="0123456789abcdef")
    count_model_calls(metrics, run(answer))
    count_model_calls(metrics, run(answer, call(source="span", span_id="00000000000000aa")))
    count_model_calls(metrics, run(call(source="span", span_id="00000000000000aa")))
    assert sum(metered.series()["ael.model.calls"].values()) == 2


def test_span_and_result_of_one_response_are_one_call(metered: Metered) -> None:
    """Proves that a span of a client and the result that holds the same response count once."""
    metrics = AelMetrics(metered.provider)
    both = "0123456789abcdef"
    count_model_calls(metrics, run(call(response=both, source="span", span_id="00000000000000aa")))
    count_model_calls(metrics, run(call(response=both)))
    assert sum(metered.series()["ael.model.calls"].values()) == 1


def test_memory_of_counted_calls_is_bounded(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the oldest response is forgotten beyond the bound, and the latest is not."""
    monkeypatch.setattr(model_metrics, "MAX_SEEN", 3)
    metrics = AelMetrics(metered.provider)
    count_model_calls(metrics, run(*(call(response=f"{number:016x}") for number in range(5))))
    count_model_calls(metrics, run(call(response=f"{4:016x}")))
    assert sum(metered.series()["ael.model.calls"].values()) == 5
    count_model_calls(metrics, run(call(response=f"{0:016x}")))
    assert sum(metered.series()["ael.model.calls"].values()) == 6


def test_models_beyond_the_limit_are_other_and_lose_nothing(metered: Metered) -> None:
    """Proves that names from outside cannot grow the series, and that every call, token and amount is in one."""
    metrics = AelMetrics(metered.provider)
    metrics.limit(Limits(models=2))
    count_model_calls(metrics, run(*(call(f"m-{number}") for number in range(7)), call(None, provider=None)))
    series = metered.series()
    models = {dict(key)["model"] for key in series["ael.model.calls"]}
    assert models == {"m-0", "m-1", "other"}
    other = {"model": "other", "provider": "other"}
    assert series["ael.model.calls"][labels(**other, price="table")] == 6
    assert series["ael.model.tokens"][labels(**other, token_type="input")] == 600
    assert series["ael.model.cost"][labels(**other, currency="USD")] == 1.5
    assert "ael.telemetry.dropped" not in series


def test_currencies_are_bounded(metered: Metered) -> None:
    """Proves that currencies are not converted, and that the fourth and all further ones share a series."""
    calls = [call(currency=code) for code in ("USD", "EUR", "CHF", "SEK", "NOK")]
    count_model_calls(AelMetrics(metered.provider), run(*calls))
    found = {dict(key)["currency"]: value for key, value in metered.series()["ael.model.cost"].items()}
    assert found == {"USD": 0.25, "EUR": 0.25, "CHF": 0.25, "other": 0.5}


def test_call_without_names_is_of_an_unknown_model(metered: Metered) -> None:
    """Proves that a call that names neither model nor provider is counted."""
    count_model_calls(AelMetrics(metered.provider), run(call(None, provider=None)))
    assert {(dict(key)["model"], dict(key)["provider"]) for key in metered.series()["ael.model.calls"]} == {
        ("unknown", "unknown")
    }
