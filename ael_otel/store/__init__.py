"""The run store: complete records of every execution, kept beside the engine.

Records are plain values (`records`), written as events happen by `ael_otel.lifecycle` and read by the CLI. A process
that runs workflows calls `open_store(settings)`, one that only looks calls `open_reader(settings)`; both return a
`TelemetryStore` (`protocol`), over SQLite, PostgreSQL or memory.
"""

from ael_otel.store.content import Capture
from ael_otel.store.errors import QueryError, SchemaTooNewError, StoreError, StoreNotFoundError
from ael_otel.store.locate import locate
from ael_otel.store.memory import MemoryStore
from ael_otel.store.opening import open_reader, open_store
from ael_otel.store.protocol import TelemetryStore
from ael_otel.store.query import (
    ExecutionSummary,
    Page,
    PruneReport,
    RunQuery,
    StatsKey,
    StatsRow,
    StoreInfo,
)
from ael_otel.store.records import (
    INTERRUPTED,
    CodeRecord,
    ErrorRecord,
    ExecutionRecord,
    ExecutionStatus,
    ExecutionType,
    StepRecord,
    StepStatus,
    StepType,
    ToolCallRecord,
    ToolCallSource,
    ToolCallStatus,
)

__all__ = [
    "INTERRUPTED",
    "Capture",
    "CodeRecord",
    "ErrorRecord",
    "ExecutionRecord",
    "ExecutionStatus",
    "ExecutionSummary",
    "ExecutionType",
    "MemoryStore",
    "Page",
    "PruneReport",
    "QueryError",
    "RunQuery",
    "SchemaTooNewError",
    "StatsKey",
    "StatsRow",
    "StepRecord",
    "StepStatus",
    "StepType",
    "StoreError",
    "StoreInfo",
    "StoreNotFoundError",
    "TelemetryStore",
    "ToolCallRecord",
    "ToolCallSource",
    "ToolCallStatus",
    "locate",
    "open_reader",
    "open_store",
]
