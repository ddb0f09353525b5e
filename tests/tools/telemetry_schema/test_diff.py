"""Two versions of the registry: what changed is found, and breaking a promise needs a version and a note."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.telemetry_schema.diff import Change, compare, judge
from tools.telemetry_schema.document import render_document
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.model import Registry, Sources
from tools.telemetry_schema.release import read_release, released_versions, write_release
from tools.telemetry_schema.resolve import resolve
from tools.telemetry_schema.version import Version

type Document = dict[str, Any]
type Spoil = Callable[[Document], object]
type Spoiled = Callable[[Spoil], Sources]

NEXT = {"major": "2.0.0", "minor": "1.3.0"}
ROOT = Path(__file__).parents[3]


def registry_of(spoiled: Spoiled, spoil: Spoil = lambda _: None, version: str = "1.2.3") -> Registry:
    """The small registry after a change, at a version."""
    resolved = resolve(spoiled(spoil))
    return Registry(
        **{name: getattr(resolved, name) for name in Registry.__struct_fields__} | {"version": version}
    )


def item(document: Document, section: str, key: str) -> Document:
    """The item of that name."""
    return next(each for each in document[section] if key in each.values())


def label(document: Document, key: str) -> Document:
    """A reference of the counter."""
    return next(each for each in document["metrics"][0]["attributes"] if each["ref"] == key)


def rename(document: Document) -> None:
    """Announce that the counter has a new name, and emit both."""
    old = document["metrics"][0]
    document["metrics"].append({**old, "name": "ael.fruit.bitten", "brief": "Fruit that was bitten."})
    old["deprecated"] = {"reason": "renamed", "renamed_to": "ael.fruit.bitten"}


# What is changed -> what happened, to which item, part of the detail, the part of the version that has to grow.
CHANGES: dict[str, tuple[Spoil, str, str, str, str]] = {
    "stable metric removed": (
        lambda d: d["metrics"].pop(0),
        "removed",
        "ael.fruit.eaten",
        "no longer emitted",
        "major",
    ),
    "stable metric renamed": (
        lambda d: d["metrics"][0].update(name="ael.fruit.bitten"),
        "renamed",
        "ael.fruit.eaten",
        "now ael.fruit.bitten",
        "major",
    ),
    "rename announced": (
        rename,
        "renamed",
        "ael.fruit.eaten",
        "now ael.fruit.bitten; both are emitted",
        "minor",
    ),
    "unit changed": (
        lambda d: d["metrics"][0].update(unit="{apple}"),
        "changed",
        "ael.fruit.eaten",
        "unit: {fruit} -> {apple}",
        "major",
    ),
    "instrument changed": (
        lambda d: d["metrics"][0].update(instrument="updowncounter"),
        "changed",
        "ael.fruit.eaten",
        "instrument: counter -> updowncounter",
        "major",
    ),
    "label added": (
        lambda d: d["metrics"][1].update(attributes=[{"ref": "state", "requirement_level": "required"}]),
        "changed",
        "ael.fruit.ripening",
        "labels: gained state",
        "major",
    ),
    "label removed": (
        lambda d: d["metrics"][0]["attributes"].pop(),
        "changed",
        "ael.fruit.eaten",
        "labels: lost state",
        "major",
    ),
    "buckets changed": (
        lambda d: d["metrics"][1]["annotations"]["ael"].update(buckets=[1, 5]),
        "changed",
        "ael.fruit.ripening",
        "buckets: (1.0, 10.0) -> (1.0, 5.0)",
        "minor",
    ),
    "no longer by default": (
        lambda d: d["metrics"][0].update(requirement_level="opt_in"),
        "changed",
        "ael.fruit.eaten",
        "presence: lost by default",
        "major",
    ),
    "value removed from a closed set": (
        lambda d: item(d, "attributes", "ael.fruit.state")["type"]["members"].pop(),
        "changed",
        "ael.fruit.state",
        "values: lost rotten",
        "major",
    ),
    "value added to a closed set": (
        lambda d: item(d, "attributes", "ael.fruit.state")["type"]["members"].append(
            {"id": "raw", "value": "raw", "stability": "stable", "brief": "Not yet ripe."}
        ),
        "changed",
        "ael.fruit.state",
        "values: gained raw",
        "minor",
    ),
    "type changed": (
        lambda d: item(d, "attributes", "ael.fruit.name").update(type="int"),
        "changed",
        "ael.fruit.name",
        "type: string -> int",
        "major",
    ),
    "no longer stable": (
        lambda d: item(d, "attributes", "ael.fruit.id").update(stability="development"),
        "changed",
        "ael.fruit.id",
        "stability: stable -> development",
        "major",
    ),
    "span renamed": (
        lambda d: d["spans"][0]["name"].update(note="Taste {ael.fruit.name}"),
        "changed",
        "ael.fruit",
        "name: Eat {ael.fruit.name} -> Taste {ael.fruit.name}",
        "major",
    ),
    "span kind changed": (
        lambda d: d["spans"][0].update(kind="client"),
        "changed",
        "ael.fruit",
        "kind: internal -> client",
        "major",
    ),
    "attribute of a span removed": (
        lambda d: d["spans"][0]["attributes"].pop(1),
        "changed",
        "ael.fruit",
        "attributes: lost ael.fruit.state",
        "major",
    ),
    "attribute no longer required": (
        lambda d: d["spans"][0]["attributes"][0].update(requirement_level="recommended"),
        "changed",
        "ael.fruit",
        "required attributes: lost ael.fruit.name",
        "major",
    ),
    "attribute added to a span": (
        lambda d: d["spans"][0]["attributes"].append({"ref": "ael.fruit.id", "requirement_level": "opt_in"}),
        "changed",
        "ael.fruit",
        "attributes: gained ael.fruit.id",
        "minor",
    ),
    "unstable event removed": (
        lambda d: d["events"].clear(),
        "removed",
        "ael.fruit.drop",
        "no longer emitted",
        "minor",
    ),
    "identity of an entity changed": (
        lambda d: d["entities"][0].update(identity=[{"ref": "ael.basket.size"}]),
        "changed",
        "ael.basket",
        "identity: lost service.name and gained ael.basket.size",
        "minor",
    ),
    "scope emits less": (
        lambda d: d["scopes"]["scopes"][0].update(signals=["spans"]),
        "changed",
        "ael",
        "signals: lost metrics",
        "major",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_found_and_weighed(case: str, spoiled: Spoiled) -> None:
    """Each change is named with what it was and is, and asks for the version that it needs."""
    spoil, what, name, detail, impact = CHANGES[case]
    changes = compare(registry_of(spoiled), registry_of(spoiled, spoil))
    assert any(
        (change.what, change.name, change.impact) == (what, name, impact) and detail in change.detail
        for change in changes
    ), changes


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_without_version_and_note_fails(case: str, spoiled: Spoiled) -> None:
    """No change that users notice passes silently: the version must grow, and the note must name the item."""
    spoil, _, name, _, impact = CHANGES[case]
    base = registry_of(spoiled)
    changed = registry_of(spoiled, spoil)
    needed = max(change.impact == "major" for change in compare(base, changed))
    version = NEXT["major" if needed else "minor"]
    silent = judge(base, changed, "")
    assert f"version 1.2.3 must be {version} or later; set the end of schema_url" in silent.problems[0]
    assert any(f"{name}: is " in problem and f"`## {version}`" in problem for problem in silent.problems[1:])
    names = {change.name for change in silent.changes}
    notes = f"# Notes\n\n## {version}\n\n" + "\n".join(f"- `{each}` is different." for each in names)
    assert judge(base, registry_of(spoiled, spoil, version), notes).problems == ()
    # A note in the section of a version that users have already does not tell them anything.
    old = judge(base, registry_of(spoiled, spoil, version), notes.replace(version, "1.2.3"))
    assert old.problems
    assert impact in NEXT


def test_what_is_new_needs_a_minor_version_and_no_note(spoiled: Spoiled) -> None:
    """An addition breaks nobody: no note is needed, but the version tells that it is there."""

    def add(document: Document) -> None:
        document["metrics"].append(
            {**document["metrics"][1], "name": "ael.fruit.peeling", "brief": "Time to peel."}
        )

    base = registry_of(spoiled)
    assert compare(base, registry_of(spoiled, add)) == [
        Change("added", "metrics", "ael.fruit.peeling", "Time to peel.", "minor")
    ]
    (problem,) = judge(base, registry_of(spoiled, add, "1.2.4"), "").problems
    assert problem == (
        "version 1.2.4 must be 1.3.0 or later; set the end of schema_url in ael_otel/registry/manifest.yaml to 1.3.0, "
        "then `make generate`"
    )
    assert judge(base, registry_of(spoiled, add, "1.3.0"), "").problems == ()


def test_words_may_change_at_any_time(spoiled: Spoiled) -> None:
    """Briefs, notes, examples and queries are not what users rely on."""

    def reword(document: Document) -> None:
        document["metrics"][0].update(brief="Eaten fruit.", note="By whomever.")
        document["attributes"][0].update(examples=["pear"])

    verdict = judge(registry_of(spoiled), registry_of(spoiled, reword), "")
    assert (verdict.changes, verdict.problems) == ((), ())


def test_a_version_may_not_go_back(spoiled: Spoiled) -> None:
    """A version below the last release is refused even without a change; one that is no version is named."""
    base = registry_of(spoiled)
    assert (
        "version 1.2.2 must be 1.2.3 or later"
        in judge(base, registry_of(spoiled, version="1.2.2"), "").problems[0]
    )
    assert judge(base, registry_of(spoiled, version="next"), "").problems == (
        "version next is not of the form 1.2.3",
    )


def test_a_release_is_kept_and_not_overwritten(spoiled: Spoiled, tmp_path: Path) -> None:
    """A snapshot is found again by version, file or as the last one; a changed one needs the word."""
    first = registry_of(spoiled)
    path, changed = write_release(first, tmp_path)
    assert (path.name, changed) == ("1.2.3.json", True)
    assert write_release(first, tmp_path) == (path, False)
    write_release(registry_of(spoiled, version="1.10.0"), tmp_path)
    assert released_versions(tmp_path) == [Version(1, 2, 3), Version(1, 10, 0)]
    assert read_release(tmp_path).version == "1.10.0"
    assert render_document(read_release(tmp_path, "1.2.3")) == render_document(first)
    assert read_release(tmp_path, str(path)).version == "1.2.3"
    other = registry_of(spoiled, lambda d: d["metrics"].pop())
    with pytest.raises(SchemaError, match=r"1\.2\.3\.json: is released and differs; set the next version"):
        write_release(other, tmp_path)
    assert write_release(other, tmp_path, again=True)[1]


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("9.9.9", "released: 0.1.0"),
        ("no/such.json", "neither a file nor"),
        ("README.md", "is not a resolved registry"),
    ],
)
def test_a_wrong_base_is_an_error(base: str, says: str) -> None:
    """A base that is not there, or is something else, is named instead of being taken for an empty one."""
    with pytest.raises(SchemaError, match=says):
        read_release(ROOT, str(ROOT / base) if base.endswith(".md") else base)


def test_an_empty_folder_has_no_release(tmp_path: Path) -> None:
    """Without any release the message says how to make the first."""
    with pytest.raises(SchemaError, match=r"`python -m tools\.telemetry_schema release` writes the first"):
        read_release(tmp_path)


def test_the_registry_keeps_its_promises(registry: Registry) -> None:
    """What this checkout emits needs no other version and no other note than it has, compared with the last release."""
    notes = (ROOT / "ael_otel/registry/MIGRATIONS.md").read_text("utf-8")
    assert judge(read_release(ROOT), registry, notes).problems == ()
