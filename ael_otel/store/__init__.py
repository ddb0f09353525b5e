"""The run store: complete records of every execution, kept beside the engine.

Records are plain values (`records`), written as events happen by `ael_otel.lifecycle` and read by the CLI. This
package holds the record types, the protocol a backend implements and the in-memory backend.
"""

from ael_otel.store.memory import MemoryStore
from ael_otel.store.protocol import TelemetryStore
from ael_otel.store.records import (
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
    "ErrorRecord",
    "ExecutionRecord",
    "ExecutionStatus",
    "ExecutionType",
    "MemoryStore",
    "StepRecord",
    "StepStatus",
    "StepType",
    "TelemetryStore",
    "ToolCallRecord",
    "ToolCallSource",
    "ToolCallStatus",
]
