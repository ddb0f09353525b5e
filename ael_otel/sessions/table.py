"""The sessions of a run store: their events, the sessions computed from these, and what of them is to be exported.

Works on every SQL backend of the store. Every write is one transaction, so that a process killed at any moment leaves
either all of a batch or none of it; a batch that is added again changes nothing.
"""

# ruff: noqa: S608 - only names from this module are put into statements; values are parameters

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import batched
from operator import attrgetter, itemgetter
from secrets import randbits
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from ael_otel._generated.attributes import SessionOrigin, TelemetryDropReason, TelemetrySignal
from ael_otel.errors import StoreError
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.session import (
    Entry,
    GrowingSession,
    Limits,
    Session,
    SessionRecord,
    origin_of,
    session_of,
)
from ael_otel.store.database import Database, Transaction
from ael_otel.store.owner import now_us

__all__ = [
    "MAX_EVENTS",
    "SESSION",
    "Added",
    "Finished",
    "Happening",
    "SessionTable",
    "TotalKey",
    "TotalsId",
    "Unlogged",
]

MAX_EVENTS: Final = 20_000
"""Maximum number of stored events per session; later ones are dropped and counted."""

SESSION: Final = ""
"""The outbox key of a session's first end."""

CALLS: Final = "tool_calls"
SESSIONS: Final = "sessions"
IDLE: Final = "idle_us"
LINES: Final = "lines"
DROPPED: Final = "dropped"
"""Names of totals. Attributed lines have the contributor in the column of the outcome; dropped items have the signal in
the column of the agent, and the reason in that of the outcome.
"""

_SENT: Final = "sent "
"""Prefix of a total's name for the part of it that was exported."""

_LOG: Final = "log "
"""Prefix of outbox keys for log events; all other keys are for spans."""

_AGAIN: Final = "end "
"""Prefix of the outbox key for a later end of a reopened session; its number follows."""

_TOTALS: Final = "SELECT name, agent, outcome, value FROM session_totals"
_TOTALS_ID: Final = "session_totals_id"
_TOTALS_SINCE: Final = "session_totals_since"
"""Keys of the table `ael_meta`."""

_EXPORTED: Final = frozenset({"turn", "call", "subagent", "idle", "decision", "message", "error"})
_AT_ONCE: Final = 500
_EXPIRED_AT_ONCE: Final = 20
"""Maximum number of sessions that one transaction marks as abandoned, to let others write in between."""

_HELD: Final = 4_000
"""Maximum number of entries in memory until their export; others are computed again from their events."""

_GROWING: Final = 8
"""Maximum number of growing sessions in memory; others are read again with each batch."""

_RECENT: Final = 20
"""Number of sessions of an agent in which its last events are searched."""

_COLUMNS: Final = "agent, session_id, started_us, last_us, ended_us, trace_id, parent_session_id, body"
_SETTING: Final = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))


class TotalKey(NamedTuple):
    """What a total counts: `sessions`, `tool_calls` or `idle_us` of an agent, by outcome ("" for idle time), `lines` by
    contributor, or items `dropped`, by signal and reason.
    """

    name: str
    agent: str
    outcome: str
    origin: SessionOrigin = "hooks"


class TotalsId(NamedTuple):
    """The identity of a store's totals: a unique number, and the start of counting, in microseconds since 1970."""

    number: int
    since_us: int


class Happening(NamedTuple):
    """A log event of a session: its start, its end, or an idle time (`entry`) that has ended.

    `record` is the session as it was at that end; for a start and for idle time, as it is now.
    """

    kind: Literal["start", "end", "idle"]
    record: SessionRecord
    entry: Entry | None = None

    @property
    def at_us(self) -> int:
        """When it happened, in microseconds since 1970."""
        if self.entry is not None:
            return self.entry.end_us or self.entry.at_us
        if self.kind == "start":
            return self.record.started_us
        return self.record.ended_us or self.record.last_us


class Added(NamedTuple):
    """The changes that a batch caused.

    `events` is the number of new ones, `dropped` of those that did not fit into their session; `totals` is the growth
    of each total, `happenings` are to be logged.
    """

    events: int
    dropped: int
    totals: dict[TotalKey, int]
    happenings: list[Happening]


class Unlogged(NamedTuple):
    """Log events of one session that are to be exported."""

    happenings: list[Happening]
    id: int
    keys: list[str]


class Finished(NamedTuple):
    """The parts of one session that ended and are to be exported: entries of its tree, and its record at each end."""

    session: Session
    entries: list[Entry]
    id: int
    keys: list[str]
    ends: list[SessionRecord]


class SessionTable:
    """The sessions in a database.

    Args:
        database: a SQL backend of the run store.
        limits: the silence after which a session is idle or abandoned.
        exports: whether to record for `finished` what ends; False if nothing is exported.
        logs: whether to record for `unlogged` what happens; False if the caller logs the result of `add`.
        counts: whether to add to the store's totals; False if nobody exports them, or if the process counts the result
            of `add` itself, so that nothing is counted twice in a shared store.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits | None = None,
        *,
        exports: bool = True,
        logs: bool = False,
        counts: bool = True,
    ) -> None:
        self._database = database
        self._limits = limits or Limits()
        self._exports = exports
        self._logs = logs
        self._counts = counts
        self.on_ended: Callable[[Session, list[Entry], list[SessionRecord]], None] | None = None
        """Called after storing, with a session, its entries that ended, and its record at each of its new ends."""
        self._ended: list[tuple[Session, list[Entry], list[SessionRecord]]] = []
        self._growing: dict[int, tuple[str, GrowingSession]] = {}
        """By session id: the stored record that it was computed from, and the session."""
        self._held: dict[int, _Held] = {}
        self._folded: tuple[int, str | None, _Part] | None = None

    # --- writing ------------------------------------------------------------------------------------------------------

    def add(self, events: Iterable[SessionEvent]) -> Added:
        """Store events and update their sessions.

        Raises:
            StoreError: the store cannot be written now; nothing of the batch was stored.
        """
        by_session: dict[tuple[str, str], list[SessionEvent]] = {}
        for event in events:
            by_session.setdefault((event.agent, event.session_id), []).append(event)
        if not by_session:
            return Added(0, 0, {}, [])
        new = dropped = 0
        self._ended.clear()
        changes = _Changes()
        with self._database.transaction() as transaction:
            for (agent, session_id), batch in by_session.items():
                number = _number(agent, session_id)
                body = _body(transaction, number)
                grown = self._remembered(number, body)
                before = None if grown is not None else _events(transaction, number)
                known = grown if before is None else {event.key for event in before}
                assert known is not None
                fresh = list({event.key: event for event in batch if event.key not in known}.values())
                room = max(0, MAX_EVENTS - len(known))
                dropped += len(fresh) - len(fresh[:room])
                fresh = fresh[:room]
                if not fresh:
                    continue
                new += len(fresh)
                stored = None if body is None else _decoded(body)
                earlier: _Before | None
                if grown is not None and stored is not None:
                    earlier = _Before(_over(grown.session), stored, _idle_counted(stored, body), body or "")
                    settled_us = grown.settled_us
                    if grown.add(fresh):
                        self._write(transaction, number, earlier, grown, fresh, changes, settled_us)
                        continue
                before = _events(transaction, number) if before is None else before
                earlier = None
                if before:  # a session without events was not there before, whatever is stored
                    session = self._stood(before, stored)
                    record = stored or session.record
                    earlier = _Before(_over(session), record, _idle_counted(record, body), body or "")
                grown = GrowingSession([*before, *fresh], self._limits)
                self._write(transaction, number, earlier, grown, fresh, changes)
            self._grow(transaction, changes.totals)
        self._tell_ended()
        return Added(new, dropped, dict(changes.totals), changes.happenings)

    def _remembered(self, number: int, body: str | None) -> GrowingSession | None:
        """Return a session from memory, unless another process has changed it since."""
        of, grown = self._growing.pop(number, (None, None))
        return grown if body is not None and of == body else None

    def _write(
        self,
        transaction: Transaction,
        number: int,
        before: "_Before | None",
        grown: GrowingSession,
        fresh: list[SessionEvent],
        changes: "_Changes",
        settled_us: int | None = None,
    ) -> None:
        """Store events and what is computed from them.

        Args:
            transaction: the transaction.
            number: the session's id.
            before: the stored state of the session; None if it is new.
            grown: the session with these events.
            fresh: the events.
            changes: of the transaction.
            settled_us: entries that ended until then are unchanged, although `grown` does not have them; None if it has
                all.
        """
        session = grown.session
        body = _put(transaction, number, session.record, before)
        transaction.insert(
            "session_events",
            "session, key, at_us, body",
            [(number, event.key, event.at_us, msgspec.json.encode(event).decode()) for event in fresh],
        )
        self._note_ended(transaction, number, before, session, changes)
        self._hold(number, before, body, session, changes, settled_us)
        self._growing[number] = body, grown
        while len(self._growing) > _GROWING:
            del self._growing[next(iter(self._growing))]

    def _hold(
        self,
        number: int,
        before: "_Before | None",
        body: str,
        session: Session,
        changes: "_Changes",
        settled_us: int | None,
    ) -> None:
        """Keep in memory what waits for export, so that the session need not be computed again for it.

        It matches the store: what has changed since is replaced or removed.
        """
        if not (self._exports or self._logs):
            return
        held = self._held.pop(number, None)
        if held is None or before is None or held.body != before.body:
            held = _Held()
        held.body, held.record = body, session.record
        now = {entry.key: entry for entry in session.entries}
        held.entries = {
            key: now.get(key, entry)
            for key, entry in held.entries.items()
            if key in now or (settled_us is not None and (entry.end_us or settled_us + 1) <= settled_us)
        }
        ends = {_end_key(end): end for end in session.ends}
        held.ends = {
            key: ends.get(key, end)
            for key, end in held.ends.items()
            if key in ends or (settled_us is not None and (end.ended_us or settled_us + 1) <= settled_us)
        }
        held.entries.update({entry.key: entry for entry in changes.ended})
        held.ends.update({_end_key(end): end for end in changes.ends})
        self._held[number] = held
        while len(self._held) > _GROWING or sum(len(each.entries) for each in self._held.values()) > _HELD:
            del self._held[next(iter(self._held))]

    def expire(self, now: int | None = None, origins: Collection[SessionOrigin] | None = None) -> Added:
        """Mark sessions that have been silent for too long as abandoned; return the changes.

        Args:
            now: the current time in microseconds since 1970; None asks the clock.
            origins: only sessions with one of these origins; None takes all.
        """
        now = now_us() if now is None else now
        cutoff = now - int(self._limits.abandoned_s * 1e6)
        # Sessions of other origins are filtered here: under a limit in SQL they would hide the wanted ones.
        stale = [
            number
            for number, body in self._database.read(
                "SELECT id, body FROM sessions WHERE ended_us IS NULL AND last_us < ?", [cutoff]
            )
            if (known := _decoded(body)) is not None and (origins is None or origin_of(known) in origins)
        ][:_AT_ONCE]
        done = _Changes()
        for some in batched(stale, _EXPIRED_AT_ONCE):
            self._ended.clear()
            changes = _Changes()
            try:
                with self._database.transaction() as transaction:
                    for number in some:
                        self._expire(transaction, number, now, cutoff, changes)
                    self._grow(transaction, changes.totals)
            except StoreError:
                if some[0] == stale[0]:
                    raise
                break  # the others are handled next time
            done.add(changes)
            self._tell_ended()
        return Added(0, 0, dict(done.totals), done.happenings)

    def _expire(
        self, transaction: Transaction, number: int, now: int, cutoff: int, changes: "_Changes"
    ) -> None:
        body = _body(transaction, number)
        known = None if body is None else _decoded(body)
        if known is None or known.ended_us is not None or known.last_us >= cutoff:
            return
        if not (events := _events(transaction, number)):
            self._end_unread(transaction, number, known, changes)
            return
        session = session_of(events, now_us=now, limits=self._limits)
        earlier = session_of(events, limits=self._limits)
        before = _Before(_over(earlier), earlier.record, _idle_counted(known, body), body or "")
        body = _put(transaction, number, session.record, before)
        self._note_ended(transaction, number, before, session, changes)
        self._hold(number, before, body, session, changes, None)

    def _end_unread(
        self, transaction: Transaction, number: int, known: SessionRecord, changes: "_Changes"
    ) -> None:
        """Mark a session without readable events as abandoned; otherwise every search would return it again."""
        known.status, known.outcome, known.ended_us = "abandoned", "abandoned", known.last_us
        _put(transaction, number, known, None)
        changes.totals[TotalKey(SESSIONS, known.agent, "abandoned", origin_of(known))] += 1
        changes.happenings.append(end := Happening("end", known))
        keys = [*([_end_key(known)] if self._exports else []), *([_log_key(end)] if self._logs else [])]
        _put_out(transaction, number, keys)

    def _tell_ended(self) -> None:
        if self.on_ended is not None:
            for each in self._ended:
                self.on_ended(*each)
        self._ended.clear()

    def _note_ended(
        self,
        transaction: Transaction,
        number: int,
        before: "_Before | None",
        after: Session,
        changes: "_Changes",
    ) -> None:
        """Count what has ended since `before`, and record it for export and for the log."""
        agent, origin = after.record.agent, origin_of(after.record)
        totals, record = changes.totals, after.record
        over = _Over([]) if before is None else before.over
        counted = 0 if before is None else _ends_of(before.record)
        idle_counted_us = 0 if before is None else before.idle_counted_us
        happenings = [Happening("start", record)] if before is None else []
        ended = [entry for entry in after.entries if after.is_over(entry) and entry.key not in over.keys]
        parts = {entry.key: whole for entry in ended if (whole := over.replaced(entry)) is not None}
        waiting = _waiting(transaction, number) if parts else set[str]()
        # A late event may split an idle time, or may be the start of a call that had only an end. The new entries are
        # recorded if the earlier one was not exported yet.
        parts_of_spans = {key for key, whole in parts.items() if whole in waiting}
        parts_of_log = {key for key, whole in parts.items() if f"{_LOG}{whole}" in waiting}
        ended = [entry for entry in ended if entry.key not in parts]
        for entry in after.entries:
            if entry.kind == "call" and after.is_over(entry) and not over.counts(entry):
                totals[TotalKey(CALLS, agent, entry.outcome or "unknown", origin)] += 1
        happenings += [Happening("idle", record, entry) for entry in ended if entry.kind == "idle"]
        ended = [entry for entry in ended if entry.kind in _EXPORTED]
        ends = [end for end in after.ends if end.reopened >= counted]
        for end in ends:
            totals[TotalKey(SESSIONS, agent, end.outcome or "unknown", origin)] += 1
            happenings.append(Happening("end", end))
        changes.ended = [*ended, *(entry for entry in after.entries if entry.key in parts)]
        changes.ends = ends
        if (ended or ends) and self.on_ended is not None:
            self._ended.append((after, ended, ends))
        if record.idle_us > idle_counted_us:
            totals[TotalKey(IDLE, agent, "", origin)] += record.idle_us - idle_counted_us
        changes.happenings += sorted(happenings, key=attrgetter("at_us"))
        outbox: list[str] = []
        if self._exports:
            outbox += [*(entry.key for entry in ended), *map(_end_key, ends), *parts_of_spans]
        if self._logs:
            outbox += [*map(_log_key, happenings), *(f"{_LOG}{key}" for key in parts_of_log)]
        _put_out(transaction, number, outbox)

    def _grow(self, transaction: Transaction, totals: Mapping[TotalKey, int]) -> None:
        if self._counts:
            _add(transaction, totals)

    def count_drops(
        self,
        drops: Mapping[tuple[TelemetrySignal, TelemetryDropReason], int],
        read: Mapping[TotalKey, int] | None = None,
    ) -> None:
        """Count dropped items by signal and reason, even if nobody exports totals.

        Args:
            drops: numbers by signal and reason.
            read: how far the counters of hooks were read; `sent` returns it.

        Raises:
            StoreError: the store cannot be written now; nothing was counted.
        """
        with self._database.transaction() as transaction:
            _add(transaction, {TotalKey(DROPPED, *key): count for key, count in drops.items()})
            self._note_sent(transaction, read or {})

    # --- exporting ----------------------------------------------------------------------------------------------------

    def finished(self, limit: int = _AT_ONCE) -> list[Finished]:
        """Return parts that have ended and were not exported yet, at most `limit` entries.

        Entries that cannot be read any more are counted as dropped (`store_error`) and removed from the outbox.
        """
        while waiting := self._outbox("NOT LIKE", limit):
            found: list[Finished] = []
            lost: dict[int, list[str]] = {}
            for number, some in waiting.items():
                part = self._part(number, some)
                if part is None:
                    lost[number] = some
                    continue
                session, keys = part.session, set(some)
                entries = [entry for entry in session.entries if entry.key in keys and session.is_over(entry)]
                ends = [end for end in session.ends if _end_key(end) in keys]
                if part.damaged:
                    read = {*(entry.key for entry in entries), *map(_end_key, ends)}
                    lost[number] = [key for key in some if key not in read]
                found.append(Finished(session, entries, number, some, ends))
            self._give_up("traces", lost)
            if found:
                return found
        return []

    def unlogged(self, limit: int = _AT_ONCE) -> list[Unlogged]:
        """Return log events that were not exported yet, at most `limit`.

        Those that cannot be read any more are counted as dropped (`store_error`) and removed from the outbox.
        """
        while waiting := self._outbox("LIKE", limit):
            found: list[Unlogged] = []
            lost: dict[int, list[str]] = {}
            for number, keys in waiting.items():
                part = self._part(number, keys)
                if part is None:
                    lost[number] = keys
                    continue
                wanted = set(keys)
                happenings = [each for each in _happenings(part.session) if _log_key(each) in wanted]
                if part.damaged:
                    read = set(map(_log_key, happenings))
                    lost[number] = [key for key in keys if key not in read]
                found.append(Unlogged(happenings, number, keys))
            self._give_up("logs", lost)
            if found:
                return found
        return []

    def _part(self, number: int, keys: Sequence[str]) -> "_Part | None":
        """Return a session with at least the entries of these keys, None if none of its events can be read.

        Comes from memory if this process added it, or if it was the session that was read last.
        """
        bodies = self._database.read("SELECT body FROM sessions WHERE id = ?", [number])
        body = bodies[0][0] if bodies else None
        held = self._held.get(number)
        if held is not None and held.body == body and all(map(held.has, keys)):
            return _Part(Session(held.record, list(held.entries.values()), list(held.ends.values())), 0)
        if self._folded is not None and self._folded[:2] == (number, body):
            return self._folded[2]
        rows = self._database.read("SELECT body FROM session_events WHERE session = ?", [number])
        events = [event for (row,) in rows if (event := _event(row)) is not None]
        if not events:
            return None
        known = None if body is None else _decoded(body)
        part = _Part(self._stood(events, known), len(rows) - len(events))
        self._folded = (number, body, part)
        return part

    def _give_up(self, signal: TelemetrySignal, lost: Mapping[int, Sequence[str]]) -> None:
        """Count entries that cannot be read as dropped, and remove them from the outbox."""
        rows = [(number, key) for number, keys in lost.items() for key in keys]
        if not rows:
            return
        delete = "DELETE FROM session_outbox WHERE session = ? AND key = ?"
        with self._database.transaction() as transaction:
            # Entries of a session that was deleted meanwhile are not dropped telemetry.
            count = sum(transaction.run(delete, [number, key]) for number, key in rows)
            _add(transaction, {TotalKey(DROPPED, signal, "store_error"): count} if count else {})

    def _outbox(self, operator: Literal["LIKE", "NOT LIKE"], limit: int) -> dict[int, list[str]]:
        rows = self._database.read(
            f"SELECT session, key FROM session_outbox WHERE key {operator} ? ORDER BY session, key LIMIT ?",
            [f"{_LOG}%", limit],
        )
        keys: dict[int, list[str]] = {}
        for number, key in rows:
            keys.setdefault(number, []).append(key)
        return keys

    def exported(self, finished: Iterable[Finished | Unlogged]) -> None:
        """Mark parts as exported."""
        finished = list(finished)
        with self._database.transaction() as transaction:
            transaction.many(
                "DELETE FROM session_outbox WHERE session = ? AND key = ?",
                [(each.id, key) for each in finished for key in each.keys],
            )
        for each in finished:
            if (held := self._held.get(each.id)) is not None:
                held.forget(each.keys)

    def add_totals(self, totals: Mapping[TotalKey, int]) -> None:
        """Add to totals that are not computed from events."""
        if totals:
            with self._database.transaction() as transaction:
                self._grow(transaction, totals)

    def totals(self) -> dict[TotalKey, int]:
        """Return the totals of everything that was ever stored here."""
        return self._totals("NOT LIKE")

    def sent(self) -> dict[TotalKey, int]:
        """Return how much of each total was exported."""
        return self._totals("LIKE")

    def _totals(self, operator: Literal["LIKE", "NOT LIKE"]) -> dict[TotalKey, int]:
        rows = self._database.read(f"{_TOTALS} WHERE name {operator} ?", [f"{_SENT}%"])
        return _totals_of(rows)

    def note_sent(self, values: Mapping[TotalKey, int]) -> None:
        """Store how much of each total was exported."""
        with self._database.transaction() as transaction:
            self._note_sent(transaction, values)

    def _note_sent(self, transaction: Transaction, values: Mapping[TotalKey, int]) -> None:
        transaction.many(
            "INSERT INTO session_totals (name, agent, outcome, value) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name, agent, outcome) DO UPDATE SET value = excluded.value",
            [(_SENT + _name_of(key), key.agent, key.outcome, value) for key, value in values.items()],
        )

    def totals_id(self) -> TotalsId:
        """Return the identity of the totals; the first call marks existing ones as exported (history)."""
        if (known := self._known_id()) is not None:
            return known
        with self._database.transaction() as transaction:
            rows = transaction.rows(f"{_TOTALS} WHERE name NOT LIKE ?", [f"{_SENT}%"])
            self._note_sent(transaction, _totals_of(rows))
            transaction.many(
                "INSERT INTO ael_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                [(_TOTALS_ID, randbits(62)), (_TOTALS_SINCE, now_us())],
            )
        known = self._known_id()
        assert known is not None
        return known

    def _known_id(self) -> TotalsId | None:
        rows = self._database.read(
            "SELECT key, value FROM ael_meta WHERE key IN (?, ?)", [_TOTALS_ID, _TOTALS_SINCE]
        )
        found = {key: int(value) for key, value in rows}
        return TotalsId(found[_TOTALS_ID], found[_TOTALS_SINCE]) if len(found) == 2 else None

    # --- reading ------------------------------------------------------------------------------------------------------

    def select(
        self,
        *,
        agent: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int | None = 20,
        keep: Callable[[SessionRecord], bool] = lambda _record: True,
        now: int | None = None,
    ) -> list[SessionRecord]:
        """Return sessions as they are now, the latest start first.

        Args:
            agent: only this agent's.
            since_us: started at this time or later, in microseconds since 1970.
            until_us: started before this time.
            limit: maximum number; None for all.
            keep: returns whether a session is wanted.
            now: the current time in microseconds since 1970; None asks the clock.
        """
        now = now_us() if now is None else now
        where = ["started_us >= ?", "started_us < ?"]
        parameters: list[Any] = [
            -(2**62) if since_us is None else since_us,
            2**62 if until_us is None else until_us,
        ]
        if agent is not None:
            where.append("agent = ?")
            parameters.append(agent)
        found: list[SessionRecord] = []
        rows = self._database.read(
            f"SELECT body FROM sessions WHERE {' AND '.join(where)} ORDER BY started_us DESC, session_id DESC",
            parameters,
        )
        for (body,) in rows:
            record = self._present(_decoded(body), now)
            if record is not None and keep(record):
                found.append(record)
                if limit is not None and len(found) >= limit:
                    break
        return found

    def find(self, prefix: str, limit: int = 10) -> list[SessionRecord]:
        """Return the sessions whose id or trace id begins with `prefix`, only one for an exact id; newest first."""
        exact = self._database.read("SELECT body FROM sessions WHERE session_id = ?", [prefix])
        rows = exact or self._database.read(
            "SELECT body FROM sessions WHERE (session_id >= ? AND session_id < ?) OR (trace_id >= ? AND trace_id < ?)"
            " ORDER BY started_us DESC LIMIT ?",
            [prefix, f"{prefix}\U0010ffff", prefix, f"{prefix}\U0010ffff", limit],
        )
        return [record for (body,) in rows if (record := self._present(_decoded(body), now_us())) is not None]

    def session(self, record: SessionRecord, now: int | None = None) -> Session | None:
        """Return a session with its tree as it is now; None if it has been deleted."""
        return self._session(_number(record.agent, record.session_id), now_us() if now is None else now)

    def events(self, record: SessionRecord) -> list[SessionEvent]:
        """Return the events of a session, in the order of time."""
        rows = self._database.read(
            "SELECT body FROM session_events WHERE session = ? ORDER BY at_us, key",
            [_number(record.agent, record.session_id)],
        )
        return [event for (body,) in rows if (event := _event(body)) is not None]

    def last_events(self) -> dict[tuple[str, str], int]:
        """Return the last time of each kind of event of each agent, in microseconds, from its newest sessions."""
        rows = self._database.read(
            "SELECT agent, at_us, session_events.body FROM session_events JOIN ("
            "SELECT id, agent, ROW_NUMBER() OVER (PARTITION BY agent ORDER BY last_us DESC) AS place FROM sessions"
            ") AS ranked ON ranked.id = session_events.session WHERE place <= ?",
            [_RECENT],
        )
        last: dict[tuple[str, str], int] = {}
        for agent, at_us, body in rows:
            if (event := _event(body)) is not None:
                last[agent, event.kind] = max(last.get((agent, event.kind), 0), at_us)
        return last

    def _session(self, number: int, now: int | None = None) -> Session | None:
        rows = self._database.read("SELECT body FROM session_events WHERE session = ?", [number])
        events = [event for (body,) in rows if (event := _event(body)) is not None]
        if not events:
            return None
        bodies = self._database.read("SELECT body FROM sessions WHERE id = ?", [number])
        if not bodies:  # deleted since its events were read
            return None
        return self._stood(events, _decoded(bodies[0][0]), now)

    def _stood(
        self, events: list[SessionEvent], known: SessionRecord | None, now: int | None = None
    ) -> Session:
        """Return the session of these events; without a time, an abandoned one as it was marked."""
        if now is None and known is not None and known.status == "abandoned":
            now = known.last_us + int(self._limits.abandoned_s * 1e6)
        return session_of(events, now_us=now, limits=self._limits)

    def _present(self, record: SessionRecord | None, now: int) -> SessionRecord | None:
        """Return a stored session with its current status, which may have changed by silence."""
        if record is None or record.ended_us is not None:
            return record
        silence = now - record.last_us
        if silence >= self._limits.abandoned_s * 1e6:
            record.status, record.outcome, record.ended_us = "abandoned", "abandoned", record.last_us
        elif silence >= self._limits.idle_s * 1e6:
            session = self._session(_number(record.agent, record.session_id), now)
            record = record if session is None else session.record
        return record

    # --- maintenance --------------------------------------------------------------------------------------------------

    def delete(self, records: Iterable[SessionRecord]) -> int:
        """Delete sessions with their events and changes of files permanently; return their number."""
        records = list(records)
        numbers = [_number(each.agent, each.session_id) for each in records]
        self._growing.clear()
        with self._database.transaction() as transaction:
            condition, values = self._database.among("id", numbers)
            deleted = transaction.run(f"DELETE FROM sessions WHERE {condition}", [values])
            transaction.many(
                "DELETE FROM attribution_changes WHERE session_id = ? AND agent = ?",
                [(each.session_id, each.agent) for each in records],
            )
        self._database.shrink(rewrite=deleted > 0)
        return deleted


def _number(agent: str, session_id: str) -> int:
    """Return the id of a session: the same in every process, 62 bits, to fit integers of any backend."""
    digest = sha256(f"{agent}\0{session_id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) >> 2


def _events(transaction: Transaction, number: int) -> list[SessionEvent]:
    rows = transaction.rows("SELECT body FROM session_events WHERE session = ?", [number])
    return [event for (body,) in rows if (event := _event(body)) is not None]


def _event(body: str) -> SessionEvent | None:
    """Return a stored event, None if its row is damaged; the session's other events still count."""
    try:
        return msgspec.json.decode(body, type=SessionEvent)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return None


class _Over:
    """The entries of a session that had ended.

    Args:
        entries: these entries.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.keys = {entry.key for entry in entries}
        self._idle = [(each.at_us, each.end_us or 0, each.key) for each in entries if each.kind == "idle"]
        # By the end, if there is one: a late event may show that it belongs to another start.
        self._calls = {each.end_key or each.key: each.key for each in entries if each.kind == "call"}

    def counts(self, call: Entry) -> bool:
        """Return whether a call had ended, or was no longer waited for."""
        return (call.end_key or call.key) in self._calls or self._calls.get(call.key) == call.key

    def replaced(self, entry: Entry) -> str | None:
        """Return the key of the idle time that contains an entry, or of the call that had the same end."""
        if entry.kind == "call":
            return self._calls.get(entry.end_key or "")
        place = bisect_right(self._idle, entry.at_us, key=itemgetter(0))
        if entry.kind != "idle" or not place or entry.at_us >= self._idle[place - 1][1]:
            return None
        return self._idle[place - 1][2]


def _over(session: Session) -> _Over:
    return _Over([entry for entry in session.entries if session.is_over(entry)])


def _ends_of(record: SessionRecord) -> int:
    """Return how often a session has ended: once before each reopening."""
    return record.reopened + (record.ended_us is not None)


def _end_key(end: SessionRecord) -> str:
    return f"{_AGAIN}{end.reopened}" if end.reopened else SESSION


def _waiting(transaction: Transaction, number: int) -> set[str]:
    return {key for (key,) in transaction.rows("SELECT key FROM session_outbox WHERE session = ?", [number])}


def _body(transaction: Transaction, number: int) -> str | None:
    rows = transaction.rows("SELECT body FROM sessions WHERE id = ?", [number])
    return rows[0][0] if rows else None


def _decoded(body: str) -> SessionRecord | None:
    try:
        return msgspec.json.decode(body, type=SessionRecord)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return None


class _IdleCounted(msgspec.Struct):
    """Counted idle time of a stored session; more than the session has, if a late event ended some of it."""

    idle_counted_us: int = 0


def _idle_counted(record: SessionRecord, body: str | None) -> int:
    try:
        counted = msgspec.json.decode(body or "{}", type=_IdleCounted).idle_counted_us
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        counted = 0
    return max(record.idle_us, counted)


def _put(transaction: Transaction, number: int, record: SessionRecord, before: "_Before | None") -> str:
    """Store a session; return the body that was written."""
    body = msgspec.json.encode(record).decode()
    if before is not None and before.idle_counted_us > record.idle_us:
        more = _IdleCounted(before.idle_counted_us)
        body = msgspec.json.encode(msgspec.structs.asdict(record) | msgspec.structs.asdict(more)).decode()
    values = (
        record.agent,
        record.session_id,
        record.started_us,
        record.last_us,
        record.ended_us,
        record.trace_id,
        record.parent_session_id,
        body,
    )
    transaction.run(
        f"INSERT INTO sessions (id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT (id) DO UPDATE SET {_SETTING}",
        [number, *values],
    )
    return body


class _Before(NamedTuple):
    """The stored state of a session before a change: ended entries, record, and counted idle time."""

    over: _Over
    record: SessionRecord
    idle_counted_us: int
    body: str


class _Part(NamedTuple):
    """A session with at least some of its entries, and the number of its events that cannot be read."""

    session: Session
    damaged: int


class _Held:
    """What waits for export of one session, computed from its stored record (`body`)."""

    def __init__(self) -> None:
        self.body = ""
        self.record: SessionRecord
        self.entries: dict[str, Entry] = {}
        self.ends: dict[str, SessionRecord] = {}

    def has(self, key: str) -> bool:
        """Return whether the entry of an outbox key is in memory."""
        name = _plain(key)
        return name is None or name in self.entries or name in self.ends

    def forget(self, keys: Iterable[str]) -> None:
        """Remove exported entries; idle time is logged after its span was exported."""
        for key in keys:
            entry = self.entries.get(_plain(key) or "")
            if entry is not None and (entry.kind != "idle" or key.startswith(_LOG)):
                del self.entries[entry.key]


class _Changes:
    """The changes of a transaction: totals and log events of all its sessions, and the ended parts of the last one."""

    def __init__(self) -> None:
        self.totals = Counter[TotalKey]()
        self.happenings: list[Happening] = []
        self.ended: list[Entry] = []
        self.ends: list[SessionRecord] = []

    def add(self, other: "_Changes") -> None:
        """Add the changes of another transaction."""
        self.totals.update(other.totals)
        self.happenings += other.happenings


def _put_out(transaction: Transaction, number: int, keys: Sequence[str]) -> None:
    """Add these keys of a session to the outbox."""
    if keys:
        transaction.many(
            "INSERT INTO session_outbox (session, key) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(number, key) for key in keys],
        )


def _add(transaction: Transaction, totals: Mapping[TotalKey, int]) -> None:
    transaction.many(
        "INSERT INTO session_totals (name, agent, outcome, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name, agent, outcome) DO UPDATE SET value = session_totals.value + excluded.value",
        [(_name_of(key), key.agent, key.outcome, value) for key, value in totals.items()],
    )


def _name_of(key: TotalKey) -> str:
    return key.name if key.origin == "hooks" else f"{key.name} {key.origin}"


def _key_of(stored: str, agent: str, outcome: str) -> TotalKey:
    name, _, origin = stored.partition(" ")
    return TotalKey(name, agent, outcome, cast("SessionOrigin", origin or "hooks"))


def _totals_of(rows: Iterable[tuple[Any, ...]]) -> dict[TotalKey, int]:
    return {
        _key_of(name.removeprefix(_SENT), agent, outcome): int(value) for name, agent, outcome, value in rows
    }


def _happenings(session: Session) -> list[Happening]:
    """Return all log events of a session."""
    record = session.record
    found = [Happening("start", record)]
    found += [Happening("idle", record, entry) for entry in session.entries if entry.kind == "idle"]
    return sorted([*found, *(Happening("end", end) for end in session.ends)], key=attrgetter("at_us"))


def _log_key(happening: Happening) -> str:
    if happening.entry is not None:
        return _LOG + happening.entry.key
    if happening.kind == "end" and happening.record.reopened:
        return f"{_LOG}{_end_key(happening.record)}"
    return f"{_LOG}{happening.kind}"


def _plain(key: str) -> str | None:
    """Return the key of the entry or the end that an outbox key refers to; None for the start of a session."""
    if not key.startswith(_LOG):
        return key
    name = key.removeprefix(_LOG)
    return None if name == "start" else SESSION if name == "end" else name
