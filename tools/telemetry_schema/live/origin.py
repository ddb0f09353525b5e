"""Check resources and instrumentation scopes against the registry."""

from collections.abc import Iterable

from tools.telemetry_schema.live import samples
from tools.telemetry_schema.live.attributes import check_secrets, check_value
from tools.telemetry_schema.live.findings import Checked
from tools.telemetry_schema.live.index import Index
from tools.telemetry_schema.model import ScopeDef

_KINDS = {"Span": "spans", "Metric": "metrics", "Log": "logs"}


def check_resource(index: Index, resource: samples.Resource, canaries: Iterable[str]) -> Checked:
    """Check the attributes of a resource, and that it identifies every entity it should."""
    part = Checked("resource", "resource", "", {}, dict(resource.attributes))
    check_secrets(part, canaries)
    for key, value in resource.attributes.items():
        if key in index.resource:
            check_value(part, index.resource[key], value)
        elif key.startswith("ael."):
            part.add_to(key, "missing_attribute", f"Attribute '{key}' is on no entity of the registry.")
        else:
            part.add_to(key, "unknown_resource_attribute", f"Attribute '{key}' is not ours; it is ignored.")
    for entity in index.registry.entities:
        there = [item.key for item in entity.identity if item.key in resource.attributes]
        if not there and entity.requirement_level == "opt_in":
            continue
        for item in (*entity.identity, *entity.description):
            if item.key not in resource.attributes and item.requirement_level is not None:
                level = "opt_in" if entity.requirement_level == "opt_in" else item.requirement_level
                part.add(
                    f"entity_{level}_attribute_not_present",
                    f"Entity '{entity.type}' is without its attribute '{item.key}'.",
                    entity_type=entity.type,
                    attribute_key=item.key,
                )
    return part


def entities_of(index: Index, resource: samples.Resource) -> set[str]:
    """The entities that a resource identifies."""
    return {
        entity.type
        for entity in index.registry.entities
        if all(item.key in resource.attributes for item in entity.identity)
    }


def check_scope(
    index: Index, batch: samples.Batch, canaries: Iterable[str]
) -> tuple[Checked, ScopeDef | None]:
    """Check one scope and the kinds of signals it emits; also return its declaration."""
    scope = batch.scope
    part = Checked(
        "instrumentation_scope",
        "instrumentation_scope",
        scope.name,
        {"name": scope.name, "version": scope.version, "schema_url": scope.schema_url},
        dict(scope.attributes),
    )
    check_secrets(part, canaries)
    declared = index.scope(scope.name, batch.resource.attributes)
    if declared is None:
        part.add(
            "missing_scope",
            f"Scope '{scope.name}' is not declared; add it to tools/telemetry_schema/scopes.yaml.",
        )
        return part, None
    if declared.foreign:
        return part, declared
    expected = index.registry.schema_url
    if not scope.schema_url:
        part.add("missing_schema_url", f"Scope '{scope.name}' is without schema_url; pass {expected}.")
    elif scope.schema_url != expected:
        part.add("schema_url_mismatch", f"Schema URL should be '{expected}', but found '{scope.schema_url}'.")
    for key in scope.attributes:
        part.add_to(key, "unexpected_attribute", f"No scope attribute '{key}' is declared.")
    for kind in sorted({_KINDS[type(item).__name__] for item in batch.items} - set(declared.signals)):
        part.add(
            "unexpected_signal", f"Scope '{scope.name}' emits {kind}; it is declared for {declared.signals}."
        )
    return part, declared
