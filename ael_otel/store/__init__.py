"""The run store: complete records of every run, stored on the machine of the engine.

Records are plain values (`records`), written by `ael_otel.lifecycle` as events happen, and read by the CLI. A process
that runs workflows calls `open_store(settings)`, one that only reads calls `open_reader(settings)`; both return a
`TelemetryStore` (`protocol`), over SQLite, PostgreSQL or memory.

Each module of this package is imported only when one of its names is used: `ael trace list` starts sooner without the
modules that it does not need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ael_otel.errors import QueryError, SchemaTooNewError, StoreError, StoreNotFoundError

if TYPE_CHECKING:
    from ael_otel.store.content import Capture
    from ael_otel.store.factory import open_reader, open_store, refuse_unusable, skipped_folder
    from ael_otel.store.memory import MemoryStore
    from ael_otel.store.protocol import TelemetryStore
    from ael_otel.store.query import (
        DeleteReport,
        ErrorRow,
        ExecutionSummary,
        ExportFormat,
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
    "DeleteReport",
    "ErrorRecord",
    "ErrorRow",
    "ExecutionRecord",
    "ExecutionStatus",
    "ExecutionSummary",
    "ExecutionType",
    "ExportFormat",
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
    "open_reader",
    "open_store",
    "refuse_unusable",
    "skipped_folder",
]

_MODULES: Final = {
    "content": "Capture",
    "memory": "MemoryStore",
    "factory": "open_reader open_store refuse_unusable skipped_folder",
    "protocol": "TelemetryStore",
    "query": "DeleteReport ErrorRow ExecutionSummary ExportFormat Page PruneReport RunQuery StatsKey StatsRow"
    " StoreInfo",
    "records": "INTERRUPTED CodeRecord ErrorRecord ExecutionRecord ExecutionStatus ExecutionType StepRecord StepStatus"
    " StepType ToolCallRecord ToolCallSource ToolCallStatus",
}
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
