"""A store in the memory of this process: bounded, thread-safe, without dependencies."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import Any, ClassVar, Final

from ael_otel.config.settings import MEBIBYTE
from ael_otel.core.faults import logger
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.store.base import Backend
from ael_otel.store.codec import encode
from ael_otel.store.model_calls import RunModelCall
from ael_otel.store.query import (
    EQUALS,
    DeleteReport,
    ExecutionSummary,
    PruneReport,
    RunQuery,
    StatsKey,
    StoreInfo,
)
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.rows import Head, Row, checked, ended, row_of, summary_of
from ael_otel.store.stats import Figure, figures_of
from ael_otel.store.times import from_us, to_us

MAX_BYTES: Final = 256 * MEBIBYTE

_ROW_BYTES: Final = 1_024
_CALL_BYTES: Final = 128
"""Bytes of a run and of each of its tool calls besides the record: columns, tuples, names."""


class MemoryStore(Backend):
    """Holds the latest executions in memory; reads return copies.

    An unfinished run is held as the lifecycle's own record, so that readers see its current state; an ended run is held
    encoded.

    Args:
        max_executions: maximum number of runs, at least 1, default 1000. A further run removes the oldest ended one; an
            unfinished run is removed only if no other is left.
        max_bytes: maximum bytes of ended runs, at least 1, default 256 MiB. The oldest are removed; the latest stays,
            even if it is larger by itself.

    Raises:
        ValueError: `max_executions` or `max_bytes` is less than 1.
    """

    takes_notes: ClassVar[bool] = True

    def __init__(self, max_executions: int = 1000, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        if max_executions < 1:
            raise ValueError(f"MemoryStore: max_executions={max_executions}, set 1 or more")
        if max_bytes < 1:
            raise ValueError(f"MemoryStore: max_bytes={max_bytes}, set 1 or more")
        self._max = max_executions
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, ExecutionRecord | Row] = OrderedDict()
        self._lock = Lock()
        self.evicted = 0
        """Number of runs that were removed to stay within the bounds."""

    # --- writing ------------------------------------------------------------------------------------------------------

    def start_execution(self, record: ExecutionRecord) -> None:
        """Store a run that has just begun; remove an old one if the store is full."""
        record = checked(record)
        # A caller's record of an ended run may be of any size, and only this store holds it: it is encoded.
        self._keep(record.execution_id, row_of(record) if ended(record.status) else record)

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Do nothing: the stored record is the live one."""

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Do nothing: the stored record is the live one."""

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run, even if the run was removed meanwhile."""
        self._keep(record.execution_id, row_of(checked(record)))

    def write(self, rows: Sequence[Row]) -> None:
        """Store the rows."""
        for row in rows:
            self._keep(row.head.execution_id, row)

    def _keep(self, execution_id: str, item: ExecutionRecord | Row) -> None:
        if isinstance(item, Row):
            # The encoder allocates up to half of their size more than the bytes need: copy them.
            item = item._replace(body=bytes(memoryview(item.body)))
        with self._lock:
            before = self._kept.get(execution_id)
            if before is not None and _ended(before) and not _ended(item):
                return
            self._kept[execution_id] = item
            self._bytes += _size(item) - (0 if before is None else _size(before))
            evicted = self._make_room(execution_id)
            first = evicted and not self.evicted
            self.evicted += evicted
        if first:
            logger.info(
                "the memory store is full and holds only the latest runs: raise telemetry.limits.memory_runs or "
                "telemetry.limits.memory_mb, or set telemetry.store.backend to sqlite"
            )

    def _make_room(self, latest: str) -> int:
        """Remove runs other than the latest until the bounds hold; return their number."""
        evicted = 0
        while (found := self._to_evict(latest)) is not None:
            self._drop(found)
            evicted += 1
        return evicted

    def _to_evict(self, latest: str) -> str | None:
        many, large = len(self._kept) > self._max, self._bytes > self._max_bytes
        if not (many or large):
            return None
        others = (each for each in self._kept if each != latest)
        finished = next((each for each in others if _ended(self._kept[each])), None)
        if finished is not None or not many:
            return finished
        return next(each for each in self._kept if each != latest)

    def _drop(self, execution_id: str) -> None:
        item = self._kept.pop(execution_id, None)
        if item is not None:
            self._bytes -= _size(item)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _rows(self) -> list[Row]:
        """Return all runs, newest first."""
        self.flush()
        with self._lock:
            items = list(self._kept.values())
        rows = [item if isinstance(item, Row) else row_of(item) for item in items]
        rows.sort(key=lambda row: (row.head.started_us, row.head.execution_id), reverse=True)
        return rows

    def select(
        self, query: RunQuery, after: tuple[int, str] | None, limit: int | None
    ) -> list[ExecutionSummary]:
        """Return up to `limit` runs, newest first, after the run `after`."""
        found = (
            row.head
            for row in self._rows()
            if matches(row, query) and (after is None or (row.head.started_us, row.head.execution_id) < after)
        )
        return [summary_of(head) for head in islice(found, limit)]

    def bodies(self, execution_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the records of these runs."""
        self.flush()
        with self._lock:
            found = {each: self._kept[each] for each in execution_ids if each in self._kept}
        return {each: item.body if isinstance(item, Row) else encode(item) for each, item in found.items()}

    def count_rows(self, query: RunQuery, after: tuple[int, str] | None, at_most: int | None) -> int:
        """Return the number of matching runs."""
        return len(self.select(query, after, at_most))

    def figures(self, by: StatsKey, query: RunQuery) -> Iterable[Figure]:
        """Return the figures that `stats` sums up."""
        return (
            figure for row in self._rows() if matches(row, query) for figure in figures_of(by, query, row)
        )

    def redactions_of(self, query: RunQuery) -> dict[str, int]:
        """Return the result of `redactions`; `query` has no `text`."""
        found: dict[str, int] = {}
        for row in self._rows():
            if matches(row, query):
                for kind, number in row.redactions.items():
                    found[kind] = found.get(kind, 0) + number
        return found

    def model_calls_of(self, query: RunQuery) -> Iterator[RunModelCall]:
        """Return the result of `model_calls`; `query` has no `text`."""
        rows = self._rows()
        with self._lock:
            place = {execution_id: at for at, execution_id in enumerate(self._kept)}
        rows.sort(key=lambda row: place.get(row.head.execution_id, len(place)))
        seen: set[str] = set()
        found: list[RunModelCall] = []
        for row in rows:
            head: Any = row.head  # it has all columns
            chosen = bool(row.model_calls) and matches(row, query)
            for position, call in enumerate(row.model_calls):
                copy = call.response in seen
                if call.response is not None:
                    seen.add(call.response)
                if chosen:
                    found.append(
                        RunModelCall(
                            head.execution_id,
                            head.workflow_name,
                            head.session_id,
                            head.caller_id,
                            position,
                            call,
                            copy,
                            None,
                        )
                    )
        return iter(sorted(found, key=lambda each: each.call.at_us))

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the execution ids of runs whose execution or trace id begins with `prefix`."""
        rows = self._rows()
        if any(row.head.execution_id == prefix for row in rows):
            return [prefix]
        begins = (prefix, f"exec-{prefix}")
        found = (
            row.head.execution_id
            for row in rows
            if row.head.execution_id.startswith(begins) or row.head.trace_id.startswith(prefix)
        )
        return list(islice(found, limit)) if prefix else []

    def info(self) -> StoreInfo:
        """Return the location of the store, its number of runs and its size."""
        heads = [row.head for row in self._rows()]
        return StoreInfo(
            "memory",
            "memory of this process",
            0,
            len(heads),
            sum(not ended(head.status) for head in heads),
            sum(head.bytes for head in heads),
            from_us(heads[-1].started_us) if heads else None,
            from_us(heads[0].started_us) if heads else None,
        )

    def __len__(self) -> int:
        self.flush()
        with self._lock:
            return len(self._kept)

    # --- maintenance --------------------------------------------------------------------------------------------------

    def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Delete runs that started before `older_than`, then the oldest until the records fit `max_mb` MiB."""
        rows = self._rows()
        left = sum(row.head.bytes for row in rows)
        cutoff = None if older_than is None else to_us(older_than)
        gone: list[Head] = []
        for row in reversed(rows):
            head = row.head
            too_old = cutoff is not None and head.started_us < cutoff
            too_much = max_mb is not None and left > max_mb * 1024 * 1024
            if row.ended and (too_old or too_much):
                gone.append(head)
                left -= head.bytes
        if not dry_run:
            with self._lock:
                for head in gone:
                    self._drop(head.execution_id)
        return PruneReport(len(gone), sum(head.bytes for head in gone), dry_run)

    def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """Delete these runs, except unfinished ones."""
        size = deleted = 0
        running: list[str] = []
        unknown: list[str] = []
        self.flush()
        with self._lock:
            for each in dict.fromkeys(execution_ids):
                item = self._kept.get(each)
                if item is None:
                    unknown.append(each)
                elif not _ended(item):
                    running.append(each)
                else:
                    self._drop(each)
                    deleted += 1
                    size += len(item.body if isinstance(item, Row) else encode(item))
        return DeleteReport(deleted, size, running, unknown)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until ended runs are stored; return whether that took less than `timeout_s` seconds."""
        return run_thread().flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Do nothing: nothing needs to be closed."""


def _ended(item: ExecutionRecord | Row) -> bool:
    return ended(item.head.status if isinstance(item, Row) else item.status)


def _size(item: ExecutionRecord | Row) -> int:
    """Return the approximate bytes of an ended run; an unfinished one is held by the code that runs it."""
    if not isinstance(item, Row):
        return 0
    return _ROW_BYTES + len(item.body) + _CALL_BYTES * len(item.calls)


def _matches(row: Row, where: str) -> bool:
    from ael_otel.store.where.predicate import matches as expression_matches

    return expression_matches(row, where)


def matches(row: Row, query: RunQuery) -> bool:
    """Return whether a run passes all filters except `text`."""
    head = row.head
    return (
        (query.ids is None or head.execution_id in query.ids)
        and (query.since is None or head.started_us >= to_us(query.since))
        and (query.until is None or head.started_us < to_us(query.until))
        and all(
            (wanted := getattr(query, name)) is None or getattr(head, column) == wanted
            for name, column in EQUALS.items()
        )
        and (query.error is None or query.error in row.errors)
        and (not query.with_errors or bool(row.errors))
        and (query.tool is None or any(call[0] == query.tool for call in row.calls))
        and (
            query.min_duration_ms is None
            or (head.duration_us is not None and head.duration_us >= query.min_duration_ms * 1e3)
        )
        and (query.where is None or _matches(row, query.where))
    )
