"""A form of export is in four places: the table of writers, the store's method, the command, and its page."""

from pathlib import Path

import pytest

from ael_otel.cli.trace.export import FORMATS, command
from ael_otel.export.formats import RECORD_FORMATS, SPAN_FORMATS
from ael_otel.store.query import EXPORT_FORMATS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "trace.md"


def test_command_takes_every_form_that_has_a_writer() -> None:
    """`FORMATS` in cli/trace/export.py names the formats of export/formats.py, the page, and records of changes."""
    assert sorted(FORMATS) == sorted([*RECORD_FORMATS, *SPAN_FORMATS, "html", "agent-trace"])


def test_store_exports_every_form_that_has_a_writer() -> None:
    """`ExportFormat` of store/query.py names the same, in whose words `TelemetryStore.export` is typed."""
    assert sorted(EXPORT_FORMATS) == sorted([*RECORD_FORMATS, *SPAN_FORMATS])


@pytest.mark.parametrize("form", FORMATS)
def test_page_has_a_row_for_every_form(form: str) -> None:
    """docs/how-to/trace.md has the purpose of each."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| `{form}` |")]
    assert [row.rpartition(" | ")[2] for row in rows] in (["yes |"], ["no |"]), (
        "says whether it holds content"
    )


def test_help_names_every_form() -> None:
    """The one-line help of the command lists the formats: JSON stands for JSON Lines too."""
    line = (command.short_help or "").lower()
    assert [form for form in FORMATS if form != "jsonl" and form not in line] == []
