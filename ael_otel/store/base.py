"""What all backends do alike when runs are written: the names of events, snapshots, and reading through a queue."""

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
    """The events of the protocol, each as one of three: a run began, went on, or ended."""

    takes_notes: ClassVar[bool] = False
    """Whether the end of a run may come from the thread of runs: reading then waits for what is noted there."""

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


class Backend(Reader, Events):
    """A store that writes at once. A subclass says how rows are written and deleted."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows in one transaction; a run that has ended is not replaced by an earlier state of it."""

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
        """Delete what is too old, then the oldest until the store fits."""

    @abstractmethod
    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs for good, except those in flight."""

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
        """Return the execution ids of runs whose execution or trace id begins with `prefix`."""
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
        """Return what the store is and how much it holds."""
        return self.backend.info()

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete what is too old, then the oldest until the store fits."""
        return self.backend.prune(older_than=older_than, max_mb=max_mb, dry_run=dry_run)

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs for good, except those in flight."""
        return self.backend.delete(execution_ids)
