"""Find secrets in an SQLite store with its JSON files, and in files of any other kind."""

# ruff: noqa: S608 - only names of tables and columns are put into statements; values are parameters

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final

from ael_otel.errors import AelOtelError, StoreError, StoreNotFoundError
from ael_otel.privacy.redactor import MAX_CHARS, Finding, Redactor
from ael_otel.store.factory import MIRROR_FOLDER
from ael_otel.store.files import locked, write_file
from ael_otel.store.mirror import INDEX
from ael_otel.store.rolling_mirror import PATTERN
from ael_otel.store.scan.values import NOT_CONTENT, Stored, judged, owner_of, pieces, summed
from ael_otel.store.sqlite import BUSY_S, SqliteStore, error_of

_HEADER: Final = b"SQLite format 3\0"
_ROWS: Final = 200


def scan(target: Path, redactor: Redactor, *, fix: bool) -> list[Stored]:
    """Return the findings in a run store with the JSON files beside it, or in a file; with `fix` they are removed.

    Raises:
        StoreNotFoundError: there is no such file.
        StoreError: it is another kind of database, or that of a newer version, or in use.
        AelOtelError: it cannot be read or written.
    """
    try:
        if target.is_dir():
            raise AelOtelError(f"{target}: is a folder; name a file in it")
        with target.open("rb") as file:
            head = file.read(len(_HEADER))
    except FileNotFoundError:
        raise StoreNotFoundError(f"{target}: no such file") from None
    except OSError as error:
        raise AelOtelError(f"{target}: cannot be read: {error.strerror or error}") from None
    if head == _HEADER:
        return [*_in_store(target, redactor, fix=fix), *_in_mirror(target, redactor, fix=fix)]
    if target.suffix in {".db", ".sqlite", ".sqlite3"}:
        raise StoreError(f"{target}: is not a database")
    return _in_file(target, redactor, fix=fix)


# --- a run store ------------------------------------------------------------------------------------------------------


def _in_store(path: Path, redactor: Redactor, *, fix: bool) -> list[Stored]:
    found: list[tuple[str, str, Finding]] = []
    # Opening it raises for a database that is not ours or that is newer.
    with closing(SqliteStore(path, create=False)) as store:
        if not fix:
            with store.looking() as connection:
                for table, keys, columns in list(_tables(connection)):
                    _in_table(connection, table, keys, columns, redactor, found, fix=False)
            return summed(found)
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            for table, keys, columns in list(_tables(connection)):
                _in_table(connection, table, keys, columns, redactor, found, fix=True)
            connection.execute("COMMIT")
            if found:
                _forget(connection, path)
    except sqlite3.Error as error:
        raise error_of(error, path) from None
    return summed(found)


def _tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each table with the columns that identify a row and those that contain text."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    ).fetchall()
    for (table,) in names:
        rows = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        keys = [row[1] for row in rows if row[5]]
        columns = [
            row[1]
            for row in rows
            if row[2].upper() in {"TEXT", "BLOB", ""} and not row[5] and row[1] not in NOT_CONTENT
        ]
        if keys and columns and not table.startswith("ael_"):
            yield table, keys, columns


def _in_table(
    connection: sqlite3.Connection,
    table: str,
    keys: list[str],
    columns: list[str],
    redactor: Redactor,
    found: list[tuple[str, str, Finding]],
    *,
    fix: bool,
) -> None:
    run = owner_of(table, (*keys, *columns))
    cursor = connection.execute(f"SELECT {run}, {', '.join((*keys, *columns))} FROM {table} t")
    where = " AND ".join(f"{key} = ?" for key in keys)
    changes: list[tuple[str, list[Any]]] = []
    while rows := cursor.fetchmany(_ROWS):
        for owner, *values in rows:
            key = values[: len(keys)]
            for column, value in zip(columns, values[len(keys) :], strict=True):
                if not isinstance(value, (str, bytes)):
                    continue
                findings, clean = judged(value, redactor)
                if findings or clean is not value:
                    found += [(owner or "", f"{table}.{column}", each) for each in findings]
                    changes.append((f"UPDATE {table} SET {column} = ? WHERE {where}", [clean, *key]))
    if fix:
        for statement, parameters in changes:
            connection.execute(statement, parameters)


def _forget(connection: sqlite3.Connection, path: Path) -> None:
    """Rewrite all pages and truncate the log, so that neither contains overwritten or deleted content."""
    connection.execute("VACUUM")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreError(
            f"{path}: the secrets are replaced, but another process reads the store, and its log still contains them; "
            "run this again when it has ended"
        )


def _in_mirror(path: Path, redactor: Redactor, *, fix: bool) -> list[Stored]:
    """Return the findings in the files that `json_mirror` wrote beside a store, by their names in the folder."""
    folder = path.parent / MIRROR_FOLDER
    if not folder.is_dir():
        return []
    found: list[Stored] = []
    # Entries are appended to an index; while it is rewritten none may be appended.
    with locked(folder) if fix else nullcontext():
        for file in sorted([*folder.glob("*/*.json"), *folder.glob(PATTERN)]):
            if file.parent == folder:
                some = _in_file(file, redactor, fix=fix)
            elif file.name == INDEX:
                some = _in_index(file, redactor, fix=fix)
            elif file.name.startswith("trace-"):
                some = _in_file(file, redactor, fix=fix)
            else:
                continue
            found += [each._replace(run=str(file.relative_to(folder))) for each in some]
    return found


def _in_index(path: Path, redactor: Redactor, *, fix: bool) -> list[Stored]:
    """Return the findings in the index of a day, which has one entry per line."""
    found: list[tuple[str, str, Finding]] = []
    lines: list[str] = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        entry = line.rstrip(",\n")
        findings, clean = judged(entry, redactor)
        found += [("", "json", each) for each in findings]
        lines.append(str(clean) + line[len(entry) :])
    if fix and found:
        write_file(path, ["".join(lines).encode()])
    return summed(found)


# --- a file -----------------------------------------------------------------------------------------------------------


def _in_file(path: Path, redactor: Redactor, *, fix: bool) -> list[Stored]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AelOtelError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None:
        findings, clean = redactor.explain(data), redactor.value(data)
        found = [("", "bytes", each) for each in findings]
    else:
        found, clean = _in_text(text, redactor)
    if fix and found:
        if b"\0" in data:
            raise AelOtelError(
                f"{path}: is not text (it contains NUL): markers would break a program or an archive; "
                "list the findings without --fix, and remove the file or create it anew"
            )
        write_file(path, [clean.encode("utf-8", "surrogatepass") if isinstance(clean, str) else clean])
    return summed(found)


def _in_text(text: str, redactor: Redactor) -> tuple[list[tuple[str, str, Finding]], str]:
    try:
        document = json.loads(text) if text.lstrip()[:1] in {"{", "["} else None
    except (ValueError, RecursionError):
        document = None
    if document is not None:
        # The text as well: parsing returns only the last value of a repeated name.
        clean = redactor.value(document)
        findings = redactor.explain(document)
        written = json.dumps(clean, ensure_ascii=False, indent=2 if "\n" in text.strip() else None) + "\n"
        if not findings and len(text) <= MAX_CHARS and (again := redactor.text(text)) is not text:
            findings, written = redactor.explain(text) or [Finding("repeated_name", "field", "", "$")], again
        return [("", "json", each) for each in findings], written if findings else text
    lines = text.splitlines(keepends=True)
    found: list[tuple[str, str, Finding]] = []
    parts: list[str] = []
    if lines and all(_is_document(line) for line in lines[:5]):
        for number, line in enumerate(lines, 1):
            findings, clean_line = judged(line.rstrip("\r\n"), redactor)
            found += [(f"line {number}", "json", each) for each in findings]
            parts.append(str(clean_line) + line[len(line.rstrip("\r\n")) :])
        return found, "".join(parts)
    for begin, part in pieces(text):
        findings = redactor.explain(part)
        found += [
            (f"line {text.count(chr(10), 0, begin + each.start) + 1}", "text", each) for each in findings
        ]
        parts.append(redactor.text(part) if findings else part)
    return found, "".join(parts)


def _is_document(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return not line.strip()
