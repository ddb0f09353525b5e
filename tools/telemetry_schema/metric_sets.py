"""Metric sets: metrics that share their attributes and are updated in one call (`annotations.ael.metric_set`).

The counters, up-down counters and gauges of a set have the same labels; a histogram may have fewer. Of those labels,
the open ones are set when a workflow or tool is loaded (registration); those with a closed set of values when a
value is recorded (measurement).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tools.telemetry_schema.model import Attribute, Metric


@dataclass(frozen=True)
class MetricSet:
    """The metrics of one set, in the order of the registry."""

    name: str
    metrics: tuple[Metric, ...]

    @property
    def field(self) -> str:
        """Name of the set as an attribute: the last word of its name."""
        return self.name.rpartition(".")[2]

    @property
    def title(self) -> str:
        """Name of the set as part of a class name."""
        return "".join(word.capitalize() for word in self.field.split("_"))

    @property
    def slots(self) -> tuple[Metric, ...]:
        """The metrics whose values are stored in a row."""
        return tuple(metric for metric in self.metrics if metric.instrument != "histogram")

    @property
    def histograms(self) -> tuple[Metric, ...]:
        """The metrics whose values the SDK stores."""
        return tuple(metric for metric in self.metrics if metric.instrument == "histogram")

    @property
    def labels(self) -> tuple[Attribute, ...]:
        """The labels of the set: those of its widest metric."""
        return max((metric.attributes for metric in (*self.slots, *self.histograms)), key=len)

    @property
    def registration(self) -> tuple[Attribute, ...]:
        """Labels set at registration: open ones, and those that follow from them."""
        return tuple(label for label in self.labels if not label.values or label.ael.follows_from)

    @property
    def measurement(self) -> tuple[Attribute, ...]:
        """Labels set at measurement: their values are a closed set."""
        return tuple(label for label in self.labels if label.values and not label.ael.follows_from)


def metric_sets(metrics: Iterable[Metric]) -> tuple[MetricSet, ...]:
    """The sets in the order of their first metrics."""
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        found.setdefault(metric.ael.metric_set, []).append(metric)
    return tuple(MetricSet(name, tuple(members)) for name, members in found.items())


def field_name(metric: Metric) -> str:
    """Name of a metric inside its set: the last word of its name."""
    return metric.name.rpartition(".")[2]
