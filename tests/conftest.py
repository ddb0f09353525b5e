"""Rules for every suite: what the run had to hand, markers by folder, and no silent skip on CI."""

# Before any meter provider is made: the SDK starts threads in a forked child, and where this module comes after the
# provider its lock is still held then, for good. A program that asks the SDK for its resource has it in time.
import concurrent.futures.thread  # noqa: F401
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.needs import BEYOND_CI, NEEDS, REPLACEMENTS, images, on_ci
from tests.support.variables import keep_bytecode, send_nowhere

if TYPE_CHECKING:
    from tests.support.workers import Groups

HERE = Path(__file__).parent

# Tests of these folders get these markers without having to say so.
MARKERS = {"engine": ("engine",), "e2e": ("e2e", "docker", "slow")}


# Before Hypothesis looks for the profile that a command line names.
settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
# The same examples each time: what CI has refused, it refuses again.
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the runs of tests out of a stack that a person has running; give examples the time of a busy machine."""
    send_nowhere()
    keep_bytecode(config.rootpath / ".pytest_cache" / "bytecode")
    if not config.getoption("--hypothesis-profile", None):
        settings.load_profile("ci" if on_ci() else "patient")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """List what is real, what is left out and why, so that a green run can be told from an empty one."""
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
    """Mark tests by the folder they are in; where several processes share them, begin with what takes longest."""
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
    """Spread the tests by what they share."""
    from tests.support.workers import Groups

    return Groups(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many processes as fit this machine for `-n auto`."""
    from tests.support.workers import processes

    if config.option.numprocesses != "auto":
        return None
    return processes(len(os.sched_getaffinity(0)), stacks=bool(NEEDS["docker"].found()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where CI could have run it."""
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
