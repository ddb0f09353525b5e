"""`ael demo` and `ael run` as a person starts them: real processes with the real engine and tool server."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ael_otel.cli import cli
from ael_otel.demo.example import write_example
from ael_otel.demo.scenarios import ROUND, RUNS_PER_ROUND
from tests.support.examples import examples
from tests.support.needs import require
from tests.support.variables import clean_variables

pytestmark = [pytest.mark.engine, pytest.mark.slow]

AEL = [sys.executable, "-m", "ael_otel.cli"]


@pytest.fixture(scope="module", autouse=True)
def _engine():
    require("engine")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the demo's example in it, to work in."""
    folder = tmp_path_factory.mktemp("place")
    write_example(folder)
    return folder


@pytest.fixture
def environment(tmp_path):
    """A home of its own, no Collector, no colour of this terminal."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_variables(HOME=str(home), COLUMNS="100")


def run(*arguments, cwd, env, timeout=60):
    """Run `ael` to its end."""
    return subprocess.run(
        [*AEL, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )


def test_the_demo_shows_every_way_a_run_can_go(tmp_path, environment):
    """Twelve runs end as their scenarios say, with their steps; stdout is one JSON object; only the store is left."""
    work = tmp_path / "work"
    work.mkdir()
    done = run("demo", "--json", cwd=work, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["otlp"] == {"endpoint": "127.0.0.1:9", "reachable": False}
    runs = document["runs"]
    assert sorted((one["workflow"], one["status"]) for one in runs) == sorted(
        (scenario.workflow, scenario.expected) for group in ROUND for scenario in group
    )
    assert (
        len({one["trace_id"] for one in runs}) == len({one["execution_id"] for one in runs}) == RUNS_PER_ROUND
    )
    codes = {one["workflow"]: (one["error"] or {}).get("code") for one in runs}
    assert codes == {
        "hello": None,
        "tools_in_code": None,
        "mixed": None,
        "flaky_tool": None,
        "skips": None,
        "tool_fails": "TOOL_FAILED",
        "code_fails": "CODE_RUNTIME",
        "needs_input": "INPUT_INVALID",
        "too_slow": "WORKFLOW_TIMEOUT",
    }
    steps = {one["workflow"]: one["steps"] for one in runs}
    assert [(step["attempt"], len(step["tool_calls"])) for step in steps["flaky_tool"]] == [(3, 3)]
    assert [step["status"] for step in steps["skips"]] == [
        "completed",
        "skipped",
        "skipped",
        "skipped",
        "completed",
    ]
    assert [call["status"] for call in steps["tools_in_code"][0]["tool_calls"]] == ["success"] * 3 + ["error"]
    assert {call["source"] for call in steps["mixed"][1]["tool_calls"]} == {"code_block"}
    assert list(Path(environment["HOME"]).iterdir()) == []
    assert [path.relative_to(work).as_posix() for path in sorted(work.rglob("*"))] == [
        ".ael",
        ".ael/.gitignore",
        ".ael/telemetry.db",
    ]


def test_the_demo_is_a_table_and_trees_for_a_person(tmp_path, environment):
    """Without a terminal there is neither a progress bar nor colour; the hint says what is not running."""
    done = run("demo", "--runs", "3", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 runs of 3 workflows on engine " in done.stdout
    assert "└─ 3 report" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Kept in .ael/telemetry.db:  ael trace list | ael trace show " in done.stdout
    assert "Nothing answers at 127.0.0.1:9: the telemetry of " in done.stdout


@pytest.mark.parametrize("line", [line for line in examples(cli) if line.startswith("ael run")])
def test_every_example_of_a_run_works(line, place, environment):
    """As it stands in the help text, in a folder with the demo's example."""
    arguments = shlex.split(line)[1:]
    done = run(*arguments, cwd=place, env=environment)
    timed_out = "--timeout" in arguments
    assert done.returncode == (1 if timed_out else 0), done.stderr
    if "--json" in arguments:
        answer = json.loads(done.stdout)
        assert list(answer) == [
            "execution_id",
            "workflow",
            "status",
            "outputs",
            "error",
            "trace_id",
            "duration_ms",
        ]
    else:
        assert f"{'failed after' if timed_out else 'completed in'} " in done.stdout
    assert ('"message"' in done.stderr) is ("-v" in arguments), "the log is shown with -v and only then"


def test_a_workflow_that_does_not_exist_ends_with_3(place, environment):
    """One line with the nearest name."""
    done = run("run", "helo", cwd=place, env=environment)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "ael: no workflow is named 'helo'; did you mean 'hello'?\n"


def test_what_is_not_there_is_told_on_stderr(tmp_path, environment):
    """A workflow file that is not loaded, a key without effect, a tool server that is not connected: a line each."""
    config = write_example(tmp_path)
    (tmp_path / "workflows" / "broken.yaml").write_text("name: broken\nsteps: [\n")
    document = yaml.safe_load(config.read_text("utf-8"))
    document.setdefault("telemetry", {})["sampling"] = {"rate": 100, "keep": ["errors"]}
    document["tools"]["mcp_servers"]["gone"] = {"command": f"{sys.executable} -c 0"}
    config.write_text(yaml.safe_dump(document))
    done = run("run", "hello", "--json", "-c", str(config), cwd=tmp_path, env=environment)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "completed"), done.stderr
    broken, key, server = done.stderr.splitlines()
    assert broken.startswith("ael: warning: this workflow is not loaded: ")
    assert "broken.yaml:3:1: not valid YAML" in broken
    assert key.startswith("ael: warning: telemetry.sampling.keep has no effect: ")
    assert server.startswith("ael: warning: MCP server gone is not connected: ")
    assert server.endswith(" (tools.mcp_servers.gone)")
    done = run("run", "broken", "-c", str(config), cwd=tmp_path, env=environment)
    assert done.returncode == 3
    assert "broken.yaml:3:1" in done.stderr.splitlines()[-1]


def test_a_failed_run_answers_on_stdout_and_ends_with_1(place, environment):
    """The reason is part of the answer, also as JSON."""
    done = run("run", "tool_fails", "--json", cwd=place, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["error"]["code"]) == ("failed", "TOOL_FAILED")


@pytest.mark.parametrize(
    ("number", "start"),
    [
        (signal.SIGINT, []),
        (signal.SIGTERM, []),
        pytest.param(
            signal.SIGTERM, ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"], id="in the background"
        ),
    ],
)
def test_an_interrupted_demo_ends_quietly_and_cleans_up(number, start, tmp_path, environment):
    """Exit code 130, no traceback, its temporary folder gone; SIGTERM also where a script's `&` turned Ctrl-C off."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*start, *AEL, "demo", "--seconds", "30"],
        cwd=tmp_path,
        env={**environment, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    # The store appears when the engine is up; the temporary folder has been there for a while then.
    while not (tmp_path / ".ael" / "telemetry.db").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(temporary.glob("ael-demo-*/demo/ael-config.yaml"))
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")
    assert list(temporary.glob("ael-demo-*")) == []
