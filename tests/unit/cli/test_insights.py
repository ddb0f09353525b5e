"""`ael insights`: findings as lines and as JSON."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from tests.unit.cli.trace.runs import make
from tests.unit.insights.test_insights import history


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose store has a history with a cause of failures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH", "AEL_TELEMETRY_DB"):
        monkeypatch.delenv(name, raising=False)
    make(tmp_path / ".ael" / "telemetry.db", history(3, cause=0.5))
    return tmp_path


def test_findings_are_numbered_with_confidence_and_runs_to_compare(place: Path) -> None:
    """Proves the lines of a finding, and that `ael trace diff` takes its runs."""
    done = CliRunner().invoke(cli, ["insights"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "step enrich was retried fail later in" in line)
    confidence, command = lines[at + 1].strip().split("; ael ")
    assert confidence.startswith("p = ")
    assert CliRunner().invoke(cli, command.split()).exit_code == 0
    assert lines[-1] == "Analysed 300 runs."


def test_filters_choose_the_runs_and_json_has_the_figures(place: Path) -> None:
    """Proves that filters and `--where` apply, and that a store without findings says so."""
    found = json.loads(CliRunner().invoke(cli, ["insights", "-o", "json"]).stdout)
    assert found["runs"] == 300
    assert {"kind", "text", "figure", "sample", "p", "runs"} <= set(found["findings"][0])
    none = CliRunner().invoke(cli, ["insights", "--where", "workflow = other"])
    assert (none.exit_code, none.stdout) == (
        0,
        "No runs match these filters.\n",
    )
