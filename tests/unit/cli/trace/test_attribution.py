"""`ael trace show --attribution`: as text, as JSON and on the page."""

import json
from pathlib import Path

import pytest

from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord
from tests.unit.cli.trace.runs import NOON, ael, make, runs

NOTES = "Line ranges are not recorded: the record does not contain which lines of a file a call wrote."


def agent(*paths: str) -> ExecutionRecord:
    """A run of an agent that wrote these files."""
    calls = [
        ToolCallRecord(
            f"call-{n}",
            "write_file",
            "tool_step",
            n,
            NOON,
            step_id="1 save",
            status="success",
            params={"path": path},
            agent="coder",
        )
        for n, path in enumerate(paths)
    ]
    return ExecutionRecord(
        "exec-agent",
        "workflow",
        "completed",
        NOON,
        workflow_name="coder",
        trace_id="e" * 32,
        metadata={
            "source": "spans",
            "agents": ["coder"],
            "models": [{"provider": "openai", "model": "gpt-4o"}],
        },
        steps=[StepRecord("1 save", 0, "tool", "completed", NOON, tool_calls=calls)],
    )


def test_attribution_is_printed_as_text(place):
    """Workflow, code and tools; that no file was named, and that lines are not recorded. No failure."""
    done = ael("show", "a0f6", "--attribution")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.partition("\nAttribution\n")[2].splitlines()]
    assert lines == [
        "kind      who           type     what",
        "session   morning       unknown",
        "workflow  mixed 1.0.0   unknown",
        "code      cccccccccccc  unknown  in crunch",
        "tool      echo@demo     unknown  1 call",
        "",
        "No call named a file.",
        NOTES,
    ]
    assert "Attribution" not in ael("show", "a0f6").stdout


@pytest.mark.parametrize("columns", ["40", "60", "95", "96", "200"])
def test_a_terminal_of_any_width_shows_it(place, monkeypatch, columns):
    """No line is too wide, names are whole, and control characters are escaped."""
    make(place / "agent.db", [agent("/srv/report.txt", "/srv/\x1b[31mred", "/srv/report.txt")])
    monkeypatch.setenv("COLUMNS", columns)
    done = ael("show", "eeee", "--attribution", "--db", "agent.db")
    text = done.stdout.partition("\nAttribution\n")[2]
    assert max(map(len, text.splitlines())) <= int(columns)
    assert "\x1b" not in text
    assert "Attribution\n" in done.stdout
    folded = "".join(text.split())
    for words in ("gpt-4o", "ofopenai", "write", "coder"):
        assert words in folded
    if int(columns) >= 60:
        assert "/srv/report.txt" in text


def test_many_files_are_cut_for_a_person_only(place):
    """With how many are left; JSON and the page have all."""
    make(place / "agent.db", [agent(*(f"/srv/{n:03}.txt" for n in range(120)))])
    asked = ["show", "eeee", "--attribution", "--db", "agent.db"]
    assert "70 rows more: see --output json" in ael(*asked).stdout
    assert len(json.loads(ael(*asked, "-o", "json").stdout)["attribution"]["files"]) == 120
    page = Path(ael(*asked, "--web", "--no-open").stdout.strip()).read_text("utf-8")
    assert page.count("<td>/srv/") == 120


def test_json_has_it_beside_the_record(place):
    """Under its own key, and only if asked for; the rest of the document is as without it."""
    plain = json.loads(ael("show", "a0f6", "-o", "json").stdout)
    found = json.loads(ael("show", "a0f6", "-o", "json", "--attribution").stdout)
    assert "attribution" not in plain
    attribution = found.pop("attribution")
    assert found == plain
    assert list(attribution) == ["contributors", "files", "calls", "calls_unread", "line_ranges", "written"]
    assert (attribution["calls"], attribution["line_ranges"]) == (1, "not recorded")


def test_the_page_has_it_and_is_still_harmless(place, monkeypatch, tmp_path):
    """Below the waterfall, every text escaped."""
    make(place / "agent.db", [agent("/srv/<script>alert(1)</script>")])
    name = ael("show", "eeee", "--attribution", "--db", "agent.db", "--web", "--no-open").stdout.strip()
    text = Path(name).read_text("utf-8")
    assert "<h2>Attribution</h2>" in text
    assert "/srv/&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    assert "Attribution" not in Path(ael("show", "a0f6", "--web", "--no-open").stdout.strip()).read_text()


def test_file_that_is_excluded_by_now_is_not_listed(place):
    """By the configuration in effect, also in a record that is older than it."""
    make(place / ".ael" / "telemetry.db", [agent("/srv/private/key", "/srv/open")])
    (place / "ael-config.yaml").write_text("telemetry: {privacy: {excluded_paths: [/srv/private]}}")
    found = json.loads(ael("show", "eeee", "--attribution", "-o", "json").stdout)["attribution"]
    assert [(file["path"], file["excluded"]) for file in found["files"]] == [
        ("/srv/open", False),
        ("[EXCLUDED_PATH]", True),
    ]
    shown = ael("show", "eeee", "--attribution").stdout.partition("\nAttribution\n")[2]
    assert "private" not in shown
    assert "All excluded files share one marker" in shown


def test_every_kind_of_run_has_one(place):
    """Failed, direct and running ones: exit code 0 and the line about lines."""
    for run in runs():
        done = ael("show", run.execution_id, "--attribution")
        assert done.exit_code == 0
        assert done.stdout.rstrip().endswith(NOTES)
