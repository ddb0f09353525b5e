"""The laboratory's process, one per module that uses it."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.client import Lab
from tests.support.needs import require


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    require("engine")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A process with the real engine, serving, and its telemetry in memory; shared by a module."""
    with Lab(tmp_path_factory.mktemp("lab") / "home") as running:
        # The first code step starts the sandbox's server, which takes a second.
        running.ask("execute", workflow="code", inputs={})
        yield running
