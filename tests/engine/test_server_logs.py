"""Output of tool servers: one record each in the log contract, redacted, with its run's ids, and nowhere else."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.lab import files
from tests.engine.lab.client import Lab, Taken, clean_environment, mcp_session
from tests.engine.lab.serving import BIN, Served
from tests.support.contract import LOG_FIELDS
from tests.support.ports import free_port
from tests.support.variables import EXPORT_NOTHING

TALKER = files.HERE / "talker.py"
RAISER = files.HERE / "raiser.py"
SECRET = "k3ep-it-s3cret"  # hygiene: made up
INPUT = "order-{}-of-a-customer"


def _workflow(name: str, tool: str, server: str, params: dict[str, Any], *inputs: str) -> str:
    declared = "inputs:\n" + "".join(f"  - {each}\n" for each in inputs) if inputs else ""
    step = {"id": "say", "tool": tool, "mcp": server, "params": params}
    return f"name: {name}\nversion: 1.0.0\n{declared}steps:\n  - {json.dumps(step)}\n"


# No name is a tool's: the engine refuses such a workflow.
TEXTS = {
    "one": _workflow("one", "talk", "first", {"text": "{{ inputs.text }}"}, "text"),
    "slow": _workflow("slow", "talk", "first", {"text": "{{ inputs.text }}", "seconds": 0.5}, "text"),
    "other": _workflow("other", "talk_too", "second", {"text": "{{ inputs.text }}", "seconds": 0.5}, "text"),
    "neutral": _workflow("neutral", "quiet", "first", {"seconds": 0.5}),
    "private": _workflow("private", "key", "first", {}),
    "deluge": _workflow("deluge", "flood", "first", {"megabytes": 100}),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The laboratory with two servers of the same program."""
    folder = tmp_path_factory.mktemp("talkers") / "home"
    with Lab(folder, servers={"first": [TALKER], "second": [TALKER, "talk_too"]}, texts=TEXTS) as running:
        yield running


def _said(taken: Taken) -> list[dict[str, Any]]:
    """Return the lines that are a server's own, in their order."""
    own = ("stderr", "info", "warning", "error", "detail", "db:", "neutral", "key", "flood", "[PRIVATE_KEY]")
    return [
        line
        for line in taken.lines
        if line["component"].startswith("mcp.") and line["message"].startswith(own)
    ]


def _run(lab: Lab, workflow: str, number: int = 1) -> tuple[str, Taken]:
    answer = lab.ask("execute", workflow=workflow, inputs={"text": INPUT.format(number)})
    assert answer.get("status") == "completed", answer
    lab.ask("sleep", seconds=0.2)  # lines of stderr gather for a moment
    return answer["execution_id"], lab.collect()


def _call_ids(taken: Taken) -> dict[str, tuple[str, str]]:
    """Return each run's trace and the span of its `MCP Request`."""
    calls = {span["trace_id"]: span["span_id"] for span in taken.spans if span["name"] == "MCP Request"}
    return {
        record["execution_id"]: (record["trace_id"], calls[record["trace_id"]]) for record in taken.records
    }


def test_server_output_is_one_redacted_record_each_with_the_ids_of_its_call(lab: Lab) -> None:
    """Messages and lines of stderr: server, run, step, tool, trace and span are right, secret and inputs are gone."""
    execution, taken = _run(lab, "one")
    said = _said(taken)
    assert [(line["level"], line["message"]) for line in said if "stderr" not in line["message"]] == [
        ("INFO", "info [REDACTED] password=[PASSWORD]"),
        ("WARN", 'warning [REDACTED] {"password": "[PASSWORD]"}'),
        ("ERROR", "db: error https://[URL_CREDENTIALS]@db.example.org/x [REDACTED]"),
    ]
    assert [(line["level"], line["message"]) for line in said if "stderr" in line["message"]] == [
        ("INFO", "stderr before [REDACTED] password=[PASSWORD]"),
        ("INFO", "stderr after [REDACTED]"),
    ]
    trace, span = _call_ids(taken)[execution]
    for line in said:
        assert tuple(line)[: len(LOG_FIELDS)] == tuple(LOG_FIELDS)
        assert {key: line[key] for key in line if key not in ("timestamp", "level", "message")} == {
            "component": "mcp.first",
            "workflow_id": "one",
            "execution_id": execution,
            "trace_id": trace,
            "span_id": span,
            "step_id": "say",
            "tool_name": "talk",
            "server": "first",
        }


def test_server_output_is_the_same_by_otlp_and_on_the_stream(lab: Lab) -> None:
    """The same records, with the same ids, level and fields."""
    _, taken = _run(lab, "one")
    sent = [
        (log["body"], log["severity"], log["trace_id"], log["span_id"], log["attributes"])
        for log in taken.logs
        if log["attributes"].get("server")
    ]
    bare = ("timestamp", "level", "message", "trace_id", "span_id")
    lines = [
        (
            line["message"],
            line["level"],
            line["trace_id"],
            line["span_id"],
            {key: value for key, value in line.items() if key not in bare and value != ""},
        )
        for line in taken.lines
        if line.get("server")
    ]
    assert len(lines) >= 5
    assert sorted(sent, key=str) == sorted(lines, key=str)


def test_output_of_a_server_is_not_printed(lab: Lab) -> None:
    """Neither FastMCP's handlers nor the server's own stderr reach the process's."""
    _run(lab, "one")
    printed = lab.stderr.read_text()
    assert SECRET not in printed
    assert "stderr before" not in printed
    assert "from server" not in printed


def test_overlapping_runs_of_two_servers_never_mix(lab: Lab) -> None:
    """Each server has one call open: all its output has that call's ids."""
    lab.collect()
    lab.ask(
        "together",
        runs=[
            {"workflow": "slow", "inputs": {"text": INPUT.format(1)}},
            {"workflow": "other", "inputs": {"text": INPUT.format(2)}},
        ],
    )
    lab.ask("sleep", seconds=0.2)
    taken = lab.collect()
    runs = {record["workflow_name"]: record for record in taken.records}
    said = _said(taken)
    assert Counter(line["server"] for line in said) == {"first": 5, "second": 5}
    for line in said:
        workflow = {"first": "slow", "second": "other"}[line["server"]]
        assert line["workflow_id"] == workflow
        assert line["execution_id"] == runs[workflow]["execution_id"]
        assert line["trace_id"] == runs[workflow]["trace_id"]


def test_overlapping_calls_of_one_server_are_distinguished_by_their_inputs(lab: Lab) -> None:
    """Twenty runs at once on one server: a line that repeats an input has that run's ids, and the input is gone."""
    lab.collect()
    inputs = [f"order-{number:03}-of-a-customer" for number in range(20)]
    lab.ask("together", runs=[{"workflow": "slow", "inputs": {"text": each}} for each in inputs])
    lab.ask("sleep", seconds=0.2)
    taken = lab.collect()
    said = _said(taken)
    assert len(said) == 5 * len(inputs)
    assert not any(each in json.dumps(line) for line in taken.lines for each in (*inputs, SECRET))
    of_each = Counter((line["execution_id"], line["message"].split()[0]) for line in said)
    assert set(of_each) == {
        (record["execution_id"], word)
        for record in taken.records
        for word in ("info", "warning", "db:", "stderr")
    }
    assert {count for (_, word), count in of_each.items() if word == "stderr"} == {2}
    assert {count for (_, word), count in of_each.items() if word != "stderr"} == {1}
    ids = _call_ids(taken)
    assert all((line["trace_id"], line["span_id"]) == ids[line["execution_id"]] for line in said)


def test_output_that_fits_several_calls_has_no_ids(lab: Lab) -> None:
    """A wrong id is worse than none: the first call's lines have its ids, those with both open have none."""
    lab.collect()
    lab.ask("together", runs=[{"workflow": "neutral", "inputs": {}}] * 2, apart_s=0.2)
    lab.ask("sleep", seconds=0.2)
    taken = lab.collect()
    first = min(taken.records, key=lambda record: record["started_at"])
    said = [(line["message"], line["execution_id"]) for line in _said(taken)]
    assert sorted(said) == sorted(
        [
            ("neutral message", first["execution_id"]),
            ("neutral line", first["execution_id"]),
            ("neutral message", ""),
            ("neutral line", ""),
        ]
    )
    assert {line["server"] for line in _said(taken)} == {"first"}


def test_private_key_printed_line_by_line_is_one_marker(lab: Lab) -> None:
    """Lines that were written together are redacted together."""
    _, taken = _run(lab, "private")
    assert [line["message"] for line in _said(taken)] == ["key follows", "[PRIVATE_KEY]", "key ends"]


def test_flood_on_stderr_is_bounded_counted_and_does_not_stall(lab: Lab) -> None:
    """Of 100 MB a bounded number of lines is logged and the rest counted; the call ends, and other runs continue."""
    lab.collect()
    lines = 100 * 10_500
    answer = lab.ask("execute", workflow="deluge", inputs={}, patience_s=100)
    assert answer.get("status") == "completed", answer
    other, _ = _run(lab, "one")
    lab.ask("sleep", seconds=0.5)
    assert other
    dropped = lab.collect().rows["ael.telemetry.dropped"]["reason=rate_limit,signal=logs"]
    assert lines - 50_000 < dropped < lines


@pytest.mark.parametrize("logs", [{}, {"enabled": False}], ids=["logs on", "logs off"])
def test_ael_run_is_silent_without_verbose(tmp_path: Path, logs: dict[str, Any]) -> None:
    """`ael run` prints the answer; with -v the records are on stderr, redacted, each once."""
    path = files.write_configuration(
        tmp_path / "home", servers={"first": [TALKER]}, texts={"one": TEXTS["one"]}, telemetry={"logs": logs}
    )

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "ael"), "run", "one", "-c", str(path), "-i", f"text={INPUT}", *more],
            cwd=tmp_path,
            env=clean_environment(HOME=str(tmp_path)) | EXPORT_NOTHING,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    assert run().stderr == ""
    if not logs:
        verbose = [json.loads(line) for line in run("-v").stderr.splitlines()]
        said = [line["message"] for line in verbose if line.get("server") == "first"]
        assert Counter(word for word in (text.split()[0] for text in said)) >= Counter(
            {"info": 1, "warning": 1, "db:": 1, "stderr": 2}
        )
        assert not any(SECRET in text or INPUT in text for text in said)


def test_sessions_of_http_servers_are_not_logged(tmp_path: Path) -> None:
    """With a session's id others could take part in it: the MCP client's lines about it stay out, messages do not."""
    port = free_port()
    path = files.write_configuration(tmp_path / "home", texts={"one": TEXTS["one"]})
    configuration = yaml.safe_load(path.read_text())
    configuration["tools"]["mcp_servers"] = {
        "first": {"url": f"http://127.0.0.1:{port}/mcp", "transport": "http"}
    }
    path.write_text(yaml.safe_dump(configuration))
    environment = clean_environment(HOME=str(tmp_path)) | EXPORT_NOTHING
    with subprocess.Popen(
        [sys.executable, str(TALKER), "talk", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            done = subprocess.run(
                [str(BIN / "ael"), "run", "one", "-c", str(path), "-i", f"text={INPUT}", "-v"],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        finally:
            server.kill()
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = [line for line in lines if line["component"] == "mcp.first" and line["execution_id"]]
    assert [line["message"].split()[0] for line in said] == ["info", "warning", "db:"]
    assert {(line["server"], line["workflow_id"], line["step_id"]) for line in said} == {
        ("first", "one", "say")
    }
    assert "session ID" not in done.stderr
    assert not any(SECRET in line["message"] or INPUT in line["message"] for line in said)


def _whole_stack_trace(output: str) -> None:
    """Assert that each line is a record of the contract, and that a plain stack trace is in them, without secrets."""
    lines = [json.loads(line) for line in output.splitlines()]
    assert all(tuple(line)[: len(LOG_FIELDS)] == tuple(LOG_FIELDS) for line in lines)
    said = [line for line in lines if line.get("server") == "first" and line["execution_id"]]
    messages = [line["message"] for line in said]
    assert "ERROR: Error calling tool 'fail'" in messages
    assert "Traceback (most recent call last):" in messages
    assert (
        "RuntimeError: no answer to [REDACTED] with password=[PASSWORD] because of a reason of so many words that a"
        " line of eighty columns ends within the token that follows: [TOKEN]"
    ) in messages
    assert {(line["workflow_id"], line["step_id"], line["tool_name"]) for line in said} == {
        ("broken", "say", "fail")
    }
    assert not any(sign in output for sign in ("a1B2c3", "h7H8i9", SECRET, INPUT, "\u2502", "\u256d"))


def _with_a_failing_tool(folder: Path) -> Path:
    text = _workflow("broken", "fail", "first", {"text": "{{ inputs.text }}"}, "text")
    return files.write_configuration(folder, servers={"first": [RAISER]}, texts={"broken": text})


def test_stack_trace_of_a_server_is_plain_and_redacted_in_run(tmp_path: Path) -> None:
    """FastMCP's handlers of Rich are on the server's stderr: a secret that their lines would cut goes whole."""
    path = _with_a_failing_tool(tmp_path / "home")
    done = subprocess.run(
        [str(BIN / "ael"), "run", "broken", "-c", str(path), "-i", f"text={INPUT}", "-v"],
        cwd=tmp_path,
        env=clean_environment(HOME=str(tmp_path)) | EXPORT_NOTHING,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    _whole_stack_trace(done.stderr)


def test_stack_trace_of_a_server_is_plain_and_redacted_in_serve(tmp_path: Path) -> None:
    """The same in the log of `ael serve`."""
    path = _with_a_failing_tool(tmp_path / "home")
    command = ("ael", "serve", "-c", str(path), "--port", "{port}")

    async def call(port: int) -> Any:
        async with mcp_session(port) as session:
            return await session.call_tool("broken", {"text": INPUT})

    with Served(command, tmp_path, environment=EXPORT_NOTHING) as served:
        served.wait_ready()
        asyncio.run(call(served.port))
        served.stop(signal.SIGTERM)
    _whole_stack_trace(served.stdout + served.stderr)
