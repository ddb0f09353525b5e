"""One item of the registry, found by a name a person may have seen anywhere, in full."""

from collections.abc import Iterator
from difflib import get_close_matches

from rich.console import RenderableType
from rich.text import Text

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import Attribute, Entity, Event, Group, Metric, Registry, ScopeDef, Span
from tools.telemetry_schema.tables import attributes_table, table

_SUFFIXES = ("_bucket", "_sum", "_count", "_total")

type Item = Metric | Span | Event | Group | Entity | ScopeDef | Attribute


def find(registry: Registry, name: str) -> list[RenderableType]:
    """What to show for a name; raises SchemaError with the nearest names when nothing has it."""
    index = list(_index(registry))
    found = [item for key, item in index if key == name]
    if not found:
        raise SchemaError("", name, _unknown(name, [key for key, _ in index]))
    shown: list[RenderableType] = []
    for item in dict.fromkeys(found):
        shown += _shown(registry, item)
    return shown


def metric_named(registry: Registry, name: str) -> Metric:
    """A metric by its OpenTelemetry or Prometheus name; raises SchemaError with the nearest names."""
    index = {key: item for key, item in _index(registry) if isinstance(item, Metric)}
    if name not in index:
        raise SchemaError("", name, _unknown(name, list(index)))
    return index[name]


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3)
    return f"is not in the registry; did you mean {' or '.join(near)}?" if near else "is not in the registry"


def _index(registry: Registry) -> Iterator[tuple[str, Item]]:
    for metric in registry.metrics:
        yield metric.name, metric
        yield metric.prometheus, metric
        yield from ((metric.prometheus + suffix, metric) for suffix in _SUFFIXES)
    yield from ((key, span) for span in registry.spans for key in (span.type, span.name))
    yield from ((event.name, event) for event in registry.events)
    yield from ((group.id, group) for group in registry.attribute_groups)
    yield from ((entity.type, entity) for entity in registry.entities)
    yield from ((scope.name, scope) for scope in registry.scopes)
    for attribute in registry.attributes:
        yield attribute.key, attribute
        if prometheus_label(attribute.key) != attribute.key:
            yield prometheus_label(attribute.key), attribute


def _shown(registry: Registry, item: Item) -> Iterator[RenderableType]:
    match item:
        case Metric():
            facts = {"Prometheus": item.prometheus, "instrument": item.instrument, "unit": item.unit}
            facts["series"] = f"at most {item.ael.max_series}"
            if item.ael.buckets:
                facts["buckets"] = " ".join(f"{bound:g}" for bound in item.ael.buckets)
            yield from _signal("metric", item.name, item, facts)
        case Span():
            facts = {"name": item.name, "kind": item.kind}
            if item.span_events:
                facts["events"] = ", ".join(item.span_events)
            yield from _signal("span", item.type, item, facts)
        case Event():
            yield from _signal("event", item.name, item, {})
        case Group():
            yield from _signal("log fields", item.id, item, {})
        case Entity():
            yield Text.assemble(("entity ", "dim"), (item.type, "bold"), f"  {item.brief}")
            yield attributes_table((*item.identity, *item.description))
        case ScopeDef():
            yield Text.assemble(("scope ", "dim"), (item.name, "bold"), f"  {item.brief}")
            yield Text(f"emits {', '.join(item.signals) or 'what its own project says'}")
        case Attribute():
            yield Text.assemble(("attribute ", "dim"), (item.key, "bold"), f"  {item.brief}")
            if item.note:
                yield Text(item.note)
            yield attributes_table([item])
            yield Text(f"on {', '.join(_users(registry, item.key)) or 'nothing'}")


def _signal(
    kind: str, name: str, item: Metric | Span | Event | Group, facts: dict[str, str]
) -> Iterator[RenderableType]:
    yield Text.assemble((f"{kind} ", "dim"), (name, "bold"), f"  {item.brief}")
    if item.note:
        yield Text(item.note)
    facts["stability"] = item.stability
    facts["serves"] = (item.ael.goal or "").replace("_", " ")
    if not isinstance(item, Group) and item.deprecated is not None:
        facts["deprecated"] = f"{item.deprecated.reason} {item.deprecated.renamed_to}".strip()
    yield table(("", ""), facts.items())
    if item.attributes:
        yield attributes_table(item.attributes)
    yield Text(item.ael.query, style="cyan")


def _users(registry: Registry, key: str) -> Iterator[str]:
    for name, attributes in (
        *((metric.name, metric.attributes) for metric in registry.metrics),
        *((span.name, span.attributes) for span in registry.spans),
        *((event.name, event.attributes) for event in registry.events),
        *((group.id, group.attributes) for group in registry.attribute_groups),
        *((entity.type, (*entity.identity, *entity.description)) for entity in registry.entities),
    ):
        if any(attribute.key == key for attribute in attributes):
            yield name
