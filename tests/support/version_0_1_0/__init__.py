"""Files that ael-otel 0.1.0 wrote or documented: its store, its configuration, its commands, its boards' queries."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent

STORE = (_FOLDER / "store.sql").read_text("utf-8")
"""A run store on SQLite, as a script."""
POSTGRESQL = (_FOLDER / "postgresql.sql").read_text("utf-8")
"""The empty tables of a run store on PostgreSQL."""

ENDED = (
    "exec-628942fca2a0",
    "exec-2fda12af1087",
    "exec-231a76244265",
    "exec-ca48b211ea42",
    "exec-534ddc6598c3",
    "exec-8da2f682ab09",
    "exec-aec6639c36c6",
)
"""Runs of the store that ended, ordered by start."""
KILLED = "exec-e2538699fc21"
"""The run whose process was killed; it started last."""


def document(name: str) -> dict[str, Any]:
    """Return one of the YAML files of this folder."""
    return yaml.safe_load((_FOLDER / name).read_text("utf-8"))


def write_store(path: Path) -> Path:
    """Write the run store to a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(STORE)
        connection.execute("PRAGMA journal_mode = WAL")
    path.chmod(0o600)
    return path


def rows_of(table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return the rows of one table of the store, in the order of their first column."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(STORE)
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()  # noqa: S608
