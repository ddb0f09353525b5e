"""The metric sets of AEL on one meter: the seven metrics of the contract and the count of dropped telemetry."""

import os
from collections.abc import Iterable, MutableMapping
from functools import cache
from threading import Lock
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary, WeakSet

from opentelemetry.metrics import MeterProvider, get_meter

from ael_otel._generated import SCHEMA_URL, scopes
from ael_otel._generated.attributes import (
    COST_SOURCE_VALUES,
    MODEL_TOKEN_TYPE_VALUES,
    WORKFLOW_STATUS_VALUES,
    StepType,
    TelemetryDropReason,
    TelemetryQueue,
    TelemetrySignal,
)
from ael_otel._generated.metric_sets import MetricSets
from ael_otel.config.settings import Limits
from ael_otel.core.drop_events import DropEvents
from ael_otel.version import __version__

SCOPE = scopes.AEL

MAX_CURRENCIES = 4
"""Currencies with series of their own, the last of which is `other`."""


class Level(NamedTuple):
    """Fill level of a buffer.

    Attributes:
        items: number of items.
        size: size in bytes, approximately.
        fill: fraction in use, 0 to 1, of the bound (items or bytes) that is nearer.
    """

    items: int
    size: int
    fill: float


class Buffer(Protocol):
    """A bounded buffer of telemetry that is not sent or stored yet."""

    @property
    def level(self) -> Level:
        """Return the fill level; read without a lock, so that a reader never blocks threads that fill the buffer."""
        ...


class AelMetrics(MetricSets):
    """Every metric this project emits.

    Args:
        provider: the meter provider to emit through; None uses the global one, even if it is set later.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        self._notice = DropEvents()
        self._listing = Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.after_fork)
        self._workflows: WeakKeyDictionary[object, frozenset[str]] = WeakKeyDictionary()
        self._tools: WeakKeyDictionary[object, frozenset[str]] = WeakKeyDictionary()
        super().__init__(
            provider.get_meter(SCOPE, __version__, SCHEMA_URL)
            if provider is not None
            else get_meter(SCOPE, __version__, schema_url=SCHEMA_URL),
            self._overflow,
        )
        self.max_models = Limits().models
        """Models that are counted under their own names; all further ones are `other`."""
        self.engine.bind()
        self._buffers: dict[TelemetryQueue, WeakSet[Buffer]] = {}
        self.queue.refresh = self._read_levels

    def after_fork(self) -> None:
        """Create a new lock in a child process: the parent's may have been held."""
        self._listing = Lock()

    def watch(self, queue: TelemetryQueue, buffer: Buffer) -> None:
        """Export the fill level of `buffer` as long as the object exists; buffers with the same name are added up."""
        with self._listing:
            self._buffers.setdefault(queue, WeakSet()).add(buffer)

    def _read_levels(self) -> None:
        for queue, buffers in list(self._buffers.items()):
            levels = [buffer.level for buffer in list(buffers)]
            self.queue.bind(queue=queue).add(
                items=sum(level.items for level in levels),
                size=sum(level.size for level in levels),
                fill=max((level.fill for level in levels), default=0.0),
            )

    def limit(self, limits: Limits) -> None:
        """Set how many workflows, tools, steps and models are counted by name, as the configuration says."""
        self.workflow.resize(limits.workflows, len(WORKFLOW_STATUS_VALUES))
        self.tool.resize(limits.tools, len(WORKFLOW_STATUS_VALUES))
        self.step.resize(limits.steps)
        self.max_models = limits.models
        self.model_call.resize(limits.models + 1, len(COST_SOURCE_VALUES))
        self.model_tokens.resize(limits.models + 1, len(MODEL_TOKEN_TYPE_VALUES))
        self.model_cost.resize(limits.models + 1, MAX_CURRENCIES)

    def lost(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int = 1) -> None:
        """Count dropped telemetry, and log it at most once a minute for each signal and reason."""
        self.telemetry.bind(signal=signal, reason=reason).add(dropped=count)
        self._notice.lost(signal, reason, count)

    def losses(self) -> dict[tuple[str, str], int]:
        """Return how many items this process has dropped, by signal and reason."""
        return self._notice.totals()

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

    def list_workflows(self, registry: object, names: Iterable[str]) -> None:
        """Emit zeros for the workflows in `registry`, and end the series of workflows that are no longer in it.

        The series of a workflow that another registry of this process still holds are not ended.
        """
        with self._listing:
            now = list(names)
            for name in _replaced(self._workflows, registry, now):
                self.workflow.subject_gone(name)
                self.step.subject_gone(name)
            for name in now:
                self.expect_workflow(name)
                self.workflow.subject_back(name)
                self.step.subject_back(name)

    def list_tools(self, registry: object, names: Iterable[str]) -> None:
        """Emit zeros for the tools in `registry`, and end series, as `list_workflows` does for workflows."""
        with self._listing:
            now = list(names)
            for name in _replaced(self._tools, registry, now):
                self.tool.subject_gone(name)
            for name in now:
                self.expect_tool(name)
                self.tool.subject_back(name)

    def _overflow(self, _name: str) -> None:
        self.lost("metrics", "cardinality")


def _replaced(
    held: MutableMapping[object, frozenset[str]], registry: object, names: Iterable[str]
) -> frozenset[str]:
    """Record what `registry` holds now; return the names it held before that no registry holds any more."""
    before = held.get(registry, frozenset())
    held[registry] = frozenset(names)
    return before.difference(*held.values())


@cache
def shared_metrics() -> AelMetrics:
    """Return the metrics on the global meter provider: one object per process, since two would count separately."""
    return AelMetrics()
