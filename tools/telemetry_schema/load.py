"""Read a registry folder: YAML files in weaver's `definition/2` form into typed definitions."""

import difflib
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
import yaml

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import (
    NAMES,
    AttributeDef,
    AttributeNotes,
    AttributeRef,
    CodeGeneration,
    Conditional,
    Deprecated,
    EntityDef,
    EntityRef,
    Enum,
    EventDef,
    Goal,
    GroupDef,
    Imports,
    Instrument,
    Level,
    Manifest,
    Member,
    MetricDef,
    ScalarType,
    ScopeDef,
    Sensitivity,
    SignalLevel,
    SignalNotes,
    Sources,
    SpanDef,
    SpanEvent,
    SpanKind,
    Stability,
    Strict,
    ValueType,
)

FILE_FORMAT = "definition/2"
MANIFEST = "manifest.yaml"
IMPORTS = "imports"

# Section of a file -> type of its items.
_SECTIONS: dict[str, type[Strict]] = {
    "attributes": AttributeDef,
    "attribute_groups": GroupDef,
    "entities": EntityDef,
    "metrics": MetricDef,
    "spans": SpanDef,
    "events": EventDef,
}
# Types inside those, for the nearest name of a misspelt key.
_NESTED = (
    AttributeNotes,
    AttributeRef,
    CodeGeneration,
    Conditional,
    Deprecated,
    EntityRef,
    Enum,
    Member,
    SignalNotes,
    SpanEvent,
)
# Allowed values of a key, for the message about a wrong value.
_CHOICES: dict[str, tuple[str, ...]] = {
    "goal": get_args(Goal),
    "instrument": get_args(Instrument),
    "kind": get_args(SpanKind),
    "metric_value_type": get_args(ValueType),
    "requirement_level": get_args(SignalLevel),
    "sensitivity": get_args(Sensitivity),
    "stability": get_args(Stability),
    "type": (*get_args(ScalarType), "a mapping with members"),
    "visibility": ("public", "internal"),
}
_ATTRIBUTE_LEVELS = (*get_args(Level), "a mapping with conditionally_required")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`(?: - at `\$?\.?(?P<path>[^`]*)`)?")
_UNKNOWN = re.compile(r"contains unknown field `(?P<field>[^`]+)`(?: - at `\$?\.?(?P<path>[^`]*)`)?")
_OTHER = re.compile(r"(?P<text>.*?)(?: - at `\$?\.?(?P<path>[^`]*)`)?$", re.DOTALL)


def load(registry: Path, upstream: Path | None = None, scopes: Path | None = None) -> Sources:
    """Load the definitions in `registry`, those it may refer to in `upstream`, and its scopes in `scopes`.

    Raises SchemaError when the folder holds no registry, a file does not parse, or an item is not of the format.
    """
    items: dict[str, list[Any]] = {section: [] for section in _SECTIONS}
    borrowed: dict[str, list[Any]] = {section: [] for section in _SECTIONS}
    files: dict[tuple[str, str], str] = {}
    imports = Imports()
    manifest = _manifest(registry)
    for path in _definition_files(registry):
        document = _read(path)
        for section, name, item in _definitions(document, path):
            items[section].append(item)
            files.setdefault((section, name), path.name)
        if IMPORTS in document:
            more = _convert(document[IMPORTS], Imports, path.name, IMPORTS)
            imports = Imports(entities=imports.entities + more.entities)
            files[IMPORTS, IMPORTS] = path.name
    if upstream is not None:
        _manifest(upstream)
        for path in _definition_files(upstream):
            for section, _, item in _definitions(_read(path), path):
                borrowed[section].append(item)
    return Sources(
        manifest=manifest,
        upstream=tuple(borrowed["attributes"]),
        upstream_entities=tuple(borrowed["entities"]),
        imports=imports,
        scopes=_scopes(scopes, files) if scopes is not None else (),
        files=files,
        **{section: tuple(found) for section, found in items.items()},
    )


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML loader that refuses a duplicate key, of which plain YAML loading silently uses the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # The stubs leave this method partly untyped.
        construct = cast("Callable[..., object]", cast("Any", self).construct_object)
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = construct(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise SchemaError(str(folder), "", f"no {MANIFEST} here; name the folder of a registry")
    return _convert(_read(path), Manifest, MANIFEST, "")


def _definition_files(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != MANIFEST)
    if not paths:
        raise SchemaError(str(folder), "", "has no definition files (*.yaml)")
    return paths


def _scopes(path: Path, files: dict[tuple[str, str], str]) -> tuple[ScopeDef, ...]:
    if not path.is_file():
        raise SchemaError(str(path), "", "no such file; it lists the instrumentation scopes")
    entries = _read(path).get("scopes")
    if not isinstance(entries, list) or not entries:
        raise SchemaError(path.name, "scopes", "must be a list of scopes")
    scopes: list[ScopeDef] = []
    for index, entry in enumerate(cast("list[object]", entries)):
        name = _name(entry, "name") or f"scopes[{index}]"
        scopes.append(_convert(entry, ScopeDef, path.name, name))
        files.setdefault(("scopes", name), path.name)
    return tuple(scopes)


def _definitions(document: Mapping[str, object], path: Path) -> Iterator[tuple[str, str, Strict]]:
    if document.get("file_format") != FILE_FORMAT:
        found = document.get("file_format", "nothing")
        raise SchemaError(path.name, "file_format", f"is {found}; set it to {FILE_FORMAT}")
    for section, entries in document.items():
        if section in ("file_format", IMPORTS):
            continue
        if section not in _SECTIONS:
            raise SchemaError(path.name, section, f"unknown section{_nearest(section, list(_SECTIONS))}")
        if not isinstance(entries, list):
            raise SchemaError(path.name, section, "must be a list")
        kind, name_key = _SECTIONS[section], NAMES[section]
        for index, entry in enumerate(cast("list[object]", entries)):
            item = _name(entry, name_key) or f"{section}[{index}]"
            yield section, item, _convert(entry, kind, path.name, item)


def _name(entry: object, key: str) -> str:
    return str(cast("Mapping[str, object]", entry).get(key, "")) if isinstance(entry, Mapping) else ""


def _read(path: Path) -> Mapping[str, object]:
    try:
        document: object = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SchemaError(path.name, line, f"{error.problem or error}") from error
    if not isinstance(document, dict):
        raise SchemaError(path.name, "", "must be a mapping of sections")
    return cast("dict[str, object]", document)


def _convert[T: Strict](entry: object, kind: type[T], source: str, item: str) -> T:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        raise SchemaError(source, item, _advice(str(error), kind)) from error


def _advice(message: str, kind: type[Strict]) -> str:
    """Return the remedy for the decoder's message."""
    if match := _MISSING.search(message):
        return f"{_under(match['path'])}{match['field']} is missing; set `{match['field']}:`"
    if match := _UNKNOWN.search(message):
        return f"{_under(match['path'])}{match['field']} is not a known key{_nearest_key(match, kind)}"
    match = _OTHER.match(message)
    assert match is not None, "the pattern matches every text"
    text, path = match["text"].rstrip(), match["path"] or ""
    key = path.rpartition(".")[2]
    choices = _ATTRIBUTE_LEVELS if key == "requirement_level" and key != path else _CHOICES.get(key, ())
    if text.startswith("Invalid enum value") and choices:
        text += f"; set one of {', '.join(choices)}"
    return f"{path}: {text}" if path else text


def _nearest_key(match: re.Match[str], kind: type[Strict]) -> str:
    if not match["path"]:
        return _nearest(match["field"], [field.name for field in msgspec.structs.fields(kind)])
    # The decoder does not report the type at the path, so any key of the format is a candidate.
    known = {field.name for value in _NESTED for field in msgspec.structs.fields(value)}
    close = difflib.get_close_matches(match["field"], sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _under(path: str | None) -> str:
    return f"{path}." if path else ""


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(known)}" if known else ""
