"""Events of sessions of this process, on their way to the run store: noted by one thread, stored by another."""

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
"""Events and bytes that wait for the run store; what comes beyond either is dropped (`queue_full`)."""

_EVENT_BYTES: Final = 512
_AT_ONCE: Final = 256
_GATHER_S: Final = 0.2


class Table(Protocol):
    """Keeps events of sessions."""

    def add(self, events: Sequence[SessionEvent], /) -> object:
        """Keep events; one that is added again changes nothing."""
        ...


class Intake:
    """Hands events to a table in the background, in their order.

    Args:
        table: where they go; what it raises drops the events at hand (`store_error`). None keeps none: they are only
            looked at for silence.
        on_drop: called with the reason and the number of events that were dropped.
        idle_s: after how many seconds of silence a session is reported as idle, to the table and to hooks.
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
        """Note an event; returns False, and counts a drop, if the queue is full."""
        content = 0 if event.content is None else sum(len(str(each)) for each in event.content.values())
        return self._queue.submit(self, event, _EVENT_BYTES + content)

    def take(self, events: Sequence[SessionEvent], /) -> None:
        """Keep noted events."""
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
        """Count events that were not kept."""
        self._on_drop(reason, count)

    def flush(self, timeout_s: float) -> bool:
        """Have the noted events kept; returns whether all were within `timeout_s` seconds."""
        return self._queue.flush(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Have the noted events kept and end the thread; returns whether time sufficed."""
        return self._queue.close(timeout_s)


class LateTable:
    """A table that is opened with the first events, by the thread that keeps them.

    Args:
        open_table: opens it; what it raises drops the events at hand, and the next ones try again.
    """

    def __init__(self, open_table: Callable[[], Table]) -> None:
        self._open = open_table
        self._table: Table | None = None

    def add(self, events: Sequence[SessionEvent], /) -> object:
        """Keep events, in a table that is opened now if need be."""
        if self._table is None:
            self._table = self._open()
        return self._table.add(events)


class _InForce:
    intake: Intake | None = None


def set_intake(intake: Intake | None) -> None:
    """Keep the events that are reported from now on; None keeps none."""
    _InForce.intake = intake


def intake() -> Intake | None:
    """Return where events are kept, None where they are not."""
    return _InForce.intake


def report(event: SessionEvent, content: dict[str, Any] | None = None) -> None:
    """Report an event of a session of this process, to the run store and to hooks: a few microseconds.

    `content` is redacted; only hooks get it.
    """
    hooks.notify(event, content)
    kept = _InForce.intake
    if kept is not None:
        kept.submit(event)
