"""The facts of each registry item that users rely on, for comparing two versions."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from tools.telemetry_schema.model import (
    NAMES,
    Attribute,
    Deprecated,
    Entity,
    Event,
    Metric,
    Registry,
    ScopeDef,
    Span,
    Stability,
)

Kind = Literal["fixed", "growing", "open"]
"""`fixed`: any change breaks its users; `growing`: only a removal does; `open`: a change breaks nobody."""
Value = str | tuple[float, ...] | frozenset[str] | None


class Aspect(NamedTuple):
    """One fact: how it may change, and its value."""

    kind: Kind
    value: Value


class Thing(NamedTuple):
    """An item by section and name, with the facts that its users rely on."""

    section: str
    name: str
    stability: Stability
    brief: str
    deprecated: Deprecated | None
    aspects: dict[str, Aspect]


def things(registry: Registry) -> dict[tuple[str, str], Thing]:
    """Every item of the registry that is ours."""
    facts: dict[str, Callable[[Any], dict[str, Aspect]]] = {
        "attributes": _attribute,
        "attribute_groups": lambda group: _uses(group.attributes),
        "entities": _entity,
        "metrics": _metric,
        "spans": _span,
        "events": _event,
        "scopes": _scope,
    }
    found: list[Thing] = []
    for section, key in NAMES.items():
        for item in getattr(registry, section):
            others = item.foreign if section == "scopes" else section == "attributes" and item.upstream
            if not others:
                name, deprecated = getattr(item, key), getattr(item, "deprecated", None)
                found.append(
                    Thing(section, name, item.stability, item.brief, deprecated, facts[section](item))
                )
    return {(thing.section, thing.name): thing for thing in found}


def _attribute(item: Attribute) -> dict[str, Aspect]:
    return {
        "type": Aspect("fixed", item.type),
        "values": Aspect("growing", frozenset(item.values)),
        "place in OTLP": Aspect("fixed", item.ael.otlp),
        "cardinality": Aspect("open", item.ael.cardinality),
        "sensitivity": Aspect("open", item.ael.sensitivity),
    }


def _metric(item: Metric) -> dict[str, Aspect]:
    return {
        "Prometheus name": Aspect("fixed", item.prometheus),
        "unit": Aspect("fixed", item.unit),
        "instrument": Aspect("fixed", item.instrument),
        "value type": Aspect("fixed", item.value_type),
        # One label more splits every series and doubles every sum that is not grouped.
        "labels": Aspect("fixed", frozenset(label.key for label in item.attributes)),
        **_values(item.attributes),
        "buckets": Aspect("open", item.ael.buckets),
        "presence": Aspect("growing", _presence(item)),
        "entities": Aspect("open", frozenset(item.entity_associations)),
    }


def _span(item: Span) -> dict[str, Aspect]:
    return {
        "name": Aspect("fixed", item.name),
        "kind": Aspect("fixed", item.kind),
        **_uses(item.attributes),
        "events": Aspect("growing", frozenset(item.span_events)),
        "presence": Aspect("growing", _presence(item)),
        "entities": Aspect("open", frozenset(item.entity_associations)),
    }


def _event(item: Event) -> dict[str, Aspect]:
    return {
        **_uses(item.attributes),
        "presence": Aspect("growing", _presence(item)),
        "entities": Aspect("open", frozenset(item.entity_associations)),
    }


def _entity(item: Entity) -> dict[str, Aspect]:
    return {
        "identity": Aspect("fixed", frozenset(part.key for part in item.identity)),
        "description": Aspect("growing", frozenset(part.key for part in item.description)),
        "presence": Aspect("growing", _presence(item)),
    }


def _scope(item: ScopeDef) -> dict[str, Aspect]:
    return {"signals": Aspect("growing", frozenset[str](item.signals))}


def _uses(attributes: Iterable[Attribute]) -> dict[str, Aspect]:
    known = tuple(attributes)
    return {
        "attributes": Aspect("growing", frozenset(item.key for item in known)),
        "required attributes": Aspect(
            "growing", frozenset(item.key for item in known if item.requirement_level == "required")
        ),
        **_values(known),
    }


def _values(attributes: Iterable[Attribute]) -> dict[str, Aspect]:
    return {
        f"values of {item.key}": Aspect("growing", frozenset(item.values))
        for item in attributes
        if item.values
    }


def _presence(item: Metric | Span | Event | Entity) -> frozenset[str]:
    return frozenset({"by default"} if item.requirement_level == "recommended" else ())
