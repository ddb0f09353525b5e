"""Rules over the definitions as the files have them; they prove that every reference leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from tools.telemetry_schema.findings import Finding, attribute_finding, briefs, named, referring, repeated
from tools.telemetry_schema.model import AttributeDef, Enum, Sources
from tools.telemetry_schema.resolve import imported_entities

BRIEF_MAX = 100
"""Longest brief, in characters: it becomes one line of generated Python."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")


def duplicate_name(sources: Sources) -> Iterator[Finding]:
    """A name is defined once, a set holds a value once, a signal refers to an attribute once."""
    for section, name in named(sources):
        if named(sources).count((section, name)) > 1:
            yield Finding(
                "duplicate_name", sources.where(section, name), name, "is defined twice; remove one"
            )
    for attribute in sources.attributes:
        if isinstance(attribute.type, Enum):
            members = attribute.type.members
            for value in repeated([*(member.id for member in members)]) | repeated(
                [member.value for member in members]
            ):
                yield Finding(
                    "duplicate_name",
                    sources.where("attributes", attribute.key),
                    attribute.key,
                    f"member {value} is there twice",
                )
    for section, name, refs in referring(sources):
        for key in sorted(repeated([ref.ref for ref in refs])):
            yield Finding(
                "duplicate_name", sources.where(section, name), name, f"refers to {key} twice; remove one"
            )


def redefined_upstream(sources: Sources) -> Iterator[Finding]:
    """An attribute of OpenTelemetry is referred to, never defined again."""
    upstream = {attribute.key for attribute in sources.upstream}
    for attribute in sources.attributes:
        if attribute.key in upstream:
            yield attribute_finding(
                "redefined_upstream",
                sources,
                attribute,
                "is OpenTelemetry's; remove the definition and refer to it",
            )


def unknown_ref(sources: Sources) -> Iterator[Finding]:
    """Every reference leads to a definition."""
    known: dict[str, AttributeDef] = {item.key: item for item in (*sources.upstream, *sources.attributes)}
    imported = imported_entities(sources)
    entities = {entity.type for entity in (*sources.entities, *imported)}
    spans = {span.type for span in sources.spans}

    def dangling(section: str, name: str, problem: str) -> Finding:
        return Finding("unknown_ref", sources.where(section, name), name, problem)

    for section, name, refs in referring(sources):
        for ref in refs:
            notes = ref.annotations.ael
            if ref.ref not in known:
                yield dangling(
                    section,
                    name,
                    f"refers to {ref.ref}, which no attribute defines; define it or correct the ref",
                )
            if notes.values_of:
                yield from _values_of(sources, known, section, name, notes.values_of)
            for sibling in notes.follows_from:
                if sibling not in {other.ref for other in refs} - {ref.ref}:
                    yield dangling(
                        section, name, f"{ref.ref} follows_from {sibling}, which is not another label here"
                    )
    for attribute in sources.attributes:
        if attribute.annotations.ael.values_of:
            yield from _values_of(
                sources, known, "attributes", attribute.key, attribute.annotations.ael.values_of
            )
    for pattern in sources.imports.entities:
        if not any(fnmatchcase(entity.type, pattern) for entity in imported):
            yield Finding(
                "unknown_ref",
                sources.files.get(("imports", "imports"), "imports"),
                pattern,
                "is imported, but OpenTelemetry's excerpt has no such entity; add it to schema/upstream",
            )
    for entity in (*sources.entities, *imported):
        for item in (*entity.identity, *entity.description):
            if item.ref not in known:
                yield dangling("entities", entity.type, f"refers to {item.ref}, which no attribute defines")
    associations = [
        *(("metrics", metric.name, metric.entity_associations) for metric in sources.metrics),
        *(("spans", span.type, span.entity_associations) for span in sources.spans),
        *(("events", event.name, event.entity_associations) for event in sources.events),
    ]
    for section, name, types in associations:
        for entity_type in types:
            if entity_type not in entities:
                yield dangling(
                    section, name, f"entity_associations names {entity_type}, which no entity defines"
                )
    for event in sources.events:
        form = event.annotations.ael.span_event
        for span_type in form.spans if form else ():
            if span_type not in spans:
                yield dangling(
                    "events", event.name, f"span_event names the span {span_type}, which is not defined"
                )
        for key in form.attributes if form else ():
            if key not in known:
                yield dangling(
                    "events", event.name, f"span_event refers to {key}, which no attribute defines"
                )


def invalid_name(sources: Sources) -> Iterator[Finding]:
    """Names are lowercase words joined by single dots and underscores."""
    for section, name in named(sources):
        if not _NAME.fullmatch(name):
            yield Finding(
                "invalid_name",
                sources.where(section, name),
                name,
                "must be lowercase words joined by single dots or underscores, a letter first",
            )


def bad_brief(sources: Sources) -> Iterator[Finding]:
    """A brief is one sentence that fits a line of Python."""
    for section, name, brief in briefs(sources):
        if not brief.endswith(".") or len(brief) > BRIEF_MAX or re.search(r'["\\\n|]', brief):
            yield Finding(
                "bad_brief",
                sources.where(section, name),
                name,
                f"brief must be a sentence of up to {BRIEF_MAX} characters with a full stop and no quote, | or \\",
            )


def closed_set(sources: Sources) -> Iterator[Finding]:
    """A closed set has members with lowercase values; a borrowed set belongs to a string."""
    for attribute in sources.attributes:
        notes = attribute.annotations.ael
        if notes.values_of and attribute.type != "string":
            yield attribute_finding(
                "closed_set", sources, attribute, "takes values_of another set; set type to string"
            )
        if not isinstance(attribute.type, Enum):
            continue
        if not attribute.type.members:
            yield attribute_finding(
                "closed_set", sources, attribute, "has no members; list them or set type to string"
            )
        for member in attribute.type.members:
            if not _VALUE.fullmatch(member.id):
                yield attribute_finding(
                    "closed_set", sources, attribute, f"member id {member.id} must be lowercase"
                )
            if not _VALUE.fullmatch(member.value) and not notes.verbatim_values:
                yield attribute_finding(
                    "closed_set",
                    sources,
                    attribute,
                    f"value {member.value} must be lowercase, or verbatim_values say why not",
                )


def missing_examples(sources: Sources) -> Iterator[Finding]:
    """An attribute that is not a closed set shows what it looks like."""
    for attribute in sources.attributes:
        if not isinstance(attribute.type, Enum) and attribute.type != "boolean" and not attribute.examples:
            yield attribute_finding("missing_examples", sources, attribute, "set examples")


def copied_trace_id(sources: Sources) -> Iterator[Finding]:
    """Trace and span ids live in the record's own fields, not in attributes."""
    for attribute in sources.attributes:
        if re.search(r"(?:^|[._])(?:trace|span)_id$", attribute.key) and not attribute.annotations.ael.otlp:
            yield attribute_finding(
                "copied_trace_id",
                sources,
                attribute,
                "copies an id that OTLP carries; remove it or set annotations.ael.otlp",
            )


def _values_of(
    sources: Sources, known: dict[str, AttributeDef], section: str, name: str, owner: str
) -> Iterator[Finding]:
    if owner not in known or not isinstance(known[owner].type, Enum):
        problem = (
            f"values_of names {owner}, which is no closed set; correct it or give that attribute members"
        )
        yield Finding("unknown_ref", sources.where(section, name), name, problem)
