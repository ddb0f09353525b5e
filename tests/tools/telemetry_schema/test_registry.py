"""The registry says what the contracts of metrics, traces and logs say, and the generated code says the same."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from ael_otel._generated import SCHEMA_URL, SCHEMA_VERSION, attributes, events, metrics, spans
from ael_otel.prometheus import prometheus_label
from tests.support.contract import LOG_FIELDS
from tools.telemetry_schema.model import Registry

STATUS = ("success", "error", "timeout", "cancelled")

# Prometheus name, type in Prometheus, labels: the specification's table, written out on purpose.
CONTRACT = {
    "ael_workflow_executions_total": ("counter", ["workflow", "status"]),
    "ael_workflow_duration_seconds": ("histogram", ["workflow"]),
    "ael_tool_invocations_total": ("counter", ["tool", "status"]),
    "ael_tool_duration_seconds": ("histogram", ["tool"]),
    "ael_step_executions_total": ("counter", ["workflow", "step", "type"]),
    "ael_active_workflows": ("updowncounter", []),
    "ael_errors_total": ("counter", ["type", "component"]),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_metrics(name: str) -> None:
    """The seven metrics have exactly the names, types and labels of the contract, in its order."""
    instrument, labels = CONTRACT[name]
    spec = next(spec for spec in metrics.ALL if spec.prometheus == name)
    assert spec.instrument == instrument
    assert [prometheus_label(label) for label in spec.labels] == labels
    assert list(spec.labels) == labels


def test_every_metric_of_the_contract_is_there_once() -> None:
    """The contract is part of what is emitted, in one metric for each name; there may be more."""
    names = [spec.prometheus for spec in metrics.ALL]
    assert set(CONTRACT) <= set(names)
    assert len(names) == len(set(names))


def test_closed_labels() -> None:
    """Labels with a closed set have exactly the values of the contract."""
    assert metrics.WORKFLOW_EXECUTIONS.label_values == {"status": STATUS}
    assert metrics.TOOL_INVOCATIONS.label_values == {"status": STATUS}
    assert metrics.STEP_EXECUTIONS.label_values == {"type": ("tool_call", "code", "workflow")}
    assert metrics.ERRORS.label_values["component"] == (
        "workflow_engine",
        "step",
        "tool",
        "mcp",
        "sandbox",
        "store",
        "telemetry",
    )
    assert {"timeout", "cancelled", "internal", "other", "TOOL_TIMEOUT"} <= set(
        metrics.ERRORS.label_values["type"]
    )


def test_durations_are_measured_up_to_ten_minutes_and_more() -> None:
    """Histograms count seconds and tell runs of ten minutes apart from longer ones."""
    for spec in (metrics.WORKFLOW_DURATION, metrics.TOOL_DURATION):
        assert spec.unit == "s"
        assert spec.buckets is not None
        assert spec.buckets[0] <= 0.01
        assert 600 in spec.buckets


def test_the_contract_spans() -> None:
    """Span names, kinds and the attributes that every one of them has are those of the contract."""
    of_runs = [spec for spec in spans.ALL if not spec.type.startswith("ael.session")]
    assert [(spec.name, spec.kind) for spec in of_runs] == [
        ("Workflow Execution", "internal"),
        ("Step {ael.step.index}: tool_call", "internal"),
        ("Step {ael.step.index}: code_execution", "internal"),
        ("MCP Request", "client"),
        ("Python Exec", "internal"),
        ("Model Call", "client"),
    ]
    assert [spec.name for spec in spans.ALL if spec not in of_runs] == [
        "session",
        "turn",
        "tool.execute",
        "subagent",
        "enforcement.idle",
        "enforcement.message",
        "decision",
        "error",
    ]
    assert spans.step_tool_call_name(1) == "Step 1: tool_call"
    assert spans.step_code_name(2) == "Step 2: code_execution"
    assert {"ael.workflow.name", "ael.workflow.id"} <= set(spans.WORKFLOW.required)
    assert {"ael.step.name", "ael.step.type", "ael.tool.name"} <= set(spans.STEP_TOOL_CALL.required)
    assert {"ael.tool.name", "ael.mcp.server"} <= set(spans.MCP_REQUEST.attributes)
    assert spans.SPAN_EVENT_RETRY == "retry"
    assert spans.STEP_CODE.events == spans.STEP_TOOL_CALL.events == ("retry", "decision")


def test_names_of_the_genai_convention_are_on_request(registry: Registry) -> None:
    """Names of conventions that still change are set only where the user asks for them; content only for who wants."""
    borrowed = [
        attribute
        for span in registry.spans
        for attribute in span.attributes
        if attribute.key.startswith(("gen_ai.", "mcp."))
    ]
    assert borrowed
    for attribute in borrowed:
        if attribute.ael.sensitivity == "content":
            assert attribute.condition == "if spans are to carry content"
        else:
            assert attribute.requirement_level == "opt_in"


def test_the_log_contract() -> None:
    """The fields of every line and their order are those of the contract."""
    assert events.LOG_FIELDS == LOG_FIELDS
    assert "ael.execution.fail" in {spec.name for spec in events.ALL}


def test_ids_of_runs_are_no_labels(registry: Registry) -> None:
    """What names one run, trace or message is marked unbounded, so that the label rule refuses it."""
    unbounded = {
        attribute.key for attribute in registry.attributes if attribute.ael.cardinality == "unbounded"
    }
    assert {
        "ael.workflow.id",
        "execution_id",
        "trace_id",
        "span_id",
        "message",
        "ael.code.sha256",
    } <= unbounded


def test_upstream_keys_exist_upstream(registry: Registry) -> None:
    """Attributes taken from OpenTelemetry are spelt as its own package spells them."""
    package = f"{sys.prefix}/lib"
    found = subprocess.run(
        [sys.executable, "-c", _PRINT_SEMCONV_KEYS], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(found) > 500, (
        f"semantic conventions {version('opentelemetry-semantic-conventions')} in {package}"
    )
    borrowed = {attribute.key for attribute in registry.attributes if attribute.upstream}
    # Newer than the package: the GenAI conventions left the repository that it is made from.
    assert borrowed - set(found) <= {
        "gen_ai.workflow.name",
        "gen_ai.usage.cache_write.input_tokens",
        "mcp.method.name",
    }


# In a process of its own: importing every convention warns of those that moved.
_PRINT_SEMCONV_KEYS = """
import importlib, pkgutil, warnings
warnings.simplefilter("ignore")
from opentelemetry.semconv import attributes
from opentelemetry.semconv._incubating import attributes as incubating
for package in (attributes, incubating):
    for module in pkgutil.iter_modules(package.__path__):
        for name, value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).items():
            if name.isupper() and isinstance(value, str):
                print(value)
"""


def test_generated_specs_match_the_registry(registry: Registry) -> None:
    """Each description in the code is the registry's, field by field."""
    assert (registry.schema_url, registry.version) == (SCHEMA_URL, SCHEMA_VERSION)
    for spec, metric in zip(metrics.ALL, registry.metrics, strict=True):
        assert (spec.name, spec.prometheus, spec.unit, spec.instrument, spec.description) == (
            metric.name,
            metric.prometheus,
            metric.unit,
            metric.instrument,
            metric.brief,
        )
        assert spec.labels == tuple(label.key for label in metric.attributes)
        assert (spec.buckets or ()) == metric.ael.buckets
        assert spec.max_series == metric.ael.max_series
    for span_spec, span in zip(spans.ALL, registry.spans, strict=True):
        assert (span_spec.type, span_spec.name, span_spec.kind) == (span.type, span.name, span.kind)
        assert span_spec.attributes == tuple(attribute.key for attribute in span.attributes)
    for event_spec, event in zip(events.ALL, registry.events, strict=True):
        assert event_spec.name == event.name
        assert event_spec.attributes == tuple(attribute.key for attribute in event.attributes)


def test_generated_constants_are_the_keys(registry: Registry) -> None:
    """Every attribute has one constant with its key as the value, and closed sets have their values."""
    for attribute in registry.attributes:
        if not attribute.ael.bare_key:
            assert getattr(attributes, attribute.key.replace(".", "_").upper()) == attribute.key
    assert attributes.WORKFLOW_STATUS_VALUES == STATUS
    assert attributes.LABEL_WORKFLOW == "workflow"


def test_descriptions_cannot_be_changed() -> None:
    """A description is shared by everything that emits, so nothing can set a field or a label's values."""
    with pytest.raises(AttributeError):
        metrics.ERRORS.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        metrics.ERRORS.label_values["type"] = ()  # type: ignore[index]


def test_generated_code_imports_nothing_heavy() -> None:
    """The names cost no import of the toolchain, of YAML or of OpenTelemetry."""
    code = (
        "import sys; from ael_otel._generated import attributes, events, metrics, spans; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = ("opentelemetry", "yaml", "msgspec", "tools.telemetry_schema")
    assert [name for name in loaded if name.startswith(heavy)] == []
