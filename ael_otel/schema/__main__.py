"""`python -m ael_otel.schema`: check the registry, and generate code and reference pages from it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ael_otel.schema.errors import SchemaError
from ael_otel.schema.generate import TARGETS, generate, stale
from ael_otel.schema.lint import lint
from ael_otel.schema.load import load
from ael_otel.schema.model import Sources
from ael_otel.schema.resolve import resolve

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = "ael_otel/registry"
UPSTREAM = "ael_otel/schema/upstream"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when all is well, 1 when something must be corrected, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m ael_otel.schema", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="repository root (default: where this package is)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check the registry against its rules")
    generator = commands.add_parser("generate", help="write generated code and reference pages")
    generator.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    options = parser.parse_args(arguments)
    try:
        return _run(options.root, check_only=options.command == "check", dry=getattr(options, "check", False))
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1


def _run(root: Path, *, check_only: bool, dry: bool) -> int:
    sources = load(root / REGISTRY, root / UPSTREAM)
    findings = lint(sources)
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        print(f"{len(findings)} to correct in {REGISTRY}", file=sys.stderr)
        return 1
    print(f"Registry {sources.manifest.version}: {_counted(sources)}; no rule broken.")
    if check_only:
        return 0
    registry = resolve(sources)
    if not dry:
        changed = generate(registry, root)
        print(f"{len(TARGETS)} files generated, {len(changed)} changed{_listed(changed)}")
        return 0
    changed = stale(registry, root)
    if changed:
        print(
            f"{len(changed)} files do not match the registry{_listed(changed)}\n"
            "Edit ael_otel/registry, not these files, and run `python -m ael_otel.schema generate`.",
            file=sys.stderr,
        )
        return 1
    print(f"{len(TARGETS)} generated files match the registry.")
    return 0


def _counted(sources: Sources) -> str:
    sections = ("attributes", "attribute_groups", "entities", "metrics", "spans", "events")
    return ", ".join(f"{len(getattr(sources, section))} {section.replace('_', ' ')}" for section in sections)


def _listed(names: list[str]) -> str:
    return "".join(f"\n  {name}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
