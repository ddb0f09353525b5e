"""Incremental snapshots list the same files as Git, after any changes in between."""

import os
import random
import time
from pathlib import Path

import pytest

import ael_snapshot
from ael_otel.attribution.tree_memory import IncrementalSnapshot, TreeMemory
from tests.support.git_repository import Repository
from tests.support.needs import require


class Bench:
    """A repository, and two kinds of snapshots of it."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "work")
        self.root = self.repository.root
        for number in range(12):
            self.repository.write(f"package{number % 3}/module{number}.py", f"value = {number}")
        self.repository.write(".gitignore", "*.log", "/out/")
        self.repository.write("a.py", "a = 1")
        self.repository.commit("start")
        place = ael_snapshot.place_of(str(self.root))
        assert place is not None
        self.place = place
        self.memory = TreeMemory()
        self.folders: list[str] = []
        for name in ("memory", "git"):
            home = folder / name
            home.mkdir()
            at = ael_snapshot.workspace_folder(str(home), place.root)
            ael_snapshot.prepare_folders(str(home), at)
            self.folders.append(at)

    def look(self) -> IncrementalSnapshot:
        """Take an incremental snapshot."""
        snapshot = IncrementalSnapshot(self.memory, self.place, self.folders[0], lambda _: False, 60.0)
        assert snapshot.at("all", []) == ""
        return snapshot

    def differs(self) -> dict[str, list[str]]:
        """What Git lists as different."""
        snapshot = ael_snapshot.Snapshot(self.place, self.folders[1], lambda _: False, 60.0)
        assert snapshot.at("all", []) == ""
        return snapshot.files

    def agrees(self) -> IncrementalSnapshot:
        """Compare both kinds: the incremental one has all files that Git lists; others are tracked and unchanged."""
        expected = self.differs()
        snapshot = self.look()
        assert {name: snapshot.files.get(name) for name in expected} == expected
        extra = sorted(set(snapshot.files) - set(expected))
        if extra:
            assert self.repository.git("ls-files", "--", *extra).split() == extra
        return snapshot


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench whose tree is remembered."""
    require("git")
    made = Bench(tmp_path)
    assert made.look().asked_git
    return made


def test_edits_of_files_that_are_there_ask_git_nothing(bench: Bench) -> None:
    """Neither does a file that goes, or comes back."""
    (bench.root / "a.py").write_text("a = 22\n")
    assert not bench.agrees().asked_git
    (bench.root / "package1/module1.py").unlink()
    snapshot = bench.agrees()
    assert (snapshot.asked_git, snapshot.files["package1/module1.py"]) == (False, ["", ""])
    (bench.root / "package1/module1.py").write_text("value = 1\nmore = 2\n")
    assert not bench.agrees().asked_git


def test_editor_that_replaces_a_file_asks_git_nothing(bench: Bench) -> None:
    """The folder has changed then, and its names have not."""
    (bench.root / "a.py.new").write_text("a = 333\n")
    (bench.root / "a.py.new").replace(bench.root / "a.py")
    snapshot = bench.agrees()
    assert not snapshot.asked_git
    assert "a.py" in snapshot.files


def test_new_file_in_an_empty_folder_is_seen(bench: Bench) -> None:
    """Git lists no folder in which nothing is."""
    (bench.root / "empty/below").mkdir(parents=True)
    bench.agrees()
    (bench.root / "empty/below/new.py").write_text("new = 1\n")
    assert "empty/below/new.py" in bench.agrees().files


def test_folder_in_place_of_a_file_of_the_same_name_is_seen(bench: Bench) -> None:
    """And what is in it."""
    (bench.root / "x").write_text("x\n")
    bench.agrees()
    (bench.root / "x").unlink()
    (bench.root / "x").mkdir()
    (bench.root / "x/new.py").write_text("new = 1\n")
    assert "x/new.py" in bench.agrees().files


@pytest.mark.parametrize("rule", [".gitattributes", "package1/.gitattributes", ".git/info/attributes"])
def test_file_that_comes_under_a_filter_is_not_read_any_more(bench: Bench, rule: str) -> None:
    """Wherever the rule is written."""
    (bench.root / "package1/module1.py").write_text("secret = 1\n")
    assert bench.agrees().files["package1/module1.py"][1] == ""
    (bench.root / rule).parent.mkdir(exist_ok=True)
    (bench.root / rule).write_text("*.py filter=crypt\n")
    (bench.root / "package1/module1.py").write_text("secret = 22\n")
    snapshot = bench.look()
    assert snapshot.files["package1/module1.py"][1] == "filter"


def test_file_that_is_no_longer_ignored_is_seen(bench: Bench) -> None:
    """Its folder is the same; the rule is not."""
    (bench.root / "run.log").write_text("line\n")
    assert "run.log" not in bench.agrees().files
    (bench.root / ".gitignore").write_text("/out/\n")
    assert "run.log" in bench.agrees().files


def test_embedded_repository_is_left_alone_until_it_is_none(bench: Bench) -> None:
    """Its files are not those of the repository around it."""
    inner = Repository(bench.root / "inner")
    inner.write("theirs.py", "t = 1")
    bench.agrees()
    inner.write("theirs2.py", "t = 2")
    assert "inner/theirs2.py" not in bench.agrees().files
    (bench.root / "inner/.git").rename(bench.root.parent / "elsewhere")
    assert "inner/theirs2.py" in bench.agrees().files


def test_answers_hold_for_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules of the user, outside of the repository, are not compared."""
    monkeypatch.setattr("ael_otel.attribution.tree_memory.MAX_AGE_S", -1.0)
    assert bench.agrees().asked_git


def test_large_tree_is_left_to_git(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of files, or of folders."""
    monkeypatch.setattr("ael_otel.attribution.tree_memory.MAX_FOLDERS", 2)
    bench.memory.answers = None
    assert bench.agrees().asked_git
    assert bench.agrees().asked_git
    monkeypatch.setattr("ael_otel.attribution.tree_memory.MAX_TRACKED", 3)
    assert bench.agrees().asked_git


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_are_seen_as_git_sees_them(bench: Bench, seed: int) -> None:
    """Files and folders that come, go and change, also by Git, also within one tick of the clock of files."""
    chance = random.Random(seed)  # noqa: S311 - a seed makes it repeatable
    names = ["a.py", "b.py", "package1/module1.py", "package2/new.py", "deep/er/c.py", "out/o.py", "x.log"]
    for turn in range(14):
        for _ in range(chance.randrange(1, 4)):
            path = bench.root / chance.choice(names)
            match chance.randrange(6):
                case 0:
                    path.unlink(missing_ok=True)
                case 1:
                    bench.repository.git("add", "--all")
                case 2:
                    bench.repository.git("checkout", "-q", "-f", "--", "package1")
                case 3 if path.exists():
                    os.utime(path, ns=(time.time_ns(), time.time_ns()))
                case _:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"line_of_turn = {turn * chance.randrange(1, 1000)}\n")
        bench.agrees()
