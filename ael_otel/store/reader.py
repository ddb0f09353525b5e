"""The reading methods that all backends share, built on the few that each backend implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Final

from msgspec.structs import replace

from ael_otel.errors import QueryError, StoreError
from ael_otel.store.codec import UNREADABLE, decode, has_text
from ael_otel.store.error_stats import summarise_errors
from ael_otel.store.model_calls import RunModelCall
from ael_otel.store.query import (
    EXPORT_FORMATS,
    ErrorRow,
    ExecutionSummary,
    ExportFormat,
    Page,
    RunQuery,
    StatsKey,
    StatsRow,
    StoreInfo,
    check,
    read_cursor,
    write_cursor,
)
from ael_otel.store.records import ExecutionRecord
from ael_otel.store.rows import row_of
from ael_otel.store.stats import Figure, figures_of, summarise
from ael_otel.store.times import to_us

FORMATS: Final = "ael_otel.export.formats"
"""The module whose `write(format, runs, service)` yields the bytes of a file."""

_AT_ONCE: Final = 200
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Bytes of records that are read or written together; a larger record is handled alone."""


class Reader(ABC):
    """The reading half of a store. A subclass implements the search for runs and the reading of their records."""

    def __init__(self) -> None:
        self.odd_text = False
        """Whether the store has texts that are not UTF-8; they are read as bytes."""
        self.damaged: dict[str, str] = {}
        """The reason for each unreadable run that readers have skipped, by execution id."""

    @abstractmethod
    def select(
        self, query: RunQuery, after: tuple[int, str] | None, limit: int | None
    ) -> list[ExecutionSummary]:
        """Return up to `limit` runs, newest first, after the run that started at `after[0]` with id `after[1]`.

        `limit` and `cursor` of `query` are ignored. With `text`, runs that may contain it are returned.
        """

    @abstractmethod
    def bodies(self, execution_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of these runs, as they were encoded."""

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with this id, or None.

        Raises:
            StoreError: its record is damaged.
        """
        body = self.bodies([execution_id]).get(execution_id)
        return None if body is None else self._decoded(execution_id, body)

    def recent(self, limit: int = 50) -> list[ExecutionRecord]:
        """Return up to `limit` runs, latest start first."""
        return list(self.iterate(RunQuery(limit=limit)))

    def query(self, query: RunQuery) -> Page:
        """Return a page of summaries."""
        check(query)
        limit = query.limit
        if query.text is None:
            found = self.select(query, _after(query), None if limit is None else limit + 1)
        else:
            found = [run for run, _ in self._with_text(query, None if limit is None else limit + 1)]
        if limit is None or len(found) <= limit:
            return Page(found)
        del found[limit:]
        return Page(found, write_cursor(*_place(found[-1])))

    def iterate(self, query: RunQuery) -> Iterator[ExecutionRecord]:
        """Yield whole runs, newest first."""
        check(query)
        return (record for _, record in self._with_text(query, query.limit))

    def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """Return how many runs there are, `at_most` if there are more."""
        check(query)
        if query.text is None:
            return self.count_rows(query, _after(query), at_most)
        return sum(1 for _ in self._with_text(query, at_most))

    @abstractmethod
    def count_rows(self, query: RunQuery, after: tuple[int, str] | None, at_most: int | None) -> int:
        """Return how many runs `select` would return; `query` has no `text`."""

    def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """Return figures by workflow or tool (most first) or by day (in order)."""
        query = replace(check(query), cursor=None, limit=None)
        if query.text is None:
            return summarise(by, self.figures(by, query))
        rows = (
            figure for _, record in self._with_text(query, None) for figure in figures_of(by, query, record)
        )
        return summarise(by, rows)

    def errors(self, query: RunQuery) -> list[ErrorRow]:
        """Return the errors of these runs by code, tool and step, most first."""
        wanted = replace(check(query), cursor=None, limit=None, with_errors=True)
        runs = (record for _, record in self._with_text(wanted, None))
        return summarise_errors(runs, code=query.error, tool=query.tool)

    def redactions(self, query: RunQuery) -> dict[str, int]:
        """Return the number of redactions in these runs, by kind, most first."""
        query = replace(check(query), cursor=None, limit=None)
        if query.text is None:
            found = self.redactions_of(query)
        else:
            found = dict[str, int]()
            for _, record in self._with_text(query, None):
                for kind, number in row_of(record).redactions.items():
                    found[kind] = found.get(kind, 0) + number
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    @abstractmethod
    def redactions_of(self, query: RunQuery) -> dict[str, int]:
        """Return the result of `redactions`; `query` has no `text`."""

    def model_calls(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Yield the model calls of these runs, earliest first, whatever `limit` and `cursor` say."""
        query = replace(check(query), cursor=None, limit=None)
        if query.text is not None:
            ids = tuple(run.execution_id for run, _ in self._with_text(query, None))
            query = replace(query, text=None, ids=ids)
        return self.model_calls_of(query)

    @abstractmethod
    def model_calls_of(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Return the result of `model_calls`; `query` has no `text`."""

    @abstractmethod
    def figures(self, by: StatsKey, query: RunQuery) -> Iterable[Figure]:
        """Return the figures that `stats` sums up; `query` has no `text`."""

    def _with_text(
        self, query: RunQuery, limit: int | None
    ) -> Iterator[tuple[ExecutionSummary, ExecutionRecord]]:
        """Yield runs with their records, read some at a time so that nothing stays locked."""
        after = _after(query)
        left = limit
        while left is None or left > 0:
            wanted = _AT_ONCE if left is None or query.text is not None else min(_AT_ONCE, left)
            runs = self.select(query, after, wanted)
            for run, body in self._with_bodies(runs):
                if body is None:
                    continue  # pruned in between
                try:
                    record = self._decoded(run.execution_id, body)
                except StoreError:
                    continue  # noted in `damaged`
                if query.text is not None and not has_text(record, query.text):
                    continue
                yield run, record
                if left is not None:
                    left -= 1
                    if not left:
                        return
            if len(runs) < wanted:
                return
            after = _place(runs[-1])

    def _with_bodies(
        self, runs: Sequence[ExecutionSummary]
    ) -> Iterator[tuple[ExecutionSummary, bytes | None]]:
        """Yield runs with their records, as many at a time as fit into memory."""
        start = size = 0
        for at, run in enumerate(runs):
            size += run.bytes
            if at + 1 < len(runs) and size + runs[at + 1].bytes <= BYTES_AT_ONCE:
                continue
            group = runs[start : at + 1]
            bodies = self.bodies([each.execution_id for each in group])
            for each in group:
                yield each, bodies.pop(each.execution_id, None)
            start, size = at + 1, 0

    def _decoded(self, execution_id: str, body: bytes) -> ExecutionRecord:
        try:
            return decode(body)
        except UNREADABLE as error:
            self.damaged[execution_id] = str(error)
            raise StoreError(
                f"the record of run {execution_id} is damaged: {error}; `ael trace repair` copies the others into a new"
                f" file, `ael trace delete {execution_id}` removes it"
            ) from error

    @abstractmethod
    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids of runs whose execution or trace id begins with `prefix`, `limit` at most."""

    def export(
        self,
        format: ExportFormat,  # noqa: A002 - the specification's name
        query: RunQuery,
        *,
        service: str = "ael",
    ) -> Iterator[bytes]:
        """Yield the bytes of a file of that format, newest run first, with only a few runs in memory at a time.

        Raises:
            QueryError: the format does not exist or the query is invalid; raised before anything is yielded.
        """
        if format not in EXPORT_FORMATS:
            raise QueryError(f"{format!r} is not an export format: use one of {', '.join(EXPORT_FORMATS)}")
        runs = self.iterate(query)
        # The formats are built on this room, so they are found by name (ADR 0009).
        write: Callable[[str, Iterable[ExecutionRecord], str], Iterator[bytes]] = import_module(FORMATS).write
        return write(format, runs, service)

    @abstractmethod
    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size."""


def _place(run: ExecutionSummary) -> tuple[int, str]:
    return to_us(run.started_at), run.execution_id


def _after(query: RunQuery) -> tuple[int, str] | None:
    return None if query.cursor is None else read_cursor(query.cursor)
