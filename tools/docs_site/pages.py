"""A hook of MkDocs: make pages of Markdown files beside the code, and let links between all pages lead to pages.

A link to a file that is not a page (a configuration, a module) becomes plain text, because the site is read without the
checkout.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]

OUTSIDE: Final = {
    "outside/stack.md": "deploy/README.md",
    "outside/images.md": "deploy/images/README.md",
    "outside/boards.md": "dashboards/README.md",
    "outside/collector.md": "collector/README.md",
    "outside/prometheus.md": "prometheus/README.md",
    "outside/runbook.md": "prometheus/RUNBOOK.md",
    "outside/loki.md": "loki/README.md",
    "outside/tempo.md": "tempo/README.md",
    "outside/migrations.md": "ael_otel/registry/MIGRATIONS.md",
    "outside/contributing.md": "CONTRIBUTING.md",
    "outside/changelog.md": "CHANGELOG.md",
}
"""Pages in the folder of the code that they describe: path in the site -> file."""

_PAGE_OF: Final = {source: page for page, source in OUTSIDE.items()}

# Code is not changed: blocks, then spans; then links and pictures, whose text may hold a span.
_LINK: Final = re.compile(
    r"""
      ^(?P<fence>`{3,}|~{3,}) [^\n]* \n .*? ^(?P=fence) `* [ \t]* $
    | (?P<picture>!?) \[ (?P<text> (?: `[^`]*` | [^\[\]`] )* ) \] \( (?P<target> [^()\s]+ ) \)
    | (?P<ticks>`+) .+? (?P=ticks)
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not below `docs`."""
    for page, source in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - the hook's signature
    """Replace links to files by links to pages."""
    return relinked(markdown, page.file.src_uri, frozenset(file.src_uri for file in files))


def relinked(markdown: str, page: str, pages: frozenset[str]) -> str:
    """Return the text of a page with each relative link leading to a file of the site, or replaced by its text.

    Args:
        markdown: the text.
        page: its path in the site, relative to the root.
        pages: every file of the site.
    """
    source = OUTSIDE.get(page, f"docs/{page}")

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or re.match(r"[a-z][a-z0-9+.-]*:|#|/", target):
            return match[0]
        path, mark, anchor = target.partition("#")
        of_repository = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = _PAGE_OF.get(of_repository) or of_repository.removeprefix("docs/")
        if place in pages:
            start = posixpath.dirname(page)
            return (
                f"{match['picture']}[{match['text']}]({posixpath.relpath(place, start or '.')}{mark}{anchor})"
            )
        if not (ROOT / of_repository).exists():
            return match[0]  # MkDocs reports it as broken
        return match["text"]

    return _LINK.sub(link, markdown)
