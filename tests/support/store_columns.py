"""List what a new column of the run store lacks: `python -m tests.support.store_columns` prints a line for each."""

import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Filters that are more than a comparison of one column with one value: each backend implements them itself.
OWN_FILTERS = {
    "limit",
    "cursor",
    "since",
    "until",
    "tool",
    "error",
    "with_errors",
    "min_duration_ms",
    "text",
    "where",
    "ids",
}


def missing(tables: dict[str, set[str]]) -> Iterator[str]:
    """Yield the differences between the tables of a store (their columns by name) and the code about them."""
    from ael_otel.store.query import EQUALS, RunQuery
    from ael_otel.store.rows import CALL_COLUMNS, COLUMNS

    wanted = {
        "executions": {"id", *COLUMNS},
        "tool_calls": {"execution", "position", *CALL_COLUMNS},
    }
    for table, names in wanted.items():
        for name in sorted(names - tables[table]):
            yield f"column {name}: no migration (store/migrations.py) adds it to {table}"
        where = (
            "ExecutionSummary (store/query.py)" if table == "executions" else "CALL_COLUMNS (store/rows.py)"
        )
        for name in sorted(tables[table] - names):
            yield f"column {name}: {table} has it, and {where} does not list it"
    for name in RunQuery.__struct_fields__:
        if name not in EQUALS and name not in OWN_FILTERS:
            yield f"RunQuery.{name}: no backend asks for it; add it to EQUALS (store/query.py)"


def tables_of(store: Any) -> dict[str, set[str]]:
    """Return the columns of each table of a store in SQLite."""
    names = [name for (name,) in store.read("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: {row[1] for row in store.read(f"PRAGMA table_info({name})")} for name in names}


def sample(number: int) -> Any:
    """Return a record with a different value in each column."""
    from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
    from ael_otel.store.records import REDACTIONS

    at = datetime(2026, 3, 1, 12, number, tzinfo=UTC)
    error = ErrorRecord(f"E{number}", "tool", f"message {number}")
    calls = [
        ToolCallRecord(
            f"c{number}", "echo", "tool_step", 1, at, status="success", duration_ms=7.0, params="xy"
        )
    ]
    steps = [
        StepRecord("a", 0, "tool", "failed", at, attempt=3, tool_calls=calls),
        StepRecord("b", 1, "code", "skipped", at),
        StepRecord("c", 2, "code", "skipped", at),
    ]
    return ExecutionRecord(
        f"exec-{number}",
        "workflow",
        "failed",
        at,
        workflow_name=f"workflow-{number}",
        workflow_version=f"version-{number}",
        completed_at=at.replace(second=41),
        duration_ms=41_000.5,
        steps=steps,
        error=error,
        caller_id=f"caller-{number}",
        metadata={"session_id": f"session-{number}", REDACTIONS: {"email": 2}},
        trace_id=f"{number}" * 32,
        owner=f"owner-{number}",
    )


def main() -> int:
    """Write and read a store of this version, and print what is missing; return the exit code."""
    try:
        from ael_otel.store.rows import row_of
        from ael_otel.store.sqlite import SqliteStore

        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder) / "telemetry.db")
            faults = list(missing(tables_of(store)))
            store.close()
        row_of(sample(1))
    except TypeError as error:
        faults = [str(error)]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
