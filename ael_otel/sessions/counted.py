"""Count and log the sessions that this process stores: of an engine's clients and of hosted agents.

Each process counts only what it stored itself, so that nothing is counted twice in a shared run store. The worker of
`ael-hook` exports the counts of coding agents from the totals of the store (`ael_otel.runtime.session_outlets`).
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Final, Literal, cast

from ael_otel._generated.attributes import SessionCallOutcome, SessionOrigin, SessionOutcome
from ael_otel.core.faults import fault_barrier
from ael_otel.core.metrics import AelMetrics
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.log_events import log_happening
from ael_otel.sessions.session import origin_of
from ael_otel.sessions.table import CALLS, IDLE, SESSIONS, Added, SessionTable, TotalKey

OWN_ORIGINS: Final[tuple[SessionOrigin, ...]] = ("client", "hosted")
"""Sessions that a process reports itself; the worker of `ael-hook` handles those of hooks."""

EXPIRE_S: Final = 600.0
"""Seconds between two searches for silent sessions."""


class CountedTable:
    """A table of sessions that counts and logs its changes.

    Args:
        table: stores the events; its `counts` and `logs` are off.
        metrics: counts the events.
        on_drop: called with a reason and the number of events that did not fit into their session.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        table: SessionTable,
        metrics: AelMetrics,
        on_drop: Callable[[Literal["too_large"], int], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._table = table
        self._metrics = metrics
        self._on_drop = on_drop
        self._clock = clock
        self._expires_at = clock()

    def add(self, events: Sequence[SessionEvent], /) -> Added:
        """Store events, and count and log the changes.

        Raises:
            StoreError: the store cannot be written now; nothing of the batch was stored.
        """
        self.expire()
        added = self._table.add(events)
        self._note(added)
        return added

    def expire(self) -> None:
        """Mark silent sessions as abandoned, unless that was done recently."""
        now = self._clock()
        if now >= self._expires_at:
            self._expires_at = now + EXPIRE_S
            self._note(self._table.expire(origins=OWN_ORIGINS))

    def _note(self, added: Added) -> None:
        with fault_barrier("sessions.count"):
            if added.dropped:
                self._on_drop("too_large", added.dropped)
            count(self._metrics, added)
        with fault_barrier("sessions.log"):
            for happening in added.happenings:
                log_happening(happening)


def count(metrics: AelMetrics, added: Added) -> None:
    """Count changes, and emit zeros for the outcomes that a new session can still have."""
    for happening in added.happenings:
        if happening.kind == "start":
            agent, origin = happening.record.agent, origin_of(happening.record)
            metrics.session.expect(agent=agent, origin=origin)
            metrics.session_call.expect(agent=agent, origin=origin)
            metrics.session_idle.expect(agent=agent, origin=origin)
    _grow(metrics, added.totals)


def _grow(metrics: AelMetrics, totals: Mapping[TotalKey, int]) -> None:
    for key, value in totals.items():
        if key.name == SESSIONS:
            outcome = cast("SessionOutcome", key.outcome)
            metrics.session.bind(agent=key.agent, origin=key.origin, outcome=outcome).add(sessions=value)
        elif key.name == CALLS:
            ended = cast("SessionCallOutcome", key.outcome)
            metrics.session_call.bind(agent=key.agent, origin=key.origin, outcome=ended).add(tool_calls=value)
        elif key.name == IDLE:
            metrics.session_idle.bind(agent=key.agent, origin=key.origin).add(idle=value / 1e6)
