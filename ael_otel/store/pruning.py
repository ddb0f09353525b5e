"""Delete runs that are too old or too many: on request, or daily by the first process that runs after 03:00 UTC."""

# ruff: noqa: S608 - only names from this module are put into statements; values are parameters

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Final

from ael_otel.core.faults import pause
from ael_otel.store.database import Database, Victim
from ael_otel.store.owner import now_us
from ael_otel.store.query import DeleteReport, PruneReport
from ael_otel.store.times import to_us

CHUNK: Final = 200
"""Runs deleted in one transaction, which blocks other writers."""

MIB: Final = 1024 * 1024

HOUR_UTC: Final = 3
"""The hour of the day, in UTC, from which retention is due."""

FORGET_S: Final = 2.0
"""Seconds that `delete` waits for readers, each of which uses the log for the duration of a query."""

_RETENTION: Final = "retention"
_ENDED: Final = "e.status NOT IN ('pending', 'running')"
_FIRST_US: Final = -(2**62)


_VICTIM: Final = ", ".join(f"e.{name}" for name in Victim._fields)


class Pruner:
    """Deletes runs that have ended, in small transactions so that other writers are not blocked for long."""

    def __init__(self, backend: Database) -> None:
        self._backend = backend

    def prune(self, older_than: datetime | None, max_mb: int | None) -> PruneReport:
        """Delete runs that started before `older_than`, then the oldest until the store fits `max_mb` MiB."""
        backend = self._backend
        before = backend.size()
        deleted = sum(self.steps(older_than, max_mb))
        return PruneReport(deleted, max(0, before - backend.size()), forgotten=backend.forgotten)

    def steps(self, older_than: datetime | None, max_mb: int | None) -> Iterator[int]:
        """Prune; yield the number of runs deleted after each transaction."""
        backend = self._backend
        cutoff_us = None if older_than is None else to_us(older_than)
        deleted = 0
        while cutoff_us is not None and (victims := self._oldest(cutoff_us)):
            deleted += len(victims)
            yield self._delete(victims)
        if cutoff_us is not None:
            deleted += self._delete_sessions(cutoff_us) + self._delete_attribution(cutoff_us)
        if cutoff_us is not None and backend.copies is not None:
            # Also if no run is deleted: the process that deleted last may have died before it got here.
            backend.copies.remove_before(cutoff_us)
        last: list[Victim] = []
        while max_mb is not None and (excess := backend.size() - max_mb * MIB) > 0:
            victims = _enough(self._oldest(None), excess)
            if not victims:
                break
            deleted += len(victims)
            yield self._delete(victims)
            self._delete_sessions(victims[-1].started_us)
            self._delete_attribution(victims[-1].started_us)
            last = victims
            backend.shrink()
        if last and backend.copies is not None:
            backend.copies.remove_before(last[-1].started_us, {each.execution_id for each in last})
        # Also when there was nothing: the process that deleted last may have died before it got here.
        backend.forgotten = backend.shrink(rewrite=deleted > 0)

    def foresee(self, older_than: datetime | None, max_mb: int | None) -> PruneReport:
        """Return the report of what `prune` would delete."""
        backend = self._backend
        cutoff_us = None if older_than is None else to_us(older_than)
        runs = size = 0
        if cutoff_us is not None:
            found = backend.read(
                f"SELECT count(*), coalesce(sum(e.bytes), 0) FROM executions e WHERE {_ENDED} AND e.started_us < ?",
                [cutoff_us],
            )
            runs, size = (int(value) for value in found[0])
        if max_mb is not None:
            excess = backend.size() - size - max_mb * MIB
            after = cutoff_us if cutoff_us is not None else _FIRST_US
            while excess > 0 and (victims := self._oldest(None, after)):
                some = _enough(victims, excess)
                freed = sum(victim.bytes for victim in some)
                runs, size, excess = runs + len(some), size + freed, excess - freed
                after = some[-1].started_us + 1
        return PruneReport(runs, size, dry_run=True)

    def _oldest(self, before_us: int | None, from_us: int = _FIRST_US) -> list[Victim]:
        condition, parameters = f"{_ENDED} AND e.started_us >= ?", [from_us]
        if before_us is not None:
            condition += " AND e.started_us < ?"
            parameters.append(before_us)
        found = self._backend.read(
            f"SELECT {_VICTIM} FROM executions e WHERE {condition}"
            " ORDER BY e.started_us, e.execution_id LIMIT ?",
            [*parameters, CHUNK],
        )
        return [Victim(*row) for row in found]

    def _delete(self, victims: Sequence[Victim]) -> int:
        backend = self._backend
        with backend.transaction() as transaction:
            condition, ids = backend.among("id", [victim.id for victim in victims])
            transaction.run(f"DELETE FROM executions WHERE {condition}", [ids])
        if backend.copies is not None:
            backend.copies.remove(victims)
        return len(victims)

    def _delete_sessions(self, before_us: int) -> int:
        """Delete the sessions of agents whose last event is older, some at a time; return their number."""
        backend = self._backend
        deleted = 0
        while numbers := backend.read(
            "SELECT id FROM sessions WHERE last_us < ? LIMIT ?", [before_us, CHUNK]
        ):
            with backend.transaction() as transaction:
                condition, ids = backend.among("id", [number for (number,) in numbers])
                transaction.run(f"DELETE FROM sessions WHERE {condition}", [ids])
            deleted += len(numbers)
        return deleted

    def _delete_attribution(self, before_us: int) -> int:
        """Delete older changes of files, and contents that were last seen before; some at a time; return their number.

        Lines whose change is deleted have an unknown author from then on.
        """
        backend = self._backend
        deleted = 0
        for table in ("attribution_changes", "attribution_versions"):
            while numbers := backend.read(
                f"SELECT id FROM {table} WHERE at_us < ? LIMIT ?", [before_us, CHUNK]
            ):
                with backend.transaction() as transaction:
                    condition, ids = backend.among("id", [number for (number,) in numbers])
                    transaction.run(f"DELETE FROM {table} WHERE {condition}", [ids])
                deleted += len(numbers)
        return deleted

    def delete(self, execution_ids: Sequence[str]) -> DeleteReport:
        """Delete these runs, and wait briefly for readers that prevent the log from being emptied."""
        backend = self._backend
        victims: list[Victim] = []
        running: list[str] = []
        for some in batched(execution_ids, CHUNK):
            condition, ids = backend.among("e.execution_id", some)
            for *row, ended in backend.read(
                f"SELECT {_VICTIM}, {_ENDED} FROM executions e WHERE {condition}", [ids]
            ):
                if ended:
                    victims.append(Victim(*row))
                else:
                    running.append(row[1])
        known = {victim.execution_id for victim in victims}.union(running)
        # Before as well as after: if this process is killed in between, the runs are still in the store and can be
        # deleted again.
        for again in (False, True):
            if backend.copies is not None and victims:
                backend.copies.delete(victims)
            if not again:
                for chunk in batched(victims, CHUNK):
                    self._delete(chunk)
                    with backend.transaction() as transaction:
                        condition, ids = backend.among("execution_id", [each.execution_id for each in chunk])
                        transaction.run(f"DELETE FROM attribution_changes WHERE {condition}", [ids])
        deadline = time.monotonic() + FORGET_S
        forgotten = backend.shrink(rewrite=bool(victims))
        while not forgotten and time.monotonic() < deadline:
            pause(0.05)
            forgotten = backend.shrink()
        backend.forgotten = forgotten
        return DeleteReport(
            len(victims),
            sum(victim.bytes for victim in victims),
            running,
            [each for each in execution_ids if each not in known],
            forgotten,
        )


class Retention:
    """The retention rules: a maximum age in days, and a maximum size in MiB (0 for none)."""

    def __init__(self, days: int, max_mb: int = 0) -> None:
        self.days = days
        self.max_mb = max_mb

    def steps(self, backend: Database, now: datetime | None = None) -> Iterator[int]:
        """Prune if it is due and no other process does it; yield after each small transaction.

        The time of the last pruning is in the store, so a missed day is made up for once.
        """
        now = now or datetime.now(UTC)
        if _claim(backend, _RETENTION, to_us(last_boundary(now))):
            yield from Pruner(backend).steps(now - timedelta(days=self.days), self.max_mb or None)


def last_boundary(now: datetime) -> datetime:
    """Return the latest 03:00 UTC that is not after `now`."""
    now = now.astimezone(UTC)
    today = now.replace(hour=HOUR_UTC, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def _claim(backend: Database, key: str, due_us: int) -> bool:
    """Return whether this process is the first to do the work that is due since `due_us`, and record the claim."""
    with backend.transaction() as transaction:
        changed = transaction.run(
            "INSERT INTO ael_meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE ael_meta.value < ?",
            [key, now_us(), due_us],
        )
    return changed == 1


def _enough(victims: Sequence[Victim], size: int) -> list[Victim]:
    """Return the first of the victims that together have `size` bytes."""
    chosen: list[Victim] = []
    for victim in victims:
        if size <= 0:
            break
        chosen.append(victim)
        size -= victim.bytes
    return chosen
