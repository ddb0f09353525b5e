"""Send what the worker of `ael-hook` has stored: spans, log events and metrics, each separately, by OTLP.

Metrics are the totals of the store, so that successive workers continue one series for each store: its instance id and
start time are those of the totals. A worker first sends the values that were sent last, with its own start time, so
that `increase()` includes everything counted since.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from typing import Final
from uuid import UUID, uuid5

from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ael_otel._generated import SCHEMA_URL, scopes
from ael_otel._generated import attributes as attr
from ael_otel._generated.attributes import (
    ATTRIBUTION_CONTRIBUTOR_VALUES,
    SESSION_CALL_OUTCOME_VALUES,
    SESSION_OUTCOME_VALUES,
    TelemetryDropReason,
    TelemetrySignal,
)
from ael_otel._generated.metrics import (
    ATTRIBUTION_LINES,
    SESSION_IDLE,
    SESSION_TOOL_CALLS,
    SESSIONS,
    TELEMETRY_DROPPED,
    MetricSpec,
)
from ael_otel.config import Settings
from ael_otel.emit.metric_sets import OVERFLOW_ATTRIBUTES
from ael_otel.export.span_tree import Span
from ael_otel.runtime.session_spans import readable
from ael_otel.sdk.log_notes import note_of
from ael_otel.sdk.logs import log_record
from ael_otel.sdk.otel_variables import otlp_signals
from ael_otel.sdk.otlp_exporters import OtlpMetricExporter, log_delivery, span_delivery
from ael_otel.sdk.otlp_transport import Target
from ael_otel.sessions import log_events
from ael_otel.sessions.table import CALLS, DROPPED, IDLE, LINES, Happening, TotalKey, TotalsId
from ael_otel.sessions.table import SESSIONS as ENDS
from ael_otel.version import __version__

PATIENCE_S: Final = 5.0
"""Seconds for which one batch is retried; then it waits for the next time, or for the next worker."""

RECENT_NS: Final = 30 * 60 * 10**9
"""An older log event is sent with the current time: log stores refuse old ones."""

OVERFLOW: Final = "\0overflow"
"""The agent of the series that sums all totals above the series limit; no agent has this name."""

LONGEST_GAP_NS: Final = 10 * 60 * 10**9
"""Maximum age of the first sample of a series: metric stores refuse older ones."""

_WAITING: Final = frozenset({"unavailable", "timeout", "shutdown_timeout", "unauthenticated"})
"""Answers after which a batch is retried; after any other error it is dropped."""

_NAMESPACE: Final = UUID("6f1c7c0e-3f0b-5a55-9a2b-1d1c0f6f3a11")
_MEASURES: Final[Mapping[str, tuple[MetricSpec, tuple[str, ...]]]] = {
    ENDS: (SESSIONS, SESSION_OUTCOME_VALUES),
    CALLS: (SESSION_TOOL_CALLS, SESSION_CALL_OUTCOME_VALUES),
    IDLE: (SESSION_IDLE, ("",)),
    DROPPED: (TELEMETRY_DROPPED, ()),
    LINES: (ATTRIBUTION_LINES, ATTRIBUTION_CONTRIBUTOR_VALUES),
}
"""The metric of each total, and the outcomes that every agent has, if only as a zero."""

type OnDrop = Callable[[TelemetrySignal, TelemetryDropReason, int], None]
type Outlet[T] = Callable[[Sequence[T]], bool]
"""Sends a batch; returns whether all of it was accepted, or dropped for good."""


class Drops:
    """Numbers of items that this process has dropped, by signal and reason, until they are stored."""

    def __init__(self) -> None:
        self.counts: dict[tuple[TelemetrySignal, TelemetryDropReason], int] = {}

    def take(self) -> dict[tuple[TelemetrySignal, TelemetryDropReason], int]:
        """Return what was dropped since the last call."""
        counts, self.counts = self.counts, {}
        return counts

    def __call__(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int) -> None:
        """Count dropped items."""
        if count:
            self.counts[signal, reason] = self.counts.get((signal, reason), 0) + count


def span_outlet(settings: Settings, on_drop: OnDrop) -> Outlet[Span] | None:
    """Return a function that sends spans to the configured endpoint; None if traces are not exported."""
    if "traces" not in otlp_signals(os.environ):
        return None
    carrier = span_delivery(Target.of("traces").open(), PATIENCE_S)
    resource = Resource.create({attr.SERVICE_NAME: settings.service_name})

    def send(spans: Sequence[Span]) -> bool:
        answers = _Answers("traces", on_drop)
        carrier.deliver([readable(span, resource) for span in spans], answers.settled)
        return not answers.waits

    return send


def log_outlet(settings: Settings, on_drop: OnDrop) -> Outlet[Happening] | None:
    """Return a function that sends log events to the configured endpoint; None if logs are not exported."""
    if (
        "logs" not in otlp_signals(os.environ)
        or not settings.logs.enabled
        or settings.logs.output == "stdout"
    ):
        return None
    carrier = log_delivery(Target.of("logs").open(), PATIENCE_S)
    resource = Resource.create({attr.SERVICE_NAME: settings.service_name})
    collector = _Records(resource)
    logger = log_events.logger.getChild("worker")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [collector]

    def send(happenings: Sequence[Happening]) -> bool:
        answers = _Answers("logs", on_drop)
        carrier.deliver([collector.record_of(logger, each) for each in happenings], answers.settled)
        return not answers.waits

    return send


class _Answers:
    """Counts the answers to batches."""

    def __init__(self, signal: TelemetrySignal, on_drop: OnDrop) -> None:
        self._signal: TelemetrySignal = signal
        self._on_drop = on_drop
        self.waits = 0

    def settled(self, count: int, reason: TelemetryDropReason | None) -> None:
        if reason in _WAITING:
            self.waits += count
        elif reason is not None:
            self._on_drop(self._signal, reason, count)


class _Records(logging.Handler):
    """Converts logged records to records of the log contract."""

    def __init__(self, resource: Resource) -> None:
        super().__init__()
        self._resource = resource
        self._scope = InstrumentationScope(scopes.AEL_LOG, __version__, SCHEMA_URL)
        self._happening: Happening | None = None
        self._last: ReadableLogRecord | None = None

    def emit(self, record: logging.LogRecord) -> None:
        made = log_record(note_of(record, sends=True))
        assert self._happening is not None
        now, at = time_ns(), self._happening.at_us * 1_000
        made.timestamp = at if now - RECENT_NS < at <= now else now
        self._last = ReadableLogRecord(made, self._resource, self._scope, LogRecordLimits())

    def record_of(self, logger: logging.Logger, happening: Happening) -> ReadableLogRecord:
        self._happening = happening
        log_events.log_happening(happening, logger)
        assert self._last is not None
        return self._last


class MetricOutlet:
    """Sends the totals of a store.

    Args:
        settings: the configuration.
        identity: the id of the totals.
        shared: whether other machines use the same store, so that its series must not name this machine.
        sent: how much of each total was sent before.
        drops: counts exports that are refused for good.
    """

    def __init__(
        self,
        settings: Settings,
        identity: TotalsId,
        sent: Mapping[TotalKey, int],
        drops: Drops,
        *,
        shared: bool = False,
    ) -> None:
        target = Target.of("metrics")
        self._exporter = OtlpMetricExporter(target.open(), self._lost, PATIENCE_S)
        self._drops = drops
        own = Resource.create({attr.SERVICE_NAME: settings.service_name})
        place = "" if shared else socket.gethostname()
        # Without attributes of one process: otherwise every worker would be a target of its own.
        lasting = {
            key: value
            for key, value in own.attributes.items()
            if not key.startswith(("process.", "telemetry."))
        }
        lasting[attr.SERVICE_INSTANCE_ID] = str(uuid5(_NAMESPACE, f"{identity.number} {place}"))
        self._store = Resource(lasting)
        self._since_ns = identity.since_us * 1_000
        self._began_ns = time_ns()
        self._before, _ = bounded({key: value for key, value in sent.items() if key.name in _MEASURES})
        self._shown: set[TotalKey] = set()
        self._beyond = 0
        self._waits = False

    def _lost(self, signal: TelemetrySignal, reason: TelemetryDropReason, count: int) -> None:
        self._waits = reason in _WAITING
        if not self._waits:
            self._drops(signal, reason, count)

    def send(self, totals: Mapping[TotalKey, int]) -> bool:
        """Send the totals; return whether they were accepted, or refused for good."""
        now = time_ns()
        values, beyond = bounded(totals)
        if beyond > self._beyond:
            self._drops("metrics", "cardinality", beyond - self._beyond)
            self._beyond = beyond
        group = self._of_store(values, now)
        self._waits = False
        taken = self._exporter.export(MetricsData([group]), PATIENCE_S * 1e3) is MetricExportResult.SUCCESS
        if taken:
            self._shown |= values.keys()
        return taken or not self._waits

    def _of_store(self, values: Mapping[TotalKey, int], now: int) -> ResourceMetrics:
        first = max(self._began_ns, now - LONGEST_GAP_NS)
        metrics: list[Metric] = []
        for name, (spec, _) in _MEASURES.items():
            points: list[NumberDataPoint] = []
            for key, value in values.items():
                if key.name != name:
                    continue
                labels = _labels(spec, key)
                factor = 1e-6 if name == IDLE else 1
                if key not in self._shown:
                    before = min(value, self._before.get(key, 0))
                    points.append(
                        NumberDataPoint(labels, self._since_ns, min(first, now - 1), before * factor)
                    )
                points.append(NumberDataPoint(labels, self._since_ns, now, value * factor))
            if points:
                metrics.append(_metric(spec, points))
        return _group(self._store, metrics)


def exports_metrics(settings: Settings) -> bool:
    """Return whether metrics are exported to an endpoint."""
    return "metrics" in otlp_signals(os.environ) and settings.metrics.enabled


def bounded(totals: Mapping[TotalKey, int]) -> tuple[dict[TotalKey, int], int]:
    """Return totals with zeros for the outcomes their agents can still have, as many as a metric may have series.

    The rest is summed in one series with the agent `OVERFLOW`; the number of such totals is returned too.
    """
    values: dict[TotalKey, int] = {}
    beyond = 0
    who = {(key.agent, key.origin): key for key in sorted(totals) if key.name in (ENDS, CALLS, IDLE)}
    for name, (spec, outcomes) in _MEASURES.items():
        mine = {key: value for key, value in sorted(totals.items()) if key.name == name}
        if len(mine) > spec.max_series:
            kept = list(mine)[: spec.max_series - 1]
            rest = list(mine)[spec.max_series - 1 :]
            values.update({key: mine[key] for key in kept})
            values[TotalKey(name, OVERFLOW, "")] = sum(mine[key] for key in rest)
            beyond += len(rest)
            continue
        values.update(mine)
        zeros = [one._replace(name=name, outcome=outcome) for one in who.values() for outcome in outcomes]
        room = spec.max_series - len(mine)
        values.update(dict.fromkeys([each for each in zeros if each not in mine][:room], 0))
    return values, beyond


def _labels(spec: MetricSpec, key: TotalKey) -> dict[str, str | bool | int]:
    if key.agent == OVERFLOW:
        return dict(OVERFLOW_ATTRIBUTES)
    if key.name == DROPPED:
        return dict(zip(spec.labels, (key.agent, key.outcome), strict=True))
    return dict(zip(spec.labels, (key.agent, key.origin, key.outcome), strict=False))


def _metric(spec: MetricSpec, points: Sequence[NumberDataPoint]) -> Metric:
    total = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Metric(spec.name, spec.description, spec.unit, total)


def _group(resource: Resource, metrics: Sequence[Metric]) -> ResourceMetrics:
    scope = InstrumentationScope(scopes.AEL, __version__, SCHEMA_URL)
    return ResourceMetrics(resource, [ScopeMetrics(scope, metrics, SCHEMA_URL)], resource.schema_url)
