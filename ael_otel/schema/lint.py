"""Rules a registry must keep; each finding names the file, the item and what to set.

The rules fall in two stages: the first looks at the definitions and proves that every reference leads somewhere, the
second looks at the resolved registry. A rule is one generator; the tuples at the end of the file list them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ael_otel.prometheus import prometheus_label
from ael_otel.schema.model import (
    Attribute,
    AttributeDef,
    AttributeRef,
    Enum,
    Event,
    Group,
    Metric,
    Registry,
    Sources,
    Span,
)
from ael_otel.schema.queries import unknown_names
from ael_otel.schema.resolve import resolve

NAMESPACE = "ael."
HARD_MAX_SERIES = 2000
"""Series of one instrument at which the SDK starts to fold new ones into one overflow series."""
UNITS = ("s", "By", "1")
"""Units a metric may have besides an annotation such as {item}."""
VERBS = ("start", "complete", "fail", "cancel", "skip", "retry", "drop", "timeout")
"""Last words an event name may have."""
BRIEF_MAX = 100
"""Longest brief, in characters: it becomes one line of generated Python."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")
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


class Finding(NamedTuple):
    """One broken rule."""

    rule: str
    source: str
    item: str
    problem: str

    def __str__(self) -> str:
        return f"{self.source}: {self.item}: {self.problem} [{self.rule}]"


def lint(sources: Sources) -> list[Finding]:
    """Every rule the registry breaks, in the order of the rules; empty when it keeps them all."""
    findings = [finding for rule in SOURCE_RULES for finding in rule(sources)]
    if any(finding.rule == unknown_ref.__name__ for finding in findings):
        return findings  # what refers to nothing cannot be resolved
    registry = resolve(sources)
    return findings + [finding for rule in REGISTRY_RULES for finding in rule(registry, sources)]


# --- first stage: definitions and references --------------------------------------------------------------------------


def duplicate_name(sources: Sources) -> Iterator[Finding]:
    """A name is defined once, a set holds a value once, a signal refers to an attribute once."""
    for section, name in _named(sources):
        if _named(sources).count((section, name)) > 1:
            yield Finding(
                "duplicate_name", sources.where(section, name), name, "is defined twice; remove one"
            )
    for attribute in sources.attributes:
        if isinstance(attribute.type, Enum):
            members = attribute.type.members
            for value in _repeated([*(member.id for member in members)]) | _repeated(
                [member.value for member in members]
            ):
                yield Finding(
                    "duplicate_name",
                    sources.where("attributes", attribute.key),
                    attribute.key,
                    f"member {value} is there twice",
                )
    for section, name, refs in _referring(sources):
        for key in sorted(_repeated([ref.ref for ref in refs])):
            yield Finding(
                "duplicate_name", sources.where(section, name), name, f"refers to {key} twice; remove one"
            )


def redefined_upstream(sources: Sources) -> Iterator[Finding]:
    """An attribute of OpenTelemetry is referred to, never defined again."""
    upstream = {attribute.key for attribute in sources.upstream}
    for attribute in sources.attributes:
        if attribute.key in upstream:
            yield _attribute_finding(
                "redefined_upstream",
                sources,
                attribute,
                "is OpenTelemetry's; remove the definition and refer to it",
            )


def unknown_ref(sources: Sources) -> Iterator[Finding]:
    """Every reference leads to a definition."""
    known: dict[str, AttributeDef] = {item.key: item for item in (*sources.upstream, *sources.attributes)}
    entities = {entity.type for entity in sources.entities}
    spans = {span.type for span in sources.spans}

    def dangling(section: str, name: str, problem: str) -> Finding:
        return Finding("unknown_ref", sources.where(section, name), name, problem)

    for section, name, refs in _referring(sources):
        for ref in refs:
            notes = ref.annotations.ael
            if ref.ref not in known:
                yield dangling(
                    section,
                    name,
                    f"refers to {ref.ref}, which no attribute defines; define it or correct the ref",
                )
            if notes.values_of:
                yield from _values_of(sources, known, section, name, notes.values_of)
            for sibling in notes.follows_from:
                if sibling not in {other.ref for other in refs} - {ref.ref}:
                    yield dangling(
                        section, name, f"{ref.ref} follows_from {sibling}, which is not another label here"
                    )
    for attribute in sources.attributes:
        if attribute.annotations.ael.values_of:
            yield from _values_of(
                sources, known, "attributes", attribute.key, attribute.annotations.ael.values_of
            )
    for entity in sources.entities:
        for item in (*entity.identity, *entity.description):
            if item.ref not in known:
                yield dangling("entities", entity.type, f"refers to {item.ref}, which no attribute defines")
    associations = [
        *(("metrics", metric.name, metric.entity_associations) for metric in sources.metrics),
        *(("spans", span.type, span.entity_associations) for span in sources.spans),
        *(("events", event.name, event.entity_associations) for event in sources.events),
    ]
    for section, name, types in associations:
        for entity_type in types:
            if entity_type not in entities:
                yield dangling(
                    section, name, f"entity_associations names {entity_type}, which no entity defines"
                )
    for event in sources.events:
        form = event.annotations.ael.span_event
        for span_type in form.spans if form else ():
            if span_type not in spans:
                yield dangling(
                    "events", event.name, f"span_event names the span {span_type}, which is not defined"
                )
        for key in form.attributes if form else ():
            if key not in known:
                yield dangling(
                    "events", event.name, f"span_event refers to {key}, which no attribute defines"
                )


def invalid_name(sources: Sources) -> Iterator[Finding]:
    """Names are lowercase words joined by single dots and underscores."""
    for section, name in _named(sources):
        if not _NAME.fullmatch(name):
            yield Finding(
                "invalid_name",
                sources.where(section, name),
                name,
                "must be lowercase words joined by single dots or underscores, a letter first",
            )


def bad_brief(sources: Sources) -> Iterator[Finding]:
    """A brief is one sentence that fits a line of Python."""
    for section, name, brief in _briefs(sources):
        if not brief.endswith(".") or len(brief) > BRIEF_MAX or re.search(r'["\\\n|]', brief):
            yield Finding(
                "bad_brief",
                sources.where(section, name),
                name,
                f"brief must be a sentence of up to {BRIEF_MAX} characters with a full stop and no quote, | or \\",
            )


def closed_set(sources: Sources) -> Iterator[Finding]:
    """A closed set has members with lowercase values; a borrowed set belongs to a string."""
    for attribute in sources.attributes:
        notes = attribute.annotations.ael
        if notes.values_of and attribute.type != "string":
            yield _attribute_finding(
                "closed_set", sources, attribute, "takes values_of another set; set type to string"
            )
        if not isinstance(attribute.type, Enum):
            continue
        if not attribute.type.members:
            yield _attribute_finding(
                "closed_set", sources, attribute, "has no members; list them or set type to string"
            )
        for member in attribute.type.members:
            if not _VALUE.fullmatch(member.id):
                yield _attribute_finding(
                    "closed_set", sources, attribute, f"member id {member.id} must be lowercase"
                )
            if not _VALUE.fullmatch(member.value) and not notes.verbatim_values:
                yield _attribute_finding(
                    "closed_set",
                    sources,
                    attribute,
                    f"value {member.value} must be lowercase, or verbatim_values say why not",
                )


def missing_examples(sources: Sources) -> Iterator[Finding]:
    """An attribute that is not a closed set shows what it looks like."""
    for attribute in sources.attributes:
        if not isinstance(attribute.type, Enum) and attribute.type != "boolean" and not attribute.examples:
            yield _attribute_finding("missing_examples", sources, attribute, "set examples")


def copied_trace_id(sources: Sources) -> Iterator[Finding]:
    """Trace and span ids live in the record's own fields, not in attributes."""
    for attribute in sources.attributes:
        if re.search(r"(?:^|[._])(?:trace|span)_id$", attribute.key) and not attribute.annotations.ael.otlp:
            yield _attribute_finding(
                "copied_trace_id",
                sources,
                attribute,
                "copies an id that OTLP carries; remove it or set annotations.ael.otlp",
            )


# --- second stage: the resolved registry ------------------------------------------------------------------------------


def missing_namespace(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Our names start with `ael.`; a label or log field whose name is fixed elsewhere says so in `bare_key`."""
    bare_places = {attribute.key for group in registry.attribute_groups for attribute in group.attributes}
    bare_places |= {attribute.key for metric in registry.metrics for attribute in metric.attributes}
    for section, name in _named(sources):
        if section != "attributes" and not name.startswith(NAMESPACE):
            yield Finding(
                "missing_namespace", sources.where(section, name), name, f"must start with {NAMESPACE}"
            )
    for attribute in sources.attributes:
        reason = attribute.annotations.ael.bare_key
        namespaced = attribute.key.startswith(NAMESPACE)
        if not namespaced and not reason:
            yield _attribute_finding(
                "missing_namespace",
                sources,
                attribute,
                f"must start with {NAMESPACE}, or bare_key must say why not",
            )
        elif namespaced and reason:
            yield _attribute_finding(
                "missing_namespace", sources, attribute, "has a namespace; remove bare_key"
            )
        elif reason and attribute.key not in bare_places:
            yield _attribute_finding(
                "missing_namespace",
                sources,
                attribute,
                "has no namespace and is no metric label or log field",
            )


def unit_in_name(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """The name of a metric says neither its unit nor its type: translation to Prometheus appends them."""
    for metric in registry.metrics:
        for word in sorted(set(re.split(r"[._]", metric.name)) & _UNIT_OR_TYPE_WORDS):
            yield _metric_finding(
                "unit_in_name", sources, metric, f"remove {word}: it is added in translation"
            )


def bad_unit(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric has a unit: seconds, bytes, 1, or what it counts in braces."""
    for metric in registry.metrics:
        if metric.unit not in UNITS and not re.fullmatch(r"\{[a-z_]+\}", metric.unit):
            found = f"unit {metric.unit!r} is not known" if metric.unit else "has no unit"
            yield _metric_finding(
                "bad_unit", sources, metric, f"{found}; set one of {', '.join(UNITS)} or {{thing}}"
            )


def name_collision(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Two metrics, or two labels of one metric, do not share a Prometheus name."""
    shared = _repeated([metric.prometheus for metric in registry.metrics])
    for metric in registry.metrics:
        if metric.prometheus in shared:
            yield _metric_finding(
                "name_collision", sources, metric, f"shares the Prometheus name {metric.prometheus}"
            )
        for label in sorted(_repeated([prometheus_label(attribute.key) for attribute in metric.attributes])):
            yield _metric_finding(
                "name_collision", sources, metric, f"has the Prometheus label {label} twice"
            )


def missing_goal(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Every signal says what it is for."""
    for section, name, signal in _signals(registry):
        if signal.ael.goal is None:
            yield Finding(
                "missing_goal",
                sources.where(section, name),
                name,
                "set annotations.ael.goal to operation, performance, capacity, change_impact or trend",
            )


def bad_query(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """Every signal and public group has an example query, and the query uses no name that does not exist."""
    groups: list[tuple[str, str, Metric | Span | Event | Group]] = [
        ("attribute_groups", group.id, group) for group in registry.attribute_groups
    ]
    for section, name, signal in [*_signals(registry), *groups]:
        where = sources.where(section, name)
        if not signal.ael.query:
            yield Finding("bad_query", where, name, "set annotations.ael.query to an example")
        for unknown in unknown_names(registry, section, signal.ael.query):
            yield Finding(
                "bad_query", where, name, f"query uses {unknown}, which the registry does not declare"
            )
    for metric in registry.metrics:
        if metric.ael.query and metric.prometheus not in metric.ael.query:
            yield _metric_finding("bad_query", sources, metric, f"query does not use {metric.prometheus}")


def bad_buckets(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A histogram has rising positive bucket bounds; nothing else has any."""
    for metric in registry.metrics:
        bounds = metric.ael.buckets
        if metric.instrument != "histogram":
            if bounds:
                yield _metric_finding("bad_buckets", sources, metric, "is no histogram; remove buckets")
        elif not bounds or bounds[0] <= 0 or list(bounds) != sorted(set(bounds)):
            yield _metric_finding(
                "bad_buckets", sources, metric, "set annotations.ael.buckets to rising bounds above 0"
            )


def unbounded_label(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric label is bounded: a closed set, a boolean, or a string that states `max_values`."""
    for metric in registry.metrics:
        for attribute in metric.attributes:
            if attribute.ael.cardinality == "unbounded":
                problem = f"label {attribute.key} is unbounded; keep it to spans and events"
            elif attribute.ael.sensitive:
                problem = f"label {attribute.key} is sensitive; keep it to spans and events"
            elif attribute.max_values is None:
                problem = (
                    f"label {attribute.key} has no bound; set annotations.ael.max_values on the attribute"
                )
            else:
                continue
            yield _metric_finding("unbounded_label", sources, metric, problem)


def max_series(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """A metric states how many series it may have, and its labels cannot make more."""
    for metric in registry.metrics:
        limit = metric.ael.max_series
        if limit is None:
            yield _metric_finding(
                "max_series", sources, metric, f"set annotations.ael.max_series (at most {HARD_MAX_SERIES})"
            )
            continue
        if not 0 < limit <= HARD_MAX_SERIES:
            yield _metric_finding(
                "max_series", sources, metric, f"max_series {limit} must be 1 to {HARD_MAX_SERIES}"
            )
        possible = math.prod(
            attribute.max_values or 1 for attribute in metric.attributes if not attribute.ael.follows_from
        )
        if possible > limit:
            yield _metric_finding(
                "max_series",
                sources,
                metric,
                f"labels can make {possible} series, above max_series {limit}; lower max_values",
            )


def unstable_in_stable(registry: Registry, sources: Sources) -> Iterator[Finding]:
    """What a stable signal always carries is stable too."""
    for section, name, signal in _signals(registry):
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
    for section, name, signal in _signals(registry):
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


SOURCE_RULES: tuple[Callable[[Sources], Iterator[Finding]], ...] = (
    duplicate_name,
    redefined_upstream,
    unknown_ref,
    invalid_name,
    bad_brief,
    closed_set,
    missing_examples,
    copied_trace_id,
)
REGISTRY_RULES: tuple[Callable[[Registry, Sources], Iterator[Finding]], ...] = (
    missing_namespace,
    unit_in_name,
    bad_unit,
    name_collision,
    missing_goal,
    bad_query,
    bad_buckets,
    unbounded_label,
    max_series,
    unstable_in_stable,
    resource_on_signal,
    bad_span_name,
    bad_event_name,
)


def _named(sources: Sources) -> list[tuple[str, str]]:
    return [
        *(("attributes", attribute.key) for attribute in sources.attributes),
        *(("attribute_groups", group.id) for group in sources.attribute_groups),
        *(("entities", entity.type) for entity in sources.entities),
        *(("metrics", metric.name) for metric in sources.metrics),
        *(("spans", span.type) for span in sources.spans),
        *(("events", event.name) for event in sources.events),
    ]


def _briefs(sources: Sources) -> list[tuple[str, str, str]]:
    return [
        *(("attributes", attribute.key, attribute.brief) for attribute in sources.attributes),
        *(
            ("attributes", attribute.key, member.brief)
            for attribute in sources.attributes
            if isinstance(attribute.type, Enum)
            for member in attribute.type.members
        ),
        *(
            (section, name, ref.brief)
            for section, name, refs in _referring(sources)
            for ref in refs
            if ref.brief
        ),
        *(("attribute_groups", group.id, group.brief) for group in sources.attribute_groups),
        *(("entities", entity.type, entity.brief) for entity in sources.entities),
        *(("metrics", metric.name, metric.brief) for metric in sources.metrics),
        *(("spans", span.type, span.brief) for span in sources.spans),
        *(("events", event.name, event.brief) for event in sources.events),
    ]


def _referring(sources: Sources) -> list[tuple[str, str, tuple[AttributeRef, ...]]]:
    return [
        *(("attribute_groups", group.id, group.attributes) for group in sources.attribute_groups),
        *(("metrics", metric.name, metric.attributes) for metric in sources.metrics),
        *(("spans", span.type, span.attributes) for span in sources.spans),
        *(("events", event.name, event.attributes) for event in sources.events),
    ]


def _signals(registry: Registry) -> list[tuple[str, str, Metric | Span | Event | Group]]:
    return [
        *(("metrics", metric.name, metric) for metric in registry.metrics),
        *(("spans", span.type, span) for span in registry.spans),
        *(("events", event.name, event) for event in registry.events),
    ]


def _values_of(
    sources: Sources, known: dict[str, AttributeDef], section: str, name: str, owner: str
) -> Iterator[Finding]:
    if owner not in known or not isinstance(known[owner].type, Enum):
        problem = (
            f"values_of names {owner}, which is no closed set; correct it or give that attribute members"
        )
        yield Finding("unknown_ref", sources.where(section, name), name, problem)


def _repeated(items: list[str]) -> set[str]:
    return {item for item, count in Counter(items).items() if count > 1}


def _attribute_finding(
    rule: str, sources: Sources, attribute: AttributeDef | Attribute, problem: str
) -> Finding:
    return Finding(rule, sources.where("attributes", attribute.key), attribute.key, problem)


def _metric_finding(rule: str, sources: Sources, metric: Metric, problem: str) -> Finding:
    return Finding(rule, sources.where("metrics", metric.name), metric.name, problem)
