"""Wheel and sdist: built twice from the last commit, compared byte by byte, and checked."""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tools.release.notes import ReleaseError

__all__ = ["build_twice", "check_contents"]

_UNWANTED: Final = re.compile(
    r"(?:^|/)(?:tests|tools|\.git|\.venv|\.ael|__pycache__)(?:/|$)|\.(?:pyc|db|log)$"
)


def build_twice(root: Path, commit: str, target: Path) -> list[Path]:
    """Build wheel and sdist of a commit into `target`, twice, and return their paths.

    Raises ReleaseError: a build fails, or the two differ.
    """
    built = [_build(root, commit) for _ in range(2)]
    first, second = built
    if first.keys() != second.keys():
        raise ReleaseError(f"two builds made different files: {sorted(first)} and {sorted(second)}")
    for name, content in first.items():
        if second[name] != content:
            raise ReleaseError(f"{name} is not reproducible: two builds of {commit} differ")
    target.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, content in sorted(first.items()):
        path = target / name
        path.write_bytes(content)
        paths.append(path)
    return paths


def _build(root: Path, commit: str) -> dict[str, bytes]:
    """Build from a copy of the commit in a separate folder, so that untracked files of the checkout have no effect."""
    epoch = _run("git", "show", "--no-patch", "--format=%ct", commit, cwd=root).decode().strip()
    archive = _run("git", "archive", "--format=tar", commit, cwd=root)
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        source = Path(name) / "source"
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(source, filter="data")
        _run(sys.executable, "-m", "hatchling", "build", cwd=source, SOURCE_DATE_EPOCH=epoch)
        return {path.name: path.read_bytes() for path in (source / "dist").iterdir()}


def check_contents(path: Path) -> None:
    """Check that a wheel or an sdist has the licence and the marker of types, and no other files of the checkout.

    Raises ReleaseError that names the missing or extra files.
    """
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    else:
        with tarfile.open(path) as archive:
            names = archive.getnames()
    for wanted in ("LICENSE", "ael_hook.py", "ael_otel/py.typed", "ael_otel/_generated/registry.json"):
        if not any(name.endswith(wanted) for name in names):
            raise ReleaseError(f"{path.name} lacks {wanted}")
    if found := [name for name in names if _UNWANTED.search(name)]:
        raise ReleaseError(f"{path.name} has {', '.join(found[:5])}, which is not to be shipped")


def _run(*command: str, cwd: Path, **variables: str) -> bytes:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()[-2000:]}")
    return done.stdout
