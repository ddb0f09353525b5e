"""Emitted telemetry that is not as the registry says is found, whatever is wrong with it."""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from ael_otel._generated import SCHEMA_URL, events, metrics, scopes, spans
from ael_otel._generated import attributes as attr
from ael_otel.sdk.logs import RunLogHandler
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.check import LiveCheck, Report
from tools.telemetry_schema.live.coverage import Gap, read_gaps
from tools.telemetry_schema.live.sources import from_file, from_logs, from_metrics, from_spans
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.project import packaged_registry

RESOURCE = {
    attr.SERVICE_NAME: "shop",
    attr.SERVICE_INSTANCE_ID: "627cc493-f310-47de-96bd-71410b7dec09",
    attr.AEL_ENGINE_VERSION: "1.7.0",
    attr.AEL_OTEL_VERSION: "0.1.0",
}
RUN = {attr.AEL_WORKFLOW_NAME: "shop", attr.AEL_WORKFLOW_ID: "exec-1", attr.AEL_WORKFLOW_STATUS: "success"}
STEP = {
    attr.AEL_WORKFLOW_NAME: "shop",
    attr.AEL_STEP_NAME: "pay",
    attr.AEL_STEP_INDEX: 1,
    attr.AEL_STEP_TYPE: "tool_call",
    attr.AEL_STEP_STATUS: "completed",
    attr.AEL_TOOL_NAME: "charge",
}
LINE = {"component": "engine", "workflow_id": "shop", "execution_id": "exec-1"}
FAIL = {**LINE, "component": "tool", "status": "error", "error_type": "TOOL_FAILED", "duration_ms": 4}


class Emitter:
    """The SDK in memory: emits as the package does, or wrongly."""

    def __init__(
        self, resource: Mapping[str, Any] = RESOURCE, scope: str = scopes.AEL, url: str = SCHEMA_URL
    ) -> None:
        where = Resource.create(dict(resource))
        self.spans, self.logs, self.reader = (
            InMemorySpanExporter(),
            InMemoryLogRecordExporter(),
            InMemoryMetricReader(),
        )
        traces = TracerProvider(resource=where)
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = traces.get_tracer(scope, "1", schema_url=url)
        self.meter = MeterProvider([self.reader], resource=where).get_meter(scope, "1", url)
        self.log_provider = LoggerProvider(resource=where)
        self.log_provider.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.logger = self.log_provider.get_logger(scopes.AEL_LOG if scope == scopes.AEL else scope, "1", url)

    def span(
        self,
        name: str = spans.WORKFLOW.name,
        attributes: Mapping[str, Any] = RUN,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        status: StatusCode = StatusCode.UNSET,
        events: tuple[tuple[str, dict[str, Any]], ...] = (),
    ) -> None:
        """Emit a span."""
        with self.tracer.start_as_current_span(name, kind=kind, attributes=dict(attributes)) as span:
            span.set_status(Status(status))
            for each in events:
                span.add_event(*each)

    def count(self, spec: metrics.MetricSpec, labels: Mapping[str, Any], amount: int | float = 1) -> None:
        """Emit a metric as a specification says."""
        if spec.instrument == "histogram":
            made = self.meter.create_histogram(
                spec.name, spec.unit, spec.description, explicit_bucket_boundaries_advisory=spec.buckets
            )
            made.record(amount, dict(labels))
        elif spec.instrument == "counter":
            self.meter.create_counter(spec.name, spec.unit, spec.description).add(amount, dict(labels))
        elif spec.instrument == "gauge":
            self.meter.create_gauge(spec.name, spec.unit, spec.description).set(amount, dict(labels))
        else:
            made = self.meter.create_up_down_counter(spec.name, spec.unit, spec.description)
            made.add(amount, dict(labels))

    def log(
        self, attributes: Mapping[str, Any] = LINE, event: str | None = None, body: str = "It happened"
    ) -> None:
        """Emit a log record."""
        self.logger.emit(
            LogRecord(
                timestamp=1,
                severity_text="INFO",
                severity_number=SeverityNumber.INFO,
                body=body,
                event_name=event,
                attributes=dict(attributes),
            )
        )


type Emit = Callable[[Emitter], object]


def check(registry: Registry, emit: Emit, *, gaps: tuple[Gap, ...] = (), **more: Any) -> Report:
    """What the live check says of what `emit` emits."""
    emitter = Emitter(**more)
    emit(emitter)
    live = LiveCheck(registry, canaries=["canary-77"], gaps=gaps)
    live.feed(from_spans(emitter.spans.get_finished_spans()))
    live.feed(from_metrics(emitter.reader.get_metrics_data()))
    live.feed(from_logs(emitter.logs.get_finished_logs()))
    return live.report()


def some_values(spec: metrics.MetricSpec) -> dict[str, Any]:
    """A value that the registry allows for each label of a metric."""
    metric = next(each for each in packaged_registry().metrics if each.name == spec.name)
    by_type = {"string": "shop", "int": 1, "double": 1.0, "boolean": True}
    return {label.key: (label.values or (by_type[label.type],))[0] for label in metric.attributes}


def good(emitter: Emitter) -> None:
    """Emit one of everything that the registry recommends, as it says."""
    failed = {attr.AEL_ERROR_TYPE: "TOOL_FAILED", attr.ERROR_TYPE: "TOOL_FAILED"}
    retry = (spans.SPAN_EVENT_RETRY, {attr.AEL_STEP_ATTEMPT: 2, attr.AEL_ERROR_TYPE: "TOOL_FAILED"})
    decided = {attr.AEL_DECISION_KIND: "when", attr.AEL_DECISION_OUTCOME: "met"}
    step_events = (retry, (spans.SPAN_EVENT_DECISION, decided))
    emitter.span()
    emitter.span(attributes={**RUN, attr.AEL_WORKFLOW_STATUS: "error", **failed}, status=StatusCode.ERROR)
    emitter.span(spans.step_tool_call_name(1), STEP, events=step_events)
    tolerated = {attr.AEL_STEP_STATUS: "skipped", attr.AEL_ERROR_TYPE: "TOOL_FAILED"}
    emitter.span(spans.step_tool_call_name(1), {**STEP, **tolerated})
    code = {key: value for key, value in STEP.items() if key != attr.AEL_TOOL_NAME} | {
        attr.AEL_STEP_TYPE: "code"
    }
    emitter.span(spans.step_code_name(1), code, events=step_events)
    call = {attr.AEL_TOOL_NAME: "charge", attr.AEL_TOOL_SOURCE: "tool_step", attr.AEL_MCP_SERVER: "bank"}
    emitter.span(spans.MCP_REQUEST.name, call, SpanKind.CLIENT)
    emitter.span(spans.CODE_EXEC.name, {})
    for spec in metrics.ALL:
        emitter.count(spec, some_values(spec), 1)
    emitter.log()
    emitter.log(FAIL, events.EXECUTION_FAIL.name)
    step = {**LINE, "step_id": "pay"}
    emitter.log({**step, attr.AEL_STEP_SKIP_REASON: "when condition not met"}, events.STEP_SKIP.name)
    emitter.log({**step, "attempt": 2, "error_type": "TOOL_FAILED"}, events.STEP_RETRY.name)
    emitter.log({**step, **decided}, events.STEP_DECIDE.name)
    drop = {"signal": "logs", "reason": "queue_full", attr.AEL_TELEMETRY_DROPPED_ITEMS: 3}
    emitter.log({"component": "telemetry", **drop}, events.TELEMETRY_DROP.name)
    reload = {attr.AEL_CONFIG_TRIGGER: "reload", "status": "success"}
    emitter.log({"component": "workflow_engine", **reload}, events.CONFIG_RELOAD.name)
    before = {attr.AEL_OTEL_PREVIOUS_VERSION: "0.0.1", attr.AEL_ENGINE_PREVIOUS_VERSION: "1.6.0"}
    emitter.log({"component": "telemetry", **before}, events.VERSION_CHANGE.name)


def test_what_is_as_declared_passes(registry: Registry) -> None:
    """Telemetry that keeps to the registry has no violation and covers all of it: the cases below mean something."""
    report = check(registry, good)
    assert [str(finding) for finding in report.violations] == []
    assert report.coverage.missing() == []
    assert report.coverage.share() == 1


def spec(original: metrics.MetricSpec, **changes: Any) -> metrics.MetricSpec:
    """A specification that somebody has changed in the code and not in the registry."""
    return dataclasses.replace(original, **changes)


ERROR = {"type": "TOOL_FAILED", "component": "tool"}
WORKFLOW = spans.WORKFLOW.name

# What is done wrong -> the finding, what it is on, part of what it says.
WRONG: dict[str, tuple[Emit, str, str, str]] = {
    "metric renamed in code": (
        lambda e: e.count(spec(metrics.ERRORS, name="ael.faults"), ERROR),
        "missing_metric",
        "ael.faults",
        "define it in metrics.yaml",
    ),
    "unit changed": (
        lambda e: e.count(spec(metrics.ERRORS, unit="{fault}"), ERROR),
        "unit_mismatch",
        "ael.errors",
        "should be '{error}', but found '{fault}'",
    ),
    "instrument changed": (
        lambda e: e.count(spec(metrics.ERRORS, instrument="updowncounter"), ERROR),
        "unexpected_instrument",
        "ael.errors",
        "should be 'counter'",
    ),
    "buckets changed": (
        lambda e: e.count(spec(metrics.TOOL_DURATION, buckets=(1.0, 2.0)), {"tool": "charge"}),
        "bucket_mismatch",
        "ael.tool.duration",
        "not those of the registry",
    ),
    "double where whole numbers are declared": (
        lambda e: e.count(metrics.ERRORS, ERROR, 1.5),
        "type_mismatch",
        "ael.errors",
        "the registry says int",
    ),
    "label missing": (
        lambda e: e.count(metrics.ERRORS, {"type": "TOOL_FAILED"}),
        "required_attribute_not_present",
        "ael.errors",
        "'component'",
    ),
    "label of another metric": (
        lambda e: e.count(metrics.ERRORS, {**ERROR, "workflow": "shop"}),
        "unexpected_attribute",
        "ael.errors",
        "'workflow' is in the registry, but not on ael.errors",
    ),
    "label that does not exist": (
        lambda e: e.count(metrics.ERRORS, {**ERROR, "customer": "ada"}),
        "missing_attribute",
        "ael.errors",
        "'customer' does not exist",
    ),
    "execution id on a metric": (
        lambda e: e.count(metrics.ERRORS, {**ERROR, "execution_id": "exec-1"}),
        "unbounded_attribute",
        "ael.errors",
        "keep it to spans and events",
    ),
    "another id on a metric": (
        lambda e: e.count(metrics.ERRORS, {**ERROR, "session.id": "s-1"}),
        "unbounded_attribute",
        "ael.errors",
        "'session.id'",
    ),
    "label value outside the closed set": (
        lambda e: e.count(metrics.ERRORS, {**ERROR, "component": "kitchen"}),
        "undefined_enum_variant",
        "ael.errors",
        "outside its closed set workflow_engine",
    ),
    "overflow series": (
        lambda e: e.count(metrics.ERRORS, {"otel.metric.overflow": True}),
        "max_series_exceeded",
        "ael.errors",
        "the overflow series among them",
    ),
    "set over max_series": (
        lambda e: [e.count(metrics.WORKFLOW_DURATION, {"workflow": f"w{number}"}) for number in range(101)],
        "max_series_exceeded",
        "ael.workflow.duration",
        "101 series; the registry allows 100",
    ),
    "span that does not exist": (
        lambda e: e.span("Coffee Break", {}),
        "missing_span",
        "Coffee Break",
        "define it in spans.yaml",
    ),
    "span of another kind": (
        lambda e: e.span(kind=SpanKind.SERVER),
        "unexpected_kind",
        WORKFLOW,
        "the registry says internal",
    ),
    "span without a required attribute": (
        lambda e: e.span(attributes={attr.AEL_WORKFLOW_NAME: "shop"}),
        "required_attribute_not_present",
        WORKFLOW,
        "'ael.workflow.id'",
    ),
    "undeclared attribute": (
        lambda e: e.span(attributes={**RUN, "ael.workflow.colour": "red"}),
        "missing_attribute",
        WORKFLOW,
        "define it in ael_otel/registry or drop it",
    ),
    "attribute of another span": (
        lambda e: e.span(attributes={**RUN, attr.AEL_TOOL_NAME: "charge"}),
        "unexpected_attribute",
        WORKFLOW,
        "not on Workflow Execution",
    ),
    "enum value outside the set": (
        lambda e: e.span(attributes={**RUN, attr.AEL_WORKFLOW_STATUS: "done"}),
        "undefined_enum_variant",
        WORKFLOW,
        "success, error, timeout, cancelled",
    ),
    "attribute of another type": (
        lambda e: e.span(attributes={**RUN, attr.AEL_WORKFLOW_NAME: 7}),
        "type_mismatch",
        WORKFLOW,
        "is int; the registry says string",
    ),
    "name that says otherwise": (
        lambda e: e.span("Step 2: tool_call", STEP),
        "name_mismatch",
        "Step 2: tool_call",
        "'ael.step.index' is another value",
    ),
    "event on a span that has none": (
        lambda e: e.span(events=(("retry", {}),)),
        "unexpected_span_event",
        WORKFLOW,
        "'retry'",
    ),
    "failure without a type": (
        lambda e: e.span(status=StatusCode.ERROR),
        "error_without_type",
        WORKFLOW,
        "a failure has both",
    ),
    "tolerated failure that is one": (
        lambda e: e.span(
            spans.step_tool_call_name(1),
            {**STEP, attr.AEL_ERROR_TYPE: "timeout"},
            status=StatusCode.ERROR,
        ),
        "error_without_type",
        "Step 1: tool_call",
        "a failure has both",
    ),
    "tolerated failure that says more": (
        lambda e: e.span(
            spans.step_tool_call_name(1),
            {**STEP, attr.AEL_ERROR_TYPE: "timeout", attr.ERROR_TYPE: "timeout"},
        ),
        "error_without_type",
        "Step 1: tool_call",
        "a failure that was tolerated only the first",
    ),
    "type without a failure": (
        lambda e: e.span(attributes={**RUN, attr.AEL_ERROR_TYPE: "timeout", attr.ERROR_TYPE: "timeout"}),
        "error_without_type",
        WORKFLOW,
        "a success neither",
    ),
    "secret in a parameter": (
        lambda e: e.span(attributes={**RUN, "params.password": "hunter-2"}),
        "sensitive_value",
        WORKFLOW,
        "'params.password' of Workflow Execution holds a value under the name of a secret",
    ),
    "secret in a declared attribute": (
        lambda e: e.span(attributes={**RUN, attr.AEL_WORKFLOW_NAME: "Bearer " + "abcdef123456"}),
        "sensitive_value",
        WORKFLOW,
        "a secret of the rule bearer",
    ),
    "canary in a span name": (
        lambda e: e.span("run canary-77"),
        "sensitive_value",
        "run canary-77",
        "a planted canary",
    ),
    "secret in a message": (
        lambda e: e.log(body="connect to postgres://ael:" + "hunter2@db"),
        "sensitive_value",
        "a log line",
        "a secret of the rule url_credentials",
    ),
    "event that does not exist": (
        lambda e: e.log(event="ael.coffee.drink"),
        "missing_event",
        "ael.coffee.drink",
        "define it in logs.yaml",
    ),
    "event without a required attribute": (
        lambda e: e.log({**LINE, "step_id": "pay"}, events.STEP_SKIP.name),
        "required_attribute_not_present",
        "ael.step.skip",
        "'ael.step.skip_reason'",
    ),
    "name of an event as an attribute": (
        lambda e: e.log({**LINE, "event_name": "ael.step.skip"}),
        "unexpected_attribute",
        "a log line",
        "a member of the record, no attribute",
    ),
    "log field that does not exist": (
        lambda e: e.log({**LINE, "arguments": "{}"}),
        "missing_attribute",
        "a log line",
        "'arguments' does not exist",
    ),
    "line that says not where it is from": (
        lambda e: e.log({"workflow_id": "shop"}),
        "required_attribute_not_present",
        "a log line",
        "'component'",
    ),
    "event in a closed set's stead": (
        lambda e: e.log({**FAIL, "status": "completed"}, events.EXECUTION_FAIL.name),
        "undefined_enum_variant",
        "ael.execution.fail",
        "success, error, timeout, cancelled",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_as_declared_is_a_violation(case: str, registry: Registry) -> None:
    """Each way in which code can drift from the registry is a violation that names the signal and says what to do."""
    emit, finding, name, says = WRONG[case]
    report = check(registry, emit)
    found = [each for each in report.violations if each.id == finding]
    assert any(each.signal_name == name and says in each.message for each in found), report.summary()
    assert "hunter" not in json.dumps([each.as_json() for each in report.violations])


def test_a_metric_renamed_in_the_running_code_is_found(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A specification that was changed in the generated module, behind the registry's back, does not pass."""
    monkeypatch.setattr(metrics, "ERRORS", spec(metrics.ERRORS, name="ael.faults"))
    report = check(registry, lambda e: e.count(metrics.ERRORS, ERROR))
    assert [(each.id, each.signal_name) for each in report.violations] == [("missing_metric", "ael.faults")]


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ({"scope": "ael.kitchen"}, "missing_scope"),
        ({"scope": "kitchen"}, "missing_scope"),
        ({"url": ""}, "missing_schema_url"),
        ({"url": "https://schemas.example/other/9.9.9"}, "schema_url_mismatch"),
        ({"resource": {attr.SERVICE_NAME: "shop"}}, "entity_recommended_attribute_not_present"),
        ({"resource": {**RESOURCE, "ael.kitchen.size": 4}}, "missing_attribute"),
        ({"resource": {**RESOURCE, attr.AEL_ENGINE_VERSION: 7}}, "type_mismatch"),
    ],
)
def test_who_emits_is_checked(more: dict[str, Any], finding: str, registry: Registry) -> None:
    """A scope nobody declared, a schema of another version and a resource without the engine are found."""
    assert finding in {each.id for each in check(registry, Emitter.span, **more).findings}


def test_a_signal_needs_the_entity_it_is_about(registry: Registry) -> None:
    """Without the instance on the resource, a metric about it cannot be distinguished from that of another process."""
    emitter = Emitter()
    emitter.count(metrics.ERRORS, ERROR)
    live = LiveCheck(registry)
    for batch in from_metrics(emitter.reader.get_metrics_data()):
        batch.resource.attributes.pop(attr.SERVICE_INSTANCE_ID)
        live.feed([batch])
    found = {each.id for each in live.report().violations}
    assert {"entity_association_not_satisfied", "entity_required_attribute_not_present"} <= found


def test_a_foreign_scope_is_let_through_but_not_with_names_of_ours(registry: Registry) -> None:
    """What another library emits is its own affair, unless it takes our names or leaks a secret."""
    report = check(
        registry, lambda e: e.span("GET /", {"http.route": "/"}), scope="opentelemetry.instrumentation.asgi"
    )
    assert report.violations == []

    def ours(emitter: Emitter) -> None:
        emitter.count(metrics.ERRORS, ERROR)
        emitter.log(event="ael.step.skip")
        emitter.span("GET /", {"http.request.header.authorization": "abc"})

    report = check(registry, ours, scope="fastmcp")
    assert {each.id for each in report.violations} == {"illegal_namespace", "sensitive_value"}


def test_a_metric_under_the_scope_of_logs_is_found(registry: Registry) -> None:
    """A scope emits the kinds of signals that it is declared for, and no other."""
    report = check(registry, lambda e: e.count(metrics.ERRORS, ERROR), scope=scopes.AEL_LOG)
    assert [each.id for each in report.violations] == ["unexpected_signal"]


def test_levels_are_those_of_weaver(registry: Registry) -> None:
    """What only could be better, or is not stable yet, is no violation."""
    report = check(
        registry,
        lambda e: e.span(attributes={key: RUN[key] for key in RUN if key != attr.AEL_WORKFLOW_STATUS}),
    )
    levels = {each.id: each.level for each in report.findings}
    assert levels["recommended_attribute_not_present"] == "improvement"
    assert levels["conditionally_required_attribute_not_present"] == "information"
    assert levels["not_stable"] == "improvement"
    assert report.violations == []


def without(*names: str) -> Emit:
    """Emit everything but the events of these names."""

    def emit(emitter: Emitter) -> None:
        log = emitter.log
        emitter.log = lambda *args: None if args[1:2] and args[1] in names else log(*args)  # type: ignore[method-assign]
        good(emitter)

    return emit


def test_an_event_never_emitted_fails_the_coverage(registry: Registry) -> None:
    """A declared event that no code emits any more is named, with what can be done about it."""
    report = check(registry, without("ael.step.skip"))
    assert report.violations == []
    (problem,) = report.coverage.problems(())
    assert problem == (
        "events: ael.step.skip: declared and never seen; emit it, make it opt_in, or declare the gap in "
        "tools/telemetry_schema/gaps.yaml"
    )
    assert 0.9 < report.coverage.share() < 1


@pytest.mark.parametrize("amount", [0, 2])
@pytest.mark.parametrize(
    "metric", [each for each in metrics.ALL if each.instrument != "histogram"], ids=lambda metric: metric.name
)
def test_a_metric_that_stays_zero_was_not_seen(
    registry: Registry, metric: metrics.MetricSpec, amount: int
) -> None:
    """Zeros are emitted in advance, also of what goes up and down: they do not prove that anything is called."""
    report = check(registry, lambda e: e.count(metric, some_values(metric), amount))
    declared = next(each for each in registry.metrics if each.name == metric.name)
    expected = amount == 0 and declared.requirement_level == "recommended"
    assert (("metrics", metric.name) in report.coverage.missing()) == expected


def test_a_forgotten_call_of_a_gauge_is_found(registry: Registry) -> None:
    """A bound gauge that nobody sets is named, with the call that is missing and where a gap is declared."""
    metric = next(each for each in registry.metrics if each.name == metrics.ACTIVE_WORKFLOWS.name)
    gauge = msgspec.structs.replace(metric, instrument="gauge", name="ael.queue.size")
    changed = msgspec.structs.replace(registry, metrics=(*registry.metrics, gauge))

    def emit(emitter: Emitter, value: int) -> None:
        good(emitter)
        emitter.count(spec(metrics.ACTIVE_WORKFLOWS, name="ael.queue.size", instrument="gauge"), {}, value)

    (problem,) = check(changed, lambda emitter: emit(emitter, 0)).coverage.problems(())
    assert problem == (
        "metrics: ael.queue.size: declared and never seen with a value; call its metric set's `add` or `record` where "
        "it happens (a zero is exported without a call), make it opt_in, or declare the gap in "
        "tools/telemetry_schema/gaps.yaml"
    )
    assert check(changed, lambda emitter: emit(emitter, 1)).coverage.problems(()) == []


def test_a_declared_gap_excuses_and_is_not_outlived(registry: Registry) -> None:
    """A declared gap passes while it is one, fails once the signal is seen, and fails for what does not exist."""
    gap = Gap(section="events", name="ael.step.skip", reason="nothing skips yet")
    assert check(registry, without("ael.step.skip")).coverage.problems((gap,)) == []
    assert check(registry, good).coverage.problems((gap,)) == [
        "events: ael.step.skip: is declared as a gap and was seen; remove the gap"
    ]
    other = Gap(section="events", name="ael.coffee.drink", reason="-")
    assert check(registry, good).coverage.problems((other,)) == [
        "events: ael.coffee.drink: is declared as a gap but is not a recommended signal; remove the gap"
    ]


def test_gaps_are_read_from_a_file(tmp_path: Path) -> None:
    """The list is YAML; without a file there are none, and a wrong entry is named."""
    path = tmp_path / "gaps.yaml"
    assert read_gaps(path) == ()
    path.write_text("gaps:\n  - {section: events, name: ael.x, reason: later}\n", "utf-8")
    assert read_gaps(path) == (Gap(section="events", name="ael.x", reason="later"),)
    path.write_text("gaps:\n  - {section: events, name: ael.x}\n", "utf-8")
    with pytest.raises(SchemaError, match=r"gaps\.yaml: is not a list of gaps .*reason"):
        read_gaps(path)


def test_the_report_has_weavers_shape(registry: Registry) -> None:
    """Samples carry their findings as weaver writes them, and the statistics have its fields beside ours."""
    report = check(registry, WRONG["undeclared attribute"][0]).as_json()
    kinds = [next(iter(sample)) for sample in report["samples"]]
    assert kinds == ["resource", "instrumentation_scope", "span"]
    span = report["samples"][2]["span"]
    bad = next(each for each in span["attributes"] if each["name"] == "ael.workflow.colour")
    assert bad["live_check_result"] == {
        "all_advice": [
            {
                "type": "PolicyFinding",
                "id": "missing_attribute",
                "context": {"attribute_key": "ael.workflow.colour"},
                "message": "Attribute 'ael.workflow.colour' does not exist in the registry; "
                "define it in ael_otel/registry or drop it.",
                "level": "violation",
                "signal_type": "span",
                "signal_name": "Workflow Execution",
            }
        ],
        "highest_advice_level": "violation",
    }
    statistics = report["statistics"]
    assert statistics["advice_type_counts"]["missing_attribute"] == 1
    assert statistics["seen_non_registry_attributes"]["ael.workflow.colour"] == 1
    assert statistics["seen_registry_spans"]["ael.workflow"] == 1
    assert statistics["seen_registry_metrics"]["ael.errors"] == 0
    assert json.loads(json.dumps(report))


def otlp(*parts: dict[str, Any]) -> dict[str, Any]:
    """An OTLP/JSON document with spans, as a Collector writes it."""
    sdk = {f"telemetry.sdk.{key}": key for key in ("name", "language", "version")}
    resource = [{"key": key, "value": {"stringValue": value}} for key, value in (RESOURCE | sdk).items()]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": resource},
                "scopeSpans": [{"scope": {"name": "ael"}, "schemaUrl": SCHEMA_URL, "spans": list(parts)}],
            }
        ]
    }


def test_files_are_read_whole_or_line_by_line(registry: Registry, tmp_path: Path) -> None:
    """OTLP/JSON is read as one document, as a list, and as one document a line; enums as numbers or names."""
    run = {
        "name": WORKFLOW,
        "kind": 1,
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in RUN.items()],
    }
    named = run | {"kind": "SPAN_KIND_SERVER"}
    for text in (
        json.dumps(otlp(run, named), indent=1),
        json.dumps([otlp(run), otlp(named)]),
        f"{json.dumps(otlp(run))}\n\n{json.dumps(otlp(named))}\n",
    ):
        path = tmp_path / "spans.json"
        path.write_text(text, "utf-8")
        live = LiveCheck(registry)
        live.feed(from_file(path))
        report = live.report()
        assert report.items == 2
        assert [each.id for each in report.violations] == ["unexpected_kind"]


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"resourceSpans": []}'])
def test_a_file_of_something_else_is_an_error(text: str, tmp_path: Path) -> None:
    """A file that holds no telemetry never passes as telemetry without findings."""
    path = tmp_path / "other.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SchemaError, match=r"is not OTLP/JSON|is not JSON"):
        from_file(path)


def test_the_log_handler_names_events_in_the_record(registry: Registry) -> None:
    """An event that the package logs has its name in the record's own member, not among the attributes."""
    emitter = Emitter()
    handler = RunLogHandler(provider=emitter.log_provider)
    record = logging.LogRecord("ael.lifecycle", logging.INFO, __file__, 1, "step pay skipped", (), None)
    record.ael_component, record.ael_event = "step", events.STEP_SKIP.name
    handler.emit(record)
    (sent,) = emitter.logs.get_finished_logs()
    assert sent.log_record.event_name == "ael.step.skip"
    assert "event_name" not in (sent.log_record.attributes or {})
    live = LiveCheck(registry)
    live.feed(from_logs([sent]))
    assert live.report().coverage.seen["events"]["ael.step.skip"] == 1
