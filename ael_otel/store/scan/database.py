"""Find secrets in a run store on PostgreSQL, and rewrite it without them."""

# ruff: noqa: S608 - only names of tables and columns are put into statements; values are parameters

from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from ael_otel.privacy.redactor import Finding, Redactor
from ael_otel.store.postgresql import PostgresStore
from ael_otel.store.scan.values import NOT_CONTENT, Stored, judged, owner_of, summed

_ROWS: Final = 200

type _Rows = Callable[..., list[tuple[Any, ...]]]


def scan_database(dsn: str, redactor: Redactor, *, fix: bool) -> list[Stored]:
    """Return the findings in the run store of a PostgreSQL database; with `fix`, replace them in its tables.

    An older version's tables are migrated first. The server's log and backups are not changed.

    Raises:
        StoreError: the database cannot be reached or rejects the connection, or a newer version wrote it.
    """
    found: list[tuple[str, str, Finding]] = []
    with closing(PostgresStore(dsn)) as store:
        tables = _tables(store.read)
        changed: set[str] = set()
        with store.transaction() as transaction:
            if fix:
                # Writers wait meanwhile, so that they do not overwrite the result with what they read before.
                transaction.run(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
            for table, (keys, columns) in tables.items():
                for statement, parameters in _changes(
                    transaction.rows, table, keys, columns, redactor, found
                ):
                    changed.add(table)
                    if fix:
                        transaction.run(statement, parameters)
        if fix:
            for table in sorted(changed):
                # Rewrites the table and its indexes, so that no page contains the earlier rows.
                store.read_nothing(f"VACUUM (FULL, ANALYZE) ael.{table}")
    return summed(found)


def _tables(read: _Rows) -> dict[str, tuple[list[str], list[str]]]:
    """Return each table with the columns that identify a row and those that contain text."""
    keys: dict[str, list[str]] = {}
    for table, column in read(
        "SELECT k.table_name, k.column_name FROM information_schema.key_column_usage k"
        " JOIN information_schema.table_constraints c USING (constraint_schema, constraint_name)"
        " WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_schema = 'ael' ORDER BY k.table_name, k.ordinal_position"
    ):
        keys.setdefault(table, []).append(column)
    texts: dict[str, list[str]] = {}
    for table, column in read(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE t.table_schema = 'ael' AND t.table_type = 'BASE TABLE'"
        " AND c.data_type IN ('text', 'character varying', 'json', 'jsonb')"
        " ORDER BY c.table_name, c.ordinal_position"
    ):
        if not table.startswith("ael_") and column not in NOT_CONTENT and column not in keys.get(table, ()):
            texts.setdefault(table, []).append(column)
    return {table: (keys[table], columns) for table, columns in texts.items() if table in keys}


def _changes(
    rows: _Rows,
    table: str,
    keys: list[str],
    columns: list[str],
    redactor: Redactor,
    found: list[tuple[str, str, Finding]],
) -> list[tuple[str, list[Any]]]:
    """Return the changes to a table, one page of rows at a time; adds to `found`."""
    run = owner_of(table, (*keys, *columns))
    order, marks = ", ".join(keys), ", ".join("?" * len(keys))
    where = " AND ".join(f"{key} = ?" for key in keys)
    changes: list[tuple[str, list[Any]]] = []
    after: list[Any] = []
    while True:
        behind = f" WHERE ({order}) > ({marks})" if after else ""
        page = rows(
            f"SELECT {run}, {', '.join((*keys, *columns))} FROM {table} t{behind} ORDER BY {order} LIMIT {_ROWS}",
            after,
        )
        for owner, *values in page:
            key = values[: len(keys)]
            for column, value in zip(columns, values[len(keys) :], strict=True):
                if isinstance(value, str):
                    findings, clean = judged(value, redactor)
                    if findings or clean is not value:
                        found += [(owner or "", f"{table}.{column}", each) for each in findings]
                        changes.append((f"UPDATE {table} SET {column} = ? WHERE {where}", [clean, *key]))
        if len(page) < _ROWS:
            return changes
        after = list(page[-1][1 : 1 + len(keys)])
