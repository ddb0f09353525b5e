"""A recorder with in-memory outputs: the span, metrics, log record and store event of each frame."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from ael_otel.core.faults import RAISE_FAULTS_VARIABLE, forget_reported_faults
from ael_otel.core.metrics import AelMetrics
from ael_otel.lifecycle import Recorder
from ael_otel.store import ExecutionRecord, MemoryStore, StepRecord, ToolCallRecord
from tests.support.metrics import points_of

CONTRACT = frozenset(
    {
        "ael.workflow.executions",
        "ael.workflow.duration",
        "ael.tool.invocations",
        "ael.tool.duration",
        "ael.step.executions",
        "ael.active_workflows",
        "ael.errors",
        "ael.telemetry.dropped",
    }
)
"""The published seven, and drops: a further metric must not break a test of these counts."""

type Tree = dict[str, Any]

ends_with = pytest.raises
"""For bodies of more than one statement: a run is opened, runs a step and fails."""


class EventStore(MemoryStore):
    """A memory store that also records its events in order; `fails` makes it raise."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.fails = False

    def _record_event(self, event: str) -> None:
        self.events.append(event)
        if self.fails:
            raise OSError("disk full")

    def start_execution(self, record: ExecutionRecord) -> None:
        """Keep and note it."""
        if record.status == "running":
            self._record_event(f"start {record.execution_id}")
        super().start_execution(record)

    def step_changed(self, record: ExecutionRecord, step: StepRecord) -> None:
        """Note it."""
        self._record_event(f"step {step.step_id} {step.status}")

    def tool_call_finished(self, record: ExecutionRecord, call: ToolCallRecord) -> None:
        """Note it."""
        self._record_event(f"call {call.tool_name} {call.status}")

    def finish_execution(self, record: ExecutionRecord) -> None:
        """Keep and note it."""
        self._record_event(f"finish {record.execution_id} {record.status}")
        super().finish_execution(record)


class Telemetry:
    """A recorder and everything that came out of it."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, sampler: Sampler = ALWAYS_ON, **options: Any
    ) -> None:
        self._caplog = caplog
        self._exporter = InMemorySpanExporter()
        tracers = TracerProvider(sampler, Resource({}), shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader], Resource({}), shutdown_on_exit=False)
        self.tracer = tracers.get_tracer("application")
        self.store = EventStore()
        self.metrics = AelMetrics(self.meters)
        self.recorder = Recorder(
            tracer_provider=tracers, metrics=self.metrics, store=self.store, **({"genai": False} | options)
        )

    def close(self) -> None:
        """Take the recorder's fault counter away again."""
        self.recorder.stop_counting()
        self.meters.shutdown()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that ended, in that order."""
        return self._exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def trees(self) -> list[Tree]:
        """Every trace as nested plain values, whole: in the order in which spans started."""
        spans = sorted(self.spans, key=lambda span: span.start_time or 0)
        ids = {span.context.span_id for span in spans}
        return [
            self._tree(span, spans) for span in spans if span.parent is None or span.parent.span_id not in ids
        ]

    def tree(self) -> Tree:
        """The only trace."""
        (tree,) = self.trees()
        return tree

    def _tree(self, span: ReadableSpan, spans: list[ReadableSpan]) -> Tree:
        status = span.status.status_code.name
        return {
            "name": span.name,
            "kind": span.kind.name,
            "status": f"{status}: {span.status.description}" if span.status.description else status,
            "attributes": dict(span.attributes or {}),
            "events": [(event.name, dict(event.attributes or {})) for event in span.events],
            "children": [
                self._tree(child, spans)
                for child in spans
                if child.parent is not None and child.parent.span_id == span.context.span_id
            ],
        }

    def points(self) -> dict[str, list[Any]]:
        """Collect now: the data points of each metric."""
        return points_of(self._reader)

    def counts(self) -> dict[str, float]:
        """Collect now: value or count of each of the contract's series as `name{label values}`, without zeros."""
        return {
            f"{name}{{{','.join(str(value) for value in point.attributes.values())}}}": value
            for name, points in self.points().items()
            if name in CONTRACT
            for point in points
            if (value := getattr(point, "value", getattr(point, "count", 0)))
        }

    def logs(self) -> list[tuple[str, ...]]:
        """Return the log records of the frames: level, component, event, error type, message, exception."""
        return [
            (
                record.levelname,
                record.ael_component,
                record.ael_event,
                getattr(record, "ael_error_type", ""),
                record.getMessage(),
                type(record.exc_info[1]).__name__ if record.exc_info else "",
            )
            for record in self._caplog.records
            if record.name == "ael.lifecycle"
        ]

    def run(self, execution_id: str = "exec-1") -> ExecutionRecord:
        """The record of a run."""
        record = self.store.get(execution_id)
        assert record is not None
        return record


@pytest.fixture
def make_telemetry(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Make recorders with other options."""
    caplog.set_level(logging.INFO)
    made: list[Telemetry] = []

    def make(**options: Any) -> Telemetry:
        made.append(Telemetry(caplog, **options))
        return made[-1]

    yield make
    for telemetry in made:
        telemetry.close()


@pytest.fixture
def telemetry(make_telemetry: Any) -> Telemetry:
    """A recorder with the defaults."""
    return make_telemetry()


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own faults are swallowed as they are outside pytest, and none has been reported yet."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, "0")
    forget_reported_faults()
