"""Where the store is: one rule for who writes and who reads."""

import os
from pathlib import Path

import pytest

from ael_otel.store.location import find_store, locate


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
    """Proves that AEL_TELEMETRY_DB is used unchanged, `~` and relative paths included."""
    _file(tmp_path / ".ael" / "telemetry.db")
    for given, expected in (
        ("/x/y.db", Path("/x/y.db")),
        ("~/y.db", home / "y.db"),
        ("y.db", tmp_path / "y.db"),
    ):
        assert locate(environ={"AEL_TELEMETRY_DB": given}, start=tmp_path) == expected


def test_an_absolute_path_is_that_path(tmp_path: Path, home: Path) -> None:
    """Proves that no folder is searched when the settings name the exact path."""
    assert locate(str(tmp_path / "a.db"), environ={}, start=home) == tmp_path / "a.db"
    assert locate("~/a.db", environ={}, start=tmp_path) == home / "a.db"


def test_relative_path_is_searched_upwards_then_at_home(tmp_path: Path, home: Path) -> None:
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


def test_store_is_at_home_if_the_folder_is_read_only(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that runs are stored also in a read-only working directory."""
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path).startswith(str(home)))
    assert locate(environ={}, start=tmp_path) == home / ".ael" / "telemetry.db"


# --- a folder that may hold the store, and that this user cannot use --------------------------------------------------


def _closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Keep this user out of folders, the superuser too."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in folders and real(path, mode))
    monkeypatch.setattr(
        os.path, "isfile", lambda path: Path(path).is_file() and Path(path).parent not in folders
    )


def test_folder_of_another_user_is_named_with_the_store_that_is_used(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves one line with the folder, its owner, the store in the home folder and what to set."""
    _file(tmp_path / ".ael" / "telemetry.db")
    _closed(monkeypatch, tmp_path / ".ael")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    found = find_store(environ={}, start=tmp_path)
    assert found.path == home / ".ael" / "telemetry.db"
    assert found.skipped == (
        f"{tmp_path / '.ael'} belongs to another user (uid {tmp_path.stat().st_uid}); the run store is"
        f" {home / '.ael' / 'telemetry.db'} instead: make the folder this user's, or set AEL_TELEMETRY_DB or"
        " telemetry.store.path"
    )
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid)
    assert f"{tmp_path / '.ael'} cannot be used by this user; " in str(find_store(environ={}, start=tmp_path))


def test_closed_folder_above_or_at_home_is_named_too(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves the same for a folder above the working directory and for that of the home, where a new store is made."""
    deep = tmp_path / "project" / "a"
    deep.mkdir(parents=True)
    (tmp_path / "project" / ".ael").mkdir()
    (home / ".ael").mkdir()
    for closed in (tmp_path / "project" / ".ael", home / ".ael"):
        with monkeypatch.context() as patch:
            _closed(patch, closed)
            path, line = find_store(environ={}, start=deep)
        assert path == deep / ".ael" / "telemetry.db"
        assert str(line).startswith(f"{closed} cannot be used by this user; the run store is {path} instead")


def test_file_in_the_place_of_the_folder_is_named(tmp_path: Path, home: Path) -> None:
    """Proves the line where `.ael` is a file, so that the store cannot be created there."""
    (tmp_path / ".ael").write_text("x", "utf-8")
    path, line = find_store(environ={}, start=tmp_path)
    assert path == home / ".ael" / "telemetry.db"
    assert str(line).startswith(f"{tmp_path / '.ael'} is not a folder; ")
    assert "move it away, or set AEL_TELEMETRY_DB" in str(line)


def test_usual_and_named_places_give_no_notice(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves no line where a store is found or made as documented, where a path is named, and where no folder is."""
    deep = tmp_path / "project" / "a"
    deep.mkdir(parents=True)
    assert find_store(environ={}, start=deep).skipped is None
    _file(home / ".ael" / "telemetry.db")
    assert find_store(environ={}, start=deep).skipped is None
    (tmp_path / ".ael").mkdir()
    assert find_store(environ={}, start=deep).skipped is None
    _closed(monkeypatch, tmp_path / ".ael")
    assert find_store("/x/y.db", environ={}, start=deep).skipped is None
    assert find_store(environ={"AEL_TELEMETRY_DB": "y.db"}, start=deep).skipped is None
    assert find_store("runs.db", environ={}, start=deep).skipped is None
    _file(deep / ".ael" / "telemetry.db")
    assert find_store(environ={}, start=deep).skipped is None


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry in the password file and without HOME, as arbitrary ids in containers have."""
    monkeypatch.delenv("HOME", raising=False)

    def unknown(_uid: int) -> object:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_user_without_a_home_uses_the_working_directory(tmp_path: Path) -> None:
    """No error without a home folder; a `~` stays a folder's name."""
    assert locate(environ={}, start=tmp_path) == tmp_path / ".ael" / "telemetry.db"
    assert locate("~/a.db", environ={}, start=tmp_path) == tmp_path / "~" / "a.db"
