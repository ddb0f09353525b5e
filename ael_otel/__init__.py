"""OpenTelemetry for the AEL workflow engine: one nested trace a run, metrics, JSON logs, and a store of runs.

What is listed in `__all__` is the public interface, stable from one minor version to the next; everything else in this
package is private and may change at any time. Examples of all of it: `docs/how-to/hosting.md` and
`docs/reference/api.md`.

| task | name |
| --- | --- |
| record the runs of an engine in your own application | `AelInstrumentor` |
| record runs of code that does not use the engine | `configure`, `execution`, `step`, `tool_call`, `code_block` |
| record the session of an agent in this process | `session` |
| call a function for each tool call and session event | `on` |
| end or flush telemetry before the process ends | `flush`, `shutdown` |
| open and query a store of runs | `open_reader`, `open_store`, `RunQuery`, `TelemetryStore`, `ExecutionRecord` |
| replace secrets in a value | `redact` |
| read the engine's configuration file | `load_settings`, `Settings` |
| catch every error of this package | `AelOtelError` |
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ael_otel.version import __version__

if TYPE_CHECKING:
    from ael_otel.config import Settings, load_settings
    from ael_otel.core.redaction import redact
    from ael_otel.errors import AelOtelError
    from ael_otel.runtime.hosting import configure, flush, shutdown
    from ael_otel.runtime.instrumentor import AelInstrumentor
    from ael_otel.runtime.recording import code_block, execution, session, step, tool_call
    from ael_otel.sessions.hooks import on
    from ael_otel.store import ExecutionRecord, RunQuery, TelemetryStore, open_reader, open_store


__all__ = [
    "AelInstrumentor",
    "AelOtelError",
    "ExecutionRecord",
    "RunQuery",
    "Settings",
    "TelemetryStore",
    "__version__",
    "code_block",
    "configure",
    "execution",
    "flush",
    "load_settings",
    "on",
    "open_reader",
    "open_store",
    "redact",
    "session",
    "shutdown",
    "step",
    "tool_call",
]

_MODULES = {
    "config": "Settings load_settings",
    "core.redaction": "redact",
    "errors": "AelOtelError",
    "runtime.hosting": "configure flush shutdown",
    "runtime.instrumentor": "AelInstrumentor",
    "runtime.recording": "code_block execution session step tool_call",
    "sessions.hooks": "on",
    "store": "ExecutionRecord RunQuery TelemetryStore open_reader open_store",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


if not TYPE_CHECKING:  # or type checkers would accept any name

    def __getattr__(name: str) -> Any:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
