"""Frames and context: the current span and scope are restored, also with concurrent runs and after a fault."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import copy_context

import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach, get_current
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import format_trace_id, get_current_span

from ael_otel._generated import metric_sets
from ael_otel._generated.attributes import ERROR_TYPE_VALUES
from ael_otel.core.run_context import current_run
from ael_otel.emit.metric_sets import Point, Row
from ael_otel.lifecycle import CodeBlock, Execution, Frame, Recorder, Step, ToolCall, current_frame
from tests.unit.lifecycle.conftest import Telemetry, ends_with

FRAMES: dict[str, Callable[[Recorder], Frame]] = {
    "execution": lambda recorder: Execution(recorder, "shop", execution_id="exec-1"),
    "step": lambda recorder: Step(recorder, "pay", "tool_call", tool="charge"),
    "tool_call": lambda recorder: ToolCall(recorder, "charge"),
    "code_block": CodeBlock,
}
each_frame = pytest.mark.parametrize("kind", FRAMES)


def surroundings() -> tuple[object, ...]:
    """Everything that a frame makes current."""
    return get_current(), get_current_span(), current_frame.get(), current_run.get()


@each_frame
def test_previous_context_is_restored(telemetry: Telemetry, kind: str) -> None:
    """Inside a frame its span, itself and its scope are current; after it, what was there before."""
    with telemetry.tracer.start_as_current_span("request"), Execution(telemetry.recorder, "outer"):
        before = surroundings()
        with FRAMES[kind](telemetry.recorder) as frame:
            assert get_current_span() is frame.span
            assert current_frame.get() is frame
            assert current_run.get() is frame.scope
        assert surroundings() == before


@each_frame
def test_also_when_the_application_fails(telemetry: Telemetry, kind: str) -> None:
    """The same after any exception, which passes unchanged."""
    before = surroundings()
    for error in (ValueError("x"), asyncio.CancelledError(), KeyboardInterrupt()):
        with ends_with(type(error)) as caught, FRAMES[kind](telemetry.recorder):
            raise error
        assert caught.value is error
        assert surroundings() == before


class Broken(Exception):  # noqa: N818 - a fault in this package, not an error of the engine
    """A fault in our own code."""


def broken(*arguments: object, **options: object) -> None:
    """Stand in for a part of ours that fails."""
    raise Broken


def everywhere(patch: pytest.MonkeyPatch, name: str) -> None:
    """Break a function in every frame that uses it."""
    for module in ("execution", "step", "tool_call", "code_block"):
        patch.setattr(f"ael_otel.lifecycle.{module}.{name}", broken)


# Subclasses of the package only: a test that generates a module leaves subclasses behind.
ROWS = [each for each in vars(metric_sets).values() if isinstance(each, type) and Row in each.__bases__]
FAULTS: dict[str, Callable[[pytest.MonkeyPatch, Telemetry], None]] = {
    "counters": lambda patch, telemetry: [patch.setattr(row, "add", broken) for row in ROWS],
    "histograms": lambda patch, telemetry: patch.setattr(Point, "record", broken),
    "tracer": lambda patch, telemetry: patch.setattr(telemetry.recorder.tracer, "start_span", broken),
    "store": lambda patch, telemetry: setattr(telemetry.store, "fails", True),
    "recorder": lambda patch, telemetry: patch.setattr(Recorder, "execution_finished", broken),
    "attributes": lambda patch, telemetry: patch.setattr(
        "ael_otel.lifecycle.tool_call.start_mcp_request", broken
    ),
    "classify": lambda patch, telemetry: everywhere(patch, "classify"),
    "the failure's log": lambda patch, telemetry: patch.setattr("ael_otel.emit.events.line", broken),
}


@pytest.mark.usefixtures("swallowing")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("fails", [False, True], ids=["fine", "fails"])
def test_a_fault_of_ours_changes_nothing_for_the_application(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, fault: str, *, fails: bool
) -> None:
    """Whichever part of ours breaks: the body runs once, its own exception passes, and everything is put back."""
    error = ValueError("the application's")
    ran = 0
    FAULTS[fault](monkeypatch, telemetry)
    recorder = telemetry.recorder
    with telemetry.tracer.start_as_current_span("request"):
        before = surroundings()
        with (
            ends_with(ValueError) if fails else nullcontext() as caught,
            Execution(recorder, "shop", execution_id="exec-1") as run,
            Step(recorder, "crunch", "code", code="x") as step,
            CodeBlock(recorder),
            ToolCall(recorder, "add") as call,
        ):
            step.attempt()
            call.served_by("demo")
            ran += 1
            if fails:
                raise error
            run.finished({})
        assert caught is None or caught.value is error
        assert ran == 1
        assert surroundings() == before
    monkeypatch.undo()


@pytest.mark.usefixtures("swallowing")
def test_a_store_that_fails_is_counted(telemetry: Telemetry) -> None:
    """A full disk costs the records only: each is counted as dropped, and the run is measured as usual."""
    telemetry.store.fails = True
    recorder = telemetry.recorder
    with Execution(recorder, "shop", execution_id="exec-1"), Step(recorder, "crunch", "code"):
        pass
    counts = telemetry.counts()
    assert counts["ael.telemetry.dropped{store,store_error}"] == 4
    assert counts["ael.errors{internal,store}"] == 4
    assert "ael.errors{internal,telemetry}" not in counts
    assert counts["ael.workflow.executions{shop,success}"] == 1
    assert len(telemetry.spans) == 2


@pytest.mark.usefixtures("swallowing")
def test_a_run_whose_end_breaks_is_no_longer_active(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault at the end of a run must not leave it under way for ever."""
    monkeypatch.setattr(Point, "record", broken)
    for _ in range(3):
        with Execution(telemetry.recorder, "shop"):
            assert telemetry.metrics.engine.bind().active_workflows == 1
    assert telemetry.metrics.engine.bind().active_workflows == 0


def test_active_runs_are_counted(telemetry: Telemetry) -> None:
    """The gauge goes up at the start of a run, down at its end, also when it fails."""
    active = telemetry.metrics.engine.bind()
    with Execution(telemetry.recorder, "one"):
        with ends_with(ValueError), Execution(telemetry.recorder, "two"):
            assert active.active_workflows == 2
            raise ValueError
        assert active.active_workflows == 1
    assert active.active_workflows == 0


def test_the_callers_trace_is_joined(telemetry: Telemetry) -> None:
    """A run inside a request, or with a remote parent that was attached, belongs to that trace."""
    with (
        telemetry.tracer.start_as_current_span("request") as request,
        Execution(telemetry.recorder, "shop", execution_id="exec-1"),
    ):
        pass
    run = telemetry.span("Workflow Execution")
    assert run.parent == request.get_span_context()
    remote = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    token = attach(extract({"traceparent": remote}))
    with Execution(telemetry.recorder, "shop", execution_id="exec-2"):
        pass
    detach(token)
    assert telemetry.run("exec-2").trace_id == "0123456789abcdef0123456789abcdef"


def test_a_run_in_a_run_is_its_child(telemetry: Telemetry) -> None:
    """A workflow that a step starts nests, with its own record and counts."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "outer", execution_id="exec-1"),
        Step(recorder, "sub", "tool_call", tool="inner"),
        Execution(recorder, "inner", execution_id="exec-2"),
        Step(recorder, "crunch", "code"),
    ):
        pass
    names = []
    tree = telemetry.tree()
    while tree is not None:
        names.append(tree["name"])
        (tree,) = tree["children"] or [None]
    assert names == [
        "Workflow Execution",
        "Step 1: tool_call",
        "Workflow Execution",
        "Step 1: code_execution",
    ]
    assert [step.step_id for step in telemetry.run("exec-1").steps] == ["sub"]
    assert [step.step_id for step in telemetry.run("exec-2").steps] == ["crunch"]


async def test_a_background_task_that_outlives_its_run(telemetry: Telemetry) -> None:
    """Work that a run left behind is a new trace: its parent must not be a span that ended long ago."""
    recorder = telemetry.recorder
    go_on = asyncio.Event()

    async def background() -> None:
        await go_on.wait()
        with Execution(recorder, "later", execution_id="exec-2"), ToolCall(recorder, "echo"):
            pass

    with Execution(recorder, "shop", execution_id="exec-1"), Step(recorder, "start", "code"):
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    go_on.set()
    await task
    first, second = telemetry.trees()
    assert (first["attributes"]["ael.workflow.id"], second["attributes"]["ael.workflow.id"]) == (
        "exec-1",
        "exec-2",
    )
    assert [child["name"] for child in second["children"]] == ["MCP Request"]
    assert telemetry.run("exec-1").trace_id != telemetry.run("exec-2").trace_id
    assert len(telemetry.run("exec-1").steps[0].tool_calls) == 0


async def test_a_background_task_that_joins_another_trace(telemetry: Telemetry) -> None:
    """A trace that such work joins explicitly (a caller's, a span of the application) is its parent."""
    recorder = telemetry.recorder
    go_on = asyncio.Event()

    async def background() -> None:
        await go_on.wait()
        token = attach(extract({"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}))
        with Execution(recorder, "joined", execution_id="exec-2"):
            pass
        detach(token)
        with telemetry.tracer.start_as_current_span("job"), Execution(recorder, "own", execution_id="exec-3"):
            pass

    with Execution(recorder, "shop", execution_id="exec-1"), Step(recorder, "start", "code"):
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
    go_on.set()
    await task
    assert telemetry.run("exec-2").trace_id == "0123456789abcdef0123456789abcdef"
    job = telemetry.span("job")
    assert telemetry.run("exec-3").trace_id == format_trace_id(job.context.trace_id)


async def test_baggage_of_the_caller_stays(telemetry: Telemetry) -> None:
    """A frame adds its span to the context and takes nothing away."""
    token = attach(baggage.set_baggage("tenant", "t1"))
    with Execution(telemetry.recorder, "shop"), Step(telemetry.recorder, "crunch", "code"):
        assert baggage.get_baggage("tenant") == "t1"
    detach(token)


async def test_many_runs_at_once_never_mix(telemetry: Telemetry) -> None:
    """A hundred overlapping runs: each trace has its own root, steps and calls, and every scope its own ids."""
    recorder = telemetry.recorder

    async def one(number: int) -> None:
        with Execution(recorder, f"flow{number}", execution_id=f"exec-{number}"):
            for index in range(3):
                with Step(recorder, f"step{index}", "tool_call", index=index, tool=f"tool{number}"):
                    await asyncio.sleep(0)
                    with ToolCall(recorder, f"tool{number}", server="demo"):
                        await asyncio.sleep(0)
                        scope = current_run.get()
                        assert scope is not None
                        assert (scope.workflow_id, scope.execution_id, scope.step_id, scope.tool_name) == (
                            f"flow{number}",
                            f"exec-{number}",
                            f"step{index}",
                            f"tool{number}",
                        )

    await asyncio.gather(*(one(number) for number in range(100)))
    trees = telemetry.trees()
    assert len(trees) == 100
    for tree in trees:
        name = tree["attributes"]["ael.workflow.name"]
        number = name.removeprefix("flow")
        assert tree["attributes"]["ael.workflow.id"] == f"exec-{number}"
        assert [step["attributes"]["ael.step.name"] for step in tree["children"]] == [
            "step0",
            "step1",
            "step2",
        ]
        for step in tree["children"]:
            assert step["attributes"]["ael.workflow.name"] == name
            (call,) = step["children"]
            assert call["attributes"]["ael.tool.name"] == f"tool{number}"
        record = telemetry.run(f"exec-{number}")
        assert [call.tool_name for step in record.steps for call in step.tool_calls] == [f"tool{number}"] * 3


def test_threads_have_runs_of_their_own(telemetry: Telemetry) -> None:
    """Runs on several threads at once count right and do not see each other."""
    recorder = telemetry.recorder

    def work(number: int) -> None:
        for turn in range(20):
            run = Execution(recorder, "shop", execution_id=f"exec-{number}-{turn}")
            with run, Step(recorder, "crunch", "code"):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert telemetry.counts()["ael.workflow.executions{shop,success}"] == 100
    assert telemetry.counts()["ael.step.executions{shop,crunch,code}"] == 100
    assert len(telemetry.trees()) == 100
    assert all(len(tree["children"]) == 1 for tree in telemetry.trees())


@pytest.mark.usefixtures("swallowing")
def test_a_frame_that_ends_in_another_context(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """A generator that is closed elsewhere ends its frame there: recorded, and nothing stays current."""
    frame = Execution(telemetry.recorder, "shop", execution_id="exec-1")
    copy_context().run(frame.__enter__)
    before = surroundings()
    copy_context().run(frame.__exit__, None, None, None)
    assert surroundings() == before
    assert telemetry.run().status == "completed"
    assert telemetry.metrics.engine.bind().active_workflows == 0


@pytest.mark.parametrize("mode", ["native", "both", "ael"])
def test_whose_mcp_span(make_telemetry: Callable[..., Telemetry], mode: str) -> None:
    """With `native` our `MCP Request` is left out; metrics, errors, record and exemplars are there in every mode."""
    telemetry = make_telemetry(mcp_spans=mode)
    recorder = telemetry.recorder
    with (
        ends_with(ValueError),
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge") as step,
    ):
        before = get_current_span()
        with ToolCall(recorder, "charge", server="demo") as call:
            call.served_by("other")
            assert (get_current_span() is before) is (mode == "native")
            raise ValueError
    (exemplar,) = telemetry.points()["ael.tool.duration"][0].exemplars
    expected = "Step 1: tool_call" if mode == "native" else "MCP Request"
    assert exemplar.span_id == telemetry.span(expected).context.span_id
    names = [span.name for span in telemetry.spans]
    assert names.count("MCP Request") == (0 if mode == "native" else 1)
    assert telemetry.span("Step 1: tool_call").attributes["error.type"] == "internal"
    counts = telemetry.counts()
    assert counts["ael.tool.invocations{charge,error}"] == counts["ael.tool.duration{charge}"] == 1
    assert counts["ael.errors{internal,tool}"] == 1
    (record,) = step.record.tool_calls
    assert (record.status, record.server, record.span_id == "") == ("error", "other", mode == "native")


@pytest.mark.parametrize("opted", [True, False])
def test_genai_attributes_by_opt_in(
    make_telemetry: Callable[..., Telemetry], monkeypatch: pytest.MonkeyPatch, *, opted: bool
) -> None:
    """Only OTel's variable adds the GenAI names to ours."""
    monkeypatch.setenv(
        "OTEL_SEMCONV_STABILITY_OPT_IN", "http, gen_ai_latest_experimental" if opted else "http"
    )
    telemetry = make_telemetry(genai=None)
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge"),
        ToolCall(recorder, "charge", server="demo"),
    ):
        pass
    found = {
        span.name: {
            key: value for key, value in span.attributes.items() if key.startswith(("gen_ai.", "mcp."))
        }
        for span in telemetry.spans
    }
    expected = {
        "Workflow Execution": {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "shop",
            "gen_ai.agent.name": "shop",
        },
        "Step 1: tool_call": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "charge"},
        "MCP Request": {"mcp.method.name": "tools/call", "gen_ai.tool.name": "charge"},
    }
    assert found == (expected if opted else {name: {} for name in expected})


def test_call_of_code_is_the_execution_of_its_tool(make_telemetry: Callable[..., Telemetry]) -> None:
    """Its span has the operation, which for a tool step is on the span of the step: each call has it once."""
    telemetry = make_telemetry(genai=True)
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "code", code="pay()"),
        CodeBlock(recorder, code="pay()"),
        ToolCall(recorder, "charge"),
    ):
        pass
    with ToolCall(recorder, "charge"):
        pass
    operations = [span.attributes.get("gen_ai.operation.name") for span in telemetry.spans]
    assert operations == ["execute_tool", None, None, "invoke_workflow", "execute_tool"]


def test_an_unsampled_run(make_telemetry: Callable[..., Telemetry]) -> None:
    """Sampling removes spans only: counts, durations, record and ids are complete, exemplars absent."""
    telemetry = make_telemetry(sampler=ALWAYS_OFF)
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge") as step,
        ToolCall(recorder, "charge", server="demo"),
    ):
        step.attempt()
        inside = get_current_span().get_span_context()
        assert inside.is_valid
    assert telemetry.spans == ()
    assert telemetry.run().trace_id == format_trace_id(inside.trace_id)
    assert telemetry.run().status == "completed"
    assert telemetry.counts() == {
        "ael.workflow.executions{shop,success}": 1,
        "ael.workflow.duration{shop}": 1,
        "ael.step.executions{shop,pay,tool_call}": 1,
        "ael.tool.invocations{charge,success}": 1,
        "ael.tool.duration{charge}": 1,
    }
    assert all(not point.exemplars for points in telemetry.points().values() for point in points)


def test_a_sampled_out_run_is_whole_or_absent(make_telemetry: Callable[..., Telemetry]) -> None:
    """A ratio selects whole traces: every exported trace has all its spans, every record is stored."""
    telemetry = make_telemetry(sampler=TraceIdRatioBased(0.5))
    recorder = telemetry.recorder
    for number in range(60):
        with Execution(recorder, "shop", execution_id=f"exec-{number}"), Step(recorder, "crunch", "code"):
            pass
    assert telemetry.counts()["ael.workflow.executions{shop,success}"] == 60
    assert len(telemetry.store) == 60


def test_exemplars_point_at_the_frames_own_span(telemetry: Telemetry) -> None:
    """Each duration and each count leads to the span it was measured on."""
    recorder = telemetry.recorder
    with (
        Execution(recorder, "shop", execution_id="exec-1"),
        Step(recorder, "pay", "tool_call", tool="charge"),
        ToolCall(recorder, "charge", server="demo"),
    ):
        pass
    spans = {span.name: span.context.span_id for span in telemetry.spans}
    found = {
        name: [exemplar.span_id for point in points for exemplar in point.exemplars]
        for name, points in telemetry.points().items()
        if name != "ael.active_workflows"
    }
    assert found == {
        "ael.workflow.executions": [spans["Workflow Execution"]],
        "ael.workflow.duration": [spans["Workflow Execution"]],
        "ael.step.executions": [spans["Step 1: tool_call"]],
        "ael.tool.invocations": [spans["MCP Request"]],
        "ael.tool.duration": [spans["MCP Request"]],
    }


def test_a_fault_is_counted_under_telemetry(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, swallowing: None
) -> None:
    """Faults of telemetry are visible: `ael_errors_total{component="telemetry"}`, of a type of the closed set."""
    monkeypatch.setattr(Point, "record", broken)
    with Execution(telemetry.recorder, "shop", execution_id="exec-1"):
        pass
    assert telemetry.counts()["ael.errors{internal,telemetry}"] == 1
    assert "internal" in ERROR_TYPE_VALUES
