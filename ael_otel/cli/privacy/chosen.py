"""The redactor that the configuration asks for, and the run store that it names."""

from pathlib import Path

from ael_otel.cli.trace.options import Place
from ael_otel.cli.trace.store_access import settings_of
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor


def redactor(config: Path | None) -> Redactor:
    """Return the redactor of a configuration file, or of the one that the engine would find."""
    return Redactor(Policy.of(settings_of(Place(config, None))))


def store_of(config: Path | None) -> str:
    """Return the file of the configured run store, absolute, or the connection string of its database.

    Raises:
        StoreError: runs are kept in memory, or no connection string is set.
    """
    from ael_otel.errors import StoreError
    from ael_otel.store.location import locate

    store = settings_of(Place(config, None)).store
    if store.backend == "memory":
        raise StoreError("telemetry.store.backend is memory: nothing is kept that could be scanned")
    if store.backend == "postgresql":
        if not store.dsn:
            raise StoreError("telemetry.store.dsn is empty: set it to the connection string of the database")
        return store.dsn
    return str(locate(store.path))
