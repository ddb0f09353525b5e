"""Wrong uses of the generated API, each on a line that says so; both checkers find them (`test_typing.py`).

A line that ends in `# error` must be refused by mypy and by pyright, every other line must pass. The file is never run.
"""

import logging

from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, Tracer

from ael_otel._generated import metrics as registry
from ael_otel._generated.attributes import AEL_STEP_NAME, ErrorType, WorkflowStatus
from ael_otel._generated.emitters import (
    add_retry,
    emit_execution_fail,
    emit_step_retry,
    fail_span,
    start_mcp_request,
    start_step_tool_call,
    start_workflow,
    update_step_code,
)
from ael_otel._generated.metric_sets import MetricSets
from ael_otel.core.metrics import AelMetrics

LOGGER = logging.getLogger("typing")


def closed_sets(sets: MetricSets) -> None:
    """A label takes the values of its closed set and no others."""
    status: WorkflowStatus = "success"
    sets.workflow.bind(workflow="shop", status=status)
    sets.workflow.bind(workflow="shop", status="succes")  # error
    sets.step.bind(workflow="shop", step="pay", type="tool")  # error
    sets.error.bind(type="TOOL_BROKEN", component="tool")  # error
    sets.error.bind(type="timeout", component="workflow")  # error
    any_text = str(status)
    sets.tool.bind(tool="charge", status=any_text)  # error
    kind: ErrorType = "other"
    sets.error.bind(type=kind, component="mcp").add(errors=1)


def labels(sets: MetricSets) -> None:
    """Labels are keywords; each is due, and there are no others."""
    sets.tool.expect(tool="charge")
    sets.tool.bind("charge", "success")  # error
    sets.tool.bind(tool="charge")  # error
    sets.tool.bind(tool="charge", status="success", workflow="shop")  # error
    sets.tool.bind(tool="charge", status="success", execution_id="exec-1")  # error
    sets.tool.bind(tool=7, status="success")  # error
    sets.tool.expect(tool="charge", status="success")  # error
    sets.workflows.expect(workflow="shop")  # error


def measurements(sets: MetricSets) -> None:
    """A row has its own metrics, each with its type."""
    row = sets.tool.bind(tool="charge", status="success")
    row.record(duration=0.5, invocations=1)
    row.add(invocations=0.5)  # error
    row.add(executions=1)  # error
    row.add(duration=0.5)  # error
    row.record(invocations=1)  # error
    row.record(duration="0.5")  # error
    row.invocations = 3  # error
    sets.step.bind(workflow="shop", step="pay", type="code").record(duration=1.0)  # error


def spans(tracer: Tracer, span: Span) -> None:
    """A span starts with what it must have; what is optional is typed all the same."""
    start_workflow(tracer, workflow_name="shop", workflow_id=None)
    start_workflow(tracer, workflow_name="shop")  # error
    start_workflow(tracer, workflow_id="exec-1")  # error
    start_workflow(tracer, workflow_name=None, workflow_id=None)  # error
    start_step_tool_call(tracer, step_name="p", step_index="1", step_type="code", tool_name="x")  # error
    start_mcp_request(tracer, tool_name="charge", tool_source="elsewhere")  # error
    start_mcp_request(tracer, "charge")  # error
    start_mcp_request(tracer, tool_name="charge", params={"card": "4111"})  # error
    update_step_code(span, step_status="done")  # error
    update_step_code(span, step_name="pay")  # error
    fail_span(span, error_type="TOOL_FAILED")
    fail_span(span, error_type="boom")  # error
    add_retry(span, step_attempt=2, error_type="timeout")
    add_retry(span, step_attempt="2", error_type="timeout")  # error


def events() -> None:
    """An event has what it must have, by keyword."""
    emit_step_retry(
        LOGGER,
        logging.WARNING,
        "again",
        component="step",
        execution_id="exec-1",
        workflow_id="shop",
        step_id="pay",
        attempt=2,
        error_type="TOOL_FAILED",
    )
    emit_step_retry(LOGGER, logging.WARNING, "again", component="step", attempt=2)  # error
    emit_execution_fail(LOGGER, 40, "x", component="tool", execution_id="e", status="error")  # error


def constants() -> None:
    """Names and descriptions are constants."""
    registry.ERRORS.max_series = 9  # error
    registry.ERRORS.label_values["type"] = ()  # error
    assert AEL_STEP_NAME


def losses(metrics: AelMetrics, meter: Meter) -> None:
    """What is lost has a signal and a reason of the registry."""
    metrics.lost("traces", "queue_full")
    metrics.lost("spans", "queue_full")  # error
    metrics.lost("traces", "too much")  # error
    MetricSets(meter, print)
    MetricSets(meter, 3)  # error
