"""A real Git repository for tests, independent of the developer's Git configuration."""

import os
import subprocess
from pathlib import Path

ENVIRON = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class Repository:
    """A repository in a new folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run Git and return its output; raises CalledProcessError."""
        return subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **ENVIRON},
        ).stdout.strip()

    def write(self, path: str, *lines: str, end: str = "\n") -> Path:
        """Write a file with these lines, and return its path."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes("".join(f"{line}{end}" for line in lines).encode())
        return place

    def commit(self, message: str = "change", *, author: str = "Ada") -> str:
        """Commit everything, and return the commit's hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--author={author} <{author.lower()}@example.com>", "-m", message)
        return self.git("rev-parse", "HEAD")
