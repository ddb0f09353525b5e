"""A store whose file or disk changes beside it: deleted, replaced, restored, full; every dropped run is counted."""

import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ael_otel.errors import StoreBusyError, StoreDamagedError, StoreError, StoreFullError, StoreReadOnlyError
from ael_otel.store import RunQuery
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
from tests.support.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file is."""
    return tmp_path / ".ael" / "telemetry.db"


class Kept:
    """A queued store, and the drops it counts."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.lost: Counter[str] = Counter()
        self.store = QueuedStore(
            lambda: SqliteStore(path),
            on_drop=lambda reason, count: self.lost.update({reason: count}),
            linger_s=0.01,
            **options,
        )
        self.accepted = 0

    def finish(self, *numbers: int, **facts: Any) -> None:
        """End runs."""
        for number in numbers:
            self.store.finish_execution(run(number, **facts))
            self.accepted += 1

    def conserved(self, stored: int) -> bool:
        """Return whether every run is stored, counted as dropped, or still queued."""
        return self.accepted == stored + sum(self.lost.values()) + self.store.queue.queued


@pytest.fixture
def kept(path: Path) -> Iterator[Kept]:
    """One with the file made."""
    made = Kept(path)
    made.finish(1)
    assert made.store.flush()
    yield made
    made.store.close()


def ids(path: Path) -> list[str]:
    """The runs in the file, read by another connection."""
    store = SqliteStore(path, create=False)
    try:
        return sorted(each.execution_id for each in store.query(RunQuery(limit=None)).runs)
    finally:
        store.close()


# --- another file -----------------------------------------------------------------------------------------------------


def _rm_file(path: Path, _backup: Path) -> None:
    path.unlink()


def _rm_folder(path: Path, _backup: Path) -> None:
    shutil.rmtree(path.parent)


def _rename_over(path: Path, backup: Path) -> None:
    backup.replace(path)


def _rename_over_and_rm_log(path: Path, backup: Path) -> None:
    backup.replace(path)
    for name in ("-wal", "-shm"):
        Path(f"{path}{name}").unlink()


def _copy_over(path: Path, backup: Path) -> None:
    path.write_bytes(backup.read_bytes())


def _copy_over_and_rm_log(path: Path, backup: Path) -> None:
    path.write_bytes(backup.read_bytes())
    for name in ("-wal", "-shm"):
        Path(f"{path}{name}").unlink()


_BACKUP = ["exec-000900", "exec-000901"]


@pytest.mark.parametrize(
    ("change", "before"),
    [
        (_rm_file, []),
        (_rm_folder, []),
        (_rename_over, _BACKUP),
        (_rename_over_and_rm_log, _BACKUP),
        (_copy_over, _BACKUP),
        (_copy_over_and_rm_log, _BACKUP),
    ],
)
def test_later_runs_are_stored_when_the_file_is_changed_beside_the_engine(
    path: Path,
    kept: Kept,
    tmp_path: Path,
    change: Callable[[Path, Path], None],
    before: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Proves that a deleted, renamed-over or copied-over file (of another store) is noticed before the next write: the
    new file is sound, holds its own runs and all later ones, no drop is counted, and the log names the cause.
    """
    backup = tmp_path / "backup.db"
    other = SqliteStore(backup)
    other.put([run(900), run(901)])
    other.close()
    caplog.set_level(logging.WARNING)
    change(path, backup)
    kept.finish(2)
    kept.finish(3)
    assert kept.store.flush(10)
    assert ids(path) == ["exec-000002", "exec-000003", *before]
    kept.store.close()
    assert ids(path) == ["exec-000002", "exec-000003", *before]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert kept.lost == {}
    assert "the run store is reopened" in caplog.text


@pytest.mark.parametrize("checkpoint", [False, True])
def test_older_copy_of_the_same_store_copied_over_it_is_noticed(
    path: Path, kept: Kept, checkpoint: bool
) -> None:
    """Proves that a backup of the store itself, restored in place under the open log, is used as it was backed up when
    the store has been checkpointed since, and fits the log when not.
    """
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = path.read_bytes()
    kept.finish(*range(2, 40))
    assert kept.store.flush()
    if checkpoint:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path.write_bytes(backup)
    kept.finish(50)
    assert kept.store.flush(10)
    between = [] if checkpoint else [f"exec-{number:06}" for number in range(2, 40)]
    assert ids(path) == ["exec-000001", *between, "exec-000050"]
    store = SqliteStore(path, create=False)
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    assert len(list(store.iterate(RunQuery(limit=None)))) == len(between) + 2
    store.close()


def test_store_that_others_write_and_checkpoint_does_not_count_as_replaced(
    path: Path, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that checkpoints, VACUUM and writes of other processes are not a replacement: nothing is reopened."""
    other = SqliteStore(path)
    for number in range(2, 20):
        other.finish_execution(run(number))
        kept.finish(number + 100)
        assert kept.store.flush()
        other.read("PRAGMA wal_checkpoint(TRUNCATE)")
    other.prune(max_mb=1)
    other.close()
    kept.finish(300)
    assert kept.store.flush()
    assert "reopened" not in caplog.text
    assert len(ids(path)) == 1 + 18 + 18 + 1


def test_manual_vacuum_loses_no_run(path: Path, kept: Kept) -> None:
    """Proves that a VACUUM of another process, which moves every page, costs at most a second look."""
    kept.finish(*range(2, 30))
    assert kept.store.flush()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    kept.finish(30)
    assert kept.store.flush(10)
    assert len(ids(path)) == 30
    assert kept.lost == {}


def test_reader_notices_another_file_too(path: Path, kept: Kept, tmp_path: Path) -> None:
    """Proves that a reader that stays open, as `tail` does, reads the file that is there now."""
    reader = SqliteStore(path, create=False)
    assert reader.count(RunQuery()) == 1
    backup = tmp_path / "backup.db"
    other = SqliteStore(backup)
    other.put([run(900), run(901)])
    other.close()
    time.sleep(0.4)
    backup.replace(path)
    assert reader.count(RunQuery()) == 2
    reader.close()


# --- a full disk ------------------------------------------------------------------------------------------------------


def _limit(store: QueuedStore, pages: int) -> None:
    """Let the database take no more pages than it has, or that many: SQLite's own SQLITE_FULL."""
    backend = store.backend
    assert isinstance(backend, SqliteStore)
    backend.read(f"PRAGMA max_page_count = {pages}")


def test_full_database_is_retried_until_there_is_room(
    path: Path, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that SQLITE_FULL loses no run: new runs wait, stored ones can be read, and all are written later."""
    _limit(kept.store, 1)
    kept.finish(*range(2, 30), inputs="x" * 5_000)
    until(lambda: "runs wait to be stored" in caplog.text)
    assert "full" in caplog.text
    backend = kept.store._backend
    assert isinstance(backend, SqliteStore)
    assert backend.count(RunQuery()) == 1
    assert (kept.store.queue.queued, kept.lost) == (28, {})
    backend.read("PRAGMA max_page_count = 100000")
    assert kept.store.flush(20)
    assert (len(ids(path)), kept.lost, kept.store.queue.queued) == (29, {}, 0)


_FULL_START = """
import json, logging, resource, signal, sys, time
from collections import Counter
from pathlib import Path
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
logging.basicConfig(stream=sys.stderr)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
lost, tries = Counter(), []
class Tried(SqliteStore):
    def __init__(self, path):
        tries.append("open")
        super().__init__(path)
    def write(self, rows):
        tries.append("write")
        super().write(rows)
store = QueuedStore(lambda: Tried(path), on_drop=lambda reason, n: lost.update({reason: n}), linger_s=0.01)
for number in range(20):
    store.finish_execution(run(number, inputs="x" * 5_000))
deadline = time.monotonic() + 30
while len(tries) < 4 and time.monotonic() < deadline:  # two have failed by then
    time.sleep(0.005)
queued = store.queue.queued
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
done = store.flush(30)
print(json.dumps({"queued": queued, "done": done, "lost": lost, "left": store.queue.queued}))
store.close()
"""


@pytest.mark.parametrize("limit", [0, 8_192, 65_536])
def test_start_on_a_full_disk_recovers_when_there_is_room(path: Path, limit: int) -> None:
    """Proves that a store whose files can take no byte more (no page, no schema, no rows) is opened and written as
    soon as they can, in the same process, with every run.
    """
    done = subprocess.run(
        [sys.executable, "-c", _FULL_START, str(path), str(limit)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == '{"queued": 20, "done": true, "lost": {}, "left": 0}\n', done.stderr
    assert done.stderr.count("runs wait to be stored") == 1
    assert "runs are stored again" in done.stderr
    assert len(ids(path)) == 20


_FULL_DISK = """
import sys
from datetime import timedelta
from pathlib import Path
from ael_otel.errors import StoreFullError
from ael_otel.store import RunQuery
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import START, run
path = Path(sys.argv[1]) / ".ael" / "telemetry.db"
store = SqliteStore(path)
store.put(run(number, inputs="x" * 3_000) for number in range(10))
held = sys.argv[2] == "held"
if not held:
    store.close()
fill = open(Path(sys.argv[1]) / "fill", "wb", buffering=0)
try:
    while True:
        fill.write(b"x" * 4096)
except OSError as error:
    assert error.errno == 28
try:
    store.put([run(number, inputs="x" * 90_000) for number in range(20, 30)] if held else [])
except StoreFullError:
    print("full")
reader = SqliteStore(path, create=False)
print(reader.count(RunQuery()), len(list(reader.iterate(RunQuery(limit=None)))))
cutoff = START + timedelta(seconds=5)
print(reader.prune(older_than=cutoff, dry_run=True).executions)
try:
    print(reader.prune(older_than=cutoff).executions, reader.count(RunQuery()))
except StoreFullError as error:
    print(str(error).partition(": ")[2])
reader.close()
store.close()
reader = SqliteStore(path, create=False)
print(reader.count(RunQuery()), reader.read("PRAGMA integrity_check")[0][0])
"""


def _on_a_small_disk(folder: Path, how: str) -> list[str]:
    """Run the program on a file system of 1 MiB that only it sees."""
    program = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", program, "sh", str(folder), sys.executable, _FULL_DISK, how],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if "mount: " in done.stderr or "unshare: " in done.stderr:
        pytest.skip("may not mount a file system here")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare, no small disk")
def test_reading_and_pruning_work_on_a_full_disk(tmp_path: Path) -> None:
    """Proves that with not a byte left runs are counted, read and deleted, and the file stays sound."""
    assert _on_a_small_disk(tmp_path, "closed") == ["10 10", "5", "5 5", "5 ok"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare, no small disk")
def test_pruning_beside_an_engine_on_a_full_disk_works_or_names_a_remedy(tmp_path: Path) -> None:
    """Proves that reading works beside a store that is open and full, and that pruning either works within the existing
    log or names how to make room.
    """
    found = _on_a_small_disk(tmp_path, "held")
    assert found[:3] == ["full", "10 10", "5"]
    assert found[3] == "5 5" or "stop the engine that uses the store, or make some room" in found[3]
    assert found[4] == ("5 ok" if found[3] == "5 5" else "10 ok")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreFullError),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFullError),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreFullError),
        (sqlite3.SQLITE_CANTOPEN, StoreFullError),
        (sqlite3.SQLITE_READONLY, StoreReadOnlyError),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreBusyError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusyError),
        (sqlite3.SQLITE_LOCKED, StoreBusyError),
        (sqlite3.SQLITE_CORRUPT_VTAB, StoreDamagedError),
        (sqlite3.SQLITE_NOTADB, StoreDamagedError),
        (sqlite3.SQLITE_ERROR, StoreError),
        (sqlite3.SQLITE_TOOBIG, StoreError),
    ],
)
def test_errors_are_classified_by_code_not_by_text(code: int, kind: type[StoreError]) -> None:
    """Proves which of SQLite's errors are retried, for any text; only those are `StoreBusyError`."""
    from ael_otel.store.sqlite import error_of

    for text in ("", "database is locked", "disk is full"):
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        assert type(error_of(error, Path("x.db"))) is kind


# --- one law ----------------------------------------------------------------------------------------------------------


def test_every_run_is_stored_counted_or_queued_under_overload(path: Path) -> None:
    """Proves accepted == stored + dropped + queued with ten times the room, from four threads, at every look."""
    made = Kept(path, capacity=50)

    def burst(start: int) -> None:
        for number in range(start, start + 500):
            made.store.finish_execution(run(number))

    threads = [threading.Thread(target=burst, args=(start,)) for start in (0, 1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.accepted = 2000
    assert made.store.flush(30)
    assert set(made.lost) <= {"queue_full"}
    assert made.conserved(len(ids(path)))
    made.store.close()
    assert made.store.queue.queued == 0
    assert made.conserved(len(ids(path)))


@pytest.mark.parametrize("released", [False, True])
def test_every_run_is_stored_counted_or_queued_with_a_locked_store(
    path: Path, monkeypatch: pytest.MonkeyPatch, released: bool
) -> None:
    """Proves the same while another process holds the lock: no drop is counted before the time is over, then each run
    once; if the lock is released in time, the runs are stored.
    """
    monkeypatch.setattr("ael_otel.store.sqlite.BUSY_S", 0.2)
    made = Kept(path, capacity=40)
    made.finish(0)
    assert made.store.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    made.finish(*range(1, 30))
    until(lambda: made.store.trouble is not None)
    made.finish(*range(30, 200))
    assert set(made.lost) == {"queue_full"}
    assert made.conserved(1)
    if released:
        other.execute("ROLLBACK")
        made.store.close(20)
        assert set(made.lost) == {"queue_full"}
    else:
        made.store.close(0.5)
        other.execute("ROLLBACK")
        assert made.store.queue.wait_ended(20)
        assert set(made.lost) == {"queue_full", "shutdown_timeout"}
        assert ids(path) == ["exec-000000"]
    other.close()
    assert made.store.queue.queued == 0
    assert made.conserved(len(ids(path)))


def test_every_run_is_stored_counted_or_queued_on_a_full_disk_at_shutdown(path: Path, kept: Kept) -> None:
    """Proves the same where the disk stays full until the end: runs that fit are stored, others counted by reason."""
    _limit(kept.store, 1)
    kept.finish(*range(2, 60), inputs="x" * 5_000)
    until(lambda: kept.store.trouble is not None)
    assert kept.conserved(1)
    kept.store.close(1)
    assert kept.store.queue.wait_ended(20)
    kept.finish(70)
    assert kept.lost == {"shutdown_timeout": 59}
    assert kept.store.queue.queued == 0
    assert kept.conserved(len(ids(path)))


def test_run_that_is_refused_is_counted_once_also_when_the_store_closes(path: Path, kept: Kept) -> None:
    """Proves that a row that SQLite refuses for good is a `store_error`, those beside it are stored, and closing counts
    nothing twice.
    """
    backend = kept.store.backend
    assert isinstance(backend, SqliteStore)
    with backend.transaction() as transaction:
        transaction.run(
            "CREATE TRIGGER refuse BEFORE INSERT ON executions WHEN NEW.execution_id = 'exec-000005'"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    kept.finish(*range(2, 10))
    assert kept.store.flush()
    assert "refused" in str(kept.store.trouble)
    kept.store.close()
    assert kept.lost == {"store_error": 1}
    assert kept.conserved(len(ids(path)))
