"""The colours of the boards can be distinguished by everybody, and seen, in Grafana's dark and in its light theme."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Final

import pytest

from dashboards.src import colours
from tests.dashboards.boards import Json, committed, data_panels

# Grafana's shades, from the darkest to the lightest of the dark theme; the light theme's are one step darker
# (packages/grafana-data/src/themes/createVisualizationColors.ts).
_PREFIXES: Final = ("dark-", "semi-dark-", "", "light-", "super-light-")
_DARKER: Final = {
    "red": "#AD0317", "orange": "#E55400", "yellow": "#CC9D00",
    "green": "#19730E", "blue": "#1250B0", "purple": "#7C2EA3",
}  # fmt: skip
_SHADES: Final = {
    "red": ("#C4162A", "#E02F44", "#F2495C", "#FF7383", "#FFA6B0"),
    "orange": ("#FA6400", "#FF780A", "#FF9830", "#FFB357", "#FFCB7D"),
    "yellow": ("#E0B400", "#F2CC0C", "#FADE2A", "#FFEE52", "#FFF899"),
    "green": ("#37872D", "#56A64B", "#73BF69", "#96D98D", "#C8F2C2"),
    "blue": ("#1F60C4", "#3274D9", "#5794F2", "#8AB8FF", "#C0D8FF"),
    "purple": ("#8F3BB8", "#A352CC", "#B877D9", "#CA95E5", "#DEB6F2"),
}


def _theme(shades: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {
        prefix + hue: colour
        for hue, colours_of in shades.items()
        for prefix, colour in zip(_PREFIXES, colours_of, strict=True)
    }


THEMES: Final = {
    "dark": ("#181B1F", _theme(_SHADES)),
    "light": ("#FFFFFF", _theme({hue: (_DARKER[hue], *each[:-1]) for hue, each in _SHADES.items()})),
}
"""Background of a panel, and the shades by name."""

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB.
EYES: Final = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no L cones": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no M cones": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no S cones": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

OKABE_ITO: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""The palette made for this, by which ours is measured."""

FAMILIES: Final = {
    "outcomes": colours.OUTCOMES,
    "levels": colours.LEVELS,
    "quantiles": colours.QUANTILES,
    "step types": colours.STEP_TYPES,
    "passed over": colours.PASSED_OVER,
}


def linear(colour: str) -> tuple[float, ...]:
    """The light of each primary, 0..1."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)


def seen(colour: str, eyes: str) -> tuple[float, ...]:
    """Where these eyes see a colour in OKLab, whose distances are those that people perceive."""
    light = linear(colour)
    r, g, b = (
        min(1.0, max(0.0, sum(part * c for part, c in zip(row, light, strict=True)))) for row in EYES[eyes]
    )
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def closest(palette: Iterable[str]) -> float:
    """The distance between the two colours that are hardest to tell apart, by the eyes that find it hardest."""
    return min(
        math.dist(seen(one, eyes), seen(other, eyes))
        for one, other in itertools.combinations(palette, 2)
        for eyes in EYES
    )


def contrast(colour: str, background: str) -> float:
    """WCAG's contrast of two colours, 1..21."""
    low, high = sorted(
        0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(colour), linear(background))
    )
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("family", FAMILIES)
def test_colours_of_a_family_can_be_distinguished(family: str, theme: str) -> None:
    """Proves that no two of them are closer than the closest two of Okabe and Ito's, whatever cones an eye lacks."""
    _, shades = THEMES[theme]
    assert closest(shades[name] for name in FAMILIES[family].values()) >= closest(OKABE_ITO)


@pytest.mark.parametrize("theme", THEMES)
def test_overlapping_components_can_be_distinguished(theme: str) -> None:
    """Proves the same for neighbours in the stack of components, which are too many for it to hold for all pairs."""
    _, shades = THEMES[theme]
    stacked = [shades[colours.COMPONENTS[name]] for name in sorted(colours.COMPONENTS)]
    assert min(closest(pair) for pair in itertools.pairwise(stacked)) >= closest(OKABE_ITO)
    assert len(set(stacked)) == len(stacked)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("family", [*FAMILIES, "components"])
def test_colours_stand_out_from_the_panel(family: str, theme: str) -> None:
    """Proves that each has a contrast of 2 and more: areas and lines, not text, which is never coloured by these."""
    background, shades = THEMES[theme]
    of_family = FAMILIES.get(family, colours.COMPONENTS)
    assert min(contrast(shades[name], background) for name in of_family.values()) >= 2


def test_the_measure_sees_what_people_mix_up() -> None:
    """Proves that Grafana's own green and red, which the boards had, fail this measure, so that it can fail."""
    _, shades = THEMES["light"]
    assert closest((shades["green"], shades["red"])) < closest(OKABE_ITO)


def _fixed(panel: Json) -> dict[str, str]:
    """The colour of each series that has one of its own, by the name of the series."""
    return {
        override["matcher"]["options"]: item["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for item in override["properties"]
        if item["id"] == "color"
    }


def test_a_name_has_one_colour_on_all_boards() -> None:
    """Proves that whatever has a colour of its own has the same one wherever it is drawn."""
    found: dict[str, set[str]] = {}
    for board in committed().values():
        for panel in data_panels(board):
            for name, colour in _fixed(panel).items():
                found.setdefault(name, set()).add(colour)
    assert found
    assert {name: sorted(each) for name, each in found.items() if len(each) > 1} == {}
