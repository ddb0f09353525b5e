"""Changes between two versions of the registry, their effect on users, and the version and notes they require.

A stable item is a promise at any version: breaking it takes a new major version. Other items may change with a
minor version. The notes on migration list every change that a user must react to.
"""

import re
from typing import Literal, NamedTuple

from tools.telemetry_schema.aspects import Aspect, Thing, Value, things
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.version import Version

What = Literal["added", "renamed", "removed", "changed"]
Impact = Literal["major", "minor"]


class Change(NamedTuple):
    """One difference: the change, its item, and the version part that has to grow for it."""

    what: What
    section: str
    name: str
    detail: str
    impact: Impact

    @property
    def needs_note(self) -> bool:
        """Whether users must be informed: of every change except an addition."""
        return self.what != "added" and self.detail != ""


class Verdict(NamedTuple):
    """The comparison of two versions: the changes, and the missing version or notes."""

    base: str
    version: str
    changes: tuple[Change, ...]
    problems: tuple[str, ...]


def compare(base: Registry, current: Registry) -> list[Change]:
    """Every difference that a user of the telemetry can notice, in the order of the sections."""
    before, after = things(base), things(current)
    gone = [before[key] for key in before.keys() - after.keys()]
    new = {key: after[key] for key in after.keys() - before.keys()}
    changes: list[Change] = []
    for thing in sorted(gone):
        successor = _successor(thing, new)
        if successor is None:
            changes.append(_change("removed", thing, "no longer emitted", breaking=True))
        else:
            changes.append(_change("renamed", thing, f"now {successor}", breaking=True))
    for key in sorted(before.keys() & after.keys()):
        changes += _changed(before[key], after[key])
    changes += [
        Change("added", thing.section, thing.name, thing.brief, "minor") for thing in sorted(new.values())
    ]
    return changes


def judge(base: Registry, current: Registry, migrations: str) -> Verdict:
    """Compare two versions and report the missing version or note in `migrations`."""
    changes = compare(base, current)
    problems: list[str] = []
    was, now = Version.parse(base.version), Version.parse(current.version)
    if was is None or now is None:
        problems.append(
            f"version {current.version if now is None else base.version} is not of the form 1.2.3"
        )
    else:
        needed = was
        if any(change.impact == "major" for change in changes):
            needed = was.next_major
        elif changes:
            needed = was.next_minor
        if now < needed:
            problems.append(
                f"version {now} must be {needed} or later; set the end of schema_url in "
                f"ael_otel/registry/manifest.yaml to {needed}, then `make generate`"
            )
        # The note belongs to the next version, even if the manifest still has the old one.
        noted = _noted_names(migrations, was)
        problems += [
            f"{change.section}: {change.name}: is {change.what} without a note; write under "
            f"`## {max(now, needed)}` in ael_otel/registry/MIGRATIONS.md what users of `{change.name}` have to do"
            for change in changes
            if change.needs_note and change.name not in noted
        ]
    return Verdict(base.version, current.version, tuple(changes), tuple(dict.fromkeys(problems)))


def _changed(before: Thing, after: Thing) -> list[Change]:
    changes: list[Change] = []
    if before.stability == "stable" != after.stability:
        changes.append(_change("changed", before, f"stability: stable -> {after.stability}", breaking=True))
    elif before.stability != after.stability:
        detail = f"stability: {before.stability} -> {after.stability}"
        changes.append(_change("changed", before, detail, breaking=False))
    if after.deprecated is not None and before.deprecated != after.deprecated:
        renamed = after.deprecated.reason == "renamed"
        changes.append(
            _change(
                "renamed" if renamed else "changed",
                before,
                f"now {after.deprecated.renamed_to}; both are emitted" if renamed else "deprecated",
                breaking=False,
            )
        )
    nothing = Aspect("growing", frozenset[str]())
    for name in dict.fromkeys((*before.aspects, *after.aspects)):
        old, new = before.aspects.get(name, nothing), after.aspects.get(name, nothing)
        if old.value != new.value:
            changes.append(
                _change("changed", before, f"{name}: {_words(old.value, new.value)}", _breaks(old, new))
            )
    return changes


def _breaks(old: Aspect, new: Aspect) -> bool:
    if isinstance(old.value, frozenset) and isinstance(new.value, frozenset) and old.kind == "growing":
        return not old.value <= new.value
    return old.kind == "fixed"


def _words(old: Value, new: Value) -> str:
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        lost, won = sorted(old - new), sorted(new - old)
        return " and ".join(
            f"{word} {', '.join(items)}" for word, items in (("lost", lost), ("gained", won)) if items
        )
    return f"{old or 'none'} -> {new or 'none'}"


def _change(what: What, thing: Thing, detail: str, breaking: bool) -> Change:
    impact: Impact = "major" if breaking and thing.stability == "stable" else "minor"
    return Change(what, thing.section, thing.name, detail, impact)


def _successor(gone: Thing, new: dict[tuple[str, str], Thing]) -> str | None:
    """Return the new name of an item: the announced one, else a new item with the same description."""
    if gone.deprecated is not None and gone.deprecated.renamed_to:
        return gone.deprecated.renamed_to
    for thing in sorted(new.values()):
        if thing.section == gone.section and thing.brief == gone.brief:
            return thing.name
    return None


def _noted_names(migrations: str, since: Version) -> set[str]:
    """Names that the notes of versions after `since` mention in backquotes."""
    noted: set[str] = set()
    for section in re.split(r"^## ", migrations, flags=re.MULTILINE)[1:]:
        version = Version.parse(section.split(maxsplit=1)[0] if section.strip() else "")
        if version is not None and version > since:
            noted |= set(re.findall(r"`([^`]+)`", section))
    return noted
