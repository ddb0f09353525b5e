"""Write each change as an Agent Trace record into a file, by day: `traces/2026-01-31/trace-a0f63b41.json`.

The files are beside those of runs (`ael_otel.store.mirror`), in the same folders and with entries in the same
`index.json`. They are copies; the ledger is the source.
"""

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ael_otel.attribution.agent_trace import TraceRecord, encode
from ael_otel.attribution.changes import Change
from ael_otel.attribution.trace_records import ById, records_of
from ael_otel.store.files import locked, make_private
from ael_otel.store.mirror import INDEX, append_entries, entries_of, replace_file
from ael_otel.store.times import day_of

KIND: Final = "agent-trace"
"""`kind` of an index entry for a record of changes; entries of runs have none."""


class TraceMirror:
    """Writes and deletes the files below a folder.

    Args:
        folder: that of the mirror of runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, changes: Iterable[Change], by_ids: ById = lambda _ids: {}) -> int:
        """Write the records that are not there yet; return their number.

        Raises:
            OSError: a file cannot be written.
        """
        by_day: dict[str, list[bytes]] = {}
        for record in records_of(changes, by_ids):
            day = record.timestamp[:10]
            path = self._path(day, record)
            if path is None:
                continue
            make_private(path.parent)
            replace_file(path, msgspec.json.format(encode(record), indent=2) + b"\n")
            entry = {
                "file": path.name,
                "kind": KIND,
                "id": record.id,
                "timestamp": record.timestamp,
                "tool": None if record.tool is None else record.tool.name,
                "files": len(record.files),
            }
            by_day.setdefault(day, []).append(msgspec.json.encode(entry))
        for day, entries in by_day.items():
            with locked(self._folder):
                append_entries(self._folder / day / INDEX, entries)
        return sum(map(len, by_day.values()))

    def remove_before(self, us: int) -> None:
        """Delete the records of the days before the day of `us`, in microseconds since 1970."""
        today = day_of(us)
        for directory in sorted(self._folder.glob("????-??-??")):
            if directory.name < today and directory.is_dir():
                with locked(self._folder), suppress(OSError):
                    self._remove(directory)

    def _remove(self, directory: Path) -> None:
        index = directory / INDEX
        entries = entries_of(index)
        gone = [entry for entry in entries if entry.get("kind") == KIND]
        for entry in gone:
            name = entry.get("file")
            if (
                isinstance(name, str)
                and Path(name).name == name
                and _id_in(directory / name) == entry.get("id")
            ):
                (directory / name).unlink(missing_ok=True)
        left = [msgspec.json.encode(entry) for entry in entries if entry.get("kind") != KIND]
        if gone and left:
            replace_file(index, b"[\n" + b",\n".join(left) + b"\n]\n")
        elif gone:
            index.unlink(missing_ok=True)
            directory.rmdir()

    def _path(self, day: str, record: TraceRecord) -> Path | None:
        """Return an unused file name (eight digits may collide), None if the record is there already."""
        digest = sha256(record.id.encode()).hexdigest()
        for digits in (record.id[:8], *(digest[at : at + 8] for at in range(0, 64, 8))):
            path = self._folder / day / f"trace-{digits}.json"
            if not path.exists():
                return path
            if _id_in(path) == record.id:
                return None
        return None


class _Id(msgspec.Struct):
    id: str


def _id_in(path: Path) -> str | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Id).id
    except (OSError, msgspec.MsgspecError):
        return None
