"""Columns go by name from a record to a row, to a table and to a summary."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ael_otel.store import MemoryStore, RunQuery
from ael_otel.store.content import TRUNCATED
from ael_otel.store.database import Victim
from ael_otel.store.query import ExecutionSummary
from ael_otel.store.rows import CALL_COLUMNS, COLUMNS, SUMMARY, row_of, selected
from ael_otel.store.sqlite import SqliteStore
from tests.support.store_columns import missing, sample, tables_of


def test_tables_and_code_agree(tmp_path: Path) -> None:
    """The check above, on the package itself."""
    with closing(SqliteStore(tmp_path / "telemetry.db")) as store:
        assert list(missing(tables_of(store))) == []


def test_values_are_in_the_columns_of_their_names(tmp_path: Path) -> None:
    """Each column of a run and of a call, read by name, holds its own value; all of them differ."""
    record = sample(1)
    expected = {
        "execution_id": "exec-1",
        "type": "workflow",
        "status": "failed",
        "workflow_name": "workflow-1",
        "workflow_version": "version-1",
        "started_us": 1_772_366_460_000_000,
        "completed_us": 1_772_366_501_000_000,
        "duration_us": 41_000_500,
        "error_code": "E1",
        "error_message": "message 1",
        "caller_id": "caller-1",
        "session_id": "session-1",
        "trace_id": "1" * 32,
        "steps": 3,
        "failed": 1,
        "skipped": 2,
        "retries": 2,
        "tool_calls": 1,
        "bytes": len(row_of(record).body),
        "owner": "owner-1",
    }
    assert set(expected) == set(COLUMNS)
    with closing(SqliteStore(tmp_path / "telemetry.db")) as store:
        store.put([record])
        found = {name: store.read(f"SELECT {name} FROM executions")[0][0] for name in COLUMNS}  # noqa: S608
        assert found == expected
        call = {name: store.read(f"SELECT {name} FROM tool_calls")[0][0] for name in CALL_COLUMNS}  # noqa: S608
        assert call == {"tool_name": "echo", "status": "success", "duration_us": 7_000, "bytes": 4}
        in_sqlite = store.query(RunQuery()).runs
    memory = MemoryStore()
    memory.put([record])
    assert in_sqlite == memory.query(RunQuery()).runs
    (summary,) = in_sqlite
    read = {name: getattr(summary, name) for name in ExecutionSummary.__struct_fields__}
    assert read["started_at"] == record.started_at
    assert read["completed_at"] == record.completed_at
    assert read["duration_ms"] == record.duration_ms
    same = [
        name
        for name, column in zip(ExecutionSummary.__struct_fields__, SUMMARY, strict=True)
        if name == column
    ]
    assert {name: read[name] for name in same} == {name: expected[name] for name in same}


def test_select_of_other_names_than_the_fields_is_refused() -> None:
    """A statement that reads a tuple by position names each of its fields, or it is not made."""
    with pytest.raises(
        TypeError, match="Victim is read by the names of its fields, but these differ: bytes, size"
    ):
        selected(
            Victim,
            id="id",
            execution_id="execution_id",
            started_us="started_us",
            trace_id="trace_id",
            size="bytes",
        )


def test_size_of_an_agents_result_is_the_one_before_it_was_cut() -> None:
    """A result is a Python value or, as a run leaves it, encoded JSON; either may have been cut to fit the store."""
    record = sample(1)
    (call,) = record.steps[0].tool_calls
    call.source = "direct"
    cut = {TRUNCATED: {"bytes": 9_000}, "preview": "x"}
    for result, size in ((["abc"], len('["abc"]')), (cut, 9_000)):
        for held in (result, msgspec.Raw(msgspec.json.encode(result))):
            call.result = held
            (row,) = row_of(record).calls
            assert row[-1] == size, held
