"""Empty Python environments outside the checkout: for the built wheel, and for other versions of the engine."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.needs import require
from tests.support.variables import clean_variables

# Messages of uv for a missing network, as opposed to a missing package.
_OFFLINE = (
    "error sending request",
    "Failed to fetch",
    "dns error",
    "Network is unreachable",
    "client error (Connect)",
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its folder, and a way to run its commands from another folder."""

    folder: Path

    def variables(self, **more: str) -> dict[str, str]:
        """Return the variables of a new user's shell: a separate home, nothing of the checkout, no endpoint."""
        dropped = ("PYTHON", "VIRTUAL_ENV")
        kept = {name: value for name, value in clean_variables().items() if not name.startswith(dropped)}
        home = self.folder.with_name(f"{self.folder.name}-home")
        home.mkdir(exist_ok=True)
        path = f"{self.folder / 'bin'}{os.pathsep}{kept['PATH']}"
        return kept | {"HOME": str(home), "PATH": path, "COLUMNS": "120"} | more

    def run(
        self, *command: str, cwd: Path, timeout_s: float = 120, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its commands and return the completed process; never raises for its exit code."""
        return subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=cwd,
            env=self.variables(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def make_environment(folder: Path, *requirements: str, timeout_s: float = 300) -> Environment:
    """Return a new environment with this Python and these requirements; without a network, skip the test.

    Args:
        folder: where to create it; must not exist.
        requirements: in the form of pip's command line; several are resolved together.
        timeout_s: for the installation. With a warm cache the engine takes some seconds, with a cold one half a minute.
    """
    # uv does not read pip's settings; hand over the ones a closed network sets.
    handed_over = {
        uv: os.environ[pip]
        for uv, pip in (("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), ("SSL_CERT_FILE", "PIP_CERT"))
        if pip in os.environ and uv not in os.environ
    }
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *requirements],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "uv", *arguments],
            env=os.environ | handed_over,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            require(
                not any(sign in done.stderr for sign in _OFFLINE),
                f"no package index can be reached to install {' '.join(requirements)}",
            )
            pytest.fail(f"uv {' '.join(arguments)}:\n{done.stderr}", pytrace=False)
    return Environment(folder)
