"""Write each run also as a JSON file by day: `traces/2026-01-31/trace-a0f63b41.json`, and an `index.json` per day.

The files are a copy for other tools; the store remains the source. Files are written atomically. The index is a JSON
array that grows at its end in place, so that an entry costs the same after a million runs as after one.
"""

import json
import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from ael_otel.store.codec import decode
from ael_otel.store.database import Victim
from ael_otel.store.files import locked, make_private
from ael_otel.store.rows import Row
from ael_otel.store.times import day_of, from_us

INDEX: Final = "index.json"

_END: Final = b"\n]\n"


class Mirror:
    """Writes and deletes the files below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, rows: Sequence[Row]) -> None:
        """Write a file for each run, and its entry in the index of its day.

        Raises:
            OSError: a file cannot be written.
        """
        by_day: dict[str, list[bytes]] = {}
        for row in rows:
            head = row.head
            day = day_of(head.started_us)
            directory = self.folder / day
            make_private(directory)
            path = self._path_for(directory, head.execution_id, head.trace_id)
            known = path.exists()
            replace_file(path, msgspec.json.format(msgspec.json.encode(decode(row.body)), indent=2) + b"\n")
            if not known:
                entry = {
                    "file": path.name,
                    "execution_id": head.execution_id,
                    "trace_id": head.trace_id,
                    "workflow_name": head.workflow_name,
                    "status": head.status,
                    "started_at": from_us(head.started_us),
                    "duration_ms": None if head.duration_us is None else head.duration_us / 1e3,
                }
                by_day.setdefault(day, []).append(msgspec.json.encode(entry))
        for day, entries in by_day.items():
            with locked(self.folder):
                append_entries(self.folder / day / INDEX, entries)

    def remove(self, victims: Sequence[Victim]) -> None:
        """Delete the files of runs that have been pruned, and their entries."""
        by_day: dict[str, set[str]] = {}
        for victim in victims:
            day = day_of(victim.started_us)
            if (self.folder / day).is_dir():
                by_day.setdefault(day, set()).add(victim.execution_id)
                for path in _names(self.folder / day, victim.execution_id, victim.trace_id):
                    if _id_in(path) == victim.execution_id:
                        path.unlink(missing_ok=True)
        for day, gone in by_day.items():
            directory = self.folder / day
            with locked(self.folder), suppress(OSError):
                index = directory / INDEX
                kept = [entry for entry in entries_of(index) if entry.get("execution_id") not in gone]
                if kept:
                    lines = [msgspec.json.encode(entry) for entry in kept]
                    replace_file(index, b"[\n" + b",\n".join(lines) + _END)
                else:
                    index.unlink(missing_ok=True)
                    directory.rmdir()

    def delete(self, victims: Sequence[Victim]) -> None:
        """Delete the files of these runs, and their entries."""
        self.remove(victims)

    def remove_before(self, us: int, last: Collection[str] = ()) -> None:
        """Do nothing: `remove` has deleted each file with its run."""

    def _path_for(self, directory: Path, execution_id: str, trace_id: str) -> Path:
        """Return the path of the run's file, or the first free name: eight digits can collide."""
        candidates = _names(directory, execution_id, trace_id)
        for path in candidates:
            if not path.exists() or _id_in(path) == execution_id:
                return path
        return candidates[-1]


def _names(directory: Path, execution_id: str, trace_id: str) -> list[Path]:
    """Return the possible paths of a run's file: by its trace id, then by digits of a hash."""
    digest = sha256(execution_id.encode()).hexdigest()
    digits = [digest[at : at + 8] for at in range(0, 64, 8)]
    if len(trace_id) >= 8 and trace_id.isalnum():
        digits.insert(0, trace_id[:8])
    return [directory / f"trace-{each}.json" for each in digits]


class _Id(msgspec.Struct):
    execution_id: str


def _id_in(path: Path) -> str | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Id).execution_id
    except (OSError, msgspec.MsgspecError):
        return None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file atomically, readable by this user only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_entries(index: Path, entries: Sequence[bytes]) -> None:
    """Insert entries before the closing bracket, in one write."""
    handle = os.open(index, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        end = max(0, size - len(_END))
        file.seek(end)
        if size and file.read() != _END:
            file.seek(0)
            end = _end_of_last_entry(file.read())
            file.truncate(end)
        file.seek(end)
        file.write((b",\n" if end else b"[\n") + b",\n".join(entries) + _END)


def _end_of_last_entry(index: bytes) -> int:
    """Return where the last complete entry ends in an index that a power cut has truncated; 0 if there is none."""
    return max((found.start() + 1 for found in re.finditer(rb"\}(?=,?\n)", index)), default=0)


def entries_of(index: Path) -> list[dict[str, Any]]:
    """Return the entries of an index that can be read."""
    entries: list[dict[str, Any]] = []
    try:
        text = index.read_text("utf-8")
    except OSError:
        return entries
    for line in text.splitlines():
        if line.startswith("{"):
            with suppress(ValueError):
                entries.append(json.loads(line.rstrip(",")))
    return entries
