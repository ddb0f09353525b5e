"""Pages that `show --web` leaves: for their owner only, and removed by `prune` and after a day."""

import json
import os
import stat
import time
from pathlib import Path

import pytest

from ael_otel.cli.trace.pages import KEPT_SECONDS, new_folder, remove_of, sweep
from tests.unit.cli.trace.runs import ael


def shown(place: Path) -> Path:
    """Write a page and return its path."""
    return Path(ael("show", "a0f6", "--web", "--no-open").stdout.strip())


def aged(path: Path, seconds: float) -> Path:
    """Make a page, and the folder around it, older."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    os.utime(path.parent, (then, then))
    return path


def test_page_and_its_folder_are_its_owners_only(place):
    """Mode 0600 in a folder of 0700, under a name that cannot exist already."""
    page, other = shown(place), shown(place)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert page.parent != other.parent


def test_page_is_removed_at_the_next_use_after_a_day(place):
    """Any verb that opens the store removes it with its folder; a younger one stays."""
    old, young = aged(shown(place), KEPT_SECONDS + 1), aged(shown(place), KEPT_SECONDS - 60)
    assert ael("list").exit_code == 0
    assert (old.parent.exists(), young.exists()) == (False, True)


def test_prune_removes_every_page(place):
    """Also young ones, since they may be of runs that are deleted; a dry run and a refusal remove none."""
    page = shown(place)
    ael("prune", "--older-than", "36500", "--dry-run")
    assert page.exists()
    assert ael("prune", "--older-than", "36500", "--yes").stdout == "Deleted 1 page of --web, and no run.\n"
    assert not page.parent.exists()
    pages = [shown(place), shown(place)]
    report = json.loads(ael("prune", "--older-than", "1", "--yes", "-o", "json").stdout)
    assert (report["pages"], report["executions"]) == (2, 5)
    assert not any(each.exists() for each in pages)


def test_page_of_a_run_is_named_by_its_whole_id(place):
    """Proves that an id removes neither the page of a run whose id begins with it nor of one that mentions it."""
    page = shown(place)
    run = json.loads(ael("show", "a0f6", "-o", "json").stdout)
    assert remove_of([run["execution_id"][:-1], run["workflow_name"], "exec"]) == 0
    assert page.exists()
    assert remove_of([run["execution_id"]]) == 1
    assert not page.exists()


def test_folder_of_another_program_stays(tmp_path, monkeypatch):
    """Other files, links, a folder that others can enter: nothing of that is removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "precious.html").write_text("x")
    (tmp_path / "ael-trace-link").symlink_to(elsewhere)
    (tmp_path / "ael-trace-file").write_text("x")
    open_to_all = tmp_path / "ael-trace-open"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    (open_to_all / "page.html").write_text("x")
    mixed = new_folder()
    (mixed / "page.html").write_text("x")
    (mixed / "notes.txt").write_text("x")
    assert sweep(older_than_s=0) == 1
    assert sorted(each.name for each in mixed.iterdir()) == ["notes.txt"]
    assert (elsewhere / "precious.html").exists()
    assert (open_to_all / "page.html").exists()
    assert (tmp_path / "ael-trace-file").exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners of files")
def test_folder_of_another_user_stays(tmp_path, monkeypatch):
    """Where several users share a folder for temporary files, each removes its own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = new_folder()
    (folder / "page.html").write_text("x")
    monkeypatch.setattr("os.getuid", lambda: folder.stat().st_uid + 1)
    assert sweep(older_than_s=0) == 0
    assert (folder / "page.html").exists()


def test_folder_that_cannot_be_listed_is_ignored(monkeypatch):
    """The sweep is by the way: a verb never fails for it."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    assert sweep() == 0
