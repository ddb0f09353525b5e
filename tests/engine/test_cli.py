"""`ael demo` and `ael run` as a person starts them: real processes with the real engine and tool server."""

import contextlib
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import grpc
import httpx
import pytest
import yaml

from ael_otel.cli import cli
from ael_otel.demo.example import CONFIG_NAME, write_example
from ael_otel.demo.scenarios import ROUND, RUNS_PER_ROUND
from tests.engine.lab.serving import Served
from tests.process.sdk.receivers import Behaviour, Refusal, http_receiver
from tests.support.examples import examples
from tests.support.needs import require
from tests.support.ports import free_port
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
    """A separate home, no Collector, no colour of this terminal."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_variables(HOME=str(home), COLUMNS="100")


def run(*arguments, cwd, env, timeout=60):
    """Run `ael` to its end."""
    return subprocess.run(
        [*AEL, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )


def test_the_demo_shows_every_way_a_run_can_go(tmp_path, environment):
    """Twelve runs end as expected, with their steps; stdout is one JSON object; only the store is left."""
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
        ".ael/telemetry.db.started.json",
    ]


def test_the_demo_is_a_table_and_trees_for_a_person(tmp_path, environment):
    """Without a terminal there is neither a progress bar nor colour; the hint names the service that is not running."""
    done = run("demo", "--runs", "3", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 runs of 3 workflows on engine " in done.stdout
    assert "└─ 3 report" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Stored in .ael/telemetry.db:  ael trace list | ael trace show " in done.stdout
    assert "Nothing answers at 127.0.0.1:9: the telemetry of " in done.stdout


@pytest.mark.parametrize("line", [line for line in examples(cli) if line.startswith("ael run")])
def test_every_example_of_a_run_works(line, place, environment):
    """As it stands in the help text, in a folder with the demo's example."""
    arguments = shlex.split(line)[1:]
    if "--from" in arguments:
        assert run("run", "hello", cwd=place, env=environment).returncode == 0
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


def test_run_works_at_once_on_a_new_project(tmp_path, environment):
    """`ael init` with the servers of a client, among them one that is not installed; then its workflow, unchanged."""
    write_example(tmp_path / "demo")
    servers = {
        "tools": {"command": sys.executable, "args": [str(tmp_path / "demo" / "tools.py")]},
        "gone": {"command": "not-installed-anywhere"},
    }
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
    made = run("init", cwd=tmp_path, env=environment)
    assert (made.returncode, made.stderr) == (0, "")
    assert "MCP servers: tools\nLeft out, as a comment: gone:" in made.stdout
    done = run("run", "hello", "-i", "name=Ada", "--json", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["outputs"] == {"greeting": "hello, Ada"}
    listed = run("trace", "list", cwd=tmp_path, env=environment)
    assert "hello" in listed.stdout


def _answer(answer, *arguments, cwd, env):
    """Run `ael` with a terminal as stdin, and type one line; returns the exit code, stdout and stderr."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [*AEL, *arguments],
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, answer)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err
    finally:
        os.close(ours)
        os.close(theirs)


def test_stored_run_is_run_again_once_somebody_agrees(place, environment):
    """With its inputs, after its tools were named; without a yes nothing is run."""
    first = json.loads(run("run", "mixed", "-i", "count=3", "--json", cwd=place, env=environment).stdout)
    again = ("run", "--from", first["execution_id"], "--json")
    code, out, err = _answer(b"n\n", *again, cwd=place, env=environment)
    assert (code, out) == (1, "")
    assert err.endswith("Run it? [y/N]: ael: not confirmed: nothing was run\n")
    code, out, err = _answer(b"y\n", *again, cwd=place, env=environment)
    second = json.loads(out)
    assert (code, second["outputs"]) == (0, first["outputs"])
    assert "Its steps call " in err
    assert f"as {first['execution_id']} did" in err
    assert "can call further tools; in the stored run it called " in err


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_run_whose_telemetry_is_refused_reports_the_drops(words, place, environment):
    """Items that a receiver does not accept are reported with number and reason, not as sent; the run is a success."""
    refusing = Behaviour(refusal=Refusal(grpc.StatusCode.UNAUTHENTICATED, 401))
    with http_receiver(refusing) as port:
        there = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        done = run("run", "hello", *words, cwd=place, env=environment | there)
        refusing.refusal = None
        sent = run("run", "hello", *words, cwd=place, env=environment | there)
    assert (done.returncode, sent.returncode) == (0, 0)
    text = " ".join((done.stderr if words else done.stdout).split())
    found = re.search(
        rf"Not all telemetry of this run could be delivered to 127\.0\.0\.1:{port}; dropped: (\d+) spans"
        r" \(unauthenticated\), (\d+) log records \(unauthenticated\), 1 metric export \(unauthenticated\)\."
        r" `ael run -v` logs what the receiver answered\.",
        text,
    )
    assert found is not None, done.stdout + done.stderr
    assert "Sent to" not in text
    assert int(found[1]) >= 2
    assert "Not all" not in sent.stdout + sent.stderr


def test_a_workflow_that_does_not_exist_ends_with_3(place, environment):
    """One line with the nearest name."""
    done = run("run", "helo", cwd=place, env=environment)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "ael: no workflow is named 'helo'; did you mean 'hello'?\n"


def test_missing_services_are_reported_on_stderr(tmp_path, environment):
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


def test_the_exported_demo_times_out_under_serve(tmp_path, environment):
    """Proves that `too_slow` fails by time-out also where no caller limits it, and that its run reports it."""
    folder = tmp_path / "example"
    done = run("demo", "--export", str(folder), cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    config = folder / CONFIG_NAME
    document = yaml.safe_load(config.read_text("utf-8"))
    assert document["tools"]["mcp_servers"]["demo"]["timeout"] < 20, "the workflow takes 20 s"
    document["telemetry"]["metrics"] = {"port": free_port()}
    config.write_text(yaml.safe_dump(document))
    with Served(["ael", "serve", "-c", str(config), "--port", "{port}"], tmp_path) as served:
        served.wait_ready()
        answer = httpx.post(
            f"http://127.0.0.1:{served.port}/api/v1/workflows/too_slow/execute",
            json={"inputs": {}},
            timeout=60,
        )
        assert answer.json()["status"] == "failed"
        assert served.stop(signal.SIGTERM)[0] == 0
    shown = run("trace", "show", "latest", "-o", "json", "-c", str(config), cwd=tmp_path, env=environment)
    record = json.loads(shown.stdout)
    assert (record["workflow_name"], record["status"], record["error"]["code"]) == (
        "too_slow",
        "failed",
        "TOOL_TIMEOUT",
    )


@pytest.mark.parametrize("as_json", [False, True], ids=["for a person", "as JSON"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_names_its_trace_and_is_recorded_as_cancelled(
    number, code, as_json, place, tmp_path, environment
):
    """Proves for Ctrl-C and SIGTERM: one line with both ids on stderr, the exit code of the signal, a whole record."""
    process = subprocess.Popen(
        [*AEL, "run", "too_slow", "-c", str(place / CONFIG_NAME), *(["--json"] if as_json else [])],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_a_running_step(tmp_path / ".ael" / "telemetry.db")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    found = re.fullmatch(r"ael: interrupted: execution (exec-\w+), trace ([0-9a-f]{32})\n", err)
    assert found, err
    shown = run("trace", "show", found[2], "-o", "json", cwd=tmp_path, env=environment)
    record = json.loads(shown.stdout)
    assert (record["execution_id"], record["status"]) == (found[1], "cancelled")
    assert record["completed_at"] is not None
    assert [(step["step_id"], step["status"]) for step in record["steps"]] == [("dawdle", "failed")]


def test_timed_out_run_reports_its_limit_in_full(place, tmp_path, environment):
    """Proves that WORKFLOW_TIMEOUT is in the text, the JSON and the store; no part of the error is cut."""
    words = ["run", "too_slow", "--timeout", "1", "-c", str(place / CONFIG_NAME)]
    done = run(*words, cwd=tmp_path, env=environment)
    assert done.returncode == 1
    assert re.search(r'error +WORKFLOW_TIMEOUT "Workflow timed out after 1(\.0)?s"', done.stdout)
    assert "…" not in done.stdout
    answer = json.loads(run(*words, "--json", cwd=tmp_path, env=environment).stdout)
    assert (answer["status"], answer["error"]["code"]) == ("failed", "WORKFLOW_TIMEOUT")
    listed = run("trace", "list", cwd=tmp_path, env=environment)
    assert listed.stdout.count("WORKFLOW_TIMEOUT after 1.") == 2


def _wait_for_a_running_step(path):
    """Wait until the store at `path` has a step that is running."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as store:
                if any("dawdle" in body for (body,) in store.execute("SELECT body FROM bodies")):
                    return
        time.sleep(0.05)
    raise AssertionError("no step began")


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
    """Exit code of the signal, no traceback, no folder left; SIGTERM also where a script's `&` turned Ctrl-C off."""
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
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert list(temporary.glob("ael-demo-*")) == []
