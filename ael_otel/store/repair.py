"""Copy the readable records of a damaged SQLite store into a new one; the damaged file is not changed."""

# ruff: noqa: S608 - only names from this module are put into statements; values are parameters

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ael_otel.errors import StoreDamagedError, StoreError, StoreNotFoundError
from ael_otel.store.codec import decode
from ael_otel.store.records import ExecutionRecord
from ael_otel.store.sqlite import BUSY_S, SqliteStore

_KEYS = (
    ("executions", "id", "execution_id", ("id", "id DESC")),
    # Answered by an index, which is stored in other pages than the table.
    ("executions", "id", "execution_id", ("started_us, execution_id", "started_us DESC, execution_id DESC")),
    ("bodies", "execution", "NULL", ("execution", "execution DESC")),
)
"""Where the numbers and ids of runs are found: table, columns, orders."""

_OTHERS: Final = (
    "sessions",
    "session_events",
    "session_outbox",
    "session_totals",
    "attribution_changes",
    "attribution_files",
    "attribution_versions",
    "attribution_sketches",
)
"""The tables that do not belong to runs."""

_CHILDREN: Final = (
    ("session_events", "session", "sessions"),
    ("session_outbox", "session", "sessions"),
    ("attribution_files", "change", "attribution_changes"),
    ("attribution_sketches", "version", "attribution_versions"),
)
"""Which of these tables belong to rows of another one: table, column, other table."""

_LARGEST_GAP: Final = 100_000
"""Maximum unused numbers between two runs that are tried: pruning leaves such gaps."""


class RepairReport(NamedTuple):
    """How many runs were copied, and which could not be read: their execution ids, or their numbers in the file.

    `complete` is False if no list of the runs can be read to its end: further runs may be lost too.
    """

    copied: int
    unreadable: list[str]
    complete: bool = True


def faults(source: Path, most: int = 20) -> list[str]:
    """Return the faults that SQLite finds in the file `source`, `most` lines at most; empty for a sound file.

    Each row is looked up in each index: with an index that lacks rows, readers would miss runs without an error. Reads
    the whole file, and writes nothing. A store can be checked while an engine uses it.

    Raises:
        StoreNotFoundError: `source` does not exist.
    """
    if not source.is_file():
        raise StoreNotFoundError(f"{source}: no runs have been recorded here yet")
    try:
        connection = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        connection.text_factory = bytes  # the names in a damaged schema need not be UTF-8
        try:
            rows = connection.execute(f"PRAGMA integrity_check({most})").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    found = [line for (text,) in rows for line in text.decode("utf-8", "replace").splitlines()]
    return [] if found == ["ok"] else found[:most]


def repair(source: Path, target: Path) -> RepairReport:
    """Copy each readable run of `source` into the new file `target`, which only this user can read.

    Args:
        source: the damaged store. A copy of it and its log is read, so that nothing is written to it.
        target: the new file.

    Raises:
        StoreNotFoundError: the file `source` does not exist.
        StoreError: `target` exists, or cannot be written.
        StoreDamagedError: no content can be read.
    """
    if not source.is_file():
        raise StoreNotFoundError(f"{source}: no runs have been recorded here yet")
    if target.exists():
        raise StoreError(f"{target} exists already and is not overwritten: name another file with --output")
    unreadable: list[str] = []
    complete: list[bool] = []
    try:
        with tempfile.TemporaryDirectory(prefix=".ael-repair-", dir=target.absolute().parent) as folder:
            copy = Path(folder) / "copy.db"
            for name in ("", "-wal"):
                if Path(f"{source}{name}").exists():
                    shutil.copyfile(f"{source}{name}", f"{copy}{name}")
            damaged = sqlite3.connect(copy, isolation_level=None)
            damaged.text_factory = bytes  # a damaged text need not be UTF-8
            try:
                copied = _copied(_records(damaged, unreadable, complete), Path(folder) / "new.db")
                _copy_others(damaged, Path(folder) / "new.db")
            except sqlite3.DatabaseError as error:
                raise StoreDamagedError(
                    f"{source}: no content can be read ({error}); restore a backup"
                ) from error
            finally:
                damaged.close()
            if not copied and (unreadable or not any(complete)):
                raise StoreDamagedError(f"{source}: no run can be read; restore a backup")
            try:
                target.hardlink_to(Path(folder) / "new.db")  # unlike a rename, never over a file
            except FileExistsError:
                raise StoreError(f"{target} exists already and is not overwritten") from None
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}; name another file with --output"
        ) from error
    return RepairReport(copied, unreadable, any(complete))


def _numbers(known: Iterable[int]) -> Iterator[int]:
    """Yield the numbers in a table, and those between them, whose rows may be on a damaged page, in order.

    A damaged number can have any value: larger gaps are skipped, since counting through them could take forever.
    """
    before = 0
    for number in sorted(known):
        if 0 < number - before <= _LARGEST_GAP:
            yield from range(before + 1, number)
        yield number
        before = max(before, number)


def _copied(records: Iterable[ExecutionRecord], path: Path) -> int:
    store = SqliteStore(path)
    try:
        return store.put(records)
    finally:
        store.close()


def _copy_others(damaged: sqlite3.Connection, path: Path) -> None:
    """Copy sessions and attribution, as much of each table as can be read; older stores do not have these tables."""
    with closing(sqlite3.connect(path)) as new:
        # A table's rows before a damaged page are read; texts that are not UTF-8 are left out.
        for table in _OTHERS:
            columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
            marks = ", ".join("?" * len(columns))
            with suppress(sqlite3.DatabaseError):
                for row in damaged.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                    with suppress(UnicodeDecodeError, sqlite3.IntegrityError):
                        texts = [each.decode() if isinstance(each, bytes) else each for each in row]
                        new.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", texts)
        for table, column, parent in _CHILDREN:
            new.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM {parent})")
        new.commit()


def _records(
    connection: sqlite3.Connection, unreadable: list[str], complete: list[bool]
) -> Iterator[ExecutionRecord]:
    """Yield the runs with a readable record, by the numbers that either table contains."""
    # Read first: without a readable schema nothing can be copied.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    names: dict[int, object] = {}
    for table, key, value, orders in _KEYS:
        for order in orders:
            with suppress(sqlite3.DatabaseError):
                # The rows before the damaged page are read; reading the table from its other end may return the rest.
                for number, name in connection.execute(
                    f"SELECT {key}, {value} FROM {table} ORDER BY {order}"
                ):
                    if isinstance(number, int) and names.get(number) is None:
                        names[number] = name
                complete.append(True)
    for number in _numbers(names):
        name = names.get(number)
        shown = name.decode("utf-8", "replace") if isinstance(name, bytes) else f"number {number}"
        try:
            found = connection.execute("SELECT body FROM bodies WHERE execution = ?", (number,)).fetchone()
            record = None if found is None else decode(found[0])
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, UnicodeDecodeError):
            record = None
        if record is not None:
            yield record
        elif number in names:
            unreadable.append(shown)
