"""`ael trace` with a store that 0.1.0 wrote: migrated, listed, shown, counted, exported, deleted and pruned."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ael_otel.store.migrations import SCHEMA_VERSION, SQLITE, statements
from tests.support.version_0_1_0 import ENDED, KILLED, rows_of, write_store
from tests.unit.cli.trace.runs import ael


@pytest.fixture
def first(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of 0.1.0 as the one that `ael` opens."""
    path = write_store(place / "first.db")
    monkeypatch.setenv("AEL_TELEMETRY_DB", str(path))
    monkeypatch.setenv("COLUMNS", "160")
    return path


def _read(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_released_steps_of_the_schema_are_unchanged(tmp_path: Path) -> None:
    """The first three migrations make the tables, indexes and views that 0.1.0 made."""
    tables = "SELECT name, sql FROM sqlite_master WHERE sql LIKE '% %' AND name NOT IN ('ael_versions', 'sqlite_stat1')"
    first = write_store(tmp_path / "first.db")
    with closing(sqlite3.connect(tmp_path / "now.db")) as connection:
        for sql in (sql for number, step in statements(SQLITE, 0) if number <= 3 for sql in step):
            connection.execute(sql)
    assert dict(_read(tmp_path / "now.db", tables)) == dict(_read(first, tables))


def test_store_of_the_first_version_is_migrated_once(first: Path) -> None:
    """The file gets the missing steps of the schema, with every run, and names who wrote each step."""
    before = _read(first, "SELECT execution_id, trace_id, bytes FROM executions ORDER BY id")
    assert _read(first, "PRAGMA user_version") == [(3,)]
    for _ in range(2):
        assert ael("list").exit_code == 0
        assert _read(first, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert _read(first, "SELECT version FROM ael_versions") == [(n,) for n in range(1, SCHEMA_VERSION + 1)]
    assert _read(first, "SELECT DISTINCT written_by FROM ael_versions WHERE version <= 3") == [("0.1.0",)]
    after = _read(first, "SELECT execution_id, trace_id, bytes FROM executions ORDER BY id")
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert after[:-1] == before[:-1], "the last one is marked as interrupted"


def test_runs_of_the_first_version_are_listed_and_shown(first: Path) -> None:
    """Each run is in the list; a view has its steps, its error and the number of redactions."""
    listed = ael("list", "--output", "json", "--limit", "20")
    runs = json.loads(listed.stdout)
    assert [run["execution_id"] for run in runs] == [KILLED, *reversed(ENDED)]
    shown = {run: ael("show", run).stdout for run in (*ENDED, KILLED)}
    for run, text in shown.items():
        assert run in text
    assert "the process that ran it ended before the run did" in shown[KILLED]
    assert '"card declined"' in shown["exec-ca48b211ea42"]
    assert "attempt 3" in shown["exec-2fda12af1087"]
    assert '"hello, [EMAIL]"' in shown["exec-aec6639c36c6"]
    assert '{ "email": 4 }' in shown["exec-aec6639c36c6"]


def test_statistics_count_runs_of_the_first_version(first: Path) -> None:
    """By workflow, tool and error."""
    by_tool = json.loads(ael("stats", "--by", "tool", "--output", "json").stdout)["rows"]
    assert {row["key"]: row["count"] for row in by_tool} == dict(
        _read(first, "SELECT tool_name, count(*) FROM tool_calls GROUP BY tool_name")
    )
    by_workflow = json.loads(ael("stats", "--output", "json").stdout)["rows"]
    assert {row["key"]: row["count"] for row in by_workflow} == dict.fromkeys(
        ("mixed", "flaky_tool", "skips", "tool_fails", "code_fails", "tools_in_code", "hello", "too_slow"), 1
    )
    assert "CODE_RUNTIME" in ael("stats", "--by", "error").stdout


def test_runs_of_the_first_version_are_exported_unchanged(first: Path) -> None:
    """Every value of a record that 0.1.0 wrote is in the export, under its name; a new store takes the export."""
    bodies = {
        body["execution_id"]: body for (text,) in rows_of("bodies", "body") for body in [json.loads(text)]
    }
    exported = ael("export", "--all", "--output", "runs.json")
    assert exported.exit_code == 0
    runs = {run["execution_id"]: run for run in json.loads(Path("runs.json").read_text("utf-8"))}
    assert runs.keys() == bodies.keys()
    for run in ENDED:
        assert list(_missing(bodies[run], runs[run])) == []
    imported = ael("import", "runs.json", "--db", "other.db")
    assert imported.exit_code == 0
    assert _read(Path("other.db"), "SELECT count(*) FROM executions") == [(8,)]


def _missing(before: object, now: object, where: str = "") -> Iterator[str]:
    """Yield the place of each value of `before` that `now` does not have.

    A body leaves out what is in a step's only call too, and an export has it in both places: null may become a value.
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key, value in before.items():
            yield from _missing(value, now.get(key), f"{where}.{key}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _missing(one, other, f"{where}.{index}")
    elif before is not None and before != now:
        yield where


@pytest.mark.parametrize(
    ("before", "now", "places"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [".a.b.1"]),
        ({"a": [1]}, {"a": [1, 2]}, [".a"]),
        ({"a": 1}, {}, [".a"]),
        ({"a": 1}, {"a": None}, [".a"]),
        ({"a": None}, {"a": 1}, []),
    ],
)
def test_which_values_count_as_missing(before: object, now: object, places: list[str]) -> None:
    """A value that is new or was null is not missing; a list has to have the same length."""
    assert list(_missing(before, now)) == places


def test_runs_of_the_first_version_are_deleted_and_pruned(first: Path) -> None:
    """First one by its id, then what is older than the retention, with every row that belongs to a run."""
    assert ael("delete", ENDED[0], "--yes").exit_code == 0
    assert len(json.loads(ael("list", "--output", "json").stdout)) == 7
    pruned = ael("prune", "--yes", "--output", "json")
    assert json.loads(pruned.stdout)["executions"] == 7
    for table in ("executions", "bodies", "tool_calls", "errors", "redactions"):
        assert _read(first, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608
