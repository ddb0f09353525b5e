"""Snapshots of workspaces of every kind: what is read, what is not, and that no file of the user changes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import ael_hook
import ael_snapshot
from ael_otel.attribution.changes import Change
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.observations import seen_workspaces
from ael_otel.attribution.windows import Attributor

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "somebody",
    "GIT_AUTHOR_EMAIL": "somebody@b.example",
    "GIT_COMMITTER_NAME": "somebody",
    "GIT_COMMITTER_EMAIL": "somebody@b.example",
}
LINES = "".join(f"value_{number} = compute({number})\n" for number in range(20))


def git(folder: Path, *words: str) -> str:
    """Run Git as a user does."""
    env = {**os.environ, **GIT}
    return subprocess.run(
        ["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    ).stdout


class Desk:
    """A workspace, a home for what is seen of it, and a ledger."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.home = folder / "home"
        self.root = folder / "work"
        self.home.mkdir()
        self.root.mkdir()
        self.ledger = ledger
        self.calls = 0
        self.excluded: Callable[[str], bool] = lambda _path: False

    def repository(self, **files: str) -> None:
        """Make a repository with files."""
        git(self.root, "init", "-q", "-b", "main")
        for name, text in {"a.py": LINES, **files}.items():
            path = self.root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "start")

    def look(self, phase: str, call: str, paths: list[str], cwd: Path) -> None:
        """Do what `ael-hook` does."""
        now = 1_800_000_000 * 10**9 + self.calls * 10**9 + (phase != "before") * 10**8
        record: dict[str, Any] = {
            "agent": "claude-code",
            "event": "PreToolUse" if phase == "before" else "PostToolUse",
            "session": "s-1",
            "call": call,
            "cwd": str(cwd),
            "paths": paths,
        }
        scope = "files" if paths else "all"
        ael_snapshot.take(str(self.home), record, phase, scope, self.excluded, now, lambda: now, 60.0)

    def call(
        self, work: Callable[[], object], paths: list[str] | None = None, cwd: Path | None = None
    ) -> Change | None:
        """Do something in a tool call; returns the change that is recorded of it."""
        self.calls += 1
        call = f"call-{self.calls}"
        self.look("before", call, paths or [], cwd or self.root)
        work()
        self.look("after", call, paths or [], cwd or self.root)
        changes: list[Change] = []
        attributor = Attributor(self.ledger, excluded=self.excluded)
        for seen in seen_workspaces(self.home):
            changes += attributor.work(seen, 1_800_000_000 * 10**6 + self.calls * 10**6 + 500_000)
        assert len(changes) <= 1
        return changes[0] if changes else None

    def seen(self) -> str:
        """Return all file names and contents in the folders of snapshots."""
        snapshots = self.home / "spool" / "snapshots"
        return " ".join(
            f"{path.name} {path.read_bytes()!r}" for path in snapshots.rglob("*") if path.is_file()
        )


@pytest.fixture
def desk(tmp_path: Path, ledger: Ledger) -> Desk:
    """An empty desk."""
    return Desk(tmp_path, ledger)


def ranges(change: Change | None) -> dict[str, list[tuple[int, int]]]:
    """The lines of a change by file."""
    assert change is not None
    return {file.path: [(each.start, each.end) for each in file.ranges] for file in change.files}


def appended(path: Path, text: str) -> Callable[[], None]:
    """What appends to a file."""

    def work() -> None:
        data = path.read_bytes() if path.exists() else b""
        path.write_bytes(data + text.encode())

    return work


def digest(folder: Path) -> str:
    """A hash of all files below a folder, with names, modes and times."""
    found = sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found.update(f"{path} {status.st_mode} {status.st_size} {status.st_mtime_ns}".encode())
        if path.is_file() and not path.is_symlink():
            found.update(path.read_bytes())
    return found.hexdigest()


def test_repository_is_not_changed(desk: Desk) -> None:
    """No object, reference, note, index or configuration, whatever the call did before."""
    desk.repository(b="b\n")
    appended(desk.root / "a.py", "new_line = 1\n")()
    git(desk.root, "add", "a.py")
    before = digest(desk.root / ".git")
    assert desk.call(appended(desk.root / "c.py", "other = 2\n")) is not None
    assert desk.call((desk.root / "c.py").unlink, ["c.py"]) is not None
    assert digest(desk.root / ".git") == before


def test_what_was_seen_is_deleted_once_it_was_compared(desk: Desk) -> None:
    """No content and no index stays; folders and files are this user's own."""
    desk.repository()
    desk.look("before", "open", [], desk.root)
    snapshots = desk.home / "spool" / "snapshots"
    assert {path.stat().st_mode & 0o077 for path in snapshots.rglob("*")} == {0}
    appended(desk.root / "new.py", "secret_of_mine = 1\n")()
    desk.look("after", "open", [], desk.root)
    assert "secret_of_mine" in desk.seen()
    (seen,) = seen_workspaces(desk.home)
    Attributor(desk.ledger).work(seen, 1_800_000_002 * 10**6)
    assert "secret_of_mine" not in desk.seen()
    assert not list(snapshots.rglob("*.index"))


def test_look_that_cannot_be_read_is_deleted_and_counted_once(desk: Desk) -> None:
    """Nobody else would delete it; the call that it belongs to stays without an author."""
    desk.repository()
    desk.look("before", "open", [], desk.root)
    (seen,) = seen_workspaces(desk.home)
    (look,) = seen.folder.glob("*.json")
    look.write_bytes(look.read_bytes()[:-9])
    assert seen.observations() == []
    assert not look.exists()
    assert (seen.take_unreadable(), seen.take_unreadable()) == (1, 0)


def test_call_that_never_ends_is_swept_after_an_hour(desk: Desk) -> None:
    """With everything that lies there for it."""
    desk.repository()
    appended(desk.root / "new.py", "left_behind = 1\n")()
    desk.look("before", "open", [], desk.root)
    (seen,) = seen_workspaces(desk.home)
    seen.sweep(1_800_000_000 + 3_000)
    assert "left_behind" in desk.seen()
    seen.sweep(1_800_000_000 + 3_700)
    assert seen_workspaces(desk.home) == []


def test_shell_call_is_credited_with_what_changed(desk: Desk) -> None:
    """In tracked, untracked and removed files."""
    desk.repository(b="gone\n")

    def work() -> None:
        appended(desk.root / "a.py", "line_of_agent = 1\n")()
        (desk.root / "lib").mkdir()
        (desk.root / "lib/new.py").write_text("other_line = 2\n")
        (desk.root / "b").unlink()

    change = desk.call(work)
    assert ranges(change) == {"a.py": [(21, 21)], "lib/new.py": [(1, 1)], "b": []}
    assert change is not None
    assert {file.path: file.kind for file in change.files} == {
        "a.py": "modified",
        "lib/new.py": "created",
        "b": "deleted",
    }
    assert change.revision == git(desk.root, "rev-parse", "HEAD").strip()


def test_named_file_is_all_that_is_looked_at(desk: Desk) -> None:
    """A tool that names its file is not credited with others."""
    desk.repository(b="b\n")

    def work() -> None:
        appended(desk.root / "a.py", "line_of_agent = 1\n")()
        appended(desk.root / "b", "line_of_somebody = 1\n")()

    assert ranges(desk.call(work, ["a.py"])) == {"a.py": [(21, 21)]}


@pytest.mark.parametrize("kind", ["scan", "foreign owner"])
def test_workspace_without_git_is_compared_by_its_files(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a repository that belongs to somebody else: Git is not run in it."""
    if kind == "foreign owner":
        desk.repository()
        monkeypatch.setattr(
            ael_snapshot, "_own", lambda found: found.st_ino != (desk.root / ".git").stat().st_ino
        )
    else:
        (desk.root / "a.py").write_text(LINES)

    def work() -> None:
        appended(desk.root / "a.py", "line_of_agent = 1\n")()
        (desk.root / "new.py").write_text("new_line = 1\n")

    change = desk.call(work)
    assert ranges(change) == {"a.py": [(21, 21)], "new.py": [(1, 1)]}
    assert change is not None
    assert (change.vcs, change.repository) == (None, str(desk.root))


def test_nothing_is_looked_at_in_a_bare_repository(desk: Desk) -> None:
    """There are no files of anybody in it."""
    git(desk.root, "init", "-q", "--bare", ".")
    assert desk.call(lambda: None) is None
    assert desk.seen() == ""


def test_read_only_repository_is_looked_at_and_left_as_it_is(desk: Desk) -> None:
    """Its work tree may be written where its history may not."""
    desk.repository()
    folders = [path for path in (desk.root / ".git").rglob("*") if path.is_dir()]
    for folder in [*folders, desk.root / ".git"]:
        folder.chmod(0o555)
    before = digest(desk.root / ".git")
    try:
        change = desk.call(appended(desk.root / "a.py", "line_of_agent = 1\n"))
        assert ranges(change) == {"a.py": [(21, 21)]}
        assert digest(desk.root / ".git") == before
    finally:
        for folder in [*folders, desk.root / ".git"]:
            folder.chmod(0o755)


def test_look_that_passes_its_deadline_leaves_the_file_unaccounted_and_no_content(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the content that was read before the deadline goes once the call was worked on."""
    desk.repository()
    for number in range(3):
        (desk.root / f"new{number}.py").write_text(f"content_of_mine_{number} = 1\n")
    real = ael_snapshot.Snapshot._check

    def late(snapshot: ael_snapshot.Snapshot) -> None:
        if len(snapshot.files) == 2:
            snapshot.end = 0.0
        real(snapshot)

    monkeypatch.setattr(ael_snapshot.Snapshot, "_check", late)
    desk.look("before", "x", [], desk.root)
    desk.look("after", "x", [], desk.root)
    assert "content_of_mine_0" in desk.seen()
    (seen,) = seen_workspaces(desk.home)
    (change,) = Attributor(desk.ledger).work(seen, 1_800_000_002 * 10**6)
    assert change.files == []
    assert [(each.path, each.reason) for each in change.unaccounted] == [("", "deadline")]
    assert "content_of_mine" not in desk.seen()


def test_worktrees_share_their_history_and_submodules_have_their_own(desk: Desk) -> None:
    """A line that was written in one worktree is found in another."""
    desk.repository()
    other = desk.root.parent / "other"
    git(desk.root, "worktree", "add", "-q", str(other), "-b", "feature")
    change = desk.call(appended(other / "a.py", "line_of_agent = 1\n"), cwd=other)
    assert change is not None
    assert change.repository == str(desk.root / ".git")
    assert change.workspace == str(other)
    git(desk.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(desk.root), "sub")
    change = desk.call(appended(desk.root / "sub/a.py", "line_of_agent = 2\n"), cwd=desk.root / "sub")
    assert change is not None
    assert change.repository == str(desk.root / ".git/modules/sub")
    assert desk.call(appended(desk.root / "sub/a.py", "line_of_agent = 3\n")) is None


def test_no_hook_filter_or_monitor_of_a_repository_is_run(desk: Desk) -> None:
    """Files under a filter are not read, those of LFS are."""
    desk.repository(**{"secret.key": "k\n", "big.dat": "d\n"})
    trap = desk.root.parent / "trap"
    script = desk.root.parent / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    (desk.root / ".gitattributes").write_text("*.key filter=git-crypt diff=git-crypt\n*.dat filter=lfs\n")
    git(desk.root, "add", ".gitattributes")
    git(desk.root, "commit", "-q", "-m", "attributes")
    for name in ("core.fsmonitor", "filter.git-crypt.clean", "filter.git-crypt.smudge", "filter.lfs.clean"):
        git(desk.root, "config", name, str(script))
    git(desk.root, "config", "filter.lfs.process", str(script))
    git(desk.root, "config", "diff.git-crypt.textconv", str(script))
    git(desk.root, "config", "filter.git-crypt.required", "true")
    for name in ("post-index-change", "pre-commit", "fsmonitor-watchman", "post-checkout"):
        (desk.root / ".git/hooks").mkdir(exist_ok=True)
        (desk.root / ".git/hooks" / name).write_bytes(script.read_bytes())
        (desk.root / ".git/hooks" / name).chmod(0o755)

    def work() -> None:
        (desk.root / "secret.key").write_text("the_key_itself\n")
        (desk.root / "big.dat").write_text("d\nlarge_data_line\n")
        appended(desk.root / "a.py", "line_of_agent = 1\n")()

    desk.look("before", "x", [], desk.root)
    work()
    desk.look("after", "x", [], desk.root)
    assert "the_key_itself" not in desk.seen()
    (seen,) = seen_workspaces(desk.home)
    (change,) = Attributor(desk.ledger).work(seen, 1_800_000_002 * 10**6)
    assert ranges(change) == {"a.py": [(21, 21)], "big.dat": [(2, 2)]}
    assert [(each.path, each.reason) for each in change.unaccounted] == [("secret.key", "filter")]
    assert not trap.exists()


def test_excluded_ignored_and_generated_files_are_never_read(desk: Desk) -> None:
    """Also where a call names them."""
    desk.repository(**{".gitignore": "*.log\n", ".gitattributes": "gen.py linguist-generated\n"})
    desk.excluded = ael_hook.Excluded([".env", "private/*"], str(desk.root)).matches
    (desk.root / "private").mkdir()
    (desk.root / "node_modules").mkdir()
    names = (".env", "private/x.py", "out.log", "uv.lock", "node_modules/x.js", "app.min.js", "gen.py")

    def work() -> None:
        for name in names:
            (desk.root / name).write_text("never_read_this = 1\n")

    desk.look("before", "x", [], desk.root)
    work()
    desk.look("after", "x", [], desk.root)
    assert "never_read_this" not in desk.seen()
    (seen,) = seen_workspaces(desk.home)
    (change,) = Attributor(desk.ledger, excluded=desk.excluded).work(seen, 1_800_000_002 * 10**6)
    assert change.files == []
    assert [(each.path, each.reason) for each in change.unaccounted] == [("gen.py", "generated")]
    desk.calls = 5
    named = [".env", "uv.lock"]
    assert desk.call(lambda: (desk.root / ".env").write_text("again = 1\n"), named) is None


def test_links_are_not_followed_out_of_the_workspace(desk: Desk) -> None:
    """Neither a link to a file nor one to a folder."""
    desk.repository()
    outside = desk.root.parent / "outside"
    outside.mkdir()
    (outside / "x.py").write_text("outside_of_it = 1\n")
    (desk.root / "link.py").symlink_to(outside / "x.py")
    (desk.root / "folder").symlink_to(outside)
    desk.look("before", "x", [], desk.root)
    desk.look("before", "y", ["link.py"], desk.root)
    assert "outside_of_it" not in desk.seen()


def test_large_and_binary_files_are_unaccounted(desk: Desk) -> None:
    """They are named with the reason."""
    desk.repository()

    def work() -> None:
        (desk.root / "large.txt").write_text("x" * (ael_snapshot.MAX_FILE + 1))
        (desk.root / "data.dat").write_bytes(b"\0\1\2")

    change = desk.call(work)
    assert change is not None
    assert {each.path: each.reason for each in change.unaccounted} == {
        "large.txt": "too_large",
        "data.dat": "not_text",
    }


def test_too_many_files_and_the_deadline_leave_the_workspace_unaccounted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not looked through again for some time; a file that is named still is."""
    desk.repository()
    monkeypatch.setattr(ael_snapshot, "MAX_FILES", 3)
    for number in range(5):
        (desk.root / f"untracked{number}.txt").write_text("x\n")
    change = desk.call(appended(desk.root / "a.py", "one = 1\n"))
    assert change is not None
    assert [(each.path, each.reason) for each in change.unaccounted] == [("", "too_many_files")]
    monkeypatch.undo()
    for number in range(5):
        (desk.root / f"untracked{number}.txt").unlink()
    change = desk.call(appended(desk.root / "a.py", "one = 1\n"))
    assert change is not None
    assert [(each.path, each.reason) for each in change.unaccounted] == [("", "too_many_files")]
    assert ranges(desk.call(appended(desk.root / "a.py", "two_lines = 2\n"), ["a.py"])) == {
        "a.py": [(23, 23)]
    }


def test_full_disk_and_a_folder_of_somebody_else_stop_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is not credited; the snapshot raises only errors that the hook expects."""
    desk.repository()
    real = ael_snapshot.write_file

    def full(path: str, data: bytes, changed_s: float = 0.0) -> None:
        if "/pool/" in path:
            raise OSError(28, "No space left on device")
        real(path, data, changed_s)

    monkeypatch.setattr(ael_snapshot, "write_file", full)
    change = desk.call(appended(desk.root / "a.py", "line_of_agent = 1\n"))
    assert change is not None
    assert [(each.path, each.reason) for each in change.unaccounted] == [("a.py", "disk_full")]
    monkeypatch.undo()
    (desk.home / "spool" / "snapshots").chmod(0o777)
    with pytest.raises(PermissionError):
        desk.look("before", "x", [], desk.root)


@pytest.mark.parametrize(
    ("tool", "server", "scope"),
    [
        ("mcp__search__delete_index", "", "all"),
        ("mcp__get-things__create", "get-things", "all"),
        ("mcp__my__get__create_thing", "", "all"),
        ("mcp__files__list_files", "", ""),
        ("mcp__files__readFile", "", ""),
        ("mcp__files__get_or_create", "", "all"),
        ("mcp__files__searchAndReplace", "", "all"),
        ("MCP:search:write_page", "", "all"),
        ("MCP:read_page", "", ""),
        ("mcp_search_write_page", "search", "all"),
        ("mcp_web_search_fetch_page", "web search", ""),
        ("mcp_web_search_fetch_page", "", "all"),
    ],
)
def test_only_the_name_of_the_tool_decides_whether_it_reads(tool: str, server: str, scope: str) -> None:
    """A word in the name of its MCP server does not; if the two cannot be separated, it may write."""
    assert ael_snapshot.scope_of(tool, {}, [], server) == scope


def test_folder_that_is_swept_while_a_look_begins_is_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot does not wait and is not lost."""
    desk.repository()
    real = ael_snapshot.hold
    swept: list[str] = []

    def hold(path: str) -> int:
        if not swept:
            swept.append(path)
            shutil.rmtree(Path(path).parent)
        return real(path)

    monkeypatch.setattr(ael_snapshot, "hold", hold)
    change = desk.call(appended(desk.root / "a.py", "line_of_agent = 1\n"))
    assert swept
    assert change is not None
    assert [each.path for each in change.files] == ["a.py"]


@pytest.mark.parametrize(
    ("tool", "given", "paths", "scope"),
    [
        ("Write", {}, ["a.py"], "files"),
        ("Edit", {}, ["a.py"], "files"),
        ("apply_patch", {}, [], "all"),
        ("Read", {}, ["a.py"], ""),
        ("Bash", {"command": "git status"}, [], ""),
        ("Bash", {"command": "ls -l src"}, [], ""),
        ("Bash", {"command": "ls > out"}, [], "all"),
        ("Bash", {"command": "cat a; rm b"}, [], "all"),
        ("Bash", {"command": "git diff --output=x"}, [], "all"),
        ("Bash", {"command": "git commit -am x"}, [], "all"),
        ("run_shell_command", {"command": "sed -i s/a/b/ x"}, [], "all"),
        ("mcp__files__read_file", {}, ["a.py"], ""),
        ("mcp__files__write_file", {}, ["a.py"], "all"),
        ("SomethingNew", {}, [], "all"),
    ],
)
def test_scope_follows_from_tool_and_parameters(
    tool: str, given: dict[str, Any], paths: list[str], scope: str
) -> None:
    """A tool that is not recognised may write anything."""
    assert ael_snapshot.scope_of(tool, given, paths) == scope
