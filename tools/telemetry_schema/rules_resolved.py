"""Rules over the resolved registry: names, units, goals, queries, and how many series a metric can make."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.findings import (
    Finding,
    attribute_finding,
    metric_finding,
    named,
    repeated,
    signals,
)
from tools.telemetry_schema.model import Entity, Event, Group, Metric, Registry, Sources, Span
from tools.telemetry_schema.query.known import Known
from tools.telemetry_schema.query.lint import check_query
from tools.telemetry_schema.query.problem import Language, Query

NAMESPACE = "ael."
HARD_MAX_SERIES = 2000
"""Series of one instrument at which the SDK starts to fold new ones into one overflow series."""
UNITS = ("s", "By", "1")
"""Units a metric may have besides an annotation such as {item}."""
VERBS = ("start", "complete", "fail", "cancel", "skip", "retry", "drop", "timeout")
"""Last words an event name may have."""

_LANGUAGES: dict[str, Language] = {"metrics": "promql", "spans": "traceql"}
"""Language of the example query of a section; of the others it is LogQL."""

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")
_UNIT_OR_TYPE_WORDS = {
    "total",
    "count",
    "sum",
    "bucket",
    "seconds",
    "milliseconds",
    "bytes",
    "ratio",
    "percent",
}


def missing_namespace(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Our names start with `ael.`; a label or log field whose name is fixed elsewhere says so in `bare_key`."""
    bare_places = {attribute.key for group in registry.attribute_groups for attribute in group.attributes}
    bare_places |= {attribute.key for metric in registry.metrics for attribute in metric.attributes}
    for section, name in named(sources):
        if section != "attributes" and not name.startswith(NAMESPACE):
            yield Finding(
                "missing_namespace", sources.where(section, name), name, f"must start with {NAMESPACE}"
            )
    for attribute in sources.attributes:
        reason = attribute.annotations.ael.bare_key
        namespaced = attribute.key.startswith(NAMESPACE)
        if not namespaced and not reason:
            yield attribute_finding(
                "missing_namespace",
                sources,
                attribute,
                f"must start with {NAMESPACE}, or bare_key must say why not",
            )
        elif namespaced and reason:
            yield attribute_finding(
                "missing_namespace", sources, attribute, "has a namespace; remove bare_key"
            )
        elif reason and attribute.key not in bare_places:
            yield attribute_finding(
                "missing_namespace",
                sources,
                attribute,
                "has no namespace and is no metric label or log field",
            )


def unit_in_name(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """The name of a metric says neither its unit nor its type: translation to Prometheus appends them."""
    for metric in registry.metrics:
        for word in sorted(set(re.split(r"[._]", metric.name)) & _UNIT_OR_TYPE_WORDS):
            yield metric_finding(
                "unit_in_name", sources, metric, f"remove {word}: it is added in translation"
            )


def bad_unit(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric has a unit: seconds, bytes, 1, or what it counts in braces."""
    for metric in registry.metrics:
        if metric.unit not in UNITS and not re.fullmatch(r"\{[a-z_]+\}", metric.unit):
            found = f"unit {metric.unit!r} is not known" if metric.unit else "has no unit"
            yield metric_finding(
                "bad_unit", sources, metric, f"{found}; set one of {', '.join(UNITS)} or {{thing}}"
            )


def name_collision(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Two metrics, or two labels of one metric, do not share a Prometheus name."""
    shared = repeated([metric.prometheus for metric in registry.metrics])
    for metric in registry.metrics:
        if metric.prometheus in shared:
            yield metric_finding(
                "name_collision", sources, metric, f"shares the Prometheus name {metric.prometheus}"
            )
        for label in sorted(repeated([prometheus_label(attribute.key) for attribute in metric.attributes])):
            yield metric_finding("name_collision", sources, metric, f"has the Prometheus label {label} twice")


def missing_goal(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Every signal, group and entity of our own says what it is for."""
    items: list[tuple[str, str, Metric | Span | Event | Group | Entity]] = [
        *signals(registry),
        *(("attribute_groups", group.id, group) for group in registry.attribute_groups),
        *(("entities", entity.type, entity) for entity in registry.entities if not entity.upstream),
    ]
    for section, name, item in items:
        if item.ael.goal is None:
            yield Finding(
                "missing_goal",
                sources.where(section, name),
                name,
                "set annotations.ael.goal to operation, performance, capacity, change_impact or trend",
            )


def bad_query(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Every signal and public group has an example query, and the query uses no name that does not exist."""
    known = Known(registry)
    groups: list[tuple[str, str, Metric | Span | Event | Group]] = [
        ("attribute_groups", group.id, group) for group in registry.attribute_groups
    ]
    for section, name, signal in [*signals(registry), *groups]:
        where = sources.where(section, name)
        if not signal.ael.query:
            yield Finding("bad_query", where, name, "set annotations.ael.query to an example")
        elif problems := check_query(Query(_LANGUAGES.get(section, "logql"), signal.ael.query, where), known):
            yield from (Finding("bad_query", where, name, f"query: {problem}") for problem in problems)
    for metric in registry.metrics:
        if metric.ael.query and metric.prometheus not in metric.ael.query:
            yield metric_finding("bad_query", sources, metric, f"query does not use {metric.prometheus}")


def bad_buckets(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A histogram has rising positive bucket bounds; nothing else has any."""
    for metric in registry.metrics:
        bounds = metric.ael.buckets
        if metric.instrument != "histogram":
            if bounds:
                yield metric_finding("bad_buckets", sources, metric, "is no histogram; remove buckets")
        elif not bounds or bounds[0] <= 0 or list(bounds) != sorted(set(bounds)):
            yield metric_finding(
                "bad_buckets", sources, metric, "set annotations.ael.buckets to rising bounds above 0"
            )


def unbounded_label(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric label is bounded: a closed set, a boolean, or a string that states `max_values`."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if attribute.ael.cardinality == "unbounded":
                problem = f"label {attribute.key} is unbounded; keep it to spans and events"
            elif attribute.max_values is None:
                problem = (
                    f"label {attribute.key} has no bound; set annotations.ael.max_values on the attribute"
                )
            else:
                continue
            yield metric_finding("unbounded_label", sources, metric, problem)


def max_series(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric states how many series it may have, and its labels cannot make more."""
    for metric in registry.metrics:
        limit = metric.ael.max_series
        if limit is None:
            yield metric_finding(
                "max_series", sources, metric, f"set annotations.ael.max_series (at most {HARD_MAX_SERIES})"
            )
            continue
        if not 0 < limit <= HARD_MAX_SERIES:
            yield metric_finding(
                "max_series", sources, metric, f"max_series {limit} must be 1 to {HARD_MAX_SERIES}"
            )
        possible = math.prod(
            attribute.max_values or 1 for attribute in metric.attributes if not attribute.ael.follows_from
        )
        if possible > limit:
            yield metric_finding(
                "max_series",
                sources,
                metric,
                f"labels can make {possible} series, above max_series {limit}; lower max_values",
            )


def unstable_in_stable(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """What a stable signal always carries is stable too."""
    for section, name, signal in signals(registry):
        for attribute in signal.attributes:
            fixed = attribute.requirement_level == "required" or section == "metrics"
            if signal.stability == "stable" and fixed and attribute.stability != "stable":
                yield Finding(
                    "unstable_in_stable",
                    sources.where(section, name),
                    name,
                    f"is stable, but {attribute.key} is {attribute.stability}",
                )


def resource_on_signal(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """What the resource says is not said again by each signal."""
    resource = {
        attribute.key for entity in registry.entities for attribute in (*entity.identity, *entity.description)
    }
    for section, name, signal in signals(registry):
        for attribute in signal.attributes:
            if attribute.key in resource:
                yield Finding(
                    "resource_on_signal",
                    sources.where(section, name),
                    name,
                    f"{attribute.key} is on the resource already; remove it here",
                )


def bad_span_name(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A span name differs only by required attributes that have few values."""
    for span in registry.spans:
        required = {item.key: item for item in span.attributes if item.requirement_level == "required"}
        for key in _PLACEHOLDER.findall(span.name):
            where = sources.where("spans", span.type)
            if key not in required:
                yield Finding(
                    "bad_span_name", where, span.type, f"name uses {key}, which is not a required attribute"
                )
            elif required[key].max_values is None:
                yield Finding("bad_span_name", where, span.type, f"name uses {key}, which has no bound")


def bad_event_name(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """An event name ends in a verb that says what happened."""
    for event in registry.events:
        if event.name.rpartition(".")[2] not in VERBS:
            yield Finding(
                "bad_event_name",
                sources.where("events", event.name),
                event.name,
                f"must end in one of {', '.join(VERBS)}",
            )


def unused_attribute(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """An attribute of ours is on a signal, in a log line, on the resource, or lends its values to one that is."""
    used = {attribute.key for _, _, signal in signals(registry) for attribute in signal.attributes}
    used |= {attribute.key for group in registry.attribute_groups for attribute in group.attributes}
    used |= {
        attribute.key for entity in registry.entities for attribute in (*entity.identity, *entity.description)
    }
    used |= {
        key for event in registry.events if event.ael.span_event for key in event.ael.span_event.attributes
    }
    users = [
        *(attribute for _, _, signal in signals(registry) for attribute in signal.attributes),
        *(attribute for group in registry.attribute_groups for attribute in group.attributes),
    ]
    used |= {attribute.ael.values_of for attribute in users}
    for attribute in sources.attributes:
        if attribute.key not in used:
            yield attribute_finding(
                "unused_attribute", sources, attribute, "is used by no signal; refer to it or remove it"
            )
