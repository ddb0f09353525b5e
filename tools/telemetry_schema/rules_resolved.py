"""Rules over the resolved registry: names, units, goals, queries, labels, and how many series a metric can make.

A rule yields section and name of the item that breaks it, and the remedy.
"""

import math
import re
from collections.abc import Iterator

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.findings import Broken, repeated, signals
from tools.telemetry_schema.metric_sets import MetricSet, field_name, metric_sets
from tools.telemetry_schema.model import Entity, Event, Group, Metric, Registry, Span
from tools.telemetry_schema.query.known import Known
from tools.telemetry_schema.query.lint import check_query
from tools.telemetry_schema.query.problem import Language, Query

HARD_MAX_SERIES = 2000
"""Number of series of one instrument above which the SDK uses one overflow series."""
UNITS = ("s", "By", "1")
"""Units a metric may have besides an annotation such as {item}."""
VERBS = (
    "start",
    "complete",
    "fail",
    "cancel",
    "skip",
    "retry",
    "drop",
    "timeout",
    "change",
    "reload",
    "decide",
    "end",
    "idle",
)
"""Last words an event name may have."""

ID = re.compile(r"(?:^|[._])(?:id|uuid|guid|execution|session|call|request|message|trace|span)$")
"""Last word of the key of an attribute that names one run, call, session or message."""
_LANGUAGES: dict[str, Language] = {"metrics": "promql", "spans": "traceql"}
"""Language of the example query of a section; of the others it is LogQL."""

_SET_NAME = re.compile(r"ael\.[a-z][a-z0-9_]*")
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


def unit_in_name(registry: Registry) -> Iterator[Broken]:
    """The name of a metric has neither its unit nor its type: translation to Prometheus appends them."""
    for metric in registry.metrics:
        for word in sorted(set(re.split(r"[._]", metric.name)) & _UNIT_OR_TYPE_WORDS):
            yield "metrics", metric.name, f"remove {word}: it is added in translation"


def bad_unit(registry: Registry) -> Iterator[Broken]:
    """A metric has a unit: seconds, bytes, 1, or the counted thing in braces."""
    for metric in registry.metrics:
        if metric.unit not in UNITS and not re.fullmatch(r"\{[a-z_]+\}", metric.unit):
            found = f"unit {metric.unit!r} is not known" if metric.unit else "has no unit"
            yield "metrics", metric.name, f"{found}; set one of {', '.join(UNITS)} or {{thing}}"


def name_collision(registry: Registry) -> Iterator[Broken]:
    """Two metrics, or two labels of one metric, do not share a Prometheus name."""
    shared = repeated([metric.prometheus for metric in registry.metrics])
    for metric in registry.metrics:
        if metric.prometheus in shared:
            yield "metrics", metric.name, f"shares the Prometheus name {metric.prometheus}"
        for label in sorted(repeated([prometheus_label(attribute.key) for attribute in metric.attributes])):
            yield "metrics", metric.name, f"has the Prometheus label {label} twice"


def missing_goal(registry: Registry) -> Iterator[Broken]:
    """Every signal, group and entity of ours has a goal."""
    items: list[tuple[str, str, Metric | Span | Event | Group | Entity]] = [
        *signals(registry),
        *(("attribute_groups", group.id, group) for group in registry.attribute_groups),
        *(("entities", entity.type, entity) for entity in registry.entities if not entity.upstream),
    ]
    for section, name, item in items:
        if item.ael.goal is None:
            yield (
                section,
                name,
                "set annotations.ael.goal to operation, performance, capacity, change_impact or trend",
            )


def bad_query(registry: Registry) -> Iterator[Broken]:
    """Every signal and public group has an example query, and the query uses no name that does not exist."""
    known = Known(registry)
    groups: list[tuple[str, str, Metric | Span | Event | Group]] = [
        ("attribute_groups", group.id, group) for group in registry.attribute_groups
    ]
    for section, name, signal in [*signals(registry), *groups]:
        if not signal.ael.query:
            yield section, name, "set annotations.ael.query to an example"
            continue
        query = Query(_LANGUAGES.get(section, "logql"), signal.ael.query, name)
        yield from ((section, name, f"query: {problem}") for problem in check_query(query, known))
    for metric in registry.metrics:
        if metric.ael.query and metric.prometheus not in metric.ael.query:
            yield "metrics", metric.name, f"query does not use {metric.prometheus}"


def bad_buckets(registry: Registry) -> Iterator[Broken]:
    """A histogram has rising positive bucket bounds; nothing else has any."""
    for metric in registry.metrics:
        bounds = metric.ael.buckets
        if metric.instrument != "histogram":
            if bounds:
                yield "metrics", metric.name, "is not a histogram; remove buckets"
        elif not bounds or bounds[0] <= 0 or list(bounds) != sorted(set(bounds)):
            yield "metrics", metric.name, "set annotations.ael.buckets to rising bounds above 0"


def unbounded_label(registry: Registry) -> Iterator[Broken]:
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
            yield "metrics", metric.name, problem


def max_series(registry: Registry) -> Iterator[Broken]:
    """A metric states how many series it may have, and its labels cannot make more."""
    for metric in registry.metrics:
        limit = metric.ael.max_series
        if limit is None:
            yield "metrics", metric.name, f"set annotations.ael.max_series (at most {HARD_MAX_SERIES})"
            continue
        if not 0 < limit <= HARD_MAX_SERIES:
            yield "metrics", metric.name, f"max_series {limit} must be 1 to {HARD_MAX_SERIES}"
        possible = math.prod(
            attribute.max_values or 1 for attribute in metric.attributes if not attribute.ael.follows_from
        )
        if possible > limit:
            yield (
                "metrics",
                metric.name,
                f"labels can make {possible} series, above max_series {limit}; lower max_values",
            )


def unstable_in_stable(registry: Registry) -> Iterator[Broken]:
    """The required attributes of a stable signal are stable too."""
    for section, name, signal in signals(registry):
        for attribute in signal.attributes:
            fixed = attribute.requirement_level == "required" or section == "metrics"
            if signal.stability == "stable" and fixed and attribute.stability != "stable":
                yield section, name, f"is stable, but {attribute.key} is {attribute.stability}"


def resource_on_signal(registry: Registry) -> Iterator[Broken]:
    """A signal does not repeat an attribute of the resource."""
    resource = {
        attribute.key for entity in registry.entities for attribute in (*entity.identity, *entity.description)
    }
    for section, name, signal in signals(registry):
        for attribute in signal.attributes:
            if attribute.key in resource:
                yield section, name, f"{attribute.key} is on the resource already; remove it here"


def bad_span_name(registry: Registry) -> Iterator[Broken]:
    """A span name differs only by required attributes that have few values."""
    for span in registry.spans:
        required = {item.key: item for item in span.attributes if item.requirement_level == "required"}
        for key in _PLACEHOLDER.findall(span.name):
            if key not in required:
                yield "spans", span.type, f"name uses {key}, which is not a required attribute"
            elif required[key].max_values is None:
                yield "spans", span.type, f"name uses {key}, which has no bound"


def bad_event_name(registry: Registry) -> Iterator[Broken]:
    """An event name ends in a verb."""
    for event in registry.events:
        if event.name.rpartition(".")[2] not in VERBS:
            yield "events", event.name, f"must end in one of {', '.join(VERBS)}"


def content_on_metric(registry: Registry) -> Iterator[Broken]:
    """A metric label never holds text of a person or a tool."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if attribute.ael.sensitivity == "content":
                yield (
                    "metrics",
                    metric.name,
                    f"label {attribute.key} may hold what a person wrote; keep it to spans and events",
                )


def id_on_metric(registry: Registry) -> Iterator[Broken]:
    """A metric label never names one run, call, session or message, for any bound in its definition."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if ID.search(attribute.key):
                yield "metrics", metric.name, f"label {attribute.key} is an id; keep it to spans and events"


def bad_metric_set(registry: Registry) -> Iterator[Broken]:
    """Each metric is in a set; the metrics of a set fit into one row and are about the same entity."""
    for group in metric_sets(registry.metrics):
        for metric in group.metrics:
            for problem in _set_problems(group, metric):
                yield "metrics", metric.name, problem


def _set_problems(group: MetricSet, metric: Metric) -> Iterator[str]:
    if not _SET_NAME.fullmatch(group.name):
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
