"""The JSON Schema of a registry file, for editors and other tools; it is made from the types that files are read into.

What it allows is a subset of weaver's `definition/2`: `check` reads every file into these types, so a file that passes
`check` is valid under this schema, and the other way round up to the rules.
"""

from __future__ import annotations

import json
from typing import Literal

import msgspec

from tools.telemetry_schema.model import (
    AttributeDef,
    EntityDef,
    EventDef,
    GroupDef,
    Imports,
    MetricDef,
    Registry,
    SpanDef,
    Strict,
)


class DefinitionFile(Strict, frozen=True, kw_only=True):
    """One file of the registry."""

    file_format: Literal["definition/2"]
    imports: Imports | None = None
    attributes: tuple[AttributeDef, ...] = ()
    attribute_groups: tuple[GroupDef, ...] = ()
    entities: tuple[EntityDef, ...] = ()
    metrics: tuple[MetricDef, ...] = ()
    spans: tuple[SpanDef, ...] = ()
    events: tuple[EventDef, ...] = ()


def render_definition_schema(registry: Registry) -> str:  # noqa: ARG001 (every target takes the registry)
    """`tools/telemetry_schema/definition.schema.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "File of the telemetry registry",
        **msgspec.json.schema(DefinitionFile),
    }
    return json.dumps(schema, indent=2) + "\n"
