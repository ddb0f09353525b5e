"""Rules for every suite: a header with the tools that were found, markers by folder, and no silent skip on CI."""

# Before any meter provider is created: the SDK starts threads in a forked child. If this module is imported after the
# provider was created, the provider's lock stays acquired there. Programs that ask the SDK for its resource import it
# early.
import concurrent.futures.thread  # noqa: F401
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.needs import BEYOND_CI, NEEDS, REPLACEMENTS, images, on_ci
from tests.support.stress import switch_threads
from tests.support.variables import keep_bytecode, send_nowhere

if TYPE_CHECKING:
    from ael_otel.attribution.ledger import Ledger
    from tests.support.workers import Groups

HERE = Path(__file__).parent

# Tests of these folders get these markers automatically.
MARKERS = {"engine": ("engine",), "e2e": ("e2e", "docker", "slow")}


# Before Hypothesis reads the profile on the command line.
settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
# The same examples each time, so that a failure on CI repeats.
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the runs of tests out of a stack that the developer runs; allow examples the time of a busy machine."""
    send_nowhere()
    switch_threads()
    keep_bytecode(config.rootpath / ".pytest_cache" / "bytecode")
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile("ci" if on_ci() else "patient")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """List which tools are real and which are missing and why, so that a green run is not mistaken for a full one."""
    lines = [
        f"skips: {'a need that CI could meet counts as a failure' if on_ci() else 'named with -ra'} (CI={on_ci()})"
    ]
    for need in NEEDS.values():
        found = need.found()
        lines.append(f"{need.name}: {found or f'absent, its tests are left out ({need.hint})'}")
    for service, image in images().items():
        absent = f"no image, {REPLACEMENTS.get(service, 'its tests are left out')}"
        lines.append(f"image of {service}: {image or absent}")
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their folder; if several processes share them, begin with the slowest."""
    if hasattr(config, "workerinput"):
        from tests.support.workers import rank

        items.sort(key=lambda item: rank(item.nodeid))
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"an address in the name of a test differs between processes: {unstable[0]}")
    for item in items:
        if item.path.is_relative_to(HERE):
            for name in MARKERS.get(item.path.relative_to(HERE).parts[0], ()):
                item.add_marker(name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "Groups":
    """Distribute the tests over processes by the fixtures that they share."""
    from tests.support.workers import Groups

    return Groups(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return how many processes `-n auto` starts on this machine."""
    from tests.support.workers import processes

    if config.option.numprocesses != "auto":
        return None
    return processes(len(os.sched_getaffinity(0)), stacks=bool(NEEDS["docker"].found()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one if CI could have run it."""
    return _no_silent_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a module that skips itself as a whole."""
    return _no_silent_skip((yield))


def _no_silent_skip[R: (pytest.TestReport, pytest.CollectReport)](report: R) -> R:
    if not (on_ci() and report.skipped) or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(BEYOND_CI):
        report.outcome = "failed"
        report.longrepr = (
            f"Skipped, which CI does not accept: {reason}\nMeet the need, or say require(..., ci=False)."
        )
    return report


@pytest.fixture
def ledger(tmp_path: Path) -> Generator["Ledger"]:
    """An empty ledger of lines in a run store of its own."""
    from ael_otel.attribution.ledger import Ledger
    from ael_otel.store.sqlite import SqliteStore

    store = SqliteStore(tmp_path / "ledger" / "telemetry.db")
    try:
        yield Ledger(store)
    finally:
        store.close()
