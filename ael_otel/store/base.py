"""What all backends do alike: the names of events, and reading by the few things that a backend can do itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from ael_otel.errors import StoreError
from ael_otel.store.codec import decode, has_text
from ael_otel.store.error_stats import summarise_errors
from ael_otel.store.query import (
    ErrorRow,
    ExecutionSummary,
    Page,
    PruneReport,
    RunQuery,
    StatsKey,
    StatsRow,
    StoreInfo,
    check,
    read_cursor,
    write_cursor,
)
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.rows import Row, checked, row_of
from ael_otel.store.stats import Figure, figures_of, summarise
from ael_otel.store.times import to_us

_AT_ONCE = 200


class Events(ABC):
    """The events of the protocol, each as one of three: a run began, went on, or ended."""

    @abstractmethod
    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep a run that has just begun."""

    @abstractmethod
    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` began or ended."""

    @abstractmethod
    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Note that `call` ended."""

    @abstractmethod
    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run."""

    def complete_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that went well."""
        self.finish_execution(record)

    def fail_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that failed."""
        self.finish_execution(record)

    def cancel_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that was called off."""
        self.finish_execution(record)

    def start_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` of the run began."""
        self.step_changed(record, step)

    def complete_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` ended well."""
        self.step_changed(record, step)

    def fail_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` failed."""
        self.step_changed(record, step)

    def skip_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` was passed over."""
        self.step_changed(record, step)

    def record_tool_call(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Note that `call` ended."""
        self.tool_call_finished(record, call)


class Backend(Events):
    """A store that writes at once. A subclass says how rows are written, found and read."""

    def __init__(self) -> None:
        self.damaged: dict[str, str] = {}
        """Runs that readers have skipped because they cannot be read, by execution id, and why."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Keep the rows in one transaction; a run that has ended is not replaced by a state in which it goes on."""

    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep a run that has just begun."""
        self.write([row_of(checked(record))])

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Keep the run as it is now."""
        self.start_execution(record)

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Keep the run as it is now."""
        self.start_execution(record)

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run."""
        self.start_execution(record)

    def put(self, records: Iterable[ExecutionRecord]) -> int:
        """Keep records as they are, some hundreds in each transaction.

        Raises:
            StoreError: a status or type of a record is not one of those that there are.
        """
        done = 0
        batch: list[Row] = []
        for record in records:
            batch.append(row_of(checked(record)))
            if len(batch) >= _AT_ONCE:
                self.write(batch)
                done += len(batch)
                batch = []
        if batch:
            self.write(batch)
        return done + len(batch)

    # --- reading ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def select(
        self, query: RunQuery, after: tuple[int, str] | None, limit: int | None
    ) -> list[ExecutionSummary]:
        """Return up to `limit` runs, newest first, after the run that started at `after[0]` with id `after[1]`.

        `limit` and `cursor` of `query` do not count here. With `text` the runs are those that can have it.
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
        """Return up to `limit` runs, the one that started last first."""
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
        """Return how many runs `select` would; `text` is not asked for."""

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
        """Return how much was taken out of these runs, by kind, most first."""
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
        """Return what `redactions` gives; `text` is not asked for."""

    @abstractmethod
    def figures(self, by: StatsKey, query: RunQuery) -> Iterable[Figure]:
        """Return what `stats` sums up; `text` is not asked for."""

    def _with_text(
        self, query: RunQuery, limit: int | None
    ) -> Iterator[tuple[ExecutionSummary, ExecutionRecord]]:
        """Yield runs with their records, read some at a time so that nothing stays locked."""
        after = _after(query)
        left = limit
        while left is None or left > 0:
            wanted = _AT_ONCE if left is None or query.text is not None else min(_AT_ONCE, left)
            runs = self.select(query, after, wanted)
            bodies = self.bodies([run.execution_id for run in runs])
            for run in runs:
                body = bodies.get(run.execution_id)
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

    def _decoded(self, execution_id: str, body: bytes) -> ExecutionRecord:
        try:
            return decode(body)
        except msgspec.MsgspecError as error:
            self.damaged[execution_id] = str(error)
            raise StoreError(f"the record of run {execution_id} is damaged: {error}") from error

    @abstractmethod
    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids that a person can mean."""

    @abstractmethod
    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""

    @abstractmethod
    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete what is too old, then the oldest until the store fits."""

    @abstractmethod
    def close(self, timeout_s: float = 5.0) -> None:
        """Let go of the store."""

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Return True: everything is written at once."""
        return True


class ReadThrough(ABC):
    """The reading half of the protocol, answered by the store behind this one."""

    @property
    @abstractmethod
    def backend(self) -> Backend:
        """The store itself, with everything that was written before in it.

        Raises:
            StoreError: it could not be opened.
        """

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with this id, or None."""
        return self.backend.get(execution_id)

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids that a person can mean."""
        return self.backend.find(prefix, limit)

    def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """Return up to `limit` runs, the one that started last first."""
        return self.backend.recent(limit)

    def query(self, query: RunQuery) -> Page:
        """Return a page of summaries."""
        return self.backend.query(query)

    def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """Return how many runs there are, `at_most` if there are more."""
        return self.backend.count(query, at_most)

    def iterate(self, query: RunQuery) -> Iterator[ExecutionRecord]:
        """Yield whole runs."""
        return self.backend.iterate(query)

    def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """Return figures by workflow, tool or day."""
        return self.backend.stats(by, query)

    def errors(self, query: RunQuery) -> list[ErrorRow]:
        """Return the errors of these runs by code, tool and step."""
        return self.backend.errors(query)

    def redactions(self, query: RunQuery) -> dict[str, int]:
        """Return how much was taken out of these runs, by kind."""
        return self.backend.redactions(query)

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        return self.backend.info()

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete what is too old, then the oldest until the store fits."""
        return self.backend.prune(older_than=older_than, max_mb=max_mb, dry_run=dry_run)


def _place(run: ExecutionSummary) -> tuple[int, str]:
    return to_us(run.started_at), run.execution_id


def _after(query: RunQuery) -> tuple[int, str] | None:
    return None if query.cursor is None else read_cursor(query.cursor)
