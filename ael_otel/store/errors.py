"""What can go wrong with a store, said so that a person can act on it."""

from ael_otel.errors import AelOtelError


class StoreError(AelOtelError):
    """The store cannot be opened, read or written; the message says which and what to do."""


class StoreNotFoundError(StoreError):
    """There is no store to read yet: nothing has been recorded here."""


class SchemaTooNewError(StoreError):
    """A newer version of this package wrote the store; the message names the version that can read it."""


class StoreBusyError(StoreError):
    """The store cannot be used now but may be later: another process holds it, the disk is full, the server is away."""


class QueryError(StoreError):
    """A filter, time or cursor is not one: the message says what it must look like."""
