"""Fixtures of the stack's tests: where its files are, the images on this machine, a running stack."""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
import yaml

from tests.stack.otlp import Sender, Sink
from tests.support.needs import require
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STACK = ROOT / "deploy" / "stack.py"
SERVICES = ("collector", "prometheus", "loki", "alertmanager")


@functools.cache
def deploy_module(name: str) -> ModuleType:
    """Return a module of `deploy/ael_stack`, the package of a script, which is not installed."""
    folder = str(ROOT / "deploy")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(f"ael_stack.{name}")


def stack(
    *arguments: str, environment: dict[str, str] | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run `deploy/stack.py` as the Makefile does."""
    return subprocess.run(
        [sys.executable, str(STACK), *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@functools.cache
def image(service: str) -> str:
    """Return the image that a service would get here, empty if this machine has none."""
    found = stack("resolve", "--json")
    if found.returncode != 0:
        return ""
    return next(
        (c["image"] for c in json.loads(found.stdout) if c["service"] == service and c["present"]), ""
    )


def require_image(service: str) -> str:
    """Return the image of a service; skip (on CI: fail) if there is none."""
    require("docker")
    require("compose")
    require(image(service), f"no image of {service} on this machine; run `make images`")
    return image(service)


def in_image(
    service: str, entrypoint: str, *arguments: str, folder: Path = ROOT, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program in a service's image, in a folder (default: the repository), mounted read-only as /repo."""
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
    ]
    mount = ["--volume", f"{folder}:/repo:ro", "--workdir", "/repo", "--entrypoint", entrypoint]
    return subprocess.run(
        [*command, *mount, require_image(service), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """Return compose.yaml with its variables not replaced."""
    loaded = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@dataclass
class Running:
    """A separate stack: another project, other ports, other volumes, a sink in place of Tempo."""

    project: str
    sink: Sink
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that separate it from other stacks."""
        ports = {variable: str(port) for variable, port in self.ports.items()}
        return {**ports, "AEL_TEMPO_ENDPOINT": f"host.docker.internal:{self.sink.port}"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of `deploy/stack.py` on this stack."""
        done = stack(
            "--project",
            self.project,
            "--override",
            "deploy/compose.e2e.yaml",
            *arguments,
            environment=self.environment,
        )
        assert done.returncode == 0, done.stderr
        return done

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.project}-{service}-1"

    def docker(self, *arguments: str) -> None:
        """Run `docker ...`; fail the test if the command fails."""
        subprocess.run(["docker", *arguments], check=True, capture_output=True, timeout=60)

    def sender(self) -> Sender:
        """Return a new connection to the Collector."""
        return Sender(self.ports["AEL_OTLP_GRPC_PORT"])

    def prometheus(self, path: str, **parameters: str) -> Any:
        """Return the data in a response of Prometheus's API."""
        return self._get(self.ports["AEL_PROMETHEUS_PORT"], f"/api/v1/{path}", parameters)["data"]

    def loki(self, path: str, **parameters: str) -> Any:
        """Return the data in a response of Loki's API."""
        return self._get(self.ports["AEL_LOKI_PORT"], f"/loki/api/v1/{path}", parameters)["data"]

    def alertmanager(self, path: str) -> Any:
        """Return a response of Alertmanager's API."""
        return self._get(self.ports["AEL_ALERTMANAGER_PORT"], f"/api/v2/{path}", {})

    def log_lines(self, query: str) -> list[tuple[dict[str, str], str]]:
        """Return labels and text of the newest 5,000 lines that a LogQL query finds."""
        found = self.loki("query_range", query=query, limit="5000", since="1h")
        return [(stream["stream"], line[1]) for stream in found["result"] for line in stream["values"]]

    @staticmethod
    def _get(port: int, path: str, parameters: dict[str, str]) -> Any:
        answer = requests.get(f"http://127.0.0.1:{port}{path}", params=parameters, timeout=10)
        answer.raise_for_status()
        return answer.json()


def eventually[T](check: Callable[[], T], *, seconds: float = 30) -> T:
    """Repeat a check until its result is true, and return the result; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.25)
    return answer


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Start the real Collector, Prometheus and Loki, with a sink for spans; remove them and their data at the end."""
    for service in SERVICES:
        require_image(service)
    variables = (
        "AEL_OTLP_GRPC_PORT",
        "AEL_OTLP_HTTP_PORT",
        "AEL_COLLECTOR_METRICS_PORT",
        "AEL_PROMETHEUS_PORT",
        "AEL_LOKI_PORT",
        "AEL_ALERTMANAGER_PORT",
    )
    sink = Sink()
    stack_under_test = Running(f"ael-test-{os.getpid()}", sink, {name: free_port() for name in variables})
    try:
        stack_under_test.run("up", *SERVICES)
        yield stack_under_test
    finally:
        stack_under_test.run("clean-data", "--yes")
        sink.stop()


@pytest.fixture
def no_docker_path(tmp_path: Path) -> str:
    """Return a PATH without Docker."""
    assert shutil.which("docker", path=str(tmp_path)) is None
    return str(tmp_path)
