"""Wheel and sdist of a release: reproducible, complete, and without what belongs to the checkout."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.release.distributions import build_twice, check_contents
from tools.release.notes import ReleaseError
from tools.release.trial import is_copyleft

ROOT = Path(__file__).parents[3]
WHOLE = ("LICENSE", "ael_hook.py", "ael_otel/py.typed", "ael_otel/_generated/registry.json")


def _wheel(folder, *names):
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def _sdist(folder, *names):
    path = folder / "x-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"x-1/{name}"), io.BytesIO())
    return path


@pytest.mark.parametrize("make", [_wheel, _sdist])
def test_contents_are_complete_and_nothing_else(make, tmp_path):
    """Proves that licence, `py.typed`, registry and hook must be present, and tests, stores and caches absent."""
    check_contents(make(tmp_path, *WHOLE, "ael_otel/store/files.py"))
    for missing in WHOLE:
        with pytest.raises(ReleaseError, match=f"lacks {missing}"):
            check_contents(make(tmp_path, *(name for name in WHOLE if name != missing)))
    for extra in ("tests/test_x.py", "ael_otel/__pycache__/x.py", ".ael/telemetry.db", "ael_otel/x.pyc"):
        with pytest.raises(ReleaseError, match="not to be shipped"):
            check_contents(make(tmp_path, *WHOLE, extra))


@pytest.mark.slow
def test_release_is_built_the_same_twice(tmp_path):
    """Proves that two builds of the committed files are equal, and that wheel and sdist are complete."""
    built = build_twice(ROOT, "HEAD", tmp_path)
    assert [path.suffix for path in built] == [".whl", ".gz"]
    for path in built:
        check_contents(path)


def test_build_that_fails_is_reported(tmp_path):
    """Proves that the message has the command and the last lines of its output."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(ReleaseError, match="git show"):
        build_twice(tmp_path, "HEAD", tmp_path / "dist")


@pytest.mark.parametrize(
    ("licence", "copyleft"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Apache-2.0", False),
        ("MIT", False),
    ],
)
def test_copyleft_licence_is_recognised(licence, copyleft):
    """Proves that the LGPL, as of an unchanged driver, is accepted, and that the GPL and the AGPL are refused."""
    assert is_copyleft(licence) is copyleft
