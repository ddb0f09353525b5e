"""Findings of a rule, and the lists of items that most rules iterate over."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from tools.telemetry_schema.model import NAMES, AttributeRef, Enum, Event, Metric, Registry, Sources, Span


class Finding(NamedTuple):
    """One broken rule."""

    rule: str
    source: str
    item: str
    problem: str

    def __str__(self) -> str:
        return f"{self.source}: {self.item}: {self.problem} [{self.rule}]"


type Broken = tuple[str, str, str]
"""A finding of a rule: section and name of the item that breaks it, and the remedy."""


def named(sources: Sources) -> list[tuple[str, str]]:
    """Every definition as (section, name)."""
    return [(section, name) for section, name, _ in _definitions(sources)]


def briefs(sources: Sources) -> list[tuple[str, str, str]]:
    """Every brief as (section, name, brief): of definitions, of members of closed sets and of references."""
    return [
        *((section, name, item.brief) for section, name, item in _definitions(sources)),
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
    ]


def referring(sources: Sources) -> list[tuple[str, str, tuple[AttributeRef, ...]]]:
    """Every definition that refers to attributes as (section, name, references)."""
    sections = ("attribute_groups", "metrics", "spans", "events")
    return [
        (section, name, item.attributes)
        for section, name, item in _definitions(sources)
        if section in sections
    ]


def signals(registry: Registry) -> list[tuple[str, str, Metric | Span | Event]]:
    """Every resolved signal as (section, name, signal)."""
    sections = ("metrics", "spans", "events")
    return [(each, getattr(item, NAMES[each]), item) for each in sections for item in getattr(registry, each)]


def _definitions(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    for section, key in NAMES.items():
        if section != "scopes":
            yield from ((section, getattr(item, key), item) for item in getattr(sources, section))


def repeated(items: list[str]) -> set[str]:
    """The items that are there more than once."""
    return {item for item, count in Counter(items).items() if count > 1}
