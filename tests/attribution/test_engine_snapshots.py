"""Snapshots around calls of an engine: for which calls, when, and the effect of one that takes too long."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ael_snapshot
from ael_otel.attribution.changes import Change
from ael_otel.attribution.counted_lines import LineKey, count_lines
from ael_otel.attribution.engine_calls import EngineCalls, WatchedCall, roots_of
from ael_otel.attribution.engine_snapshots import EngineSnapshots, Wanted, engine_home
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.windows import Attributor
from ael_otel.cli import cli
from ael_otel.config import Settings
from ael_otel.config.settings import Attribution, Store
from ael_otel.core.faults import pause
from ael_otel.errors import ConfigError
from ael_otel.lifecycle.observers import UNWATCHED
from ael_otel.runtime.engine_attribution import check_roots
from ael_otel.store.owner import now_us
from tests.support.git_repository import Repository
from tests.support.needs import require

Work = Callable[[], object]


class Desk:
    """A repository that is a root, and a watch over calls."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder = folder
        self.repository = Repository(folder / "work")
        self.repository.write("a.py", *(f"value_{number} = compute({number})" for number in range(20)))
        self.repository.write("sub/b.py", "b = 1")
        self.repository.commit("start")
        self.home = engine_home(folder / "home", "store")
        self.root = str(self.repository.root.resolve())
        self.ledger = ledger
        self.made: list[EngineSnapshots] = []

    def watch(self, *roots: str, deadline_s: float = 60.0) -> EngineCalls:
        """Make a watch; with roots below the repository only these count."""
        among = roots or (self.root,)

        def excluded(path: str) -> bool:
            return not any(path.startswith(f"{root}/") for root in among)

        attributor = Attributor(self.ledger, excluded=excluded)
        snapshots = EngineSnapshots(
            self.home, excluded, lambda seen: attributor.work(seen, now_us()), deadline_s=deadline_s
        )
        self.made.append(snapshots)
        return EngineCalls(among, snapshots)

    def changes(self) -> list[Change]:
        """Return what was recorded, the oldest first, once all calls that are over were worked on."""
        for snapshots in self.made:
            assert snapshots.flush(60.0)
        return self.ledger.changes()[::-1]

    def held(self) -> str:
        """Return all file names and contents in the folders of snapshots."""
        return " ".join(
            f"{path.name} {path.read_bytes()!r}" for path in self.home.rglob("*") if path.is_file()
        )


@pytest.fixture
def desk(tmp_path: Path, ledger: Ledger) -> Iterator[Desk]:
    """A desk whose threads end with the test."""
    require("git")
    made = Desk(tmp_path, ledger)
    yield made
    for snapshots in made.made:
        snapshots.close(60.0)


def call(watched: Any, work: Work) -> None:
    """Do something in a call."""

    async def run() -> None:
        async with watched:
            work()

    asyncio.run(run())


def appended(path: Path, line: str) -> Work:
    """What appends a line to a file."""
    return lambda: path.write_text((path.read_text() if path.exists() else "") + f"{line}\n")


def wanted(watched: Any) -> list[Wanted] | None:
    """What is looked at around a call, None for nothing."""
    assert watched is UNWATCHED or isinstance(watched, WatchedCall)
    return None if watched is UNWATCHED else list(watched.wanted)


@pytest.mark.parametrize(
    ("tool", "params"),
    [
        ("read_file", {"path": "/x"}),
        ("list_issues", {}),
        ("search", {"query": "x"}),
        ("bash", {"command": "git status"}),
        ("write_file", {"path": "/elsewhere/a.py", "content": "x"}),
        ("fetch", {"url": "https://x.example"}),
    ],
)
def test_call_that_writes_nothing_below_the_roots_gets_no_snapshot(
    desk: Desk, tool: str, params: dict[str, str]
) -> None:
    """One that reads by its name or its command, and one whose parameters name files elsewhere alone."""
    assert wanted(desk.watch().tool(tool, params)) is None


@pytest.mark.parametrize(
    ("tool", "params"),
    [
        ("get_or_create", {"path": "x"}),
        ("deploy", {}),
        ("bash", {"command": "make all"}),
        ("write_file", {"path": "relative.py", "content": "x"}),
        ("anything", None),
    ],
)
def test_call_that_may_write_anything_is_looked_at_whole(desk: Desk, tool: str, params: Any) -> None:
    """Also where a path is relative: to what, only its server can tell."""
    found = wanted(desk.watch().tool(tool, params))
    assert found is not None
    assert [(each.place.root, each.paths) for each in found] == [(desk.root, None)]


def test_file_that_a_parameter_names_is_all_that_is_looked_at(desk: Desk) -> None:
    """By its name in the workspace that it is in."""
    found = wanted(desk.watch().tool("write_file", {"path": f"{desk.root}/sub/b.py", "content": "x"}))
    assert found is not None
    assert [(each.place.root, each.paths) for each in found] == [(desk.root, ("sub/b.py",))]


def test_code_is_looked_at_if_an_import_lets_it_write(desk: Desk) -> None:
    """Code of the sandbox has no `open`."""
    watch = desk.watch()
    assert wanted(watch.code("import json, re\nresult = 1")) is None
    assert wanted(watch.code("result = 1")) is None
    assert wanted(watch.code("import io\nio.FileIO('x', 'w')")) is not None
    assert wanted(watch.code("from pathlib import Path")) is not None


def test_only_files_below_a_root_count(desk: Desk) -> None:
    """Others of the same repository are neither read nor named."""
    watch = desk.watch(f"{desk.root}/sub")

    def work() -> None:
        appended(desk.repository.root / "a.py", "line_elsewhere = 1")()
        appended(desk.repository.root / "sub/b.py", "line_below = 2")()

    async def run() -> None:
        async with watch.tool("deploy", {}):
            work()
            assert "line_elsewhere" not in desk.held()

    asyncio.run(run())
    (change,) = desk.changes()
    assert [file.path for file in change.files] == ["sub/b.py"]


def test_look_that_takes_too_long_leaves_the_call_unaccounted_and_no_content(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call continues at the deadline; what had been read by then is deleted."""
    ((desk.repository.root) / "new.py").write_text("content_of_mine = 1\n")
    real = ael_snapshot.Snapshot._check
    looked: list[str] = []

    def late(snapshot: ael_snapshot.Snapshot) -> None:
        if snapshot.files and "new.py" in snapshot.files:
            looked.append(desk.held())
            snapshot.end = 0.0
        real(snapshot)

    monkeypatch.setattr(ael_snapshot.Snapshot, "_check", late)
    (desk.repository.root / "newer.py").write_text("other = 1\n")
    call(desk.watch().tool("deploy", {}), appended(desk.repository.root / "a.py", "line_of_run = 1"))
    (change,) = desk.changes()
    assert "content_of_mine" in looked[0]
    assert (change.files, [(each.path, each.reason) for each in change.unaccounted]) == (
        [],
        [("", "deadline")],
    )
    assert "content_of_mine" not in desk.held()


def test_call_does_not_wait_longer_than_a_look_may_take(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that hangs blocks no call; it counts as one that took too long, whenever it ends."""
    hangs: list[bool] = []
    real = ael_snapshot.Snapshot.at

    def at(snapshot: ael_snapshot.Snapshot, scope: str, paths: list[str]) -> str:
        while hangs:
            pause(0)
        return real(snapshot, scope, paths)

    monkeypatch.setattr(ael_snapshot.Snapshot, "at", at)
    hangs.append(True)
    watch = desk.watch(deadline_s=0.05)

    async def run() -> None:
        async with watch.tool("deploy", {}):
            appended(desk.repository.root / "a.py", "line_of_run = 1")()

    asyncio.run(run())
    hangs.clear()
    changes = desk.changes()
    assert [file.path for change in changes for file in change.files] == []
    assert {each.reason for change in changes for each in change.unaccounted} == {"deadline"}


def test_look_that_finds_no_room_is_counted_and_keeps_no_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call continues at once."""
    watch = desk.watch()
    refused: list[bool] = []
    watch.snapshots._on_refused = lambda: refused.append(True)
    monkeypatch.setattr(watch.snapshots._snapshots, "offer", lambda *_: False)
    call(watch.tool("deploy", {}), appended(desk.repository.root / "a.py", "line_of_run = 1"))
    assert refused == [True, True]
    assert desk.changes() == []


def test_call_that_is_cancelled_before_it_begins_is_credited_with_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps no other from being worked on."""
    real = ael_snapshot.Snapshot.at
    waits = [True]

    def at(snapshot: ael_snapshot.Snapshot, scope: str, paths: list[str]) -> str:
        while waits:
            pause(0)
        return real(snapshot, scope, paths)

    monkeypatch.setattr(ael_snapshot.Snapshot, "at", at)
    watch = desk.watch()

    async def run() -> None:
        async def begin() -> None:
            async with watch.tool("deploy", {}):
                pytest.fail("the call has begun")

        task = asyncio.create_task(begin())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        waits.clear()
        async with watch.tool("deploy", {}):
            appended(desk.repository.root / "a.py", "line_of_run = 1")()

    asyncio.run(run())
    changes = desk.changes()
    assert [file.path for change in changes for file in change.files] == ["a.py"]


def test_what_a_dead_process_has_left_is_worked_on_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of it that never ended is over, so that it keeps no other waiting."""
    monkeypatch.setattr("ael_otel.attribution.windows.is_gone", lambda owner, *_: owner == "dead")
    dead = desk.watch()
    dead._owner = "dead"
    left: Any = dead.tool("deploy", {})
    asyncio.run(left.__aenter__())
    watch = desk.watch()
    call(watch.tool("deploy", {}), appended(desk.repository.root / "a.py", "line_of_run = 1"))
    (change,) = desk.changes()
    assert [file.path for file in change.files] == ["a.py"]


def test_roots_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """With the key and what to set."""
    (tmp_path / "file").write_text("")
    Repository(tmp_path / "bare").git("init", "--quiet", "--bare", str(tmp_path / "bare.git"))
    for path, problem in (
        ("none", "does not exist"),
        ("file", "is not a folder"),
        ("bare.git", "is inside a bare repository"),
    ):
        with pytest.raises(ConfigError, match=problem) as raised:
            roots_of([str(tmp_path / path)])
        assert "telemetry.attribution.roots" in str(raised.value)
    with pytest.raises(ConfigError, match="holds the home folder"):
        roots_of(["/"])
    (tmp_path / "link").symlink_to(tmp_path / "bare")
    assert roots_of([str(tmp_path / "link"), str(tmp_path / "bare")]) == (str((tmp_path / "bare").resolve()),)


@pytest.mark.parametrize("verb", [["run", "report"], ["serve"]], ids=["run", "serve"])
def test_command_refuses_a_root_that_does_not_exist(tmp_path: Path, verb: list[str]) -> None:
    """Before the engine starts, in one line."""
    (tmp_path / "workflows").mkdir()
    config = tmp_path / "ael-config.yaml"
    config.write_text(
        f"workflows: {{directory: {tmp_path / 'workflows'}}}\n"
        f"telemetry: {{attribution: {{roots: [{tmp_path / 'none'}]}}, store: {{path: {tmp_path / 'x.db'}}}}}\n"
    )
    done = CliRunner().invoke(cli, [verb[0], "-c", str(config), *verb[1:]])
    assert done.exit_code == 2
    assert (
        f"telemetry.attribution.roots: {tmp_path / 'none'} does not exist; create the folder" in done.stderr
    )


def test_roots_need_a_store_that_keeps_lines(tmp_path: Path) -> None:
    """And are not looked at where attribution or telemetry is off."""
    roots = (str(tmp_path / "none"),)
    with pytest.raises(ConfigError, match="set it to sqlite or postgresql"):
        check_roots(Settings(attribution=Attribution(roots=roots), store=Store(backend="memory")))
    with pytest.raises(ConfigError, match="does not exist"):
        check_roots(Settings(attribution=Attribution(roots=roots)))
    assert check_roots(Settings(attribution=Attribution(enabled=False, roots=roots))) == ()
    assert check_roots(Settings(enabled=False, attribution=Attribution(roots=roots))) == ()


def test_shared_lines_count_once() -> None:
    """With both agents' lines under `several`, those of a run without an agent under `ael`."""
    from ael_otel.attribution.changes import FileChange, LineRange, change_id

    def change(key: str, source: Any, agent: str | None, *ranges: LineRange) -> Change:
        return Change(
            key=key,
            contributor="ai" if agent else "unknown",
            source=source,
            at_us=1,
            started_us=0,
            repository="/w",
            workspace="/w",
            agent=agent,
            files=[FileChange(path="a.py", ranges=list(ranges))],
        )

    def lines(start: int, end: int, *others: str) -> LineRange:
        ids = [change_id(other) for other in others]
        return LineRange(
            start=start, end=end, content_hash="", contributor="mixed" if ids else None, others=ids
        )

    found = count_lines(
        [
            change("a", "hook", "claude-code", lines(1, 4), lines(6, 7, "b")),
            change("b", "hook", "codex", lines(6, 7, "a")),
            change("c", "engine", None, lines(9, 9)),
        ]
    )
    assert found == {
        LineKey("claude-code", "ai"): 4,
        LineKey("several", "mixed"): 2,
        LineKey("ael", "unknown"): 1,
    }
