"""The page that maps the five documents to this product names only existing files and tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "conformance.md"
STATES = {"yes", "differs", "part", "no"}
DOCUMENTS = ("DOC-015", "DOC-033", "DOC-058", "Internal Telemetry Policy", "Telemetry System PRD")

_CODE = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?|[\w-]+\.(?:py|yaml|md)")


def absent_paths(text: str) -> list[str]:
    """Return the paths in back ticks that exist neither here nor in the package; folders of a user do not count."""
    found: list[str] = []
    for path in (code for code in _CODE.findall(text) if _PATH.fullmatch(code)):
        if path.startswith((".ael", ".nexus", "GET", "ael_otel.")):
            continue
        places = (ROOT, ROOT / "ael_otel", ROOT / "ael_otel" / "store")
        if not any((place / path).exists() for place in places):
            found.append(path)
    return found


def rows(text: str) -> list[list[str]]:
    """Return the cells of every requirement row: tables with three columns whose second is a state."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [
        row for row in cells if len(row) == 3 and row[0] not in {"requirement", "---", "the documents say"}
    ]


def test_paths_on_the_page_exist() -> None:
    """Every file and folder that the page names is in the repository."""
    assert absent_paths(PAGE.read_text("utf-8")) == []


def test_absent_path_is_reported() -> None:
    """The check above finds a path that does not exist and ignores other text."""
    text = "`store/no_such.py` `store/records.py` `ael trace list` `.ael/traces` `telemetry.enabled`"
    assert absent_paths(text) == ["store/no_such.py"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_document_has_a_section_with_requirements(document: str) -> None:
    """Each of the five documents has its own table."""
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    (section,) = [part for part in sections if part.split("\n", 1)[0].find(document) >= 0]
    assert len(rows(section)) >= 8


def test_every_requirement_has_a_state_and_a_place() -> None:
    """A row states whether it is implemented; only rows that are not implemented name no place."""
    requirements = rows(PAGE.read_text("utf-8").split("## Deviations")[0])
    assert {row[1] for row in requirements} <= STATES
    assert [row[0] for row in requirements if row[1] != "no" and not row[2]] == []
