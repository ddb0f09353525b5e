"""Rules about metric sets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.telemetry_schema.findings import Finding, repeated
from tools.telemetry_schema.metric_sets import MetricSet, field_name, metric_sets
from tools.telemetry_schema.model import Metric, Registry, Sources

_NAME = re.compile(r"ael\.[a-z][a-z0-9_]*")


def bad_metric_set(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Each metric is in a set; the metrics of a set fit into one row and are about the same entity."""
    for group in metric_sets(registry.metrics):
        for metric in group.metrics:
            for problem in _problems(group, metric):
                yield Finding("bad_metric_set", sources.where("metrics", metric.name), metric.name, problem)


def _problems(group: MetricSet, metric: Metric) -> Iterator[str]:
    if not _NAME.fullmatch(group.name):
        yield "set annotations.ael.metric_set to ael. and one lowercase word, such as ael.workflow"
        return
    if field_name(metric) in repeated([field_name(each) for each in group.metrics]):
        yield f"ends in the same word as another metric of the set {group.name}; rename one"
    labels = {label.key for label in group.labels}
    own = {label.key for label in metric.attributes}
    if not own <= labels or (metric.instrument != "histogram" and own != labels):
        wanted = ", ".join(sorted(labels)) or "none"
        yield f"does not have the labels of the set {group.name} ({wanted}); move it to a set of its own"
    first = group.slots[0] if group.slots else metric
    if metric.instrument != "histogram" and metric.ael.max_series != first.ael.max_series:
        yield f"has another max_series than {first.name}, which is in the same rows; make them equal"
    if metric.entity_associations != group.metrics[0].entity_associations:
        yield f"is about another entity than the rest of the set {group.name}; move it to a set of its own"
