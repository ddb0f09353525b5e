"""Values that no reader knows: refused when written, skipped and named when read; files that are malformed."""

from pathlib import Path
from typing import Any

import pytest

from ael_otel.store import RunQuery, StoreError
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.memory import MemoryStore
from ael_otel.store.sql import SqlBackend
from tests.store.making import call, run, step


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
def test_made_up_status_or_type_is_refused_when_written(
    store: Any, facts: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that a value outside a closed set does not get into any store; the message names run, place and value. A
    store that is fed in the background logs it and goes on.
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


def test_made_up_status_is_counted_by_a_store_that_is_fed(tmp_path: Path) -> None:
    """Proves that a record that cannot be kept is a `store_error`."""
    from ael_otel.store.sqlite import SqliteStore

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
    if isinstance(store, MemoryStore):
        pytest.skip("nobody can damage memory")
    if isinstance(store, QueuedStore):
        pytest.skip("its readers are those of the store behind it")
    assert isinstance(store, SqlBackend)
    store.put(run(number) for number in range(1, 10))
    return store


def test_row_with_a_made_up_status_is_skipped_named_and_counted_by_every_reader(
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


def test_call_with_a_made_up_status_is_left_out_of_statistics_by_tool(sql_store: SqlBackend) -> None:
    """Proves that the run of a damaged call is named, and that the other calls are summed up."""
    with sql_store.transaction() as transaction:
        transaction.run("UPDATE tool_calls SET status = 'odd' WHERE execution = 5")
    for query in (RunQuery(), RunQuery(tool="echo"), RunQuery(workflow="hello")):
        assert [row.count for row in sql_store.stats("tool", query)] == [8]
        assert list(sql_store.damaged) == ["exec-000005"]
        sql_store.damaged.clear()


def test_text_in_a_column_of_numbers_is_skipped(tmp_path: Path) -> None:
    """Proves the same for what SQLite takes in any column, at the beginning of the order too."""
    from ael_otel.store.sqlite import SqliteStore

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
