"""What a store must be able to do; `ael_otel.lifecycle` writes through it and never waits for it.

Writing: the lifecycle says what happened (`start_execution`, then steps and calls, then one of `complete_`, `fail_`
and `cancel_execution`) and owns the record until then; a store takes its snapshot at each call. `put` takes records
that are complete already: an import, foreign spans.

Reading: `get` one, `find` ids by a prefix, `query` a page of summaries, `iterate` whole records, `export` files,
`stats`, `info`. What they return belongs to the caller. Newest first, by start and then by id; times are UTC, ranges
half-open.

All methods may be called from any thread. They raise `StoreError` only; a store that is fed in the background
(`background_writer.QueuedStore`) raises nothing when written to, and its readers see what was written before.
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
    """The half of a store that runs are written to."""

    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep a run that has just begun (status `running`)."""
        ...

    def complete_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that went well."""
        ...

    def fail_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that failed."""
        ...

    def cancel_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run that was called off."""
        ...

    def start_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` of the run began."""
        ...

    def complete_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` ended well."""
        ...

    def fail_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` failed."""
        ...

    def skip_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` was passed over."""
        ...

    def record_tool_call(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Note that `call` ended."""
        ...

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` began or ended: `start_`, `complete_`, `fail_` or `skip_step`, as its status says."""
        ...

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Another name of `record_tool_call`."""
        ...

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state: `complete_`, `fail_` or `cancel_execution`, as its status says."""
        ...

    def put(self, records: Iterable[ExecutionRecord]) -> int:
        """Keep records as they are, replacing those with the same id; returns how many there were."""
        ...


@runtime_checkable
class RunReader(Protocol):
    """The half of a store that runs are read from."""

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with exactly this id, or None."""
        ...

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids that a user may mean by `prefix`, newest first, `limit` at most.

        An exact id, or else every run whose execution id (with or without its `exec-`) or trace id begins with
        `prefix`. One answer: that is the run; more: the prefix is ambiguous; none: there is no such run.
        """
        ...

    def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """Return up to `limit` whole runs, the one that started last first."""
        ...

    def query(self, query: RunQuery) -> Page:
        """Return a page of summaries."""
        ...

    def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """Return how many runs there are, after the cursor if there is one, whatever `limit` says; slow with `text`.

        At `at_most` it stops counting.
        """
        ...

    def iterate(self, query: RunQuery) -> Iterator[ExecutionRecord]:
        """Yield whole runs without holding more than some of them; what is written meanwhile may or may not show."""
        ...

    def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """Return figures by workflow or tool (most first) or by day (in order), whatever `limit` and `cursor` say.

        By `tool`, the query chooses the runs whose calls are counted; with its `tool` set, only calls of that tool.
        """
        ...

    def errors(self, query: RunQuery) -> list[ErrorRow]:
        """Return errors by code, tool and step of a workflow, most first, whatever `limit` and `cursor` say.

        The query chooses runs; its `error` and `tool` also choose errors of these runs.
        """
        ...

    def redactions(self, query: RunQuery) -> dict[str, int]:
        """Return the number of redactions in these runs, by kind (`ael.redaction.kind`), most first."""
        ...

    def model_calls(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Yield the model calls of these runs with tokens and cost, earliest first, whatever `limit` and `cursor` say.

        One whose response was recorded before, in whatever run, is a `copy`, and is not to be counted.
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
            QueryError: there is no such format, or the query makes no sense.
        """
        ...

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        ...


@runtime_checkable
class TelemetryStore(RunWriter, RunReader, Protocol):
    """Keeps execution records: what `open_store` and `open_reader` return, and what a store of your own has to be.

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

        What is deleted is gone, from disk too. Runs in flight stay. `dry_run` only reports what would be deleted.
        """
        ...

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs for good: from the store, its log on disk and its JSON mirrors.

        Runs in flight stay, and the report names them: their end would bring them back.
        """
        ...

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until what was written can be read by others; returns whether that was so in time."""
        ...

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is left, within `timeout_s` seconds, and let go of the store. A second call does nothing."""
        ...
