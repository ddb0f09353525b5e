"""The panel that CONTRIBUTING.md shows can be added as it stands."""

import json
import re
import textwrap
from importlib import import_module
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.src import board as boards
from tests.dashboards import lint
from tests.dashboards.boards import FOLDER, Json, data_panels

PAGE = FOLDER.parent / "CONTRIBUTING.md"
_SECTION = re.compile(r"^## A new panel\n(?P<text>.*?)^## ", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def example() -> tuple[str, str]:
    """The module that the page opens, and the code that it puts there."""
    section = _SECTION.search(PAGE.read_text("utf-8"))
    assert section
    (code,) = _CODE.findall(section["text"])
    module = re.search(r"`dashboards/src/(\w+)\.py`", section["text"])
    assert module
    return module[1], textwrap.dedent(code)


@pytest.fixture(scope="module")
def with_example() -> Json:
    """The board of that module with the panel at its end, as JSON; the page's number as it stands."""
    name, code = example()
    module = import_module(f"dashboards.src.{name}")
    # What a module has not imported yet, the page says where to import from.
    known: dict[str, Any] = {**vars(import_module("ael_otel._generated.attributes")), **vars(module)}
    panel = eval(compile(code, str(PAGE), "eval"), known)  # noqa: S307 - our own page
    made = vars(module)[name]()
    # Whoever tries the page out has the panel already.
    made.panels = [each for each in made.panels if each.title != panel.title]
    bottom = max(each.grid_pos.y + each.grid_pos.h for each in made.panels)
    panel.grid_pos.y, panel.grid_pos.h = bottom, 8
    assert panel.grid_pos.w <= boards.COLUMNS
    made.panels.append(panel)
    found: Json = json.loads(json.dumps(made, cls=JSONEncoder))
    return found


def test_the_example_adds_a_panel(with_example: Json) -> None:
    """Proves that the code runs in the module it is for, and makes a panel that asks something."""
    *_, panel = data_panels(with_example)
    assert panel["targets"]


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
def test_the_example_keeps_the_rule(rule: lint.Rule, with_example: Json) -> None:
    """Proves that a person who follows the page breaks no rule of the boards, by one of which the number that the page
    calls free is.
    """
    assert list(rule(with_example["uid"], with_example)) == []
