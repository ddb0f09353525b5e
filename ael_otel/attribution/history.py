"""Read the history of a repository: contents of files at a revision, and the lines that a revision added.

Git runs without what a repository can make it execute: hooks, filters, text converters, file system monitors, fetching.
Git itself refuses a repository of another user.
"""

import os
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from ael_otel.attribution.lines import MAX_BYTES, content_key, lines_of
from ael_snapshot import is_ignored

TIMEOUT_S: Final = 20.0
MAX_REVISIONS: Final = 50
"""Maximum number of revisions after that of a record whose contents are compared with it."""

_GUARDS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "protocol.allow=never",
    "log.showSignature=false",
    "blame.ignoreRevsFile=",
)
_BLAMED: Final = re.compile(rb"([0-9a-f]{40,64}) (\d+) (\d+) (\d+)")
"""Matches a header of `git blame --incremental`: commit, line number there and here, number of lines."""


class Blamed(NamedTuple):
    """The commit that added a line, and the line's place there; `time` is seconds since 1970."""

    commit: str
    author: str | None
    email: str | None
    time: int | None
    summary: str | None
    original_path: str
    original_line: int


class History:
    """The history of one Git repository.

    Args:
        root: the root of its work tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, folder: Path) -> "History | None":
        """Return the history that a folder belongs to; None without Git, or if Git refuses the repository."""
        found = cls(folder).git("rev-parse", "--show-toplevel")
        return cls(Path(os.fsdecode(found.rstrip(b"\n")))) if found else None

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the history, which the work trees of a repository share."""
        found = self.git("rev-parse", "--path-format=absolute", "--git-common-dir")
        return Path(os.fsdecode(found.rstrip(b"\n"))).resolve() if found else self.root

    def head(self) -> str | None:
        """Return the commit that is checked out."""
        return self.commit("HEAD")

    def commit(self, revision: str) -> str | None:
        """Return the hash of the commit that a revision names; None if there is none."""
        found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return found.decode("ascii", "replace").strip() if found else None

    def has(self, revision: str, path: str) -> bool:
        """Return whether a revision has a file or folder of this name."""
        return self.git("cat-file", "-e", f"{revision}:{path}") is not None

    def lines(self, revision: str, path: str) -> list[str] | None:
        """Return the lines of a file at a revision; None if it is absent, binary or too large."""
        size = self.git("cat-file", "-s", f"{revision}:{path}")
        if size is None or int(size) > MAX_BYTES:
            return None
        data = self.git("cat-file", "blob", f"{revision}:{path}")
        return None if data is None else lines_of(data)

    def tracked(self) -> list[str]:
        """Return the paths of the tracked files, sorted, without lock files, generated and vendored ones."""
        found = self.git("ls-files", "-z")
        names = [os.fsdecode(name) for name in (found or b"").split(b"\0") if name]
        return sorted(name for name in names if not is_ignored(name))

    def lines_now(self, path: str) -> list[str] | None:
        """Return the lines of a file in the work tree; None if absent, not a regular file, binary or too large."""
        place = self.root / path
        try:
            if (
                place.is_symlink()
                or not place.resolve().is_relative_to(self.root.resolve())
                or not place.is_file()
            ):
                return None
            if place.stat().st_size > MAX_BYTES:
                return None
            return lines_of(place.read_bytes())
        except OSError:
            return None

    def added_by(self, revision: str, path: str) -> set[int]:
        """Return the numbers of the lines, from 1, that a revision itself added to a file."""
        return {number for number, each in self.blame(revision, path).items() if each.commit == revision}

    def blame(self, revision: str, path: str) -> dict[int, Blamed]:
        """Return Git's information about each line of a file at a revision, by line number."""
        found = self.git("blame", "--no-textconv", "--incremental", revision, "--", path)
        commits: dict[str, dict[str, str]] = {}
        lines: dict[int, Blamed] = {}
        here: tuple[str, int, int, int] | None = None
        for line in (found or b"").split(b"\n"):
            entry = _BLAMED.fullmatch(line)
            if entry is not None and here is None:
                commit = entry[1].decode()
                here = commit, int(entry[2]), int(entry[3]), int(entry[4])
                commits.setdefault(commit, {})
            elif here is not None:
                commit, there, start, count = here
                name, _, value = line.decode("utf-8", "replace").partition(" ")
                if name != "filename":
                    commits[commit][name] = value
                    continue
                about, here = commits[commit], None
                for step in range(count):
                    lines[start + step] = Blamed(
                        commit,
                        about.get("author"),
                        about.get("author-mail", "").strip("<>") or None,
                        int(about["author-time"]) if about.get("author-time", "").isdigit() else None,
                        about.get("summary"),
                        value,
                        there + step,
                    )
        return lines

    def later(self, revision: str, path: str) -> list[str]:
        """Return the revisions after `revision` that changed a file, oldest first."""
        found = self.git(
            "log", "--format=%H", "--reverse", "--end-of-options", f"{revision}..HEAD", "--", path
        )
        return (found or b"").decode("ascii", "replace").split()[:MAX_REVISIONS]

    def committed_by(self, revision: str, path: str, content: str) -> str | None:
        """Return the author of the commit that first contains a content of a file; None if there is none yet.

        Args:
            revision: the commit that was checked out when the file had this content.
            path: the file.
            content: its `lines.content_key`.
        """
        lines = self.lines(revision, path)
        if lines is not None and content_key(lines) == content:
            found = self.git("log", "-1", "--format=%an", "--end-of-options", revision, "--", path)
        else:
            found = self.git(
                "log", "--reverse", "--format=%an", "--end-of-options", f"{revision}..HEAD", "--", path
            )
        names = (found or b"").decode("utf-8", "replace").splitlines()
        return names[0] if names else None

    def git(self, *arguments: str) -> bytes | None:
        """Return the output of Git; None if it fails, is not installed or takes too long."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environ |= {
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
        }
        guards = [argument for each in _GUARDS for argument in ("-c", each)]
        try:
            found = subprocess.run(
                ["git", "-C", str(self.root), "--literal-pathspecs", *guards, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                env=environ,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return found.stdout if found.returncode == 0 else None
