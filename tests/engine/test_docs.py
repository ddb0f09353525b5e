"""The commands of the tutorial and of the how-to pages, run in their order on the project that the tutorial makes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import require
from tests.support.variables import clean_variables

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorial" / "first-run.md"


def _lines(page):
    """The lines of a page's `sh` blocks, which are those that a reader can run without Docker or a server."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def _run(line, folder, home):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=clean_variables(HOME=str(home), PATH=path, COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The folder that the tutorial's commands leave, after each of them has ended well."""
    require("engine")
    home = tmp_path_factory.mktemp("home")
    make, *rest = _lines(TUTORIAL)
    assert make == "ael init my-project --yes"
    assert (done := _run(make, home, home)).returncode == 0, done.stderr
    for line in rest:
        done = _run(line, home / "my-project", home)
        assert (done.returncode, done.stderr) == (0, ""), line
        assert done.stdout, line
    return home / "my-project"


def test_tutorial_shows_a_failed_run(project):
    """Its last commands find the run that it made fail."""
    done = _run("ael trace stats --by error", project, project.parent)
    assert "WORKFLOW_TIMEOUT" in done.stdout


@pytest.mark.parametrize(
    ("page", "line"),
    [
        pytest.param(page, line, id=f"{page.stem}: {line}")
        for page in sorted((*(DOCS / "how-to").glob("*.md"), DOCS / "tutorial" / "your-engine.md"))
        for line in _lines(page)
    ],
)
def test_command_of_a_page_works(page, line, project):
    """As it stands there, in the folder of the project."""
    done = _run(line, project, project.parent)
    assert (done.returncode, done.stderr) == (0, ""), f"{page.name}: {line}"
    assert done.stdout
