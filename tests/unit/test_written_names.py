"""Names that documents and docstrings mention exist."""

from pathlib import Path

import pytest

from tests.support.written_names import missing

ROOT = Path(__file__).parents[2]

GOOD = {
    "ael_otel/__init__.py": '__all__ = ["execution"]',
    "ael_otel/store/__init__.py": "",
    "ael_otel/store/rows.py": '"""See `ael_otel.store.rows.Row.of`."""\n'
    "class Row:\n    def of(self): ...\nLIMIT: int = 3",
    "tests/unit/test_rows.py": "def test_row_without_name_is_refused(): ...",
    "tools/lint.py": "from pathlib import Path",
    "docs/page.md": "`ael_otel.execution`, `ael_otel.store.rows.LIMIT`, `store.rows`, `tools.lint`, `rows.py`, "
    "store/rows.py, tests/unit/test_rows.py, `test_row_without_name_is_refused`, "
    "`run.status`, `os.path` and the key `store.path`.",
    "docs/adr/0001-x.md": "`store.rows`, then called `pipeline.rows`.",
}


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write the files of a small repository."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def test_names_in_documents_and_docstrings_exist() -> None:
    """No document or docstring of the repository names a module, function, file or test that is not there."""
    assert missing(ROOT) == []


def test_repository_whose_names_exist_has_no_finding(tmp_path: Path) -> None:
    """Definitions, imports, `__all__`, files and tests count, and so does a former name that an ADR calls so."""
    assert missing(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("docs/page.md", "`ael_otel.store.row`", "ael_otel.store.row"),
        ("docs/page.md", "see ael_otel.store.rows.Row.off.", "ael_otel.store.rows.Row.off"),
        ("docs/page.md", "`ael_otel.pipeline`", "ael_otel.pipeline"),
        ("docs/page.md", "`pipeline.start`", "pipeline.start"),
        ("CONTRIBUTING.md", "`store.row`", "store.row"),
        ("docs/page.md", "`row.py`", "row.py"),
        ("docs/page.md", "store/row.py says so", "store/row.py"),
        ("docs/page.md", "tests/unit/test_row.py", "tests/unit/test_row.py"),
        ("docs/page.md", "`test_row`", "test_row"),
        ("docs/page.md", "`store.rows`, then called `pipeline.rows`", "pipeline.rows"),
        ("docs/adr/0001-x.md", "`pipeline.rows`", "pipeline.rows"),
        ("README.md", "`python -m tools.lints`, tools.lints", "tools.lints"),
        ("ael_otel/store/other.py", '"""Read by store/row.py."""', "store/row.py"),
        (
            "tests/unit/test_other.py",
            'def f():\n    """As tests.unit.test_row does."""',
            "tests.unit.test_row",
        ),
    ],
)
def test_name_that_leads_nowhere_is_reported(tmp_path: Path, file: str, text: str, name: str) -> None:
    """Each kind of name, in each kind of text, is reported once with its file."""
    assert missing(plant(tmp_path, GOOD | {file: text})) == [f"{file}: {name}"]
