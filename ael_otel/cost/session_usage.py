"""Model calls as agents count them in the events of their own sessions."""

from collections.abc import Collection, Iterator

from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.session import SessionRecord
from ael_otel.sessions.table import SessionTable
from ael_otel.store.model_calls import ModelCallRow, RunModelCall

AGENT = "agent"
"""Where counts and costs of these calls come from: neither a provider nor a price table."""

_OUTSIDE_INPUT = frozenset({"opencode"})
"""Agents that count cached tokens beside the input."""


def session_calls(
    table: SessionTable,
    *,
    since_us: int | None = None,
    until_us: int | None = None,
    session: str | None = None,
    agent: str | None = None,
    without: Collection[str] = (),
) -> Iterator[RunModelCall]:
    """Yield a call for each event of a session that counts tokens or has a cost.

    Args:
        table: the sessions.
        since_us: events at this time or later, in microseconds since 1970.
        until_us: events before this time.
        session: only this session's.
        agent: only this agent's.
        without: sessions whose calls are counted by their spans already.
    """
    for record in table.select(agent=agent, until_us=until_us, limit=None):
        if record.session_id in without or (session is not None and record.session_id != session):
            continue
        if since_us is not None and record.last_us < since_us:
            continue
        if not record.tokens and record.cost_nano_usd is None:
            continue
        for position, event in enumerate(table.events(record)):
            inside = (since_us is None or event.at_us >= since_us) and (
                until_us is None or event.at_us < until_us
            )
            if inside and (event.tokens or event.cost_nano_usd is not None):
                yield _call(record, event, position)


def _call(record: SessionRecord, event: SessionEvent, position: int) -> RunModelCall:
    tokens = event.tokens
    read, written = tokens.get("cache_read"), tokens.get("cache_write")
    whole, cached = tokens.get("input"), (read or 0) + (written or 0)
    if whole is not None and cached and (record.agent in _OUTSIDE_INPUT or cached > whole):
        whole += cached
    model = event.model or (record.models[0] if len(record.models) == 1 else None)
    return RunModelCall(
        "",
        None,
        record.session_id,
        record.agent,
        position,
        ModelCallRow(
            event.at_us,
            model,
            None,
            None,
            None,
            record.agent,
            AGENT,
            None,
            whole,
            tokens.get("output"),
            read,
            written,
            tokens.get("reasoning"),
            None,
            event.cost_nano_usd,
            None if event.cost_nano_usd is None else "USD",
            "none" if event.cost_nano_usd is None else AGENT,
            None,
        ),
        copy=False,
        repriced=None,
    )
