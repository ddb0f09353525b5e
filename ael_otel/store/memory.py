"""A store that lives and dies with the process: bounded, thread-safe, no dependencies."""

from collections import OrderedDict
from threading import Lock

from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord


class MemoryStore:
    """Keeps the latest executions in memory.

    Args:
        max_executions: how many runs are kept, 1 or more, default 1000. One more run pushes out the oldest finished
            one; a run that still goes on is pushed out only when every kept run does.

    Raises:
        ValueError: `max_executions` is less than 1.
    """

    def __init__(self, max_executions: int = 1000) -> None:
        if max_executions < 1:
            raise ValueError(
                f"MemoryStore keeps at least one run: max_executions={max_executions}, set 1 or more"
            )
        self._max = max_executions
        self._records: OrderedDict[str, ExecutionRecord] = OrderedDict()
        self._lock = Lock()

    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep a run that has just begun, pushing out an old one when the store is full."""
        with self._lock:
            if record.execution_id not in self._records and len(self._records) >= self._max:
                self._records.pop(self._oldest_to_drop())
            self._records[record.execution_id] = record

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Do nothing: the kept record is the live one."""

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Do nothing: the kept record is the live one."""

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run, also of one that was pushed out while it went on."""
        self.start_execution(record)

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with this id, or None."""
        with self._lock:
            return self._records.get(execution_id)

    def recent(self, limit: int = 50) -> list[ExecutionRecord]:
        """Return up to `limit` runs, the one that started last first."""
        with self._lock:
            latest = list(reversed(self._records.values()))
        # A run that was pushed out and ended later came back out of turn.
        latest.sort(key=lambda record: record.started_at, reverse=True)
        return latest[:limit]

    def __len__(self) -> int:
        with self._lock:
            return len(self._records)

    def _oldest_to_drop(self) -> str:
        for execution_id, record in self._records.items():
            if record.status not in ("pending", "running"):
                return execution_id
        return next(iter(self._records))
