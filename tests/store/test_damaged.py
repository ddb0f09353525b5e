"""Invalid values: refused when written, skipped and named when read; files that are malformed."""

import sqlite3
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli as ael
from ael_otel.cli import trace as cli
from ael_otel.errors import StoreDamagedError
from ael_otel.store import RunQuery, StoreError, StoreNotFoundError
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.owner import this_process
from ael_otel.store.repair import faults, repair
from ael_otel.store.sql import SqlBackend
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import call, run, step

DATABASES = ("sqlite", "postgresql")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"status": "done"}, "status and type are ('done', 'workflow')"),
        ({"type": ["x"]}, "status and type are ('completed', ['x'])"),
        ({"steps": [step("greet", status="ok")]}, "status and type of step greet are ('ok', 'tool')"),
        ({"steps": [step("greet", step_type="x")]}, "status and type of step greet are ('completed', 'x')"),
        ({"steps": [step(tool_calls=[call(status="odd")])]}, "of call c1 of echo are ('odd', 'tool_step')"),
        ({"tool_calls": [call(source="odd")]}, "of call c1 of echo are ('success', 'odd')"),
    ],
)
def test_invalid_status_or_type_is_refused_when_written(
    store: Any, facts: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that a value outside a closed set does not get into any store; the message names run, place and value. A
    store that is fed in the background logs it and continues.
    """
    for write in (store.finish_execution, lambda record: store.put([record])):
        if isinstance(store, QueuedStore):
            write(run(7, **facts))
            assert words in caplog.text
        else:
            with pytest.raises(StoreError) as raised:
                write(run(7, **facts))
            assert words in str(raised.value)
            assert "exec-000007" in str(raised.value)
    store.finish_execution(run(8))
    assert store.flush()
    assert [each.execution_id for each in store.query(RunQuery()).runs] == ["exec-000008"]


def test_invalid_status_is_counted_by_a_background_store(tmp_path: Path) -> None:
    """Proves that a record that cannot be stored is a `store_error`."""
    lost: list[tuple[str, int]] = []
    store = QueuedStore(lambda: SqliteStore(tmp_path / "t.db"), on_drop=lambda *loss: lost.append(loss))
    store.finish_execution(run(1, status="done"))
    store.close()
    assert lost == [("store_error", 1)]


def _run(store: SqlBackend, sql: str, number: int) -> None:
    with store.transaction() as transaction:
        transaction.run(f"{sql} WHERE execution_id = ?", [f"exec-{number:06}"])


@pytest.fixture
def sql_store(store: Any) -> SqlBackend:
    """A store in a database, with runs 1 to 9."""
    assert isinstance(store, SqlBackend)
    store.put(run(number) for number in range(1, 10))
    return store


@pytest.mark.parametrize("make_store", DATABASES, indirect=True)
def test_row_with_an_invalid_status_is_skipped_reported_and_counted_by_every_reader(
    sql_store: SqlBackend,
) -> None:
    """Proves list (in pages too), export and statistics give the eight others, each naming the damaged one."""
    _run(sql_store, "UPDATE executions SET status = 'done'", 5)
    with sql_store.transaction() as transaction:
        transaction.run(
            "UPDATE bodies SET body = replace(body, '\"completed\"', '\"done\"') WHERE execution = 5"
        )
    others = [f"exec-{number:06}" for number in (9, 8, 7, 6, 4, 3, 2, 1)]

    def named() -> bool:
        found = list(sql_store.damaged) == ["exec-000005"] and "done" in sql_store.damaged["exec-000005"]
        sql_store.damaged.clear()
        return found

    assert [each.execution_id for each in sql_store.query(RunQuery(limit=None)).runs] == others
    assert named()
    pages, cursor = [], None
    while True:
        page = sql_store.query(RunQuery(limit=3, cursor=cursor))
        pages.append([each.execution_id for each in page.runs])
        cursor = page.cursor
        if cursor is None:
            break
    assert pages == [others[:3], others[3:6], others[6:]]
    assert named()
    assert [each.execution_id for each in sql_store.iterate(RunQuery(limit=None))] == others
    assert named()
    for by in ("workflow", "day"):
        assert [row.count for row in sql_store.stats(by, RunQuery())] == [8]
        assert named()


@pytest.mark.parametrize("make_store", DATABASES, indirect=True)
def test_call_with_an_invalid_status_is_left_out_of_statistics_by_tool(sql_store: SqlBackend) -> None:
    """Proves that the run of a damaged call is named, and that the other calls are summed up."""
    with sql_store.transaction() as transaction:
        transaction.run("UPDATE tool_calls SET status = 'odd' WHERE execution = 5")
    for query in (RunQuery(), RunQuery(tool="echo"), RunQuery(workflow="hello")):
        assert [row.count for row in sql_store.stats("tool", query)] == [8]
        assert list(sql_store.damaged) == ["exec-000005"]
        sql_store.damaged.clear()


def test_text_in_a_column_of_numbers_is_skipped(tmp_path: Path) -> None:
    """Proves the same for values that SQLite accepts in any column, also at the beginning of the order."""
    store = SqliteStore(tmp_path / "t.db")
    store.put(run(number) for number in range(1, 10))
    _run(store, "UPDATE executions SET started_us = 'yesterday'", 5)
    _run(store, "UPDATE executions SET completed_us = 9000000000000000000", 6)
    others = [f"exec-{number:06}" for number in (9, 8, 7, 4, 3, 2, 1)]
    assert [each.execution_id for each in store.query(RunQuery(limit=7)).runs] == others
    assert sorted(store.damaged) == ["exec-000005", "exec-000006"]
    assert [each.execution_id for each in store.iterate(RunQuery(limit=None))] == others
    assert [row.count for row in store.stats("workflow", RunQuery())] == [8]
    store.close()


# --- a malformed file -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema_pages(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The size of a store without a run: the schema and the root of each table, which come first in every file."""
    return _filled(tmp_path_factory.mktemp("empty") / "t.db", 0)


def _filled(path: Path, count: int = 300) -> int:
    """Make a store with that many runs, without a log; returns its size in pages."""
    store = SqliteStore(path)
    store.put(run(number) for number in range(1, count + 1))
    store.close()
    return path.stat().st_size // 4096


def _overwrite(path: Path, first: int, count: int) -> None:
    """Damage pages, counted from 1 as SQLite does."""
    with path.open("r+b") as file:
        file.seek((first - 1) * 4096)
        file.write(b"\xa5" * 4096 * count)


@pytest.mark.parametrize(
    "damage",
    [
        "executions SET workflow_name = CAST(X'fffe' AS TEXT)",
        "executions SET error_message = CAST(X'fffe' AS TEXT)",
        "executions SET trace_id = CAST(X'ff' AS TEXT)",
        "executions SET started_us = 9223372036854775807",
        "executions SET started_us = 'x'",
        "executions SET duration_us = 1e400",
        "bodies SET body = CAST(X'7bff' AS TEXT)",
        "bodies SET body = X'00ff'",
    ],
)
def test_no_value_in_a_damaged_row_hides_the_other_runs(tmp_path: Path, damage: str) -> None:
    """Proves for text that is not UTF-8, bytes, and times that are none, that every reader skips the run."""
    path = tmp_path / "telemetry.db"
    store = SqliteStore(path)
    store.put(run(each) for each in (1, 2, 3))
    store.close()
    with sqlite3.connect(path) as connection:
        key = "id" if damage.startswith("executions") else "execution"
        connection.execute(f"UPDATE {damage} WHERE {key} = 2")
    connection.close()
    store = SqliteStore(path, create=False)
    others = ["exec-000003", "exec-000001"]
    assert [each.execution_id for each in store.iterate(RunQuery())] == others
    assert list(store.damaged) == ["exec-000002"]
    listed = [each.execution_id for each in store.query(RunQuery()).runs]
    assert listed in (others, ["exec-000003", "exec-000002", "exec-000001"])
    for by in ("workflow", "tool", "day"):
        assert sum(row.count for row in store.stats(by, RunQuery())) in (2, 3)
    assert store.errors(RunQuery()) == []
    assert b"exec-000001" in b"".join(store.export("json", RunQuery()))
    newest = store.info().newest
    assert newest is not None
    assert newest <= run(3).started_at
    assert store.delete(["exec-000002"]).executions == 1
    store.close()


def test_unreadable_owner_does_not_block_readers(tmp_path: Path) -> None:
    """Proves that a run whose owner is not text counts as interrupted, and that the store opens for readers."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([run(1, status="running", completed_at=None, owner="x")])
    with store.transaction() as transaction:
        transaction.run("UPDATE executions SET owner = CAST(X'ff' AS TEXT)")
    assert store.mark_interrupted() == ["exec-000001"]
    store.close()


def test_damaged_run_of_a_dead_process_can_be_deleted(tmp_path: Path) -> None:
    """Proves that an unreadable run, whose process was killed, does not stay in flight for ever."""
    store = SqliteStore(tmp_path / "telemetry.db")
    dead = this_process().rpartition("/")[0].rpartition("/")[0] + "/4194305/1"
    store.put([run(1, status="running", completed_at=None, owner=dead)])
    with store.transaction() as transaction:
        transaction.run("UPDATE bodies SET body = '{'")
    assert store.mark_interrupted() == ["exec-000001"]
    assert store.mark_interrupted() == []
    assert store.delete(["exec-000001"]).executions == 1
    store.close()


def test_malformed_file_is_reported_with_a_remedy(tmp_path: Path, schema_pages: int) -> None:
    """Proves that readers and writers of a file with damaged pages name the command that helps."""
    path = tmp_path / "t.db"
    pages = _filled(path)
    # The pages of the schema would keep the file from being opened.
    _overwrite(path, schema_pages + 1, pages - schema_pages - 8)
    store = SqliteStore(path)
    with pytest.raises(StoreDamagedError, match="malformed; `ael trace repair` copies what can be read"):
        list(store.iterate(RunQuery(limit=None)))
    store.close()
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreDamagedError, match="not a database; `ael trace repair`"):
        SqliteStore(path)


def test_repair_of_a_sound_store_copies_all_of_it(tmp_path: Path) -> None:
    """Proves a copy with each record, also those that are only in the log, for this user only; the source stays."""
    path, target = tmp_path / "t.db", tmp_path / "new.db"
    store = SqliteStore(path)
    store.put(run(number) for number in range(1, 40))
    before = path.read_bytes()
    assert repair(path, target) == (39, [], True)
    assert path.read_bytes() == before
    store.close()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = SqliteStore(target, create=False)
    assert sorted(copy.iterate(RunQuery(limit=None)), key=lambda each: each.execution_id) == [
        run(number) for number in range(1, 40)
    ]
    copy.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new.db", "t.db"]


def test_repair_copies_readable_runs_and_names_the_rest(tmp_path: Path, schema_pages: int) -> None:
    """Proves for damage at each place of a file that copied runs are whole and equal, others are named, and that
    together they are all runs wherever an index or table still names them.
    """
    whole = tmp_path / "whole.db"
    pages = _filled(whole)
    most = 0
    for first in range(2, pages, max(1, pages // 12)):
        path, target = tmp_path / f"{first}.db", tmp_path / f"{first}.new.db"
        path.write_bytes(whole.read_bytes())
        _overwrite(path, first, 3)
        try:
            copied, unreadable, complete = repair(path, target)
        except StoreDamagedError:
            assert first <= schema_pages, "only where the schema or the root of the table of records is lost"
            assert not target.exists()
            continue
        copy = SqliteStore(target, create=False)
        found = list(copy.iterate(RunQuery(limit=None)))
        copy.close()
        assert len(found) == copied
        assert all(each == run(int(each.execution_id[5:])) for each in found)
        assert copied + len(unreadable) == 300 or not complete
        most = max(most, copied)
    assert most >= 290


def test_repair_skips_records_that_do_not_read(tmp_path: Path) -> None:
    """Proves that a made-up status and a broken document are named by execution id."""
    path = tmp_path / "t.db"
    _filled(path, 9)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE bodies SET body = '{nope' WHERE execution = 3")
    connection.execute(
        "UPDATE bodies SET body = replace(body, '\"completed\"', '\"done\"') WHERE execution = 4"
    )
    connection.execute("UPDATE bodies SET body = CAST(x'ff00' AS TEXT) WHERE execution = 5")
    connection.commit()
    connection.close()
    assert repair(path, tmp_path / "new.db") == (6, ["exec-000003", "exec-000004", "exec-000005"], True)


def test_check_finds_an_index_that_misses_rows(tmp_path: Path) -> None:
    """Proves that runs which an index hides from readers are noticed, and that repair copies them."""
    path = tmp_path / "telemetry.db"
    _filled(path, 40)
    ask = partial(CliRunner().invoke, cli.command)
    sound = ask(["repair", "--check", "--db", str(path)])
    assert (sound.exit_code, sound.stdout) == (0, f"{path} is sound.\n")
    index = "executions_by_time"
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", (index,)).fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = ?", (index,))
    connection.commit()
    connection.close()
    # The index is not there while the rows move: it still has their old places, and not the new ones.
    connection = sqlite3.connect(path)
    connection.execute("UPDATE executions SET started_us = started_us - 10000000000 WHERE id % 10 = 0")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    damaged = ask(["repair", "--check", "--db", str(path)])
    assert damaged.exit_code == 1
    assert damaged.stdout.count(f"missing from index {index}") == 4
    assert f"{path} is damaged; `ael trace repair` copies" in damaged.stderr
    assert repair(path, tmp_path / "new.db") == (40, [], True)
    assert faults(tmp_path / "new.db") == []


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_check_of_no_store_names_the_reason(tmp_path: Path, content: bytes) -> None:
    """Proves the answers about an empty file, another one, and none."""
    path = tmp_path / "t.db"
    with pytest.raises(StoreNotFoundError):
        faults(path)
    path.write_bytes(content)
    assert faults(path) == (["file is not a database"] if content else [])


def test_repair_ends_where_a_number_is_damaged(tmp_path: Path) -> None:
    """Proves that a run whose number is astronomical or negative, as a flipped byte makes one, is copied or named, and
    that the numbers up to it are not all tried.
    """
    path = tmp_path / "t.db"
    _filled(path, 4)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = OFF")
    for number, damaged in ((4, 2**62), (3, -7)):
        connection.execute("UPDATE executions SET id = ? WHERE id = ?", (damaged, number))
    connection.execute("UPDATE bodies SET execution = ? WHERE execution = 4", (2**62,))
    connection.commit()
    connection.close()
    copied, unreadable, _ = repair(path, tmp_path / "new.db")
    assert (copied, unreadable) == (4, ["exec-000003"])


def test_text_of_the_schema_that_is_not_utf_8_is_a_damaged_file(tmp_path: Path) -> None:
    """Proves one line with the way out, and no byte of the file, where SQLite's own message cannot be decoded, and
    where a verb reads a text that is not UTF-8.
    """
    path = tmp_path / "t.db"
    _filled(path, 3)
    whole = path.read_bytes()
    broken = whole.replace(b"CREATE TABLE bodies", b"CREATE TABLE bodi((").replace(
        b"tablebodies", b"tableb\xa5\xc8\xffes"
    )
    assert len(broken) == len(whole)
    path.write_bytes(broken)
    with pytest.raises(StoreDamagedError, match="a text in it is not UTF-8; `ael trace repair`"):
        SqliteStore(path, create=False).count(RunQuery())
    path.write_bytes(whole)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE bodies SET body = CAST(x'686964646e00ff' AS TEXT) WHERE execution = 2")
    connection.commit()
    connection.close()
    done = CliRunner().invoke(ael, ["privacy", "scan", str(path)])
    assert (done.exit_code, "hidd" in done.output) == (1, False)
    assert "a text in it is not UTF-8; `ael trace repair`" in done.output


@pytest.mark.parametrize("make_store", DATABASES, indirect=True)
def test_figures_of_another_program_fit_every_backend(sql_store: SqlBackend) -> None:
    """Proves that huge durations and attempts are stored clamped, and hide no other run."""
    odd = run(1, duration_ms=1e308)
    odd.steps[0].attempt = 2**63
    odd.steps[0].tool_calls[0].duration_ms = float("nan")
    odd.steps[0].tool_calls[0].sequence = 2**70
    sql_store.put([odd, run(2)])
    query = RunQuery(ids=("exec-000001", "exec-000002"))
    assert [each.execution_id for each in sql_store.query(query).runs] == ["exec-000002", "exec-000001"]
    assert len(sql_store.stats("tool", query)) == 1


def test_repair_overwrites_nothing_and_needs_a_store(tmp_path: Path) -> None:
    """Proves the refusals: an existing target, no source, nothing readable; none leaves a file."""
    path, target = tmp_path / "t.db", tmp_path / "new.db"
    with pytest.raises(StoreNotFoundError, match="no runs have been recorded"):
        repair(path, target)
    _filled(path, 9)
    target.write_text("mine")
    with pytest.raises(StoreError, match=r"new\.db exists already and is not overwritten"):
        repair(path, target)
    assert target.read_text() == "mine"
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    with pytest.raises(StoreDamagedError, match="no content can be read"):
        repair(path, tmp_path / "other.db")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new.db", "t.db"]


def test_repair_verb_reports_the_copy_and_the_missing_runs(tmp_path: Path) -> None:
    """Proves output, names and exit codes of `ael trace repair`, and the warning of a verb that skips a run."""
    path = tmp_path / "telemetry.db"
    _filled(path, 9)
    ask = partial(CliRunner().invoke, cli.command)
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE bodies SET body = replace(body, '\"completed\"', '\"done\"') WHERE execution = 4"
    )
    connection.commit()
    connection.close()
    done = ask(["export", "--all", "--format", "jsonl", "--db", str(path)])
    assert (done.exit_code, done.stdout.count("\n")) == (0, 8)
    assert "1 damaged run could not be read: exec-000004" in done.stderr
    assert "`ael trace repair`" in done.stderr
    done = ask(["repair", "--db", str(path)])
    target = tmp_path / "telemetry.repaired.db"
    assert (done.exit_code, done.stdout) == (1, f"Copied 8 runs from {path} to {target}.\n")
    assert "1 run could not be read: exec-000004" in done.stderr
    again = ask(["repair", "--db", str(path)])
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    assert ask(["repair", "--db", str(target), "--output", str(tmp_path / "b.db")]).exit_code == 0
    assert ask(["repair", "--db", str(tmp_path / "none.db")]).exit_code == 3
