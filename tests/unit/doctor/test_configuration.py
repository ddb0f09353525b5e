"""Which configuration is used, and its mistakes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ael_otel.cli import preflight
from ael_otel.config import default_settings
from ael_otel.doctor import instrumented, run_store
from ael_otel.doctor.configuration import read
from tests.support.findings import assert_found, assert_well

WORKFLOWS = "workflows:\n  directory: {folder}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory with a folder for workflows."""
    (tmp_path / "workflows").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    """Write a configuration with a folder for workflows."""
    path = folder / "ael-config.yaml"
    path.write_text(WORKFLOWS.format(folder=folder / "workflows") + text)
    return path


@pytest.mark.parametrize(
    ("explicit", "environ", "how"),
    [
        ("ael-config.yaml", {}, "named by -c"),
        (None, {"AEL_CONFIG_PATH": "ael-config.yaml"}, "named by AEL_CONFIG_PATH"),
        (None, {}, "found in a default place"),
    ],
)
def test_file_that_is_used_is_named_with_the_reason(
    folder: Path, explicit: str | None, environ: Mapping[str, str], how: str
) -> None:
    """With its whole path, and the settings of it."""
    path = written(folder, "telemetry:\n  service_name: shop\n")
    found = read(
        None if explicit is None else Path(explicit), {**environ, "HOME": str(folder)}, preflight.check
    )
    assert_well(found.findings)
    assert found.findings[0].cause == f"{path} is used ({how})"
    assert found.settings.service_name == "shop"


def test_no_file_is_a_warning(folder: Path) -> None:
    """The defaults are used, with the variables applied."""
    found = read(None, {"HOME": str(folder), "OTEL_SERVICE_NAME": "shop"}, preflight.check)
    assert_found(found.findings, "warning", cause="no configuration file", remedy="ael init")
    assert found.settings.service_name == "shop"


def test_named_file_that_does_not_exist_is_a_failure(folder: Path) -> None:
    """By -c and by a variable."""
    found = read(Path("gone.yaml"), {"HOME": str(folder)}, preflight.check)
    assert_found(found.findings, "failure", cause="gone.yaml: no such file", remedy="name a file that exists")
    found = read(None, {"HOME": str(folder), "AEL_CONFIG_PATH": "gone.yaml"}, preflight.check)
    assert_found(
        found.findings, "failure", cause="named by AEL_CONFIG_PATH", remedy="name a file that exists"
    )


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("telemetry:\n  exporters:\n    otlp:\n      endpont: http://a:4317\n", "endpont"),
        ("telemetry:\n  metrics:\n    port: 99999\n", "telemetry.metrics.port"),
        ("telemetry: [\n", "not valid YAML"),
    ],
)
def test_mistake_in_the_file_is_a_failure(folder: Path, text: str, cause: str) -> None:
    """It is named with file and line, and the other checks use the defaults."""
    path = written(folder, text)
    found = read(None, {"HOME": str(folder)}, preflight.check)
    assert_found(found.findings, "failure", cause=cause, remedy="correct ael-config.yaml")
    assert path.name in found.findings[0].cause
    assert found.settings.metrics.port == 9464


def test_workflow_that_the_engine_skips_is_a_warning(folder: Path) -> None:
    """The engine only logs it among hundreds of lines."""
    written(folder, "")
    (folder / "workflows" / "broken.yaml").write_text("steps: []\n")
    found = read(None, {"HOME": str(folder)}, preflight.check)
    assert_found(found.findings, "warning", cause="broken.yaml: has no `name`", remedy="correct the file")


def test_tool_server_without_its_program_is_a_failure(folder: Path) -> None:
    """The engine would start without its tools."""
    written(folder, "tools:\n  mcp_servers:\n    search:\n      command: no-such-program-anywhere\n")
    found = read(None, {"HOME": str(folder)}, preflight.check)
    assert_found(
        found.findings,
        "failure",
        cause="program no-such-program-anywhere not found",
        remedy="ael-config.yaml",
    )


@pytest.mark.parametrize(
    ("enabled", "environ", "cause", "remedy"),
    [
        (True, {"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED is true", "unset it"),
        (False, {}, "telemetry.enabled is false", "set telemetry.enabled to true"),
        (
            True,
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis, ael"},
            "leaves out the instrumentor",
            "remove `ael`",
        ),
    ],
)
def test_instrumentation_that_is_off_is_a_warning(
    enabled: bool, environ: Mapping[str, str], cause: str, remedy: str
) -> None:
    """Each of the switches is named."""
    import msgspec

    settings = msgspec.structs.replace(default_settings(), enabled=enabled)
    assert_found(instrumented.check(settings, environ), "warning", cause=cause, remedy=remedy)


def test_instrumentation_without_its_entry_point_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was copied has no metadata: `opentelemetry-instrument` would load nothing of it."""
    import sys

    monkeypatch.setattr(sys, "path", [])
    found = instrumented.check(default_settings(), {})
    assert_found(found, "failure", cause="without its entry points", remedy="install the package with pip")


def test_instrumentation_that_works_is_well() -> None:
    """The command for host applications is named."""
    found = instrumented.check(default_settings(), {})
    assert_well(found)
    assert "opentelemetry-instrument" in found[0].cause


def test_free_disk_space_decides() -> None:
    """Below 1 GiB a warning, below 64 MiB a failure, otherwise well."""
    folder, total = Path("/data"), 100 * 2**30
    assert_well([run_store.space_finding(folder, 2**31, total)])
    assert_found(
        [run_store.space_finding(folder, 2**29, total)],
        "warning",
        cause="512.0 MiB of 100.0 GiB",
        remedy="free disk",
    )
    assert_found(
        [run_store.space_finding(folder, 2**20, total)],
        "failure",
        cause="cannot be stored",
        remedy="ael trace prune",
    )
