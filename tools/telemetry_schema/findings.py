"""What a rule finds, and the lists of items that most rules go through."""

from collections import Counter
from typing import NamedTuple

from tools.telemetry_schema.model import AttributeRef, Enum, Event, Metric, Registry, Sources, Span


class Finding(NamedTuple):
    """One broken rule."""

    rule: str
    source: str
    item: str
    problem: str

    def __str__(self) -> str:
        return f"{self.source}: {self.item}: {self.problem} [{self.rule}]"


type Broken = tuple[str, str, str]
"""What a rule yields: section and name of the item that breaks it, and what to set."""


def named(sources: Sources) -> list[tuple[str, str]]:
    """Every definition as (section, name)."""
    return [
        *(("attributes", attribute.key) for attribute in sources.attributes),
        *(("attribute_groups", group.id) for group in sources.attribute_groups),
        *(("entities", entity.type) for entity in sources.entities),
        *(("metrics", metric.name) for metric in sources.metrics),
        *(("spans", span.type) for span in sources.spans),
        *(("events", event.name) for event in sources.events),
    ]


def briefs(sources: Sources) -> list[tuple[str, str, str]]:
    """Every brief as (section, name, brief)."""
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
            for section, name, refs in referring(sources)
            for ref in refs
            if ref.brief
        ),
        *(("attribute_groups", group.id, group.brief) for group in sources.attribute_groups),
        *(("entities", entity.type, entity.brief) for entity in sources.entities),
        *(("metrics", metric.name, metric.brief) for metric in sources.metrics),
        *(("spans", span.type, span.brief) for span in sources.spans),
        *(("events", event.name, event.brief) for event in sources.events),
    ]


def referring(sources: Sources) -> list[tuple[str, str, tuple[AttributeRef, ...]]]:
    """Every definition that refers to attributes as (section, name, references)."""
    return [
        *(("attribute_groups", group.id, group.attributes) for group in sources.attribute_groups),
        *(("metrics", metric.name, metric.attributes) for metric in sources.metrics),
        *(("spans", span.type, span.attributes) for span in sources.spans),
        *(("events", event.name, event.attributes) for event in sources.events),
    ]


def signals(registry: Registry) -> list[tuple[str, str, Metric | Span | Event]]:
    """Every resolved signal as (section, name, signal)."""
    return [
        *(("metrics", metric.name, metric) for metric in registry.metrics),
        *(("spans", span.type, span) for span in registry.spans),
        *(("events", event.name, event) for event in registry.events),
    ]


def repeated(items: list[str]) -> set[str]:
    """The items that are there more than once."""
    return {item for item, count in Counter(items).items() if count > 1}
