"""Generated starters and emitters: the SDK and log handlers get spans and events as the registry declares them."""

import logging

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from ael_otel._generated import emitters, events, spans
from ael_otel.emit import activity


class Seen(Sampler):
    """Samples everything and records the attributes it got."""

    def __init__(self) -> None:
        self.attributes: list[dict[str, object]] = []

    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        """Record the attributes at the start."""
        self.attributes.append(dict(attributes or {}))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        """Name it."""
        return "seen"


class Traced:
    """A tracer and the spans that ended."""

    def __init__(self, sampler: Sampler) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = provider.get_tracer("test")

    @property
    def last(self) -> ReadableSpan:
        """The span that ended last."""
        return self._exporter.get_finished_spans()[-1]


OF_SESSION = {"session_id": "s-1", "session_agent": "codex"}
STARTS = {
    "ael.workflow": lambda tracer: emitters.start_workflow(
        tracer, workflow_name="shop", workflow_id="exec-1"
    ),
    "ael.step.tool_call": lambda tracer: emitters.start_step_tool_call(
        tracer, step_name="pay", step_index=2, step_type="tool_call", tool_name="charge"
    ),
    "ael.step.code": lambda tracer: emitters.start_step_code(
        tracer, step_name="sum", step_index=12, step_type="code", workflow_name="shop"
    ),
    "ael.mcp.request": lambda tracer: emitters.start_mcp_request(
        tracer, tool_name="charge", mcp_server="bank"
    ),
    "ael.code.exec": emitters.start_code_exec,
    "ael.model_call": lambda tracer: emitters.start_model_call(tracer, cost_source="table"),
    "ael.session": lambda tracer: emitters.start_session(tracer, **OF_SESSION, session_outcome="success"),
    "ael.session.turn": lambda tracer: emitters.start_session_turn(tracer, **OF_SESSION),
    "ael.session.tool": lambda tracer: emitters.start_session_tool(
        tracer, **OF_SESSION, session_call_outcome="error"
    ),
    "ael.session.subagent": lambda tracer: emitters.start_session_subagent(tracer, **OF_SESSION),
    "ael.session.idle": lambda tracer: emitters.start_session_idle(
        tracer, **OF_SESSION, session_idle_waiting=True
    ),
    "ael.session.message": lambda tracer: emitters.start_session_message(tracer, **OF_SESSION),
    "ael.session.decision": lambda tracer: emitters.start_session_decision(tracer, **OF_SESSION),
    "ael.session.error": lambda tracer: emitters.start_session_error(tracer, **OF_SESSION),
}


@pytest.mark.parametrize("spec", spans.ALL, ids=lambda spec: spec.type)
def test_a_starter_makes_the_span_of_the_registry(spec: spans.SpanSpec) -> None:
    """Name, kind and required attributes are the registry's, all of them before the sampler decides; none is opt-in."""
    sampler = Seen()
    traced = Traced(sampler)
    STARTS[spec.type](traced.tracer).end()
    span = traced.last
    index = (span.attributes or {}).get("ael.step.index", "")
    assert span.name == spec.name.replace("{ael.step.index}", str(index))
    assert span.kind is SpanKind[spec.kind.upper()]
    assert set(spec.required) <= set(span.attributes or {}) <= set(spec.attributes) - set(spec.opt_in)
    assert sampler.attributes == [dict(span.attributes or {})]


def test_opt_in_attributes_are_there_when_passed() -> None:
    """An opt-in attribute appears only when it is passed."""
    traced = Traced(Seen())
    emitters.start_mcp_request(
        traced.tracer, tool_name="x", gen_ai_tool_name="x", mcp_method_name="tools/call"
    ).end()
    assert {"gen_ai.tool.name", "mcp.method.name"} <= set(traced.last.attributes or {})


def test_a_cached_start_is_not_shared() -> None:
    """Two spans with the same start do not see each other's later attributes."""
    traced = Traced(Seen())
    for server in ("one", None):
        span = emitters.start_mcp_request(traced.tracer, tool_name="charge")
        emitters.update_mcp_request(span, mcp_server=server)
        span.end()
    assert "ael.mcp.server" not in (traced.last.attributes or {})


def test_update_sets_only_the_values_that_are_passed() -> None:
    """None changes nothing: an attribute that is set stays, one that is not set stays absent."""
    traced = Traced(Seen())
    span = STARTS["ael.step.code"](traced.tracer)
    emitters.update_step_code(span, step_status="skipped", step_skip_reason="when: no")
    emitters.update_step_code(span, step_attempt=2)
    span.end()
    late = {
        key: value
        for key, value in (traced.last.attributes or {}).items()
        if key not in spans.STEP_CODE.required
    }
    assert late == {
        "ael.workflow.name": "shop",
        "ael.step.status": "skipped",
        "ael.step.skip_reason": "when: no",
        "ael.step.attempt": 2,
    }


def test_a_failed_span_has_type_and_status() -> None:
    """Both error attributes and the status name the kind of error; there is no event and no message."""
    traced = Traced(Seen())
    span = emitters.start_code_exec(traced.tracer)
    emitters.fail_span(span, error_type="CODE_TIMEOUT")
    span.end()
    assert dict(traced.last.attributes or {}) == {
        "ael.error.type": "CODE_TIMEOUT",
        "error.type": "CODE_TIMEOUT",
    }
    assert traced.last.status.status_code is StatusCode.ERROR
    assert traced.last.events == ()


def test_a_span_that_is_not_recorded_costs_nothing() -> None:
    """Without sampling every call is harmless."""
    span = STARTS["ael.step.code"](Traced(ALWAYS_OFF).tracer)
    assert not span.is_recording()
    emitters.update_step_code(span, step_status="completed")
    emitters.fail_span(span, error_type="internal")
    emitters.add_retry(span, step_attempt=2, error_type="internal")


def test_the_context_decides_the_parent() -> None:
    """A starter takes the parent's context: an empty one starts a new trace."""
    traced = Traced(Seen())
    with traced.tracer.start_as_current_span("outer"):
        emitters.start_code_exec(traced.tracer, context=Context()).end()
        assert traced.last.parent is None
        emitters.start_code_exec(traced.tracer).end()
        assert traced.last.parent is not None


def test_an_event_is_a_record_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """The record carries name, component and the fields that were passed, and no other."""
    logger = logging.getLogger("test.emit")
    error = ValueError("declined")
    emitters.emit_execution_fail(
        logger,
        logging.ERROR,
        "failed: 100%",
        component="tool",
        execution_id="exec-1",
        status="error",
        error_type="TOOL_FAILED",
        duration_ms=0,
        exception=error,
        exception_message="declined",
    )
    (record,) = caplog.records
    assert record.getMessage() == "failed: 100%"
    assert (record.ael_event, record.ael_component) == (events.EXECUTION_FAIL.name, "tool")
    assert record.ael_fields == {"execution_id": "exec-1", "status": "error", "duration_ms": 0}
    assert (record.ael_error_type, record.ael_error_message) == ("TOOL_FAILED", "declined")
    assert record.exc_info[1] is error


def test_an_event_that_is_not_logged_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A logger that does not take the severity gets nothing, and nothing counts as emitted."""
    activity.reset()
    logger = logging.getLogger("test.emit.quiet")
    logger.setLevel(logging.ERROR)
    for severity in (logging.DEBUG, logging.ERROR):
        emitters.emit_telemetry_drop(
            logger,
            severity,
            "lost",
            component="telemetry",
            signal="logs",
            reason="queue_full",
            telemetry_dropped_items=3,
        )
    assert len(caplog.records) == 1
    assert activity.activities("events")[events.TELEMETRY_DROP.name].emitted == 1
    activity.reset()
