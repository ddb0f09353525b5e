"""Model calls of a run: created from counts that a span or a result reports, each response once, priced when recorded.

Prices belong to a higher room (`ael_otel.cost`), which registers the function that computes them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ael_otel._generated import attributes as attr
from ael_otel.privacy.markers import MARKER
from ael_otel.store.records import (
    ExecutionRecord,
    ModelCallRecord,
    ModelCallSource,
    PriceRecord,
    ToolCallRecord,
)
from ael_otel.store.times import to_us

if TYPE_CHECKING:
    # `ael trace list` reads rows without loading OpenTelemetry or the response formats of providers.
    from ael_otel.core.redaction import ActiveRedaction
    from ael_otel.usage import Usage

MAX_CALLS: Final = 10_000
"""Maximum number of model calls in the record of one run."""

LEFT_OUT: Final = "model_calls_left_out"
"""Key in a run's metadata: the number of model calls beyond the maximum."""

_SHORTEST_ID: Final = 20
"""Minimum characters of a unique response id: relays and local servers answer with `chatcmpl-123` or their name."""

type Pricer = Callable[[ModelCallRecord], None]
"""Sets `cost_nano`, `currency`, `cost_source` and `price` of a call; called once for each."""


def reported_cost(call: ModelCallRecord) -> None:
    """Use the cost that the provider reported; leave any other call without a price."""
    from ael_otel.usage import PROVIDER

    if call.reported_nano is not None and call.reported_by == PROVIDER:
        call.cost_nano, call.currency, call.cost_source = (
            call.reported_nano,
            call.reported_currency,
            "provider",
        )
    else:
        call.cost_source = "none"


class _Pricing:
    """The function that prices the calls of this process."""

    pricer: Pricer = staticmethod(reported_cost)


def price_with(pricer: Pricer | None) -> None:
    """Set the function that prices calls from now on; with None, only costs that providers report are used."""
    _Pricing.pricer = reported_cost if pricer is None else pricer


def model_call(
    usage: "Usage",
    source: ModelCallSource,
    at: datetime,
    redaction: "ActiveRedaction | None" = None,
    **about: Any,
) -> ModelCallRecord:
    """Return the record of a call; its names are redacted, and of its response's id only a hash is stored.

    Args:
        usage: the counts.
        source: where they come from.
        at: when the call began, or its result came.
        redaction: redacts the names; None if they are redacted already.
        about: further fields of the record: step, tool, call, agent, span.
    """

    def name(text: str | None) -> str | None:
        return text if text is None or redaction is None else redaction.name(text)

    return ModelCallRecord(
        source,
        at,
        name(usage.model),
        name(usage.provider),
        response=_response_of(usage),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        tier=name(usage.tier),
        reported_nano=usage.reported_nano,
        reported_currency=usage.reported_currency,
        reported_by=usage.reported_by,
        **about,
    )


def _response_of(usage: "Usage") -> str | None:
    """Return 16 hex digits that identify a response, None if its id is not unique.

    The input is part of the hash, since a relay may answer every request with one id.
    """
    response = usage.response_id
    if response is None or len(response) < _SHORTEST_ID or MARKER.search(response):
        return None
    return sha256(f"{response}\0{usage.input_tokens}".encode("utf-8", "replace")).hexdigest()[:16]


def add(record: ExecutionRecord, calls: Iterable[ModelCallRecord]) -> None:
    """Add calls to a run, up to the maximum; each response once, with its largest count of output.

    Streaming records one response several times, with growing output.
    """
    kept = record.model_calls
    for call in calls:
        at = None
        if call.response is not None:
            at = next((place for place, each in enumerate(kept) if each.response == call.response), None)
        if at is not None:
            if (call.output_tokens or 0) > (kept[at].output_tokens or 0):
                kept[at] = call
        elif len(kept) >= MAX_CALLS:
            record.metadata[LEFT_OUT] = record.metadata.get(LEFT_OUT, 0) + 1
        else:
            kept.append(call)


def add_results(
    record: ExecutionRecord,
    value: Any,
    at: datetime,
    redaction: "ActiveRedaction | None",
    *,
    passed_on: bool = False,
    **about: Any,
) -> None:
    """Add the model calls whose responses are in a result; none if spans below the same tool call have counted them.

    Args:
        record: the run.
        value: the result as it was returned; plain JSON values.
        at: when it was returned.
        redaction: redacts names; None if they are redacted already.
        passed_on: whether the value may be the result of a call of the run, as the result of code is: a response with
            the counts of a recorded one is then the same response.
        about: further fields of the records.
    """
    from ael_otel.usage import in_result

    found = [model_call(usage, "result", at, redaction, **about) for usage in in_result(value)]
    call_id = about.get("call_id")
    if not found or (
        call_id is not None
        and any(each.source == "span" and each.call_id == call_id for each in record.model_calls)
    ):
        return
    known = record.model_calls[:] if passed_on else []
    add(record, (call for call in found if not any(same_counts(call, each) for each in known)))


def add_call_result(record: ExecutionRecord, call: ToolCallRecord, value: Any) -> None:
    """Add the model calls whose responses are in the result of a foreign call; `value` is redacted now or later."""
    add_results(
        record,
        value,
        call.completed_at or call.started_at,
        None,
        step_id=call.step_id,
        tool_name=call.tool_name,
        call_id=call.call_id,
        agent=call.agent,
    )


def priced(record: ExecutionRecord) -> ExecutionRecord:
    """Return the record with a price for each model call that has none; recorded prices do not change."""
    for call in record.model_calls:
        if call.cost_source is None:
            _Pricing.pricer(call)
    return record


def parent_span_ids(record: ExecutionRecord) -> list[str]:
    """Return for each model call of a run the span that it belongs below: its tool call's, code's, step's or run's.

    Empty where the record has no id of that span.
    """
    steps = {step.step_id: step for step in record.steps}
    calls = [*record.tool_calls, *(call for step in record.steps for call in step.tool_calls)]
    of_calls = {call.call_id: call.span_id for call in calls}
    found: list[str] = []
    for call in record.model_calls:
        step = steps.get(call.step_id or "")
        code = None if step is None else step.code
        found.append(
            of_calls.get(call.call_id or "")
            or ("" if code is None else code.span_id)
            or ("" if step is None else step.span_id)
            or record.span_id
            or ""
        )
    return found


def exported_cost(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cost on a span that this package exported, as fields of the record: it stays as it was recorded.

    Empty for any other span.
    """
    from ael_otel.usage import nano_of

    source = attributes.get(attr.AEL_COST_SOURCE)
    if source not in ("provider", "table", "none"):
        return {}
    nano, currency = nano_of(attributes.get(attr.AEL_COST_AMOUNT)), attributes.get(attr.AEL_COST_CURRENCY)
    if source == "none" or nano is None or not isinstance(currency, str):
        return {"cost_source": "none"}
    price = attributes.get(attr.AEL_COST_PRICE)
    return {
        "cost_source": source,
        "cost_nano": nano,
        "currency": currency,
        "price": PriceRecord.of_id(price) if isinstance(price, str) else None,
    }


def same_counts(call: ModelCallRecord, other: ModelCallRecord) -> bool:
    """Return whether two records may belong to one response: the same model and counts, and not two ids."""
    if call.response is not None and other.response is not None and call.response != other.response:
        return False
    return (call.model, call.input_tokens, call.output_tokens, call.cache_read_tokens) == (
        other.model,
        other.input_tokens,
        other.output_tokens,
        other.cache_read_tokens,
    )


# --- rows -------------------------------------------------------------------------------------------------------------


class ModelCallRow(NamedTuple):
    """The columns of a model call."""

    at_us: int
    model: str | None
    provider: str | None
    step: str | None
    tool: str | None
    agent: str | None
    source: str
    response: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    tier: str | None
    cost_nano: int | None
    currency: str | None
    cost_source: str
    price: str | None


MODEL_CALL_COLUMNS: Final = ModelCallRow._fields
"""The columns of a model call, without its run and its position there."""


def rows_of(calls: Sequence[ModelCallRecord]) -> list[ModelCallRow]:
    """Return the columns of model calls."""
    return [
        ModelCallRow(
            to_us(call.at),
            call.model,
            call.provider,
            call.step_id,
            call.tool_name,
            call.agent,
            call.source,
            call.response,
            call.input_tokens,
            call.output_tokens,
            call.cache_read_tokens,
            call.cache_write_tokens,
            call.reasoning_tokens,
            call.tier,
            call.cost_nano,
            call.currency,
            call.cost_source or "none",
            None if call.price is None else call.price.id,
        )
        for call in calls
    ]


class Repriced(NamedTuple):
    """A cost that was computed later, by other prices; stored beside the recorded one."""

    nano: int | None
    currency: str | None
    price: str | None


class RunModelCall(NamedTuple):
    """A model call with its run; `copy` is whether its response was recorded before, in this run or in another."""

    execution_id: str
    workflow_name: str | None
    session_id: str | None
    caller_id: str | None
    position: int
    call: ModelCallRow
    copy: bool
    repriced: Repriced | None
