"""What a SQL backend offers to those that read and delete in it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from ael_otel.store.rows import Row


class Victim(NamedTuple):
    """A run to be deleted."""

    id: int
    execution_id: str
    started_us: int
    trace_id: str
    bytes: int


def victim_of(row: Row) -> Victim:
    """Return what a copy of a run is found by, for a run that is no longer in the store."""
    head = row.head
    return Victim(0, head.execution_id, head.started_us, head.trace_id, head.bytes)


class Copies(Protocol):
    """What else holds runs of the store, such as its JSON mirrors."""

    def remove(self, victims: Sequence[Victim]) -> None:
        """Forget these runs, which have been pruned: at once, or by the `remove_before` that follows."""
        ...

    def remove_before(self, us: int, last: Collection[str] = ()) -> None:
        """Forget all runs that started before this time, and those of `last`."""
        ...

    def delete(self, victims: Sequence[Victim]) -> None:
        """Forget these runs now."""
        ...


class Transaction(Protocol):
    """What a backend does inside one transaction."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        ...

    def many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of the parameters."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a statement finds."""
        ...

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, the quickest way."""
        ...

    def ids(self, count: int) -> list[int]:
        """Return that many unused ids of runs."""
        ...


class Database(ABC):
    """The statements that SQLite and PostgreSQL write in different ways; parameters are written `?`.

    Args:
        copies: what else holds the runs, and is to forget those that are deleted.
    """

    def __init__(self, copies: Copies | None = None) -> None:
        self.copies = copies
        self.forgotten = True
        """Whether nothing of what was deleted is left; else `shrink` is to be called again."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin, then commit or roll back; one at a time in this process."""

    @abstractmethod
    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a statement finds, outside any transaction."""

    @abstractmethod
    def among(self, column: str, values: Sequence[str | int]) -> tuple[str, Any]:
        """Return the condition that a column has one of the values, and its parameter."""

    @abstractmethod
    def contains(self, column: str, pattern: str) -> tuple[str, Any]:
        """Return the condition that a column is LIKE the pattern (escape `!`), and its parameter."""

    @abstractmethod
    def size(self) -> int:
        """Return the bytes that the records take."""

    @abstractmethod
    def shrink(self) -> bool:
        """Give the space of what was deleted back; returns whether nothing of it is left."""
