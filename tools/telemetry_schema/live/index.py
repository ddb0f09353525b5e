"""The registry, indexed for looking up names in telemetry."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from tools.telemetry_schema.live.samples import Value
from tools.telemetry_schema.model import Attribute, Event, Metric, Registry, ScopeDef, Span

_PLACEHOLDER = re.compile(r"\{([^}]+)\}")


class Index:
    """Names of a registry with their items."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.attributes: dict[str, Attribute] = {item.key: item for item in registry.attributes}
        self.metrics: dict[str, Metric] = {item.name: item for item in registry.metrics}
        self.events: dict[str, Event] = {item.name: item for item in registry.events}
        self.resource: dict[str, Attribute] = {
            item.key: item for entity in registry.entities for item in (*entity.identity, *entity.description)
        }
        fields = [item for group in registry.attribute_groups for item in group.attributes]
        self.log_fields: dict[str, Attribute] = {item.key: item for item in fields if not item.ael.otlp}
        self.log_members: dict[str, Attribute] = {item.ael.otlp: item for item in fields if item.ael.otlp}
        self.span_events: dict[str, tuple[str, ...]] = {
            form.name: form.attributes for item in registry.events if (form := item.ael.span_event)
        }
        self._spans = [(span, _pattern(span.name)) for span in registry.spans]

    def scope(self, name: str, resource: Mapping[str, Value]) -> ScopeDef | None:
        """The scope of that name; a foreign one may be declared by its beginning or as a resource attribute."""
        for scope in self.registry.scopes:
            wanted = _PLACEHOLDER.sub(lambda match: str(resource.get(match[1], "")), scope.name)
            if scope.name == name or (scope.foreign and fnmatchcase(name, wanted)):
                return scope
        return None

    def span(self, name: str) -> tuple[Span, dict[str, str]] | None:
        """Return the span whose name pattern matches, and the attributes that the name contains."""
        for span, pattern in self._spans:
            match = pattern.fullmatch(name)
            if match is not None:
                return span, dict(zip(_PLACEHOLDER.findall(span.name), match.groups(), strict=True))
        return None


def _pattern(name: str) -> re.Pattern[str]:
    """A pattern for names of a span; each `{key}` stands for any text."""
    parts = _PLACEHOLDER.split(name)
    return re.compile(
        "".join("(.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)), re.DOTALL
    )
