"""The metrics on our boards that other programs emit, as far as a board or a test relies on them.

Names and labels are those of the versions that `deploy/versions.env` pins, as Prometheus stores them: the Collector's
own metrics are pulled and so have no `_total`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class ForeignMetric:
    """A metric of another program: its name in Prometheus, its kind, and the labels that may be used."""

    prometheus: str
    instrument: Literal["counter", "gauge"]
    labels: tuple[str, ...]


QUEUE_SIZE: Final = ForeignMetric("otelcol_exporter_queue_size", "gauge", ("exporter", "data_type"))
QUEUE_CAPACITY: Final = ForeignMetric("otelcol_exporter_queue_capacity", "gauge", ("exporter", "data_type"))

type PerSignal = Mapping[str, ForeignMetric]


def _per_signal(prefix: str, *labels: str) -> PerSignal:
    """One counter for each kind of data, by the name a person gives the data."""
    items = {"spans": "spans", "log lines": "log_records", "metric points": "metric_points"}
    return {name: ForeignMetric(f"{prefix}_{suffix}", "counter", labels) for name, suffix in items.items()}


SENT: Final = _per_signal("otelcol_exporter_sent", "exporter")
SEND_FAILED: Final = _per_signal("otelcol_exporter_send_failed", "exporter")
ENQUEUE_FAILED: Final = _per_signal("otelcol_exporter_enqueue_failed", "exporter")
REFUSED: Final = _per_signal("otelcol_receiver_refused", "receiver", "transport")

TARGET_INFO: Final = ForeignMetric(
    "target_info", "gauge", ("job", "instance", "service_name", "service_version")
)

ALL: Final[tuple[ForeignMetric, ...]] = (
    QUEUE_SIZE,
    QUEUE_CAPACITY,
    *SENT.values(),
    *SEND_FAILED.values(),
    *ENQUEUE_FAILED.values(),
    *REFUSED.values(),
    TARGET_INFO,
)
