"""Tables of the registry for a terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from tools.telemetry_schema.model import Registry

_STYLES = {
    "added": "green",
    "removed": "bold red",
    "renamed": "yellow",
    "changed": "cyan",
    "major": "bold red",
    "violation": "bold red",
    "improvement": "yellow",
    "information": "dim",
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """Return a plain table; words for success and failure are coloured."""
    built = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        collapse_padding=True,
        header_style="dim",
        show_header=any(header),
        title=title or None,
        title_justify="left",
        title_style="bold",
    )
    for name in header:
        built.add_column(name, overflow="fold")
    for row in rows:
        built.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return built


def overview(registry: Registry) -> Table:
    """Every signal, entity and scope, one a row."""
    rows: list[tuple[str, str, str, str]] = [
        *(("metric", item.name, item.stability, item.brief) for item in registry.metrics),
        *(("span", item.name, item.stability, item.brief) for item in registry.spans),
        *(("event", item.name, item.stability, item.brief) for item in registry.events),
        *(("log fields", item.id, item.stability, item.brief) for item in registry.attribute_groups),
        *(("entity", item.type, item.stability, item.brief) for item in registry.entities),
        *(("scope", item.name, item.stability, item.brief) for item in registry.scopes),
    ]
    return table(("", "name", "stability", "what it says"), rows, f"Telemetry {registry.version}")
