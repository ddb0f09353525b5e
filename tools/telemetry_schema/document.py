"""The resolved registry as one JSON document, written by `generate` and shipped with the package."""

import msgspec

from tools.telemetry_schema.model import Registry


def render_document(registry: Registry) -> str:
    """Return `_generated/registry.json`: an item a line, without fields at their default.

    Laid out like this it takes a fifth less of the wheel than with a line for each field.
    """
    sections = (
        f"{_json(name)}:[\n{',\n'.join(map(_json, value))}\n]"
        if isinstance(value, tuple)
        else f"{_json(name)}:{_json(value)}"
        for name, value in msgspec.structs.asdict(registry).items()
    )
    return "{\n" + ",\n".join(sections) + "\n}\n"


def read_document(text: str | bytes) -> Registry:
    """The registry of a document; raises msgspec.ValidationError for any other JSON."""
    return msgspec.json.decode(text, type=Registry)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
