"""The committed boards are what their sources make, and the sources make them the same way every time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ael_otel._generated.metrics import ACTIVE_WORKFLOWS, ERRORS, WORKFLOW_DURATION, WORKFLOW_EXECUTIONS
from dashboards.src.build import FOLDER, rendered, stale, write
from dashboards.src.panels import figure
from dashboards.src.queries import chosen, series, values_of
from tests.dashboards.boards import committed

ROOT = FOLDER.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where hashes differ from this one's."""
    command = [sys.executable, "-m", "dashboards.src", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_committed_files_are_what_the_sources_make():
    """No board was edited by hand, and none was left unbuilt after a change."""
    assert stale() == []


def test_check_passes_in_a_process_of_its_own():
    """The text depends on nothing that differs between processes, and the command says that all is well."""
    done = run("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_file_is_named_by_its_uid():
    """The boards of issue and README are there, by their names."""
    assert "ael-overview.json" in rendered()
    assert set(rendered()) == {f"{name}.json" for name in committed()}


@pytest.mark.parametrize("drift", ["edited", "missing", "unknown"])
def test_drift_is_seen_and_repaired(drift: str, tmp_path: Path):
    """A file that was edited, is missing or belongs to no board is named, and the next build puts it right."""
    write(tmp_path)
    name = "ael-overview.json"
    if drift == "edited":
        (tmp_path / name).write_text((tmp_path / name).read_text("utf-8").replace("AEL", "LEA", 1), "utf-8")
    elif drift == "missing":
        (tmp_path / name).unlink()
    else:
        name = "ael-forgotten.json"
        (tmp_path / name).write_text("{}", "utf-8")
    assert stale(tmp_path) == [name]
    assert write(tmp_path) == [name]
    assert stale(tmp_path) == []


def test_check_fails_on_drift(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`--check` ends with 1, names the file and says what to do."""
    from dashboards.src import __main__ as command

    monkeypatch.setattr(command, "stale", lambda: ["ael-overview.json"])
    assert command.main(["--check"]) == 1
    message = capsys.readouterr().err
    assert "ael-overview.json" in message
    assert "python -m dashboards.src" in message


@pytest.mark.parametrize("name", sorted(committed()))
def test_the_sdk_knows_every_key(name: str):
    """Read back by the SDK's own model, no key is lost: none is misspelt."""
    from grafana_foundation_sdk.models.dashboard import Dashboard  # not above: its import warns

    board = committed()[name]
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    for link in read["links"]:
        del link["placement"]  # the SDK's model can only say "in the menu"
    assert read == board


@pytest.mark.parametrize("name", sorted(committed()))
def test_the_links_to_the_other_boards_are_seen(name: str):
    """They stand beside the variables, while the data sources, which hardly anybody changes, are in the menu."""
    board = committed()[name]
    assert [link.get("placement") for link in board["links"]] == [None]
    in_menu = {variable["name"] for variable in board["templating"]["list"] if variable.get("hide") == 3}
    assert in_menu == {"prometheus", "loki", "tempo"}


def test_a_panel_without_its_words_cannot_be_written():
    """Title, description, unit, no_value and query are required: leaving one out fails when the board is built."""
    words = {"title": "t", "description": "d", "unit": "s", "no_value": "nothing yet", "query": "1"}
    for missing in words:
        given = {key: value for key, value in words.items() if key != missing}
        with pytest.raises(TypeError, match=missing):
            figure(number=1, width=1, **given)  # type: ignore[arg-type]


def test_a_name_outside_the_registry_cannot_be_written():
    """A label that the metric has not, or a histogram without its part, fails when the board is built."""
    with pytest.raises(ValueError, match="ael_active_workflows has no label 'workflow'"):
        series(ACTIVE_WORKFLOWS, chosen("workflow", "workflow"))
    with pytest.raises(ValueError, match="does not fit"):
        series(WORKFLOW_DURATION)
    with pytest.raises(ValueError, match="does not fit"):
        series(ERRORS, part="bucket")
    with pytest.raises(ValueError, match="no label 'tool'"):
        values_of(WORKFLOW_EXECUTIONS, "tool")


def test_sources_write_no_metric_name():
    """A metric's name stands in the registry only: the sources use its constant."""
    for path in (FOLDER / "src").glob("*.py"):
        found = [line for line in path.read_text("utf-8").splitlines() if '"ael_' in line]
        assert found == [], path.name
