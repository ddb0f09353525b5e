"""docs/reference/store-schema.md lists every column and every field, and no other."""

import re
import sqlite3
from pathlib import Path

import pytest

from ael_otel.store.migrations import SQLITE, statements
from ael_otel.store.records import (
    CodeRecord,
    ErrorRecord,
    ExecutionRecord,
    ModelCallRecord,
    PriceRecord,
    StepRecord,
    ToolCallRecord,
)

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "store-schema.md"
RECORDS = {
    "Run": ExecutionRecord,
    "Step": StepRecord,
    "Tool call": ToolCallRecord,
    "Model call": ModelCallRecord,
    "Price": PriceRecord,
    "Code": CodeRecord,
    "Error": ErrorRecord,
}


def _sections() -> dict[str, set[str]]:
    """The names in the first column of the table below each heading of the third level."""
    _, *parts = re.split(r"^### (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    rows = {
        heading.strip("`"): re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    return {
        heading: {name for row in found for name in re.findall(r"`(\w+)`", row)}
        for heading, found in rows.items()
    }


def test_every_column_of_the_tables_is_listed() -> None:
    """Tables and views of a store with all migrations, by name."""
    with sqlite3.connect(":memory:") as database:
        for _, step in statements(SQLITE, 0):
            for statement in step:
                database.execute(statement)
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        ]
        tables = {name: {row[1] for row in database.execute(f"PRAGMA table_info({name})")} for name in names}
    tables["ael_versions"] = {"version", "written_by"}  # of the store itself, before the first migration
    assert {name: names for name, names in _sections().items() if name not in RECORDS} == tables


@pytest.mark.parametrize("heading", RECORDS)
def test_every_field_of_a_record_is_listed(heading: str) -> None:
    """By the names in JSON."""
    assert _sections()[heading] == set(RECORDS[heading].__struct_fields__)
