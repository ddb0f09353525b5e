"""Sums of tokens and costs over model calls."""

from collections.abc import Callable, Iterable
from typing import Final, Literal, get_args

import msgspec

from ael_otel.store.model_calls import RunModelCall
from ael_otel.store.stats import NO_WORKFLOW
from ael_otel.store.times import day_of

type CostKey = Literal["workflow", "step", "tool", "model", "provider", "caller", "session", "day"]

COST_KEYS: Final = get_args(CostKey.__value__)

NONE: Final = "(none)"
"""Stands for a key that a call does not have: a call outside any tool, a run without a session."""


class CostRow(msgspec.Struct, frozen=True):
    """Tokens and cost of the model calls of one key.

    `calls` counts calls, `copies` further records of responses that are counted already and are in no other figure.
    Tokens are sums of what was reported: `cache_read_tokens` and `cache_write_tokens` are parts of `input_tokens`,
    `reasoning_tokens` of `output_tokens`. `cost_nano` has billionths by currency; `repriced_nano` the same by later
    prices, empty unless `ael cost reprice` stored some. `no_price` counts calls without a price, which are in no
    amount; `sources` counts calls by where their cost comes from.
    """

    key: str
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nano: dict[str, int]
    no_price: int
    copies: int
    sources: dict[str, int]
    repriced_nano: dict[str, int] = {}


class _Sum:
    __slots__ = ("calls", "copies", "cost", "no_price", "repriced", "sources", "tokens")

    def __init__(self) -> None:
        self.calls = self.copies = self.no_price = 0
        self.tokens = [0, 0, 0, 0, 0]
        self.cost: dict[str, int] = {}
        self.repriced: dict[str, int] = {}
        self.sources: dict[str, int] = {}

    def add(self, each: RunModelCall) -> None:
        if each.copy:
            self.copies += 1
            return
        call = each.call
        self.calls += 1
        counts = (
            call.input_tokens,
            call.output_tokens,
            call.cache_read_tokens,
            call.cache_write_tokens,
            call.reasoning_tokens,
        )
        for place, count in enumerate(counts):
            self.tokens[place] += count or 0
        self.sources[call.cost_source] = self.sources.get(call.cost_source, 0) + 1
        if call.cost_nano is None or call.currency is None:
            self.no_price += 1
        else:
            self.cost[call.currency] = self.cost.get(call.currency, 0) + call.cost_nano
        again = each.repriced
        if again is not None and again.nano is not None and again.currency is not None:
            self.repriced[again.currency] = self.repriced.get(again.currency, 0) + again.nano

    def row(self, key: str) -> CostRow:
        whole, output, read, written, reasoning = self.tokens
        return CostRow(
            key,
            self.calls,
            whole,
            output,
            read,
            written,
            reasoning,
            dict(sorted(self.cost.items())),
            self.no_price,
            self.copies,
            dict(sorted(self.sources.items())),
            dict(sorted(self.repriced.items())),
        )


def summarise(
    by: CostKey | None, calls: Iterable[RunModelCall], day: Callable[[int], str] = day_of
) -> list[CostRow]:
    """Return one row per key, the dearest first, or by day in order.

    Args:
        by: the key; None sums up all calls in one row.
        calls: the calls; those that are copies are counted as such only.
        day: the day of a time in microseconds since 1970; by default in UTC.
    """
    sums: dict[str, _Sum] = {}
    for each in calls:
        key = "all" if by is None else day(each.call.at_us) if by == "day" else _key(by, each)
        sums.setdefault(key, _Sum()).add(each)
    rows = [found.row(key) for key, found in sums.items()]
    if by == "day":
        return sorted(rows, key=lambda row: row.key)
    return sorted(rows, key=lambda row: (-max(row.cost_nano.values(), default=0), -row.calls, row.key))


def _key(by: CostKey, each: RunModelCall) -> str:
    call = each.call
    if by == "workflow":
        return each.workflow_name or NO_WORKFLOW
    if by == "step":
        return (
            ".".join(filter(None, (each.workflow_name, call.step)))
            if call.step
            else each.workflow_name or NO_WORKFLOW
        )
    found = {
        "tool": call.tool,
        "model": call.model,
        "provider": call.provider,
        "caller": each.caller_id or call.agent,
        "session": each.session_id,
    }
    return found[by] or NONE
