"""A store of schema 5, which knows no model calls: migrated by `ael cost`, with its runs, and then it has them."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.store import ExecutionRecord
from ael_otel.store.migrations import SCHEMA_VERSION, SQLITE, statements
from ael_otel.store.records import ModelCallRecord
from ael_otel.store.sqlite import SqliteStore
from tests.support.version_0_1_0 import ENDED, KILLED, write_store
from tests.unit.cli.trace.runs import ael

FIFTH = 5
BODIES = "SELECT execution_id, body FROM executions JOIN bodies ON execution = id ORDER BY id"


def write_fifth(path: Path) -> Path:
    """Write the file that a version with schema 5 had: runs of the first version, and a session."""
    write_store(path)
    with closing(sqlite3.connect(path)) as connection:
        for number, step in statements(SQLITE, 3):
            if number > FIFTH:
                break
            for sql in step:
                connection.execute(sql)
            connection.execute(
                "INSERT INTO ael_versions (version, written_by) VALUES (?, ?)", (number, "0.2.0.dev1")
            )
            connection.execute(f"PRAGMA user_version = {number}")
        connection.commit()
    return path


@pytest.fixture
def fifth(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That store as the one that `ael` opens."""
    path = write_fifth(place / "fifth.db")
    monkeypatch.setenv("AEL_TELEMETRY_DB", str(path))
    monkeypatch.setenv("COLUMNS", "160")
    return path


def read(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_store_of_schema_5_is_migrated_with_its_runs(fifth: Path) -> None:
    """Proves that the file gets the step of model calls only, names who wrote each step, and keeps every run."""
    before = read(fifth, BODIES)
    assert read(fifth, "PRAGMA user_version") == [(FIFTH,)]
    assert ael("list").exit_code == 0
    assert read(fifth, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    written_by = dict(read(fifth, "SELECT version, written_by FROM ael_versions"))
    assert [written_by[number] for number in (3, 4, 5)] == ["0.1.0", "0.2.0.dev1", "0.2.0.dev1"]
    assert set(written_by) == set(range(1, SCHEMA_VERSION + 1))
    after = read(fifth, BODIES)
    assert [each for each in after if each[0] != KILLED] == [each for each in before if each[0] != KILLED]
    assert {name for name, _ in after} == {*ENDED, KILLED}


def test_runs_of_schema_5_have_no_model_calls_and_new_ones_have(fifth: Path) -> None:
    """Proves that old runs count as runs without model calls, and that the file takes new ones."""
    assert "No model calls" in ael_cost()
    store = SqliteStore(fifth)
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    call = ModelCallRecord(
        "span", at, "m-1", "house", input_tokens=100, output_tokens=10, cost_nano=1_500, currency="USD"
    )
    call.cost_source = "table"
    store.put([ExecutionRecord("exec-new", "workflow", "completed", at, "order", model_calls=[call])])
    store.close()
    (row,) = json.loads(ael_cost("--output", "json"))["rows"]
    assert (row["key"], row["calls"], row["cost"][0]["nano"]) == ("m-1", 1, 1_500)
    kept = json.loads(ael("list", "--output", "json", "--limit", "50").stdout)
    assert {run["execution_id"] for run in kept} == {*ENDED, KILLED, "exec-new"}


def ael_cost(*arguments: str) -> str:
    """The output of `ael cost`."""
    done = CliRunner().invoke(cli, ["cost", *arguments], prog_name="ael")
    assert done.exit_code == 0, done.stderr
    return done.stdout
