"""Writing in the background: no caller waits, nothing raises, drops are counted, ended runs are written."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ael_otel.errors import StoreBusyError, StoreFullError, StoreReadOnlyError
from ael_otel.store import RunQuery, SchemaTooNewError, StoreError, background_writer
from ael_otel.store.background_writer import MOST_BETWEEN_SNAPSHOTS_S, QueuedStore
from ael_otel.store.mirror import Mirror
from ael_otel.store.owner import this_process
from ael_otel.store.pruning import Retention
from ael_otel.store.rolling_mirror import RollingMirror
from ael_otel.store.rows import Row
from ael_otel.store.sql import SqlBackend
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import START, call, run, step
from tests.support.waiting import until


class Gate(SqliteStore):
    """A SQLite store whose writing can be held up, or made to fail."""

    def __init__(self, path: Path) -> None:
        self.open = threading.Event()
        self.open.set()
        self.fault: Callable[[list[str]], Exception | None] = lambda _: None
        self.batches: list[list[tuple[str, str]]] = []
        super().__init__(path)

    def write(self, rows: Any) -> None:
        """Wait, fail, or write."""
        self.open.wait(30)
        fault = self.fault([row.head.execution_id for row in rows])
        if fault is not None:
            raise fault
        super().write(rows)
        self.batches.append([(row.head.execution_id, row.head.status) for row in rows])


class Fed:
    """A queued store over a gate, and its drops."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.gate = Gate(path)
        self.lost: Counter[str] = Counter()
        self.store = QueuedStore(
            lambda: self.gate, on_drop=lambda reason, count: self.lost.update({reason: count}), **options
        )

    def settle(self) -> None:
        """Wait until the first turn is over."""
        assert self.store.info().backend == "sqlite"


@contextmanager
def fed(path: Path, **options: Any) -> Iterator[Fed]:
    """Make one and close it."""
    made = Fed(path, **({"linger_s": 0.01} | options))
    made.settle()
    try:
        yield made
    finally:
        made.gate.open.set()
        made.store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file is."""
    return tmp_path / ".ael" / "telemetry.db"


# --- written runs --------------------------------------------------------------------------------------------------


def test_a_short_run_is_written_once(path: Path) -> None:
    """Proves that beginning, steps and end that come together are one row in one transaction."""
    with fed(path, linger_s=0.2) as it:
        record = run(status="running", steps=[])
        it.store.start_execution(record)
        record.steps.append(step())
        it.store.step_changed(record, record.steps[0])
        record.status = "completed"
        it.store.finish_execution(record)
        until(lambda: bool(it.gate.batches))
        assert len(it.gate.batches) == 1
        assert it.gate.batches[0][-1] == ("exec-000001", "completed")
        assert it.store.get("exec-000001") == record


def test_long_run_is_visible_without_a_write_for_each_event(path: Path) -> None:
    """Proves that a running row appears without being asked for, and that 500 steps are a few snapshots."""
    with fed(path) as it:
        reader = SqliteStore(path)
        record = run(status="running", duration_ms=None, steps=[])
        it.store.start_execution(record)
        until(lambda: reader.count(RunQuery(status="running")) == 1)
        for number in range(500):
            record.steps.append(step(f"s{number}"))
            it.store.step_changed(record, record.steps[-1])
        until(lambda: reader.query(RunQuery()).runs[0].steps == 500)
        assert len(it.gate.batches) < 50
        assert reader.get("exec-000001").owner == this_process()
        reader.close()


def test_a_run_shows_soon_after_the_store_was_locked(path: Path) -> None:
    """Proves that waiting for another process's lock does not keep the next run that begins out of sight."""
    with fed(path) as it:
        it.store.start_execution(run(1, status="running", duration_ms=None))
        assert it.store.flush()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = threading.Event()
        it.gate.fault = lambda _: writing.set()
        waiting = run(2, status="running", duration_ms=None)
        it.store.start_execution(waiting)
        assert writing.wait(10)
        # Counted as work, it would hide the next runs for MOST_BETWEEN_SNAPSHOTS_S.
        time.sleep(MOST_BETWEEN_SNAPSHOTS_S / 10)  # wait: how long the store is locked
        other.execute("COMMIT")
        other.close()
        reader = SqliteStore(path)
        until(lambda: reader.count(RunQuery(status="running")) == 2)
        it.store.start_execution(run(3, status="running", duration_ms=None))
        until(lambda: reader.count(RunQuery(status="running")) == 3, seconds=MOST_BETWEEN_SNAPSHOTS_S / 2)
        reader.close()


def test_record_is_stored_as_of_its_end(path: Path) -> None:
    """Proves that changes by the application after a record's end, before it is written, are not stored."""
    with fed(path) as it:
        it.gate.open.clear()
        record = run(inputs={"list": [1]})
        it.store.finish_execution(record)
        record.inputs["list"].append(2)
        record.status = "failed"
        it.gate.open.set()
        found = it.store.get("exec-000001")
        assert (found.inputs, found.status) == ({"list": [1]}, "completed")


def test_burst_of_two_thousand_runs_is_stored_in_full(path: Path) -> None:
    """Proves that 2,000 runs of five steps from four threads at full speed are all there, with all their parts."""

    def burst(start: int) -> None:
        for number in range(start, start + 500):
            record = run(number, status="running", steps=[])
            it.store.start_execution(record)
            for position in range(5):
                made = step(f"s{position}", tool_calls=[])
                record.steps.append(made)
                it.store.start_step(record, made)
                made.tool_calls.append(call())
                it.store.record_tool_call(record, made.tool_calls[0])
                it.store.complete_step(record, made)
            record.status = "completed"
            it.store.complete_execution(record)

    with fed(path, linger_s=0.05) as it:
        threads = [threading.Thread(target=burst, args=(n * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert it.store.flush(60)
        assert it.lost == {}
        assert it.store.count(RunQuery(status="completed")) == 2000
        assert it.store.stats("tool", RunQuery())[0].count == 10_000


# --- drops -----------------------------------------------------------------------------------------------------


def test_full_queue_drops_whole_runs_and_counts_them(path: Path) -> None:
    """Proves that runs without room are counted, none of them stays as running for ever, and later runs are stored.

    A run that has only begun takes no room: its end does.
    """
    with fed(path, capacity=10) as it:
        begun = run(99, status="running", duration_ms=None)
        it.store.start_execution(begun)
        assert it.store.flush()
        it.gate.open.clear()
        it.store.finish_execution(run(0))
        until(lambda: not it.store.queue.waits)  # the writer holds it
        for number in range(1, 31):
            it.store.start_execution(run(number, status="running"))
        for number in range(1, 31):
            it.store.finish_execution(run(number))
        it.store.finish_execution(run(99))
        assert it.lost == {"queue_full": 21}
        it.gate.open.set()
        assert it.store.flush()
        left = it.store.query(RunQuery(limit=None)).runs
        assert {(each.execution_id, each.status) for each in left} == {
            (f"exec-{number:06}", "completed") for number in range(11)
        }
        it.store.finish_execution(run(100))
        assert it.store.count(RunQuery()) == 12


def test_room_is_counted_in_bytes_too(path: Path) -> None:
    """Proves that few large runs cannot take all memory, and that one larger than all room still passes."""
    with fed(path, capacity_bytes=100_000) as it:
        it.gate.open.clear()
        it.store.finish_execution(run(0))
        until(lambda: not it.store.queue.waits)
        for number in range(1, 6):
            it.store.finish_execution(run(number, outputs="x" * 60_000))
        assert it.lost == {"queue_full": 4}
        it.gate.open.set()
        it.store.finish_execution(run(7, outputs="x" * 150_000))
        assert it.store.flush()
        assert it.store.count(RunQuery()) in (2, 3)


def test_busy_store_is_retried_without_a_drop(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Proves that runs wait in order while the store cannot be used; logged once, and again when it is over."""
    caplog.set_level(logging.WARNING)
    with fed(path) as it:
        faults = iter([StoreBusyError("disk full")] * 3)
        it.gate.fault = lambda _: next(faults, None)
        for number in range(5):
            it.store.finish_execution(run(number))
        until(lambda: it.gate.batches != [])
        assert it.store.count(RunQuery()) == 5
        assert it.lost == {}
    assert [record.getMessage() for record in caplog.records if record.name == "ael_otel"] == [
        "runs wait to be stored: disk full",
        "runs are stored again",
    ]


def test_run_that_cannot_be_stored_does_not_affect_others(path: Path) -> None:
    """Proves that of a batch with a row that the database refuses all others are written, and that one is counted."""
    with fed(path, linger_s=0.1) as it:
        it.gate.fault = lambda ids: ValueError("refused") if "exec-000003" in ids else None
        for number in range(6):
            it.store.finish_execution(run(number))
        assert it.store.flush()
        assert it.lost == {"store_error": 1}
        assert it.store.count(RunQuery()) == 5


@pytest.mark.parametrize("error", [SchemaTooNewError("newer"), RuntimeError("a fault of ours")])
def test_store_that_cannot_be_opened_does_no_harm(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Proves that writing neither raises nor waits, every run is counted, the reason logged once, and reads raise."""
    lost: Counter[str] = Counter()

    def refuse() -> SqliteStore:
        raise error

    store = QueuedStore(refuse, on_drop=lambda reason, count: lost.update({reason: count}))
    for number in range(10):
        store.start_execution(run(number, status="running"))
        store.finish_execution(run(number))
    with pytest.raises(StoreError, match=str(error)):
        store.query(RunQuery())
    store.finish_execution(run(11))
    store.close()
    assert lost == {"store_error": 11}
    assert [each.getMessage() for each in caplog.records] == [f"runs are not recorded: {error}"]


def test_store_that_opens_late_gets_the_waiting_runs(path: Path) -> None:
    """Proves that no run is lost if the server is down at the start."""
    faults = iter([StoreBusyError("away")] * 2)

    def connect() -> SqliteStore:
        fault = next(faults, None)
        if fault is not None:
            raise fault
        return SqliteStore(path)

    store = QueuedStore(connect, linger_s=0.01)
    store.finish_execution(run(1))
    assert store.get("exec-000001") == run(1)
    store.close()


# --- ending -----------------------------------------------------------------------------------------------------------


def test_closing_writes_waiting_runs_and_refuses_later_ones(path: Path) -> None:
    """Proves that `close` writes all earlier runs, counts later ones as dropped, and can be called again."""
    with fed(path, linger_s=5) as it:
        for number in range(50):
            it.store.finish_execution(run(number))
        started = time.monotonic()
        it.store.close()
        assert time.monotonic() - started < 3
        it.store.finish_execution(run(99))
        it.store.close()
        assert it.lost == {"shutdown_timeout": 1}
        with pytest.raises(StoreError, match="closed"):
            it.store.query(RunQuery())
    with SqliteReader(path) as reader:
        assert reader.count(RunQuery()) == 50


class SqliteReader:
    """Opens a file for a block."""

    def __init__(self, path: Path) -> None:
        self._store = SqliteStore(path)

    def __enter__(self) -> SqliteStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def test_closing_waits_no_longer_than_it_may(path: Path) -> None:
    """Proves that a store that hangs does not delay the end, and that the remaining runs are counted, with those that
    the writer held; none of them is stored afterwards.
    """
    with fed(path) as it:
        it.gate.open.clear()
        it.store.finish_execution(run(0))
        until(lambda: not it.store.queue.waits)
        for number in range(1, 8):
            it.store.finish_execution(run(number))
        started = time.monotonic()
        it.store.close(0.3)
        assert 0.2 < time.monotonic() - started < 2
        assert it.lost == {"shutdown_timeout": 8}
        it.gate.open.set()
        assert it.store.queue.wait_ended(10)
        assert it.lost == {"shutdown_timeout": 8}
    with SqliteReader(path) as reader:
        assert reader.count(RunQuery()) == 0


def test_runs_for_a_busy_store_are_dropped_at_close(path: Path) -> None:
    """Proves that runs that a store refuses until the end are counted, not retried for ever."""
    with fed(path) as it:
        it.gate.fault = lambda _: StoreBusyError("locked")
        for number in range(5):
            it.store.finish_execution(run(number))
        it.store.close(0.5)
        until(lambda: it.lost["shutdown_timeout"] == 5)


_PROGRAM = """
import sys
from pathlib import Path
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
store = QueuedStore(lambda: SqliteStore(Path(sys.argv[1])))
for number in range(200):
    store.finish_execution(run(number))
"""


def test_program_that_just_ends_stores_all_runs(path: Path) -> None:
    """Proves that queued runs are written when the interpreter exits, in a program that never calls `close`."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with SqliteReader(path) as reader:
        assert reader.count(RunQuery()) == 200


_FORK = """
import os, sys
from pathlib import Path
from ael_otel.store import RunQuery
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
store = QueuedStore(lambda: SqliteStore(Path(sys.argv[1])))
store.finish_execution(run(1))
store.flush()
store.finish_execution(run(2))
pid = os.fork()
if pid == 0:
    store.finish_execution(run(3))
    os._exit(0 if store.flush(10) and store.get("exec-000003") else 1)
_, status = os.waitpid(pid, 0)
store.finish_execution(run(4))
found = sorted(each.execution_id for each in store.query(RunQuery()).runs)
store.close()
print(os.waitstatus_to_exitcode(status), *found)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="beyond CI: no fork on this platform")
def test_a_forked_child_writes_on_its_own(path: Path) -> None:
    """Proves that parent and child both keep their runs after a fork, each once."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK, str(path)],
        cwd=root, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "exec-000001", "exec-000002", "exec-000003", "exec-000004"], (
        done.stderr
    )


_FORK_BUSY = """
import os, sys, threading, time
from pathlib import Path
from ael_otel.store import RunQuery
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
writing = threading.Event()
class Slow(SqliteStore):
    def write(self, rows):
        writing.set()
        time.sleep(0.02)  # wait: a disk that takes its time
        super().write(rows)
        writing.clear()
store = QueuedStore(lambda: Slow(Path(sys.argv[1])))
codes = []
for number in range(1, 6):
    store.finish_execution(run(number))
    assert writing.wait(10)
    pid = os.fork()
    if pid == 0:
        halfway = writing.is_set()
        store.finish_execution(run(100 + number))
        os._exit(1 if halfway else 0 if store.flush(10) else 2)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    assert store.flush(10)
found = store.count(RunQuery())
store.close()
print(*codes, found)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="beyond CI: no fork on this platform")
def test_a_fork_waits_for_the_writer_of_its_parent(path: Path) -> None:
    """Proves that a child which is forked while its parent writes does not inherit the open database, whose locks would
    never be released: it stores its runs.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK_BUSY, str(path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "0", "0", "0", "0", "10"], done.stderr


# --- keeping house ----------------------------------------------------------------------------------------------------


def test_runs_of_the_dead_are_marked_on_opening(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Proves that a process that opens the store marks the runs of a dead one, without an explicit call."""
    store = SqliteStore(path)
    gone = this_process().rpartition("/")[0].rpartition("/")[0] + "/4194999/1"
    store.start_execution(run(7, status="running", owner=gone))
    with fed(path):
        until(lambda: store.get("exec-000007").status == "failed")
    assert "1 runs were interrupted, because their process ended: ['exec-000007']" in caplog.text
    store.close()


def test_old_runs_go_while_new_ones_come(path: Path) -> None:
    """Proves that pruning that is due happens in the background, in turns with writing."""
    store = SqliteStore(path)
    store.put(run(number, started_at=START - timedelta(days=400, seconds=number)) for number in range(1000))
    fresh = run(5000, started_at=store.query(RunQuery(limit=1)).runs[0].started_at + timedelta(days=90_000))
    with fed(path, retention=Retention(30)) as it:
        it.store.finish_execution(fresh)
        until(lambda: store.count(RunQuery()) == 1)
        assert it.store.get("exec-005000") is not None
    store.close()


def test_mirror_gets_ended_runs_and_its_faults_cost_no_run(path: Path, tmp_path: Path) -> None:
    """Proves that ended runs become files, running ones do not, and that a mirror that fails is only logged."""
    with fed(path, mirrors=(Mirror(tmp_path / "traces"),)) as it:
        it.store.start_execution(run(1, status="running"))
        it.store.finish_execution(run(2))
        assert it.store.flush()
        until(lambda: len(list((tmp_path / "traces").rglob("trace-*.json"))) == 1)
    (tmp_path / "file").write_text("in the way")
    with fed(path, mirrors=(Mirror(tmp_path / "file" / "traces"),)) as it:
        it.store.finish_execution(run(3))
        assert it.store.get("exec-000003") is not None
        assert it.lost == {}


def test_runs_that_a_mirror_lacks_are_counted_in_the_log_each_time(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that each failure of a mirror is logged, and at its end how many runs are in the store only."""
    caplog.set_level(logging.WARNING, "ael_otel")
    folder = tmp_path / "traces"
    with fed(path, mirrors=(RollingMirror(folder),)) as it:
        for number in (1, 4):
            folder.parent.joinpath("traces").write_text("in the way")
            for each in (number, number + 1):
                it.store.finish_execution(run(each))
                assert it.store.flush()
            folder.unlink()
            it.store.finish_execution(run(number + 2))
            assert it.store.flush()
            until(folder.is_dir)
            until(lambda: "2 runs are missing there" in caplog.text)
            assert caplog.text.count("the JSON mirror cannot be written") == 1
            caplog.clear()
            shutil.rmtree(folder)
    assert it.lost == {}


@pytest.mark.parametrize("kind", [Mirror, RollingMirror])
def test_run_that_is_deleted_before_it_is_mirrored_stays_deleted(
    path: Path, tmp_path: Path, kind: Any
) -> None:
    """Proves for a deletion between the store and the mirror that the mirror does not bring the run back."""

    class Slow(kind):  # type: ignore[misc]
        """Deletes the run just before it writes it."""

        def write(self, rows: Any) -> None:
            other = SqliteStore(path, create=False)
            assert other.delete(["exec-000001"]).executions == 1
            other.close()
            super().write(rows)
            written.set()

    written = threading.Event()
    folder = tmp_path / "traces"
    with fed(path, mirrors=(Slow(folder),)) as it:
        it.store.finish_execution(run(1))
        assert written.wait(10)
        it.settle()
    assert not [each for each in folder.rglob("*") if each.is_file() and b"exec-000001" in each.read_bytes()]


def test_a_fault_of_ours_in_the_writer_does_not_stop_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the thread survives an unexpected exception."""
    with fed(path, mirrors=(Mirror(path.parent / "traces"),)) as it:
        calls = iter([True])

        def broken(_writer: object, _backend: object, _rows: list[Row]) -> None:
            if next(calls, False):
                raise MemoryError("nobody thought of this")

        monkeypatch.setattr("ael_otel.store.background_writer._Writer._mirror_rows", broken)
        it.store.finish_execution(run(1))
        until(lambda: it.gate.batches != [])
        it.store.finish_execution(run(2))
        until(lambda: it.gate.count(RunQuery()) == 2)


@pytest.mark.parametrize("kind", [StoreFullError, StoreReadOnlyError])
def test_reader_does_not_wait_for_a_store_that_cannot_be_written(
    kind: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that a full disk and a missing permission are reported soon, and not after the patience for a lock."""
    monkeypatch.setattr(background_writer, "READ_S", 600.0)

    def refuse() -> SqlBackend:
        raise kind("t.db: cannot be written")

    store = QueuedStore(refuse)
    try:
        with pytest.raises(kind, match="cannot be written"):
            store.get("exec-1")
    finally:
        store.close(0.1)
