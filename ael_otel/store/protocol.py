"""The interface of a store; `ael_otel.lifecycle` writes through it and never waits for it.

Writing: the lifecycle reports what happens (`start_execution`, then steps and calls, then one of `complete_`, `fail_`
and `cancel_execution`) and owns the record until then; a store takes a snapshot at each call. `put` stores complete
records: an import, foreign spans.

Reading: `get` one, `find` ids by a prefix, `query` a page of summaries, `iterate` whole records, `export` files,
`stats`, `info`. Results belong to the caller. The order is newest first, by start and then by id; times are UTC,
ranges half-open.

All methods may be called from any thread. They raise only `StoreError`; a store that writes in the background
(`background_writer.QueuedStore`) raises nothing when written to, and its readers see everything written before.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

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
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord


@runtime_checkable
class RunWriter(Protocol):
    """The writing half of a store."""

    def start_execution(self, record: ExecutionRecord) -> None:
        """Store a run that has just begun (status `running`)."""
        ...

    def complete_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that completed."""
        ...

    def fail_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that failed."""
        ...

    def cancel_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run that was cancelled."""
        ...

    def start_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` of the run began."""
        ...

    def complete_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` completed."""
        ...

    def fail_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` failed."""
        ...

    def skip_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` was skipped."""
        ...

    def record_tool_call(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Record that `call` ended."""
        ...

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Record that `step` began or ended: `start_`, `complete_`, `fail_` or `skip_step`, by its status."""
        ...

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Alias of `record_tool_call`."""
        ...

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Store the final state: `complete_`, `fail_` or `cancel_execution`, by its status."""
        ...

    def put(self, records: Iterable[ExecutionRecord]) -> int:
        """Store records unchanged, replacing those with the same id; return their number."""
        ...


@runtime_checkable
class RunReader(Protocol):
    """The reading half of a store."""

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with exactly this id, or None."""
        ...

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids that a user may mean by `prefix`, newest first, at most `limit`.

        If `prefix` is an exact id, only that one; otherwise every run whose execution id (with or without its `exec-`)
        or trace id begins with it. With several results the prefix is ambiguous; with none the run does not exist.
        """
        ...

    def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """Return up to `limit` whole runs, latest start first."""
        ...

    def query(self, query: RunQuery) -> Page:
        """Return a page of summaries."""
        ...

    def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """Return the number of runs, after the cursor if there is one; `limit` is ignored. Slow with `text`.

        Counting stops at `at_most`.
        """
        ...

    def iterate(self, query: RunQuery) -> Iterator[ExecutionRecord]:
        """Yield whole runs with only some in memory at a time; runs written meanwhile may be missing."""
        ...

    def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """Return figures by workflow or tool (most first) or by day (in order); `limit` and `cursor` are ignored.

        By `tool`, the query filters the runs whose calls are counted; with its `tool` set, only calls of that tool
        count.
        """
        ...

    def errors(self, query: RunQuery) -> list[ErrorRow]:
        """Return errors by code, tool and step of a workflow, most frequent first; `limit` and `cursor` are ignored.

        The query filters runs; its `error` and `tool` also filter errors of these runs.
        """
        ...

    def redactions(self, query: RunQuery) -> dict[str, int]:
        """Return the number of redactions in these runs, by kind (`ael.redaction.kind`), most frequent first."""
        ...

    def model_calls(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Yield the model calls of these runs with tokens and cost, earliest first; `limit` and `cursor` are ignored.

        A `copy` has a response that was recorded before, in any run, and must not be counted.
        """
        ...

    def export(
        self,
        format: ExportFormat,  # noqa: A002 - the specification's name
        query: RunQuery,
        *,
        service: str = "ael",
    ) -> Iterator[bytes]:
        """Yield the runs of a query, newest first, as the bytes of one file; `limit` None takes all.

        Args:
            format: `json` or `jsonl` (whole records), `csv`, `otlp` (JSON lines), `zipkin` or `jaeger`.
            query: which runs.
            service: the service that spans belong to.

        Raises:
            QueryError: the format does not exist, or the query is invalid.
        """
        ...

    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size."""
        ...


@runtime_checkable
class TelemetryStore(RunWriter, RunReader, Protocol):
    """Stores execution records: `open_store` and `open_reader` return one; implement it for a store of your own.

    >>> import ael_otel
    >>> def slowest(store: ael_otel.TelemetryStore) -> str:
    ...     rows = store.stats("workflow", ael_otel.RunQuery(limit=None))
    ...     return max(rows, key=lambda row: row.p95_ms or 0.0).key
    >>> slowest(ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml")))
    'triage'
    """

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs that started before `older_than`, then the oldest until the store fits `max_mb` MiB.

        Deleted content is removed from the disk, too. Unfinished runs stay. `dry_run` only reports what would be
        deleted.
        """
        ...

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs permanently: from the store, its log on disk and its JSON mirrors.

        Unfinished runs stay, and the report names them: their end would store them again.
        """
        ...

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until what was written is visible to others; return whether that took less than `timeout_s` seconds."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Write the rest, within `timeout_s` seconds, and close the store. A second call does nothing."""
        ...
