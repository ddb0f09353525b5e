"""Take snapshots of workspaces around calls of an engine, and determine what they wrote, on one thread each.

Requests that wait for the same workspace share a snapshot, which also serves the call after. Snapshots are below
`~/.ael/engine/`, in a folder for each run store, so that engines that share a store see each other's calls. Everything
there is deleted once it is compared, and after an hour at the latest.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

import ael_snapshot
from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.attribution.changes import Change
from ael_otel.attribution.observations import EngineCall, SeenWorkspace, seen_workspaces
from ael_otel.attribution.tree_memory import IncrementalSnapshot, TreeMemory
from ael_otel.core.faults import fault_barrier
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.store.owner import now_us

__all__ = ["EngineSnapshots", "Moment", "Request", "Wanted", "engine_home"]

FRESH_S: Final = 0.02
"""Seconds for which the snapshot after a call also serves as the one before the next call of the same run.

Lines that others write in between are attributed to that call; a client that waits for the run writes none.
"""

SWEEP_S: Final = 600.0
_MAX_REQUESTS: Final = 1_024
_REQUEST_BYTES: Final = 1_024
_GATHER_S: Final = 0.1
"""Seconds to wait for further calls before snapshots are compared."""

type Moment = Literal["before", "after", "denied"]
"""`denied` follows `before` for a call that was cancelled before it began."""

type Work = Callable[[SeenWorkspace], Sequence[Change]]


class Wanted(NamedTuple):
    """A workspace in which a call may write; `paths` are the files that it names, None if it may write any file."""

    place: ael_snapshot.Place
    paths: tuple[str, ...] | None


@dataclass(eq=False)
class Request:
    """A snapshot that a call waits for; `late` if the call stopped waiting.

    `run` is the record of the run that makes the call, None for a direct one.
    """

    wanted: Wanted
    call: EngineCall
    phase: Moment
    run: object = None
    done: Future[None] = field(default_factory=Future[None])
    late: bool = False

    def finish(self) -> None:
        """Let the call continue."""
        with suppress(InvalidStateError):
            self.done.set_result(None)


@dataclass
class _LastSnapshot:
    snapshot: ael_snapshot.Snapshot
    ended_ns: int
    ended: float
    runs: list[object]
    number: int = 0

    def serves(self, request: Request) -> bool:
        """Return whether a request is for the snapshot before the next call of a run that this one was for."""
        return (
            request.phase == "before"
            and request.run is not None
            and any(run is request.run for run in self.runs)
        )


class EngineSnapshots:
    """Takes snapshots of workspaces and compares them.

    Args:
        home: the folder that `engine_home` returns.
        excluded: returns whether an absolute path must not be read.
        work: compares the snapshots of a workspace; called by one process at a time.
        deadline_s: seconds after which a snapshot is abandoned.
        on_refused: called for each request that found the queue full; the lines of its call are not attributed.
    """

    def __init__(
        self,
        home: Path,
        excluded: Callable[[str], bool],
        work: Work,
        deadline_s: float | None = None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_refused = on_refused
        self.deadline_s = ael_snapshot.DEADLINE_S if deadline_s is None else deadline_s
        self._home = home
        self._excluded = excluded
        self._last: dict[str, _LastSnapshot] = {}
        self._memories: dict[str, TreeMemory] = {}
        self._worker = _Worker(home, work)
        self._snapshots = TelemetryThread(
            max_notes=_MAX_REQUESTS,
            max_bytes=_MAX_REQUESTS * _REQUEST_BYTES,
            gather_s=0.0,
            notes_at_once=_MAX_REQUESTS,
            name="ael-snapshots",
        )
        self._work = TelemetryThread(
            max_notes=_MAX_REQUESTS,
            max_bytes=_MAX_REQUESTS * _REQUEST_BYTES,
            gather_s=_GATHER_S,
            notes_at_once=_MAX_REQUESTS,
            name="ael-attribution",
            alarm=self._worker.sweep,
        )
        for thread in (self._snapshots, self._work):
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=thread.before_fork,
                    after_in_parent=thread.after_fork_in_parent,
                    after_in_child=thread.after_fork_in_child,
                )
        # Process or delete at once what a killed process left.
        self._work.submit(self._worker, None, _REQUEST_BYTES)

    def ask(self, request: Request) -> None:
        """Queue a request; `request.done` is set when the snapshot is taken or cannot be."""
        if not self._snapshots.offer(self, request, _REQUEST_BYTES):
            request.finish()
            self._on_refused()

    def flush(self, timeout_s: float) -> bool:
        """Process all calls that have ended; return whether that was done within `timeout_s` seconds."""
        end = time.monotonic() + timeout_s
        return self._snapshots.flush(timeout_s) and self._work.flush(max(0.0, end - time.monotonic()))

    def close(self, timeout_s: float) -> bool:
        """Process all calls that have ended, then stop the threads; the next process takes the calls that remain."""
        end = time.monotonic() + timeout_s
        done = self._snapshots.close(timeout_s)
        return self._work.close(max(0.0, end - time.monotonic())) and done

    # --- snapshots, on the thread -------------------------------------------------------------------------------------

    def take(self, requests: Sequence[Request], /) -> None:
        """Take the snapshots of requests; requests for a whole workspace share one."""
        whole: dict[str, list[Request]] = {}
        try:
            for each in requests:
                if each.phase == "denied":
                    continue
                if each.wanted.paths is None:
                    whole.setdefault(each.wanted.place.root, []).append(each)
                else:
                    with fault_barrier("attribution.snapshot"):
                        self._named(each)
                    each.finish()
            for some in whole.values():
                with fault_barrier("attribution.snapshot"):
                    self._whole(some)
                for each in some:
                    each.finish()
            for each in requests:
                if each.phase == "denied":
                    with fault_barrier("attribution.snapshot"):
                        self._named(each)
        finally:
            for each in requests:
                each.finish()
        if any(each.phase != "before" for each in requests):
            self._work.submit(self._worker, None, _REQUEST_BYTES)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Do nothing: `ask` refuses a request when the queue is full."""

    def _named(self, request: Request) -> None:
        place, paths = request.wanted
        folder, lock = self._folder(place)
        try:
            began = time.time_ns()
            snapshot = ael_snapshot.Snapshot(place, folder, self._excluded, self.deadline_s)
            reason = snapshot.at("files", list(paths or ()))
            _note(snapshot, request, began, reason, 0)
        finally:
            _let_go(lock)

    def _whole(self, requests: Sequence[Request]) -> None:
        place = requests[0].wanted.place
        folder, lock = self._folder(place)
        try:
            last = self._last.pop(place.root, None)
            if last is not None and all(map(last.serves, requests)) and _is_fresh(last):
                for each in requests:
                    last.number += 1
                    _note(last.snapshot, each, last.ended_ns, "", last.number)
                self._last[place.root] = last
                return
            began = time.time_ns()
            memory = self._memories.setdefault(place.root, TreeMemory())
            snapshot = IncrementalSnapshot(memory, place, folder, self._excluded, self.deadline_s)
            reason = snapshot.at("all", [])
            ended_ns, ended = time.time_ns(), time.monotonic()
            for number, each in enumerate(requests):
                _note(snapshot, each, ended_ns if each.phase == "before" else began, reason, number)
            if not reason:
                runs = [each.run for each in requests if each.phase == "after"]
                self._last = {place.root: _LastSnapshot(snapshot, ended_ns, ended, runs, len(requests))}
        finally:
            _let_go(lock)

    def _folder(self, place: ael_snapshot.Place) -> tuple[str, int]:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = ael_snapshot.workspace_folder(str(self._home), place.root)
        return folder, ael_snapshot.open_folder(str(self._home), folder)


def _note(snapshot: ael_snapshot.Snapshot, request: Request, at_ns: int, reason: str, number: int) -> None:
    about: dict[str, Any] = {"engine": msgspec.to_builtins(request.call)}
    scope = "all" if request.wanted.paths is None else "files"
    snapshot.note(at_ns, request.phase, about, scope, "deadline" if request.late else reason, number)


def _is_fresh(last: _LastSnapshot) -> bool:
    """Return whether a recent snapshot is complete: none of its files has been deleted."""
    if time.monotonic() - last.ended > FRESH_S:
        return False
    folder, snapshot = last.snapshot.folder, last.snapshot
    names = [f"pool/{key}" for key, reason in snapshot.files.values() if key and not reason]
    if snapshot.index and snapshot.index != "none.index":
        names.append(snapshot.index)
    return all(os.path.exists(f"{folder}/{name}") for name in names)  # noqa: PTH110 - names, not paths


def _let_go(lock: int) -> None:
    if lock >= 0:
        os.close(lock)


class _Worker:
    """Compares the snapshots, and deletes old ones."""

    def __init__(self, home: Path, work: Work) -> None:
        self._home = home
        self._work = work

    def take(self, _notes: Sequence[None], /) -> None:
        for seen in seen_workspaces(self._home):
            with fault_barrier("attribution.work"), _alone(seen.folder):
                self._work(seen)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Do nothing: the snapshots are processed next time."""

    def sweep(self) -> float | None:
        """Delete what is older than an hour; return the seconds until the next call, None if nothing is left."""
        for seen in seen_workspaces(self._home):
            seen.sweep(now_us() / 1e6)
        return SWEEP_S if seen_workspaces(self._home) else None


class _alone:  # noqa: N801 - reads as a statement
    """Locks a folder for one process; others wait."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "work"
        self._file = -1

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        _let_go(self._file)


def engine_home(home: Path, store: str) -> Path:
    """Return the folder for the snapshots of engines that share a run store; `store` identifies that store."""
    return home / "engine" / sha256(store.encode("utf-8", "replace")).hexdigest()[:16]
