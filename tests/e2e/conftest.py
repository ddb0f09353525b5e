"""The stack that all tests of this folder share, gone again when the last of them has run."""

from collections.abc import Iterator

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
