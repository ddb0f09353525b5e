"""Entries of the ledger of lines: changes of files by tool calls, with hashes, ranges and authors, without content."""

from hashlib import sha256
from typing import Final, Literal

import msgspec

from ael_otel.attribution.lines import LineEnding

type ContributorType = Literal["ai", "human", "mixed", "unknown"]
type ChangeSource = Literal["hook", "engine", "import"]
type FileKind = Literal["created", "modified", "deleted", "renamed"]
type Author = tuple[int, ...]
"""The ids of the changes that wrote a line: none for an unknown author, several if their windows overlapped."""

UNKNOWN: Final[Author] = ()

MAX_PATH: Final = 1024
MAX_FILES: Final = 2_000
MAX_UNACCOUNTED: Final = 200


class LineRange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lines that a change wrote, by their numbers in the file after it: from 1, both ends included.

    `content_hash` is `lines.range_hash`. `contributor` is None if it is that of the change; `others` are the ids of
    other changes that may have written the lines, because their windows overlapped.
    """

    start: int
    end: int
    content_hash: str
    contributor: ContributorType | None = None
    others: list[int] = []


class FileChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a change.

    `path` is relative to the workspace, with `/`; `path_before` is that of a renamed file before. `added` and `removed`
    count lines; `ranges` leave out lines that were moved or restored, which keep their authors. `content` is
    `lines.content_key` of the file afterwards, empty if it was deleted.
    """

    path: str
    kind: FileKind = "modified"
    path_before: str | None = None
    ranges: list[LineRange] = []
    added: int = 0
    removed: int = 0
    line_ending: LineEnding = "lf"
    content: str = ""


class Unaccounted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that changed, or may have, without attributed lines; an empty path is the whole workspace."""

    path: str
    reason: str


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The lines that one tool call, one code step or one imported record wrote.

    `key` identifies it: a second change with the same key is the same change. Times are microseconds since 1970, UTC.
    `repository` is the folder that holds the history (shared by the worktrees of a Git repository), `workspace` the
    root of the files, `revision` the commit that was checked out afterwards. `origin` names the record that it was
    imported from.
    """

    key: str
    contributor: ContributorType
    source: ChangeSource
    at_us: int
    started_us: int
    repository: str
    workspace: str
    vcs: Literal["git"] | None = None
    revision: str | None = None
    agent: str | None = None
    agent_version: str | None = None
    model_id: str | None = None
    session_id: str | None = None
    turn_id: str | None = None
    call_id: str | None = None
    tool: str | None = None
    server: str | None = None
    caller: str | None = None
    workflow: str | None = None
    execution_id: str | None = None
    step_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    tokens: dict[str, int] = {}
    origin: dict[str, str] = {}
    files: list[FileChange] = []
    unaccounted: list[Unaccounted] = []

    @property
    def id(self) -> int:
        """The number of the change in authors of lines."""
        return change_id(self.key)


def change_id(key: str) -> int:
    """Return the id of a change from its key: the same in every process, 62 bits, to fit integers of any backend."""
    return int.from_bytes(sha256(f"change\0{key}".encode("utf-8", "replace")).digest()[:8]) >> 2
