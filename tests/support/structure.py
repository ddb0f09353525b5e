"""Looking through what JSON and YAML give."""

from collections.abc import Iterator


def texts(value: object) -> Iterator[str]:
    """Every text in a structure, the keys of its mappings left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
