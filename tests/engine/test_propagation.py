"""One trace across processes: the caller's, ours, the tool server's; and whose span an MCP request is."""

from collections.abc import Iterator

import pytest

from tests.engine.lab import view
from tests.engine.lab.client import Lab

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


@pytest.mark.parametrize("tool", ["success", "workflow_run", "echo"])
def test_the_callers_trace_is_joined(lab: Lab, tool: str) -> None:
    """Proves that `_meta.traceparent` of a call over MCP makes the caller's span the parent of the called run."""
    arguments = {
        "success": {},
        "workflow_run": {"name": "success", "inputs": {}},
        "echo": {"text": "hello"},
    }[tool]
    lab.collect()
    lab.mcp(tool, arguments, meta={"traceparent": f"00-{TRACE}-{CALLER}-01", "progressToken": 7})
    taken = lab.collect()
    assert {span["trace_id"] for span in taken.spans} == {TRACE}
    (root,) = view.roots_of(taken.spans)
    assert (root["parent_id"], root["remote_parent"]) == (CALLER, True)
    assert root["name"] == ("MCP Request" if tool == "echo" else "Workflow Execution")
    (record,) = taken.records
    assert record["trace_id"] == TRACE
    assert {line["trace_id"] for line in taken.lines if line["execution_id"]} == {TRACE}


def test_a_caller_that_does_not_sample_is_heeded(lab: Lab) -> None:
    """Proves that an unsampled caller's run exports no span, and still leaves its record and lines with its ids."""
    lab.collect()
    lab.mcp("success", {}, meta={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    taken = lab.collect()
    assert taken.spans == []
    (record,) = taken.records
    assert record["trace_id"] == TRACE
    lines = [line for line in taken.lines if line["execution_id"]]
    assert lines
    assert {line["trace_id"] for line in lines} == {TRACE}


@pytest.mark.parametrize(
    "traceparent", ["nonsense", "00-0-0-01", f"00-{TRACE}-{CALLER}-01-extra", 42, None, ["x"]]
)
def test_broken_traceparent_starts_a_new_trace(lab: Lab, traceparent: object) -> None:
    """Proves that nonsense from a caller neither fails the call nor joins anything."""
    lab.collect()
    assert not lab.mcp("success", {}, meta={"traceparent": traceparent}).isError
    taken = lab.collect()
    root = view.check_tree(view.of_the_run(taken.spans))
    assert root["parent_id"] == ""
    assert root["trace_id"] != TRACE


def test_tool_server_receives_our_trace(lab: Lab) -> None:
    """Proves that the tool's process gets the trace and the id of our `MCP Request`, whose native twin is left out."""
    lab.collect()
    seen = lab.ask("execute", workflow="whose_trace", inputs={})["outputs"]["seen"]
    (request,) = (span for span in lab.collect().spans if span["kind"] == "CLIENT")
    assert request["name"] == "MCP Request"
    assert _named_in(seen) == (request["trace_id"], request["span_id"])


def _named_in(traceparent: str) -> tuple[str, str]:
    """The trace and the span that a sampled `traceparent` names; newer SDKs set the flag `random` too."""
    version, trace, span, flags = traceparent.split("-")
    assert version == "00"
    assert int(flags, 16) & 1
    return trace, span


# --- whose span an MCP request is -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A process with `telemetry.traces.mcp_spans: native`."""
    folder = tmp_path_factory.mktemp("native") / "home"
    with Lab(folder, telemetry={"traces": {"mcp_spans": "native"}}) as running:
        yield running


def test_span_of_the_client_library_can_replace_the_request_span(native: Lab) -> None:
    """Proves that `native` leaves the library's span alone in its place, with metrics, lines and records unchanged."""
    seen = native.ask("execute", workflow="whose_trace", inputs={})["outputs"]["seen"]
    taken = native.collect()
    root = view.check_tree(taken.spans)
    (request,) = (span for span in taken.spans if span["kind"] == "CLIENT")
    assert (request["scope"], request["name"]) == ("fastmcp", "tools/call traceparent")
    assert len(taken.spans) == 3
    assert _named_in(seen) == (request["trace_id"], request["span_id"])
    assert view.counts(taken.metrics) == (
        "runs whose_trace success\nstep whose_trace ask tool_call\ncall traceparent success"
    )
    (record,) = taken.records
    (call,) = record["steps"][0]["tool_calls"]
    assert (call["tool_name"], call["server"], call["status"]) == ("traceparent", "lab", "success")
    view.check_lines(taken, taken.spans, record["execution_id"], root["attributes"]["ael.workflow.name"])


def test_failure_is_recorded_without_our_span(native: Lab) -> None:
    """Proves that with `native` a failing tool still fails step and run, is counted once and logged once."""
    native.ask("execute", workflow="tool_error", inputs={})
    taken = native.collect()
    assert view.counts(taken.metrics).splitlines()[-1] == "error TOOL_FAILED tool"
    ours = [span for span in taken.spans if span["scope"] == "ael" and span["status"] == "ERROR"]
    assert [span["name"] for span in ours] == ["Step 2: tool_call", "Workflow Execution"]
    (failure,) = view.failure_lines(taken.lines)
    assert failure["exception.message"] == "card declined"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A process with `telemetry.traces.mcp_spans: both` and the GenAI conventions asked for."""
    folder = tmp_path_factory.mktemp("both") / "home"
    asked = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental"}
    with Lab(folder, telemetry={"traces": {"mcp_spans": "both"}}, environment=asked) as running:
        yield running


def test_both_spans_nest_and_genai_names_come_on_request(both: Lab) -> None:
    """Proves that `both` puts the library's span inside ours, and that the opt-in adds the GenAI attributes to ours.

    The matrix compares whole spans without the opt-in, so it proves that they are absent by default.
    """
    seen = both.ask("execute", workflow="whose_trace", inputs={})["outputs"]["seen"]
    taken = both.collect()
    view.check_tree(taken.spans)
    (inner,) = (span for span in taken.spans if span["scope"] == "fastmcp")
    assert _named_in(seen) == (inner["trace_id"], inner["span_id"])
    (ours,) = (span for span in taken.spans if span["name"] == "MCP Request")
    assert inner["parent_id"] == ours["span_id"]
    tree = view.tree([span for span in taken.spans if span["scope"] == "ael"])
    assert tree == (
        "Workflow Execution  name=whose_trace status=success"
        " gen_ai.agent.name=whose_trace gen_ai.operation.name=invoke_workflow gen_ai.workflow.name=whose_trace\n"
        "  Step 1: tool_call  name=ask status=completed tool=traceparent"
        " gen_ai.operation.name=execute_tool gen_ai.tool.name=traceparent\n"
        "    MCP Request [CLIENT]  tool=traceparent server=lab source=tool_step"
        " gen_ai.tool.name=traceparent mcp.method.name=tools/call"
    )
