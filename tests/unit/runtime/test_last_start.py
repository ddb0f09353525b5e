"""A start with another version than the last one is an event, and nothing about it can fail a start."""

import json
import logging
from pathlib import Path

import pytest

from ael_otel.config import Settings, Store
from ael_otel.runtime.last_start import SUFFIX, note_start


def settings(folder: Path, backend: str = "sqlite") -> Settings:
    """The store is a file in `folder`."""
    return Settings(store=Store(backend=backend, path=str(folder / "new" / "runs.db")))


def kept(folder: Path) -> Path:
    """Path of the file with the versions."""
    return folder / "new" / f"runs.db{SUFFIX}"


def events(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Records of the telemetry's own logger."""
    return [each for each in caplog.records if each.name == "ael.telemetry"]


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> None:
    """Keep lines from INFO on."""
    caplog.set_level(logging.INFO)


def test_first_start_and_one_with_the_same_versions_are_no_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The versions are in a file beside the store, with mode 0600, and written once."""
    note_start(settings(tmp_path))
    assert set(json.loads(kept(tmp_path).read_text())) == {"ael_otel", "engine"}
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600
    assert kept(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    written = kept(tmp_path).stat().st_mtime_ns
    note_start(settings(tmp_path))
    assert kept(tmp_path).stat().st_mtime_ns == written
    assert events(caplog) == []


@pytest.mark.parametrize("key", ["ael_otel", "engine"])
def test_start_with_another_version_is_one_event(
    key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the version before; the next start is none."""
    note_start(settings(tmp_path))
    versions = json.loads(kept(tmp_path).read_text())
    now = versions[key]
    kept(tmp_path).write_text(json.dumps(versions | {key: "0.0.1"}))
    note_start(settings(tmp_path))
    note_start(settings(tmp_path))
    (event,) = events(caplog)
    assert f" 0.0.1 -> {now}" in event.getMessage()
    assert json.loads(kept(tmp_path).read_text())[key] == now


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"ael_otel": ""}', "\udcff", "[" * 100_000])
def test_file_that_is_not_ours_is_written_anew(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreadable file does not count as a last start."""
    kept(tmp_path).parent.mkdir()
    kept(tmp_path).write_bytes(text.encode("utf-8", "surrogateescape"))
    note_start(settings(tmp_path))
    assert events(caplog) == []
    assert json.loads(kept(tmp_path).read_text())["ael_otel"]


def test_secret_in_the_file_does_not_go_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line is telemetry: text that somebody else wrote into the file is redacted and bounded."""
    kept(tmp_path).parent.mkdir()
    secret = "sk-" + "a1B2" * 12
    kept(tmp_path).write_text(json.dumps({"ael_otel": f"api_key={secret}" + "x" * 5_000, "engine": "1"}))
    note_start(settings(tmp_path))
    (event,) = events(caplog)
    assert secret not in event.getMessage()
    assert len(event.getMessage()) < 500


def test_folder_that_cannot_be_written_and_memory_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No exception, no event, no file."""
    (tmp_path / "new").write_text("a file where the folder should be")
    note_start(settings(tmp_path))
    note_start(settings(tmp_path, "memory"))
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
    assert events(caplog) == []
