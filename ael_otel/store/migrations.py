"""The tables, as numbered steps from an empty database to the current schema; each runs once, in one transaction.

A released step is never changed: a new need is a new step. Words in braces differ by database (`DIALECTS`).
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
    # Compared by bytes, as in SQLite, so that pages and prefixes are the same on both.
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
"""For queries of a tool that few runs called; takes 1.5 % of the file."""

_REDACTIONS: Final = (
    """
    CREATE TABLE redactions (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        kind {text} NOT NULL,
        number {int} NOT NULL,
        PRIMARY KEY (execution, kind)
    ) {clustered}""",
)
"""Redactions of each run, by kind; a run without redactions has no row."""

_SESSIONS: Final = (
    """
    CREATE TABLE sessions (
        id {id},
        agent {text} NOT NULL,
        session_id {text} NOT NULL,
        started_us {int} NOT NULL,
        last_us {int} NOT NULL,
        ended_us {int},
        trace_id {text} NOT NULL,
        parent_session_id {text},
        body {text} NOT NULL,
        UNIQUE (session_id, agent)
    )""",
    "CREATE INDEX sessions_by_time ON sessions (started_us, session_id)",
    "CREATE INDEX sessions_by_last_event ON sessions (last_us)",
    "CREATE INDEX sessions_by_trace ON sessions (trace_id)",
    """
    CREATE TABLE session_events (
        session {int} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        key {text} NOT NULL,
        at_us {int} NOT NULL,
        body {text} NOT NULL,
        PRIMARY KEY (session, key)
    ) {clustered}""",
    # Parts that have ended and were not exported yet: a turn, a call, or the session itself (an empty key).
    """
    CREATE TABLE session_outbox (
        session {int} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        key {text} NOT NULL,
        PRIMARY KEY (session, key)
    ) {clustered}""",
    # Counters that only grow, even if runs are pruned: short-lived processes export them.
    """
    CREATE TABLE session_totals (
        name {text} NOT NULL,
        agent {text} NOT NULL,
        outcome {text} NOT NULL,
        value {int} NOT NULL,
        PRIMARY KEY (name, agent, outcome)
    ) {clustered}""",
)
"""The sessions of agents; `ael_otel.sessions.table` reads and writes them."""

_ATTRIBUTION: Final = (
    """
    CREATE TABLE attribution_changes (
        id {id},
        at_us {int} NOT NULL,
        repository {text} NOT NULL,
        contributor {text} NOT NULL,
        agent {text},
        session_id {text},
        execution_id {text},
        trace_id {text},
        body {text} NOT NULL
    )""",
    "CREATE INDEX attribution_changes_by_time ON attribution_changes (at_us, id)",
    """CREATE INDEX attribution_changes_by_session ON attribution_changes (session_id, at_us)
        WHERE session_id IS NOT NULL""",
    """CREATE INDEX attribution_changes_by_run ON attribution_changes (execution_id, at_us)
        WHERE execution_id IS NOT NULL""",
    """CREATE INDEX attribution_changes_by_trace ON attribution_changes (trace_id, at_us)
        WHERE trace_id IS NOT NULL""",
    """
    CREATE TABLE attribution_files (
        change {int} NOT NULL REFERENCES attribution_changes (id) ON DELETE CASCADE,
        position {int} NOT NULL,
        path {text} NOT NULL,
        PRIMARY KEY (change, position)
    ) {clustered}""",
    "CREATE INDEX attribution_files_by_path ON attribution_files (path, change)",
    # One content of a file: hashes of its lines, and the author of each, as ids of changes.
    """
    CREATE TABLE attribution_versions (
        id {id},
        repository {text} NOT NULL,
        path {text} NOT NULL,
        at_us {int} NOT NULL,
        hashes {text} NOT NULL,
        authors {text} NOT NULL
    )""",
    "CREATE INDEX attribution_versions_by_path ON attribution_versions (repository, path, at_us)",
    "CREATE INDEX attribution_versions_by_time ON attribution_versions (at_us)",
    # Samples of neighbouring lines, to find contents that are in another file now.
    """
    CREATE TABLE attribution_sketches (
        hash {int} NOT NULL,
        version {int} NOT NULL REFERENCES attribution_versions (id) ON DELETE CASCADE,
        PRIMARY KEY (hash, version)
    ) {clustered}""",
    "CREATE INDEX attribution_sketches_by_version ON attribution_sketches (version)",
)
"""The ledger of lines; `ael_otel.attribution.ledger` reads and writes it."""

_MODEL_CALLS: Final = (
    """
    CREATE TABLE model_calls (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        position {int} NOT NULL,
        at_us {int} NOT NULL,
        model {text},
        provider {text},
        step {text},
        tool {text},
        agent {text},
        source {text} NOT NULL,
        response {text},
        input_tokens {int},
        output_tokens {int},
        cache_read_tokens {int},
        cache_write_tokens {int},
        reasoning_tokens {int},
        tier {text},
        cost_nano {int},
        currency {text},
        cost_source {text} NOT NULL,
        price {text},
        repriced_nano {int},
        repriced_currency {text},
        repriced_price {text},
        PRIMARY KEY (execution, position)
    ) {clustered}""",
    # To find whether a response was recorded before: it counts once.
    """CREATE INDEX model_calls_by_response ON model_calls (response, execution, position)
        WHERE response IS NOT NULL""",
    "CREATE INDEX model_calls_by_model ON model_calls (model, execution)",
    # Bytes that the results of an agent's calls added to its context.
    """
    CREATE TABLE context_bytes (
        execution {int} NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
        position {int} NOT NULL,
        bytes {int} NOT NULL,
        PRIMARY KEY (execution, position)
    ) {clustered}""",
)
"""Tokens and costs of model calls: `cost_nano` as recorded, `repriced_nano` as `ael cost reprice` computed later."""

_SEQUENCE: Final = ("CREATE SEQUENCE execution_ids OWNED BY executions.id",)

MIGRATIONS: Final[tuple[tuple[int, tuple[str, ...]], ...]] = (
    (1, _TABLES),
    (2, _TOOLS),
    (3, _REDACTIONS),
    (4, _SESSIONS),
    (5, _ATTRIBUTION),
    (6, _MODEL_CALLS),
)
SCHEMA_VERSION: Final = MIGRATIONS[-1][0]


def statements(dialect: Mapping[str, str], applied: int) -> list[tuple[int, list[str]]]:
    """Return the steps after number `applied`, in the dialect of a database."""
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
    """Raise an error if this version cannot read a store with schema `found`.

    Raises:
        SchemaTooNewError: it cannot; the message names the version that wrote it.
    """
    if found > SCHEMA_VERSION:
        from ael_otel.version import __version__

        raise SchemaTooNewError(
            f"{where} has schema {found}, but ael-otel {__version__} reads only up to {SCHEMA_VERSION}:"
            f" install ael-otel {written_by or 'of the version that wrote it'} or later, or choose another store"
        )
