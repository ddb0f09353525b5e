"""The store for asynchronous code: every call that reads or waits runs in a thread."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from ael_otel.store.model_calls import RunModelCall
from ael_otel.store.protocol import TelemetryStore
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

_AT_ONCE: Final = 50


class AsyncWriter:
    """The writing half of `AsyncStore`."""

    def __init__(self, store: TelemetryStore) -> None:
        self.store = store

    async def start_execution(self, record: ExecutionRecord) -> None:
        """See `TelemetryStore.start_execution`."""
        await asyncio.to_thread(self.store.start_execution, record)

    async def complete_execution(self, record: ExecutionRecord) -> None:
        """See `TelemetryStore.complete_execution`."""
        await asyncio.to_thread(self.store.complete_execution, record)

    async def fail_execution(self, record: ExecutionRecord) -> None:
        """See `TelemetryStore.fail_execution`."""
        await asyncio.to_thread(self.store.fail_execution, record)

    async def cancel_execution(self, record: ExecutionRecord) -> None:
        """See `TelemetryStore.cancel_execution`."""
        await asyncio.to_thread(self.store.cancel_execution, record)

    async def start_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """See `TelemetryStore.start_step`."""
        await asyncio.to_thread(self.store.start_step, record, step)

    async def complete_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """See `TelemetryStore.complete_step`."""
        await asyncio.to_thread(self.store.complete_step, record, step)

    async def fail_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """See `TelemetryStore.fail_step`."""
        await asyncio.to_thread(self.store.fail_step, record, step)

    async def skip_step(self, record: ExecutionRecord, step: StepRecord) -> None:
        """See `TelemetryStore.skip_step`."""
        await asyncio.to_thread(self.store.skip_step, record, step)

    async def record_tool_call(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """See `TelemetryStore.record_tool_call`."""
        await asyncio.to_thread(self.store.record_tool_call, record, call)

    async def put(self, records: Iterable[ExecutionRecord]) -> int:
        """See `TelemetryStore.put`."""
        return await asyncio.to_thread(self.store.put, records)


class AsyncStore(AsyncWriter):
    """Wraps a store; methods that do not wait are called on `store` itself.

    Args:
        store: the store. To write from an event loop, use one that writes in the background (`open_store`).
    """

    async def get(self, execution_id: str) -> ExecutionRecord | None:
        """See `TelemetryStore.get`."""
        return await asyncio.to_thread(self.store.get, execution_id)

    async def find(self, prefix: str, limit: int = 10) -> list[str]:
        """See `TelemetryStore.find`."""
        return await asyncio.to_thread(self.store.find, prefix, limit)

    async def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """See `TelemetryStore.recent`."""
        return await asyncio.to_thread(self.store.recent, limit)

    async def query(self, query: RunQuery) -> Page:
        """See `TelemetryStore.query`."""
        return await asyncio.to_thread(self.store.query, query)

    async def count(self, query: RunQuery, at_most: int | None = None) -> int:
        """See `TelemetryStore.count`."""
        return await asyncio.to_thread(self.store.count, query, at_most)

    async def iterate(self, query: RunQuery) -> AsyncIterator[ExecutionRecord]:
        """See `TelemetryStore.iterate`."""
        async for record in _in_threads(self.store.iterate(query)):
            yield record

    async def export(
        self,
        format: ExportFormat,  # noqa: A002 - the specification's name
        query: RunQuery,
        *,
        service: str = "ael",
    ) -> AsyncIterator[bytes]:
        """See `TelemetryStore.export`."""
        async for part in _in_threads(self.store.export(format, query, service=service)):
            yield part

    async def stats(self, by: StatsKey, query: RunQuery) -> list[StatsRow]:
        """See `TelemetryStore.stats`."""
        return await asyncio.to_thread(self.store.stats, by, query)

    async def errors(self, query: RunQuery) -> list[ErrorRow]:
        """See `TelemetryStore.errors`."""
        return await asyncio.to_thread(self.store.errors, query)

    async def redactions(self, query: RunQuery) -> dict[str, int]:
        """See `TelemetryStore.redactions`."""
        return await asyncio.to_thread(self.store.redactions, query)

    async def model_calls(self, query: RunQuery) -> AsyncIterator[RunModelCall]:
        """See `TelemetryStore.model_calls`."""
        async for call in _in_threads(self.store.model_calls(query)):
            yield call

    async def info(self) -> StoreInfo:
        """See `TelemetryStore.info`."""
        return await asyncio.to_thread(self.store.info)

    async def prune(
        self, *, older_than: datetime | None = None, max_mb: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """See `TelemetryStore.prune`."""
        return await asyncio.to_thread(
            self.store.prune, older_than=older_than, max_mb=max_mb, dry_run=dry_run
        )

    async def delete(self, execution_ids: Iterable[str]) -> DeleteReport:
        """See `TelemetryStore.delete`."""
        return await asyncio.to_thread(self.store.delete, execution_ids)

    async def flush(self, timeout_s: float = 5.0) -> bool:
        """See `TelemetryStore.flush`."""
        return await asyncio.to_thread(self.store.flush, timeout_s)

    async def close(self, timeout_s: float = 5.0) -> None:
        """See `TelemetryStore.close`."""
        await asyncio.to_thread(self.store.close, timeout_s)


async def _in_threads[Item](items: Iterator[Item]) -> AsyncIterator[Item]:
    """Yield items that a thread fetches in batches."""

    def some() -> list[Item]:
        return list(islice(items, _AT_ONCE))

    while found := await asyncio.to_thread(some):
        for item in found:
            yield item
