"""Costs by the prices of today, beside the recorded ones."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ael_otel.cost.pricing import Prices
from ael_otel.errors import StoreError
from ael_otel.store import RunQuery, TelemetryStore
from ael_otel.store.model_calls import Repriced
from ael_otel.store.sql import SqlBackend


class RepricedCall(NamedTuple):
    """A model call with its recorded cost and the one of today; `copy` as in `RunModelCall`."""

    execution_id: str
    position: int
    copy: bool
    recorded: int | None
    currency: str | None
    cost: Repriced

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return (self.recorded, self.currency) != (self.cost.nano, self.cost.currency)


def repriced(store: TelemetryStore, query: RunQuery, prices: Prices) -> Iterator[RepricedCall]:
    """Yield the model calls of these runs; a cost that a provider reported stays as it is."""
    copies = {(each.execution_id, each.position) for each in store.model_calls(query) if each.copy}
    for run in store.iterate(query):
        for position, call in enumerate(run.model_calls):
            if call.cost_source == "provider":
                cost = Repriced(call.cost_nano, call.currency, None)
            else:
                found = prices.find(call)
                cost = (
                    Repriced(None, None, None)
                    if found is None
                    else Repriced(found.nano, found.currency, found.price.id)
                )
            copy = (run.execution_id, position) in copies
            yield RepricedCall(run.execution_id, position, copy, call.cost_nano, call.currency, cost)


def store_repriced(store: TelemetryStore, calls: Iterable[RepricedCall]) -> None:
    """Write the costs beside the recorded ones; those of the same run must follow each other.

    Raises:
        StoreError: the store keeps no columns.
    """
    if not isinstance(store, SqlBackend):
        raise StoreError("other costs are stored in SQLite and PostgreSQL only: use --dry-run")
    for execution_id, group in groupby(calls, attrgetter("execution_id")):
        store.reprice(execution_id, ((each.position, each.cost) for each in group))
