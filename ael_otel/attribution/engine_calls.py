"""Take snapshots around the tool calls and code steps of an engine that may write below the configured folders.

A call waits for the snapshots before and after it, without blocking the event loop; its lines are determined later. A
snapshot that takes too long, or a fault of ours, changes nothing for the call: its files are then unaccounted for.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar, Token
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Final, Self, cast

from msgspec.structs import replace

import ael_snapshot
from ael_otel.attribution.access import verb_of
from ael_otel.attribution.engine_snapshots import EngineSnapshots, Moment, Request, Wanted
from ael_otel.attribution.observations import EngineCall
from ael_otel.attribution.run import named_paths
from ael_otel.core.faults import fault_barrier
from ael_otel.errors import ConfigError
from ael_otel.lifecycle import CodeBlock, ToolCall, Unwatched, current_frame
from ael_otel.lifecycle.code_block import imports_of
from ael_otel.lifecycle.observers import UNWATCHED
from ael_otel.lifecycle.step import step_around
from ael_otel.store.owner import this_process

KEY: Final = "telemetry.attribution.roots"

_CANNOT_WRITE: Final = frozenset(
    (
        *("json", "math", "datetime", "_strptime", "time", "random", "itertools", "functools", "collections"),
        *("typing", "re", "decimal", "statistics", "operator", "copy", "uuid", "hashlib"),
    )
)
"""Modules that cannot write files; the engine's sandbox has no `open`."""

CODE: Final = "python_exec"
"""The name of a code step where a tool's name is expected."""

_COMMANDS: Final = "ael "
"""Prefix of callers that are commands of ours, not agents."""

_around: ContextVar[tuple[str, ...]] = ContextVar("ael_otel_calls_around", default=())
"""The numbers of the observed calls that enclose the current code."""


def roots_of(paths: Sequence[str]) -> tuple[str, ...]:
    """Return configured folders as absolute paths with symbolic links resolved.

    Raises:
        ConfigError: one does not exist, is not a folder, or is too large: a bare repository or the home folder.
    """
    found: list[str] = []
    home = os.path.realpath(Path.home())
    for path in paths:
        root = os.path.realpath(Path(path).expanduser())
        if not os.path.isdir(root):  # noqa: PTH112 - no error without permission
            what = "is not a folder" if os.path.exists(root) else "does not exist"  # noqa: PTH110
            raise ConfigError(f"{KEY}: {root} {what}; create the folder, or name another one", key=KEY)
        place = ael_snapshot.place_of(root)
        if place is None:
            raise ConfigError(f"{KEY}: {root} is inside a bare repository; name a work tree", key=KEY)
        if root == "/" or f"{home}/".startswith(f"{root}/"):
            raise ConfigError(f"{KEY}: {root} holds the home folder; name a workspace below it", key=KEY)
        found.append(root)
    return tuple(dict.fromkeys(found))


class EngineCalls:
    """Observes the calls of an engine.

    Args:
        roots: folders as `roots_of` returns them.
        snapshots: takes the snapshots.
    """

    def __init__(self, roots: Sequence[str], snapshots: EngineSnapshots) -> None:
        self._roots = roots
        self.snapshots = snapshots
        self._owner = this_process()

    def tool(self, tool: str, params: Any) -> Unwatched:
        """Return the context of a tool call: with snapshots if it may write below the roots."""
        with fault_barrier("attribution.tool"):
            return self._around(list(self._of_tool(tool, params)))
        return UNWATCHED

    def code(self, code: str | None) -> Unwatched:
        """Return the context of a code step: with snapshots if its imports can write files."""
        with fault_barrier("attribution.code"):
            modules = {name.partition(".")[0] for name in imports_of(code or "")}
            return self._around([] if modules <= _CANNOT_WRITE else list(self._all()))
        return UNWATCHED

    def _around(self, wanted: Sequence[Wanted]) -> Unwatched:
        if not wanted:
            return UNWATCHED
        call = EngineCall(number=token_hex(8), owner=self._owner, around=list(_around.get()))
        frame = current_frame.get()
        return WatchedCall(
            self.snapshots, wanted, call, None if frame is None or frame.ended else frame.execution
        )

    def _of_tool(self, tool: str, params: Any) -> Iterator[Wanted]:
        values = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
        verb = verb_of(tool, values)
        if verb == "read":
            return
        name = "".join(each for each in tool.lower() if each.isalnum())
        if name in ael_snapshot.SHELLS and not ael_snapshot.scope_of(tool, values, []):
            return
        named = named_paths(values, verb) if name in ael_snapshot.WRITERS else []
        # A relative path: the working directory of the tool server is not known.
        if not named or not all(map(os.path.isabs, named)):
            yield from self._all()
            return
        inside = [path for path in named if self.covers(_resolved(path))]
        for place, paths in ael_snapshot.places_of("/", inside, "files"):
            yield Wanted(place, tuple(paths))

    def _all(self) -> Iterator[Wanted]:
        places = [place for root in self._roots if (place := ael_snapshot.place_of(root)) is not None]
        for place in {each.root: each for each in places}.values():
            yield Wanted(place, None)

    def covers(self, path: str) -> bool:
        """Return whether an absolute path is below a root."""
        return any(path.startswith(f"{root}/") for root in self._roots)


def _resolved(path: str) -> str:
    """Return a path with the symbolic links of its folder resolved; the file itself may be a link."""
    folder, _, name = path.rpartition("/")
    return f"{os.path.realpath(folder)}/{name}"


class WatchedCall(Unwatched):
    """Takes snapshots before and after a call."""

    __slots__ = ("_before", "_call", "_frame", "_run", "_snapshots", "wanted")

    def __init__(
        self, snapshots: EngineSnapshots, wanted: Sequence[Wanted], call: EngineCall, run: object = None
    ) -> None:
        self._run = run
        self._frame: ToolCall | CodeBlock | None = None
        self._snapshots = snapshots
        self.wanted = wanted
        self._call = call
        self._before: Token[tuple[str, ...]] | None = None

    async def __aenter__(self) -> Self:
        with fault_barrier("attribution.before"):
            try:
                await self._snapshot("before")
            except BaseException:
                self._ask("denied")  # cancelled before it began: it wrote nothing
                raise
            self._before = _around.set((*_around.get(), self._call.number))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with fault_barrier("attribution.after"):
            if self._before is not None:
                _around.reset(self._before)
            if self._frame is not None:
                self._call = _described(self._call, self._frame)
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                self._ask("after")  # a cancelled call does not wait
            else:
                await self._snapshot("after")

    def entered(self, frame: ToolCall | CodeBlock, /) -> None:
        """Note the frame of the call, which has the ids of its run when the call ends."""
        self._frame = frame

    async def _snapshot(self, phase: Moment) -> None:
        """Wait for a snapshot of the workspaces of the call, at most as long as a snapshot may take."""
        requests = self._ask(phase)
        waiting = [asyncio.wrap_future(each.done) for each in requests]
        try:
            await asyncio.wait(waiting, timeout=self._snapshots.deadline_s)
        finally:
            for each, future in zip(requests, waiting, strict=True):
                each.late = not each.done.done()
                future.cancel()

    def _ask(self, phase: Moment) -> list[Request]:
        requests = [Request(wanted, self._call, phase, self._run) for wanted in self.wanted]
        for each in requests:
            self._snapshots.ask(each)
        return requests


def _described(call: EngineCall, frame: ToolCall | CodeBlock) -> EngineCall:
    """Return a call with the ids and the agent of its run, from its frame."""
    run, step = frame.execution, step_around(frame.parent)
    caller = None if run is None else run.caller_id
    session = None if run is None else run.metadata.get("session_id")
    by_agent = isinstance(session, str) and caller is not None and not caller.startswith(_COMMANDS)
    facts: dict[str, str | None] = {
        "step_id": None if step is None else step.step_id,
        "workflow": None if run is None else run.workflow_name,
        "execution_id": None if run is None else run.execution_id,
        "trace_id": None if run is None else run.trace_id,
        "caller": caller,
        "session_id": session if isinstance(session, str) else None,
        "agent": caller if by_agent else None,
    }
    if isinstance(frame, ToolCall):
        record = frame.record
        facts |= {
            "call_id": record.call_id,
            "tool": record.tool_name,
            "server": record.server,
            "span_id": record.span_id,
        }
    elif frame.record is not None:
        facts |= {"tool": CODE, "span_id": frame.record.span_id}
    return replace(call, **{name: value for name, value in facts.items() if value})
