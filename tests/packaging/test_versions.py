"""The engine versions that we say we support, each in its own environment, with this package as a person gets it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.engine.checks import check_outcome
from tests.engine.lab import view
from tests.engine.lab.client import Lab
from tests.engine.outcomes import CANCELLED, OUTCOMES, TIMED_OUT, Outcome
from tests.support.environments import make_environment

type Labs = Callable[[str], Lab]

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.5.1", "1.6.1", "1.7.0")

MISSING = {"1.5.1": ("WorkflowRegistry.register_validated", "_build_telemetry_store_config_from_env")}
"""Targets that a version lacks; each costs one warning."""

# Before 1.7 code runs in the engine's own thread, where code that blocks cannot be stopped. 1.5 runs what depends on a
# skipped step.
UNLIKE = {
    "1.5.1": ("code_timeout", "cascade_skip", "error_skip"),
    "1.6.1": ("code_timeout",),
    "1.7.0": (),
}
EXPECTED = {outcome.workflow: outcome for outcome in OUTCOMES}
ALIKE = [
    pytest.param(version, outcome, id=f"{version}-{outcome.workflow}")
    for version in VERSIONS
    for outcome in OUTCOMES
    if outcome.workflow not in UNLIKE[version]
]

pytestmark = [pytest.mark.versions, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def labs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    """Gives the laboratory on a version of the engine, the same one each time.

    It sees the package as installed from the wheel, and nothing of this checkout but itself.
    """
    with ExitStack() as running:

        @cache
        def lab_on(version: str) -> Lab:
            folder = tmp_path_factory.mktemp("engine")
            environment = make_environment(folder / "venv", str(wheel), f"ploston-core=={version}")
            copied = folder / "path" / "tests" / "engine" / "lab"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "tests" / "engine" / "lab", copied, ignore=ignored)
            support = folder / "path" / "tests" / "support"
            support.mkdir()
            shutil.copy(ROOT / "tests" / "support" / "stress.py", support)
            python = str(environment.folder / "bin" / "python")
            # Compiled beside the sources, where the tool server, which gets no variables of ours, finds them too.
            variables = {"PYTHONPATH": str(folder / "path"), "PYTHONPYCACHEPREFIX": ""}
            return running.enter_context(Lab(folder / "home", python=python, environment=variables))

        yield lab_on


@pytest.mark.parametrize(("version", "outcome"), ALIKE)
def test_every_version_tells_the_same(labs: Labs, version: str, outcome: Outcome) -> None:
    """Proves that spans, metrics, lines and records of each outcome are those of the newest version."""
    lab = labs(version)
    lab.collect()
    answer = lab.ask("execute", workflow=outcome.workflow, inputs=outcome.inputs)
    assert answer.get("status", "failed") == outcome.status
    check_outcome(lab.collect(), outcome)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_tells_time_outs_and_cancellations(labs: Labs, version: str) -> None:
    """Proves the same for runs that end from outside."""
    lab = labs(version)
    lab.collect()
    lab.ask("execute", workflow="slow", inputs={}, timeout_s=0.5)
    check_outcome(lab.collect(), TIMED_OUT)
    lab.ask("cancel", workflow="slow", inputs={})
    check_outcome(lab.collect(), CANCELLED)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_serves_its_clients_the_same(labs: Labs, version: str) -> None:
    """Proves the same for calls over MCP, with the caller's trace, over REST, and of a tool without a workflow."""
    lab = labs(version)
    trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    lab.collect()
    assert not lab.mcp("success", {}, meta={"traceparent": f"00-{trace}-{caller}-01"}).isError
    taken = lab.collect()
    check_outcome(taken, EXPECTED["success"])
    assert view.roots_of(taken.spans)[0]["parent_id"] == caller
    lab.rest("/workflows/tool_error/execute", {"inputs": {}})
    check_outcome(lab.collect(), EXPECTED["tool_error"])
    lab.mcp("echo", {"text": "hello"})
    taken = lab.collect()
    assert view.tree(taken.spans) == "MCP Request [CLIENT]  tool=echo server=lab source=direct"
    assert view.counts(taken.metrics) == "call echo success"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_zeros_and_says_what_it_lacks(labs: Labs, version: str) -> None:
    """Proves that zeros are there at the start, and that targets missing from an older version cost a warning each."""
    lab = labs(version)
    assert set(lab.first.rows["ael.workflow.executions"].values()) == {0}
    assert set(lab.first.rows["ael.tool.invocations"].values()) == {0}
    warned = [line["message"] for line in lab.first.lines if line["component"].startswith("ael_otel")]
    missing = MISSING.get(version, ())
    assert len(warned) == len(missing)
    assert all(any(name in warning for warning in warned) for name in missing)
