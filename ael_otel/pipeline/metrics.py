"""The metrics of AEL as one object: the seven of the contract and the count of lost telemetry."""

from collections.abc import Iterable
from functools import cache

from opentelemetry.metrics import Meter, MeterProvider, get_meter

from ael_otel import __version__
from ael_otel._generated import SCHEMA_URL, scopes
from ael_otel._generated import metrics as spec
from ael_otel.pipeline.losses import LossNotice
from ael_otel.pipeline.metric_sets import CounterRows, HistogramRows

SCOPE = scopes.AEL


class AelMetrics:
    """Bound rows of every metric this project emits.

    Args:
        provider: the meter provider to emit through; None takes the global one, whether set before or after.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter: Meter = (
            provider.get_meter(SCOPE, __version__, SCHEMA_URL)
            if provider is not None
            else get_meter(SCOPE, __version__, schema_url=SCHEMA_URL)
        )
        self.dropped = CounterRows(meter, spec.TELEMETRY_DROPPED)
        self.executions = CounterRows(meter, spec.WORKFLOW_EXECUTIONS, self._overflow)
        self.workflow_duration = HistogramRows(meter, spec.WORKFLOW_DURATION, self._overflow)
        self.invocations = CounterRows(meter, spec.TOOL_INVOCATIONS, self._overflow)
        self.tool_duration = HistogramRows(meter, spec.TOOL_DURATION, self._overflow)
        self.steps = CounterRows(meter, spec.STEP_EXECUTIONS, self._overflow)
        self.active = CounterRows(meter, spec.ACTIVE_WORKFLOWS)
        self.errors = CounterRows(meter, spec.ERRORS, self._overflow)
        self.active.touch(())
        self._notice = LossNotice()

    def lost(self, signal: str, reason: str, count: int = 1) -> None:
        """Count telemetry that was lost, and log it at most once a minute for each signal and reason."""
        self.dropped.add((signal, reason), count)
        self._notice.lost(signal, reason, count)

    def expect_workflow(self, name: str, steps: Iterable[tuple[str, str]] = ()) -> None:
        """Emit zeros for a workflow the engine has loaded, so that its first failure is an increase.

        Args:
            name: the workflow's name.
            steps: (step id, step type) of each of its steps.
        """
        for status in spec.WORKFLOW_EXECUTIONS.label_values["status"]:
            self.executions.touch((name, status))
        for step, kind in steps:
            self.steps.touch((name, step, kind))

    def expect_tool(self, name: str) -> None:
        """Emit zeros for a tool the engine lists, for every status."""
        for status in spec.TOOL_INVOCATIONS.label_values["status"]:
            self.invocations.touch((name, status))

    def _overflow(self, _name: str) -> None:
        self.lost("metrics", "cardinality")


@cache
def shared_metrics() -> AelMetrics:
    """Return the rows on the global meter provider: one object per process, or each would count for itself."""
    return AelMetrics()
