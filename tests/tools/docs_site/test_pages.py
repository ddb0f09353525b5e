"""The hook of the documentation site: links lead to pages, and code stays as it is."""

import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.config import settings_from_mapping
from tests.support.pages import blocks
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
            if not block.startswith("receivers:"):  # the Collector's, which tests/stack runs
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


LANGUAGES = {"sh", "python", "yaml", "promql", "logql", "traceql", "text"}
SQL = ("docs/reference/store-schema.md", "sql")
"""Statements are on this page, whose test is tests/store/test_documented_queries.py."""

RUN_BY = {
    "docs/explanation/attribution.md": "tests/process/attribution/test_day.py",
    "docs/explanation/privacy.md": "tests/unit/privacy/test_command.py",
    "docs/how-to/trace.md": "tests/unit/cli/trace/test_examples.py",
    "docs/how-to/ui.md": "tests/process/ui/test_ui.py",
    "docs/reference/query-language.md": "tests/unit/cli/trace/test_examples.py",
    "docs/reference/cli.md": "tests/unit/cli/test_usage.py",
    "docs/reference/store.md": "tests/engine/test_docs.py",
    "docs/how-to/": "tests/engine/test_docs.py",
    "docs/tutorial/": "tests/engine/test_docs.py",
}
"""The test that runs the command lines of a page, or of those in a folder."""
NOT_RUN = {
    "needs Docker": 7,
    "installs packages": 4,
    "runs the whole suite": 3,
    "needs a session of a coding agent": 2,
    "its exit code depends on the machine": 1,
}
"""How many blocks no test runs, by the reason in the comment above them. Docker's are run by hand and by tests/e2e."""


def _blocks():
    pages = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    for page in (*pages, "README.md", *OUTSIDE.values()):
        if page not in ("docs/package.md", "CHANGELOG.md"):
            yield from ((page, block) for block in blocks(ROOT / page))


def test_every_command_line_of_a_page_is_run_or_says_why_not():
    """Each block has a language; one of command lines lies in a page that a test runs, or is marked with a reason."""
    others = [(page, block) for page, block in _blocks() if (page, block.language) != SQL]
    assert [(page, block.text) for page, block in others if block.language not in LANGUAGES] == []
    lines = [(page, block) for page, block in _blocks() if block.language == "sh"]
    assert Counter(block.reason for _, block in lines if block.reason) == NOT_RUN
    untested = [
        (page, block.text)
        for page, block in lines
        if not block.reason and not (page in RUN_BY or f"{page.rpartition('/')[0]}/" in RUN_BY)
    ]
    assert untested == []
    assert [test for test in RUN_BY.values() if not (ROOT / test).is_file()] == []


def test_every_target_of_make_in_a_page_exists():
    """A line such as `make boards` names a target of the Makefile, also where no test runs it."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = [
        line.split()[1]
        for _, block in _blocks()
        if block.language == "sh"
        for line in block.lines
        if line.startswith("make ")
    ]
    assert named
    assert set(named) <= set(targets)
