"""The interface of a SQL backend for code that reads and deletes in it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ael_otel.store.rows import Row

if TYPE_CHECKING:
    from ael_otel.store.where.statement import Dialect


class Victim(NamedTuple):
    """A run to be deleted."""

    id: int
    execution_id: str
    started_us: int
    trace_id: str
    bytes: int


def victim_of(row: Row) -> Victim:
    """Return the fields by which copies of a run are found, for a run that is no longer in the store."""
    head = row.head
    return Victim(0, head.execution_id, head.started_us, head.trace_id, head.bytes)


class Copies(Protocol):
    """Copies of the runs outside the database, such as JSON mirrors."""

    def remove(self, victims: Sequence[Victim]) -> None:
        """Remove these pruned runs, at once or when `remove_before` is called afterwards."""
        ...

    def remove_before(self, us: int, last: Collection[str] = ()) -> None:
        """Remove all runs that started before this time, and those in `last`."""
        ...

    def delete(self, victims: Sequence[Victim]) -> None:
        """Remove these runs now."""
        ...


class Transaction(Protocol):
    """The statements that a backend can run inside one transaction."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        ...

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each sequence of parameters."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects."""
        ...

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows in the fastest way of the database."""
        ...

    def ids(self, count: int) -> list[int]:
        """Return that many unused ids of runs."""
        ...


class Database(ABC):
    """The statements that differ between SQLite and PostgreSQL; parameters are written `?`.

    Args:
        copies: copies of the runs, from which deleted runs are removed too.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self.copies = copies
        self.forgotten = True
        """Whether no deleted content remains; if it does, call `shrink` again."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction, then commit or roll back; only one at a time in this process."""

    @abstractmethod
    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects, outside any transaction."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the statement that another thread runs now with a StoreBusyError; without one, do nothing."""

    @abstractmethod
    def among(self, column: str, values: Sequence[str | int]) -> tuple[str, Any]:
        """Return the condition that a column has one of the values, and its parameter."""

    @abstractmethod
    def contains(self, column: str, pattern: str) -> tuple[str, Any]:
        """Return the condition that a column is LIKE the pattern (escape `!`), and its parameter."""

    @abstractmethod
    def json(self) -> "Dialect":
        """Return the query language's dialect for values inside JSON."""

    @abstractmethod
    def size(self) -> int:
        """Return the bytes that the records take."""

    @abstractmethod
    def shrink(self, *, rewrite: bool = False) -> bool:
        """Release the space of deleted content; return whether none of it remains.

        Args:
            rewrite: whether content was deleted since, parts of which may remain in pages that stay.
        """
