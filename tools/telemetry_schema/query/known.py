"""The names and values that a query may use: the registry's, those of other programs, and those of recording rules."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.model import Attribute, Metric, Registry
from tools.telemetry_schema.query.foreign import read_foreign

Part = Literal["", "_bucket", "_sum", "_count"]
_PARTS: tuple[Part, ...] = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of series in Prometheus: its labels, the closed sets of some, the metric it belongs to if it is ours.

    `instrument` is counter, updowncounter or gauge; empty where it is unknown, as for a series of a recording rule.
    """

    labels: frozenset[str]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    metric: Metric | None = None
    part: Part = ""
    open: bool = False
    instrument: str = ""


class Known:
    """Names that queries may use.

    Args:
        registry: telemetry of this project.
        recorded: names of series that recording rules make; their labels are unknown.
    """

    def __init__(self, registry: Registry, recorded: Iterable[str] = ()) -> None:
        foreign = read_foreign()
        self.registry = registry
        self.every_series = frozenset(foreign.every_series)
        self.series: dict[str, Series] = {}
        for name, other in foreign.metrics.items():
            self._add(name, other.instrument, self.every_series | set(other.labels))
        self.series |= {name: Series(frozenset(), open=True) for name in recorded}
        for metric in registry.metrics:
            labels = {prometheus_label(label.key): label.values for label in metric.attributes}
            self._add(metric.prometheus, metric.instrument, self.every_series | labels.keys(), labels, metric)
        self.log_values = _log_values(registry)
        self.log_fields = frozenset(foreign.logs) | set(self.log_values)
        self.events = frozenset(event.name for event in registry.events)
        self.spans = frozenset(span.name for span in registry.spans)
        self.span_events = frozenset(name for span in registry.spans for name in span.span_events)
        self.span_words = frozenset(foreign.spans)
        self.attributes: dict[str, Attribute] = {item.key: item for item in registry.attributes}
        # TraceQL finds nothing by attributes that neither a span nor a resource carries.
        self.traced = frozenset(
            attribute.key
            for attributes in (
                *(span.attributes for span in registry.spans),
                *((*entity.identity, *entity.description) for entity in registry.entities),
            )
            for attribute in attributes
        ) | {
            key
            for event in registry.events
            if event.ael.span_event
            for key in event.ael.span_event.attributes
        }

    def _add(
        self,
        name: str,
        instrument: str,
        labels: frozenset[str],
        values: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        metric: Metric | None = None,
    ) -> None:
        closed = {label: allowed for label, allowed in values.items() if allowed}
        if instrument != "histogram":
            self.series[name] = Series(labels, closed, metric, instrument=instrument)
            return
        for part in _PARTS:
            mine = labels | {"le"} if part == "_bucket" else labels
            # Its parts only ever grow.
            self.series[name + part] = Series(mine, closed, metric, part, instrument="counter")


def wrong_values(operator: str, text: str, allowed: Iterable[str]) -> list[str]:
    """Return the values in a comparison that are not in a closed set; patterns and variables are ignored."""
    if "$" in text or not text:
        return []
    words = [text]
    if operator in ("=~", "!~"):
        if not re.fullmatch(r"[\w|]+", text):
            return []
        words = text.split("|")
    known = set(allowed)
    return [word for word in words if word and word not in known]


def _log_values(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Field of a log record -> its closed set, empty where it is open on some record."""
    found: dict[str, set[str] | None] = {}
    attributes = [item for group in registry.attribute_groups for item in group.attributes]
    attributes += [item for event in registry.events for item in event.attributes]
    for item in attributes:
        # Loki keeps an attribute under the name its key has as a label.
        name = prometheus_label(item.key)
        before = found.get(name, set())
        found[name] = None if before is None or not item.values else before | set(item.values)
    return {name: tuple(sorted(values or ())) for name, values in found.items()}
