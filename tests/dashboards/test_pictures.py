"""The pictures of the boards in the documentation."""

import re
from pathlib import Path

import pytest

from tests.dashboards.boards import FOLDER, committed

ROOT = FOLDER.parent
PAGES = (ROOT / "README.md", FOLDER / "README.md")
MOST_BYTES = 300_000
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


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


def test_every_board_has_its_picture() -> None:
    """Proves that no board was added without showing it."""
    shown = {file.stem for _, file in pictures(FOLDER / "README.md")}
    assert shown == set(committed())
