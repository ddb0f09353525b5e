"""Versions that do not fit are found, from folders of distributions on sys.path."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ael_otel.doctor.packages import check
from tests.support.findings import assert_found, assert_well

ENGINE = ("ploston-core >= 1.5, < 2",)
STABLE = (
    "api",
    "sdk",
    "proto",
    "exporter-otlp-proto-common",
    "exporter-otlp-proto-grpc",
    "exporter-otlp-proto-http",
)
BETA = ("semantic-conventions", "instrumentation", "distro")
FAMILY = {f"opentelemetry-{name}": "1.39.1" for name in STABLE} | {
    f"opentelemetry-{name}": "0.60b1" for name in BETA
}

type Install = Callable[[Mapping[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that makes these distributions the only ones on sys.path."""
    # Imported before the path is replaced.
    import opentelemetry.instrumentation.dependencies  # noqa: F401

    folders: list[str] = []
    monkeypatch.setattr(sys, "path", folders)

    def make(versions: Mapping[str, str]) -> None:
        folder = tmp_path / f"site-{len(folders)}"
        for name, version in versions.items():
            info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        folders.append(str(folder))

    return make


def test_one_release_of_every_package_is_well(install: Install) -> None:
    """The versions are named."""
    install(FAMILY | {"ploston-core": "1.7.0"})
    found = check(ENGINE)
    assert_well(found)
    assert [each.cause for each in found[1:]] == [
        "engine 1.7.0",
        "OpenTelemetry SDK 1.39.1; its packages are of one release",
    ]


@pytest.mark.parametrize(
    ("other", "cause", "remedy"),
    [
        (
            {"opentelemetry-exporter-otlp-proto-grpc": "1.30.0"},
            "opentelemetry-exporter-otlp-proto-grpc 1.30.0",
            "install one release",
        ),
        ({"opentelemetry-distro": "0.48b0"}, "opentelemetry-distro 0.48b0", "install one release"),
    ],
)
def test_packages_of_different_releases_are_a_failure(
    install: Install, other: Mapping[str, str], cause: str, remedy: str
) -> None:
    """The packages are named with their versions, and the command that installs one release."""
    install(FAMILY | {"ploston-core": "1.7.0"} | dict(other))
    assert_found(check(ENGINE), "failure", cause=cause, remedy=remedy)


def test_beta_packages_of_another_release_are_a_failure(install: Install) -> None:
    """1.39 was released with 0.60b0, not with 0.66b0."""
    beta = {f"opentelemetry-{name}": "0.66b0" for name in BETA}
    install(FAMILY | {"ploston-core": "1.7.0"} | beta)
    assert_found(
        check(ENGINE),
        "failure",
        cause="opentelemetry-instrumentation 0.66b0 is not of the release of opentelemetry-sdk 1.39.1",
        remedy="pip install --upgrade opentelemetry-api",
    )


def test_old_sdk_is_a_failure(install: Install) -> None:
    """Also where all packages are equally old."""
    stable = {f"opentelemetry-{name}": "1.27.0" for name in STABLE}
    install(stable | {f"opentelemetry-{name}": "0.48b0" for name in BETA} | {"ploston-core": "1.7.0"})
    assert_found(
        check(ENGINE),
        "failure",
        cause="has version 1.27.0, and ael-otel needs 1.39",
        remedy="pip install --upgrade",
    )


def test_missing_sdk_is_a_failure(install: Install) -> None:
    """Without it nothing is exported."""
    install({"ploston-core": "1.7.0"})
    assert_found(
        check(ENGINE), "failure", cause="the OpenTelemetry SDK is not installed", remedy="opentelemetry-sdk"
    )


def test_package_in_two_folders_is_a_warning(install: Install) -> None:
    """A second environment on PYTHONPATH hides the first; the version that is used comes first."""
    install(FAMILY | {"ploston-core": "1.7.0"})
    install({"opentelemetry-sdk": "1.20.0"})
    assert_found(
        check(ENGINE),
        "warning",
        cause="opentelemetry-sdk is installed more than once (1.39.1, 1.20.0)",
        remedy="pip uninstall opentelemetry-sdk",
    )


@pytest.mark.parametrize("version", ["1.4.9", "2.0.0"])
def test_engine_that_is_not_instrumented_is_a_failure(install: Install, version: str) -> None:
    """The instrumentor does nothing with it, so that no run is recorded."""
    install(FAMILY | {"ploston-core": version})
    assert_found(
        check(ENGINE), "failure", cause=f"the engine has version {version}", remedy="run `pip install"
    )


def test_missing_engine_is_a_warning(install: Install) -> None:
    """Stored runs can be read without it."""
    install(FAMILY)
    assert_found(check(ENGINE), "warning", cause="the engine is not installed", remedy="run `pip install")
