"""Telemetry of a whole process: SDK, instrumentation, run store and metrics endpoint, for `ael` and for other hosts.

Each module of this package is imported only when one of its names is used: `opentelemetry-instrument` loads the
instrumentor in every process that it starts, and most of them never run the engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ael_otel.runtime.assembly import Runtime
    from ael_otel.runtime.instrumentor import AelInstrumentor
    from ael_otel.runtime.process import start

__all__ = ["AelInstrumentor", "Runtime", "start"]

_MODULES: Final = {"AelInstrumentor": "instrumentor", "Runtime": "assembly", "start": "process"}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
