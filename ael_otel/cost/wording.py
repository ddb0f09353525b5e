"""Tokens and amounts of money as text."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ael_otel.store.records import ModelCallRecord


def exact(nano: int) -> str:
    """Write billionths as a decimal number without a rounding error: `0.00096075`."""
    return f"{Decimal(nano).scaleb(-9).normalize():f}"


def amount(nano: int, currency: str) -> str:
    """Write an amount for a person: cents from 1 on, else six decimals: `1.25 USD`, `0.000961 USD`."""
    unit = Decimal(nano).scaleb(-9)
    if unit >= 1 or not nano:
        return f"{unit:,.2f} {currency}"
    return f"{unit:.6f} {currency}" if unit >= Decimal("0.000001") else f"<0.000001 {currency}"


def amounts(cost: Mapping[str, int]) -> str:
    """Write the amount in each currency, `-` where there is none."""
    return " + ".join(amount(nano, currency) for currency, nano in cost.items()) or "-"


def usage_of(calls: Sequence[ModelCallRecord]) -> str:
    """Write what model calls of a run used: `2 model calls: 0.001050 USD, 1,200 tokens in, 30 out`.

    Empty for no calls.
    """
    return f"{count_of(calls)}: {figures_of(calls)}" if calls else ""


def count_of(calls: Sequence[ModelCallRecord]) -> str:
    """Write how many calls there are: `1 model call`."""
    return f"{len(calls):,} {'model call' if len(calls) == 1 else 'model calls'}"


def figures_of(calls: Sequence[ModelCallRecord]) -> str:
    """Write the cost and the tokens of calls; the cost comes first, since a narrow terminal cuts the end."""
    whole = sum(call.input_tokens or 0 for call in calls)
    output = sum(call.output_tokens or 0 for call in calls)
    cached = sum(call.cache_read_tokens or 0 for call in calls)
    cost: dict[str, int] = {}
    for call in calls:
        if call.cost_nano is not None and call.currency is not None:
            cost[call.currency] = cost.get(call.currency, 0) + call.cost_nano
    parts = [f"{whole:,} tokens in" + (f" ({cached:,} cached)" if cached else ""), f"{output:,} out"]
    if missing := sum(call.cost_nano is None for call in calls):
        parts.insert(0, f"{missing:,} without a price")
    if cost:
        parts.insert(0, amounts(dict(sorted(cost.items()))))
    return ", ".join(parts)
