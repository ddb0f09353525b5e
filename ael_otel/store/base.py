"""The writing half that all backends share: names of events, snapshots, and reading through a queue."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from ael_otel.store.model_calls import RunModelCall
from ael_otel.store.query import (
    DeleteReport,
    ErrorRow,
    ExportFormat,
    Page,
    PruneReport,
    RunQuery,
    StatsKey,
    StatsRow,
    StoreInfo,
)
from ael_otel.store.reader import BYTES_AT_ONCE, Reader
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.rows import Row, checked, row_of

_AT_ONCE = 200


class Events(ABC):
    """The protocol's events, each mapped to one of three: a run began, changed, or ended."""

    takes_notes: ClassVar[bool] = False
    """Whether the end of a run may come from the thread of runs; readers then wait for that thread's queue."""

    @abstractmethod
    def start_execution(self, record: ExecutionRecord) -> None:
        """Store a run that has just begun."""

    @abstractmethod
    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` began or ended."""

    @abstractmethod
    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Record that `call` ended."""

    @abstractmethod
    def finish_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run."""

    def complete_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that completed."""
        self.finish_execution(record)

    def fail_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that failed."""
        self.finish_execution(record)

    def cancel_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that was cancelled."""
        self.finish_execution(record)

    def start_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` of the run began."""
        self.step_changed(record, step)

    def complete_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` completed."""
        self.step_changed(record, step)

    def fail_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` failed."""
        self.step_changed(record, step)

    def skip_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` was skipped."""
        self.step_changed(record, step)

    def record_tool_call(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Record that `call` ended."""
        self.tool_call_finished(record, call)


class Backend(Reader, Events):
    """A store that writes at once. Subclasses implement how rows are written and deleted."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows in one transaction; an earlier state does not replace a run that has ended."""

    def start_execution(self, record: ExecutionRecord) -> None:
        """Store a run that has just begun."""
        self.write([row_of(checked(record))])

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Store the current state of the run."""
        self.start_execution(record)

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Store the current state of the run."""
        self.start_execution(record)

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run."""
        self.start_execution(record)

    def put(self, records: Iterable[ExecutionRecord]) -> int:
        """Store records unchanged, some hundreds in each transaction.

        Raises:
            StoreError: a status or type of a record is invalid.
        """
        done = size = 0
        batch: list[Row] = []
        for record in records:
            batch.append(row_of(checked(record)))
            size += batch[-1].head.bytes
            if len(batch) >= _AT_ONCE or size >= BYTES_AT_ONCE:
                self.write(batch)
                done += len(batch)
                batch, size = [], 0
        if batch:
            self.write(batch)
        return done + len(batch)

    @abstractmethod
    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs that are too old, then the oldest until the store fits."""

    @abstractmethod
    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs permanently, except unfinished ones."""

    @abstractmethod
    def close(self, timeout_s: float = 5.0) -> None:
        """Close the store."""

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Return True: everything is written at once."""
        return True


class ReadThrough(ABC):
    """The reading half of the protocol, delegated to `backend`."""

    @property
    @abstractmethod
    def backend(self) -> Backend:
        """The store itself, after everything written before is in it.

        Raises:
            StoreError: it could not be opened.
        """

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with this id, or None."""
        return self.backend.get(execution_id)

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids of runs whose execution or trace id begins with `prefix`."""
        return self.backend.find(prefix, limit)

    def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """Return up to `limit` runs, latest start first."""
        return self.backend.recent(limit)

    def query(self, query: RunQuery) -> Page:
        """Return a page of summaries."""
        return self.backend.query(query)

    def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """Return the number of runs, at most `at_most`."""
        return self.backend.count(query, at_most)

    def iterate(self, query: RunQuery) -> Iterator[ExecutionRecord]:
        """Yield complete runs."""
        return self.backend.iterate(query)

    def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """Return figures by workflow, tool or day."""
        return self.backend.stats(by, query)

    def errors(self, query: RunQuery) -> list[ErrorRow]:
        """Return the errors of these runs by code, tool and step."""
        return self.backend.errors(query)

    def redactions(self, query: RunQuery) -> dict[str, int]:
        """Return the number of redactions in these runs, by kind."""
        return self.backend.redactions(query)

    def model_calls(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Yield the model calls of these runs, earliest first."""
        return self.backend.model_calls(query)

    def export(
        self,
        format: ExportFormat,  # noqa: A002 - the specification's name
        query: RunQuery,
        *,
        service: str = "ael",
    ) -> Iterator[bytes]:
        """Yield the runs as a file of that format."""
        return self.backend.export(format, query, service=service)

    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size."""
        return self.backend.info()

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs that are too old, then the oldest until the store fits."""
        return self.backend.prune(older_than=older_than, max_mb=max_mb, dry_run=dry_run)

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs permanently, except unfinished ones."""
        return self.backend.delete(execution_ids)
