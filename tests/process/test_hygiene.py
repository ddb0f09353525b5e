"""The tree can be published: no paths of one machine, no secret, no lock file with addresses."""

import subprocess
from pathlib import Path

import pytest

from tests.support.hygiene import LARGEST_FILE, MADE_UP, findings, tracked
from tests.support.needs import require

ROOT = Path(__file__).parents[2]

# Put together from parts for the same reason as the patterns.
BAD = {
    "package host": ("notes.md", "see https://py" + "pi.org/simple"),
    "package host of this machine": ("notes.md", "pull from packages.corp." + "example"),
    "package index setting": ("setup.sh", "pip install --index-" + "url https://mirror.invalid/simple x"),
    "path of one machine": ("notes.md", "cd /ro" + "ot/project"),
    "home folder of this machine": ("notes.md", "cd /srv/people/" + "me"),
    "private key": ("key.pem", "-----BEGIN RSA PRIVATE " + "KEY-----"),
    "access key": ("settings.py", "KEY = 'AKIA" + "Q3EGVXJ5TR7W2ZPK'"),
    "signed token": ("settings.py", "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0NTY" + ".c2lnbmF0dXJlMTIz"),
    "password in an address": ("settings.py", "DSN = 'postgresql://ael:" + "hunter2@db/ael'"),
    "password": ("settings.py", "pass" + "word = 'correct-horse-battery'"),
    "lock file with addresses": ("uv.lock", 'url = "http' + 's://files.invalid/x.whl"'),
    "bytes": ("big.txt", "x" * (LARGEST_FILE + 1)),
}
ENVIRON = {"HOME": "/srv/people/" + "me", "PIP_INDEX_URL": "https://packages.corp." + "example/simple"}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An empty repository."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def add(repo: Path, name: str, text: str) -> None:
    """Write a file and have git track it."""
    (repo / name).write_text(text, "utf-8")
    subprocess.run(["git", "-C", str(repo), "add", name], check=True)


def test_the_tree_is_clean() -> None:
    """No tracked file names a package host or a machine's path, holds a secret, or is over 1 MiB."""
    require((ROOT / ".git").exists(), "this is no git checkout: the tracked files are unknown")
    files = tracked(ROOT)
    assert ROOT / "pyproject.toml" in files
    assert findings(ROOT, files) == []


@pytest.mark.parametrize("what", BAD)
def test_bad_file_is_named(repo: Path, what: str) -> None:
    """Each rule reports its own case with the file and the line, and does not print the text."""
    name, text = BAD[what]
    add(repo, name, f"# first line\n{text}\n" if what != "bytes" else text)
    found = findings(repo, tracked(repo), ENVIRON)
    assert any(problem.startswith(f"{name}:") and what in problem for problem in found)
    assert not any(text in problem for problem in found)


def test_only_tracked_files_count(repo: Path) -> None:
    """A password that `make up` wrote into an ignored file is where it belongs."""
    (repo / "ignored.env").write_text(BAD["password"][1], "utf-8")
    assert findings(repo, tracked(repo), ENVIRON) == []


@pytest.mark.parametrize(
    "line",
    [
        "image: prom/prometheus:v3.0.0@sha256:0123",
        "http://localhost:4317",
        "postgresql://user:${PASSWORD}@db/ael",
        "excluded_paths: ['~/.ssh/*', '/home/alice/.aws/credentials']",
        "an endpoint such as https://user:password@host is never echoed",
        "GET /api/v1/" + "work/items",
        "password: ''  # generated at the first start",
        "token: " + "'" + "a" * 20 + "'  # " + MADE_UP,
    ],
)
def test_ordinary_lines_pass(repo: Path, line: str) -> None:
    """Ordinary lines of configurations and examples are not reported."""
    add(repo, "compose.yaml", line + "\n")
    assert findings(repo, tracked(repo), ENVIRON) == []
