"""The SQLite store only: its file, its versions, several processes, and that deleted runs are erased."""

# ruff: noqa: S608 - statements are made of names of this file

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ael_otel import __version__
from ael_otel.store import RunQuery, SchemaTooNewError, StoreError, StoreNotFoundError
from ael_otel.store.migrations import SCHEMA_VERSION, statements
from ael_otel.store.owner import this_process
from ael_otel.store.sqlite import APPLICATION_ID, SqliteStore
from tests.store.making import START, call, run, step

SPAWN = multiprocessing.get_context("spawn")


def raw(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the file itself."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# --- the file ---------------------------------------------------------------------------------------------------------


def test_only_this_user_can_read_the_files(tmp_path: Path) -> None:
    """Proves mode 0600 of database, log and shared memory and 0700 of the folder, for any umask."""
    before = os.umask(0)
    try:
        path = tmp_path / "project" / ".ael" / "telemetry.db"
        store = SqliteStore(path)
        store.complete_execution(run())
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("telemetry.db*")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("telemetry.db", "telemetry.db-wal", "telemetry.db-shm"), 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text("ascii") == "*\n"
    store.close()


def test_the_settings_of_the_file_are_those_that_the_design_rests_on(tmp_path: Path) -> None:
    """Proves WAL, incremental vacuum, foreign keys, zeroing of replaced data, and our mark in the header."""
    store = SqliteStore(tmp_path / "telemetry.db")
    names = ("journal_mode", "auto_vacuum", "foreign_keys", "synchronous", "secure_delete", "application_id")
    found = [store.read(f"PRAGMA {name}")[0][0] for name in names]
    assert found == ["wal", 2, 1, 1, 1, APPLICATION_ID]
    store.close()


def test_child_rows_are_deleted_with_their_run_by_an_index(tmp_path: Path) -> None:
    """Proves that deleting a run searches no table: each reference to it is the beginning of a key."""
    store = SqliteStore(tmp_path / "telemetry.db")
    for table in ("bodies", "tool_calls", "errors"):
        (plan,) = store.read(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE execution = 1")
        assert "SEARCH" in plan[3]
        assert store.read(f"PRAGMA foreign_key_list({table})")[0][6] == "CASCADE"
    store.put([run(1)])
    store.remove(["exec-000001"])
    assert [
        store.read(f"SELECT count(*) FROM {table}")[0][0] for table in ("executions", "bodies", "tool_calls")
    ] == [0] * 3
    store.close()


def test_a_person_can_ask_the_file_with_any_tool(tmp_path: Path) -> None:
    """Proves that runs, steps and calls are tables and views that plain SQL reads, the body JSON functions."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([run(1), run(2, workflow_name="mixed")])
    assert raw(
        store.path, "SELECT workflow_name, step_id, status, tool_name FROM steps ORDER BY execution_id"
    ) == [
        ("hello", "greet", "completed", "echo"),
        ("mixed", "greet", "completed", "echo"),
    ]
    assert raw(store.path, "SELECT body ->> '$.outputs.greeting' FROM bodies LIMIT 1") == [("hello Ada",)]
    assert raw(store.path, "SELECT tool_name, count(*) FROM tool_calls GROUP BY 1") == [("echo", 2)]
    store.close()


def test_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    """Proves the errors for no file, a file that is not a database, a foreign database, and a folder in its place."""
    with pytest.raises(StoreNotFoundError, match="no runs have been recorded here yet"):
        SqliteStore(tmp_path / "nothing.db", create=False)
    assert not (tmp_path / "nothing.db").exists()
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        SqliteStore(tmp_path / "text.db")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreError, match="is the database of another program"):
        SqliteStore(tmp_path / "other.db")
    assert raw(tmp_path / "other.db", "SELECT count(*) FROM sqlite_master") == [(1,)]
    (tmp_path / "folder.db").mkdir()
    for create in (True, False):
        with pytest.raises(StoreError, match="is a folder; the run store is a file"):
            SqliteStore(tmp_path / "folder.db", create=create)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreNotFoundError, match="no runs have been recorded here yet"):
        SqliteStore(tmp_path / "empty.db", create=False)
    assert not (tmp_path / "empty.db").stat().st_size


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    """Proves that asking for a record that no longer reads is an error with the run's id, that readers of many skip and
    name it, and that the others are there.
    """
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([run(1), run(2)])
    with store.transaction() as transaction:
        transaction.run("UPDATE bodies SET body = '{nope' WHERE execution = 1")
    assert list(store.iterate(RunQuery(limit=None))) == [run(2)]
    assert list(store.damaged) == ["exec-000001"]
    with pytest.raises(StoreError, match="the record of run exec-000001 is damaged"):
        store.get("exec-000001")
    assert store.get("exec-000002") == run(2)
    assert len(store.query(RunQuery()).runs) == 2
    store.close()


def _look_as_somebody_else(path: Path, answers: "multiprocessing.Queue[object]") -> None:
    if os.getuid() == 0:  # who may write everything
        os.setgid(65534)
        os.setuid(65534)
    try:
        store = SqliteStore(path, create=False)
        store.mark_interrupted()
        found = [each.execution_id for each in store.query(RunQuery()).runs]
        pruned = ""
        try:
            store.prune(older_than=START + timedelta(days=9))
        except StoreError as error:
            pruned = str(error)
        answers.put((found, store.get(found[0]) == run(2), "readonly" in pruned))
        store.close()
    except Exception as error:  # noqa: BLE001 - the answer
        answers.put(repr(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork, no other user")
@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_user_without_write_permission_can_read(open_elsewhere: bool) -> None:
    """Proves that a read-only file can be listed and printed, also while its owner has it open, that no file is created
    beside it, and that deleting is refused.
    """
    # Not pytest's folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "telemetry.db"
        store = SqliteStore(path)
        store.put([run(1), run(2)])
        if not open_elsewhere:
            store.close()
        before = sorted(each.name for each in folder.iterdir())
        for each in folder.iterdir():
            each.chmod(0o444)
        folder.chmod(0o555)
        try:
            fork = multiprocessing.get_context("fork")
            answers = fork.Queue()
            other = fork.Process(target=_look_as_somebody_else, args=(path, answers))
            other.start()
            assert answers.get(timeout=30) == (["exec-000002", "exec-000001"], True, True)
            other.join()
            assert sorted(each.name for each in folder.iterdir()) == before
        finally:
            folder.chmod(0o700)
            store.close()


def test_runs_that_a_reader_keeps_in_the_wal_are_reported_and_erased_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that pruning beside an open read transaction reports that SQLite's log still holds deleted runs, and that
    the next prune, which has nothing to delete, erases them.
    """
    path = tmp_path / ".ael" / "telemetry.db"
    monkeypatch.setattr("ael_otel.store.sqlite.BUSY_S", 0.1)
    store = SqliteStore(path)
    store.put([run(1, inputs={"who": SECRET}), run(2, started_at=START + timedelta(days=9))])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    cutoff = START + timedelta(days=5)
    report = store.prune(older_than=cutoff)
    assert (report.executions, report.forgotten, store.forgotten) == (1, False, False)
    assert SECRET.encode() in _bytes_below(path.parent)
    reader.close()
    report = store.prune(older_than=cutoff)
    assert (report.executions, report.forgotten, store.forgotten) == (0, True, True)
    assert SECRET.encode() not in _bytes_below(path.parent)
    store.close()


def test_closed_store_is_reported(tmp_path: Path) -> None:
    """Proves that use after `close` is a StoreError, not one of sqlite3."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.close()
    with pytest.raises(StoreError, match="has been closed"):
        store.query(RunQuery())


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_by_name_of_the_version_that_wrote_it(tmp_path: Path) -> None:
    """Proves that a file of a later version is not changed, and that the message names the version that reads it."""
    path = tmp_path / "telemetry.db"
    SqliteStore(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO ael_versions VALUES (?, '7.8.9')", [SCHEMA_VERSION + 4])
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 4}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaTooNewError) as raised:
        SqliteStore(path)
    assert f"schema {SCHEMA_VERSION + 4}, but ael-otel {__version__}" in str(raised.value)
    assert "install ael-otel 7.8.9 or later" in str(raised.value)
    assert path.read_bytes() == before


def test_an_interrupted_migration_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that schema and version change together or not at all, and that the next opener does it again."""
    from ael_otel.store import sqlite

    path = tmp_path / "telemetry.db"
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite, "statements", lambda *_: [(1, ["CREATE TABLE half (x)", "CREATE TABLE half (x)"])]
        )
        with pytest.raises(StoreError, match="half already exists"):
            SqliteStore(path)
    assert raw(path, "SELECT count(*) FROM sqlite_master") == [(0,)]
    SqliteStore(path).close()
    versions = [(number, __version__) for number in range(1, SCHEMA_VERSION + 1)]
    assert raw(path, "SELECT version, written_by FROM ael_versions") == versions


def test_an_older_schema_becomes_the_present_one_with_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that a file which the first schema wrote gets each later step once, and loses nothing."""
    from ael_otel.store import sqlite

    path = tmp_path / "telemetry.db"
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite,
            "statements",
            lambda dialect, applied: [step for step in statements(dialect, applied) if step[0] == 1],
        )
        SqliteStore(path).close()
    present = SqliteStore(tmp_path / "present.db")
    present.put(run(number) for number in range(3))
    present.close()
    # The present code writes columns that later steps add: the first schema gets those that it has.
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ATTACH ? AS present", [str(tmp_path / "present.db")])
        for table in ("executions", "bodies", "tool_calls", "errors"):
            names = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM present.{table}")
    assert raw(path, "PRAGMA user_version") == [(1,)]
    for _ in range(2):
        store = SqliteStore(path)
        assert store.count(RunQuery(tool="echo")) == 3
        plan = store.read("EXPLAIN QUERY PLAN SELECT execution FROM tool_calls WHERE tool_name = ?", ["echo"])
        store.close()
        assert "tool_calls_by_tool" in str(plan)
    assert raw(path, "SELECT version FROM ael_versions") == [(n,) for n in range(1, SCHEMA_VERSION + 1)]


def _open_and_write(path: Path, number: int, go: str, answers: "multiprocessing.Queue[str]") -> None:
    answers.put("ready")
    while not Path(go).exists():
        time.sleep(0.001)
    try:
        store = SqliteStore(path)
        store.complete_execution(run(number))
        store.close()
        answers.put("")
    except Exception as error:  # noqa: BLE001 - the answer
        answers.put(repr(error))


def test_processes_that_open_a_new_file_together_make_it_once(tmp_path: Path) -> None:
    """Proves that of six concurrent openers one migrates and all write."""
    path, go = tmp_path / "telemetry.db", tmp_path / "go"
    answers = SPAWN.Queue()
    workers = [SPAWN.Process(target=_open_and_write, args=(path, n, str(go), answers)) for n in range(6)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=60) for _ in workers] == ["ready"] * 6
    go.touch()
    assert [answers.get(timeout=60) for _ in workers] == [""] * 6
    for worker in workers:
        worker.join()
    assert raw(path, "SELECT count(*) FROM ael_versions") == [(SCHEMA_VERSION,)]
    assert raw(path, "SELECT count(*) FROM executions") == [(6,)]


def _write_many(path: Path, start: int, answers: "multiprocessing.Queue[str]") -> None:
    try:
        store = SqliteStore(path)
        for number in range(start, start + 150):
            store.start_execution(run(number, status="running"))
            store.complete_execution(run(number))
            if number % 50 == 0:
                store.prune(older_than=START - timedelta(days=1))
        store.close()
        answers.put("")
    except Exception as error:  # noqa: BLE001 - the answer
        answers.put(repr(error))


def test_four_processes_write_and_none_finds_the_database_locked(tmp_path: Path) -> None:
    """Proves that writers wait for each other: 1,200 transactions of four processes, a reader beside them, no error."""
    path = tmp_path / "telemetry.db"
    store = SqliteStore(path)
    answers = SPAWN.Queue()
    workers = [SPAWN.Process(target=_write_many, args=(path, n * 1000, answers)) for n in range(4)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        store.query(RunQuery())
        time.sleep(0.02)
    assert [answers.get(timeout=5) for _ in workers] == [""] * 4
    assert store.count(RunQuery(status="completed")) == 600
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


# --- processes that die -----------------------------------------------------------------------------------------------

_ENGINE = """
import signal, sys
from pathlib import Path
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run, step
store = QueuedStore(lambda: SqliteStore(Path(sys.argv[1])))
store.complete_execution(run(1))
record = run(2, status="running", completed_at=None, duration_ms=None, outputs=None, steps=[])
store.start_execution(record)
record.steps.append(step("first"))
store.complete_step(record, record.steps[0])
record.steps.append(step("second", status="running", duration_ms=None, tool_calls=[]))
store.start_step(record, record.steps[1])
signal.pause()
"""


def test_a_run_whose_engine_is_killed_is_marked_and_the_rest_can_be_read(tmp_path: Path) -> None:
    """Proves that after kill -9 in mid-run the file is sound, the run shows as interrupted, with the steps it had."""
    path = tmp_path / "telemetry.db"
    engine = subprocess.Popen([sys.executable, "-c", _ENGINE, str(path)], cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if path.exists() and raw(
                path, "SELECT count(*) FROM sqlite_master WHERE name = 'executions'"
            ) == [(1,)]:
                found = raw(path, "SELECT steps FROM executions WHERE status = 'running'")
                if found == [(2,)]:
                    break
        store = SqliteStore(path, create=False)
        assert store.mark_interrupted() == [], "its process still lives"
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    assert store.mark_interrupted() == ["exec-000002"]
    assert store.mark_interrupted() == []
    record = store.get("exec-000002")
    assert record is not None
    assert (record.status, record.error and record.error.code) == ("failed", "interrupted")
    assert [(each.step_id, each.status) for each in record.steps] == [
        ("first", "completed"),
        ("second", "failed"),
    ]
    assert record.completed_at is None
    assert store.query(RunQuery(error="interrupted")).runs[0].execution_id == "exec-000002"
    whole = store.get("exec-000001")
    assert whole is not None
    assert whole.status == "completed"
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_a_run_that_was_marked_too_early_may_still_end(tmp_path: Path) -> None:
    """Proves that the end recorded by the engine wins over the mark of a process that could not see it."""
    store = SqliteStore(tmp_path / "telemetry.db")
    gone = this_process().rpartition("/")[0].rpartition("/")[0] + "/4194999/1"
    store.start_execution(run(1, status="running", owner=gone))
    store.start_execution(run(2, status="running", owner=this_process()))
    assert store.mark_interrupted() == ["exec-000001"]
    store.complete_execution(run(1))
    found = store.get("exec-000001")
    assert found is not None
    assert (found.status, found.error) == ("completed", None)
    store.close()


# --- deleted is gone --------------------------------------------------------------------------------------------------

SECRET = "the-patient-is-called-Marigold"  # hygiene: made up


def _bytes_below(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file())


@pytest.mark.parametrize(("share", "longer"), [(2, 0), (10, 0), (2, 1), (2, 7), (3, 30)])
def test_pruned_runs_are_erased_from_disk(tmp_path: Path, share: int, longer: int) -> None:
    """Proves that no copy of a deleted name, parameter, result or message is left in database, log or shared memory:
    whole pages, parts of pages that stay, versions that were replaced while the run went on, index entries, and
    places from which rows of any length were moved to other pages.
    """
    path = tmp_path / ".ael" / "telemetry.db"
    store = SqliteStore(path)
    for number in range(1, 301):
        old = number % share == 0
        at = START - timedelta(days=40 if old else 1) + timedelta(seconds=number)
        text = (f"{SECRET} {number}" if old else f"harmless {number}") + "." * longer
        name = f"{text[:30]}-{number:05d}"
        facts = {
            "started_at": at,
            "execution_id": name,
            "workflow_name": text,
            "caller_id": text,
            "trace_id": name,
            "metadata": {"session_id": text},
            "inputs": {"small": text},
        }
        steps = [
            step(
                text,
                tool_calls=[call(text, at=at, params={"p": text * 20}, result=text * (1 + number % 400))],
            )
        ]
        store.start_execution(run(number, status="running", steps=[], **facts))
        store.start_execution(run(number, status="running", steps=steps, **facts))
        store.complete_execution(run(number, steps=steps, **facts))
    assert SECRET.encode() in _bytes_below(path.parent)
    before = store.info().bytes
    report = store.prune(older_than=START - timedelta(days=30))
    assert report.executions == 300 // share
    assert SECRET.encode() not in _bytes_below(path.parent)
    assert Path(f"{path}-wal").stat().st_size == 0
    assert store.info().bytes < before
    assert report.bytes > 0
    assert store.count(RunQuery(text="harmless")) == 300 - 300 // share
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    store.close()
    assert SECRET.encode() not in _bytes_below(path.parent)
