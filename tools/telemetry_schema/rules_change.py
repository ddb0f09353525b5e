"""Rules about items on their way out."""

from __future__ import annotations

from collections.abc import Iterator

from tools.telemetry_schema.findings import Finding
from tools.telemetry_schema.model import Deprecated, Sources
from tools.telemetry_schema.version import Version


def bad_deprecation(sources: Sources) -> Iterator[Finding]:
    """A renamed item names what takes its place, and a signal on its way out says in which version it goes."""
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
        for problem in _problems(section, name, deprecated, remove_in, known, now):
            yield Finding("bad_deprecation", sources.where(section, name), name, problem)


def _problems(
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
