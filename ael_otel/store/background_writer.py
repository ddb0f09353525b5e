"""Write to a store in the background: one bounded queue, and one thread that writes.

A run that has ended is encoded at once, in the caller's thread (some microseconds), because the application may change
its values afterwards. An unfinished run is only marked as changed: the writer takes a snapshot from time to time, so
that a run of a thousand steps is not written a thousand times. A full queue drops complete runs, never parts of one,
and counts them.

The thread also marks the runs of processes that have died, prunes when it is due, and writes the JSON mirror.
"""

import atexit
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread
from typing import ClassVar, Final

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import logger, pause
from ael_otel.core.metrics import Level
from ael_otel.core.telemetry_thread import WorkLock, run_thread
from ael_otel.errors import StoreBusyError, StoreError, StoreFullError, StoreReadOnlyError
from ael_otel.store.base import Events, ReadThrough
from ael_otel.store.database import victim_of
from ael_otel.store.mirror import Mirror
from ael_otel.store.owner import this_process
from ael_otel.store.pruning import Retention
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.rolling_mirror import RollingMirror
from ael_otel.store.rows import Row, checked, row_of
from ael_otel.store.run_queue import BATCH, RunQueue, Waiting
from ael_otel.store.sql import AbandonedError, SqlBackend

CAPACITY: Final = 10_000
"""Maximum number of runs in the queue."""

CAPACITY_BYTES: Final = 64 * 1024 * 1024
"""Their bytes."""

LINGER_S: Final = 0.1
"""Seconds for which the writer collects events: most runs then begin and end in one write."""

MOST_BETWEEN_SNAPSHOTS_S: Final = 5.0
"""Maximum seconds until a new run is visible to readers, even under load."""

CHECK_S: Final = 600.0
"""Seconds between an idle writer's checks whether pruning is due; clocks may be set and machines may sleep."""

RETRY_S: Final = (0.1, 0.5, 2.0, 10.0)
"""Seconds between attempts while the store cannot be used; the last one repeats."""

READ_S: Final = 5.0
"""Maximum seconds that a reader waits for earlier writes."""

NOTES_SHARE: Final = 0.5
"""Share of the time to close that may be spent on runs whose content is not redacted yet."""

WAIT_S: Final = 0.5
"""Maximum seconds that a reader waits for a store that cannot be opened because of a full or read-only disk."""

type OnDrop = Callable[[TelemetryDropReason, int], None]


class QueuedStore(ReadThrough, Events):
    """A store that is written in the background; writing to it neither waits nor raises.

    Args:
        open_backend: opens the store, in the writer's thread. An exception is logged; after `StoreBusyError` it is
            tried again, after any other every run counts as dropped.
        on_drop: called with the number of dropped runs and the reason: `queue_full`, `store_error` or
            `shutdown_timeout`.
        retention: when to delete what; None deletes nothing.
        mirrors: where to write JSON as well.
        capacity: maximum number of runs in the queue.
        capacity_bytes: their maximum bytes.
        linger_s: seconds for which events are collected.
    """

    takes_notes: ClassVar[bool] = True

    def __init__(
        self,
        open_backend: Callable[[], SqlBackend],
        *,
        on_drop: OnDrop | None = None,
        retention: Retention | None = None,
        mirrors: Sequence[Mirror | RollingMirror] = (),
        capacity: int = CAPACITY,
        capacity_bytes: int = CAPACITY_BYTES,
        linger_s: float = LINGER_S,
    ) -> None:
        self._open_backend = open_backend
        self._on_drop = on_drop
        self.retention = retention
        self._mirrors = mirrors
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._linger_s = linger_s
        self._snapshots_later = _one_thread_at_a_time()
        self._reset()
        self._start()
        _alive.add(self)
        atexit.register(self.close, 2.0)

    def _reset(self) -> None:
        self.queue = RunQueue(self._capacity, self._capacity_bytes)
        self._wake, self._opened = Event(), Event()
        self._working = WorkLock()
        self._give_up_at: float | None = None
        self._backend: SqlBackend | None = None
        self._broken: StoreError | None = None
        self.trouble: StoreError | None = None
        """The reason why runs wait at the moment, or are not stored at all."""
        self._thread: Thread | None = None

    def _start(self) -> None:
        self._owner = this_process()
        self._thread = Thread(target=self._run, name="ael-otel-store", daemon=True)
        self._thread.start()

    def _signal(self) -> None:
        """Wake the writer; in a forked child, start it if it does not run."""
        if self._thread is None:
            self._start()
        self._wake.set()

    # --- writing ------------------------------------------------------------------------------------------------------

    def start_execution(self, record: ExecutionRecord) -> None:
        """Store a run that has just begun; later events belong to it."""
        if not record.owner:
            record.owner = self._owner
        self._went_on(record)

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Mark the run as changed."""
        self._went_on(record)

    def _went_on(self, record: ExecutionRecord) -> None:
        if not self._snapshots_later:
            self._enqueue(Waiting(record.execution_id, row_of(record), final=False))
            return
        if self.queue.went_on(record) and not self._wake.is_set():
            self._signal()

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Mark the run as changed."""
        self._went_on(record)

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Store the final state of a run."""
        self._finish(record)

    def put(self, records: Iterable[ExecutionRecord]) -> int:
        """Store records unchanged; return their number."""
        count = 0
        for count, record in enumerate(records, 1):  # noqa: B007 - the last number is the result
            self._finish(record)
        return count

    def _finish(self, record: ExecutionRecord) -> None:
        try:
            row = row_of(checked(record))
        except StoreError as error:
            logger.error("a run cannot be stored: %s", error)
            self.trouble = error
            self.lose("store_error", 1)
        else:
            self._enqueue(Waiting(record.execution_id, row, final=True))

    def _enqueue(self, item: Waiting) -> None:
        reason = self.queue.add(item)
        if reason is not None:
            # A run that has only begun is stored when it ends.
            if item.final:
                self.lose(reason, 1)
        elif not self._wake.is_set():
            self._signal()

    def lose(self, reason: TelemetryDropReason, count: int) -> None:
        """Count runs that are not stored."""
        if count and self._on_drop is not None:
            with suppress(Exception):
                self._on_drop(reason, count)

    @property
    def level(self) -> Level:
        """The fill level of the queue; read without a lock."""
        return self.queue.level

    # --- the writer's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        writer, queue = _Writer(self, self.queue, self._mirrors), self.queue
        while True:
            self._wake.wait(writer.pause())
            if self._wake.is_set() and not queue.batch_waits:
                queue.hurry.wait(self._linger_s)
            queue.hurry.clear()
            self._wake.clear()
            closing = queue.closing
            try:
                with self._working:
                    again = writer.turn(urgent=queue.urgent)
            except Exception:
                logger.exception("the run store's writer continues after an internal error")
                writer.give_up()
                again = False
            if again:
                self._wake.set()
            elif closing:
                break
        with suppress(Exception):
            if self._backend is not None:
                self._backend.close()
        queue.end()

    def connect(self) -> SqlBackend | None:
        """Open the store if it is not open; return None if it can never be opened."""
        if self._backend is None and self._broken is None:
            try:
                self._backend = self._open_backend()
                self._backend.abandoned = self._is_abandoned
            except StoreBusyError:
                raise
            except Exception as error:
                self._broken = self.trouble = (
                    error if isinstance(error, StoreError) else StoreError(str(error))
                )
                self.queue.refuse("store_error")
                logger.error("runs are not recorded: %s", error)
            finally:
                if self._backend is not None or self._broken is not None:
                    self._opened.set()
        return self._backend

    def _is_abandoned(self) -> bool:
        return self.queue.abandoned

    @property
    def out_of_time(self) -> bool:
        """Whether the store is closing and its time is over."""
        return self._give_up_at is not None and time.monotonic() >= self._give_up_at

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def backend(self) -> SqlBackend:
        """The store itself, after everything written before is in it.

        Raises:
            StoreError: it could not be opened.
        """
        if not self.queue.ended:
            self._signal()
            deadline = time.monotonic() + READ_S
            while not self._opened.wait(WAIT_S) and time.monotonic() < deadline:
                if isinstance(self.trouble, StoreFullError | StoreReadOnlyError):
                    break
            if self._opened.is_set():
                self.flush(READ_S)
        if self._backend is None:
            raise self.trouble or StoreBusyError("the run store is not open yet")
        return self._backend

    # --- ending -------------------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until what was written is visible to others; return whether that took less than `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        if not run_thread().flush(timeout_s):
            return False
        timeout_s = max(0.0, deadline - time.monotonic())
        queue = self.queue
        number = queue.last
        if queue.is_done(number):
            return True
        with queue.urgently():
            self._signal()
            return queue.wait_done(number, timeout_s)

    def begin_close(self, timeout_s: float = 5.0) -> None:
        """Accept no more and write the rest in the background, for at most `timeout_s` seconds."""
        self._give_up_at = self._give_up_at or time.monotonic() + timeout_s
        if not self.queue.closing:
            # Runs that have ended by now are written too.
            run_thread().flush(timeout_s * NOTES_SHARE)
        if not self.queue.refuse("shutdown_timeout"):
            return
        if self._thread is None:
            self.queue.end()
            return
        self.queue.hurry.set()
        self._wake.set()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write the rest, within `timeout_s` seconds; count what remains as dropped."""
        self.begin_close(timeout_s)
        if not self.queue.abandoned and not self.queue.wait_ended(timeout_s):
            self.lose("shutdown_timeout", self.queue.abandon())
        atexit.unregister(self.close)

    def before_fork(self) -> None:
        """Wait for the writer: a child would inherit locks of a database in the middle of a transaction."""
        self._working.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the writer continue."""
        self._working.after_fork_in_parent()

    def after_fork(self) -> None:
        """Reset a forked child: threads do not survive, and a connection must not be shared."""
        _inherited.append(self._backend)
        if not self.queue.closing:
            self._reset()


class _Writer:
    """The state of the writer's thread: rows that could not be written yet, pauses, maintenance."""

    def __init__(
        self, store: QueuedStore, queue: RunQueue, mirrors: Sequence[Mirror | RollingMirror]
    ) -> None:
        self._store = store
        self._queue = queue
        self._mirrors = mirrors
        self._unmirrored = 0
        self._items: list[Waiting] = []
        self._gone: list[str] = []
        self._done = 0
        self._failures = 0
        self._retry_at = 0.0
        self._snapshots_at = 0.0
        self._next_check = 0.0
        self._chores: Iterator[int] = iter(())
        self._busy_with_chores = False
        self._marked = False

    def pause(self) -> float:
        """Return the maximum seconds to wait for work."""
        now = time.monotonic()
        if self._busy_with_chores:
            return 0.0
        if self._failures:
            return max(0.0, self._retry_at - now)
        if self._queue.changed:
            return max(0.0, self._snapshots_at - now)
        return max(0.0, min(CHECK_S, self._next_check - now))

    def turn(self, *, urgent: bool) -> bool:
        """Do one round; return whether the next one should follow immediately."""
        store, now, worked = self._store, time.monotonic(), time.thread_time()
        if self._failures and now < self._retry_at and not urgent:
            return False
        try:
            backend = store.connect()
        except StoreBusyError as error:
            return self._failed(error)
        if not self._items:
            items, records, gone, self._done = self._queue.take(
                BATCH, snapshots=urgent or now >= self._snapshots_at
            )
            self._items = _with_snapshots(items, records)
            self._gone += gone
        if backend is None:
            self._lose("store_error", self._items)
        elif self._items or self._gone:
            try:
                self._write(backend)
            except StoreBusyError as error:
                return self._failed(error)
            if self._failures:
                logger.warning("runs are stored again")
            self._failures = 0
            # Snapshots of unfinished runs may take 5 % of the time, not counting waits for a lock.
            between_s = min(MOST_BETWEEN_SNAPSHOTS_S, 20 * (time.thread_time() - worked))
            self._snapshots_at = time.monotonic() + between_s
        self._items = []
        self._queue.taken(self._done)
        if self._queue.waits:
            return True
        if backend is not None and not store.out_of_time:
            self._keep_house(backend)
        return self._busy_with_chores and not urgent

    def give_up(self) -> None:
        """Drop rows that caused a fault, so that the next round does not meet it again."""
        self._lose("store_error", self._items)
        self._items = []
        self._queue.taken(self._done)

    def _lose(self, reason: TelemetryDropReason, items: Sequence[Waiting]) -> None:
        """Count ended runs as dropped, unless `close` has done so."""
        count = sum(item.final for item in items)
        if self._queue.settle(count):
            self._store.lose(reason, count)

    def _write(self, backend: SqlBackend) -> None:
        """Store the waiting rows, and remove dropped runs; if an error is raised, the rows stored so far do not wait
        any more.

        Raises:
            StoreBusyError: the store cannot be used now.
        """
        self._store.trouble = None
        try:
            self._store_items(backend, self._items)
            self._items = []
        except StoreBusyError:
            raise
        except AbandonedError:
            self._items = []
        except Exception:
            # One by one, so that a run that cannot be stored does not affect the others.
            while self._items:
                item = self._items[0]
                try:
                    self._store_items(backend, [item])
                except StoreBusyError:
                    raise
                except AbandonedError:
                    pass
                except Exception as error:
                    logger.error("run %s cannot be stored: %s", item.execution_id, error)
                    self._store.trouble = error if isinstance(error, StoreError) else StoreError(str(error))
                    self._lose("store_error", [item])
                self._items = self._items[1:]
        if self._gone:
            backend.remove(self._gone)
            self._gone = []

    def _store_items(self, backend: SqlBackend, items: Sequence[Waiting]) -> None:
        rows = [item.row for item in items]
        if rows:
            backend.write(rows)
            self._queue.settle(sum(item.final for item in items))
            if self._mirrors:
                self._mirror_rows(backend, [row for row in rows if row.ended])

    def _mirror_rows(self, backend: SqlBackend, rows: Sequence[Row]) -> None:
        """Write ended runs into the mirrors; an error there is logged, and the store still has the runs."""
        if not rows:
            return
        failed = False
        for mirror in self._mirrors:
            try:
                mirror.write(rows)
            except OSError as error:
                failed = True
                if not self._unmirrored:
                    logger.error("the JSON mirror cannot be written, the store has the runs: %s", error)
        if failed:
            self._unmirrored += len(rows)
        elif self._unmirrored:
            logger.warning(
                "the JSON mirror is written again; %d runs are missing there and are in the store only:"
                " `ael trace export` writes them",
                self._unmirrored,
            )
            self._unmirrored = 0
        # `ael trace delete` may have run between the store and the mirror, when the mirror did not have the run yet.
        with suppress(StoreError, OSError):
            gone = backend.missing([row.head.execution_id for row in rows])
            victims = [victim_of(row) for row in rows if row.head.execution_id in gone]
            for mirror in self._mirrors if victims else ():
                mirror.delete(victims)

    def _failed(self, error: StoreBusyError) -> bool:
        store = self._store
        store.trouble = error
        if store.out_of_time:
            store.lose("shutdown_timeout", self._queue.abandon())
            self._items = []
            return False
        if not self._failures:
            logger.error("runs wait to be stored: %s", error)
        wait_s = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        self._retry_at = time.monotonic() + wait_s
        if self._queue.closing:
            pause(min(wait_s, RETRY_S[0]))
            return True
        return False

    def _keep_house(self, backend: SqlBackend) -> None:
        if not self._marked:
            self._marked = True
            with suppress(StoreError):
                interrupted = backend.mark_interrupted()
                if interrupted:
                    logger.warning(
                        "%d runs were interrupted, because their process ended: %s",
                        len(interrupted),
                        interrupted[:5],
                    )
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + CHECK_S
            if not backend.forgotten:
                with suppress(StoreError):
                    backend.forgotten = backend.shrink()
            if self._store.retention is not None:
                self._chores = self._store.retention.steps(backend, datetime.now(UTC))
                self._busy_with_chores = True
        if self._busy_with_chores:
            try:
                self._busy_with_chores = next(self._chores, None) is not None
            except StoreError as error:
                self._busy_with_chores = False
                logger.error("old runs were not deleted; the next attempt is tomorrow: %s", error)


def _with_snapshots(items: Sequence[Waiting], records: Sequence[ExecutionRecord]) -> list[Waiting]:
    """Return the rows to write: final states, and snapshots of runs without a final state among them."""
    final = {item.execution_id for item in items if item.final}
    chosen = [item for item in items if item.final or item.execution_id not in final]
    for record in records:
        if record.execution_id not in final:
            with suppress(Exception):
                chosen.append(Waiting(record.execution_id, row_of(record), final=False))
    return chosen


_alive: "weakref.WeakSet[QueuedStore]" = weakref.WeakSet()
_inherited: list[object] = []


def _one_thread_at_a_time() -> bool:
    """Return whether the GIL protects a record from changes while it is encoded."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())


def _for_each(step: Callable[[QueuedStore], None]) -> Callable[[], None]:
    def every() -> None:
        for store in list(_alive):
            step(store)

    return every


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_for_each(QueuedStore.before_fork),
        after_in_parent=_for_each(QueuedStore.after_fork_in_parent),
        after_in_child=_for_each(QueuedStore.after_fork),
    )
