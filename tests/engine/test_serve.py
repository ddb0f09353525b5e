"""`ael serve` in its three forms: the same telemetry, a stop in time, and nothing else on stdout."""

import asyncio
import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.lab import view
from tests.engine.lab.client import mcp_session
from tests.engine.lab.files import json_lines, write_configuration
from tests.engine.lab.serving import Served
from tests.support.contract import LOG_FIELDS
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STOP_S = 3.5
"""A stop takes 3 s at most, and a loaded machine some more."""
GRACE_S = 5
"""Seconds that running requests may take after a signal."""

# How a person starts it, and how it is stopped here.
FORMS = {
    "alone": (("ael", "serve", "-c", "{file}"), {}, signal.SIGTERM),
    "wrapped": (("opentelemetry-instrument", "ael", "serve", "-c", "{file}"), {}, signal.SIGINT),
    "wrapped by variable": (
        ("opentelemetry-instrument", "ael", "serve"),
        {"AEL_CONFIG_PATH": "{file}"},
        signal.SIGTERM,
    ),
}


WRAPPED = [form for form in FORMS if form != "alone"]

SCRIPTED = """\
runs cascade_skip success
runs code_runtime error
runs nested_handled success
runs retry_succeeds success
runs success success
runs tool_error error
runs unknown error
step cascade_skip finish tool_call
step code_runtime divide code
step nested_handled collect code
step retry_succeeds call tool_call
step success greet tool_call
step success sum tool_call
step tool_error charge tool_call
step tool_error price tool_call
call add success x2
call echo success x4
call flaky error x2
call flaky success
call refuse error x2
error CODE_RUNTIME sandbox
error TOOL_FAILED tool x4
error WORKFLOW_NOT_FOUND workflow_engine"""
"""Every counter that the script moves."""


@dataclass(frozen=True)
class Output:
    """Output of one form: at the Collector's place, on stdout, at `/metrics`, and how it ended."""

    sink: OtlpSink
    stdout: str
    stderr: str
    scraped: str
    code: int
    seconds: float


async def _script(port: int) -> None:
    """Call the served engine as clients do, over MCP and REST."""
    async with mcp_session(port) as mcp:
        await mcp.call_tool("success", {}, meta={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        await mcp.call_tool("tool_error", {})
        await mcp.call_tool("nested_handled", {})
        await mcp.call_tool("retry_succeeds", {})
        await mcp.call_tool("echo", {"text": "hello"})
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as rest:
        await rest.post("/workflows/cascade_skip/execute", json={"inputs": {}})
        await rest.post("/workflows/code_runtime/execute", json={"inputs": {}})
        await rest.post("/workflows/nobody/execute", json={"inputs": {}})


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Output]]:
    """The same calls against each form, each with its own sink."""
    found: dict[str, Output] = {}
    for form, (command, variables, number) in FORMS.items():
        folder = tmp_path_factory.mktemp("form")
        metrics = free_port()
        with OtlpSink() as sink:
            file = str(
                write_configuration(
                    folder / "ael",
                    telemetry={
                        "metrics": {"port": metrics},
                        "exporters": {"otlp": {"endpoint": sink.endpoint}},
                    },
                )
            )
            words = [*(word.replace("{file}", file) for word in command), "--port", "{port}"]
            environment = {name: value.replace("{file}", file) for name, value in variables.items()}
            with Served(words, folder, environment=environment) as served:
                served.wait_ready()
                asyncio.run(_script(served.port))
                scraped = httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=10).text
                code, seconds = served.stop(number)
                found[form] = Output(sink, served.stdout, served.stderr, scraped, code, seconds)
    return found


WRAPPED = [form for form in FORMS if form != "alone"]


def test_calls_are_recorded_in_full(outputs: dict[str, Output]) -> None:
    """Proves that nothing of the scripted calls is missing when the process has ended: spans, counters, the caller."""
    sink = outputs["alone"].sink
    runs = _runs(sink)
    assert len(runs) == 7
    for spans in runs:
        view.check_tree(view.of_the_run(spans))
    assert TRACE in [spans[0]["trace_id"] for spans in runs]
    counters = {name: rows for name, rows in sink.metrics().items() if name.startswith("ael.")}
    happened = {name: {row: value for row, value in rows.items() if value} for name, rows in counters.items()}
    assert view.counts(happened) == SCRIPTED


def _runs(sink: OtlpSink) -> list[list[dict[str, Any]]]:
    """The traces with a run in them; the MCP client leaves others, for listing the tools at the start."""
    return [
        spans
        for spans in view.by_trace(sink.spans()).values()
        if any(span["name"] == "Workflow Execution" for span in spans)
    ]


@pytest.mark.parametrize("form", WRAPPED)
def test_the_spans_are_the_same(outputs: dict[str, Output], form: str) -> None:
    """Proves that each form sends the same trees under the same resource."""

    def trees(sink: OtlpSink) -> Counter[str]:
        return Counter(view.tree(spans) for spans in view.by_trace(_without_ports(sink.spans())).values())

    def resources(sink: OtlpSink) -> set[str]:
        own = {"service.instance.id", "process.pid"}
        return {
            json.dumps(
                {key: value for key, value in span["resource"].items() if key not in own}, sort_keys=True
            )
            for span in sink.spans()
        }

    assert trees(outputs[form].sink) == trees(outputs["alone"].sink)
    assert resources(outputs[form].sink) == resources(outputs["alone"].sink)


def _without_ports(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span | {"attributes": span["attributes"] | _same_port(span)} for span in spans]


def _same_port(span: dict[str, Any]) -> dict[str, Any]:
    return {"server.port": 0} if "server.port" in span["attributes"] else {}


@pytest.mark.parametrize("form", WRAPPED)
def test_the_metrics_are_the_same(outputs: dict[str, Output], form: str) -> None:
    """Proves that each form sends the same series with the same counts, ours and the engine's own."""

    def rows(sink: OtlpSink) -> dict[str, dict[str, float]]:
        return {
            name: {row: value for row, value in found.items() if not row.endswith(" sum")}
            for name, found in sink.metrics().items()
            if not name.startswith(("http.", "otel."))
        }

    assert rows(outputs[form].sink) == rows(outputs["alone"].sink)


@pytest.mark.parametrize("form", WRAPPED)
def test_the_logs_are_the_same(outputs: dict[str, Output], form: str) -> None:
    """Proves that each form sends the same log records, each once."""
    assert _logs(outputs[form].sink) == _logs(outputs["alone"].sink)


def _logs(sink: OtlpSink) -> Counter[str]:
    return Counter(_timeless(f"{log['severity']} {log['body']} {_facts(log)}") for log in sink.logs())


def _facts(log: dict[str, Any]) -> str:
    own = {"execution_id", "exception.stacktrace", "session.id"}
    return json.dumps(
        {key: value for key, value in log["attributes"].items() if key not in own}, sort_keys=True
    )


def _timeless(text: str) -> str:
    text = re.sub(r'"duration_ms": \d+', '"duration_ms": 0', text)
    text = re.sub(r"\(\d+ms\)", "(0ms)", text)
    text = re.sub(r"\bpid \d+|process \[\d+\]", "pid 0", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", text)
    return re.sub(r"/\S*/(form|pytest)\S*", "/folder", text)


@pytest.mark.parametrize("form", FORMS)
def test_stdout_has_only_the_log(outputs: dict[str, Output], form: str) -> None:
    """Proves that stdout has one JSON object per line, each record that went by OTLP among them once, and no other."""
    lines = json_lines(outputs[form].stdout)
    assert all(tuple(line)[: len(LOG_FIELDS)] == LOG_FIELDS for line in lines)
    written = Counter(
        (line["message"], line["trace_id"], line["span_id"], line["execution_id"])
        for line in lines
        if not line["component"].startswith(("opentelemetry", "ael_otel"))
    )
    sent = Counter(
        (
            log["body"],
            log["trace_id"] if int(log["trace_id"], 16) else "",
            log["span_id"] if int(log["span_id"], 16) else "",
            log["attributes"].get("execution_id", ""),
        )
        for log in outputs[form].sink.logs()
    )
    assert sent == written


@pytest.mark.parametrize("form", FORMS)
def test_pull_endpoint_agrees_with_otlp(outputs: dict[str, Output], form: str) -> None:
    """Proves that `GET /metrics` has the contract's names and labels with the values that go out by OTLP."""
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(outputs[form].scraped)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return found[name, *sorted(labels.items())]

    assert value("ael_workflow_executions_total", workflow="tool_error", status="error") == 1
    assert value("ael_workflow_duration_seconds_bucket", workflow="success", le="600.0") == 1
    assert value("ael_tool_invocations_total", tool="flaky", status="error") == 2
    assert value("ael_tool_duration_seconds_count", tool="flaky") == 3
    assert value("ael_step_executions_total", workflow="success", step="sum", type="tool_call") == 1
    assert value("ael_errors_total", type="TOOL_FAILED", component="tool") == 4
    assert value("ael_active_workflows") == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_ends_it_in_time_with_everything_sent(outputs: dict[str, Output], form: str) -> None:
    """Proves that SIGTERM and SIGINT end each form with exit code 0 within the limit, silently, all lines sent."""
    assert outputs[form].code == 0
    assert outputs[form].seconds < STOP_S
    assert outputs[form].stderr == ""


@pytest.mark.parametrize(("form", "number"), [("alone", signal.SIGINT), ("wrapped", signal.SIGTERM)])
def test_it_ends_in_time_with_no_collector(tmp_path: Path, form: str, number: signal.Signals) -> None:
    """Proves that a Collector that is not there delays the end by no more than the limit, and exit code 0 stays."""
    file = write_configuration(tmp_path / "ael")
    words = [*(word.replace("{file}", str(file)) for word in FORMS[form][0]), "--port", "{port}"]
    with Served(words, tmp_path) as served:
        served.wait_ready()
        answer = httpx.post(
            f"http://127.0.0.1:{served.port}/api/v1/workflows/success/execute",
            json={"inputs": {}},
            timeout=60,
        )
        assert answer.json()["status"] == "completed"
        code, seconds = served.stop(number)
        assert code == 0, served.stderr
        assert seconds < STOP_S
        assert json_lines(served.stdout)


@pytest.mark.parametrize("by", ["file", "environment"])
def test_switched_off_it_serves_and_sends_nothing(tmp_path: Path, by: str) -> None:
    """Proves that without telemetry the engine serves as ever, nothing leaves the process, and the log stays: each
    line of the engine once, with the ids that the engine gives it.
    """
    with OtlpSink() as sink:
        telemetry = {"enabled": by != "file", "exporters": {"otlp": {"endpoint": sink.endpoint}}}
        file = write_configuration(tmp_path / "ael", telemetry=telemetry)
        words = ["opentelemetry-instrument", "ael", "serve", "-c", str(file), "--port", "{port}"]
        environment = {"OTEL_SDK_DISABLED": "true"} if by == "environment" else {}
        with Served(words, tmp_path, environment=environment) as served:
            served.wait_ready()
            address = f"http://127.0.0.1:{served.port}/api/v1/workflows/tool_error/execute"
            answer = httpx.post(address, json={"inputs": {}}, timeout=60).json()
            assert answer["status"] == "failed"
            code, seconds = served.stop(signal.SIGTERM)
        assert (code, sink.requests()) == (0, [])
        assert seconds < STOP_S
        lines = json_lines(served.stdout)
        assert [line["message"] for line in lines if line["level"] == "ERROR"] == [
            "Tool call failed: card declined"
        ]
        assert answer["execution_id"] in {line["execution_id"] for line in lines}
        assert not view.failure_lines(lines), "the engine's error type is no exception of ours"
        once = Counter(line["message"] for line in lines if line["message"] != "Workflow registered")
        assert set(once.values()) == {1}, once
    # The engine's own database fails a run that retries a step: it stays away, as with telemetry.
    assert not (tmp_path / "data").exists()


def test_runs_that_are_running_at_the_end_are_recorded_too(tmp_path: Path) -> None:
    """Proves that at a stop a run that ends soon still completes, that one that does not is cancelled, and that both
    reach the Collector.
    """
    with OtlpSink() as sink:
        file = write_configuration(
            tmp_path / "ael", telemetry={"exporters": {"otlp": {"endpoint": sink.endpoint}}}
        )
        with Served(["ael", "serve", "-c", str(file), "--port", "{port}"], tmp_path) as served:
            served.wait_ready()
            address = f"http://127.0.0.1:{served.port}/api/v1/workflows/slow/execute"
            for seconds in (3, 60):
                with pytest.raises(httpx.ReadTimeout):
                    httpx.post(address, json={"inputs": {"seconds": seconds}}, timeout=0.8)
            code, seconds = served.stop(signal.SIGTERM)
        assert code == 0, served.stderr
        assert seconds < GRACE_S + STOP_S
        roots = [span for span in sink.spans() if span["name"] == "Workflow Execution"]
        assert sorted(span["attributes"]["ael.workflow.status"] for span in roots) == ["cancelled", "success"]
        assert {row: value for row, value in sink.metrics()["ael.workflow.executions"].items() if value} == {
            "status=cancelled,workflow=slow": 1,
            "status=success,workflow=slow": 1,
        }
        assert sink.metrics()["ael.active_workflows"] == {"": 0}


def test_stdio_keeps_stdout_for_the_protocol(tmp_path: Path) -> None:
    """Proves that over stdio every line of stdout is a JSON-RPC message, the log is on stderr, telemetry is whole."""
    with OtlpSink() as sink:
        file = write_configuration(
            tmp_path / "ael", telemetry={"exporters": {"otlp": {"endpoint": sink.endpoint}}}
        )
        words = ["ael", "serve", "-c", str(file), "--transport", "stdio"]
        with Served(words, tmp_path, stdin=subprocess.PIPE) as served:
            stdin = served.process.stdin
            assert stdin is not None
            calls = [
                {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
                {
                    "jsonrpc": "2.0",
                    "id": 3,
                    "method": "tools/call",
                    "params": {"name": "success", "arguments": {}},
                },
                {
                    "jsonrpc": "2.0",
                    "id": 4,
                    "method": "tools/call",
                    "params": {"name": "tool_error", "arguments": {}},
                },
                {
                    "jsonrpc": "2.0",
                    "id": 5,
                    "method": "tools/call",
                    "params": {"name": "code", "arguments": {}},
                },
            ]
            stdin.write("".join(json.dumps(call) + "\n" for call in calls).encode())
            stdin.close()
            assert served.process.wait(60) == 0
            answers = json_lines(served.stdout)
            assert all(answer["jsonrpc"] == "2.0" for answer in answers)
            assert [answer["id"] for answer in answers if "id" in answer] == [1, 2, 3, 4, 5]
            lines = json_lines(served.stderr)
            assert all(tuple(line)[: len(LOG_FIELDS)] == LOG_FIELDS for line in lines)
            assert [line["error_type"] for line in view.failure_lines(lines)] == ["TOOL_FAILED"]
            runs = _runs(sink)
            assert len(runs) == 3
            for spans in runs:
                view.check_tree(spans)
