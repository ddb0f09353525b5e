"""Everything that is asked of the `docker` command."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

from ael_stack.errors import Exit, StackError
from ael_stack.settings import PROJECT, ROOT

COMPOSE_MINIMUM = (2, 24)
"""The first Compose that reads `env_file` as compose.yaml writes it, with `path` and `required`."""

LISTING_TRIES = 3

INSTALL_HINT = (
    "The stack needs Docker Engine 20.10 or newer with Compose 2.24 or newer; `make demo` needs neither."
)


@dataclass(frozen=True)
class Container:
    """One container of the stack as Compose sees it."""

    service: str
    state: str
    health: str
    exit_code: int

    @property
    def ready(self) -> bool:
        """Whether it runs and its health check passes."""
        return self.state == "running" and self.health == "healthy"


@dataclass(frozen=True)
class Docker:
    """The `docker` command with one Compose project and the settings in force."""

    environment: Mapping[str, str]
    project: str = PROJECT
    overrides: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def run(self, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run `docker ...` from the root of the repository and return its output; never raises on its failure."""
        command = ["docker", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.process_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def process_environment(self) -> dict[str, str]:
        """Return the environment that Compose fills its variables from."""
        return {**self.environment, **self.settings}

    def with_settings(self, settings: Mapping[str, str]) -> "Docker":
        """Return the same command with more variables for Compose."""
        return Docker(self.environment, self.project, self.overrides, {**self.settings, **settings})

    def compose_arguments(self, *arguments: str) -> list[str]:
        """Return the arguments of `docker` that run Compose on this project."""
        files = ["--file", "compose.yaml"]
        for override in self.overrides:
            files += ["--file", override]
        return [
            "compose",
            "--project-name",
            self.project,
            "--project-directory",
            str(ROOT),
            *files,
            *arguments,
        ]

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `docker compose ...`; never raises on its failure."""
        return self.run(*self.compose_arguments(*arguments))

    def start_compose(self, *arguments: str, output: TextIO) -> subprocess.Popen[str]:
        """Start `docker compose ...` and return at once; its messages go to `output`."""
        return subprocess.Popen(
            ["docker", *self.compose_arguments(*arguments)],
            cwd=ROOT,
            env=self.process_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def has_image(self, image: str) -> bool:
        """Whether this machine has the image; asks no registry."""
        return self.run("image", "inspect", "--format", "{{.Id}}", image).returncode == 0

    def image_label(self, image: str, label: str) -> str:
        """Return a label of an image, empty when the image or the label is missing."""
        result = self.run("image", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', image)
        return result.stdout.strip() if result.returncode == 0 else ""

    def containers(self) -> dict[str, Container]:
        """Return the containers of the project by service, stopped ones included."""
        result = self.compose("ps", "--all", "--format", "json")
        for _ in range(LISTING_TRIES):
            if result.returncode == 0:
                break
            # The daemon fails a listing when a container goes meanwhile, be it one of another project.
            time.sleep(0.2)
            result = self.compose("ps", "--all", "--format", "json")
        if result.returncode != 0:
            raise StackError(f"docker compose ps failed: {last_line(result.stderr)}")
        return {
            container.service: container for container in map(parse_container, json_records(result.stdout))
        }

    def volumes(self) -> list[str]:
        """Return the names of the project's volumes."""
        label = f"label=com.docker.compose.project={self.project}"
        return self.run("volume", "ls", "--quiet", "--filter", label).stdout.split()


def json_records(text: str) -> list[dict[str, Any]]:
    """Return the records in Compose's output: one JSON object a line, or, in its early versions, one array."""
    if text.lstrip().startswith("["):
        return cast("list[dict[str, Any]]", json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def parse_container(record: Mapping[str, Any]) -> Container:
    """Return one record of `docker compose ps`."""
    return Container(
        service=str(record.get("Service", "")),
        state=str(record.get("State", "")),
        health=str(record.get("Health", "")),
        exit_code=int(record.get("ExitCode") or 0),
    )


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def require_docker(docker: Docker) -> None:
    """Make sure that Docker and Compose can be used.

    Raises:
        StackError: the command, the daemon or the plugin is missing; says which, and what to do.
    """
    if shutil.which("docker", path=docker.environment.get("PATH")) is None:
        raise StackError(f"Docker is not installed: no `docker` on PATH. {INSTALL_HINT}", Exit.MISSING)
    daemon = docker.run("version", "--format", "{{.Server.Version}}", timeout=30)
    if daemon.returncode != 0:
        raise StackError(daemon_message(last_line(daemon.stderr)), Exit.MISSING)
    plugin = docker.run("compose", "version", "--short", timeout=30)
    version = plugin.stdout.strip().removeprefix("v")
    if plugin.returncode != 0:
        raise StackError(
            f"Docker has no Compose plugin: `docker compose version` fails. {INSTALL_HINT}", Exit.MISSING
        )
    if compose_is_old(version):
        raise StackError(f"Compose {version} is too old. {INSTALL_HINT}", Exit.MISSING)


def compose_is_old(version: str) -> bool:
    """Whether this Compose cannot read compose.yaml; a version that is not a number, as of a development build, can."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) < COMPOSE_MINIMUM


def daemon_message(said: str) -> str:
    """Return what to do about a daemon that does not answer."""
    if "permission denied" in said.lower():
        return f"Docker refuses this user: {said}. Join the group `docker`, or run the command as root."
    start = "start Docker Desktop" if sys.platform == "darwin" else "start it (`systemctl start docker`)"
    return f"The Docker daemon does not answer: {said.rstrip('.')} Please {start}, or set DOCKER_HOST."
