"""Take snapshots of a Git work tree, reusing Git's last answers as long as they are valid.

Git needs three processes to list what differs from its index. Its answers are cached together with everything that they
depend on: the index, the rules (ignored files, attributes, configuration), the names in each folder, and size, times
and inode number of each tracked file. While index, rules and names are unchanged, the files that may differ are those
that differed before and those that changed since. A listed file that is unchanged again adds no lines.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import ael_snapshot

__all__ = ["IncrementalSnapshot", "TreeMemory"]

MAX_AGE_S: Final = 300.0
"""Seconds for which answers are valid: rules outside the repository, such as the user's, are not compared."""

MAX_FOLDERS: Final = 2_000
MAX_TRACKED: Final = 10_000
"""Limits above which Git itself compares faster."""

RACY_NS: Final = 2_000_000_000
"""A folder that changed within this time before it was listed may have changed again within one tick of its clock."""

_RULES: Final = frozenset({".gitignore", ".gitattributes"})

type _Stat = tuple[int, ...] | None


class _Folder(NamedTuple):
    found: _Stat
    names: frozenset[str]
    """Names of folders end in `/`."""
    listed_ns: int


@dataclass
class _Answers:
    at: float
    index: str
    rules: dict[str, _Stat]
    tracked: dict[str, _Stat]
    changed: frozenset[str]
    others: tuple[str, ...]
    folders: dict[str, _Folder]


@dataclass
class TreeMemory:
    """The cached answers for one work tree; used by one thread at a time."""

    answers: _Answers | None = None
    tracked: tuple[str, tuple[str, ...]] = ("", ())
    """The id of an index, and the files that it lists."""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    """Why a file must not be read, from its attributes; empty if it may be read."""
    attributed_by: dict[str, _Stat] = field(default_factory=dict[str, _Stat])
    attributed_at: float = 0.0


class IncrementalSnapshot(ael_snapshot.Snapshot):
    """A snapshot that uses and updates the cached answers for its work tree.

    Args:
        memory: of this work tree.
        place, folder, excluded, deadline_s: as for `ael_snapshot.Snapshot`.
    """

    def __init__(
        self,
        memory: TreeMemory,
        place: ael_snapshot.Place,
        folder: str,
        excluded: Callable[[str], bool],
        deadline_s: float,
    ) -> None:
        super().__init__(place, folder, excluded, deadline_s)
        self._memory = memory
        self.asked_git = False

    def _by_git(self) -> None:
        self._copy_index()
        if self._entries() > MAX_TRACKED:
            self.asked_git = True
            super()._by_git()
            return
        names = self._remembered()
        if names is None:
            names = self._asked()
        names = [name for name in names if not name.endswith("/") and not ael_snapshot.is_ignored(name)]
        if len(names) > ael_snapshot.MAX_FILES:
            raise ael_snapshot.Stopped("too_many_files")
        self._ask_attributes(names)
        for name in names:
            reason = self._memory.attributes.get(name, "")
            if reason:
                self.files[name] = [self._identity(name), reason]
            else:
                self._add(name)

    def _entries(self) -> int:
        """Return the number of files in the index, from its header."""
        try:
            with open(f"{self.folder}/{self.index}", "rb") as file:  # noqa: PTH123 - a text
                return int.from_bytes(file.read(12)[8:])
        except OSError:
            return 0

    # --- from the cache -----------------------------------------------------------------------------------------------

    def _remembered(self) -> list[str] | None:
        """Return the files that differ from the index; None if the cache does not tell."""
        answers = self._memory.answers
        if (
            answers is None
            or answers.index != self.index
            or time.monotonic() - answers.at > MAX_AGE_S
            or any(self._stat(name) != found for name, found in answers.rules.items())
        ):
            return None
        for name, folder in answers.folders.items():
            now = self._stat(name)
            if now == folder.found and (now is None or folder.listed_ns - now[2] > RACY_NS):
                continue
            listed = self._listed(name)
            if listed is None or listed.names - folder.names or ".git" in folder.names - listed.names:
                return None
            # A deleted file may come back; it is then not new.
            answers.folders[name] = _Folder(listed.found, folder.names, listed.listed_ns)
        self._check()
        names = [
            name
            for name, found in answers.tracked.items()
            if name in answers.changed or self._stat(name) != found
        ]
        self._check()
        return [*names, *(name for name in answers.others if self._stat(name) is not None)]

    def _stat(self, name: str) -> _Stat:
        """Return mode, size, times in nanoseconds and inode number of a file by its relative path; None if absent."""
        try:
            found = os.lstat(f"{self.place.root}/{name}")
        except OSError:
            return None
        return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino

    def _listed(self, name: str) -> _Folder | None:
        """Return the names in a folder with its state; None if there is no folder of this name any more."""
        listed_ns = time.time_ns()
        found = self._stat(name)
        if found is None:
            return _Folder(None, frozenset(), listed_ns)
        if not stat.S_ISDIR(found[0]):
            return None
        names: set[str] = set()
        try:
            with os.scandir(f"{self.place.root}/{name}") as entries:
                for entry in entries:
                    if entry.name == ".git":
                        names.add(".git")
                    elif entry.name.lower() not in ael_snapshot.FOLDERS:
                        names.add(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name)
        except OSError:
            return None
        return _Folder(found, frozenset(names), listed_ns)

    # --- from Git -----------------------------------------------------------------------------------------------------

    def _asked(self) -> list[str]:
        """Ask Git what differs from the index, and cache the answers with the state from before the question."""
        self.asked_git = True
        memory = self._memory
        memory.answers = None
        listed = self._tracked()
        rules = {name: self._stat(name) for name in self._rules(listed)}
        tracked = {name: self._stat(name) for name in listed}
        folders = self._folders()
        changed = self._names("diff-files", "--name-only", "-z", "--no-ext-diff", "--ignore-submodules=all")
        excludes = [f"--exclude={name}/" for name in sorted(ael_snapshot.FOLDERS)]
        others = self._names("ls-files", "--others", "-z", "--exclude-standard", *excludes)
        rules |= {name: self._stat(name) for name in others if PurePosixPath(name).name in _RULES}
        if rules != memory.attributed_by or time.monotonic() - memory.attributed_at > MAX_AGE_S:
            memory.attributes, memory.attributed_by, memory.attributed_at = {}, rules, time.monotonic()
        if folders is not None and len(others) <= ael_snapshot.MAX_FILES:
            self._ask_attributes([*tracked, *others])
            memory.answers = _Answers(
                time.monotonic(), self.index, rules, tracked, frozenset(changed), tuple(others), folders
            )
        return list(dict.fromkeys([*changed, *others]))

    def _tracked(self) -> tuple[str, ...]:
        """Return the files that the index lists, without submodules and ignored files."""
        index, names = self._memory.tracked
        if index != self.index:
            found = dict.fromkeys(
                entry.partition("\t")[2]
                for entry in self._names("ls-files", "-s", "-z")
                if not entry.startswith("160000")  # a submodule
            )
            names = tuple(name for name in found if not ael_snapshot.is_ignored(name))
            self._memory.tracked = self.index, names
        return names

    def _rules(self, tracked: tuple[str, ...]) -> list[str]:
        """Return the paths of the files that decide which files Git lists, and which must not be read."""
        git, common = (os.path.relpath(each, self.place.root) for each in (self.place.git, self.place.common))
        return [
            *(f"{common}/config", f"{git}/config.worktree"),
            *(f"{common}/info/exclude", f"{common}/info/attributes", f"{git}/info/sparse-checkout"),
            *(name for name in tracked if PurePosixPath(name).name in _RULES),
        ]

    def _folders(self) -> dict[str, _Folder] | None:
        """Return all folders of the work tree, without embedded repositories; None if there are too many."""
        found: dict[str, _Folder] = {}
        pending = [""]
        while pending:
            name = pending.pop()
            folder = self._listed(name)
            if folder is None or len(found) >= MAX_FOLDERS:
                return None
            found[name] = folder
            self._check()
            if not name or ".git" not in folder.names:
                pending += [f"{name}{each}" for each in folder.names if each.endswith("/")]
        return found

    def _ask_attributes(self, names: list[str]) -> None:
        """Ask Git which files must not be read, unless that is cached."""
        known = self._memory.attributes
        new = [name for name in names if name not in known and not name.endswith("/")]
        if new:
            skipped = self._by_attribute(new)
            known.update({name: skipped.get(name, "") for name in new})
