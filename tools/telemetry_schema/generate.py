"""Write everything that is made from the registry, or tell what no longer matches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.telemetry_schema.definition_schema import render_definition_schema
from tools.telemetry_schema.document import render_document
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.render_docs import (
    render_index_page,
    render_logs_page,
    render_metrics_page,
    render_resource_page,
    render_spans_page,
)
from tools.telemetry_schema.render_emitters import render_emitters
from tools.telemetry_schema.render_python import (
    render_attributes,
    render_events,
    render_metrics,
    render_package,
    render_scopes,
    render_spans,
)
from tools.telemetry_schema.render_sets import render_metric_sets

CODE = "ael_otel/_generated"
DOCS = "docs/telemetry"

# Path below the repository root -> what renders it. A new target is one line here.
TARGETS: dict[str, Callable[[Registry], str]] = {
    f"{CODE}/__init__.py": render_package,
    f"{CODE}/attributes.py": render_attributes,
    f"{CODE}/metrics.py": render_metrics,
    f"{CODE}/spans.py": render_spans,
    f"{CODE}/events.py": render_events,
    f"{CODE}/scopes.py": render_scopes,
    f"{CODE}/metric_sets.py": render_metric_sets,
    f"{CODE}/emitters.py": render_emitters,
    f"{CODE}/registry.json": render_document,
    "tools/telemetry_schema/definition.schema.json": render_definition_schema,
    f"{DOCS}/README.md": render_index_page,
    f"{DOCS}/metrics.md": render_metrics_page,
    f"{DOCS}/spans.md": render_spans_page,
    f"{DOCS}/logs.md": render_logs_page,
    f"{DOCS}/resource.md": render_resource_page,
}


def generate(registry: Registry, root: Path) -> list[str]:
    """Make the targets under `root` match the registry; returns the paths that were written or removed."""
    changed = stale(registry, root)
    for name in changed:
        path = root / name
        if name in TARGETS:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TARGETS[name](registry), encoding="utf-8", newline="\n")
        else:
            path.unlink()
    return changed


def stale(registry: Registry, root: Path) -> list[str]:
    """Paths under `root` that do not match the registry: absent, different, or a module that nothing generates."""
    differing = [name for name, render in TARGETS.items() if _read(root / name) != render(registry)]
    modules = (path.relative_to(root).as_posix() for path in sorted((root / CODE).glob("*.py")))
    return differing + [name for name in modules if name not in TARGETS]


def _read(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8") if path.is_file() else None
