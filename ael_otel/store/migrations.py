"""The tables, as numbered steps from nothing to now; each runs once, in one transaction with its number.

A step is never changed once it has been released: a new need is a new step. Words in braces differ by database
(`DIALECTS`).
"""

from collections.abc import Mapping
from typing import Final

from ael_otel.errors import SchemaTooNewError

SQLITE: Final[Mapping[str, str]] = {
    "id": "INTEGER PRIMARY KEY",
    "int": "INTEGER",
    "text": "TEXT",
    "clustered": "WITHOUT ROWID",
    "steps": """
        SELECT e.execution_id, e.workflow_name, json_extract(s.value, '$.step_id') AS step_id,
            json_extract(s.value, '$.index') AS step_index, json_extract(s.value, '$.step_type') AS step_type,
            json_extract(s.value, '$.status') AS status, json_extract(s.value, '$.tool_name') AS tool_name,
            json_extract(s.value, '$.started_at') AS started_at,
            json_extract(s.value, '$.duration_ms') AS duration_ms, json_extract(s.value, '$.attempt') AS attempt,
            json_extract(s.value, '$.error.code') AS error_code
        FROM executions e JOIN bodies b ON b.execution = e.id, json_each(b.body, '$.steps') s""",
}

POSTGRESQL: Final[Mapping[str, str]] = {
    "id": "BIGINT PRIMARY KEY",
    "int": "BIGINT",
    # Bytes in order, as SQLite compares: the same pages and prefixes on both.
    "text": 'TEXT COLLATE "C"',
    "clustered": "",
    "steps": """
        SELECT e.execution_id, e.workflow_name, s ->> 'step_id' AS step_id, (s ->> 'index')::int AS step_index,
            s ->> 'step_type' AS step_type, s ->> 'status' AS status, s ->> 'tool_name' AS tool_name,
            s ->> 'started_at' AS started_at, (s ->> 'duration_ms')::float8 AS duration_ms,
            (s ->> 'attempt')::int AS attempt, s #>> '{error,code}' AS error_code
        FROM executions e JOIN bodies b ON b.execution = e.id,
            jsonb_array_elements(b.body::jsonb -> 'steps') s""",
}

_TABLES: Final = (
    "CREATE TABLE ael_meta (key {text} PRIMARY KEY, value {int} NOT NULL)",
    """
    CREATE TABLE executions (
        id {id},
        execution_id {text} NOT NULL UNIQUE,
        type {text} NOT NULL,
        status {text} NOT NULL,
        workflow_name {text},
        workflow_version {text},
        started_us {int} NOT NULL,
        completed_us {int},
        duration_us {int},
        error_code {text},
        error_message {text},
        caller_id {text},
        session_id {text},
        trace_id {text} NOT NULL,
        steps {int} NOT NULL,
        failed {int} NOT NULL,
        skipped {int} NOT NULL,
        retries {int} NOT NULL,
        tool_calls {int} NOT NULL,
        bytes {int} NOT NULL,
        owner {text} NOT NULL
    )""",
    "CREATE INDEX executions_by_time ON executions (started_us, execution_id)",
    "CREATE INDEX executions_by_workflow ON executions (workflow_name, started_us, execution_id)",
    "CREATE INDEX executions_by_status ON executions (status, started_us, execution_id)",
    "CREATE INDEX executions_by_trace ON executions (trace_id)",
    """CREATE INDEX executions_by_session ON executions (session_id, started_us, execution_id)
        WHERE session_id IS NOT NULL""",
    """CREATE INDEX executions_by_caller ON executions (caller_id, started_us, execution_id)
        WHERE caller_id IS NOT NULL""",
    """
    CREATE TABLE bodies (
        execution {id} REFERENCES executions (id) ON DELETE CASCADE,
        body {text} NOT NULL
    )""",
    # The key begins with the parent, so that deleting a run does not search the table.
    """
    CREATE TABLE tool_calls (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        position {int} NOT NULL,
        tool_name {text} NOT NULL,
        status {text} NOT NULL,
        duration_us {int},
        bytes {int} NOT NULL,
        PRIMARY KEY (execution, position)
    ) {clustered}""",
    """
    CREATE TABLE errors (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        code {text} NOT NULL,
        PRIMARY KEY (execution, code)
    ) {clustered}""",
    "CREATE INDEX errors_by_code ON errors (code, execution)",
    "CREATE VIEW steps AS {steps}",
)

_TOOLS: Final = ("CREATE INDEX tool_calls_by_tool ON tool_calls (tool_name, execution)",)
"""Finding the few runs that called a rare tool among all; 1.5 % of the file."""

_REDACTIONS: Final = (
    """
    CREATE TABLE redactions (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        kind {text} NOT NULL,
        number {int} NOT NULL,
        PRIMARY KEY (execution, kind)
    ) {clustered}""",
)
"""How much was taken out of each run, by kind; runs out of which nothing was have no row."""

_SEQUENCE: Final = ("CREATE SEQUENCE execution_ids OWNED BY executions.id",)

MIGRATIONS: Final[tuple[tuple[int, tuple[str, ...]], ...]] = ((1, _TABLES), (2, _TOOLS), (3, _REDACTIONS))
SCHEMA_VERSION: Final = MIGRATIONS[-1][0]


def statements(dialect: Mapping[str, str], applied: int) -> list[tuple[int, list[str]]]:
    """Return the steps after number `applied`, in the words of a database."""
    more = {1: _SEQUENCE} if dialect is POSTGRESQL else {}
    return [
        (number, [_filled(sql, dialect) for sql in (*step, *more.get(number, ()))])
        for number, step in MIGRATIONS
        if number > applied
    ]


def _filled(sql: str, dialect: Mapping[str, str]) -> str:
    for word, meaning in dialect.items():
        sql = sql.replace(f"{{{word}}}", meaning)
    return sql


def refuse_newer(found: int, written_by: str, where: str) -> None:
    """Do nothing if this version can read a store with schema `found`.

    Raises:
        SchemaTooNewError: it cannot; the message names the version that wrote it.
    """
    if found > SCHEMA_VERSION:
        from ael_otel.version import __version__

        raise SchemaTooNewError(
            f"{where} has schema {found}, this is ael-otel {__version__}, which reads up to {SCHEMA_VERSION}:"
            f" install ael-otel {written_by or 'of the version that wrote it'} or later, or choose another store"
        )
