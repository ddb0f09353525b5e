"""The ledgers of lines for one verb: in the store of the engine's configuration, and in this user's store."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from ael_otel.attribution.ledger import Ledger
from ael_otel.cli.session.session_access import SessionStores, opened
from ael_otel.cli.trace.place import Place
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.store import TelemetryStore
from ael_otel.store.sql import SqlBackend


class Ledgers(NamedTuple):
    """The open stores, and those of them that have a ledger, each with its ledger."""

    sessions: SessionStores
    pairs: list[tuple[TelemetryStore, Ledger]]

    @property
    def ledgers(self) -> list[Ledger]:
        """The ledgers without their stores."""
        return [ledger for _, ledger in self.pairs]


def ledger_of(store: TelemetryStore, redaction: ActiveRedaction) -> Ledger | None:
    """Return the ledger in a store; None if the store is not a database."""
    return Ledger(store, redaction.text) if isinstance(store, SqlBackend) else None


@contextmanager
def opened_ledgers(place: Place) -> Generator[Ledgers]:
    """Open the stores of both places, and close them at the end.

    Raises:
        StoreNotFoundError: nothing has been recorded in either.
    """
    redaction = ActiveRedaction(place.settings)
    with opened(place) as stores:
        found = [(store, ledger_of(store, redaction)) for store in stores.stores]
        yield Ledgers(stores, [(store, ledger) for store, ledger in found if ledger is not None])
