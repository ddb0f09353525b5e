"""Rate-limited log events for dropped telemetry: `ael.telemetry.drop`, once a minute for each signal and reason."""

import logging
import os
from threading import Lock
from time import monotonic
from typing import Final

from ael_otel._generated.attributes import TelemetryDropReason, TelemetrySignal
from ael_otel._generated.emitters import emit_telemetry_drop

QUIET_SECONDS: Final = 60.0
"""How long after an event further drops with the same signal and reason are only counted."""

# A logger outside the `ael_otel` hierarchy: this line goes out by OTLP too, once a minute, whatever the queue's state.
logger = logging.getLogger("ael.telemetry")


class DropEvents:
    """Counts dropped items and logs them as events, at most once a minute for each signal and reason."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[tuple[str, str], int] = {}
        self._logged_at: dict[tuple[str, str], float] = {}
        self._totals: dict[tuple[str, str], int] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.after_fork)

    def lost(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int) -> None:
        """Count `count` dropped items of `signal`, and log them unless such an event was logged recently."""
        kind = (signal, reason)
        now = monotonic()
        with self._lock:
            self._totals[kind] = self._totals.get(kind, 0) + count
            total = self._pending.get(kind, 0) + count
            last = self._logged_at.get(kind)
            if last is not None and now - last < QUIET_SECONDS:
                self._pending[kind] = total
                return
            # Before the event is logged, because logging may itself drop an item and call this method.
            self._logged_at[kind] = now
            self._pending[kind] = 0
        emit_telemetry_drop(
            logger,
            logging.WARNING,
            f"telemetry dropped: {total} items of {signal} ({reason})",
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
        """Reset the counts in a child process, and create a new lock, since the parent's may have been held."""
        self._lock = Lock()
        self._pending, self._logged_at, self._totals = {}, {}, {}
