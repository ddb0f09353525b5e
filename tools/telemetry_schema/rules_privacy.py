"""Rules about what telemetry may reveal, and about ids that would make a series of each run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.telemetry_schema.findings import Finding, attribute_finding, metric_finding
from tools.telemetry_schema.model import Registry, Sources

ID = re.compile(r"(?:^|[._])(?:id|uuid|guid|execution|session|call|request|message|trace|span)$")
"""Last word of the key of an attribute that names one run, call, session or message."""


def missing_sensitivity(sources: Sources) -> Iterator[Finding]:
    """Every attribute, borrowed ones included, says how far it can reveal what a person wrote."""
    for attribute in (*sources.attributes, *sources.upstream):
        if attribute.annotations.ael.sensitivity is None:
            yield attribute_finding(
                "missing_sensitivity",
                sources,
                attribute,
                "set annotations.ael.sensitivity to system, named or content",
            )


def content_on_metric(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric label never holds what a person or a tool wrote."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if attribute.ael.sensitivity == "content":
                yield metric_finding(
                    "content_on_metric",
                    sources,
                    metric,
                    f"label {attribute.key} may hold what a person wrote; keep it to spans and events",
                )


def id_on_metric(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric label never names one run, call, session or message, whatever bound its definition claims."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if ID.search(attribute.key):
                yield metric_finding(
                    "id_on_metric",
                    sources,
                    metric,
                    f"label {attribute.key} is an id; keep it to spans and events",
                )
