"""A working folder with a store of fixed runs."""

from pathlib import Path

import pytest

from tests.unit.cli.trace.runs import make, runs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the store, and no configuration anywhere; it is the folder for temporary files too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH", "AEL_TELEMETRY_DB", "AEL_LOKI_URL", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    make(tmp_path / ".ael" / "telemetry.db", runs())
    return tmp_path
