"""The hook of the documentation site: links lead to pages, and code stays as it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.config import settings_from_mapping
from tools.docs_site.cli_reference import FILE, reference
from tools.docs_site.pages import OUTSIDE, relinked

ROOT = Path(__file__).parents[3]
PAGES = frozenset({"index.md", "limits.md", "how-to/sample.md", "images/x.png", *OUTSIDE})


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("limits.md", "[c](../collector/README.md#redaction)", "[c](outside/collector.md#redaction)"),
        ("how-to/sample.md", "[c](../../collector/README.md)", "[c](../outside/collector.md)"),
        ("outside/collector.md", "[l](../docs/limits.md)", "[l](../limits.md)"),
        ("outside/boards.md", "![x](../docs/images/x.png)", "![x](../images/x.png)"),
        ("outside/prometheus.md", "[`RUNBOOK.md`](RUNBOOK.md)", "[`RUNBOOK.md`](runbook.md)"),
        ("outside/prometheus.md", "[`rules/`](rules): the alerts", "`rules/`: the alerts"),
        ("limits.md", "[make](../Makefile) and [l](limits.md)", "make and [l](limits.md)"),
        ("limits.md", "[a](absent.md) [b](#here) [c](https://example.org/x)", None),
        ("limits.md", "`[c](../collector/README.md)`", None),
        ("limits.md", "```\n[c](../collector/README.md)\n```\n", None),
        ("limits.md", "````\n```\n[c](../Makefile)\n```\n````\n", None),
    ],
)
def test_links_lead_to_pages(page, text, expected):
    """Also from pages that lie beside the code; a file that is not a page leaves its text; code is not touched."""
    assert relinked(text, page, PAGES) == (text if expected is None else expected)


def test_every_page_from_outside_exists():
    """A README that has moved is named here, and not by a reader."""
    assert [source for source in OUTSIDE.values() if not (ROOT / source).is_file()] == []


def test_page_of_commands_is_current():
    """A command, an option or a help text that changes without `make generate` fails here."""
    text = (ROOT / FILE).read_text("utf-8")
    assert text == reference(), "run `make generate`"
    for name in cli.list_commands(None):
        assert f"### ael {name}\n" in text


def test_commands_are_as_before_once_the_page_is_made():
    """A command keeps its help option from the first context that it sees: `-h` works on."""
    reference()
    for name in cli.list_commands(None):
        assert CliRunner().invoke(cli, [name, "-h"]).exit_code == 0, name


def _yaml_blocks():
    for path in sorted((ROOT / "docs").glob("*/*.md")):
        for number, block in enumerate(path.read_text("utf-8").split("```yaml\n")[1:], 1):
            yield pytest.param(block.partition("```")[0], id=f"{path.parent.name}/{path.stem}-{number}")


@pytest.mark.parametrize("block", list(_yaml_blocks()))
def test_configuration_in_a_page_is_valid(block, monkeypatch):
    """Every key exists and every value is one that it takes."""
    import yaml

    monkeypatch.setenv("OTLP_TOKEN", "x")
    monkeypatch.setenv("AEL_STORE_DSN", "postgresql://localhost/ael")
    data = yaml.safe_load(block)
    assert list(data) == ["telemetry"]
    assert settings_from_mapping(data["telemetry"])
