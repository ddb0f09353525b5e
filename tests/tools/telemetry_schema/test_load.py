"""A registry that cannot be read is refused with the file, the item and what to set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.load import load
from tools.telemetry_schema.model import Sources
from tools.telemetry_schema.resolve import resolve

type Document = dict[str, Any]
type Spoil = Callable[[Document], object]

BAD_ITEMS: dict[str, tuple[Spoil, str]] = {
    "missing key": (
        lambda d: d["metrics"][0].pop("unit"),
        "all.yaml: ael.fruit.eaten: unit is missing; set `unit:`",
    ),
    "missing requirement level": (
        lambda d: d["metrics"][0]["attributes"][0].pop("requirement_level"),
        "all.yaml: ael.fruit.eaten: attributes[0].requirement_level is missing; set `requirement_level:`",
    ),
    "misspelt key": (
        lambda d: d["metrics"][0].update(instrment="counter"),
        "all.yaml: ael.fruit.eaten: instrment is not a known key; did you mean instrument?",
    ),
    "misspelt note": (
        lambda d: d["metrics"][0]["annotations"]["ael"].update(max_serie=1),
        "all.yaml: ael.fruit.eaten: annotations.ael.max_serie is not a known key; did you mean max_series?",
    ),
    "wrong value": (
        lambda d: d["metrics"][0].update(instrument="meter"),
        (
            "all.yaml: ael.fruit.eaten: instrument: Invalid enum value 'meter'; "
            "set one of counter, updowncounter, gauge, histogram"
        ),
    ),
    "wrong level": (
        lambda d: d["metrics"][0]["attributes"][0].update(requirement_level="must"),
        (
            "all.yaml: ael.fruit.eaten: attributes[0].requirement_level: Invalid enum value 'must'; "
            "set one of required, recommended, opt_in, a mapping with conditionally_required"
        ),
    ),
    "wrong level of a signal": (
        lambda d: d["metrics"][0].update(requirement_level="required"),
        (
            "all.yaml: ael.fruit.eaten: requirement_level: Invalid enum value 'required'; "
            "set one of recommended, opt_in"
        ),
    ),
    "wrong type": (
        lambda d: d["metrics"][0]["annotations"]["ael"].update(max_series="many"),
        "all.yaml: ael.fruit.eaten: annotations.ael.max_series: Expected `int | null`, got `str`",
    ),
    "item without a name": (
        lambda d: d["events"][0].pop("name"),
        "all.yaml: events[0]: name is missing; set `name:`",
    ),
    "unknown section": (
        lambda d: d.update(metric=[]),
        "all.yaml: metric: unknown section; did you mean metrics?",
    ),
    "section that is no list": (lambda d: d.update(metrics={}), "all.yaml: metrics: must be a list"),
    "other format": (
        lambda d: d.update(file_format="definition/1"),
        "all.yaml: file_format: is definition/1; set it to definition/2",
    ),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
def test_a_bad_item_is_named(case: str, spoiled: Callable[[Spoil], Sources]) -> None:
    """The one line says which file, which item, which key, and what to set."""
    spoil, message = BAD_ITEMS[case]
    with pytest.raises(SchemaError) as caught:
        spoiled(spoil)
    assert str(caught.value) == message


def test_a_wrong_path_is_an_error(tmp_path: Path) -> None:
    """A folder that is no registry, or an empty one, never passes as a registry with nothing wrong."""
    with pytest.raises(SchemaError, match=r"no manifest\.yaml here"):
        load(tmp_path / "nowhere")
    (tmp_path / "manifest.yaml").write_text(
        "schema_url: https://schemas.example/x/1.0.0\nstability: stable\n"
    )
    with pytest.raises(SchemaError, match="has no definition files"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_format: definition/2\nmetrics: [\n", r"all\.yaml: line \d: .*"),
        (
            "file_format: definition/2\nmetrics: []\nmetrics: []\n",
            r"all\.yaml: line 3: key 'metrics' appears twice",
        ),
        ("- 1\n", r"all\.yaml: must be a mapping of sections"),
    ],
    ids=["broken", "key twice", "no mapping"],
)
def test_broken_yaml_is_named(tmp_path: Path, text: str, message: str) -> None:
    """YAML that does not parse, or that says a thing twice, is refused with its line."""
    (tmp_path / "manifest.yaml").write_text(
        "schema_url: https://schemas.example/x/1.0.0\nstability: stable\n"
    )
    (tmp_path / "all.yaml").write_text(text)
    with pytest.raises(SchemaError, match=message):
        load(tmp_path)


def test_a_reference_to_nothing_does_not_resolve(spoiled: Callable[[Spoil], Sources]) -> None:
    """Resolution stops at a dangling reference instead of leaving the attribute out."""
    sources = spoiled(
        lambda d: d["spans"][0]["attributes"].append({"ref": "colour", "requirement_level": "opt_in"})
    )
    with pytest.raises(
        SchemaError, match=r"all\.yaml: ael\.fruit: refers to colour, which no attribute defines"
    ):
        resolve(sources)


def test_a_reference_refines_its_definition(spoiled: Callable[[Spoil], Sources]) -> None:
    """What a signal says about an attribute wins over the definition; what it does not say is inherited."""

    def refine(document: Document) -> None:
        document["metrics"][0]["attributes"][1] |= {
            "brief": "Its state.",
            "annotations": {"ael": {"max_values": 7}},
        }

    metric = resolve(spoiled(refine)).metrics[0]
    label = metric.attributes[1]
    assert (label.key, label.brief, label.stability) == ("state", "Its state.", "stable")
    assert label.values == ("ripe", "rotten")
    assert (label.ael.max_values, label.ael.values_of) == (7, "ael.fruit.state")
    assert label.max_values == 2


def test_upstream_sets_stay_open(spoiled: Callable[[Spoil], Sources]) -> None:
    """A closed set is ours alone: OpenTelemetry may add to its own, so no value of it is taken for the last."""
    span = resolve(spoiled(lambda document: None)).spans[0]
    error_type = next(attribute for attribute in span.attributes if attribute.key == "error.type")
    assert error_type.upstream
    assert error_type.values == ()
    assert (error_type.requirement_level, error_type.condition) == (
        "conditionally_required",
        "if it was not eaten",
    )
