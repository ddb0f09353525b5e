"""The version, and the commands that install what is missing: they work with the package on no index, and on one."""

import re
import tomllib
from pathlib import Path

import pytest

from ael_otel import version
from ael_otel.version import ON_INDEX, __version__, install_command

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_version_is_that_of_the_project():
    """Both files are changed by `python -m tools.release prepare`."""
    assert __version__ == PROJECT["version"]


@pytest.mark.parametrize("extra", ["engine", "postgres"])
def test_command_names_what_the_extra_needs(extra, monkeypatch):
    """Off an index the packages of the extra, on one the extra."""
    monkeypatch.setattr(version, "ON_INDEX", False)
    (needed,) = PROJECT["optional-dependencies"][extra]
    command = install_command(extra)
    name = re.match(r"[\w.-]+(?:\[\w+\])?", needed)[0]
    assert re.fullmatch(rf"pip install '{re.escape(name)}[<>=.,\d]+'", command)
    monkeypatch.setattr(version, "ON_INDEX", True)
    assert install_command(extra) == f"pip install 'ael-otel[{extra}]'"


def test_command_outside_an_installation_names_the_checkout(monkeypatch):
    """Run from a folder of sources, nothing is known of extras."""

    def absent(_name):
        from importlib.metadata import PackageNotFoundError

        raise PackageNotFoundError

    monkeypatch.setattr(version, "ON_INDEX", False)
    monkeypatch.setattr("importlib.metadata.requires", absent)
    assert install_command("engine") == "pip install '.[engine]'"


def test_documents_say_how_it_can_be_installed():
    """By name only if it is on an index; docs/package.md is what an index shows."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    by_name = re.compile(r"pip install (?!--no-index)[^\n`]*'?ael-otel")
    named = [
        page.name for page in pages if page.name != "package.md" and by_name.search(page.read_text("utf-8"))
    ]
    if ON_INDEX:
        assert "README.md" in named
    else:
        assert named == []
