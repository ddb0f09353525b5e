"""Needs of tests beyond Python, and the effect of a missing one.

On a developer's machine a test without its tool is skipped, with a reason that names the tool. With `CI=true` the same
skip is a failure if the CI machine could have had the tool: a green CI run then means that the test ran.

Use from a test, a fixture or a conftest:

    require("docker")                                # one of NEEDS
    require(tempo_image, "no image of Tempo; run `make up`", ci=False)
"""

import functools
import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

# Starts the reason of a skip that is accepted on CI. A constant, because the check reads it back from the report.
BEYOND_CI = "beyond CI: "


def on_ci() -> bool:
    """Return whether a skip counts as a failure: the environment variable CI is set to a true value."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@dataclass(frozen=True)
class Need:
    """A tool or service that some tests use: its name, how to install it, a function that detects it."""

    name: str
    hint: str
    find: Callable[[], str]
    ci: bool = True  # the CI machine can have it, so a skip because of it is a failure there

    def found(self) -> str:
        """Return the detected tool as text for the header of the run; empty if absent. Detected once per process."""
        return _found(self.name)


def _run(*command: str, timeout_s: float = 20) -> str:
    """Return the output of a command, or an empty string if it cannot run, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _docker() -> str:
    return _run("docker", "version", "--format", "{{.Server.Version}}")


def _compose() -> str:
    from ael_stack.docker import compose_is_old

    version = _run("docker", "compose", "version", "--short")
    return "" if compose_is_old(version) else version


def _engine() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ploston-core")
    except PackageNotFoundError:
        return ""


def _postgres() -> str:
    if importlib.util.find_spec("psycopg") is None:
        return ""
    if os.environ.get("AEL_TEST_POSTGRES_DSN"):
        return "AEL_TEST_POSTGRES_DSN"
    # Debian keeps the server's programs off PATH, one folder per major version.
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or [
        Path(found) for found in [shutil.which("postgres")] if found
    ]
    return str(servers[-1]) if servers else ""


def _chromium() -> str:
    return next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), "")


def _promtool() -> str:
    return shutil.which("promtool") or ""


NEEDS = {
    need.name: need
    for need in (
        Need("engine", "install the engine: pip install 'ael-otel[engine]'", _engine),
        Need("docker", "start a Docker engine", _docker),
        Need("compose", "install Docker Compose 2.24 or later", _compose),
        Need("promtool", "install promtool (Debian: prometheus)", _promtool),
        Need("postgres", "install PostgreSQL and psycopg, or set AEL_TEST_POSTGRES_DSN", _postgres),
        Need("chromium", "install Chromium", _chromium),
    )
}


@functools.cache
def _found(name: str) -> str:
    return NEEDS[name].find()


def require(condition: object, reason: str = "", *, ci: bool = True) -> None:
    """Return if the condition holds; otherwise skip the test, or fail it if the CI machine could have met the need.

    Args:
        condition: the name of one of NEEDS, or any value that is true when the need is met.
        reason: what is missing and how to install it; a name in NEEDS has its own.
        ci: whether the CI machine can meet the need.
    """
    __tracebackhide__ = True
    if isinstance(condition, str) and condition in NEEDS:
        need = NEEDS[condition]
        condition, reason, ci = need.found(), reason or f"{need.name} is absent: {need.hint}", need.ci and ci
    if condition:
        return
    if not reason:
        raise ValueError("a skip must say what is missing")
    pytest.skip(reason if ci else BEYOND_CI + reason)


# Replacement of a service whose image is missing.
REPLACEMENTS = {"tempo": "an OTLP sink of the suite"}


def images() -> dict[str, str]:
    """Return the stack's services with the image that `make up` would choose; empty if this machine has none."""
    from ael_stack.docker import Docker
    from ael_stack.services import SERVICES, choose
    from ael_stack.settings import load_environment

    if not NEEDS["docker"].found():
        return dict.fromkeys(SERVICES, "")
    environment = load_environment()
    choices = (choose(service, environment, Docker(environment)) for service in SERVICES)
    return {
        choice.service: f"{choice.image.partition('@')[0]} ({choice.source})" if choice.present else ""
        for choice in choices
    }


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server accepts connections on that port within 0.2 s."""
    try:
        with socket.create_connection((host, port), timeout=0.2):
            return True
    except OSError:
        return False
