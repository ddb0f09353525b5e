"""Where the parts of the registry are below a repository root, and how they are loaded together."""

from pathlib import Path

from tools.telemetry_schema.document import read_document
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.lint import lint
from tools.telemetry_schema.load import load
from tools.telemetry_schema.model import Registry, Sources
from tools.telemetry_schema.resolve import imported_entities, resolve

ROOT = Path(__file__).resolve().parents[2]
"""The repository's root, or the folder the package is installed in."""
REGISTRY = "ael_otel/registry"
UPSTREAM = "tools/telemetry_schema/upstream"
SCOPES = "tools/telemetry_schema/scopes.yaml"
GAPS = "tools/telemetry_schema/gaps.yaml"
RELEASED = "ael_otel/registry/released"
MIGRATIONS = "ael_otel/registry/MIGRATIONS.md"
DOCUMENT = "ael_otel/_generated/registry.json"

SECTIONS = ("attributes", "attribute_groups", "entities", "metrics", "spans", "events", "scopes")


def load_sources(root: Path = ROOT) -> Sources:
    """The definitions below `root`; raises SchemaError for a root without a registry."""
    return load(root / REGISTRY, root / UPSTREAM, root / SCOPES)


def load_registry(root: Path = ROOT) -> Registry:
    """The registry below `root`, resolved; raises SchemaError for one that breaks a rule."""
    sources = load_sources(root)
    findings = lint(sources)
    if findings:
        first = findings[0]
        raise SchemaError(
            first.source, first.item, f"{first.problem}; `make schema` lists all {len(findings)}"
        )
    return resolve(sources)


def packaged_registry() -> Registry:
    """The resolved registry that ships with the package: no YAML is read, so it is there at once."""
    return read_document((ROOT / DOCUMENT).read_bytes())


def count_items(sources: Sources) -> dict[str, int]:
    """How many items of each section there are."""
    counts = {section: len(getattr(sources, section)) for section in SECTIONS}
    counts["entities"] += len(imported_entities(sources))
    return counts
