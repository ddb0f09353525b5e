"""A misuse of the generated API is a type error, for users of either type checker."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "tests/typing").glob("*.py") if not path.name.startswith("test_"))
type Lines = list[int]


def by_mypy(path: Path) -> Lines:
    """The lines in which mypy finds an error."""
    done = _run("mypy", "--strict", "--config-file=", str(path))
    return _lines(int(line) for line in re.findall(rf"{path.name}:(\d+): error", done.stdout))


def by_pyright(path: Path) -> Lines:
    """The lines in which pyright finds an error, in its strict mode."""
    done = _run("pyright", "--outputjson", str(path))
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    return _lines(
        each["range"]["start"]["line"] + 1
        for each in found["generalDiagnostics"]
        if each["severity"] == "error"
    )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )


def _lines(numbers: object) -> Lines:
    return sorted(set(numbers))


@pytest.mark.parametrize("check", [by_mypy, by_pyright])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_misuse_is_a_type_error(path: Path, check: Callable[[Path], Lines]) -> None:
    """Proves that the checker refuses all lines marked `# error` and accepts all others."""
    lines = path.read_text("utf-8").splitlines()
    wanted = [number for number, line in enumerate(lines, 1) if line.endswith("# error")]
    assert len(wanted) >= (30 if path.stem == "misuse" else 10)
    assert check(path) == wanted


def test_the_package_says_that_it_is_typed() -> None:
    """Proves that `py.typed` is shipped, without which a type checker ignores the package's types."""
    assert (ROOT / "ael_otel/py.typed").is_file()
