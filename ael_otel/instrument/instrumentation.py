"""One round of instrumentation: the engine's wrapped functions, log filters and baggage, from `start` to `stop`."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from ael_otel.core import baggage
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.emit.events import COMPONENT, FIELDS
from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.targets import OPENING, TARGETS
from ael_otel.instrument.wrapping import Wrapping
from ael_otel.privacy.engine_logs import ArgumentFilter

ARGUMENT_LOGGERS: Final = (
    "ploston_core.mcp.connection",
    "ploston_core.mcp_frontend.server",
    "ploston_core.api.routers.runner_static",
)
"""Loggers of the engine that write the full arguments of calls, in all versions up to 1.7."""

BRIDGE_LOGGER: Final = "ploston.execution"
"""The logger to which the engine copies each line that it prints, with the line's context as extras."""

_EXTRA: Final = "ael_"


class ContextFilter(logging.Filter):
    """Turns the context of the engine's lines into fields of the log contract, for a handler of ours; drops no record.

    The engine puts `ael_` before each key, so some of its extras have the names of ours, such as `ael_event`. Workflow
    and execution id are then the engine's, which keeps those of the latest run on one shared object: lines of
    overlapping runs may carry each other's ids.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Move the engine's extras into one extra."""
        context = {
            name.removeprefix(_EXTRA): value
            for name, value in vars(record).items()
            if name.startswith(_EXTRA) and name != COMPONENT
        }
        for name in context:
            delattr(record, _EXTRA + name)
        setattr(record, FIELDS, context)
        return True


class Instrumentation:
    """Instruments every workflow engine of this process; needs no SDK and never raises."""

    def __init__(self) -> None:
        self._wrapping: Wrapping | None = None
        self._filters: list[tuple[str, logging.Filter]] = []
        self._baggage = False
        self.leaves_engine_alone = False
        """Whether telemetry is disabled, so that the engine's functions are not wrapped."""

    def start(self, active: Active, *, enabled: bool = True) -> None:
        """Wrap the engine and record its runs with `active`, until `stop`; wrap nothing if not `enabled`."""
        with fault_barrier("instrument"):
            activate(active)
            argument_filter = ArgumentFilter(lambda: active_redaction().redacts)
            for name in ARGUMENT_LOGGERS:
                self._add_filter(name, argument_filter)
            _InForce.instrumentation = self
            if not enabled:
                self.leave_engine_alone()
                return
            # Also if the engine is part of an application, in which no pipeline of ours starts.
            self._baggage = baggage.install()
            self._wrapping = Wrapping(TARGETS)
            self._wrapping.apply()

    def leave_engine_alone(self, *, owns_log: bool = False) -> None:
        """Restore every original and wrap nothing from now on, since telemetry is disabled.

        Args:
            owns_log: a handler of ours writes the log. Without our wrapper around the engine's logger, its lines reach
                that handler through logging, with their context.
        """
        self.leaves_engine_alone = True
        self._undo()
        if owns_log:
            self._add_filter(BRIDGE_LOGGER, ContextFilter())

    def stop(self) -> None:
        """Restore every original."""
        with fault_barrier("uninstrument"):
            self._undo()
            if _InForce.instrumentation is self:
                _InForce.instrumentation = None
            activate(None)

    def _add_filter(self, name: str, each: logging.Filter) -> None:
        logging.getLogger(name).addFilter(each)
        self._filters.append((name, each))

    def _undo(self) -> None:
        if self._wrapping is not None:
            self._wrapping.undo()
            self._wrapping = None
        if self._baggage:
            baggage.remove()
            self._baggage = False
        for name, each in self._filters:
            logging.getLogger(name).removeFilter(each)
        self._filters.clear()


class _InForce:
    instrumentation: Instrumentation | None = None


def leave_engine_alone(*, owns_log: bool = False) -> None:
    """Restore every function of the engine and wrap none from now on, as `telemetry.enabled: false` requires.

    Args:
        owns_log: a handler of ours writes the log, as in an `ael` command.
    """
    instrumentation = _InForce.instrumentation
    if instrumentation is not None:
        with fault_barrier("leave_engine_alone"):
            instrumentation.leave_engine_alone(owns_log=owns_log)


@contextmanager
def engine_opening() -> Generator[None]:
    """Disable the engine's own telemetry while it opens, if nothing else of it is wrapped; undone at the end.

    The engine's own database fails a run whose step is retried, so an `ael` command does not let it be opened, even
    with telemetry disabled.
    """
    instrumentation = _InForce.instrumentation
    if instrumentation is None or not instrumentation.leaves_engine_alone:
        yield
        return
    wrapping = Wrapping(OPENING)
    wrapping.apply()
    try:
        yield
    finally:
        wrapping.undo()
