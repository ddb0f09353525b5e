"""The metric sets of AEL on one meter: the seven metrics of the contract and the count of lost telemetry."""

from collections.abc import Iterable
from functools import cache

from opentelemetry.metrics import MeterProvider, get_meter

from ael_otel._generated import SCHEMA_URL, scopes
from ael_otel._generated.attributes import StepType, TelemetryDropReason, TelemetrySignal
from ael_otel._generated.metric_sets import MetricSets
from ael_otel.core.drop_events import DropEvents
from ael_otel.version import __version__

SCOPE = scopes.AEL


class AelMetrics(MetricSets):
    """Every metric this project emits.

    Args:
        provider: the meter provider to emit through; None takes the global one, whether set before or after.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        self._notice = DropEvents()
        super().__init__(
            provider.get_meter(SCOPE, __version__, SCHEMA_URL)
            if provider is not None
            else get_meter(SCOPE, __version__, schema_url=SCHEMA_URL),
            self._overflow,
        )
        self.engine.bind()

    def lost(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int = 1) -> None:
        """Count telemetry that was lost, and log it at most once a minute for each signal and reason."""
        self.telemetry.bind(signal=signal, reason=reason).add(dropped=count)
        self._notice.lost(signal, reason, count)

    def expect_workflow(self, name: str, steps: Iterable[tuple[str, StepType]] = ()) -> None:
        """Emit zeros for a workflow the engine has loaded, so that its first failure is an increase.

        Args:
            name: the workflow's name.
            steps: (step id, step type) of each of its steps.
        """
        self.workflow.expect(workflow=name)
        for step, kind in steps:
            self.step.expect(workflow=name, step=step, type=kind)

    def expect_tool(self, name: str) -> None:
        """Emit zeros for a tool the engine lists, for every status."""
        self.tool.expect(tool=name)

    def _overflow(self, _name: str) -> None:
        self.lost("metrics", "cardinality")


@cache
def shared_metrics() -> AelMetrics:
    """Return the metrics on the global meter provider: one object per process, or each would count for itself."""
    return AelMetrics()
