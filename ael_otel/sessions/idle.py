"""Detect silent sessions of this process: `enforcement.idle` once a session has been silent for too long.

The idle times of a session are computed from its other events (`session.py`); this module reports them while they last,
to hooks and to readers of the store.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import Final

from ael_otel._generated.attributes import SessionOrigin
from ael_otel.sessions.events import SessionEvent, event_key
from ael_otel.sessions.session import IDLE_S

MAX_SESSIONS: Final = 4_096
"""Maximum number of observed sessions; beyond it, the one that was silent longest is dropped."""

_CALL_EXPIRES_S: Final = 3600.0
_LATEST_S: Final = 0.01
"""Seconds to wait again if the timer fires slightly early."""


class _Watched:
    """One session: since when it is silent, and what it waits for."""

    __slots__ = ("asked", "calls", "origin", "since", "since_us", "turn_id")

    def __init__(self) -> None:
        self.since = 0.0
        self.since_us = 0
        self.calls: dict[str, float] = {}
        self.asked = False
        self.origin: SessionOrigin | None = None
        self.turn_id: str | None = None


class IdleWatch:
    """Reports each silence of a session once.

    A session with an open tool call (for an hour at most), or one that waits for a permission, is not silent.

    Args:
        report: called with each event `enforcement.idle`.
        idle_s: seconds of silence.
        clock: seconds, monotonic; for tests.
    """

    def __init__(
        self,
        report: Callable[[SessionEvent], object],
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._report = report
        self._idle_s = idle_s
        self._clock = clock
        self._watched: OrderedDict[tuple[str, str], _Watched] = OrderedDict()

    def note(self, events: Sequence[SessionEvent]) -> None:
        """Process events, in their order."""
        now = self._clock()
        for event in events:
            self._note(event, now)

    def _note(self, event: SessionEvent, now: float) -> None:
        key = (event.agent, event.session_id)
        watched = self._watched.get(key)
        if event.kind in ("session.end", "enforcement.idle"):
            self._watched.pop(key, None)  # its next event starts again
            return
        if watched is None:
            watched = self._watched[key] = _Watched()
            while len(self._watched) > MAX_SESSIONS:
                self._watched.popitem(last=False)
        self._watched.move_to_end(key)
        watched.since, watched.since_us = now, event.at_us
        watched.origin = event.origin or watched.origin
        if event.kind.startswith(("tool.", "turn.")):
            watched.asked = False
        if event.kind == "decision":
            watched.asked = event.decision == "ask"
        elif event.kind == "tool.execute.before":
            watched.calls[event.call_id or ""] = now
        elif event.kind == "tool.execute.after":
            watched.calls.pop(event.call_id or "", None)
        elif event.kind in ("turn.start", "turn.end"):
            watched.calls.clear()
            watched.turn_id = event.turn_id if event.kind == "turn.start" else None

    def due(self) -> float | None:
        """Report the sessions that are idle now; return the seconds until the next one may be, None if none can be."""
        now = self._clock()
        soonest: float | None = None
        for (agent, session_id), watched in list(self._watched.items()):  # longest silent first
            if soonest is not None and watched.since + self._idle_s >= soonest:
                break
            if watched.asked:
                continue
            busy = max(watched.calls.values(), default=-_CALL_EXPIRES_S) + _CALL_EXPIRES_S
            at = max(watched.since, busy if watched.calls else 0.0) + self._idle_s
            if at <= now:
                del self._watched[agent, session_id]
                self._report(
                    SessionEvent(
                        session_id=session_id,
                        agent=agent,
                        kind="enforcement.idle",
                        origin=watched.origin,
                        at_us=time_ns() // 1_000,
                        key=event_key("enforcement.idle", watched.since_us),
                        turn_id=watched.turn_id,
                        duration_us=int((now - watched.since) * 1e6),
                    )
                )
            else:
                soonest = at if soonest is None else min(soonest, at)
        return None if soonest is None else max(_LATEST_S, soonest - now)

    def forget(self) -> None:
        """Forget all sessions: in a forked child they are the parent's."""
        self._watched.clear()
