"""Read Agent Trace records of other tools, and name the parts that are not understood.

Tools write other versions of the specification, and fields of their own. The name of a part has no index, so that the
same field of a thousand ranges is reported once: `files[].conversations[].ranges[].confidence`.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Final, NamedTuple, TypeGuard, cast
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ael_otel.attribution.agent_trace import (
    CONTENT_HASH,
    CONTRIBUTOR_TYPES,
    GIT_REVISION,
    MAX_MODEL_ID,
    VERSION,
    Contributor,
    ContributorType,
    Conversation,
    Range,
    Related,
    Tool,
    TracedFile,
    TraceRecord,
    Vcs,
    is_absolute_url,
    is_uuid,
    path_problem,
)
from ael_otel.errors import ImportFormatError

MAX_FILES: Final = 10_000
MAX_RANGES: Final = 100_000
"""Maximum number of ranges that are read of one record, over all of its files."""

MAX_LINE: Final = 2**31 - 1
MAX_TEXT: Final = 4096
_MILLISECONDS: Final = 1e11
"""A larger number is milliseconds: as seconds it would be after the year 5138."""

_VCS_TYPES: Final = ("git", "jj", "hg", "svn")


class Read(NamedTuple):
    """A record, and the parts of it that were not understood, with the number of each."""

    record: TraceRecord
    not_understood: dict[str, int]


def is_record(document: Any) -> bool:
    """Return whether a decoded JSON document has the fields of an Agent Trace record."""
    return (
        isinstance(document, dict)
        and isinstance(cast("dict[str, Any]", document).get("files"), list)
        and not {"version", "timestamp"}.isdisjoint(cast("dict[str, Any]", document))
    )


def read_record(document: Mapping[str, Any], root: str | None = None) -> Read:
    """Return a record in the shape that AEL writes, without the parts that are not understood.

    Args:
        document: one decoded JSON object.
        root: the folder of the repository: absolute paths below it become relative; None drops them.

    Raises:
        ImportFormatError: nothing in it can be used; the message says why.
    """
    return _Reader(root).read(document)


class _Reader:
    def __init__(self, root: str | None) -> None:
        self._root = root
        self._parts = Counter[str]()
        self._ranges = 0

    def read(self, document: Mapping[str, Any]) -> Read:
        self._unknown(document, "", ("version", "id", "timestamp", "vcs", "tool", "files", "metadata"))
        version = document.get("version")
        if version != VERSION:
            about = repr(version[:20]) if isinstance(version, str) else type(version).__name__
            self._part(f"version {about} (read as {VERSION})")
        files = tuple(self._files(document.get("files")))
        metadata = document.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            self._part("metadata")
            metadata = None
        return Read(
            TraceRecord(
                version=VERSION,
                id=self._id(document),
                timestamp=_timestamp(document.get("timestamp")),
                vcs=self._vcs(document.get("vcs")),
                tool=self._tool(document.get("tool")),
                files=files,
                metadata=cast("dict[str, Any]", metadata or {}),
            ),
            dict(self._parts),
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _part(self, name: str) -> None:
        self._parts[name] += 1

    def _unknown(self, found: Mapping[str, Any], where: str, names: Iterable[str]) -> None:
        for name in sorted(set(found) - set(names))[:20]:
            self._part(f"{where}{str(name)[:40]}")

    def _object(self, value: Any, where: str) -> Mapping[str, Any] | None:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        if value is not None:
            self._part(where)
        return None

    def _list(self, value: Any, where: str) -> list[Any]:
        if isinstance(value, list):
            return list(cast("Iterable[Any]", value))
        if value is not None:
            self._part(where)
        return []

    def _id(self, document: Mapping[str, Any]) -> str:
        """Return the record's id as a UUID; an id of another form becomes the same UUID at each import."""
        written = document.get("id")
        if isinstance(written, str) and is_uuid(written):
            return written.lower()
        self._part("id")
        if isinstance(written, str) and written:
            return str(uuid5(NAMESPACE_URL, f"agent-trace:{written}"))
        whole = msgspec.json.encode(document, order="sorted")
        return str(uuid5(NAMESPACE_URL, f"agent-trace:{sha256(whole).hexdigest()}"))

    def _vcs(self, value: Any) -> Vcs | None:
        found = self._object(value, "vcs")
        if found is None:
            return None
        self._unknown(found, "vcs.", ("type", "revision"))
        kind, revision = found.get("type"), found.get("revision")
        usable = isinstance(revision, str) and 0 < len(revision) <= MAX_TEXT
        # An abbreviated hash is not unique: a later commit may begin with it too.
        if usable and kind in _VCS_TYPES and (kind != "git" or GIT_REVISION.fullmatch(str(revision))):
            return Vcs(type=kind, revision=str(revision))
        self._part("vcs")
        return None

    def _tool(self, value: Any) -> Tool | None:
        found = self._object(value, "tool")
        if found is None:
            return None
        self._unknown(found, "tool.", ("name", "version"))
        name, version = found.get("name"), found.get("version")
        if not isinstance(name, str) or not name:
            self._part("tool.name")
            return None
        if not isinstance(version, str) or not version:
            version = "unknown"
        return Tool(name=name[:MAX_TEXT], version=version[:MAX_TEXT])

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self, value: Any) -> Iterator[TracedFile]:
        files = self._list(value, "files")
        if len(files) > MAX_FILES:
            self._parts[f"files[] after the first {MAX_FILES}"] += len(files) - MAX_FILES
        by_path: dict[str, list[Conversation]] = {}
        lines: dict[str, list[tuple[int, int]]] = {}
        for each in files[:MAX_FILES]:
            found = self._object(each, "files[]")
            if found is None:
                continue
            self._unknown(found, "files[].", ("path", "conversations"))
            path = self._path(found.get("path"))
            if path is not None:
                conversations = self._list(found.get("conversations"), "files[].conversations")
                # Entries for the same file are merged.
                taken = lines.setdefault(path, [])
                by_path.setdefault(path, []).extend(self._conversations(conversations, taken))
        for path, conversations in by_path.items():
            yield TracedFile(path=path, conversations=tuple(conversations))

    def _path(self, value: Any) -> str | None:
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            self._part("files[].path")
            return None
        path = value
        windows = "\\" in path and "/" not in path
        if windows:
            path = PureWindowsPath(path).as_posix()
        if self._root is not None:
            root = PureWindowsPath(self._root).as_posix() if windows else self._root
            if PurePosixPath(path).is_relative_to(PurePosixPath(root)):
                path = str(PurePosixPath(path).relative_to(PurePosixPath(root)))
        path = path.removeprefix("./")
        why = path_problem(path)
        if why is not None:
            self._part(f"files[].path that {why}")
            return None
        return path

    def _conversations(self, values: list[Any], taken: list[tuple[int, int]]) -> Iterator[Conversation]:
        where = "files[].conversations[]"
        for value in values:
            found = self._object(value, where)
            if found is None:
                continue
            self._unknown(found, f"{where}.", ("url", "contributor", "ranges", "related"))
            url = found.get("url")
            if url is not None and not (
                isinstance(url, str) and is_absolute_url(url) and len(url) <= MAX_TEXT
            ):
                self._part(f"{where}.url")
                url = None
            related = self._related(found.get("related"), f"{where}.related")
            yield Conversation(
                url=url,
                contributor=self._contributor(found.get("contributor"), f"{where}.contributor"),
                ranges=tuple(self._ranges_of(found.get("ranges"), f"{where}.ranges", taken)),
                related=tuple(related),
            )

    def _related(self, value: Any, where: str) -> Iterator[Related]:
        for each in self._list(value, where)[:100]:
            found = self._object(each, f"{where}[]") or {}
            kind, url = found.get("type"), found.get("url")
            if isinstance(kind, str) and isinstance(url, str) and is_absolute_url(url):
                yield Related(type=kind[:MAX_TEXT], url=url[:MAX_TEXT])
            else:
                self._part(f"{where}[]")

    def _contributor(self, value: Any, where: str) -> Contributor | None:
        found = self._object(value, where)
        if found is None:
            return None
        self._unknown(found, f"{where}.", ("type", "model_id"))
        kind, model = found.get("type"), found.get("model_id")
        if kind not in CONTRIBUTOR_TYPES:
            self._part(f"{where}.type")
            kind = "unknown"
        if model is not None and not (
            isinstance(model, str) and 0 < len(model) <= MAX_MODEL_ID and kind != "human"
        ):
            self._part(f"{where}.model_id")
            model = None
        return Contributor(type=cast("ContributorType", kind), model_id=model)

    def _ranges_of(self, value: Any, where: str, taken: list[tuple[int, int]]) -> Iterator[Range]:
        for each in self._list(value, where):
            found = self._object(each, f"{where}[]")
            if found is None:
                continue
            self._unknown(found, f"{where}[].", ("start_line", "end_line", "content_hash", "contributor"))
            start, end, content = found.get("start_line"), found.get("end_line"), found.get("content_hash")
            if not (_is_line(start) and _is_line(end) and start <= end):
                self._part(f"{where}[] whose lines are not a range")
                continue
            if self._ranges >= MAX_RANGES:
                self._part(f"{where}[] after the first {MAX_RANGES}")
                continue
            if _overlaps(taken, start, end):
                self._part(f"{where}[] with lines of another range")
                continue
            self._ranges += 1
            insort(taken, (start, end))
            if content is not None and not (isinstance(content, str) and CONTENT_HASH.fullmatch(content)):
                self._part(f"{where}[].content_hash")
                content = None
            yield Range(
                start_line=start,
                end_line=end,
                content_hash=content,
                contributor=self._contributor(found.get("contributor"), f"{where}[].contributor"),
            )


def _is_line(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_LINE


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    place = bisect_left(taken, (start, start))
    return (place > 0 and taken[place - 1][1] >= start) or (place < len(taken) and taken[place][0] <= end)


def _timestamp(value: Any) -> str:
    """Return a time in the form of records (RFC 3339); a number is seconds, or milliseconds, since 1970."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            time = datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS else value, UTC)
        else:
            raise ImportFormatError("an Agent Trace record without a timestamp")
        utc = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        about = f"an Agent Trace record whose timestamp {str(value)[:40]!r} is not a time"
        raise ImportFormatError(about) from None
    return utc.isoformat().replace("+00:00", "Z")
