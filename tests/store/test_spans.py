"""Records from spans: the same as the lifecycle's for our own runs, and sensible ones for any other agent's."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ael_otel.config import Limits
from ael_otel.core.metrics import AelMetrics
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.store import ExecutionRecord, MemoryStore, RunQuery
from ael_otel.store.derive import derive
from ael_otel.store.records import INTERRUPTED
from ael_otel.store.span_processor import StoreSpanProcessor, facts_of
from tests.support.differences import differences
from tests.support.needs import require
from tests.support.variables import EXPORT_NOTHING, clean_variables


class Recorded(msgspec.Struct):
    """The records that the demo program writes."""

    stored: list[ExecutionRecord]
    derived: list[ExecutionRecord]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The demo's runs on the real engine: as stored, and as derived from the spans that were exported."""
    require("engine")
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.program_demo", str(folder)],
        cwd=Path(__file__).parents[2],
        env=clean_variables(HOME=str(folder)) | EXPORT_NOTHING,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return msgspec.json.decode((folder / "records.json").read_bytes(), type=Recorded)


def test_the_record_of_each_run_follows_from_its_spans(recorded: Recorded) -> None:
    """Proves, over every outcome of the demo, that store and spans agree in every field that spans can carry."""
    stored = {record.execution_id: record for record in recorded.stored}
    # The MCP library makes separate traces: it asks a server for its tools when it connects.
    derived = {each.execution_id: each for each in recorded.derived if each.metadata.get("source") != "spans"}
    assert len(stored) == len(recorded.stored) >= 10
    assert stored.keys() == derived.keys()
    found = [
        line
        for each, record in stored.items()
        for line in differences(record, derived[each], record.workflow_name or "")
    ]
    assert found == []
    statuses = {(step.status, step.step_type) for record in recorded.stored for step in record.steps}
    assert {
        ("completed", "tool"),
        ("completed", "code"),
        ("failed", "tool"),
        ("failed", "code"),
        ("skipped", "tool"),
    } <= statuses
    assert max(step.attempt for record in recorded.stored for step in record.steps) > 1


def test_the_comparison_sees_a_difference(recorded: Recorded) -> None:
    """Proves that a changed field anywhere in a record is found, so that the test above cannot pass by not looking."""
    record = next(each for each in recorded.stored if each.workflow_name == "mixed")
    for change in (
        lambda copy: setattr(copy, "status", "failed"),
        lambda copy: setattr(copy.steps[0], "index", 7),
        lambda copy: setattr(copy.steps[0].tool_calls[0], "server", "other"),
        lambda copy: copy.steps.pop(),
        lambda copy: setattr(copy, "duration_ms", copy.duration_ms + 500),
    ):
        copy = msgspec.json.decode(msgspec.json.encode(record), type=ExecutionRecord)
        change(copy)
        assert len(list(differences(record, copy, ""))) == 1


def test_content_is_in_the_store_and_nowhere_on_the_spans(recorded: Recorded) -> None:
    """Proves that the real engine's parameters, results, outputs and printed text arrive in the store."""
    mixed = next(
        each for each in recorded.stored if each.workflow_name == "mixed" and each.status == "completed"
    )
    tool = mixed.steps[0]
    assert isinstance(tool.tool_params, dict)
    assert tool.tool_calls[0].params == tool.tool_params
    assert tool.tool_result is not None
    assert mixed.outputs
    code = next(step for step in mixed.steps if step.step_type == "code")
    assert code.code is not None
    assert code.code.code_hash == code.code_hash
    assert code.code.duration_ms
    failed = next(each for each in recorded.stored if each.workflow_name == "code_fails")
    broken = next(
        step.code for step in failed.steps if step.code is not None and step.code.exception is not None
    )
    assert broken.exception is not None
    assert broken.exception.code.startswith("CODE_")
    for record in recorded.derived:
        assert record.inputs is record.outputs is None
        assert all(call.params is call.result is None for step in record.steps for call in step.tool_calls)


# --- foreign spans ----------------------------------------------------------------------------------------------------


class Agent:
    """A tracer provider whose spans go to a memory store."""

    def __init__(self, **options: Any) -> None:
        self.store = MemoryStore()
        self.processor = StoreSpanProcessor(self.store, **options)
        self.provider = TracerProvider(ALWAYS_ON, Resource({}), shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)  # type: ignore[arg-type]
        self.tracer = self.provider.get_tracer("some.agent")


def test_any_agent_is_a_run_with_steps_and_tool_calls() -> None:
    """Proves the record of a made-up agent by the GenAI conventions: names, session, nested tools, content, errors."""
    agent = Agent()
    with agent.tracer.start_as_current_span(
        "invoke_agent trip",
        attributes={
            "gen_ai.agent.name": "trip",
            "gen_ai.conversation.id": "s-1",
            "user.id": "ada",
            "input.value": "Rome",
        },
    ) as root:
        (running,) = agent.store.query(RunQuery(status="running")).runs
        assert running.workflow_name == "invoke_agent trip"
        with agent.tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}):
            pass
        with (
            agent.tracer.start_as_current_span("plan"),
            agent.tracer.start_as_current_span(
                "execute_tool weather",
                attributes={
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "weather",
                    "gen_ai.tool.call.arguments": '{"in": "Rome"}',
                },
            ),
            agent.tracer.start_as_current_span(
                "tools/call weather", attributes={"mcp.method.name": "tools/call"}
            ) as client,
        ):
            client.set_attribute("mcp.tool.name", "weather")
        with agent.tracer.start_as_current_span(
            "book", attributes={"openinference.span.kind": "TOOL", "tool.name": "book"}
        ) as tool:
            tool.record_exception(ValueError("no seats"))
            tool.set_status(Status(StatusCode.ERROR, "failed"))
        root.set_attribute("output.value", "sorry")
    (record,) = agent.store.recent()
    assert (record.status, record.workflow_name, record.type) == ("completed", "trip", "workflow")
    assert (record.inputs, record.outputs, record.caller_id) == ("Rome", "sorry", "ada")
    assert record.metadata == {"source": "spans", "session_id": "s-1", "agents": ["trip"]}
    assert [(step.step_id, step.status, step.tool_name) for step in record.steps] == [
        ("1 chat", "completed", None),
        ("2 plan", "completed", None),
        ("3 book", "failed", "book"),
    ]
    (weather,) = record.steps[1].tool_calls
    assert (weather.tool_name, weather.status, weather.params) == ("weather", "success", '{"in": "Rome"}')
    (book,) = record.steps[2].tool_calls
    assert book.error is not None
    assert (book.error.code, book.error.message, book.status) == ("ValueError", "no seats", "error")
    assert agent.store.query(RunQuery(session="s-1", caller="ada", tool="weather", error="ValueError")).runs
    assert agent.store.find(record.trace_id[:8]) == [record.execution_id]


def test_agents_and_models_come_from_spans() -> None:
    """Proves that models are listed with their providers in either convention, each once; that a call is an agent's
    only below a span of that agent, the nearest one; and that the name of a monitoring agent is ignored.
    """
    agent = Agent()
    span = agent.tracer.start_as_current_span
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "save"}
    with span("POST /ask", attributes={"agent.name": "apm"}):
        with span("execute_tool save", attributes=tool):
            pass
        with span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
            for _ in range(2):
                with span(
                    "chat", attributes={"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
                ):
                    pass
            with span("delegate", attributes={"openinference.span.kind": "AGENT", "agent.name": "coder"}):
                with span("LLM", attributes={"llm.model_name": "claude-x", "llm.provider": "anthropic"}):
                    pass
                with span("execute_tool save", attributes=tool):
                    pass
            with span("execute_tool save", attributes={**tool, "gen_ai.agent.name": "own"}):
                pass
            with span("execute_tool save", attributes=tool):
                pass
    (record,) = agent.store.recent()
    assert record.metadata["agents"] == ["invoke_agent", "coder", "own"]
    assert record.metadata["models"] == [
        {"provider": "openai", "model": "gpt-4o"},
        {"provider": "anthropic", "model": "claude-x"},
    ]
    calls = [call.agent for step in record.steps for call in step.tool_calls]
    assert calls == [None, "coder", "own", "invoke_agent"]


@pytest.mark.parametrize(
    ("kind", "status", "call"),
    [
        ("asyncio.CancelledError", "cancelled", "cancelled"),
        ("TimeoutError", "failed", "timeout"),
        ("x", "failed", "error"),
    ],
)
def test_failed_agent_has_its_error(kind: str, status: str, call: str) -> None:
    """Proves that the end of a foreign run follows from its error's type."""
    agent = Agent()
    with agent.tracer.start_as_current_span("agent") as root:
        with agent.tracer.start_as_current_span(
            "t", attributes={"gen_ai.operation.name": "execute_tool", "error.type": kind}
        ) as tool:
            tool.set_status(StatusCode.ERROR)
        root.set_attribute("error.type", kind)
        root.set_status(StatusCode.ERROR)
    (record,) = agent.store.recent()
    assert (record.status, record.steps[0].tool_calls[0].status) == (status, call)
    assert record.error is not None
    assert record.error.code == kind


def test_traces_without_an_agent_are_not_stored() -> None:
    """Proves that an HTTP server's spans make no runs, and that `keep` can select them, also below a remote parent."""
    agent, all_of_them = Agent(), Agent(keep=lambda _name, _attributes: True)
    remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    for each in (agent, all_of_them):
        with each.tracer.start_as_current_span("GET /", set_span_in_context(NonRecordingSpan(remote))):
            pass
    assert len(agent.store) == 0
    (record,) = all_of_them.store.recent()
    assert (record.workflow_name, record.trace_id) == ("GET /", f"{1:032x}")


def test_our_own_runs_are_not_stored_twice() -> None:
    """Proves that spans of the lifecycle are left out, also under the span of a server."""
    agent = Agent(keep=lambda _name, _attributes: True)
    recorder = Recorder(tracer_provider=agent.provider, metrics=AelMetrics(), store=agent.store, genai=True)
    with (
        Execution(recorder, "hello", execution_id="exec-1"),
        Step(recorder, "greet", "tool_call", tool="echo"),
        ToolCall(recorder, "echo"),
    ):
        pass
    recorder.stop_counting()
    assert [record.execution_id for record in agent.store.recent()] == ["exec-1"]


def test_memory_is_bounded_however_many_traces_never_end() -> None:
    """Proves that the oldest open trace is dropped and counted, and that its later spans do no harm."""
    lost: list[tuple[str, int]] = []
    agent = Agent(max_traces=2, on_drop=lambda reason, count: lost.append((reason, count)))
    spans = [
        agent.tracer.start_span(f"agent {n}", attributes={"gen_ai.agent.name": f"{n}"}) for n in range(3)
    ]
    for span in spans:
        span.end()
    assert lost == [("queue_full", 1)]
    assert sorted(
        record.workflow_name or "" for record in agent.store.recent() if record.status == "completed"
    ) == ["1", "2"]
    assert agent.processor.force_flush()
    agent.processor.shutdown()


def test_trace_that_is_open_at_the_end_is_counted_and_its_run_ends() -> None:
    """Proves that the end of a process leaves no run in flight, and counts the traces whose spans are lost."""
    lost: list[tuple[str, int]] = []
    agent = Agent(on_drop=lambda reason, count: lost.append((reason, count)))
    root = agent.tracer.start_span("agent", attributes={"gen_ai.agent.name": "a"})
    agent.tracer.start_span("step", set_span_in_context(root)).end()
    agent.processor.shutdown()
    (record,) = agent.store.recent()
    assert (record.status, record.error and record.error.code) == ("failed", "interrupted")
    assert record.metadata["spans_left_out"] == 2
    assert lost == [("shutdown_timeout", 1)]
    root.end()
    agent.processor.shutdown()
    assert lost == [("shutdown_timeout", 1)]


def test_span_that_outlives_its_root_is_counted_as_dropped() -> None:
    """Proves that the run is complete when its root ends, and reports the missing span."""
    agent = Agent()
    with agent.tracer.start_as_current_span("agent", attributes={"gen_ai.agent.name": "a"}):
        late = agent.tracer.start_span("late")
    late.end()
    (record,) = agent.store.recent()
    assert record.metadata["spans_left_out"] == 1


def test_a_faulty_store_does_not_reach_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that an exception of the store does not reach the application."""
    monkeypatch.setenv("AEL_OTEL_RAISE_FAULTS", "0")
    agent = Agent()
    monkeypatch.setattr(agent.store, "start_execution", lambda _: 1 / 0)
    monkeypatch.setattr(agent.store, "put", lambda _: 1 / 0)
    with agent.tracer.start_as_current_span("agent", attributes={"gen_ai.agent.name": "a"}):
        pass


def test_no_spans_are_no_runs() -> None:
    """Proves that nothing comes of nothing."""
    assert derive([]) == []
    assert callable(facts_of)


def test_big_foreign_spans_are_bounded_in_bytes_and_counted() -> None:
    """Proves that open traces of other instrumentations hold no more than the bound, that the oldest are dropped and
    counted by reason, and that a run which was already visible ends as interrupted.
    """
    lost: Counter[str] = Counter()
    agent = Agent(max_bytes=1_000_000, on_drop=lambda reason, count: lost.update({reason: count}))
    name = {"gen_ai.operation.name": "chat"}
    roots = []
    for _ in range(10):
        root = agent.tracer.start_span("invoke_agent", Context(), attributes={"gen_ai.agent.name": "big"})
        child = agent.tracer.start_span("chat", set_span_in_context(root, Context()), attributes=name)
        child.set_attribute("gen_ai.prompt", "x" * 300_000)
        child.end()
        assert agent.processor.level.size <= 1_000_000
        roots.append(root)
    assert lost == {"queue_full": 7}
    assert agent.processor.level.items == 3
    assert 0.9 < agent.processor.level.fill <= 1
    for root in roots:
        root.end()
    runs = agent.store.recent()
    assert Counter(run.status for run in runs) == {"failed": 7, "completed": 3}
    given_up = [run for run in runs if run.status == "failed"]
    assert {run.error.code for run in given_up if run.error} == {INTERRUPTED}
    assert {run.metadata["spans_left_out"] for run in given_up} == {2}
    assert agent.processor.level == (0, 0, 0.0)


def test_trace_larger_than_the_bound_drops_spans_and_counts_them() -> None:
    """Proves that one trace does not exceed the bound by itself: further spans are left out of its record."""
    agent = Agent(limits=Limits(foreign_mb=1, foreign_spans_per_trace=50))
    with agent.tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.agent.name": "big"}):
        for _ in range(5):
            with agent.tracer.start_as_current_span("chat") as span:
                span.set_attribute("input.value", "x" * 300_000)
        assert agent.processor.level.size <= 1024 * 1024
    (record,) = agent.store.recent()
    assert (record.status, record.metadata["spans_left_out"], len(record.steps)) == ("completed", 2, 3)


def test_error_of_a_failed_run_names_its_step_and_tool_with_the_engines_detail(recorded: Recorded) -> None:
    """Proves on the real engine that a run's error names where it occurred, as its step does, with more detail."""
    failed = [
        run for run in recorded.stored if run.status == "failed" and any(step.error for step in run.steps)
    ]
    assert len(failed) >= 2
    for run in failed:
        last = next(step for step in reversed(run.steps) if step.status == "failed")
        assert run.error is not None
        assert last.error is not None
        assert (run.error.step_id, run.error.tool_name) == (last.step_id, last.error.tool_name)
        assert last.error.tool_name == last.tool_name or last.step_type == "code"
    assert any(run.error is not None and run.error.detail for run in failed)
