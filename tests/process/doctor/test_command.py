"""The command itself: its output, its exit code, its secrets, and that it changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port
from tests.support.variables import clean_variables

ROOT = Path(__file__).parents[3]
PASSWORD = "horse-battery-staple-17"  # hygiene: made up


def doctor(folder: Path, *words: str, endpoint: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `ael doctor` in a folder, which is the home too."""
    environ = clean_variables(endpoint, HOME=str(folder), PYTHONPATH=str(ROOT), **more)
    return subprocess.run(
        [sys.executable, "-m", "ael_otel.cli", "doctor", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a configuration."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "ael-config.yaml").write_text(
        f"workflows:\n  directory: ./workflows\ntelemetry:\n  metrics:\n    port: {free_port()}\n"
        f"  exporters:\n    otlp:\n      headers:\n        authorization: Bearer {PASSWORD}\n"
    )
    return tmp_path


def files(folder: Path) -> list[str]:
    """Return the names of all files and folders below a folder."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_installation_that_works_exits_with_0(project: Path) -> None:
    """Each area is a line in its order, nothing is written, and the receiver gets no item."""
    before = files(project)
    with OtlpSink() as sink:
        done = doctor(project, endpoint=sink.endpoint)
        assert sum(sink.counts().values()) == 0
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    areas = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ok ")]
    order = ["python", "instrumentation", "configuration", "variables", "store", "ports", "export", "hooks"]
    assert list(dict.fromkeys(areas)) == order
    assert done.stdout.splitlines()[-1].endswith("0 with a warning, 0 failed")
    assert files(project) == before


def test_warning_exits_with_1(project: Path) -> None:
    """A misspelled variable, with its remedy on the next line."""
    with OtlpSink() as sink:
        done = doctor(project, endpoint=sink.endpoint, OTEL_SERVICE_NAM="x")
    lines = done.stdout.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("warning")]
    assert done.returncode == 1
    assert "nothing reads the variable OTEL_SERVICE_NAM" in lines[at]
    assert "-> did you mean OTEL_SERVICE_NAME?" in lines[at + 1]


def test_failure_exits_with_2_and_no_secret_is_printed(project: Path) -> None:
    """As JSON, with an endpoint that has a password and variables that have secrets."""
    port = free_port()
    done = doctor(
        project,
        "--json",
        endpoint=f"http://ada:{PASSWORD}@127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_HEADERS=f"x-key={PASSWORD},broken {PASSWORD}",
        AEL_ADMIN_TOKN=PASSWORD,
        GF_SECURITY_ADMIN_PASSWORD=PASSWORD,
    )
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert document["level"] == "failure"
    assert document["counts"]["failure"] >= 1
    assert set(document["findings"][0]) == {"area", "level", "cause", "remedy"}
    assert any(f"nothing listens at 127.0.0.1:{port}" in each["cause"] for each in document["findings"])
    assert PASSWORD not in done.stdout + done.stderr


def test_configuration_that_cannot_be_read_exits_with_2(project: Path) -> None:
    """The other checks run with the defaults, and the secrets in the file are not quoted."""
    (project / "broken.yaml").write_text(f"telemetry:\n  exporters:\n    otlp: {{headers: {PASSWORD}}}\n")
    with OtlpSink() as sink:
        done = doctor(project, "-c", "broken.yaml", endpoint=sink.endpoint)
    assert done.returncode == 2
    assert "broken.yaml" in done.stdout
    assert "are accepted at" in done.stdout
    assert PASSWORD not in done.stdout


def test_stack_is_checked_on_request(project: Path) -> None:
    """A stack that does not run has a finding for each of its parts; a variable that is not a port is one finding."""
    names = ("AEL_GRAFANA_PORT", "AEL_PROMETHEUS_PORT", "AEL_OTLP_GRPC_PORT", "AEL_OTLP_HTTP_PORT")
    with OtlpSink() as sink:
        ports = {name: str(free_port()) for name in names}
        done = doctor(project, "--stack", "--json", endpoint=sink.endpoint, **ports)
        wrong = doctor(project, "--stack", endpoint=sink.endpoint, AEL_GRAFANA_PORT="grafana")
    areas = {each["area"] for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == wrong.returncode == 2
    assert {"collector", "prometheus", "loki", "tempo", "grafana", "alerts", "clock", "links"} <= areas
    assert "AEL_GRAFANA_PORT='grafana' is not a port" in wrong.stdout
