"""The documentation site as it is built: nothing is broken, and opening it asks no other host for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^\s>]+"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|next|prev)\b)[^>]*\bhref=["']?(?:https?:)?//[^\s>]+""",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a broken link, anchor or reference is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_pages_load_nothing_from_other_hosts(site):
    """Neither scripts nor styles, fonts or pictures; the search index is beside the pages."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    assert {page.name: found for page in pages if (found := _LOADED.findall(page.read_text("utf-8")))} == {}
    sheets = [
        sheet
        for sheet in site.rglob("*.css")
        if re.search(r"url\(['\"]?(?:https?:)?//", sheet.read_text("utf-8"))
    ]
    assert sheets == []
    assert (site / "search" / "search_index.json").is_file()


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://unpkg.com/x"></script>', True),
        ("<link rel=stylesheet href=//fonts.example.org/x.css>", True),
        ('<img alt="" src=http://example.org/x.png>', True),
        ('<script src="../assets/x.js"></script><a href="https://example.org">', False),
        ('<link rel="canonical" href="https://example.org/page.html">', False),
    ],
)
def test_request_to_another_host_is_noticed(html, found):
    """The expression above finds what a browser would load."""
    assert bool(_LOADED.search(html)) is found


def test_public_names_are_documented(site):
    """The page of the Python API has each name of the front door, with its docstring."""
    import ael_otel

    text = (site / "reference" / "python-api.html").read_text("utf-8")
    for name in set(ael_otel.__all__) - {"__version__"}:
        assert re.search(rf'id="ael_otel\.(?:[\w.]+\.)?{name}"', text), name
