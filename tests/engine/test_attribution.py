"""`ael trace show --attribution` of a real engine's run matches the changes on disk."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.support.needs import require
from tests.support.variables import EXPORT_NOTHING, clean_variables

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


@pytest.mark.engine
@pytest.mark.slow
def test_attribution_of_a_real_run_matches_the_disk(tmp_path):
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
