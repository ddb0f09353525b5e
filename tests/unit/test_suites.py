"""Every suite has its row in CONTRIBUTING, and every row its suite."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rows(text: str) -> set[str]:
    """The folders of the table in the section on tests."""
    section = text.partition("\n## Tests\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `tests/(\w+)` \|", section, re.MULTILINE))


def suites(tests: Path) -> set[str]:
    """The folders below `tests` that have Python in them."""
    return {path.relative_to(tests).parts[0] for path in tests.rglob("*.py") if path.parent != tests}


def test_each_folder_has_its_row() -> None:
    """Neither a suite that the table does not name, nor a row about one that is gone."""
    assert rows((ROOT / "CONTRIBUTING.md").read_text("utf-8")) == suites(ROOT / "tests")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", set()),
        (
            "\n## Tests\n\n| `tests/a` | x | - |\n| `tests/b` | y | - |\n\n## Style\n| `tests/c` | z |\n",
            {"a", "b"},
        ),
        ("\n## Other\n| `tests/a` | x |\n", set()),
    ],
)
def test_only_the_table_of_its_section_counts(text: str, found: set[str]) -> None:
    """A folder that is named elsewhere has no row."""
    assert rows(text) == found


def test_a_folder_without_a_row_is_seen(tmp_path: Path) -> None:
    """Also one whose tests are further down; a folder without Python is none."""
    for name in ("a/test_x.py", "b/c/test_y.py", "d/notes.txt", "conftest.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert suites(tmp_path) == {"a", "b"}
