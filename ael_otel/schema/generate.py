"""Write, or compare with what is there, everything that is made from the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from ael_otel.schema.model import Registry
from ael_otel.schema.render_python import (
    render_attributes,
    render_events,
    render_metrics,
    render_package,
    render_spans,
)

# Path below the repository root -> what renders it. A new target is one line here.
TARGETS: dict[str, Callable[[Registry], str]] = {
    "ael_otel/_generated/__init__.py": render_package,
    "ael_otel/_generated/attributes.py": render_attributes,
    "ael_otel/_generated/metrics.py": render_metrics,
    "ael_otel/_generated/spans.py": render_spans,
    "ael_otel/_generated/events.py": render_events,
}


def generate(registry: Registry, root: Path) -> list[Path]:
    """Write every target that differs; returns the paths written."""
    written: list[Path] = []
    for path in stale(registry, root):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TARGETS[path.relative_to(root).as_posix()](registry), encoding="utf-8", newline="\n")
        written.append(path)
    return written


def stale(registry: Registry, root: Path) -> list[Path]:
    """Targets that are absent or differ from what the registry says."""
    return [root / name for name, render in TARGETS.items() if _read(root / name) != render(registry)]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
