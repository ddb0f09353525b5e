"""The files of the registry against the JSON Schema that editors and other tools are given for them.

`load` reads the same files into types and says better what to set; this proves that what passes there is valid for
everyone else who has only the schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.load import definition_files

SCHEMA = Path(__file__).parent / "definition.schema.json"


class Validated(NamedTuple):
    """What was looked at, and what is not valid: one line each, with the file and the place in it."""

    files: int
    items: int
    problems: list[str]


def validate(folders: Sequence[Path], schema: Path = SCHEMA) -> Validated:
    """Validate each definition file of some registry folders.

    Raises SchemaError for a folder without such files, or when jsonschema is not installed.
    """
    validator = _validator(schema)
    files = items = 0
    problems: list[str] = []
    for folder in folders:
        for name, document in definition_files(folder):
            files += 1
            items += sum(map(_items, document.values()))
            problems += [
                f"{name}: {_place(error.absolute_path)}{error.message}; {schema.name} does not allow it"
                for error in validator.iter_errors(document)
            ]
    return Validated(files, items, problems)


def _items(part: object) -> int:
    return len(cast("list[object]", part)) if isinstance(part, list) else 0


def _validator(schema: Path) -> Any:
    try:
        jsonschema: Any = import_module("jsonschema")
    except ImportError as error:
        raise SchemaError(
            "check", "jsonschema", "is not installed; `pip install 'ael-otel[dev]'` brings it"
        ) from error
    return jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))


def _place(path: Sequence[str | int]) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{place}: " if place else ""
