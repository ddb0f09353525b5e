"""The pictures of the boards in the documentation."""

import copy
import re
from pathlib import Path

import pytest

from tests.dashboards.boards import FOLDER, Json, committed, panels

ROOT = FOLDER.parent
PAGES = (ROOT / "README.md", FOLDER / "README.md")
MOST_BYTES = 300_000
WITHOUT = {"ael-sessions"}
"""Boards that no Grafana has shown yet: take the picture, and remove the name here."""

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
PICTURED = {
    "ael-overview": (
        "Runs",
        "Runs in 24 h",
        "Success rate in 24 h",
        "Active workflows",
        "Error rate",
        "Outcomes and errors",
        "Runs by outcome",
        "Errors by type",
        "Errors by type and component",
        "Recent failures",
        "Recent failures",
        "How long runs take",
        "Run duration",
        "Slowest workflows",
    ),
    "ael-workflows": (
        "Outcomes",
        "Runs by outcome",
        "Success rate by workflow",
        "How long runs take",
        "Distribution of run durations",
        "Run duration",
        "Recent failures",
        "Recent failures",
        "Steps",
        "Steps by type",
        "Time in steps by type",
    ),
    "ael-tools": (
        "Calls",
        "Calls",
        "Successful calls",
        "Calls by tool",
        "Calls by outcome",
        "How long calls take",
        "Call duration",
        "Call duration by tool (p95)",
        "Distribution of call durations",
        "Tool by tool",
        "Error rate by tool",
        "Slowest tools",
        "MCP servers",
        "Calls by MCP server",
        "MCP servers",
    ),
    "ael-logs": (
        "Volume",
        "Lines by level",
        "Lines by component",
        "Errors",
        "Errors",
        "Live log",
        "Live log",
    ),
    "ael-traces": (
        "Runs",
        "Runs",
        "The chosen trace",
        "Waterfall",
        "Spans, as Tempo counts them",
        "Span duration (p95)",
        "Spans by name",
        "Spans",
    ),
}
"""Titles that each picture shows, from its top left to its bottom right, as read from the pictures."""


def pictures(page: Path) -> list[tuple[str, Path]]:
    """Text and file of each picture of a page."""
    return [(text, page.parent / target) for text, target in _PICTURE.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_are_there_small_and_described(page: Path) -> None:
    """Proves that every picture of a page is a PNG in the repository of less than 300 kB, and described in words."""
    found = pictures(page)
    assert found
    for text, file in found:
        assert text.strip()
        assert file.read_bytes().startswith(b"\x89PNG")
        assert file.stat().st_size < MOST_BYTES


def first_titles(board: Json, count: int) -> tuple[str, ...]:
    """Return the titles at the top of a board, in the order of a picture; panels without a title have none."""
    ordered = sorted(panels(board), key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    return tuple(panel["title"] for panel in ordered if panel.get("title"))[:count]


@pytest.mark.parametrize("name", sorted(PICTURED))
def test_picture_shows_the_titles_of_its_board(name: str) -> None:
    """Proves that no panel within a picture was added, moved, renamed or removed since the picture was taken."""
    assert first_titles(committed()[name], len(PICTURED[name])) == PICTURED[name]


def test_renamed_panel_makes_its_picture_outdated() -> None:
    """Proves that the check above can fail."""
    board = copy.deepcopy(committed()["ael-logs"])
    board["panels"][-1]["title"] = "Log"
    assert first_titles(board, len(PICTURED["ael-logs"])) != PICTURED["ael-logs"]


def test_every_board_has_its_picture() -> None:
    """Proves that no board was added without showing it."""
    shown = {file.stem for _, file in pictures(FOLDER / "README.md")}
    assert shown == set(committed()) - WITHOUT
