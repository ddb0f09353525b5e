"""Types of the registry: the YAML files' items, and the same with every reference resolved.

The definitions follow weaver's `definition/2`; only the parts this project uses are accepted, and an unknown key is
an error. Everything of our own sits in `annotations.ael`, which weaver passes through.
"""

from typing import Literal

from msgspec import Struct

Stability = Literal["stable", "release_candidate", "beta", "alpha", "development", "deprecated"]
Instrument = Literal["counter", "updowncounter", "gauge", "histogram"]
SpanKind = Literal["internal", "client", "server", "producer", "consumer"]
Goal = Literal["operation", "performance", "capacity", "change_impact", "trend"]
Level = Literal["required", "recommended", "opt_in"]
ValueType = Literal["int", "double"]
SignalLevel = Literal["recommended", "opt_in"]
Sensitivity = Literal["system", "named", "content"]
Reason = Literal["renamed", "obsoleted", "uncategorized"]
ScopeSignal = Literal["spans", "metrics", "logs"]
ScalarType = Literal["string", "int", "double", "boolean", "string[]", "int[]", "double[]", "boolean[]"]
Scalar = str | int | float | bool

NAMES = {
    "attributes": "key",
    "attribute_groups": "id",
    "entities": "type",
    "metrics": "name",
    "spans": "type",
    "events": "name",
    "scopes": "name",
}
"""Section of a registry -> the key that names an item of it."""


class Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of all values: immutable, and an unknown key is an error."""


class Member(Strict, frozen=True):
    """One value of a closed set."""

    id: str
    value: str
    stability: Stability
    brief: str


class Enum(Strict, frozen=True):
    """A closed set of values."""

    members: tuple[Member, ...]


class AttributeNotes(Strict, frozen=True):
    """`annotations.ael` of an attribute or of a reference to one; a reference's entries win.

    `max_values`: how many values are expected at most.
    `cardinality`: `unbounded` bars the attribute from metrics.
    `values_of`: key of the attribute whose closed set this one takes its values from.
    `follows_from`: sibling labels that already determine this one, so that it adds no series.
    `bare_key`: why the key has no namespace.
    `verbatim_values`: why the values are not lowercase.
    `otlp`: member of an OTLP log record that holds the field; empty means an attribute.
    `may_be_empty`: the field is always there but may be the empty string, which OTLP leaves out.
    `sensitivity`: `system` is made by the engine, the SDK or this package; `named` is a name that a person chose;
    `content` may hold what a person or a tool wrote, so it is redacted and never a label.
    """

    max_values: int | None = None
    cardinality: Literal["bounded", "unbounded"] = "bounded"
    values_of: str = ""
    follows_from: tuple[str, ...] = ()
    bare_key: str = ""
    verbatim_values: str = ""
    otlp: str = ""
    may_be_empty: bool = False
    sensitivity: Sensitivity | None = None


class SpanEvent(Strict, frozen=True):
    """The form an event takes on a span."""

    name: str
    spans: tuple[str, ...]
    attributes: tuple[str, ...] = ()


class SignalNotes(Strict, frozen=True):
    """`annotations.ael` of a metric, span, event, entity or attribute group.

    `goal`: purpose of the signal. `query`: one example in the language of its backend.
    `remove_in`: version of the interface in which a deprecated signal goes.
    `metric_set` (metrics that are updated together), `max_series`, `buckets` (upper bounds, in the metric's unit):
    metrics only. `span_event`: events only.
    """

    goal: Goal | None = None
    query: str = ""
    remove_in: str = ""
    metric_set: str = ""
    max_series: int | None = None
    buckets: tuple[float, ...] = ()
    span_event: SpanEvent | None = None


class CodeGeneration(Strict, frozen=True):
    """`annotations.code_generation`, as upstream writes it."""

    metric_value_type: ValueType


class AttributeAnnotations(Struct, frozen=True, omit_defaults=True):
    """Annotations of an attribute; keys other than `ael` belong to other tools."""

    ael: AttributeNotes = AttributeNotes()


class SignalAnnotations(Struct, frozen=True, omit_defaults=True):
    """Annotations of a signal; keys other than `ael` and `code_generation` belong to other tools."""

    ael: SignalNotes = SignalNotes()
    code_generation: CodeGeneration | None = None


class Deprecated(Strict, frozen=True):
    """Why an item is deprecated, and its replacement."""

    reason: Reason
    note: str = ""
    renamed_to: str = ""


class AttributeDef(Strict, frozen=True):
    """Definition of an attribute."""

    key: str
    type: ScalarType | Enum
    stability: Stability
    brief: str
    note: str = ""
    examples: tuple[Scalar, ...] = ()
    deprecated: Deprecated | None = None
    annotations: AttributeAnnotations = AttributeAnnotations()


class Conditional(Strict, frozen=True):
    """Requirement level of an attribute that is required under a condition."""

    conditionally_required: str


class AttributeRef(Strict, frozen=True):
    """Use of an attribute by a signal; values set here win over the definition."""

    ref: str
    requirement_level: Level | Conditional
    brief: str = ""
    note: str = ""
    examples: tuple[Scalar, ...] = ()
    sampling_relevant: bool = False
    annotations: AttributeAnnotations = AttributeAnnotations()


class EntityRef(Strict, frozen=True):
    """Use of an attribute by an entity."""

    ref: str
    requirement_level: Level | None = None


class EntityDef(Strict, frozen=True):
    """Definition of an entity: a thing that resource attributes identify."""

    type: str
    stability: Stability
    requirement_level: SignalLevel
    brief: str
    identity: tuple[EntityRef, ...]
    description: tuple[EntityRef, ...] = ()
    note: str = ""
    deprecated: Deprecated | None = None
    annotations: SignalAnnotations = SignalAnnotations()


class SignalDef(Strict, frozen=True, kw_only=True):
    """Fields that the definitions of all signals have."""

    stability: Stability
    requirement_level: SignalLevel
    brief: str
    note: str = ""
    deprecated: Deprecated | None = None
    entity_associations: tuple[str, ...] = ()
    annotations: SignalAnnotations = SignalAnnotations()
    attributes: tuple[AttributeRef, ...] = ()


class MetricDef(SignalDef, frozen=True, kw_only=True):
    """Definition of a metric."""

    name: str
    instrument: Instrument
    unit: str


class SpanName(Strict, frozen=True):
    """Name of a span; `{key}` stands for the value of an attribute."""

    note: str


class SpanDef(SignalDef, frozen=True, kw_only=True):
    """Definition of a span."""

    type: str
    kind: SpanKind
    name: SpanName


class EventDef(SignalDef, frozen=True, kw_only=True):
    """Definition of an event: a log record with a name."""

    name: str


class GroupDef(Strict, frozen=True):
    """Definition of a set of attributes that is not a signal by itself."""

    id: str
    visibility: Literal["public", "internal"]
    stability: Stability
    brief: str
    note: str = ""
    annotations: SignalAnnotations = SignalAnnotations()
    attributes: tuple[AttributeRef, ...] = ()


class Imports(Strict, frozen=True):
    """Names of another registry that are emitted here unchanged; a name may end in *."""

    entities: tuple[str, ...] = ()


class ScopeDef(Strict, frozen=True):
    """An instrumentation scope: who emits; `foreign` ones have their own owner, and their name may end in *."""

    name: str
    brief: str
    stability: Stability = "development"
    goal: Goal | None = None
    signals: tuple[ScopeSignal, ...] = ()
    foreign: bool = False


class Dependency(Strict, frozen=True):
    """Another registry that this one refers to; the path is relative to the repository root."""

    schema_url: str
    registry_path: str


class Manifest(Strict, frozen=True):
    """`manifest.yaml`: identity and version of a registry."""

    schema_url: str
    stability: Stability
    description: str = ""
    dependencies: tuple[Dependency, ...] = ()

    @property
    def version(self) -> str:
        """Version of the telemetry interface: the last segment of the schema URL."""
        return self.schema_url.rstrip("/").rpartition("/")[2]


class Sources(Struct, frozen=True, kw_only=True):
    """The definitions of a registry in the order of its files; `files` has the file of each."""

    manifest: Manifest
    attributes: tuple[AttributeDef, ...] = ()
    attribute_groups: tuple[GroupDef, ...] = ()
    entities: tuple[EntityDef, ...] = ()
    metrics: tuple[MetricDef, ...] = ()
    spans: tuple[SpanDef, ...] = ()
    events: tuple[EventDef, ...] = ()
    upstream: tuple[AttributeDef, ...] = ()
    upstream_entities: tuple[EntityDef, ...] = ()
    imports: Imports = Imports()
    scopes: tuple[ScopeDef, ...] = ()
    files: dict[tuple[str, str], str] = {}

    def where(self, section: str, name: str) -> str:
        """File that defines the item, else one that defines others of its section, else the section's name."""
        others = (file for (other, _), file in self.files.items() if other == section)
        return self.files.get((section, name)) or next(others, section)


class Attribute(Strict, frozen=True):
    """An attribute as one signal uses it, or as it is defined when no signal is involved.

    `values` is the closed set, own or borrowed; empty when the attribute is open.
    """

    key: str
    type: ScalarType | Literal["enum"]
    stability: Stability
    brief: str
    note: str = ""
    examples: tuple[Scalar, ...] = ()
    values: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    upstream: bool = False
    deprecated: Deprecated | None = None
    requirement_level: Level | Literal["conditionally_required"] | None = None
    condition: str = ""
    sampling_relevant: bool = False
    ael: AttributeNotes = AttributeNotes()

    @property
    def max_values(self) -> int | None:
        """Return how many values it can have: the size of the closed set, else the expected number, else None."""
        return len(self.values) or (2 if self.type == "boolean" else self.ael.max_values)


class Metric(Strict, frozen=True):
    """A metric with its attributes resolved and its Prometheus name translated."""

    name: str
    prometheus: str
    instrument: Instrument
    unit: str
    value_type: ValueType
    stability: Stability
    requirement_level: SignalLevel
    brief: str
    note: str = ""
    deprecated: Deprecated | None = None
    entity_associations: tuple[str, ...] = ()
    ael: SignalNotes = SignalNotes()
    attributes: tuple[Attribute, ...] = ()


class Span(Strict, frozen=True):
    """A span with its attributes resolved; `span_events` are the names of the events it may carry."""

    type: str
    name: str
    kind: SpanKind
    stability: Stability
    requirement_level: SignalLevel
    brief: str
    note: str = ""
    deprecated: Deprecated | None = None
    entity_associations: tuple[str, ...] = ()
    span_events: tuple[str, ...] = ()
    ael: SignalNotes = SignalNotes()
    attributes: tuple[Attribute, ...] = ()

    @property
    def error_attributes(self) -> tuple[Attribute, ...]:
        """The attributes of the kind of error; a span whose status is ERROR has all of them."""
        return tuple(attribute for attribute in self.attributes if attribute.key.endswith("error.type"))

    @property
    def tolerable(self) -> tuple[Attribute, ...]:
        """Those error attributes that are there under another condition than `error.type`: also without a failure."""
        failed = next((each.condition for each in self.error_attributes if each.key == "error.type"), None)
        return tuple(
            each for each in self.error_attributes if failed is not None and each.condition != failed
        )


class Event(Strict, frozen=True):
    """An event with its attributes resolved."""

    name: str
    stability: Stability
    requirement_level: SignalLevel
    brief: str
    note: str = ""
    deprecated: Deprecated | None = None
    entity_associations: tuple[str, ...] = ()
    ael: SignalNotes = SignalNotes()
    attributes: tuple[Attribute, ...] = ()


class Group(Strict, frozen=True):
    """An attribute group with its attributes resolved."""

    id: str
    stability: Stability
    brief: str
    note: str = ""
    ael: SignalNotes = SignalNotes()
    attributes: tuple[Attribute, ...] = ()


class Entity(Strict, frozen=True):
    """An entity with its attributes resolved."""

    type: str
    stability: Stability
    requirement_level: SignalLevel
    brief: str
    note: str = ""
    deprecated: Deprecated | None = None
    upstream: bool = False
    ael: SignalNotes = SignalNotes()
    identity: tuple[Attribute, ...] = ()
    description: tuple[Attribute, ...] = ()


class Registry(Struct, frozen=True, kw_only=True):
    """The resolved registry: the one document that code, docs and queries are made from and checked against."""

    file_format: str
    schema_url: str
    version: str
    attributes: tuple[Attribute, ...]
    attribute_groups: tuple[Group, ...]
    entities: tuple[Entity, ...]
    metrics: tuple[Metric, ...]
    spans: tuple[Span, ...]
    events: tuple[Event, ...]
    scopes: tuple[ScopeDef, ...] = ()
