"""Print one item of the registry in full, found by any of its names."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, cast

import msgspec
import yaml

from ael_otel.prometheus import prometheus_label
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import NAMES, Metric, Registry

_SUFFIXES = ("_bucket", "_sum", "_count", "_total")


def find(registry: Registry, name: str) -> str:
    """Return the YAML of each item with this name; raise SchemaError with the nearest names if there is none."""
    index = list(_index(registry))
    found = [(section, item) for key, section, item in index if key == name]
    if not found:
        raise SchemaError("", name, _unknown(name, [key for key, _, _ in index]))
    return "\n".join(_shown(registry, section, item) for section, item in dict.fromkeys(found))


def metric_named(registry: Registry, name: str) -> Metric:
    """A metric by its OpenTelemetry or Prometheus name; raises SchemaError with the nearest names."""
    index = {key: item for key, _, item in _index(registry) if isinstance(item, Metric)}
    if name not in index:
        raise SchemaError("", name, _unknown(name, list(index)))
    return index[name]


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3)
    return f"is not in the registry; did you mean {' or '.join(near)}?" if near else "is not in the registry"


def _index(registry: Registry) -> Iterator[tuple[str, str, Any]]:
    for section, key in NAMES.items():
        for item in getattr(registry, section):
            name = getattr(item, key)
            others: list[str] = []
            if section == "metrics":
                others = [item.prometheus, *(item.prometheus + suffix for suffix in _SUFFIXES)]
            elif section in ("spans", "attributes"):
                others = [item.name if section == "spans" else prometheus_label(name)]
            yield from ((each, section, item) for each in dict.fromkeys([name, *others]))


def _shown(registry: Registry, section: str, item: Any) -> str:
    # The stubs leave the function partly untyped.
    text: str = cast("Any", yaml).safe_dump(
        {section: [msgspec.to_builtins(item)]}, sort_keys=False, allow_unicode=True, width=200
    )
    if section != "attributes":
        return text
    return f"{text}# on {', '.join(_users(registry, item.key)) or 'nothing'}\n"


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
