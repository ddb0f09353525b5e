"""An empty working folder and an empty home, so that no file of the machine is used by accident."""

from collections.abc import Callable
from pathlib import Path

import pytest

WriteConfig = Callable[[str], Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; paths in messages stay relative and so the same everywhere."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def write(folder: Path) -> WriteConfig:
    """Write ael-config.yaml into the working folder and return its relative path."""

    def write(text: str) -> Path:
        path = Path("ael-config.yaml")
        path.write_text(text, "utf-8")
        return path

    return write
