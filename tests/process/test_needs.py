"""The rule on skips: allowed on a developer's machine, a failure on CI unless CI cannot meet the need."""

from pathlib import Path

import pytest

from tests.support import needs

CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text("utf-8")

SKIPS = """
import pytest
from tests.support.needs import require

def test_absent_tool():
    require(False, "no such tool")

def test_beyond_ci():
    require(False, "no image of Tempo", ci=False)

@pytest.mark.skipif(True, reason="by mark")
def test_by_mark():
    pass

@pytest.mark.xfail(reason="known", strict=False)
def test_known():
    assert False

def test_met():
    require(True)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A separate suite under the real conftest, without a search for any tool."""
    monkeypatch.setattr(needs, "NEEDS", {})
    monkeypatch.setattr(needs, "images", dict)
    pytester.makeconftest(CONFTEST)
    return pytester


def test_a_person_may_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CI every skip stays one and the run is green."""
    monkeypatch.delenv("CI", raising=False)
    suite.makepyfile(SKIPS)
    suite.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(
        passed=1, skipped=3, xfailed=1
    )


def test_ci_may_not(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true a skip fails, also one by mark; a need beyond CI and an expected failure do not."""
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(SKIPS)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    counts = result.parseoutcomes()
    assert counts["skipped"] == 1
    assert counts.get("failed", 0) + counts.get("errors", 0) == 2
    result.stdout.fnmatch_lines(["*CI does not accept: no such tool"])


def test_ci_refuses_a_module_that_skips_itself(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module-level skip hides many tests at once, so it fails too."""
    monkeypatch.setenv("CI", "true")
    suite.makepyfile("import pytest\npytest.importorskip('no_such_module_of_any_kind')\ndef test_a(): pass")
    assert suite.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").ret != pytest.ExitCode.OK


def test_a_skip_names_its_reason() -> None:
    """A condition without a reason is a mistake in the test, not a skip."""
    with pytest.raises(ValueError, match="what is missing"):
        needs.require(False)


def test_a_named_need_brings_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the tool and how to get it."""
    monkeypatch.setattr(needs, "_found", lambda _name: "")
    with pytest.raises(pytest.skip.Exception, match="docker is absent: start a Docker engine"):
        needs.require("docker")


def test_an_address_in_a_name_is_refused(suite: pytest.Pytester) -> None:
    """Processes that share the tests know them by name; a name that differs between them stops the run at once."""
    suite.makepyfile(
        "import pytest\n@pytest.mark.parametrize('x', [object()], ids=repr)\ndef test_a(x): pass"
    )
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*an address in the name of a test*test_a*"])
