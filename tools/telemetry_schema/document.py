"""The resolved registry as one JSON document, written by `generate` and shipped with the package."""

import msgspec

from tools.telemetry_schema.model import Registry


def render_document(registry: Registry) -> str:
    """`_generated/registry.json`: fields at their default are left out."""
    return msgspec.json.format(msgspec.json.encode(registry), indent=2).decode() + "\n"


def read_document(text: str | bytes) -> Registry:
    """The registry of a document; raises msgspec.ValidationError for any other JSON."""
    return msgspec.json.decode(text, type=Registry)
