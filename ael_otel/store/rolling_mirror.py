"""Write all runs as JSON lines, in files by day: `traces/runs-2026-01-31.jsonl`, then `.1.jsonl`, `.2.jsonl`.

A line is appended atomically when its run ends, to the file of the day on which the run started (UTC). A file that
would exceed its size is followed by the next; if all files together exceed their size, the oldest are removed. Several
processes append under one lock. A line that a power cut has truncated is terminated by the next writer, and readers
skip it. A run whose record was replaced has several lines, of which the last one is valid.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ael_otel.core.faults import logger
from ael_otel.store.database import Victim
from ael_otel.store.files import locked, make_private
from ael_otel.store.pruning import MIB
from ael_otel.store.rows import Row
from ael_otel.store.times import day_of, to_us

FILE_MB: Final = 64
"""Size in MiB at which the next file of a day is started."""

PATTERN: Final = "runs-*.jsonl"
"""Matches the names of the files."""

_NAME: Final = re.compile(r"runs-(\d{4}-\d\d-\d\d)(?:\.(\d{1,9}))?\.jsonl")


class _Part(NamedTuple):
    """One file: its day, its number on that day, its path. They sort from the oldest to the newest."""

    day: str
    number: int
    path: Path


class _Line(msgspec.Struct):
    execution_id: str
    started_at: datetime


_decoder: Final = msgspec.json.Decoder(_Line)


class RollingMirror:
    """Appends to and removes lines from the files in `folder`.

    Args:
        folder: folder of the files; created with the first line.
        max_mb: maximum MiB of all files together.
        file_mb: maximum MiB of one file; half of `max_mb` at most.
    """

    def __init__(self, folder: Path, max_mb: int = 1024, file_mb: int = FILE_MB) -> None:
        self.folder = folder
        self._max = max_mb * MIB
        self._most = min(file_mb * MIB, self._max // 2)

    def write(self, rows: Sequence[Row]) -> None:
        """Append a line for each run.

        Raises:
            OSError: it cannot be written; the file that failed is unchanged.
        """
        by_day: dict[str, list[bytes]] = {}
        for row in rows:
            by_day.setdefault(day_of(row.head.started_us), []).append(row.body.replace(b"\n", b" ") + b"\n")
        if by_day:
            make_private(self.folder)
            with locked(self.folder):
                for day, lines in by_day.items():
                    self._append(day, lines)

    def _append(self, day: str, lines: Sequence[bytes]) -> None:
        parts = [part for part in self._parts() if part.day == day]
        part = parts[-1] if parts else _Part(day, 0, self._path(day, 0))
        size = _size(part.path)
        waiting: list[bytes] = []
        for line in lines:
            if size and size + len(line) > self._most:
                _write(part.path, waiting)
                part = _Part(day, part.number + 1, self._path(day, part.number + 1))
                size, waiting = 0, []
            if not size:
                self._make_room()
            waiting.append(line)
            size += len(line)
        _write(part.path, waiting)

    def _make_room(self) -> None:
        """Remove the oldest files until the next one fits."""
        parts = self._parts()
        left = sum(_size(part.path) for part in parts)
        for part in parts:
            if left + self._most <= self._max:
                return
            left -= _size(part.path)
            part.path.unlink(missing_ok=True)
            logger.warning(
                "%s was removed: the JSON lines beside the run store take %d MiB (telemetry.store.mirror_max_mb); the"
                " store still has the runs",
                part.path,
                self._max // MIB,
            )

    def _path(self, day: str, number: int) -> Path:
        return self.folder / (f"runs-{day}.{number}.jsonl" if number else f"runs-{day}.jsonl")

    def _parts(self) -> list[_Part]:
        found: list[_Part] = []
        for path in self.folder.glob(PATTERN):
            name = _NAME.fullmatch(path.name)
            if name is not None:
                found.append(_Part(name[1], int(name[2] or 0), path))
        return sorted(found)

    # --- deleting -----------------------------------------------------------------------------------------------------

    def remove(self, victims: Sequence[Victim]) -> None:
        """Do nothing: `remove_before` reads each file once, instead of once for every 200 runs."""

    def remove_before(self, us: int, last: Collection[str] = ()) -> None:
        """Remove the files of earlier days, and from the file of that day the runs before `us` and those of `last`."""
        today = day_of(us)

        def goes(line: _Line) -> bool:
            return to_us(line.started_at) < us or line.execution_id in last

        if self.folder.is_dir():
            with locked(self.folder):
                self._remove_remains()
                for part in self._parts():
                    if part.day < today:
                        part.path.unlink(missing_ok=True)
                    elif part.day == today:
                        _rewrite(part.path, goes)

    def delete(self, victims: Sequence[Victim]) -> None:
        """Remove the lines of these runs."""
        by_day: dict[str, set[str]] = {}
        for victim in victims:
            by_day.setdefault(day_of(victim.started_us), set()).add(victim.execution_id)
        if self.folder.is_dir():
            with locked(self.folder):
                self._remove_remains()
                for part in self._parts():
                    if gone := by_day.get(part.day):
                        _rewrite(part.path, _one_of(gone))

    def _remove_remains(self) -> None:
        """Remove the remains of a process that died while it rewrote a file; the lock keeps other processes out."""
        for path in self.folder.glob(f".{PATTERN}.*"):
            path.unlink(missing_ok=True)


def _one_of(execution_ids: Collection[str]) -> Callable[[_Line], bool]:
    return lambda line: line.execution_id in execution_ids


def _write(path: Path, lines: Sequence[bytes]) -> None:
    """Append complete lines in one write; a part that did not fit on the disk is removed again."""
    if not lines:
        return
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"
        data = torn + b"".join(lines)
        written = 0
        try:
            written = file.write(data) or 0
            while written < len(data):
                written += file.write(data[written:]) or 0
        except OSError:
            file.truncate(size)
            raise


def _rewrite(path: Path, goes: Callable[[_Line], bool]) -> None:
    """Rewrite a file without the lines for which `goes` is true, and without truncated lines, whose run is unknown."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    any_goes = any_stays = False
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            for line, facts in _lines(path):
                if facts is None or goes(facts):
                    any_goes = True
                else:
                    file.write(line)
                    any_stays = True
        if any_goes and any_stays:
            temporary.replace(path)
        elif any_goes:
            path.unlink(missing_ok=True)
    finally:
        temporary.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[tuple[bytes, _Line | None]]:
    with path.open("rb") as file:
        for line in file:
            try:
                yield line, _decoder.decode(line) if line.endswith(b"\n") else None
            except msgspec.MsgspecError:
                yield line, None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
