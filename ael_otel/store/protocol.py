"""What a store backend must be able to do; `ael_otel.lifecycle` writes through it and never waits for it."""

from collections.abc import Sequence
from typing import Protocol

from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord


class TelemetryStore(Protocol):
    """Keeps execution records.

    The lifecycle owns each record until `finish_execution` returns; a backend that keeps references (the memory
    store) therefore shows running work as it grows, one that serialises takes its snapshot at each call.
    """

    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep a run that has just begun (status `running`)."""
        ...

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note that `step` began or ended; called at both ends of a step."""
        ...

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Note that `call` ended."""
        ...

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep the final state of a run."""
        ...

    def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return the run with this id, or None."""
        ...

    def recent(self, limit: int = 50) -> Sequence[ExecutionRecord]:
        """Return up to `limit` runs, the one that started last first."""
        ...
