"""One round of instrumentation: the engine's wrapped functions, log filters and baggage, from `start` to `stop`."""

import logging
from typing import Final

from ael_otel.core import baggage
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.targets import TARGETS
from ael_otel.instrument.wrapping import Wrapping
from ael_otel.privacy.engine_logs import ArgumentFilter

ARGUMENT_LOGGERS: Final = (
    "ploston_core.mcp.connection",
    "ploston_core.mcp_frontend.server",
    "ploston_core.api.routers.runner_static",
)
"""Loggers of the engine that write a call's full arguments, all versions up to 1.7."""


class Instrumentation:
    """Instruments every workflow engine of this process; needs no SDK and never raises."""

    def __init__(self) -> None:
        self._wrapping: Wrapping | None = None
        self._filter: ArgumentFilter | None = None
        self._baggage = False

    def start(self, active: Active) -> None:
        """Wrap the engine and record what it does with `active`, until `stop`."""
        with fault_barrier("instrument"):
            activate(active)
            self._filter = ArgumentFilter(lambda: active_redaction().redacts)
            for name in ARGUMENT_LOGGERS:
                logging.getLogger(name).addFilter(self._filter)
            # Also where the engine is part of an application, which starts no pipeline of ours.
            self._baggage = baggage.install()
            self._wrapping = Wrapping(TARGETS)
            self._wrapping.apply()

    def stop(self) -> None:
        """Put every original back."""
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
