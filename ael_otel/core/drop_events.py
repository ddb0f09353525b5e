"""Lost telemetry, told: the event `ael.telemetry.drop`, at most once a minute for each signal and reason."""

import logging
import os
from threading import Lock
from time import monotonic
from typing import Final

from ael_otel._generated.attributes import TelemetryDropReason, TelemetrySignal
from ael_otel._generated.emitters import emit_telemetry_drop

QUIET_SECONDS: Final = 60.0
"""How long a loss of the same kind is only counted."""

# Not below `ael_otel`: this line goes out by OTLP too, once a minute, whatever the state of the queue.
logger = logging.getLogger("ael.telemetry")


class DropEvents:
    """Adds losses up and logs them as an event when the last one of their kind is long enough ago."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._totals: dict[tuple[str, str], int] = {}
        os.register_at_fork(after_in_child=self.after_fork)

    def lost(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int) -> None:
        """Note that `count` items of `signal` were lost for `reason`."""
        kind = (signal, reason)
        now = monotonic()
        with self._lock:
            self._totals[kind] = self._totals.get(kind, 0) + count
            total = self._pending.get(kind, 0) + count
            last = self._told.get(kind)
            if last is not None and now - last < QUIET_SECONDS:
                self._pending[kind] = total
                return
            # First, because logging may lose an item itself and come back here.
            self._told[kind] = now
            self._pending[kind] = 0
        emit_telemetry_drop(
            logger,
            logging.WARNING,
            f"telemetry lost: {total} items of {signal} ({reason})",
            component="telemetry",
            signal=signal,
            reason=reason,
            telemetry_dropped_items=total,
        )

    def totals(self) -> dict[tuple[str, str], int]:
        """Return how many items this process has dropped, by signal and reason."""
        with self._lock:
            return dict(self._totals)

    def after_fork(self) -> None:
        """Start anew in a child process, with a lock of its own: the parent's may have been held."""
        self._lock = Lock()
        self._pending, self._told, self._totals = {}, {}, {}
