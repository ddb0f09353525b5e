"""Compute a session from its events: its state, its figures, and its tree of turns, calls and idle times.

Only the events are stored as facts. Everything else is computed from them; the result does not depend on the order in
which they arrive, nor on repeated deliveries. Times are microseconds since 1970, UTC.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Final, Literal, Self

import msgspec

from ael_otel._generated.attributes import SessionOrigin
from ael_otel.config import Settings
from ael_otel.sessions.events import CallOutcome, SessionEvent, span_id_of, trace_id_of

type SessionStatus = Literal["running", "idle", "ended", "abandoned"]
type SessionOutcome = Literal["success", "error", "timeout", "cancelled", "abandoned", "unknown"]
type EntryKind = Literal["turn", "call", "subagent", "idle", "decision", "message", "error"]

IDLE_S: Final = 60.0
ABANDONED_S: Final = 24 * 3600.0
_CALL_EXPIRES_US: Final = 3600 * 10**6
"""Microseconds for which a call without an end counts as running: rejected and cancelled calls report none."""

_TAIL: Final = 128
"""Maximum number of events that wait for the end of an open call."""

_SECOND: Final = 10**6
_ORDER: Final = {
    kind: rank
    for rank, kind in enumerate(
        (
            "session.start",
            "turn.start",
            "subagent.start",
            "tool.execute.before",
            "decision",
            "activity",
            "enforcement.idle",
            "tool.execute.after",
            "error",
            "subagent.end",
            "enforcement.message",
            "turn.end",
            "session.end",
        )
    )
}
"""The order of events at the same microsecond."""

_REOPENS: Final = frozenset({"session.start", "turn.start", "tool.execute.before"})


class Limits(msgspec.Struct, frozen=True):
    """After how many seconds of silence a session is idle or abandoned, and whether a later event reopens it."""

    idle_s: float = IDLE_S
    abandoned_s: float = ABANDONED_S
    reopens: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits from a configuration."""
        sessions = settings.sessions
        return cls(sessions.idle_seconds, sessions.abandoned_hours * 3600, sessions.reopen)


class Entry(msgspec.Struct, kw_only=True):
    """One line of a session's tree.

    `end_us` is None while it continues, and if its end was never reported (`outcome` unknown). `turn` is the key of its
    turn, None outside a turn. `key` is the key of its first event (the end, for a call without a reported start);
    `end_key` is that of the event that ended a call. `waiting` marks idle time without an open turn: the agent had
    ended its turn and a person had not answered.
    """

    kind: EntryKind
    key: str
    at_us: int
    end_us: int | None = None
    end_key: str | None = None
    name: str | None = None
    server: str | None = None
    outcome: CallOutcome | None = None
    error_type: str | None = None
    decision: str | None = None
    turn: str | None = None
    subagent_id: str | None = None
    call_id: str | None = None
    execution_id: str | None = None
    paths: list[str] = []
    excluded_paths: int = 0
    sizes: dict[str, int] = {}
    tokens: dict[str, int] = {}
    waiting: bool = False
    content: dict[str, object] | None = None


class SessionRecord(msgspec.Struct, kw_only=True):
    """One session, from its start to its end or to now.

    `start_reported` is False if no event reported the start; the first event then counts as the start. `last_us` is the
    agent's last event, `ended_us` None while the session continues. `reopened` counts events that followed its end or
    its abandonment. `idle_us` is the sum of idle times, including those of waiting for a person; `tokens` and
    `cost_nano_usd` are None or empty if the agent does not report them. `origin` is that of the first event with one.
    """

    session_id: str
    agent: str
    origin: SessionOrigin | None = None
    status: SessionStatus
    outcome: SessionOutcome | None = None
    started_us: int
    start_reported: bool = True
    last_us: int
    ended_us: int | None = None
    agent_version: str | None = None
    models: list[str] = []
    workspace: str | None = None
    parent_session_id: str | None = None
    source: str | None = None
    reason: str | None = None
    trace_id: str = ""
    span_id: str = ""
    reopened: int = 0
    turns: int = 0
    tool_calls: int = 0
    failed_calls: int = 0
    errors: int = 0
    decisions: int = 0
    messages: int = 0
    subagents: int = 0
    idle_us: int = 0
    events: int = 0
    tokens: dict[str, int] = {}
    cost_nano_usd: int | None = None


# For events that were stored without an origin, the first event's source decides.
_ORIGINS: Final[dict[str | None, SessionOrigin]] = {
    "http": "client",
    "stdio": "client",
    "in_process": "hosted",
}


def origin_of(record: SessionRecord) -> SessionOrigin:
    """Return who reported a session: hooks of a coding agent, the engine of a client, or the agent's application."""
    return record.origin or _ORIGINS.get(record.source, "hooks")


def span_of(record: SessionRecord) -> str:
    """Return the id of a session's span; each end of a resumed session has its own span."""
    if not record.reopened:
        return record.span_id
    return span_id_of(record.agent, record.session_id, f"reopened {record.reopened}")


class Session(msgspec.Struct):
    """A session and its tree, in the order of time.

    `ends` has the record as it was at each end of the session, reported or by silence; `reopened` numbers them from 0.
    `undecided` has the keys of calls and subagents that got an outcome because their turn ended, but whose own end may
    still be reported, since the session continues. If no event reopens a session, what begins after its end stays
    undecided for an hour of events.
    """

    record: SessionRecord
    entries: list[Entry]
    ends: list[SessionRecord] = []
    undecided: set[str] = set()

    def is_over(self, entry: Entry) -> bool:
        """Return whether an entry has ended finally."""
        return entry.end_us is not None or (entry.outcome is not None and entry.key not in self.undecided)


def session_of(
    events: Iterable[SessionEvent], *, now_us: int | None = None, limits: Limits | None = None
) -> Session:
    """Return the session that consists of these events.

    Args:
        events: the events of one session, in any order; those with the same key count once.
        now_us: the current time, to decide whether the session is idle or abandoned; None leaves it running.
        limits: the silence after which it is.

    Raises:
        ValueError: there are no events.
    """
    ordered = sorted({event.key: event for event in events}.values(), key=_place)
    if not ordered:
        raise ValueError("a session needs at least one event")
    fold = _Fold(ordered[0], limits or Limits())
    fold.feed(ordered)
    return fold.session(now_us)


class GrowingSession:
    """A session to which events are added, at a cost that does not depend on its length.

    Events after which no tool call was open are processed once; later ones, at most about `_TAIL`, with each addition.
    Only entries that can still change are kept in memory, and those entries and ends that the last addition caused.

    Args:
        events: the first events, in any order.
        limits: the silence after which it is idle or abandoned.

    Raises:
        ValueError: there are no events.
    """

    def __init__(self, events: Iterable[SessionEvent], limits: Limits) -> None:
        self._tail = sorted({event.key: event for event in events}.values(), key=_place)
        if not self._tail:
            raise ValueError("a session needs at least one event")
        self._keys = {event.key for event in self._tail}
        self._limits = limits
        self._settled = _Fold(self._tail[0], limits)
        self._last: tuple[int, int, str] | None = None
        self._unpaired: set[tuple[str | None, ...]] = set()
        fold = self._settled.copy()
        fold.feed(self._tail)
        self.session = fold.session(None)
        """The session: first with all of its entries, later with those of the last additions."""

        self.settled_us = -(2**62)
        """Additions cannot change what ended at this time or earlier."""

        self._settle()

    def __len__(self) -> int:
        """Return the number of its events."""
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        """Return whether it has the event with this key."""
        return key in self._keys

    def add(self, events: Iterable[SessionEvent]) -> bool:
        """Add events that it does not have; return False, and add none, if they would change a final part."""
        added = list({event.key: event for event in events}.values())
        if self._last is not None and any(_place(event) < self._last for event in added):
            return False
        if any(event.kind.startswith("tool.") and _pairs_by(event) in self._unpaired for event in added):
            return False
        self._tail = sorted([*self._tail, *added], key=_place)
        self._keys.update(event.key for event in added)
        if self._last is None:
            self._settled = _Fold(self._tail[0], self._limits)
        fold = self._settled.copy()
        fold.feed(self._tail)
        self.session = fold.session(None)
        self._settle()
        return True

    def _settle(self) -> None:
        """Process finally the events before all calls that are open, or that overlapped one of these."""
        ends, at = _ends_of_calls(self._tail), {event.key: place for place, event in enumerate(self._tail)}
        reach = settled = 0
        partners = {
            min(at[start], at[end.key]): max(at[start], at[end.key])
            for start, end in ends.items()
            if start != end.key
        }
        for place, event in enumerate(self._tail):
            is_open = event.kind == "tool.execute.before" and event.key not in ends
            # Rejected calls never end, so the number of calls to wait for is bounded.
            if is_open and len(self._tail) - place <= _TAIL:
                break
            reach = max(reach, partners.get(place, place))
            if reach <= place:
                settled = place + 1
        if not settled:
            return
        done, self._tail = self._tail[:settled], self._tail[settled:]
        self._last = _place(done[-1])
        self.settled_us = self._last[0]
        self._unpaired |= {
            _pairs_by(event) for event in done if event.kind.startswith("tool.") and event.key not in ends
        }
        self._settled.feed(done)
        self._settled.forget()


class _Fold:
    """Processes the events of a session one by one, in the order of time."""

    def __init__(self, first: SessionEvent, limits: Limits) -> None:
        self._idle_us = int(limits.idle_s * _SECOND)
        self._abandoned_us = int(limits.abandoned_s * _SECOND)
        self._reopens = limits.reopens
        self._entries: list[Entry] = []
        self._ends_of_session: list[SessionRecord] = []
        self._open: list[Entry] = []
        """Calls and subagents whose ends were not reported, since the last end of the session."""

        self._record = SessionRecord(
            session_id=first.session_id,
            agent=first.agent,
            status="running",
            started_us=first.at_us,
            start_reported=False,
            last_us=first.at_us,
            trace_id=trace_id_of(first.agent, first.session_id),
            span_id=span_id_of(first.agent, first.session_id),
        )
        self._ends: dict[str, SessionEvent] = {}
        self._turn: Entry | None = None
        self._subagents: dict[str | None, Entry] = {}
        self._waits_for_permission = False
        self._busy_until_us = 0
        self._open_until_us = 0
        self._turn_was_cut = False

    def feed(self, events: Sequence[SessionEvent]) -> None:
        """Process further events, which are in order and later than the previous ones."""
        self._ends = _ends_of_calls(events)
        for event in events:
            self._pass_time(event)
            self._record.events += 1
            self._note_facts(event)
            self._apply(event)

    def session(self, now_us: int | None) -> Session:
        """Finish, and return the session as it is at that time."""
        self._close(now_us)
        self._entries.sort(key=lambda each: (each.at_us, each.end_us is None, -(each.end_us or 0)))
        undecided = set[str]()
        if self._record.ended_us is None or not self._reopens:
            expired_us = (
                -(2**62) if self._record.ended_us is None else self._record.last_us - _CALL_EXPIRES_US
            )
            undecided = {e.key for e in self._open if e.end_us is None and e.at_us > expired_us}
        return Session(self._record, self._entries, self._ends_of_session, undecided)

    def copy(self) -> "_Fold":
        """Return a copy that can process further events independently."""
        other = copy(self)
        other.detach()
        return other

    def detach(self) -> None:
        """Replace the objects that are shared with the original of this copy."""
        entries = {id(entry): msgspec.structs.replace(entry) for entry in self._entries}
        self._record = msgspec.structs.replace(self._record)
        self._entries = list(entries.values())
        self._ends_of_session = list(self._ends_of_session)
        self._open = [entries[id(entry)] for entry in self._open if entry.end_us is None]
        self._turn = None if self._turn is None else entries[id(self._turn)]
        self._subagents = {key: entries[id(entry)] for key, entry in self._subagents.items()}

    def forget(self) -> None:
        """Forget the ends of the session, and the entries that no later event can change."""
        self._ends_of_session = []
        turns = {entry.turn for entry in self._entries if entry.end_us is None}
        self._entries = [
            entry
            for entry in self._entries
            if entry.end_us is None or (entry.kind == "turn" and entry.key in turns)
        ]

    # --- time ---------------------------------------------------------------------------------------------------------

    def _pass_time(self, event: SessionEvent) -> None:
        """Record the silence before an event, and reopen a session that had ended or was abandoned."""
        record = self._record
        if event.kind == "enforcement.idle":
            return  # the silence itself causes this event
        silence = event.at_us - record.last_us
        if record.ended_us is not None and event.kind in _REOPENS and self._reopens:
            record.ended_us, record.outcome, record.reason = None, None, None
            record.status = "running"
            self._leave_open()  # what began after the end without reopening the session ended with it
            record.reopened += 1
        elif record.ended_us is None and silence >= self._abandoned_us:
            turn_was_open = self._turn is not None
            self._end("abandoned", record.last_us, "abandoned", None)
            self._turn_was_cut = turn_was_open  # its end may still be reported; it is not another turn
            if self._reopens:
                record.status, record.ended_us, record.outcome = "running", None, None
                record.reopened += 1
        else:
            self._idle(record.last_us, event.at_us)
        record.last_us = event.at_us

    def _idle(self, from_us: int, to_us: int) -> None:
        """Add the idle time between two events, unless the agent ran a tool or waited for a permission."""
        from_us = max(from_us, min(max(self._busy_until_us, self._open_until_us), to_us))
        if (
            self._record.ended_us is None
            and to_us - from_us >= self._idle_us
            and not self._waits_for_permission
        ):
            self._record.idle_us += to_us - from_us
            self._add(
                Entry(
                    kind="idle",
                    key=f"idle-{from_us}",
                    at_us=from_us,
                    end_us=to_us,
                    waiting=self._turn is None,
                )
            )

    # --- events -------------------------------------------------------------------------------------------------------

    def _note_facts(self, event: SessionEvent) -> None:
        record = self._record
        record.start_reported = record.start_reported or event.kind == "session.start"
        record.agent_version = event.agent_version or record.agent_version
        record.workspace = record.workspace or event.workspace
        record.parent_session_id = record.parent_session_id or event.parent_session_id
        record.source = record.source or event.source
        record.origin = record.origin or event.origin
        if event.model and event.model not in record.models:
            record.models = [*record.models, event.model]
        if event.tokens:
            record.tokens = _sum(record.tokens, event.tokens)
        if event.cost_nano_usd is not None:
            record.cost_nano_usd = (record.cost_nano_usd or 0) + event.cost_nano_usd

    def _apply(self, event: SessionEvent) -> None:
        record = self._record
        if event.kind.startswith(("tool.", "turn.")):
            self._waits_for_permission = False
        match event.kind:
            case "turn.start":
                self._end_turn(event.at_us, None)
                self._begin_turn(event)
            case "turn.end":
                if self._turn is None and not self._turn_was_cut:
                    # Some agents report only the ends of turns, not prompts.
                    record.turns += 1
                self._end_turn(event.at_us, event)
            case "tool.execute.before":
                self._call(event, self._ends.get(event.key))
            case "tool.execute.after":
                if event.key not in self._ends:
                    self._call(event, None)  # its start was not reported
            case "subagent.start":
                record.subagents += 1
                entry = self._add_of(event, "subagent", event.subagent_type or event.subagent_id)
                self._subagents[event.subagent_id] = entry
                self._open.append(entry)
            case "subagent.end":
                if event.subagent_id in self._subagents:
                    subagent = self._subagents.pop(event.subagent_id)
                    subagent.end_us, subagent.outcome = event.at_us, event.outcome
            case "decision":
                record.decisions += 1
                self._waits_for_permission = event.decision == "ask"
                self._add_of(event, "decision", event.about)
            case "enforcement.message":
                record.messages += 1
                self._add_of(event, "message", None)
            case "error":
                record.errors += 1
                self._add_of(event, "error", event.error_type)
            case "session.end":
                if record.ended_us is None:
                    self._end("ended", event.at_us, _session_outcome(event.outcome), event.reason)
            case _:
                pass

    def _begin_turn(self, event: SessionEvent) -> None:
        self._record.turns += 1
        self._turn = None
        self._turn = self._add_of(event, "turn", None)

    def _end_turn(self, at_us: int, event: SessionEvent | None) -> None:
        turn, self._turn = self._turn, None
        self._turn_was_cut = False
        self._open_until_us = 0  # calls without an end end with their turn
        if turn is not None:
            turn.end_us = at_us
            turn.outcome = None if event is None else event.outcome
            if event is not None and event.tokens:
                turn.tokens = _sum(turn.tokens, event.tokens)

    def _call(self, event: SessionEvent, end: SessionEvent | None) -> None:
        """Add a tool call from its start and its end, or from the one that was reported."""
        record = self._record
        record.tool_calls += 1
        entry = self._add_of(event, "call", event.tool)
        if event.kind == "tool.execute.after":
            end = event
            if event.duration_us:
                entry.at_us = max(record.started_us, event.at_us - event.duration_us)
        if end is None:
            self._open_until_us = event.at_us + _CALL_EXPIRES_US
            self._open.append(entry)
            return
        entry.end_us, entry.outcome, entry.error_type = end.at_us, end.outcome or "unknown", end.error_type
        entry.end_key = end.key
        entry.execution_id = end.execution_id or event.execution_id
        entry.paths = list(dict.fromkeys([*event.paths, *end.paths]))
        entry.excluded_paths = max(event.excluded_paths, end.excluded_paths)
        entry.sizes = {**event.sizes, **end.sizes}
        if event.content or end.content:
            entry.content = {**(event.content or {}), **(end.content or {})}
        if entry.outcome in ("error", "timeout"):
            record.failed_calls += 1
        self._busy_until_us = max(self._busy_until_us, end.at_us)

    def _add_of(self, event: SessionEvent, kind: EntryKind, name: str | None) -> Entry:
        return self._add(
            Entry(
                kind=kind,
                key=event.key,
                at_us=event.at_us,
                end_us=None if kind in ("turn", "call", "subagent") else event.at_us,
                name=name,
                server=event.server,
                outcome=event.outcome if kind not in ("turn", "call", "subagent") else None,
                error_type=event.error_type,
                decision=event.decision,
                subagent_id=event.subagent_id,
                call_id=event.call_id,
                execution_id=event.execution_id,
                paths=event.paths,
                excluded_paths=event.excluded_paths,
                sizes=event.sizes,
                tokens=event.tokens,
                content=event.content,
            )
        )

    def _add(self, entry: Entry) -> Entry:
        entry.turn = None if self._turn is None else self._turn.key
        self._entries.append(entry)
        return entry

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end(self, status: SessionStatus, at_us: int, outcome: SessionOutcome, reason: str | None) -> None:
        """End the session, with its turn and its open entries; it may be reopened."""
        record = self._record
        self._end_turn(at_us, None)
        self._leave_open()
        record.status, record.ended_us, record.outcome, record.reason = status, at_us, outcome, reason
        self._ends_of_session.append(msgspec.structs.replace(record))

    def _leave_open(self) -> None:
        """Stop waiting for the ends of calls and subagents."""
        for entry in self._open:
            if entry.end_us is None:
                entry.outcome = "unknown"
        self._open = []

    def _close(self, now_us: int | None) -> None:
        """Handle the silence after the last event, and the calls whose ends were not reported."""
        record = self._record
        silence = 0 if now_us is None else now_us - record.last_us
        if record.ended_us is not None:
            pass
        elif silence >= self._abandoned_us:
            self._end("abandoned", record.last_us, "abandoned", None)
        elif now_us is not None and silence >= self._idle_us:
            before = record.idle_us
            self._idle(record.last_us, now_us)
            record.status = "idle" if record.idle_us > before else "running"
        over_us = record.ended_us
        turns = {each.key: each for each in self._entries if each.kind == "turn"}
        for entry in self._entries:
            if entry.kind in ("call", "subagent") and entry.end_us is None:
                turn = None if entry.turn is None else turns.get(entry.turn)
                turn_is_over = turn is not None and turn.end_us is not None
                expired = now_us is not None and now_us - entry.at_us >= _CALL_EXPIRES_US
                if over_us is not None or turn_is_over or expired:
                    entry.outcome = "unknown"


def _ends_of_calls(events: Sequence[SessionEvent]) -> dict[str, SessionEvent]:
    """Return the end of each call by the keys of its start and of its end; matched by call id, or by tool and input."""
    starts: dict[tuple[str | None, ...], list[SessionEvent]] = {}
    ends: dict[str, SessionEvent] = {}
    for event in sorted(events, key=lambda each: (each.kind == "tool.execute.after", each.at_us, each.key)):
        if event.kind == "tool.execute.before":
            starts.setdefault(_pairs_by(event), []).append(event)
        elif event.kind == "tool.execute.after" and (open_calls := starts.get(_pairs_by(event))):
            ends[open_calls.pop(0).key] = ends[event.key] = event
    return ends


def _place(event: SessionEvent) -> tuple[int, int, str]:
    """Return the sort key of an event."""
    return event.at_us, _ORDER[event.kind], event.key


def _pairs_by(event: SessionEvent) -> tuple[str | None, ...]:
    return (
        ("id", event.call_id) if event.call_id else ("input", event.tool, event.input_hash, event.subagent_id)
    )


def _session_outcome(outcome: CallOutcome | None) -> SessionOutcome:
    return outcome if outcome is not None and outcome != "denied" else "unknown"


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
