"""Where the store is: one rule for who writes and who reads."""

import os
from pathlib import Path

import pytest

from ael_otel.store.location import locate


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory beside the project."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_variable_wins(tmp_path: Path, home: Path) -> None:
    """Proves that AEL_TELEMETRY_DB is taken as it stands, `~` and relative paths included."""
    _file(tmp_path / ".ael" / "telemetry.db")
    for given, expected in (
        ("/x/y.db", Path("/x/y.db")),
        ("~/y.db", home / "y.db"),
        ("y.db", tmp_path / "y.db"),
    ):
        assert locate(environ={"AEL_TELEMETRY_DB": given}, start=tmp_path) == expected


def test_an_absolute_path_is_that_path(tmp_path: Path, home: Path) -> None:
    """Proves that nothing is looked for when the settings say exactly where."""
    assert locate(str(tmp_path / "a.db"), environ={}, start=home) == tmp_path / "a.db"
    assert locate("~/a.db", environ={}, start=tmp_path) == home / "a.db"


def test_a_relative_path_is_found_upwards_then_at_home(tmp_path: Path, home: Path) -> None:
    """Proves the order: here, above, at home, and here again where there is none yet."""
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)
    assert locate(environ={}, start=deep) == deep / ".ael" / "telemetry.db"
    at_home = _file(home / ".ael" / "telemetry.db")
    assert locate(environ={}, start=deep) == at_home
    above = _file(tmp_path / "project" / ".ael" / "telemetry.db")
    assert locate(environ={}, start=deep) == above
    here = _file(deep / ".ael" / "telemetry.db")
    assert locate(environ={}, start=deep) == here
    assert locate("other.db", environ={}, start=deep) == deep / "other.db"


def test_where_nothing_can_be_written_it_is_at_home(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that a read-only working directory does not keep runs from being kept."""
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path).startswith(str(home)))
    assert locate(environ={}, start=tmp_path) == home / ".ael" / "telemetry.db"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry in the password file and without HOME, as arbitrary ids in containers have."""
    monkeypatch.delenv("HOME", raising=False)

    def unknown(_uid: int) -> object:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_user_without_a_home_uses_the_working_directory(tmp_path: Path) -> None:
    """No error where there is no home to look in; a `~` stays a folder's name."""
    assert locate(environ={}, start=tmp_path) == tmp_path / ".ael" / "telemetry.db"
    assert locate("~/a.db", environ={}, start=tmp_path) == tmp_path / "~" / "a.db"
