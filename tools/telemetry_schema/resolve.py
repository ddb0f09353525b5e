"""Resolve references: every signal gets its attributes in full, as the reference refines them."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, cast

import msgspec

from ael_otel.prometheus import prometheus_name
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import (
    Attribute,
    AttributeDef,
    AttributeNotes,
    AttributeRef,
    Conditional,
    Entity,
    EntityDef,
    EntityRef,
    Enum,
    Event,
    EventDef,
    Group,
    GroupDef,
    Level,
    Metric,
    MetricDef,
    Registry,
    SignalAnnotations,
    Sources,
    Span,
    SpanDef,
    Strict,
    ValueType,
)

FILE_FORMAT = "ael-registry/1"

type Definition = AttributeDef | GroupDef | EntityDef | MetricDef | SpanDef | EventDef


def resolve(sources: Sources) -> Registry:
    """The registry with every reference resolved; raises SchemaError for a reference to nothing."""
    resolver = _Resolver(sources)
    return Registry(
        file_format=FILE_FORMAT,
        schema_url=sources.manifest.schema_url,
        version=sources.manifest.version,
        attributes=tuple(resolver.definition(key) for key in sorted(resolver.keys)),
        attribute_groups=tuple(
            _resolved(
                Group, group, attributes=resolver.references("attribute_groups", group.id, group.attributes)
            )
            for group in sources.attribute_groups
        ),
        entities=tuple(
            _resolved(
                Entity,
                entity,
                upstream=upstream,
                identity=tuple(resolver.part(entity.type, item, "required") for item in entity.identity),
                description=tuple(
                    resolver.part(entity.type, item, "recommended") for item in entity.description
                ),
            )
            for entity, upstream in _entities(sources)
        ),
        metrics=tuple(
            _resolved(
                Metric,
                metric,
                prometheus=prometheus_name(metric.name, metric.unit, metric.instrument),
                value_type=_value_type(metric.annotations),
                attributes=resolver.references("metrics", metric.name, metric.attributes),
            )
            for metric in sources.metrics
        ),
        spans=tuple(
            _resolved(
                Span,
                span,
                name=span.name.note,
                span_events=_span_events(sources, span.type),
                attributes=resolver.references("spans", span.type, span.attributes),
            )
            for span in sources.spans
        ),
        events=tuple(
            _resolved(Event, event, attributes=resolver.references("events", event.name, event.attributes))
            for event in sources.events
        ),
        scopes=sources.scopes,
    )


def _resolved[T: Strict](kind: type[T], definition: Definition, **refined: object) -> T:
    """An item of `kind` with the fields of its definition that have the same name, and those that are refined."""
    same = set(kind.__struct_fields__) & set(definition.__struct_fields__) - refined.keys()
    make: Any = kind
    fields = {name: getattr(definition, name) for name in same} | refined
    return cast("T", make(ael=definition.annotations.ael, **fields))


def imported_entities(sources: Sources) -> list[EntityDef]:
    """The entities of OpenTelemetry that the registry imports, in the order of its list."""
    return [
        entity
        for pattern in sources.imports.entities
        for entity in sources.upstream_entities
        if fnmatchcase(entity.type, pattern)
    ]


def _entities(sources: Sources) -> list[tuple[EntityDef, bool]]:
    return [
        *((entity, True) for entity in imported_entities(sources)),
        *((entity, False) for entity in sources.entities),
    ]


class _Resolver:
    """Attribute definitions by key, own before upstream."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._definitions: dict[str, tuple[AttributeDef, bool]] = {}
        for definition in sources.upstream:
            self._definitions[definition.key] = (definition, True)
        for definition in sources.attributes:
            self._definitions[definition.key] = (definition, False)

    @property
    def keys(self) -> Iterable[str]:
        return self._definitions

    def definition(self, key: str) -> Attribute:
        definition, upstream = self._definitions[key]
        notes = definition.annotations.ael
        return _resolved(
            Attribute,
            definition,
            type="enum" if isinstance(definition.type, Enum) else definition.type,
            # An upstream set stays open: its owner may add to it at any time.
            values=() if upstream else self._values(key, notes),
            members=definition.type.members if isinstance(definition.type, Enum) else (),
            upstream=upstream,
        )

    def lookup(self, section: str, signal: str, key: str) -> Attribute:
        if key not in self._definitions:
            source = self._sources.where(section, signal)
            raise SchemaError(
                source, signal, f"refers to {key}, which no attribute defines; define it or correct the ref"
            )
        return self.definition(key)

    def part(self, entity: str, ref: EntityRef, level: Level) -> Attribute:
        """An attribute of an entity; `level` is the default."""
        attribute = self.lookup("entities", entity, ref.ref)
        return msgspec.structs.replace(attribute, requirement_level=ref.requirement_level or level)

    def references(self, section: str, signal: str, refs: Iterable[AttributeRef]) -> tuple[Attribute, ...]:
        return tuple(self._reference(section, signal, ref) for ref in refs)

    def _reference(self, section: str, signal: str, ref: AttributeRef) -> Attribute:
        base = self.lookup(section, signal, ref.ref)
        notes = _merged(base.ael, ref.annotations.ael)
        condition = (
            ref.requirement_level.conditionally_required
            if isinstance(ref.requirement_level, Conditional)
            else ""
        )
        return msgspec.structs.replace(
            base,
            brief=ref.brief or base.brief,
            note=ref.note or base.note,
            examples=ref.examples or base.examples,
            values=() if base.upstream else self._values(ref.ref, notes),
            requirement_level="conditionally_required" if condition else ref.requirement_level,
            condition=condition,
            sampling_relevant=ref.sampling_relevant,
            ael=notes,
        )

    def _values(self, key: str, notes: AttributeNotes) -> tuple[str, ...]:
        """The closed set of an attribute: borrowed by `values_of`, else its own members."""
        owner = notes.values_of or key
        if owner not in self._definitions:
            source = self._sources.where("attributes", key)
            raise SchemaError(source, key, f"values_of names {owner}, which no attribute defines")
        kind = self._definitions[owner][0].type
        if isinstance(kind, Enum):
            return tuple(member.value for member in kind.members)
        if notes.values_of:
            source = self._sources.where("attributes", key)
            raise SchemaError(source, key, f"values_of names {owner}, which has no members")
        return ()


def _merged(base: AttributeNotes, refinement: AttributeNotes) -> AttributeNotes:
    """The notes of a definition with what a reference sets on top."""
    defaults = AttributeNotes()
    changes = {
        name: getattr(refinement, name)
        for name in refinement.__struct_fields__
        if getattr(refinement, name) != getattr(defaults, name)
    }
    return msgspec.structs.replace(base, **changes)


def _value_type(annotations: SignalAnnotations) -> ValueType:
    return annotations.code_generation.metric_value_type if annotations.code_generation else "double"


def _span_events(sources: Sources, span_type: str) -> tuple[str, ...]:
    forms = [event.annotations.ael.span_event for event in sources.events]
    return tuple(form.name for form in forms if form and span_type in form.spans)
