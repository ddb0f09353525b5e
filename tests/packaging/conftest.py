"""The wheel that every environment of this suite gets, built once."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would ship, so that stray files of the checkout cannot help it.

    The processes of one run share it: the first one builds, the others wait for it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "wheel").exists():
            _build(shared / "source").rename(shared / "wheel")
    (built,) = (shared / "wheel").glob("*.whl")
    return built


def _build(source: Path) -> Path:
    """Build in that folder, which must not exist; returns the folder of the wheel."""
    source.mkdir()
    (source / "docs").mkdir()
    for name in ("pyproject.toml", "ael_hook.py", "docs/package.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "ael_otel", source / "ael_otel", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return source / "dist"
