"""Pass events of sessions of this process to the run store: one thread queues them, another stores them."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import report_fault
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.sessions import hooks
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.idle import IdleWatch
from ael_otel.sessions.session import IDLE_S

MAX_EVENTS: Final = 4_096
MAX_BYTES: Final = 4 * 1024 * 1024
"""Maximum number and bytes of events that wait for the run store; further ones are dropped (`queue_full`)."""

_EVENT_BYTES: Final = 512
_AT_ONCE: Final = 256
_GATHER_S: Final = 0.2


class Table(Protocol):
    """Stores events of sessions."""

    def add(self, events: Sequence[SessionEvent], /) -> object:
        """Store events; adding one again changes nothing."""
        ...


class Intake:
    """Passes events to a table in the background, in their order.

    Args:
        table: stores the events; if it raises, the batch is dropped (`store_error`). None stores none: idle sessions
            are still reported.
        on_drop: called with the reason and the number of events that were dropped.
        idle_s: seconds of silence after which a session is reported as idle, to the table and to hooks.
    """

    def __init__(
        self,
        table: Table | None,
        on_drop: Callable[[TelemetryDropReason, int], None],
        idle_s: float = IDLE_S,
    ) -> None:
        self._table = table
        self._on_drop = on_drop
        self._idle = IdleWatch(self._is_idle, idle_s)
        self._queue = TelemetryThread(
            max_notes=MAX_EVENTS,
            max_bytes=MAX_BYTES,
            gather_s=_GATHER_S,
            notes_at_once=_AT_ONCE,
            name="ael-sessions",
            alarm=self._idle.due,
        )
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._queue.before_fork,
                after_in_parent=self._queue.after_fork_in_parent,
                after_in_child=self._after_fork,
            )

    def _after_fork(self) -> None:
        self._idle.forget()
        self._queue.after_fork_in_child()

    def submit(self, event: SessionEvent) -> bool:
        """Queue an event; return False, and count a drop, if the queue is full."""
        content = 0 if event.content is None else sum(len(str(each)) for each in event.content.values())
        return self._queue.submit(self, event, _EVENT_BYTES + content)

    def take(self, events: Sequence[SessionEvent], /) -> None:
        """Store queued events."""
        self._idle.note(events)
        if self._table is None:
            return
        try:
            self._table.add(events)
        except Exception as error:
            self._on_drop("store_error", len(events))
            report_fault("sessions.store", error)

    def _is_idle(self, event: SessionEvent) -> None:
        hooks.notify(event)
        if self._table is not None:
            self.submit(event)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Count events that were not stored."""
        self._on_drop(reason, count)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the queued events are stored; return whether that took less than `timeout_s` seconds."""
        return self._queue.flush(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Store the queued events and end the thread; return whether that took less than `timeout_s` seconds."""
        return self._queue.close(timeout_s)


class LateTable:
    """A table that is opened by the storing thread when the first events come.

    Args:
        open_table: opens it; if it raises, the batch is dropped, and the next one tries again.
    """

    def __init__(self, open_table: Callable[[], Table]) -> None:
        self._open = open_table
        self._table: Table | None = None

    def add(self, events: Sequence[SessionEvent], /) -> object:
        """Store events, opening the table first if needed."""
        if self._table is None:
            self._table = self._open()
        return self._table.add(events)


class _InForce:
    intake: Intake | None = None


def set_intake(intake: Intake | None) -> None:
    """Set where events that are reported from now on are stored; None stores none."""
    _InForce.intake = intake


def intake() -> Intake | None:
    """Return where events are stored, None if they are not."""
    return _InForce.intake


def report(event: SessionEvent, content: dict[str, Any] | None = None) -> None:
    """Report an event of a session of this process to the run store and to hooks; takes a few microseconds.

    `content` is redacted; only hooks get it.
    """
    hooks.notify(event, content)
    kept = _InForce.intake
    if kept is not None:
        kept.submit(event)
