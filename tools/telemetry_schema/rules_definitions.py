"""Rules over the definitions before resolution; they prove that every reference has a target.

A rule yields section and name of the item that breaks it, and the remedy.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from tools.telemetry_schema.findings import Broken, briefs, named, referring, repeated
from tools.telemetry_schema.model import AttributeDef, Deprecated, Enum, ScopeDef, Sources
from tools.telemetry_schema.resolve import imported_entities
from tools.telemetry_schema.version import Version

NAMESPACE = "ael."
BRIEF_MAX = 100
"""Longest brief, in characters: it becomes one line of generated Python."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")
_SCOPE = re.compile(r"ael(?:\.[a-z][a-z0-9_]*)*")


def duplicate_name(sources: Sources) -> Iterator[Broken]:
    """A name is defined once, a set holds a value once, a signal refers to an attribute once."""
    for section, name in named(sources):
        if named(sources).count((section, name)) > 1:
            yield section, name, "is defined twice; remove one"
    for attribute in sources.attributes:
        if isinstance(attribute.type, Enum):
            members = attribute.type.members
            for value in repeated([*(member.id for member in members)]) | repeated(
                [member.value for member in members]
            ):
                yield "attributes", attribute.key, f"member {value} appears twice"
    for section, name, refs in referring(sources):
        for key in sorted(repeated([ref.ref for ref in refs])):
            yield section, name, f"refers to {key} twice; remove one"


def redefined_upstream(sources: Sources) -> Iterator[Broken]:
    """An attribute of OpenTelemetry is referred to, never defined again."""
    upstream = {attribute.key for attribute in sources.upstream}
    for attribute in sources.attributes:
        if attribute.key in upstream:
            yield "attributes", attribute.key, "is OpenTelemetry's; remove the definition and refer to it"


def unknown_ref(sources: Sources) -> Iterator[Broken]:
    """Every reference leads to a definition."""
    known: dict[str, AttributeDef] = {item.key: item for item in (*sources.upstream, *sources.attributes)}
    imported = imported_entities(sources)
    entities = {entity.type for entity in (*sources.entities, *imported)}
    spans = {span.type for span in sources.spans}
    borrowed = [("attributes", each.key, each.annotations.ael.values_of) for each in sources.attributes]
    for section, name, refs in referring(sources):
        for ref in refs:
            notes = ref.annotations.ael
            if ref.ref not in known:
                yield (
                    section,
                    name,
                    f"refers to {ref.ref}, which no attribute defines; define it or correct the ref",
                )
            borrowed.append((section, name, notes.values_of))
            for sibling in notes.follows_from:
                if sibling not in {other.ref for other in refs} - {ref.ref}:
                    yield (
                        section,
                        name,
                        f"{ref.ref} follows_from {sibling}, which is not another label here",
                    )
    for section, name, owner in borrowed:
        if owner and (owner not in known or not isinstance(known[owner].type, Enum)):
            problem = f"values_of names {owner}, which is not a closed set; correct it or give that attribute members"
            yield section, name, problem
    for pattern in sources.imports.entities:
        if not any(fnmatchcase(entity.type, pattern) for entity in imported):
            yield (
                "imports",
                pattern,
                "is imported, but OpenTelemetry's excerpt has no such entity; add it to schema/upstream",
            )
    for entity in (*sources.entities, *imported):
        for item in (*entity.identity, *entity.description):
            if item.ref not in known:
                yield ("entities", entity.type, f"refers to {item.ref}, which no attribute defines")
    associations = [
        *(("metrics", metric.name, metric.entity_associations) for metric in sources.metrics),
        *(("spans", span.type, span.entity_associations) for span in sources.spans),
        *(("events", event.name, event.entity_associations) for event in sources.events),
    ]
    for section, name, types in associations:
        for entity_type in types:
            if entity_type not in entities:
                yield section, name, f"entity_associations names {entity_type}, which no entity defines"
    for event in sources.events:
        form = event.annotations.ael.span_event
        for span_type in form.spans if form else ():
            if span_type not in spans:
                yield ("events", event.name, f"span_event names the span {span_type}, which is not defined")
        for key in form.attributes if form else ():
            if key not in known:
                yield ("events", event.name, f"span_event refers to {key}, which no attribute defines")


def invalid_name(sources: Sources) -> Iterator[Broken]:
    """Names are lowercase words joined by single dots and underscores."""
    for section, name in named(sources):
        if not _NAME.fullmatch(name):
            yield (
                section,
                name,
                "must be lowercase words joined by single dots or underscores, a letter first",
            )


def bad_brief(sources: Sources) -> Iterator[Broken]:
    """A brief is one sentence that fits a line of Python."""
    for section, name, brief in briefs(sources):
        if not brief.endswith(".") or len(brief) > BRIEF_MAX or re.search(r'["\\\n|]', brief):
            yield (
                section,
                name,
                f"brief must be a sentence of up to {BRIEF_MAX} characters with a full stop and no quote, | or \\",
            )


def closed_set(sources: Sources) -> Iterator[Broken]:
    """A closed set has members with lowercase values; a borrowed set belongs to a string."""
    for attribute in sources.attributes:
        notes = attribute.annotations.ael
        if notes.values_of and attribute.type != "string":
            yield "attributes", attribute.key, "takes values_of another set; set type to string"
        if not isinstance(attribute.type, Enum):
            continue
        if not attribute.type.members:
            yield "attributes", attribute.key, "has no members; list them or set type to string"
        for member in attribute.type.members:
            if not _VALUE.fullmatch(member.id):
                yield "attributes", attribute.key, f"member id {member.id} must be lowercase"
            if not _VALUE.fullmatch(member.value) and not notes.verbatim_values:
                yield (
                    "attributes",
                    attribute.key,
                    f"value {member.value} must be lowercase, or verbatim_values say why not",
                )


def missing_examples(sources: Sources) -> Iterator[Broken]:
    """An attribute that is not a closed set has examples."""
    for attribute in sources.attributes:
        if not isinstance(attribute.type, Enum) and attribute.type != "boolean" and not attribute.examples:
            yield "attributes", attribute.key, "set examples"


def copied_trace_id(sources: Sources) -> Iterator[Broken]:
    """Trace and span ids live in the record's own fields, not in attributes."""
    for attribute in sources.attributes:
        if re.search(r"(?:^|[._])(?:trace|span)_id$", attribute.key) and not attribute.annotations.ael.otlp:
            yield (
                "attributes",
                attribute.key,
                "copies an id that OTLP carries; remove it or set annotations.ael.otlp",
            )


def missing_namespace(sources: Sources) -> Iterator[Broken]:
    """Our names start with `ael.`; a label or log field whose name is fixed elsewhere has the reason in `bare_key`."""
    places = ("attribute_groups", "metrics")
    bare_places = {ref.ref for section, _, refs in referring(sources) if section in places for ref in refs}
    for section, name in named(sources):
        if section != "attributes" and not name.startswith(NAMESPACE):
            yield section, name, f"must start with {NAMESPACE}"
    for attribute in sources.attributes:
        reason = attribute.annotations.ael.bare_key
        namespaced = attribute.key.startswith(NAMESPACE)
        if not namespaced and not reason:
            yield "attributes", attribute.key, f"must start with {NAMESPACE}, or bare_key must say why not"
        elif namespaced and reason:
            yield "attributes", attribute.key, "has a namespace; remove bare_key"
        elif reason and attribute.key not in bare_places:
            yield (
                "attributes",
                attribute.key,
                "has no namespace and is neither a metric label nor a log field",
            )


def unused_attribute(sources: Sources) -> Iterator[Broken]:
    """An attribute of ours is on a signal, in a log line, on the resource, or lends its values to one that is."""
    refs = [ref for _, _, some in referring(sources) for ref in some]
    used = {ref.ref for ref in refs} | {ref.annotations.ael.values_of for ref in refs}
    used |= {each.annotations.ael.values_of for each in sources.attributes if each.key in used}
    entities = (*sources.entities, *imported_entities(sources))
    used |= {item.ref for entity in entities for item in (*entity.identity, *entity.description)}
    forms = (event.annotations.ael.span_event for event in sources.events)
    used |= {key for form in forms if form for key in form.attributes}
    for attribute in sources.attributes:
        if attribute.key not in used:
            yield "attributes", attribute.key, "is used by no signal; refer to it or remove it"


def missing_sensitivity(sources: Sources) -> Iterator[Broken]:
    """Every attribute, borrowed ones included, has a `sensitivity`."""
    for attribute in (*sources.attributes, *sources.upstream):
        if attribute.annotations.ael.sensitivity is None:
            yield "attributes", attribute.key, "set annotations.ael.sensitivity to system, named or content"


def bad_scope(sources: Sources) -> Iterator[Broken]:
    """A scope of ours has a fixed name, a goal and signals; each kind of signal has a scope that emits it."""
    twice = repeated([scope.name for scope in sources.scopes])
    for scope in sources.scopes:
        problems = ["appears twice; remove one"] if scope.name in twice else []
        problems += _foreign_scope(scope) if scope.foreign else _own_scope(scope)
        for problem in problems:
            yield "scopes", scope.name, problem
    if sources.scopes:
        emitted = {signal for scope in sources.scopes for signal in scope.signals}
        has = {"spans": sources.spans, "metrics": sources.metrics, "logs": sources.events}
        for signal, items in has.items():
            if items and signal not in emitted:
                yield "scopes", signal, f"no scope emits {signal}; add it to signals of one"


def _own_scope(scope: ScopeDef) -> Iterator[str]:
    if not _SCOPE.fullmatch(scope.name):
        yield "must be ael or start with ael., without wildcard or value of a run; or set foreign: true"
    if scope.goal is None:
        yield "set goal to operation, performance, capacity, change_impact or trend"
    if not scope.signals:
        yield "set signals to some of spans, metrics, logs"


def _foreign_scope(scope: ScopeDef) -> Iterator[str]:
    if scope.signals or scope.goal:
        yield "is foreign: what it emits is not ours to declare; remove signals and goal"
    if scope.name == "ael" or scope.name.startswith("ael."):
        yield "is a name of ours; remove foreign"


def bad_deprecation(sources: Sources) -> Iterator[Broken]:
    """A renamed item names its replacement, and a deprecated signal the version that removes it."""
    now = Version.parse(sources.manifest.version)
    items: list[tuple[str, str, Deprecated | None, str | None]] = [
        *(("attributes", item.key, item.deprecated, None) for item in sources.attributes),
        *(
            ("metrics", item.name, item.deprecated, item.annotations.ael.remove_in)
            for item in sources.metrics
        ),
        *(("spans", item.type, item.deprecated, item.annotations.ael.remove_in) for item in sources.spans),
        *(("events", item.name, item.deprecated, item.annotations.ael.remove_in) for item in sources.events),
    ]
    known = {(section, name) for section, name, _, _ in items}
    for section, name, deprecated, remove_in in items:
        for problem in _deprecation(section, name, deprecated, remove_in, known, now):
            yield section, name, problem


def _deprecation(
    section: str,
    name: str,
    deprecated: Deprecated | None,
    remove_in: str | None,
    known: set[tuple[str, str]],
    now: Version | None,
) -> Iterator[str]:
    if deprecated is None:
        if remove_in:
            yield "has remove_in but is not deprecated; set deprecated, or remove remove_in"
        return
    successor = deprecated.renamed_to
    if (deprecated.reason == "renamed" and (section, successor) not in known) or successor == name:
        yield f"renamed_to is {successor or 'nothing'}; set it to another item of {section}"
    if deprecated.reason != "renamed" and successor:
        yield "has renamed_to; set reason to renamed, or remove it"
    if remove_in is not None:
        goes = Version.parse(remove_in)
        if goes is None or (now is not None and goes <= now):
            yield f"set annotations.ael.remove_in to a version after {now or 'this one'}"
