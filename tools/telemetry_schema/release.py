"""Snapshots of released versions: one resolved document each, which later versions are compared with."""

from pathlib import Path

import msgspec

from tools.telemetry_schema.document import read_document, render_document
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.project import RELEASED
from tools.telemetry_schema.version import Version


def released_versions(root: Path) -> list[Version]:
    """The released versions, earliest first."""
    found = (Version.parse(path.stem) for path in (root / RELEASED).glob("*.json"))
    return sorted(version for version in found if version is not None)


def read_release(root: Path, base: str = "") -> Registry:
    """The registry of a release: a version, a file, or the last one by default."""
    folder = root / RELEASED
    if not base:
        versions = released_versions(root)
        if not versions:
            raise SchemaError(
                RELEASED, "", "has none; `python -m tools.telemetry_schema release` writes the first"
            )
        base = str(versions[-1])
    path = folder / f"{base}.json" if Version.parse(base) else Path(base)
    if not path.is_file():
        known = ", ".join(map(str, released_versions(root))) or "none"
        raise SchemaError(base, "", f"is neither a file nor a released version; released: {known}")
    try:
        return read_document(path.read_bytes())
    except msgspec.MsgspecError as error:
        raise SchemaError(path.name, "", f"is not a resolved registry: {error}") from error


def write_release(registry: Registry, root: Path, *, again: bool = False) -> tuple[Path, bool]:
    """Write the snapshot of this version; return its path, and whether it changed.

    Raises SchemaError if the version is released already and differs, unless `again` is set, for a version that is not
    published yet.
    """
    if Version.parse(registry.version) is None:
        raise SchemaError(
            "manifest.yaml", "schema_url", f"ends in {registry.version}; end it in a version like 1.2.3"
        )
    path = root / RELEASED / f"{registry.version}.json"
    text = render_document(registry)
    if path.is_file():
        if path.read_text("utf-8") == text:
            return path, False
        if not again:
            raise SchemaError(
                f"{RELEASED}/{path.name}",
                "",
                "is released and differs; set the next version in manifest.yaml",
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path, True
