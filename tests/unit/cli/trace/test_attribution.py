"""`ael trace show --attribution`: who did what, for a person, a program, on the page; and of a real engine's run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord
from tests.support.needs import require
from tests.support.variables import EXPORT_NOTHING, clean_variables
from tests.unit.cli.trace.runs import NOON, ael, make, runs

NOTES = "Line ranges are not recorded: the record does not tell which lines of a file a call wrote."

SERVER = '''
from pathlib import Path
from fastmcp import FastMCP

server = FastMCP("fs")

@server.tool
def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()

@server.tool
def write_file(path: str, content: str) -> str:
    """Write a file."""
    Path(path).write_text(content)
    return "done"

server.run(transport="stdio", show_banner=False)
'''

CODE = """
import json
text = await context.tools.call("read_file", {"path": context.inputs["report"]})
result = json.dumps(text)
"""


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


def test_a_person_sees_who_did_what(place):
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
    """No line is wider, names are whole, and what would steer a terminal is harmless."""
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
    assert "70 rows more: --output json has them" in ael(*asked).stdout
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
    assert list(attribution) == ["contributors", "files", "calls", "calls_unread", "line_ranges"]
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


def test_what_is_excluded_now_is_not_told(place):
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
    assert "Excluded files are one marker" in shown


def test_every_kind_of_run_has_one(place):
    """Failed, direct and running ones: exit code 0 and the line about lines."""
    for run in runs():
        done = ael("show", run.execution_id, "--attribution")
        assert done.exit_code == 0
        assert done.stdout.rstrip().endswith(NOTES)


@pytest.mark.engine
@pytest.mark.slow
def test_of_a_real_run_it_is_what_happened_on_disk(tmp_path):
    """A workflow on the real engine writes a file by a tool step, and reads it from code; a step reads an excluded one.

    The attribution of the stored run has the file that is on disk then, both calls with their ids and sources, the
    code by the hash of its source, and of the excluded file nothing but the marker.
    """
    require("engine")
    private = tmp_path / "private"
    private.mkdir()
    (private / "key").write_text("made up")
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "workflows").mkdir()
    steps = [
        {
            "id": "save",
            "tool": "write_file",
            "mcp": "fs",
            "params": {"path": "{{ inputs.report }}", "content": "a\nb\n"},
        },
        {"id": "check", "depends_on": ["save"], "code": CODE},
        {
            "id": "peek",
            "depends_on": ["check"],
            "tool": "read_file",
            "mcp": "fs",
            "params": {"path": str(private / "key")},
        },
    ]
    workflow = {
        "name": "report",
        "version": "2.1.0",
        "inputs": [{"report": {"type": "string", "required": True}}],
        "steps": steps,
        "outputs": [{"name": "checked", "from": "steps.check.output"}],
    }
    (tmp_path / "workflows" / "report.yaml").write_text(yaml.safe_dump(workflow, sort_keys=False))
    config = {
        "tools": {
            "mcp_servers": {"fs": {"command": f"{sys.executable} {tmp_path / 'server.py'}", "env": {}}}
        },
        "workflows": {"directory": str(tmp_path / "workflows")},
        "telemetry": {"privacy": {"excluded_paths": [str(private)]}},
    }
    (tmp_path / "ael-config.yaml").write_text(yaml.safe_dump(config))
    report = tmp_path / "report.txt"

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "ael_otel.cli", *arguments],
            cwd=tmp_path,
            env=clean_variables(HOME=str(tmp_path), **EXPORT_NOTHING),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("run", "report", "-i", f"report={report}")
    assert report.read_text() == "a\nb\n"
    identifier = json.loads(run("trace", "list", "-o", "json"))[0]["execution_id"]
    record = json.loads(run("trace", "show", identifier, "-o", "json", "--attribution"))
    found = record["attribution"]
    by_kind = {each["kind"]: each for each in found["contributors"] if each["kind"] != "tool"}
    assert (by_kind["workflow"]["name"], by_kind["workflow"]["version"]) == ("report", "2.1.0")
    assert by_kind["code"]["name"] == record["steps"][1]["code_hash"]
    assert (by_kind["code"]["imports"], by_kind["code"]["tools"]) == (["json"], ["read_file"])
    tools = [
        (one["name"], one["server"], one["calls"]) for one in found["contributors"] if one["kind"] == "tool"
    ]
    assert tools == [("write_file", "fs", 1), ("read_file", "fs", 2)]
    assert {each["type"] for each in found["contributors"]} == {"unknown"}
    files = {file["path"]: file["calls"] for file in found["files"]}
    assert set(files) == {str(report), "[EXCLUDED_PATH]"}
    assert [(one["step_id"], one["source"], one["access"], one["outcome"]) for one in files[str(report)]] == [
        ("save", "tool_step", "write", "success"),
        ("check", "code_block", "read", "success"),
    ]
    stored = {call["call_id"] for step in record["steps"] for call in step["tool_calls"]}
    assert {one["call_id"] for calls in files.values() for one in calls} == stored
    assert [(one["step_id"], one["access"]) for one in files["[EXCLUDED_PATH]"]] == [("peek", "read")]
    assert str(private) not in json.dumps(record)
