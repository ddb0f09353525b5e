"""Agent Trace records (specification 0.1.0, https://agent-trace.dev): their shape, and the rules that ours follow.

The specification has two schemas that disagree: the one in its text, and a stricter one generated from its code.
Records are written so that both accept them: a UUID as `id`, times with `Z`, tools with a version, and no fields but
those of the specification. Fields that AEL adds are under `metadata["dev.ael"]`. The one exception is `version`: the
pattern of the generated schema is escaped twice, so it refuses every version, even the specification's own.

Neither schema refuses ranges that end before they start or overlap, paths outside the repository, or a file that is
listed twice. `problems` does.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

type ContributorType = Literal["human", "ai", "mixed", "unknown"]
type VcsType = Literal["git", "jj", "hg", "svn"]

VERSION: Final = "0.1.0"
"""The version of the specification that records are written in."""

VENDOR: Final = "dev.ael"
"""The key below `metadata` that holds the fields AEL adds."""

CONTRIBUTOR_TYPES: Final[tuple[str, ...]] = get_args(ContributorType.__value__)
MAX_MODEL_ID: Final = 250
CONTENT_HASH: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}:[!-~]{1,1024}")
"""Matches a hash that names its algorithm, as `sha256:...` and `murmur3:...` do."""

GIT_REVISION: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Part of a record: absent fields are not written, and unknown fields are refused."""


class Contributor(_Part, frozen=True, kw_only=True):
    """Who wrote lines; `model_id` is `provider/model`, as on models.dev."""

    type: ContributorType
    model_id: str | None = None


class Range(_Part, frozen=True, kw_only=True):
    """Lines from `start_line` to `end_line`, both included, counted from 1.

    `content_hash` is `algorithm:hex`; ours is that of `lines.range_hash`. `contributor` overrides the conversation's.
    """

    start_line: int
    end_line: int
    content_hash: str | None = None
    contributor: Contributor | None = None


class Related(_Part, frozen=True, kw_only=True):
    """Another resource of a conversation; `url` is absolute."""

    type: str
    url: str


class Conversation(_Part, frozen=True, kw_only=True):
    """The lines of one file that one conversation wrote."""

    url: str | None = None
    contributor: Contributor | None = None
    ranges: tuple[Range, ...]
    related: tuple[Related, ...] = ()


class TracedFile(_Part, frozen=True, kw_only=True):
    """A file, with its path relative to the root of the repository and `/` as separator, and who wrote its lines."""

    path: str
    conversations: tuple[Conversation, ...]


class Vcs(_Part, frozen=True, kw_only=True):
    """The revision on which a change was made."""

    type: VcsType
    revision: str


class Tool(_Part, frozen=True, kw_only=True):
    """The agent that a record is about; its version is `unknown` if it is not recorded."""

    name: str
    version: str


class TraceRecord(_Part, frozen=True, kw_only=True):
    """One change set. `id` is a UUID, `timestamp` RFC 3339 in UTC with `Z`."""

    version: str
    id: str
    timestamp: str
    vcs: Vcs | None = None
    tool: Tool | None = None
    files: tuple[TracedFile, ...]
    metadata: dict[str, Any] = {}


def encode(record: TraceRecord) -> bytes:
    """Return a record as one line of JSON, without a line break."""
    return msgspec.json.encode(record)


def problems(document: Any) -> list[str]:
    """Return the reasons why a decoded JSON document is not a record as this module writes them.

    Each reason names the location: `files[0].path: '/etc/passwd' is not relative to the repository`. An empty list
    means that both published schemas accept the document, except for the pattern of `version` in the generated one, and
    that it follows the rules that neither schema has.
    """
    try:
        record = msgspec.convert(document, TraceRecord)
    except (msgspec.ValidationError, RecursionError) as error:
        return [str(error)]
    return [*_nulls(document), *_problems(record)]


def _nulls(value: Any, where: str = "") -> Iterator[str]:
    """Name the null fields: our structs accept null, the two schemas do not."""
    if value is None:
        yield f"{where}: is null"
    elif isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if where or name != "metadata":
                yield from _nulls(inner, f"{where}.{name}" if where else name)
            elif inner is None:
                yield "metadata: is null"
    elif isinstance(value, list):
        for place, inner in enumerate(cast("Iterable[Any]", value)):
            yield from _nulls(inner, f"{where}[{place}]")


def _problems(record: TraceRecord) -> Iterator[str]:
    if not _VERSION.fullmatch(record.version):
        yield f"version: {record.version[:40]!r} is not three numbers like {VERSION}"
    if not is_uuid(record.id):
        yield f"id: {record.id[:40]!r} is not a UUID"
    if not _TIMESTAMP.fullmatch(record.timestamp):
        yield f"timestamp: {record.timestamp[:40]!r} is not an RFC 3339 time that ends in Z"
    if (
        record.vcs is not None
        and record.vcs.type == "git"
        and not GIT_REVISION.fullmatch(record.vcs.revision)
    ):
        yield f"vcs.revision: {record.vcs.revision[:80]!r} is not the full hash of a Git commit"
    paths: set[str] = set()
    for place, file in enumerate(record.files):
        where = f"files[{place}]"
        if (why := path_problem(file.path)) is not None:
            yield f"{where}.path: {file.path[:80]!r} {why}"
        if file.path in paths:
            yield f"{where}.path: {file.path[:80]!r} is listed twice"
        paths.add(file.path)
        yield from _overlaps(file, where)
        for number, conversation in enumerate(file.conversations):
            yield from _conversation(conversation, f"{where}.conversations[{number}]")


def _conversation(conversation: Conversation, where: str) -> Iterator[str]:
    urls = [("url", conversation.url)] if conversation.url is not None else []
    urls += [(f"related[{place}].url", each.url) for place, each in enumerate(conversation.related)]
    for name, url in urls:
        if not is_absolute_url(url or ""):
            yield f"{where}.{name}: is not an absolute URI"
    yield from _contributor(conversation.contributor, where)
    for place, each in enumerate(conversation.ranges):
        inner = f"{where}.ranges[{place}]"
        if each.start_line < 1:
            yield f"{inner}.start_line: {each.start_line} is less than 1"
        if each.end_line < each.start_line:
            yield f"{inner}.end_line: {each.end_line} is before start_line {each.start_line}"
        if each.content_hash is not None and not CONTENT_HASH.fullmatch(each.content_hash):
            yield f"{inner}.content_hash: does not name its algorithm, as sha256:... does"
        yield from _contributor(each.contributor, inner)


def _contributor(contributor: Contributor | None, where: str) -> Iterator[str]:
    if contributor is not None and contributor.model_id is not None:
        if len(contributor.model_id) > MAX_MODEL_ID:
            yield f"{where}.contributor.model_id: is longer than {MAX_MODEL_ID} characters"
        if contributor.type == "human":
            yield f"{where}.contributor.model_id: names a model for lines of a human"


def _overlaps(file: TracedFile, where: str) -> Iterator[str]:
    ranges = sorted(
        (each.start_line, each.end_line)
        for conversation in file.conversations
        for each in conversation.ranges
    )
    for (_, end), (start, _) in pairwise(ranges):
        if start <= end:
            yield f"{where}: line {start} is in two ranges"
            return


def path_problem(path: str) -> str | None:
    """Return why a path is not relative to the root of a repository, None if it is."""
    parts = path.split("/")
    if path.startswith(("/", "\\", "~")) or _DRIVE.match(path):
        return "is not relative to the repository"
    if ".." in parts:
        return "leads out of the repository"
    if not path or "\0" in path or "\\" in path or "" in parts or "." in parts:
        return "is not a plain path with / between its parts"
    return None


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID in its usual form, with hyphens."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def is_absolute_url(text: str) -> bool:
    """Return whether a text is an absolute URI with more than a scheme."""
    if not text.isascii() or any(each.isspace() or each in '<>"{}|\\^`' for each in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path))
