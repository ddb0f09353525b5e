"""Copying what can be read of a damaged SQLite store into a new one; the damaged file is not touched."""

# ruff: noqa: S608 - what is put into statements are names of this module; values are parameters

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ael_otel.errors import StoreDamagedError, StoreError, StoreNotFoundError
from ael_otel.store.codec import decode
from ael_otel.store.records import ExecutionRecord
from ael_otel.store.sqlite import BUSY_S, SqliteStore

_KEYS = (
    ("executions", "id", "execution_id", ("id", "id DESC")),
    # Answered by an index, whose pages are others than those of the table.
    ("executions", "id", "execution_id", ("started_us, execution_id", "started_us DESC, execution_id DESC")),
    ("bodies", "execution", "NULL", ("execution", "execution DESC")),
)
"""Where the numbers and ids of runs are: table, columns, orders."""

_LARGEST_GAP: Final = 100_000
"""Numbers that are tried between two runs, as after pruning."""


class RepairReport(NamedTuple):
    """How many runs were copied, and which could not be read: their execution ids, or their numbers in the file.

    `complete` is False where no list of the runs can be read to its end: others may be lost too.
    """

    copied: int
    unreadable: list[str]
    complete: bool = True


def faults(source: Path, most: int = 20) -> list[str]:
    """Return what SQLite finds wrong with the file `source`, `most` lines at most; empty for a sound one.

    Each row is looked up in each index: an index that misses rows would have readers leave runs out without an error.
    Reads the whole file, and writes nothing. A store that an engine is using can be checked.

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
    """Copy each run of `source` that can be read into the new file `target`, readable by this user only.

    Args:
        source: the store. It is read through a copy, with its log, so that nothing is written to it.
        target: the new file.

    Raises:
        StoreNotFoundError: there is no file `source`.
        StoreError: `target` exists, or cannot be written.
        StoreDamagedError: nothing at all can be read.
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
            except sqlite3.DatabaseError as error:
                raise StoreDamagedError(
                    f"{source}: nothing of it can be read ({error}); restore a backup"
                ) from error
            finally:
                damaged.close()
            if not copied and (unreadable or not any(complete)):
                raise StoreDamagedError(f"{source}: no run of it can be read; restore a backup")
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
    """Yield the numbers that a table has, and those between them, which a damaged page may hide, in their order.

    A number that is itself damaged can be anything: larger gaps are left out, or counting would never end.
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


def _records(
    connection: sqlite3.Connection, unreadable: list[str], complete: list[bool]
) -> Iterator[ExecutionRecord]:
    """Yield the runs whose record can be read, by the numbers that either table has."""
    # Asked first: where the schema itself is gone there is nothing to look for.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    names: dict[int, object] = {}
    for table, key, value, orders in _KEYS:
        for order in orders:
            with suppress(sqlite3.DatabaseError):
                # What comes before the damaged page is read; the same table from its other end may give the rest.
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
