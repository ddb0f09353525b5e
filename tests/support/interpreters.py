"""Run code in fresh interpreters, for effects that cannot be undone: global providers, forks, exits."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.variables import NOWHERE, clean_variables

ROOT = Path(__file__).parents[2]
WRAPPER = str(Path(sys.executable).parent / "opentelemetry-instrument")


def environment(endpoint: str | None = NOWHERE, **extra: str) -> dict[str, str]:
    """Return `clean_variables` with this interpreter's programs first on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return clean_variables(endpoint, PATH=path, PYTHONPATH=str(ROOT)) | extra


def python(
    code: str, *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter and return the completed process."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=dict(env) if env is not None else environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def answer(code: str, *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 60) -> str:
    """Run `code` like `python` and return its output; if it fails, fail the test with its traceback."""
    done = python(code, *arguments, env=env, timeout_s=timeout_s)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
