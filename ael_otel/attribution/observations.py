"""Read the snapshots of a workspace that `ael_snapshot` took, and the contents of files in each of them."""

import os
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

import ael_snapshot
from ael_otel.attribution.lines import lines_of
from ael_otel.sessions.agents import Spooled, events_of
from ael_otel.sessions.events import SessionEvent

type Phase = Literal["before", "after", "denied", "end"]

ENGINE: Final = "ael"
"""The agent and session of a call that an engine makes."""

STALE_S: Final = 3600.0
"""Age in seconds at which a snapshot is deleted although its call never ended."""

_MAX_OBSERVATION: Final = 8 * 1024 * 1024
_GIT_S: Final = 10.0
_MOST: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 400
_MOST_TIPS: Final = 200


class EngineCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool call or a code step of an engine.

    `number` pairs the snapshots before and after it, `around` are the numbers of the calls that enclose it. `owner` is
    the process that makes it (`store.owner`). The ids of the run are set after the call only. `agent` is the agent
    whose session caused the run, None if no session did.
    """

    number: str
    owner: str
    around: list[str] = []
    call_id: str | None = None
    tool: str | None = None
    server: str | None = None
    step_id: str | None = None
    workflow: str | None = None
    execution_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    caller: str | None = None
    session_id: str | None = None
    agent: str | None = None


class _Stored(msgspec.Struct, kw_only=True):
    v: int
    t: int
    phase: Phase
    scope: str
    event: dict[str, Any] = {}
    engine: EngineCall | None = None
    root: str
    git: str
    common: str
    head: str | None
    index: str
    files: dict[str, tuple[str, str]]
    reason: str


class Token(NamedTuple):
    """The state of a file in a snapshot: in the pool, as in an index, or absent.

    `reason` says why it was not read.
    """

    kind: Literal["pool", "index", "absent"]
    name: str = ""
    reason: str = ""


ABSENT: Final = Token("absent")


class Observation(NamedTuple):
    """One snapshot of a workspace, before or after a call, or at the end of a turn.

    `event` is the call, `engine` what is recorded of a call that an engine makes. `files` are those that the call
    named, or all that differed from the index (`whole`); `reason` says why there is no snapshot.
    """

    at_us: int
    phase: Phase
    whole: bool
    event: SessionEvent
    place: ael_snapshot.Place
    head: str | None
    index_name: str
    files: dict[str, Token]
    reason: str
    file: Path
    engine: EngineCall | None = None


class SeenWorkspace:
    """The folder with the snapshots of one workspace.

    Args:
        folder: the result of `ael_snapshot.workspace_folder()`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._indexes: dict[str, dict[str, str]] = {}
        self._contents: dict[tuple[Token, str], list[str] | None] = {}
        self._blobs: dict[str, list[str] | None] = {}
        self._unreadable = 0

    def take_unreadable(self) -> int:
        """Return the number of unreadable observations that were deleted since the last call."""
        count, self._unreadable = self._unreadable, 0
        return count

    def observations(self) -> list[Observation]:
        """Return the snapshots, oldest first; delete files that are none."""
        found: list[Observation] = []
        with suppress(OSError):
            for name in sorted(os.listdir(self.folder)):  # noqa: PTH208 - names only
                if name.endswith(".json"):
                    observation = self._read(self.folder / name)
                    if observation is not None:
                        found.append(observation)
        return sorted(found, key=lambda each: (each.at_us, each.phase == "before"))

    def _read(self, path: Path) -> Observation | None:
        try:
            if path.stat().st_size > _MAX_OBSERVATION:
                raise ValueError("too large")
            stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
            event = _event_of(stored)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.MsgspecError, RecursionError, StopIteration):
            with suppress(OSError):
                path.unlink()
                self._unreadable += 1
            return None
        files = {
            name: Token("pool", key, reason) if key else ABSENT
            for name, (key, reason) in stored.files.items()
        }
        place = ael_snapshot.Place(stored.root, stored.git, stored.common)
        return Observation(
            stored.t // 1000,
            stored.phase,
            stored.scope == "all",
            event,
            place,
            stored.head,
            stored.index,
            files,
            stored.reason,
            path,
            stored.engine,
        )

    # --- contents -----------------------------------------------------------------------------------------------------

    def index(self, place: ael_snapshot.Place, name: str) -> dict[str, str]:
        """Return the blob of each file in a copied index, our side of a conflict."""
        if name not in self._indexes:
            found: dict[str, str] = {}
            if place.git and name and name != "none.index":
                answer = self._git(place, ["ls-files", "-s", "-z"], name) or b""
                for entry in answer.split(b"\0"):
                    head, _, path = entry.partition(b"\t")
                    words = head.split(b" ")
                    if len(words) == 3 and words[0].startswith(b"100") and words[2] in {b"0", b"2"}:
                        found[os.fsdecode(path)] = words[1].decode("ascii", "replace")
            self._indexes[name] = found
        return self._indexes[name]

    def lines(self, place: ael_snapshot.Place, token: Token, path: str) -> list[str] | None:
        """Return the lines of a file; empty if it is absent, None if it is not text or its content is lost."""
        if token.kind == "absent":
            return []
        if token.kind == "index":
            blob = self.index(place, token.name).get(path)
            return [] if blob is None else self.blobs(place, [blob]).get(blob)
        key = (token, path)
        if key not in self._contents:
            try:
                self._contents[key] = lines_of((self.folder / "pool" / token.name).read_bytes())
            except OSError:
                self._contents[key] = None
        return self._contents[key]

    def data(self, token: Token) -> bytes:
        """Return the bytes of a file in the pool; empty if it is not there."""
        with suppress(OSError):
            return (self.folder / "pool" / token.name).read_bytes()
        return b""

    def exists(self, place: ael_snapshot.Place, token: Token, path: str) -> bool:
        """Return whether the file existed."""
        return token.kind == "pool" or (token.kind == "index" and path in self.index(place, token.name))

    def blobs(self, place: ael_snapshot.Place, names: Iterable[str]) -> dict[str, list[str] | None]:
        """Return the lines of Git objects, by their names (`<commit>:<path>`, or a hash)."""
        wanted = list(dict.fromkeys(names))
        missing = [name for name in wanted if name not in self._blobs and "\n" not in name]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            self._blobs.update(self._batch(place, some))
        return {name: self._blobs.get(name) for name in wanted}

    def _batch(self, place: ael_snapshot.Place, names: list[str]) -> dict[str, list[str] | None]:
        asked = self.folder / f"objects-{os.getpid()}"
        asked.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in names))
        try:
            answer = self._git(place, ["cat-file", "--batch"], "", stdin=str(asked)) or b""
        finally:
            asked.unlink(missing_ok=True)
        found: dict[str, list[str] | None] = dict.fromkeys(names)
        at = 0
        for name in names:
            end = answer.find(b"\n", at)
            if end < 0:
                break
            head, at = answer[at:end], end + 1
            words = head.split(b" ")
            if len(words) == 3 and words[2].isdigit():
                size = int(words[2])
                if words[1] == b"blob":
                    found[name] = lines_of(answer[at : at + size])
                at += size + 1
        return found

    def commits(self, place: ael_snapshot.Place, words: list[str]) -> list[tuple[str, int]]:
        """Return commits and their times in seconds since 1970, by arguments of `git log`."""
        return _pairs(self._git(place, ["log", "--no-show-signature", "--format=%H %ct", *words], ""))

    def tips(self, place: ael_snapshot.Place) -> list[tuple[str, int]]:
        """Return the newest commits of references, reflogs and Git operations in progress, with their times."""
        found = self.commits(place, ["-g", "--all", f"-{_MOST_TIPS}"])
        words = [
            "--sort=-committerdate",
            f"--count={_MOST_TIPS}",
            "--format=%(objectname) %(committerdate:unix)",
        ]
        found += _pairs(self._git(place, ["for-each-ref", *words], ""))
        for name in ("ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD"):
            if (Path(place.git) / name).exists():
                found += self.commits(place, ["-1", name, "--"])
        return sorted(set(found), key=lambda each: -each[1])

    def _git(self, place: ael_snapshot.Place, words: list[str], index: str, stdin: str = "") -> bytes | None:
        env = ael_snapshot.environment(os.environ, place, str(self.folder / index) if index else os.devnull)
        command = ["git", *ael_snapshot.GUARDS, *words]
        return ael_snapshot.run(command, env, place.root, time.monotonic() + _GIT_S, stdin, _MOST)

    # --- deleting -----------------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Generator[bool]:
        """Lock the folder; yield False while a hook writes to it."""
        try:
            import fcntl
        except ImportError:
            yield True
            return
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(file)

    def forget(self, observations: Iterable[Observation]) -> None:
        """Delete snapshots, and contents that no other snapshot uses; delete the folder when it is empty."""
        for each in observations:
            with suppress(OSError):
                each.file.unlink()
        with self.alone() as alone:
            if not alone:
                return
            left = self.observations()
            used = {token.name for each in left for token in each.files.values()}
            used |= {each.index_name for each in left}
            for folder in (self.folder / "pool", self.folder):
                with suppress(OSError):
                    for entry in list(os.scandir(folder)):
                        keeps = entry.name in used or entry.name.endswith(".json") or entry.is_dir()
                        if not keeps and entry.name not in {"lock", "large"}:
                            with suppress(OSError):
                                Path(entry.path).unlink()

    def sweep(self, now_s: float) -> None:
        """Delete what is older than an hour, and the folder if it is empty then."""
        stale = [each for each in self.observations() if now_s - each.at_us / 1e6 > STALE_S]
        if stale:
            self.forget(stale)
        with suppress(OSError), self.alone() as alone:
            if alone and not self.observations():
                for folder in (self.folder / "pool", self.folder):
                    for entry in list(os.scandir(folder)):
                        if entry.is_file(follow_symlinks=False) and entry.name != "large":
                            Path(entry.path).unlink()
                if not (self.folder / "large").exists() or _age(self.folder / "large", now_s) > STALE_S:
                    (self.folder / "large").unlink(missing_ok=True)
                    (self.folder / "pool").rmdir()
                    self.folder.rmdir()


def _event_of(stored: _Stored) -> SessionEvent:
    """Return the event of an agent's call; for an engine's call, one that pairs its snapshots."""
    if (call := stored.engine) is None:
        spooled = msgspec.convert({"v": 1, "t": stored.t, **stored.event}, Spooled)
        return next(iter(events_of(spooled)))
    return SessionEvent(
        session_id=ENGINE,
        agent=ENGINE,
        kind="tool.execute.before" if stored.phase == "before" else "tool.execute.after",
        at_us=stored.t // 1000,
        key=call.number,
        call_id=call.number,
    )


def _pairs(answer: bytes | None) -> list[tuple[str, int]]:
    words = [line.split() for line in (answer or b"").decode("ascii", "replace").splitlines()]
    return [(each[0], int(each[1])) for each in words if len(each) == 2 and each[1].isdigit()]


def _age(path: Path, now_s: float) -> float:
    try:
        return now_s - path.stat().st_mtime
    except OSError:
        return 0.0


def seen_workspaces(home: Path) -> list[SeenWorkspace]:
    """Return the folders of all workspaces with snapshots."""
    try:
        return [
            SeenWorkspace(Path(entry.path))
            for entry in os.scandir(home / "spool" / "snapshots")
            if entry.is_dir(follow_symlinks=False)
        ]
    except OSError:
        return []
