"""Names that an example query uses, compared with those the registry declares.

This reads names, not grammar: it finds a metric, label, attribute or span that does not exist, and leaves the syntax
of the query to its backend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.model import Registry

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SERIES = re.compile(r"\bael_\w+")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_MATCHER = re.compile(r"(?<![\w.])(\w+)\s*(?:=~|!~|!=|==|>=|<=|=|>|<)")
_ATTRIBUTE = re.compile(r"\b(?:span|resource|event)\.([\w.]+)")
_SPAN_NAME = re.compile(r'(?<![\w.])name\s*=\s*"([^"]*)"')
_EVENT_NAME = re.compile(r'\bevent_name\s*=\s*"([^"]*)"')

_LOKI_LABELS = {"service_name"}  # made of the resource, not of the record
_HISTOGRAM_SERIES = ("_bucket", "_sum", "_count")


def unknown_names(registry: Registry, section: str, query: str) -> Iterator[str]:
    """Names in the example query of an item of that section that the registry does not declare."""
    match section:
        case "metrics":
            yield from _unknown_in_promql(registry, query)
        case "spans":
            yield from _unknown_in_traceql(registry, query)
        case _:
            yield from _unknown_in_logql(registry, query)


def _unknown_in_promql(registry: Registry, query: str) -> Iterator[str]:
    series: set[str] = set()
    labels: set[str] = set()
    for metric in registry.metrics:
        suffixes = _HISTOGRAM_SERIES if metric.instrument == "histogram" else ("",)
        series |= {metric.prometheus + suffix for suffix in suffixes}
    bare = _TEXT.sub('""', query)
    used = _SERIES.findall(bare)
    yield from (name for name in used if name not in series)
    if any(name.endswith("_bucket") for name in used):
        labels.add("le")
    for metric in registry.metrics:
        if any(name.startswith(metric.prometheus) for name in used):
            labels |= {prometheus_label(attribute.key) for attribute in metric.attributes}
    grouped = [label.strip() for group in _GROUPING.findall(bare) for label in group.split(",")]
    matched = [label for block in re.findall(r"\{([^}]*)\}", bare) for label in _MATCHER.findall(block)]
    yield from (label for label in [*grouped, *matched] if label and label not in labels)


def _unknown_in_traceql(registry: Registry, query: str) -> Iterator[str]:
    keys = {attribute.key for attribute in registry.attributes}
    names = {span.name for span in registry.spans}
    yield from (key for key in _ATTRIBUTE.findall(_TEXT.sub('""', query)) if key not in keys)
    yield from (name for name in _SPAN_NAME.findall(query) if name not in names)


def _unknown_in_logql(registry: Registry, query: str) -> Iterator[str]:
    # Loki keeps an attribute under the name its key has as a label.
    fields = {prometheus_label(item.key) for group in registry.attribute_groups for item in group.attributes}
    fields |= {prometheus_label(item.key) for event in registry.events for item in event.attributes}
    names = {event.name for event in registry.events}
    used = _MATCHER.findall(_TEXT.sub('""', query))
    yield from (field for field in used if field not in fields | _LOKI_LABELS)
    yield from (name for name in _EVENT_NAME.findall(query) if name not in names)
