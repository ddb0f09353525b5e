"""The built wheel as users get it, in an empty environment without this checkout."""

import contextlib
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.support.environments import Environment, make_environment
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]

ENTRY_POINTS = {
    "console_scripts": {"ael": "ael_otel.cli:main", "ael-hook": "ael_hook:main"},
    "opentelemetry_instrumentor": {"ael": "ael_otel.runtime.instrumentor:AelInstrumentor"},
    "opentelemetry_post_instrument": {"ael": "ael_otel.hooks:post_instrument"},
    "opentelemetry_environment_variables": {"ael": "ael_otel.environment_variables"},
    "opentelemetry_propagator": {
        name: f"ael_otel.core.absent_propagators:{name}"
        for name in ("b3", "b3multi", "jaeger", "ottrace", "xray")
    },
    "opentelemetry_traces_sampler": {"ael_record": "ael_otel.sdk.sampling:recording_sampler"},
    "opentelemetry_resource_detector": {"ael": "ael_otel.sdk.resource:AelResourceDetector"},
}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An empty environment with the wheel and its engine extra."""
    return make_environment(tmp_path_factory.mktemp("installed") / "venv", f"{wheel}[engine]")


@pytest.fixture
def demo_config(installed: Environment, tmp_path: Path) -> Path:
    """The demo's configuration written to a folder of its own, with a port for /metrics that nobody uses."""
    done = installed.run("ael", "demo", "--export", str(tmp_path / "demo"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = tmp_path / "demo" / "ael-config.yaml"
    text = config.read_text("utf-8")
    assert "port: 9464" in text
    config.write_text(text.replace("port: 9464", f"port: {free_port()}"), "utf-8")
    return config


LARGEST_WHEEL = 1088 * 1024
"""Bytes of a wheel that is small enough to be added to any image; nine tenths of it are code of the product."""

LARGEST_DATA = 64 * 1024
"""Compressed bytes of all that is not code: what grows by accident is data."""


def test_the_wheel_carries_its_data(wheel: Path) -> None:
    """Generated registry, demo, pages and typing marker ship; the registry's source, tools, tests, the stack do not."""
    assert wheel.stat().st_size <= LARGEST_WHEEL
    members = zipfile.ZipFile(wheel).infolist()
    assert sum(each.compress_size for each in members if not each.filename.endswith(".py")) <= LARGEST_DATA
    names = [each.filename for each in members]
    for wanted in (
        "ael_otel/py.typed",
        "ael_otel/_generated/registry.json",
        "ael_otel/demo/config.yaml",
        "ael_otel/demo/workflows/mixed.yaml",
        "ael_otel/export/waterfall.css",
        "ael_otel/ui/assets/style.css",
        "ael_otel/ui/assets/ui.js",
        "ael_otel/ui/templates/runs.html",
    ):
        assert wanted in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ael_otel", "ael_hook.py"}
    # Neither the toolchain of the registry nor what only it reads.
    assert [name for name in names if "telemetry_schema" in name or "/registry/" in name] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_entry_point_loads(installed: Environment, tmp_path: Path) -> None:
    """What OpenTelemetry and the shell look up by name is there under that name and can be imported."""
    program = (
        "import json; from importlib.metadata import distribution\n"
        "found = {}\n"
        "for point in distribution('ael-otel').entry_points:\n"
        "    point.load(); found.setdefault(point.group, {})[point.name] = point.value\n"
        "print(json.dumps(found))"
    )
    done = installed.run("python", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ENTRY_POINTS


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(400)
def test_the_demo_runs_from_the_wheel(installed: Environment, tmp_path: Path) -> None:
    """`ael demo` needs no more than the installed wheel and shows what it ran."""
    done = installed.run("ael", "demo", "--runs", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("3 runs of 3 workflows on engine ")
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(400)
def test_serve_under_the_wrapper_from_the_wheel(
    installed: Environment, demo_config: Path, tmp_path: Path
) -> None:
    """`opentelemetry-instrument ael serve` answers, shows our metrics without a Collector, and stops cleanly."""
    port = free_port()
    metrics_port = demo_config.read_text("utf-8").partition("port: ")[2].partition("}")[0].strip()
    command = [
        str(installed.folder / "bin" / "opentelemetry-instrument"),
        *("ael", "serve", "-c", str(demo_config), "--port", str(port)),
    ]
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=installed.variables(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        fetch(f"http://127.0.0.1:{port}/health", server, log)
        text = fetch(f"http://127.0.0.1:{metrics_port}/metrics", server, log)
        assert 'ael_workflow_executions_total{status="success",workflow="mixed"}' in text.replace(
            'workflow="mixed",status="success"', 'status="success",workflow="mixed"'
        )
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) == 0, log.read_text("utf-8")
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        server.wait()


def fetch(url: str, server: subprocess.Popen[bytes], log: Path, *, patience_s: float = 60) -> str:
    """The body of a page, asked for until it is there; fails with the server's log if it ends or takes too long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=5) as answer,
        ):
            return str(answer.read().decode())
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer (exit {server.poll()}):\n{log.read_text('utf-8')}")
