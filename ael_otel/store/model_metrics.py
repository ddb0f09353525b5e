"""Metrics of model calls: calls, tokens and cost of the runs that this process has recorded.

A run is counted when it has ended and its calls have their prices, by the thread that stores it. Each call counts once:
a response that two runs record, and a span that belongs to two runs, is recognised among the last `MAX_SEEN`. What
agents count in events of their sessions is in the store alone, since spans may report the same calls later.
"""

from typing import Final
from weakref import WeakKeyDictionary

from ael_otel._generated.attributes import ModelTokenType
from ael_otel.core.faults import fault_barrier
from ael_otel.core.metrics import MAX_CURRENCIES, AelMetrics
from ael_otel.store.model_calls import priced
from ael_otel.store.records import ExecutionRecord, ModelCallRecord

MAX_SEEN: Final = 20_000
"""Responses and spans of calls that a process recognises when they are recorded again."""

OTHER: Final = "other"
"""Stands for a model, provider or currency beyond the limit."""

UNKNOWN: Final = "unknown"
"""Stands for a model or provider that the source does not name."""


class _Counter:
    """What is known of the calls that one set of metrics has counted."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], None] = {}
        self.currencies: dict[str, None] = {}
        self._seen: dict[str, None] = {}

    def is_new(self, call: ModelCallRecord) -> bool:
        """Return whether a call is recorded for the first time; from then on it is not."""
        keys = [key for key in (call.response, call.span_id if call.source == "span" else None) if key]
        new = not any(key in self._seen for key in keys)
        for key in keys:
            self._seen[key] = None
        while len(self._seen) > MAX_SEEN:
            self._seen.pop(next(iter(self._seen)), None)
        return new


_counters: "WeakKeyDictionary[AelMetrics, _Counter]" = WeakKeyDictionary()


def count_model_calls(metrics: AelMetrics, record: ExecutionRecord) -> None:
    """Count the model calls of a run that has ended.

    Args:
        metrics: where they are counted; beyond its limit of models, calls count as those of `other`.
        record: the run; calls without a price get one first.
    """
    if not record.model_calls:
        return
    with fault_barrier("model_metrics"):
        counter = _counters.setdefault(metrics, _Counter())
        for call in priced(record).model_calls:
            if counter.is_new(call):
                _count(metrics, counter, call)


def _count(metrics: AelMetrics, counter: _Counter, call: ModelCallRecord) -> None:
    model, provider = call.model or UNKNOWN, call.provider or UNKNOWN
    if not _fits(counter.models, (model, provider), metrics.max_models):
        model = provider = OTHER
    source = call.cost_source or "none"
    metrics.model_call.expect(model=model, provider=provider)
    metrics.model_call.bind(model=model, provider=provider, price=source).add(calls=1)
    for kind, tokens in parts_of(call).items():
        metrics.model_tokens.bind(model=model, provider=provider, token_type=kind).add(tokens=tokens)
    if call.cost_nano is not None and call.currency is not None:
        fits = _fits(counter.currencies, call.currency, MAX_CURRENCIES - 1)
        currency = call.currency if fits else OTHER
        row = metrics.model_cost.bind(model=model, provider=provider, currency=currency)
        row.add(cost=call.cost_nano / 1e9)


def _fits[Key](known: dict[Key, None], key: Key, most: int) -> bool:
    if key not in known and len(known) < most:
        known[key] = None
    return key in known


def parts_of(call: ModelCallRecord) -> dict[ModelTokenType, int]:
    """Return the tokens of a call by type, each token in one; a type that the source does not count is absent."""
    read, written, thought = call.cache_read_tokens, call.cache_write_tokens, call.reasoning_tokens
    parts: dict[ModelTokenType, int | None] = {
        "input": None if call.input_tokens is None else call.input_tokens - (read or 0) - (written or 0),
        "cache_read": read,
        "cache_write": written,
        "output": None if call.output_tokens is None else call.output_tokens - (thought or 0),
        "reasoning": thought,
    }
    return {kind: tokens for kind, tokens in parts.items() if tokens is not None}
