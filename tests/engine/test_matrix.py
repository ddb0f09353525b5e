"""Every outcome of a run through every entry to the engine: spans, metrics, log lines and records, all of them."""

import json
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.checks import check_outcome
from tests.engine.lab import view
from tests.engine.lab.client import Lab, Taken
from tests.engine.lab.files import SANDBOX_SECONDS
from tests.engine.outcomes import (
    CANCELLED,
    LEFT_ALONE,
    OUTCOMES,
    STOPPED_BY_THE_SANDBOX,
    STOPPED_IN_CODE,
    TIMED_OUT,
    Outcome,
)

type Entry = Callable[[Lab, Outcome], str]


def _engine_execute(lab: Lab, outcome: Outcome) -> str:
    # Where the engine raises instead of returning a result, the run has failed.
    return lab.ask("execute", workflow=outcome.workflow, inputs=outcome.inputs).get("status", "failed")


def _engine_definition(lab: Lab, outcome: Outcome) -> str:
    return lab.ask("execute_workflow", workflow=outcome.workflow, inputs=outcome.inputs).get(
        "status", "failed"
    )


def _mcp_tool(lab: Lab, outcome: Outcome) -> str:
    return "failed" if lab.mcp(outcome.workflow, outcome.inputs).isError else "completed"


def _mcp_workflow_run(lab: Lab, outcome: Outcome) -> str:
    result = lab.mcp("workflow_run", {"name": outcome.workflow, "inputs": outcome.inputs})
    return "failed" if result.isError else str(json.loads(result.content[0].text)["status"])


def _rest(lab: Lab, outcome: Outcome) -> str:
    answer = lab.rest(f"/workflows/{outcome.workflow}/execute", {"inputs": outcome.inputs})
    return str(answer.json()["status"]) if answer.is_success else "failed"


AROUND_A_RUN = {"uvicorn.access", "ploston_core.mcp_frontend.server", "direct"}
"""Components that speak of a call before its run begins or after it has ended; every other line has a run's ids."""

ENTRIES: dict[str, Entry] = {
    "engine.execute": _engine_execute,
    "engine.execute_workflow": _engine_definition,
    "mcp tool": _mcp_tool,
    "mcp workflow_run": _mcp_workflow_run,
    "rest": _rest,
}


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.workflow)
@pytest.mark.parametrize("entry", ENTRIES)
def test_run_is_recorded_in_full_for_every_outcome_and_entry(lab: Lab, entry: str, outcome: Outcome) -> None:
    """Proves for each outcome and entry: the exact span tree and counters, one trace, ids on every line, one exception
    record at the right frame, and a store record equal, content apart, to the one that follows from the spans.
    """
    lab.collect()
    assert ENTRIES[entry](lab, outcome) == outcome.status
    taken = lab.collect()
    check_outcome(taken, outcome)
    outside = {line["component"] for line in taken.lines if not line["trace_id"]}
    assert outside <= (set() if entry.startswith("engine") else AROUND_A_RUN)


def test_a_run_that_runs_out_of_time_is_a_timeout(lab: Lab) -> None:
    """Proves that the caller's time limit shows as WORKFLOW_TIMEOUT, counted once, and its calls as cancelled."""
    lab.collect()
    answer = lab.ask("execute", workflow="slow", inputs={}, timeout_s=0.5)
    assert (answer["raised"], answer["code"]) == ("AELError", "WORKFLOW_TIMEOUT")
    check_outcome(lab.collect(), TIMED_OUT)


@pytest.fixture
def patient_sandbox(lab: Lab) -> Iterator[None]:
    """Code may run for so long that its limit ends no run: starting its process can take a second on a busy machine."""
    lab.ask("limit_code", seconds=60)
    yield
    lab.ask("limit_code", seconds=SANDBOX_SECONDS)


@pytest.mark.usefixtures("patient_sandbox")
@pytest.mark.parametrize("by", ["time-out", "cancellation"])
def test_run_stopped_while_code_calls_a_tool_has_the_engines_outcome(lab: Lab, by: str) -> None:
    """Proves that telemetry follows the engine where it loses a cancellation, and still has the cancelled call."""
    lab.collect()
    if by == "time-out":
        answer, taken = _run_out_of_time_in_a_call(lab, "slow_code", 0.5)
    else:
        answer = lab.ask("cancel", workflow="slow_code", inputs={})
        taken = lab.collect()
    assert (answer["status"], answer["error"]) == ("failed", "CODE_RUNTIME")
    check_outcome(taken, STOPPED_IN_CODE)


def test_run_stopped_after_the_limit_of_its_code_has_run_out_is_a_time_out_of_code(lab: Lab) -> None:
    """Proves the same where the sandbox's own limit, which ends no call, has passed when the run is stopped."""
    lab.collect()
    answer, taken = _run_out_of_time_in_a_call(lab, "slow_code", SANDBOX_SECONDS + 0.5)
    assert answer["status"] == "failed"
    check_outcome(taken, STOPPED_BY_THE_SANDBOX)


def _run_out_of_time_in_a_call(lab: Lab, workflow: str, timeout_s: float) -> tuple[dict[str, Any], Taken]:
    """Run with a time limit that lets the run get to its call: each attempt has three times as much."""
    answer = lab.ask("execute", workflow=workflow, inputs={}, timeout_s=timeout_s)
    taken = lab.collect()
    if any(span["name"] == "MCP Request" for span in taken.spans) or timeout_s > 20:
        return answer, taken
    return _run_out_of_time_in_a_call(lab, workflow, timeout_s * 3)


def test_a_run_whose_task_is_cancelled_is_cancelled(lab: Lab) -> None:
    """Proves that a cancellation passes through, is not an error of the tool, and is logged once, by the run."""
    lab.collect()
    assert lab.ask("cancel", workflow="slow", inputs={}) == {"raised": "CancelledError"}
    taken = lab.collect()
    check_outcome(taken, CANCELLED)
    assert taken.records[0]["error"]["code"] == "cancelled"


@pytest.mark.parametrize("entry", ["mcp", "rest"])
def test_a_client_that_hangs_up_loses_no_telemetry(lab: Lab, entry: str) -> None:
    """Proves that the run of a client that has disconnected is recorded to its end, over MCP as over REST."""
    lab.collect()
    inputs = {"seconds": 1}
    params = {"name": "slow", "arguments": inputs}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    path, body = {
        "mcp": ("/mcp", call),
        "rest": ("/api/v1/workflows/slow/execute", {"inputs": inputs}),
    }[entry]
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"http://127.0.0.1:{lab.port}{path}", json=body, timeout=0.3)
    assert _until(lab, "waits") == {"store": 1, "gauge": 1, "waits": True}
    assert _until(lab, "gauge", gone=True) == {"store": 0, "gauge": 0, "waits": False}
    check_outcome(lab.collect(), LEFT_ALONE)


def _until(lab: Lab, what: str, *, gone: bool = False) -> dict[str, Any]:
    """Wait until something runs in the host, or no longer does, and return all that runs."""
    deadline = time.monotonic() + 20
    while bool((found := lab.ask("running"))[what]) is gone and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("entry", ["engine.execute", "mcp workflow_run", "rest"])
def test_a_workflow_that_does_not_exist_is_an_error_without_a_name(lab: Lab, entry: str) -> None:
    """Proves that a run of an unknown workflow is recorded, and that its name, set by a caller, is not a label."""
    lab.collect()
    if entry == "engine.execute":
        assert lab.ask("execute", workflow="nobody", inputs={})["code"] == "WORKFLOW_NOT_FOUND"
    elif entry == "rest":
        assert lab.rest("/workflows/nobody/execute", {"inputs": {}}).status_code == 404
    else:
        lab.mcp("workflow_run", {"name": "nobody", "inputs": {}})
    taken = lab.collect()
    spans = view.of_the_run(taken.spans)
    assert view.tree(spans) == "Workflow Execution ERROR WORKFLOW_NOT_FOUND  name=nobody status=error"
    root = view.check_tree(spans)
    assert view.counts(taken.metrics) == "runs unknown error\nerror WORKFLOW_NOT_FOUND workflow_engine"
    view.check_histograms(taken)
    (record,) = taken.records
    view.check_record(record, spans, root)
    view.check_derived(taken)
    (failure,) = view.failure_lines(view.check_lines(taken, spans, record["execution_id"], "nobody"))
    assert failure["error_type"] == "WORKFLOW_NOT_FOUND"


@pytest.mark.parametrize("entry", ["mcp", "rest"])
def test_call_of_an_unknown_tool_leaves_a_failed_run(lab: Lab, entry: str) -> None:
    """Proves that both entries record the call with its name and arguments, and count it without the name."""
    lab.collect()
    arguments = {"text": "hello"}
    if entry == "mcp":
        assert lab.mcp("made_up_by_a_client", arguments).isError
    else:
        answer = lab.rest("/tools/made_up_by_a_client/call", {"params": arguments})
        assert answer.status_code >= HTTPStatus.BAD_REQUEST
    taken = lab.collect()
    (span,) = ours = [span for span in taken.spans if span["scope"] == "ael"]
    assert view.tree(ours) == (
        "MCP Request [CLIENT] ERROR TOOL_UNAVAILABLE  tool=made_up_by_a_client source=direct"
    )
    assert view.counts(taken.metrics) == "call unknown error\nerror TOOL_UNAVAILABLE tool"
    (record,) = taken.records
    assert (record["type"], record["status"], record["error"]["code"]) == (
        "direct",
        "failed",
        "TOOL_UNAVAILABLE",
    )
    assert record["trace_id"] == span["trace_id"]
    (call,) = record["tool_calls"]
    assert (call["tool_name"], call["params"], call["source"]) == ("made_up_by_a_client", arguments, "direct")
    view.check_derived(taken)
    (failure,) = view.failure_lines(taken.lines)
    assert failure["error_type"] == "TOOL_UNAVAILABLE"


# --- tools called by a client, without a workflow ---------------------------------------------------------------------

DIRECT = {
    "echo": ("MCP Request [CLIENT]  tool=echo server=lab source=direct", "call echo success", "completed"),
    "refuse": (
        "MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=direct",
        "call refuse error\nerror TOOL_FAILED tool",
        "failed",
    ),
}


@pytest.mark.parametrize("tool", DIRECT)
@pytest.mark.parametrize("entry", ["mcp", "rest"])
def test_tool_called_without_a_workflow_is_recorded_in_full(lab: Lab, entry: str, tool: str) -> None:
    """Proves that a direct call is one root span, one count, a record of type `direct`, and lines with its ids."""
    tree, counts, status = DIRECT[tool]
    arguments = {"echo": {"text": "hello"}, "refuse": {"why": "card declined"}}[tool]
    lab.collect()
    if entry == "mcp":
        assert lab.mcp(tool, arguments).isError == (status == "failed")
    else:
        answer = lab.rest(f"/tools/{tool}/call", {"params": arguments})
        assert answer.status_code == (200 if status == "completed" else 502)
    taken = lab.collect()
    (span,) = ours = [span for span in taken.spans if span["scope"] == "ael"]
    assert view.tree(ours) == tree
    assert view.counts(taken.metrics) == counts
    view.check_histograms(taken)
    (record,) = taken.records
    assert (record["type"], record["status"], record["steps"]) == ("direct", status, [])
    assert (record["trace_id"], record["span_id"]) == (span["trace_id"], span["span_id"])
    (call,) = record["tool_calls"]
    assert (call["tool_name"], call["server"], call["source"]) == (tool, "lab", "direct")
    assert call["span_id"] == span["span_id"]
    assert span["attributes"]["ael.workflow.id"] == record["execution_id"]
    view.check_derived(taken)
    lines = [line for line in taken.lines if line["execution_id"]]
    assert lines
    assert all(
        (line["trace_id"], line["span_id"], line["execution_id"], line["workflow_id"], line["tool_name"])
        == (span["trace_id"], span["span_id"], record["execution_id"], "", tool)
        for line in lines
    )
    failures = view.failure_lines(taken.lines)
    # The words come from the caller: the run store has them, the log does not.
    assert [line["exception.message"] for line in failures] == (["[REDACTED]"] if status == "failed" else [])
    assert (record["error"] or {}).get("message") == ("card declined" if status == "failed" else None)


@pytest.mark.parametrize("code", ["result = 6 * 7", "result = 1 / 0"])
def test_code_called_without_a_workflow_is_a_code_span(lab: Lab, code: str) -> None:
    """Proves that the engine's own code tool is not a tool call: `Python Exec`, one logged error, no tool metric."""
    lab.collect()
    failed = lab.mcp("python_exec", {"code": code}).isError
    taken = lab.collect()
    (span,) = taken.spans
    assert view.tree([span]) == "Python Exec" + (" ERROR CODE_RUNTIME" if failed else "")
    assert view.counts(taken.metrics) == ("error CODE_RUNTIME sandbox" if failed else "")
    failures = view.failure_lines(taken.lines)
    assert [(line["error_type"], line["span_id"]) for line in failures] == [
        ("CODE_RUNTIME", span["span_id"])
    ] * failed


# --- a server that goes away ------------------------------------------------------------------------------------------

DEAD = """\
Workflow Execution ERROR MCP_CONNECTION_FAILED  name={workflow} status=error
  Step 1: tool_call ERROR MCP_CONNECTION_FAILED  name={step} status=failed tool={tool}
    MCP Request [CLIENT] ERROR MCP_CONNECTION_FAILED  tool={tool} server=lab source=tool_step"""


def test_a_tool_server_that_dies_is_a_lost_connection(tmp_path: Path) -> None:
    """Proves that a call during which the server dies, and every call after it, is recorded as MCP_CONNECTION_FAILED of
    component `mcp`, not as a failure of the tool.
    """
    with Lab(tmp_path / "home") as lab:
        for workflow, step, tool in (("server_dies", "last", "die"), ("success", "greet", "echo")):
            assert lab.ask("execute", workflow=workflow, inputs={})["error"] == "TOOL_FAILED"
            taken = lab.collect()
            assert view.tree(taken.spans) == DEAD.format(workflow=workflow, step=step, tool=tool)
            view.check_tree(taken.spans)
            view.check_derived(taken)
            assert view.counts(taken.metrics).splitlines()[-1] == "error MCP_CONNECTION_FAILED mcp"
            assert len(view.failure_lines(taken.lines)) == 1
