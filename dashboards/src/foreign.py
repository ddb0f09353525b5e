"""The metrics on our boards that other programs emit, as far as a board or a test relies on them.

Their kinds and labels are in `tools/telemetry_schema/query/foreign.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ael_otel._generated.attributes import (
    AEL_MCP_SERVER,
    AEL_STEP_NAME,
    AEL_STEP_TYPE,
    AEL_TOOL_NAME,
    AEL_WORKFLOW_NAME,
)
from tools.telemetry_schema.query.foreign import read_foreign


@dataclass(frozen=True, slots=True)
class ForeignMetric:
    """A metric of another program: its name in Prometheus, its kind, and the labels that may be used."""

    prometheus: str
    instrument: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]


def _metric(name: str) -> ForeignMetric:
    """The metric as the registry's tools know it: there is one table, for boards and for the check of every query."""
    found = read_foreign().metrics[name]
    return ForeignMetric(name, found.instrument, (*_EVERY_SERIES, *found.labels))


_EVERY_SERIES = ("job", "instance")

QUEUE_SIZE: Final = _metric("otelcol_exporter_queue_size")
QUEUE_CAPACITY: Final = _metric("otelcol_exporter_queue_capacity")

type PerSignal = Mapping[str, ForeignMetric]


def _per_signal(prefix: str) -> PerSignal:
    """One counter for each kind of data, by the name a person gives the data."""
    items = {"spans": "spans", "log lines": "log_records", "metric points": "metric_points"}
    return {name: _metric(f"{prefix}_{suffix}") for name, suffix in items.items()}


SENT: Final = _per_signal("otelcol_exporter_sent")
SEND_FAILED: Final = _per_signal("otelcol_exporter_send_failed")
ENQUEUE_FAILED: Final = _per_signal("otelcol_exporter_enqueue_failed")
REFUSED: Final = _per_signal("otelcol_receiver_refused")

TARGET_INFO: Final = _metric("target_info")

SPAN_DIMENSIONS: Final = (
    AEL_WORKFLOW_NAME,
    AEL_STEP_NAME,
    AEL_STEP_TYPE,
    AEL_TOOL_NAME,
    AEL_MCP_SERVER,
)
"""Attributes of spans that Tempo makes labels of; tempo/tempo.yaml lists the same."""

SPAN_CALLS: Final = _metric("traces_spanmetrics_calls_total")
SPAN_LATENCY: Final = _metric("traces_spanmetrics_latency")
SPAN_FAILED: Final = "STATUS_CODE_ERROR"
"""The value of `status_code` for spans with an error."""

GRAPH_REQUESTS: Final = _metric("traces_service_graph_request_total")
GRAPH_FAILED: Final = _metric("traces_service_graph_request_failed_total")

ALL: Final[tuple[ForeignMetric, ...]] = (
    QUEUE_SIZE,
    QUEUE_CAPACITY,
    *SENT.values(),
    *SEND_FAILED.values(),
    *ENQUEUE_FAILED.values(),
    *REFUSED.values(),
    TARGET_INFO,
    SPAN_CALLS,
    SPAN_LATENCY,
    GRAPH_REQUESTS,
    GRAPH_FAILED,
)
