"""Walk through values of JSON and YAML."""

from collections.abc import Iterator


def texts(value: object) -> Iterator[str]:
    """Yield every text in a structure except the keys of its mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
