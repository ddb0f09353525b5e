"""Who emits: the versions that every span, metric and log line can be traced back to."""

from importlib.metadata import PackageNotFoundError, entry_points, version

import pytest

from ael_otel import __version__
from ael_otel.sdk import resource
from ael_otel.sdk.resource import AelResourceDetector


def test_the_versions_of_engine_and_package() -> None:
    """Both versions are on the resource."""
    assert dict(AelResourceDetector().detect().attributes) == {
        "ael.otel.version": __version__,
        "ael.engine.version": version("ploston-core"),
    }


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine its version is left out, and detection does not fail."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(resource, "version", absent)
    assert dict(AelResourceDetector().detect().attributes) == {"ael.otel.version": __version__}


def test_the_sdk_finds_the_detector() -> None:
    """The entry point `ael` that OTEL_EXPERIMENTAL_RESOURCE_DETECTORS names is this detector."""
    (entry,) = entry_points(group="opentelemetry_resource_detector", name="ael")
    assert entry.load() is AelResourceDetector
