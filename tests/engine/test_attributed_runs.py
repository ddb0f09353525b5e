"""Lines that runs of a real engine write: attributed to run, step and caller, and not at all if attribution is off."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ael_otel.attribution.agent_trace import problems
from ael_otel.attribution.changes import Change
from ael_otel.attribution.ledger import Ledger
from ael_otel.cli import cli
from ael_otel.store.sqlite import SqliteStore
from tests.engine.lab.client import ROOT
from tests.support.git_repository import Repository
from tests.support.needs import require
from tests.support.variables import EXPORT_NOTHING, clean_variables

SERVER = Path(__file__).parent / "lab" / "writing_tools.py"
CODE = """
import io
file = io.FileIO(context.inputs["folder"] + "/c.py", "a")
file.write(b"line_of_code = 1\\n")
file.close()
await context.tools.call("build", {"target": context.inputs["folder"] + "/c.py", "line": "line_of_tool = 2"})
file = io.FileIO(context.inputs["folder"] + "/c.py", "a")
file.write(b"more_of_code = 3\\n")
file.close()
result = 1
"""


def step(name: str, tool: str, after: str | None = None, **params: str) -> dict[str, Any]:
    """A tool step."""
    return {"id": name, "tool": tool, "mcp": "files", "params": params} | (
        {"depends_on": [after]} if after else {}
    )


SLOW = ("target", "line", "sign", "until", "answer")
FOLDER = [{"folder": {"type": "string", "required": True}}]
WORKFLOWS = {
    "report": {
        "inputs": FOLDER,
        "steps": [
            step("save", "write_file", path="{{ inputs.folder }}/a.py", content="a = 1\nb = 2\n"),
            step("look", "read_file", "save", path="{{ inputs.folder }}/a.py"),
            step("make", "build", "look", target="{{ inputs.folder }}/b.py", line="line_of_build = 1"),
        ],
    },
    "computed": {"inputs": FOLDER, "steps": [{"id": "crunch", "code": CODE}]},
    "slow": {
        "inputs": [{name: {"type": "string", "required": True}} for name in SLOW],
        "steps": [
            step(
                "wait",
                "build_slowly",
                **{name: f"{{{{ inputs.{name} }}}}" for name in SLOW},
            )
        ],
    },
}


@dataclass
class Played:
    """What is left of a process whose runs wrote files."""

    home: Path
    repository: Repository
    runs: dict[str, str]
    threads: list[str]
    modules: list[str]
    changes: list[Change]

    @property
    def store(self) -> Path:
        """The run store."""
        return self.home / ".ael" / "telemetry.db"

    def of(self, run: str) -> list[Change]:
        """Return the changes of a run, the oldest first."""
        return [each for each in reversed(self.changes) if each.execution_id == self.runs[run]]

    def blame(self, path: str) -> dict[str, dict[str, Any]]:
        """Return what `ael blame` says of each line, by its text."""
        file = self.repository.root / path
        arguments = ["blame", str(file), "--db", str(self.store), "--output", "json"]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.stderr
        return {line["text"]: line for line in json.loads(done.stdout)["lines"]}


def play(folder: Path, **attribution: Any) -> Played:
    """Let the engine run in a repository below a folder."""
    require("git")
    home = folder / "home"
    (home / "workflows").mkdir(parents=True)
    repository = Repository(folder / "work")
    (folder / "elsewhere").mkdir()
    repository.write("a.py", "a = 1")
    repository.commit("start")
    for name, text in WORKFLOWS.items():
        flow = {"name": name, "version": "1.0.0", **text}
        (home / "workflows" / f"{name}.yaml").write_text(yaml.safe_dump(flow, sort_keys=False))
    config = {
        "tools": {"mcp_servers": {"files": {"command": f"{sys.executable} {SERVER}"}}},
        "workflows": {"directory": str(home / "workflows")},
        "python_exec": {"timeout": 60},
        "telemetry": {"store": {"json_mirror": True}, "attribution": attribution},
    }
    path = home / "ael-config.yaml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.lab.writing", str(path), str(repository.root)],
        cwd=home,
        env=clean_variables(
            HOME=str(home), PYTHONPATH=str(ROOT), AEL_OTEL_RAISE_FAULTS="1", **EXPORT_NOTHING
        ),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    store = SqliteStore(home / ".ael" / "telemetry.db")
    try:
        changes = Ledger(store).changes()
    finally:
        store.close()
    return Played(home, repository, found["runs"], found["threads"], found["modules"], changes)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Runs with the repository as a root."""
    folder = tmp_path_factory.mktemp("attributed")
    return play(folder, roots=[str(folder / "work")])


def lines(change: Change) -> dict[str, list[tuple[int, int]]]:
    """The ranges of a change by file."""
    return {file.path: [(each.start, each.end) for each in file.ranges] for file in change.files}


def test_lines_are_attributed_to_the_tool_calls_that_wrote_them(played: Played) -> None:
    """The file that a parameter names, and the one that none does; with run, step, call, caller and span."""
    save, make = played.of("report")
    assert (lines(save), lines(make)) == ({"a.py": [(2, 2)]}, {"b.py": [(1, 1)]})
    assert [(each.workflow, each.step_id, each.tool, each.server) for each in (save, make)] == [
        ("report", "save", "write_file", "files"),
        ("report", "make", "build", "files"),
    ]
    assert {(each.source, each.contributor, each.caller, each.agent) for each in (save, make)} == {
        ("engine", "unknown", "ael run", None)
    }
    arguments = ["trace", "show", played.runs["report"], "--db", str(played.store), "--output", "json"]
    done = CliRunner().invoke(cli, [*arguments, "--attribution", "--spans"])
    record = json.loads(done.stdout)
    calls = {each["step_id"]: each["tool_calls"][0] for each in record["steps"]}
    for change in (save, make):
        call = calls[change.step_id]
        assert (change.call_id, change.span_id, change.trace_id) == (
            call["call_id"],
            call["span_id"],
            record["trace_id"],
        )
    written = record["attribution"]["written"]
    assert [(each["path"], each["step_id"], each["call_id"]) for each in written] == [
        (path, change.step_id, change.call_id) for path, change in (("a.py", save), ("b.py", make))
    ]


def test_lines_written_after_a_run_are_not_attributed_to_it(played: Played) -> None:
    """Neither those that were committed before it."""
    answers = played.blame("a.py")
    assert {text: (line["contributor"]["type"], line["execution_id"]) for text, line in answers.items()} == {
        "a = 1": ("unknown", None),
        "b = 2": ("unknown", played.runs["report"]),
        "line_of_somebody = 3": ("unknown", None),
    }


def test_run_of_an_agent_is_ai_and_a_tool_within_code_has_its_own_lines(played: Played) -> None:
    """What the code wrote before and after the call of the tool stays the code's."""
    answers = played.blame("c.py")
    assert {text: line["contributor"]["type"] for text, line in answers.items()} == {
        "line_of_code = 1": "ai",
        "line_of_tool = 2": "ai",
        "more_of_code = 3": "ai",
    }
    assert {text: line["tool"] for text, line in answers.items()} == {
        "line_of_code = 1": "python_exec",
        "line_of_tool = 2": "build",
        "more_of_code = 3": "python_exec",
    }
    assert {(line["agent"], line["session_id"], line["execution_id"]) for line in answers.values()} == {
        ("otter", "s-otter", played.runs["computed"])
    }


def test_calls_at_the_same_time_share_their_lines(played: Played) -> None:
    """Neither is guessed: both runs are named."""
    for path, text in (("left.py", "line_of_left = 1"), ("right.py", "line_of_right = 1")):
        line = played.blame(path)[text]
        assert line["contributor"]["type"] == "mixed"
        assert {each["execution_id"] for each in line["changes"]} == {
            played.runs["left"],
            played.runs["right"],
        }


def test_files_outside_the_roots_are_not_attributed(played: Played) -> None:
    """A run that writes elsewhere has no changes."""
    assert (played.repository.root.parent / "elsewhere" / "b.py").exists()
    assert played.of("outside") == []


def test_cancelled_call_keeps_no_other_from_being_attributed(played: Played) -> None:
    """What it wrote is its, and so is what came after it of the next run."""
    stuck = [lines(each) for each in played.changes if "stuck.py" in lines(each)]
    assert stuck == [{"stuck.py": [(1, 1)]}]
    assert [lines(each) for each in played.of("last")] == [{"last.py": [(1, 1)]}]


def test_changes_of_runs_are_agent_trace_records(played: Played) -> None:
    """In the mirror and in an export: valid, with run, step, caller, trace and span."""
    files = list((played.home / ".ael" / "traces").glob("*/trace-*.json"))
    mirrored = [json.loads(path.read_text()) for path in files]
    mirrored = [each for each in mirrored if "files" in each]
    assert len(mirrored) == len(played.changes)
    done = CliRunner().invoke(
        cli, ["trace", "export", "--all", "--format", "agent-trace", "--db", str(played.store)]
    )
    exported = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["id"] for each in exported) == sorted(each["id"] for each in mirrored)
    assert [problem for each in exported for problem in problems(each)] == []
    (save,) = [each for each in exported if each["metadata"]["dev.ael"].get("step_id") == "save"]
    about = save["metadata"]["dev.ael"]
    change = played.of("report")[0]
    assert save["tool"]["name"] == "ael"
    assert {name: about[name] for name in ("execution_id", "workflow", "caller", "trace_id", "span_id")} == {
        "execution_id": played.runs["report"],
        "workflow": "report",
        "caller": "ael run",
        "trace_id": change.trace_id,
        "span_id": change.span_id,
    }


def test_nothing_that_was_seen_is_left(played: Played) -> None:
    """No content of a file, and no copy of an index."""
    left = [path for path in (played.home / ".ael" / "engine").rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"lock", "work"}


def test_runs_are_untouched_unless_roots_are_configured(tmp_path: Path) -> None:
    """No thread, no module and no folder: what a run does is what it did without attribution."""
    found = play(tmp_path)
    assert found.changes == []
    assert [name for name in found.threads if name in {"ael-snapshots", "ael-attribution"}] == []
    assert [name for name in found.modules if "engine" in name or "observations" in name] == []
    assert not (found.home / ".ael" / "engine").exists()
