"""Model calls of a run: made of counts that a span or a result reports, each response once, priced when recorded.

Prices belong to a room above this one (`ael_otel.cost`), which registers what computes them.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ael_otel.privacy.markers import MARKER
from ael_otel.store.records import ExecutionRecord, ModelCallRecord, ModelCallSource, ToolCallRecord
from ael_otel.store.times import to_us

if TYPE_CHECKING:
    # `ael trace list` reads rows: it loads neither OpenTelemetry nor the shapes of providers.
    from ael_otel.core.redaction import ActiveRedaction
    from ael_otel.usage import Usage

MAX_CALLS: Final = 10_000
"""Model calls that the record of one run holds."""

LEFT_OUT: Final = "model_calls_left_out"
"""Key in a run's metadata: how many model calls found no room in its record."""

_SHORTEST_ID: Final = 20
"""Characters of a response's id that is its own: relays and local servers answer with `chatcmpl-123` or their name."""

type Pricer = Callable[[ModelCallRecord], None]
"""Set `cost_nano`, `currency`, `cost_source` and `price` of a call; called once for each."""


def reported_cost(call: ModelCallRecord) -> None:
    """Take the cost that the provider reported; any other call stays without a price."""
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
    """What prices the calls of this process."""

    pricer: Pricer = staticmethod(reported_cost)


def price_with(pricer: Pricer | None) -> None:
    """Have `pricer` price the calls that are recorded from now on; None takes costs of providers alone."""
    _Pricing.pricer = reported_cost if pricer is None else pricer


def model_call(
    usage: "Usage",
    source: ModelCallSource,
    at: datetime,
    redaction: "ActiveRedaction | None" = None,
    **about: Any,
) -> ModelCallRecord:
    """Return the record of a call; its names are redacted, and of its response's id only a hash stays.

    Args:
        usage: the counts.
        source: where they come from.
        at: when the call began, or its result came.
        redaction: redacts the names; None where that is done.
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
    """Return the same 16 hex digits for the same response, None where its id does not tell it from others.

    The input is a part of it, since a relay may answer every request with one id.
    """
    response = usage.response_id
    if response is None or len(response) < _SHORTEST_ID or MARKER.search(response):
        return None
    return sha256(f"{response}\0{usage.input_tokens}".encode("utf-8", "replace")).hexdigest()[:16]


def add(record: ExecutionRecord, calls: Iterable[ModelCallRecord]) -> None:
    """Add calls to a run, as many as there is room for; each response once, with its largest count of output.

    What streams records one response several times, with an output that grows.
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
    """Add the model calls whose responses a result holds; none if spans below the same tool call have counted them.

    Args:
        record: the run.
        value: the result as it was returned; plain JSON values.
        at: when it came.
        redaction: redacts names; None where that is done.
        passed_on: whether the value may be what a call of the run returned, as the result of code is: a response with
            the counts of one that the run has is that one.
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
    """Add the model calls whose responses the result of a foreign call holds; `value` is redacted, or will be."""
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
    """Return the record, with each model call priced that was not before; a price stays as it was recorded."""
    for call in record.model_calls:
        if call.cost_source is None:
            _Pricing.pricer(call)
    return record


def same_counts(call: ModelCallRecord, other: ModelCallRecord) -> bool:
    """Return whether two records may be of one response: the same model and counts."""
    return (call.model, call.input_tokens, call.output_tokens, call.cache_read_tokens) == (
        other.model,
        other.input_tokens,
        other.output_tokens,
        other.cache_read_tokens,
    )


# --- rows -------------------------------------------------------------------------------------------------------------


class ModelCallRow(NamedTuple):
    """A model call as the store keeps it in columns."""

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
"""The columns of a model call, besides its run and its position there."""


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
    """A cost that was computed later, by other prices; it stands beside the recorded one."""

    nano: int | None
    currency: str | None
    price: str | None


class RunModelCall(NamedTuple):
    """A model call with its run; `copy` says that its response was recorded before, in this run or in another."""

    execution_id: str
    workflow_name: str | None
    session_id: str | None
    caller_id: str | None
    position: int
    call: ModelCallRow
    copy: bool
    repriced: Repriced | None
