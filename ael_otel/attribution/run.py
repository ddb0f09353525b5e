"""The attribution of one run: its contributors, and the files that its tool calls named.

Everything is read from the record. A record does not have who wrote which lines of a file, nor the files that a call
used without naming them in its parameters. A contributor is `ai` only if a span names a model or an agent, `unknown`
otherwise; never `human`, for which a record has no evidence.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from ael_otel.attribution.access import Access, access, names_a_file, verb_of
from ael_otel.attribution.changes import Change
from ael_otel.attribution.written import Written, written_of
from ael_otel.privacy.markers import EXCLUDED_PATH, FAULT, MARKERS, REDACTED
from ael_otel.privacy.paths import as_path, paths_in
from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import TRUNCATED

type ContributorKind = Literal["caller", "session", "agent", "model", "workflow", "code", "tool"]
type ContributorType = Literal["ai", "unknown"]

EXCLUDED: Final = MARKERS[EXCLUDED_PATH]
"""Replaces every excluded file, so that neither the names nor the number of such files are disclosed."""

LINE_RANGES: Final = "not recorded"
RECORDED: Final = "recorded"

_TAKEN_OUT: Final = (REDACTED, FAULT)
_LONGEST: Final = 4096
_COMMAND_LINES: Final = frozenset({"command", "cmd", "script", "args", "argv", "arguments"})


class Contributor(msgspec.Struct, kw_only=True):
    """A contributor; `name` is its id, its name, or the SHA-256 of code.

    `type` is that of Agent Trace: `ai` on positive evidence, otherwise `unknown`. `calls` is the number of tool calls
    that it made (code) or that called it (tool).
    """

    kind: ContributorKind
    name: str
    type: ContributorType
    version: str | None = None
    provider: str | None = None
    server: str | None = None
    imports: list[str] = msgspec.field(default_factory=list[str])
    tools: list[str] = msgspec.field(default_factory=list[str])
    steps: list[str] = msgspec.field(default_factory=list[str])
    calls: int = 0


class Touch(msgspec.Struct, kw_only=True):
    """A tool call that named a file, and the parameter; `agent` is the agent that made it, if a span names one."""

    call_id: str
    step_id: str | None
    tool_name: str
    server: str | None
    source: str
    started_at: datetime
    outcome: str
    access: Access
    parameter: str
    contributor: ContributorType
    agent: str | None


class NamedFile(msgspec.Struct, kw_only=True):
    """A file or folder (a record does not distinguish them), as parameters wrote it, and the calls that named it."""

    path: str
    excluded: bool
    calls: list[Touch]


class Attribution(msgspec.Struct, kw_only=True):
    """The contributors, files and lines of one run.

    For `calls_unread` of its `calls` the parameters are not recorded, or not completely: files in them are missing
    here. `written` are the lines of the ledger; `line_ranges` is whether it has any.
    """

    contributors: list[Contributor]
    files: list[NamedFile]
    calls: int
    calls_unread: int
    line_ranges: str = LINE_RANGES
    written: list[Written] = msgspec.field(default_factory=list[Written])


class _Named(NamedTuple):
    path: str
    parameter: str
    """The path of the parameter: `edits.path`."""
    by_name: str | None
    """The parameter's name, if it means a file."""


def attribution_of(
    run: ExecutionRecord,
    excluded: Callable[[str], bool] = lambda _text: False,
    changes: Iterable[Change] = (),
) -> Attribution:
    """Return the contributors, files and lines of a run.

    Args:
        run: as the store returns it.
        changes: those of the run in the ledger of lines.
        excluded: returns whether a text names a file that is excluded now; the record has markers for files that were
            excluded when it was written.
    """
    calls = [*run.tool_calls, *(call for step in _steps(run) for call in step.tool_calls)]
    files: dict[str, NamedFile] = {}
    unread = 0
    for call in calls:
        params, whole = _read(call.params)
        verb = verb_of(call.tool_name, params)
        named = list(dict.fromkeys(_named(params, verb)))
        found = [each for each in named if each.path not in _TAKEN_OUT]
        unread += not whole or len(found) < len(named)
        by_name = {each.by_name for each in found if each.by_name is not None}
        for each in found:
            path = EXCLUDED if each.path == EXCLUDED or excluded(each.path) else each.path
            how = "unknown" if each.by_name is None else access(verb, each.by_name, by_name)
            file = files.setdefault(path, NamedFile(path=path, excluded=path == EXCLUDED, calls=[]))
            touch = _touch(call, how, each.parameter)
            if touch not in file.calls:
                file.calls.append(touch)
    for file in files.values():
        file.calls.sort(key=lambda touch: touch.started_at)
    written = [each for each in written_of(changes) if not excluded(each.path)]
    return Attribution(
        line_ranges=RECORDED if written else LINE_RANGES,
        written=written,
        contributors=list(_contributors(run, calls)),
        files=sorted(files.values(), key=lambda file: (file.calls[0].started_at, file.path)),
        calls=len(calls),
        calls_unread=unread,
    )


def _steps(run: ExecutionRecord) -> list[StepRecord]:
    return sorted(run.steps, key=lambda step: step.index)


def _touch(call: ToolCallRecord, how: Access, parameter: str) -> Touch:
    return Touch(
        call_id=call.call_id,
        step_id=call.step_id,
        tool_name=call.tool_name,
        server=call.server,
        source=call.source,
        started_at=call.started_at,
        outcome=call.status,
        access=how,
        parameter=parameter,
        contributor="unknown" if call.agent is None else "ai",
        agent=call.agent,
    )


# --- contributors -----------------------------------------------------------------------------------------------------


def _contributors(run: ExecutionRecord, calls: Iterable[ToolCallRecord]) -> Iterator[Contributor]:
    if run.caller_id:
        yield Contributor(kind="caller", name=run.caller_id, type="unknown")
    session = run.metadata.get("session_id")
    if isinstance(session, str) and session:
        yield Contributor(kind="session", name=session, type="unknown")
    for agent in _texts(run.metadata.get("agents")):
        made = sum(call.agent == agent for call in calls)
        yield Contributor(kind="agent", name=agent, type="ai", calls=made)
    for model in _items(run.metadata.get("models")):
        if isinstance(model, dict):
            described = cast("Mapping[str, Any]", model)
            name, provider = described.get("model"), described.get("provider")
            if isinstance(name, str):
                who = provider if isinstance(provider, str) else None
                yield Contributor(kind="model", name=name, type="ai", provider=who)
    if run.workflow_name is not None and run.metadata.get("source") != "spans":
        yield Contributor(
            kind="workflow", name=run.workflow_name, type="unknown", version=run.workflow_version
        )
    yield from _code(run)
    yield from _tools(calls)


def _code(run: ExecutionRecord) -> Iterator[Contributor]:
    found: dict[str, Contributor] = {}
    for step in _steps(run):
        known = step.code_hash or (step.code.code_hash if step.code is not None else None)
        if not known:
            continue
        block = found.setdefault(known, Contributor(kind="code", name=known, type="unknown"))
        made = [call.tool_name for call in step.tool_calls if call.source == "code_block"]
        block.imports = sorted({*block.imports, *(step.code.imports if step.code is not None else ())})
        block.tools = list(dict.fromkeys([*block.tools, *made]))
        block.steps.append(step.step_id)
        block.calls += len(made)
    yield from found.values()


def _tools(calls: Iterable[ToolCallRecord]) -> Iterator[Contributor]:
    found: dict[tuple[str, str | None], Contributor] = {}
    for call in calls:
        key = (call.tool_name, call.server)
        tool = found.setdefault(
            key, Contributor(kind="tool", name=call.tool_name, type="unknown", server=call.server)
        )
        tool.calls += 1
        if call.step_id is not None and call.step_id not in tool.steps:
            tool.steps.append(call.step_id)
    yield from found.values()


# --- files ------------------------------------------------------------------------------------------------------------


def _read(params: Any) -> tuple[Any, bool]:
    """Return parameters as values, and whether they are complete; other agents send them as JSON text."""
    if isinstance(params, msgspec.Raw):
        params = msgspec.json.decode(params)
    if params is None or params in _TAKEN_OUT or (isinstance(params, dict) and TRUNCATED in params):
        return None, False
    if isinstance(params, str) and params.lstrip()[:1] in {"{", "["}:
        with suppress(msgspec.DecodeError, RecursionError):
            params = msgspec.json.decode(params)
    return cast("Any", params), True


def named_paths(params: Any, verb: str | None) -> list[str]:
    """Return the files in parameters whose names mean a file."""
    return list(dict.fromkeys(each.path for each in _named(params, verb) if each.by_name is not None))


def _named(params: Any, verb: str | None) -> Iterator[_Named]:
    pending: list[tuple[Any, str, str]] = [(params, "", "")]
    while pending:
        value, name, where = pending.pop()
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value).items()
            inside = [(item, key, f"{where}.{key}" if where else key) for key, item in fields]
        elif isinstance(value, (list, tuple)):
            inside = [(item, name, where) for item in cast("Sequence[Any]", value)]
        else:
            if isinstance(value, str):
                yield from _in_text(value, name, where, verb)
            continue
        pending += reversed(inside)


def _in_text(text: str, name: str, where: str, verb: str | None) -> Iterator[_Named]:
    by_name = name if names_a_file(name, verb) else None
    text = text.strip()
    found: Iterable[str] = ()
    may_name = by_name is not None or name.lower() in _COMMAND_LINES
    if EXCLUDED in text and may_name:  # in other parameters the marker replaces a file's content
        yield _Named(EXCLUDED, where, by_name)
    if by_name is not None and text in _TAKEN_OUT:
        yield _Named(text, where, by_name)
    elif by_name is not None:
        if EXCLUDED not in text and text.isprintable() and len(text) <= _LONGEST:
            found = (as_path(text),)
    elif name.lower() in _COMMAND_LINES or not any(map(str.isspace, text)):
        found = paths_in(text)
    for path in filter(None, found):
        # Write one path in one way; `..` stays, since only the file system can resolve it.
        yield _Named(path if "\\" in path else str(PurePosixPath(path)), where, by_name)


def _items(value: Any) -> list[Any]:
    return list(cast("Sequence[Any]", value)) if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [item for item in _items(value) if isinstance(item, str)]
