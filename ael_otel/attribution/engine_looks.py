"""Look at workspaces around calls of an engine, and work out what they wrote, each on a thread of its own.

Looks that wait for the same workspace are one look: it serves as the one after a call and as the one before the next.
What is seen lies below `~/.ael/engine/`, a folder for each run store, so that engines which share a store see each
other's calls. Everything there is deleted once it is compared, and after an hour in any case.
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
from ael_otel.attribution.tree_memory import RememberingLook, TreeMemory
from ael_otel.core.faults import fault_barrier
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.store.owner import now_us

__all__ = ["EngineLooks", "Moment", "Request", "Wanted", "engine_home"]

FRESH_S: Final = 0.02
"""How old the look after a call may be that serves as the one before the next call of the same run.

What others write in between counts for that call; a client that waits for the run writes nothing in between.
"""

SWEEP_S: Final = 600.0
_MAX_REQUESTS: Final = 1_024
_REQUEST_BYTES: Final = 1_024
_GATHER_S: Final = 0.1
"""How long work on what was seen waits for further calls."""

type Moment = Literal["before", "after", "denied"]
"""Of a call that was cancelled before it began, `denied` follows on `before`."""

type Work = Callable[[SeenWorkspace], Sequence[Change]]


class Wanted(NamedTuple):
    """A workspace that a call may write in; `paths` are the files that it names, None where it may write any."""

    place: ael_snapshot.Place
    paths: tuple[str, ...] | None


@dataclass(eq=False)
class Request:
    """A look that a call waits for; one that is `late` is noted as one that took too long.

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
class _Look:
    look: ael_snapshot.Look
    ended_ns: int
    ended: float
    runs: list[object]
    number: int = 0

    def serves(self, request: Request) -> bool:
        """Return whether a request is for the look before the next call of a run that this one was for."""
        return (
            request.phase == "before"
            and request.run is not None
            and any(run is request.run for run in self.runs)
        )


class EngineLooks:
    """Looks at workspaces and works on what was seen.

    Args:
        home: as `engine_home` returns it.
        excluded: whether an absolute path is not to be read.
        work: works on what was seen of a workspace; called by one process at a time.
        deadline_s: after how many seconds a look ends.
        on_refused: called for each look that found no room; the lines of its call are not attributed.
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
        self._last: dict[str, _Look] = {}
        self._memories: dict[str, TreeMemory] = {}
        self._worker = _Worker(home, work)
        self._looks = TelemetryThread(
            max_notes=_MAX_REQUESTS,
            max_bytes=_MAX_REQUESTS * _REQUEST_BYTES,
            gather_s=0.0,
            notes_at_once=_MAX_REQUESTS,
            name="ael-looks",
        )
        self._work = TelemetryThread(
            max_notes=_MAX_REQUESTS,
            max_bytes=_MAX_REQUESTS * _REQUEST_BYTES,
            gather_s=_GATHER_S,
            notes_at_once=_MAX_REQUESTS,
            name="ael-attribution",
            alarm=self._worker.sweep,
        )
        for thread in (self._looks, self._work):
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=thread.before_fork,
                    after_in_parent=thread.after_fork_in_parent,
                    after_in_child=thread.after_fork_in_child,
                )
        # What a process that was killed has left is worked on, or swept, at once.
        self._work.submit(self._worker, None, _REQUEST_BYTES)

    def ask(self, request: Request) -> None:
        """Have the workspace looked at; `request.done` is set once that is done, or cannot be."""
        if not self._looks.offer(self, request, _REQUEST_BYTES):
            request.finish()
            self._on_refused()

    def flush(self, timeout_s: float) -> bool:
        """Work on all calls that are over; returns whether that was done within `timeout_s` seconds."""
        end = time.monotonic() + timeout_s
        return self._looks.flush(timeout_s) and self._work.flush(max(0.0, end - time.monotonic()))

    def close(self, timeout_s: float) -> bool:
        """Process all calls that have ended, then stop the threads; the next process takes the calls that remain."""
        end = time.monotonic() + timeout_s
        done = self._looks.close(timeout_s)
        return self._work.close(max(0.0, end - time.monotonic())) and done

    # --- looking, on the thread ---------------------------------------------------------------------------------------

    def take(self, requests: Sequence[Request], /) -> None:
        """Look at the workspaces of requests, each once for all that want the whole of it."""
        whole: dict[str, list[Request]] = {}
        try:
            for each in requests:
                if each.phase == "denied":
                    continue
                if each.wanted.paths is None:
                    whole.setdefault(each.wanted.place.root, []).append(each)
                else:
                    with fault_barrier("attribution.look"):
                        self._named(each)
                    each.finish()
            for some in whole.values():
                with fault_barrier("attribution.look"):
                    self._whole(some)
                for each in some:
                    each.finish()
            for each in requests:
                if each.phase == "denied":
                    with fault_barrier("attribution.look"):
                        self._named(each)
        finally:
            for each in requests:
                each.finish()
        if any(each.phase != "before" for each in requests):
            self._work.submit(self._worker, None, _REQUEST_BYTES)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Do nothing: a request that finds no room is refused by `ask`."""

    def _named(self, request: Request) -> None:
        place, paths = request.wanted
        folder, lock = self._folder(place)
        try:
            began = time.time_ns()
            look = ael_snapshot.Look(place, folder, self._excluded, self.deadline_s)
            reason = look.at("files", list(paths or ()))
            _note(look, request, began, reason, 0)
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
                    _note(last.look, each, last.ended_ns, "", last.number)
                self._last[place.root] = last
                return
            began = time.time_ns()
            memory = self._memories.setdefault(place.root, TreeMemory())
            look = RememberingLook(memory, place, folder, self._excluded, self.deadline_s)
            reason = look.at("all", [])
            ended_ns, ended = time.time_ns(), time.monotonic()
            for number, each in enumerate(requests):
                _note(look, each, ended_ns if each.phase == "before" else began, reason, number)
            if not reason:
                runs = [each.run for each in requests if each.phase == "after"]
                self._last = {place.root: _Look(look, ended_ns, ended, runs, len(requests))}
        finally:
            _let_go(lock)

    def _folder(self, place: ael_snapshot.Place) -> tuple[str, int]:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = ael_snapshot.workspace_folder(str(self._home), place.root)
        return folder, ael_snapshot.open_folder(str(self._home), folder)


def _note(look: ael_snapshot.Look, request: Request, at_ns: int, reason: str, number: int) -> None:
    about: dict[str, Any] = {"engine": msgspec.to_builtins(request.call)}
    scope = "all" if request.wanted.paths is None else "files"
    look.note(at_ns, request.phase, about, scope, "deadline" if request.late else reason, number)


def _is_fresh(last: _Look) -> bool:
    """Return whether nothing has been deleted of a look that has just ended."""
    if time.monotonic() - last.ended > FRESH_S:
        return False
    folder, look = last.look.folder, last.look
    names = [f"pool/{key}" for key, reason in look.files.values() if key and not reason]
    if look.index and look.index != "none.index":
        names.append(look.index)
    return all(os.path.exists(f"{folder}/{name}") for name in names)  # noqa: PTH110 - names, not paths


def _let_go(lock: int) -> None:
    if lock >= 0:
        os.close(lock)


class _Worker:
    """Works on what was seen, and deletes what nobody works on."""

    def __init__(self, home: Path, work: Work) -> None:
        self._home = home
        self._work = work

    def take(self, _notes: Sequence[None], /) -> None:
        for seen in seen_workspaces(self._home):
            with fault_barrier("attribution.work"), _alone(seen.folder):
                self._work(seen)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Do nothing: what was seen lies there for the next time."""

    def sweep(self) -> float | None:
        """Delete what is older than an hour; returns after how many seconds to do that again, None for never."""
        for seen in seen_workspaces(self._home):
            seen.sweep(now_us() / 1e6)
        return SWEEP_S if seen_workspaces(self._home) else None


class _alone:  # noqa: N801 - reads as a statement
    """Holds a folder for one process that works on it; others wait."""

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
    """Return the folder for what engines with one run store see; `store` identifies that."""
    return home / "engine" / sha256(store.encode("utf-8", "replace")).hexdigest()[:16]
