"""The instrumentor that `opentelemetry-instrument` loads (entry point `opentelemetry_instrumentor`, name `ael`)."""

import logging
from collections.abc import Collection
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from ael_otel.core import baggage
from ael_otel.core.faults import fault_barrier
from ael_otel.core.metrics import AelMetrics
from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.package import _instruments  # pyright: ignore[reportPrivateUsage] - contrib's name for it
from ael_otel.instrument.wrapping import Wrapping
from ael_otel.lifecycle import Recorder
from ael_otel.privacy.engine_logs import ArgumentFilter

ARGUMENT_LOGGERS: Final = (
    "ploston_core.mcp.connection",
    "ploston_core.mcp_frontend.server",
    "ploston_core.api.routers.runner_static",
)
"""Loggers of the engine that write a call's full arguments, all versions up to 1.7."""


class AelInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments every workflow engine of this process.

    `instrument()` takes `tracer_provider`, `meter_provider` (default: the global ones), `store` (default none),
    `mcp_spans` (`ael`, `native` or `both`, default `ael`), `native_spans` and `native_store` (default False). It never
    raises: an instrumentor that raises keeps all later ones from loading.
    """

    _wrapping: Wrapping | None = None
    _filter: ArgumentFilter | None = None
    _baggage = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to do anything."""
        return _instruments

    def _instrument(self, **kwargs: Any) -> None:
        with fault_barrier("instrument"):
            # The table is imported late: at import time of this class the SDK may not be configured yet.
            from ael_otel.instrument.targets import TARGETS

            meter_provider = kwargs.get("meter_provider")
            recorder = Recorder(
                tracer_provider=kwargs.get("tracer_provider"),
                metrics=None if meter_provider is None else AelMetrics(meter_provider),
                store=kwargs.get("store"),
                mcp_spans=kwargs.get("mcp_spans", "ael"),
            )
            activate(
                Active(
                    recorder,
                    native_spans=bool(kwargs.get("native_spans")),
                    native_store=bool(kwargs.get("native_store")),
                )
            )
            self._filter = ArgumentFilter()
            for name in ARGUMENT_LOGGERS:
                logging.getLogger(name).addFilter(self._filter)
            # Also where the engine is part of an application, which starts no pipeline of ours.
            self._baggage = baggage.install()
            self._wrapping = Wrapping(TARGETS)
            self._wrapping.apply()

    def _uninstrument(self, **kwargs: Any) -> None:
        with fault_barrier("uninstrument"):
            if self._wrapping is not None:
                self._wrapping.undo()
                self._wrapping = None
            if self._filter is not None:
                for name in ARGUMENT_LOGGERS:
                    logging.getLogger(name).removeFilter(self._filter)
                self._filter = None
            if self._baggage:
                baggage.remove()
                self._baggage = False
            activate(None)
