"""Convert changes of the ledger to Agent Trace records, and records to changes.

One change set is one record. Fields that the specification lacks are under `metadata["dev.ael"]`: session, run, trace
and span, kinds of changes, tokens. An imported record with several contributors becomes one change for each; an export
merges them into one record again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ael_otel.attribution.agent_trace import (
    CONTRIBUTOR_TYPES,
    GIT_REVISION,
    MAX_MODEL_ID,
    VENDOR,
    VERSION,
    Contributor,
    Conversation,
    Range,
    Tool,
    TracedFile,
    TraceRecord,
    Vcs,
    path_problem,
)
from ael_otel.attribution.changes import Change, ContributorType, FileChange, LineRange
from ael_otel.store.times import from_us, to_us
from ael_otel.version import __version__

type ById = Callable[[Collection[int]], Mapping[int, Change]]

ORIGIN_ID: Final = "record_id"
ORIGIN_TOOL: Final = "tool"
ORIGIN_VERSION: Final = "tool_version"
ORIGIN_URL: Final = "conversation_url"
ORIGIN_REVISION: Final = "revision"
"""Keys of `Change.origin` for a change that was imported."""

MAX_TEXT: Final = 256
_MAX_TOKENS: Final = 32
_KINDS: Final = ("created", "modified", "deleted", "renamed")

_FAMILIES: Final = (
    ("claude", "anthropic"),
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("codex-", "openai"),
    ("gemini-", "google"),
)
"""Provider by the beginning of a model's name, for agents that report models without their provider."""

_CALL: Final = (
    "session_id",
    "turn_id",
    "call_id",
    "tool",
    "server",
    "caller",
    "workflow",
    "execution_id",
    "step_id",
    "trace_id",
    "span_id",
)
"""Fields of a change that are written below `metadata["dev.ael"]` under the same names."""


def model_id(model: str | None) -> str | None:
    """Return a model as `provider/model`, if its provider is part of the name or follows from its family; else None."""
    if not model or "/" in model:
        name = model
    else:
        name = next(
            (f"{provider}/{model}" for begin, provider in _FAMILIES if model.startswith(begin)), model
        )
    return name if name and len(name) <= MAX_MODEL_ID else None


def record_id(change: Change) -> str:
    """Return the id of a change's record: a UUID that is the same at every export."""
    return change.origin.get(ORIGIN_ID) or str(uuid5(NAMESPACE_URL, f"ael-change:{change.key}"))


# --- changes as records -----------------------------------------------------------------------------------------------


def records_of(changes: Iterable[Change], by_ids: ById = lambda _ids: {}) -> Iterator[TraceRecord]:
    """Yield the records of changes, in their order; neighbours from one imported record are merged.

    Args:
        changes: the changes.
        by_ids: returns changes by their ids, to name the others that share lines.
    """
    waiting: list[Change] = []
    for change in changes:
        if waiting and record_id(waiting[0]) != record_id(change):
            yield _record(waiting, by_ids)
            waiting = []
        waiting.append(change)
    if waiting:
        yield _record(waiting, by_ids)


def _record(changes: list[Change], by_ids: ById) -> TraceRecord:
    first = changes[0]
    files: dict[str, list[Conversation]] = {}
    for change in changes:
        for file in change.files:
            if path_problem(file.path) is None:
                files.setdefault(file.path, []).extend(_conversations(change, file))
    revision = first.origin.get(ORIGIN_REVISION, first.revision)
    git = first.vcs == "git" and revision is not None and GIT_REVISION.fullmatch(revision)
    return TraceRecord(
        version=VERSION,
        id=record_id(first),
        timestamp=_written(max(change.at_us for change in changes)),
        vcs=Vcs(type="git", revision=revision) if git and revision else None,
        tool=_tool(first),
        files=tuple(TracedFile(path=path, conversations=tuple(some)) for path, some in files.items()),
        metadata={VENDOR: _metadata(changes, by_ids)},
    )


def _written(us: int) -> str:
    return from_us(us).isoformat().replace("+00:00", "Z")


def _conversations(change: Change, file: FileChange) -> Iterator[Conversation]:
    if not file.ranges:
        return
    model = None if change.contributor == "human" else model_id(change.model_id)
    yield Conversation(
        url=change.origin.get(ORIGIN_URL),
        contributor=Contributor(type=change.contributor, model_id=model),
        ranges=tuple(
            Range(
                start_line=each.start,
                end_line=each.end,
                content_hash=each.content_hash or None,
                contributor=_override(change, each),
            )
            for each in file.ranges
        ),
    )


def _override(change: Change, lines: LineRange) -> Contributor | None:
    kind = lines.contributor
    return None if kind is None or kind == change.contributor else Contributor(type=kind)


def _tool(change: Change) -> Tool:
    if change.source == "import":
        name, version = change.origin.get(ORIGIN_TOOL), change.origin.get(ORIGIN_VERSION)
    elif change.source == "engine":
        name, version = "ael", __version__
    else:
        name, version = change.agent, change.agent_version
    return Tool(name=name or "unknown", version=version or "unknown")


def _metadata(changes: list[Change], by_ids: ById) -> dict[str, Any]:
    first = changes[0]
    found: dict[str, Any] = {
        name: getattr(first, name) for name in ("source", "agent", "contributor", *_CALL)
    }
    found["tokens"] = first.tokens
    if len(changes) == 1:
        found["key"] = first.key
        found["started_at"] = _written(first.started_us)
    files: dict[str, dict[str, Any]] = {}
    others: set[int] = set()
    for change in changes:
        for file in change.files:
            about = files.setdefault(file.path, {"change_type": file.kind, "added": 0, "removed": 0})
            about["added"] += file.added
            about["removed"] += file.removed
            if file.path_before is not None:
                about["path_before"] = file.path_before
            others.update(number for each in file.ranges for number in each.others)
    found["files"] = files
    found["shared_with"] = sorted({record_id(each) for each in by_ids(others).values()}) if others else []
    found["unaccounted"] = [msgspec.to_builtins(each) for change in changes for each in change.unaccounted]
    return {name: value for name, value in found.items() if value not in (None, [], {}, "")}


# --- records as changes -----------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where the lines of imported records are: the folder of the history, and the root of the files."""

    repository: str
    workspace: str
    git: bool


class Imported(NamedTuple):
    """A change that was part of a record, and its ranges by file as in the record."""

    change: Change
    ranges: dict[str, tuple[Range, ...]]


def changes_of(
    record: TraceRecord, place: Place, redact: Callable[[str], str] = lambda text: text
) -> list[Imported]:
    """Return the changes of a record: one for each contributor of each conversation.

    Each has the fields of the record below `metadata["dev.ael"]`. The caller finds the lines of the files from the
    ranges. `redact` is applied to every name and id.
    """
    about = _about(record, redact)
    groups: dict[tuple[str, str, str], dict[str, list[Range]]] = {}
    for file in record.files:
        for conversation in file.conversations:
            for each in conversation.ranges:
                by = each.contributor or conversation.contributor or Contributor(type="unknown")
                key = (by.type, by.model_id or _model(by, conversation), conversation.url or "")
                groups.setdefault(key, {}).setdefault(file.path, []).append(each)
    if not groups:
        groups[about.contributor, "", ""] = {}
    origin = {ORIGIN_ID: record.id}
    if record.tool is not None:
        origin |= {ORIGIN_TOOL: redact(record.tool.name), ORIGIN_VERSION: redact(record.tool.version)}
    if record.vcs is not None:
        origin[ORIGIN_REVISION] = record.vcs.revision
    by_tool = origin.get(ORIGIN_TOOL)
    at_us = to_us(datetime.fromisoformat(record.timestamp))
    alone = about.key if len(groups) == 1 else ""
    found: list[Imported] = []
    for number, ((kind, model, url), ranges) in enumerate(groups.items()):
        paths = dict.fromkeys([*ranges, *(file.path for file in record.files if not file.conversations)])
        change = Change(
            key=alone or f"import:{record.id}:{number}",
            contributor=cast("ContributorType", kind),
            source="import",
            at_us=at_us,
            started_us=at_us,
            repository=place.repository,
            workspace=place.workspace,
            vcs="git" if place.git else None,
            agent=about.agent or (by_tool if kind != "human" else None),
            agent_version=origin.get(ORIGIN_VERSION) if about.agent in (None, by_tool) else None,
            model_id=redact(model) or None,
            origin=origin | ({ORIGIN_URL: redact(url)} if url else {}),
            files=[_file(path, about) for path in paths],
            tokens=about.tokens,
            **about.call,
        )
        found.append(Imported(change, {path: tuple(some) for path, some in ranges.items()}))
    return found


def _model(by: Contributor, conversation: Conversation) -> str:
    """Return the model of a conversation for a range whose own contributor has none."""
    whole = conversation.contributor
    return "" if by.type == "human" or whole is None or whole.model_id is None else whole.model_id


class _About(NamedTuple):
    """The fields of a record below `metadata["dev.ael"]`."""

    key: str
    agent: str | None
    contributor: str
    call: dict[str, Any]
    tokens: dict[str, int]
    files: dict[str, Any]


def _about(record: TraceRecord, redact: Callable[[str], str]) -> _About:
    given = record.metadata.get(VENDOR)
    found = cast("dict[str, Any]", given) if isinstance(given, dict) else {}

    def text(name: str) -> str | None:
        value = found.get(name)
        return redact(value[:MAX_TEXT]) if isinstance(value, str) and value else None

    tokens, files = found.get("tokens"), found.get("files")
    contributor = text("contributor")
    return _About(
        key=text("key") or "",
        agent=text("agent"),
        contributor=contributor if contributor in CONTRIBUTOR_TYPES else "unknown",
        call={name: value for name in _CALL if (value := text(name)) is not None},
        tokens=_counts(tokens),
        files=cast("dict[str, Any]", files) if isinstance(files, dict) else {},
    )


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    items = list(cast("dict[str, Any]", value).items())[:_MAX_TOKENS]
    return {name[:MAX_TEXT]: count for name, count in items if _is_count(count)}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _file(path: str, about: _About) -> FileChange:
    given = about.files.get(path)
    found = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    kind, before = found.get("change_type"), found.get("path_before")
    counts = {name: found[name] for name in ("added", "removed") if _is_count(found.get(name))}
    return FileChange(
        path=path,
        kind=kind if kind in _KINDS else "modified",
        path_before=before if isinstance(before, str) and path_problem(before) is None else None,
        **counts,
    )
