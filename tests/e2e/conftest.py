"""The stack that all tests of this folder share, gone again when the last of them has run."""

from collections.abc import Generator, Iterator

import pytest

from tests.e2e.backends import NEEDED, Backends, images_here, started
from tests.support.needs import require


@pytest.fixture(scope="package")
def backends() -> Iterator[Backends]:
    """Collector, Prometheus and Loki for real, the others where this machine has their images, a sink for Tempo's."""
    require("docker")
    require("compose")
    require("engine")
    here = images_here()
    absent = [service for service in NEEDED if service not in here]
    require(not absent, f"no image of {', '.join(absent)} on this machine; run `make images`")
    with started() as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print the last log lines of the services beside a failure, since on CI they are gone afterwards."""
    report = yield
    running = getattr(item, "funcargs", {}).get("backends")
    if report.failed and isinstance(running, Backends):
        for service in running.services:
            report.sections.append((f"last lines of {service}", running.last_words(service)))
    return report
