"""Take snapshots of a workspace around a coding agent's tool call that may write, to attribute lines.

`ael_hook` calls `take` before and after such a call and waits for it, so this module uses only the standard library.
It writes only below `~/.ael/spool/snapshots/`, never into the user's repository. A snapshot is an observation (names
and identities of files), a copy of Git's index, and the contents of files that differ from the index. The worker
compares the snapshots and deletes them.

Git is asked for names only, with a copy of the index: it then reads no content and runs no filter, hook or monitor.
"""

# pyright: standard
# Payloads are JSON of unknown shape; mypy checks this file strictly.

import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["scope_of", "take"]

VERSION = 1
DEADLINE_S = 1.0
MAX_FILES = 2_000
MAX_SCANNED = 50_000
MAX_FILE = 1024 * 1024
MAX_BYTES = 32 * 1024 * 1024
PAUSES_S = {"deadline": 60.0, "too_many_files": 600.0}
"""Seconds without snapshots of a workspace after one that took too long or was too large, by reason."""

WRITERS = frozenset(
    "write edit multiedit notebookedit strreplace strreplaceeditor searchreplace replace applypatch patch create"
    " createfile writefile editfile editfiles insertedit inserteditintofile replacestringinfile tab delete".split()
)
"""Tools that write the files in their parameters; compared by letters and digits, in lower case."""

SHELLS = frozenset(
    "bash shell powershell runshellcommand localshell execcommand shellcommand terminal runinterminal runcommand"
    " runcommands unifiedexec".split()
)
READERS = frozenset(
    "read grep glob ls list listdir listdirectory view search codebasesearch filesearch grepsearch readfile"
    " readmanyfiles webfetch websearch fetch task agent todowrite todoread updateplan exitplanmode skill think"
    " askuserquestion bashoutput killshell killbash taskoutput listmcpresources readmcpresource"
    " getdiagnostics readlints".split()
)
READING_WORDS = frozenset("get list read search find fetch query describe show lookup view status".split())
WRITING_WORDS = frozenset(
    "create write update delete remove edit append insert replace save set add move rename copy patch modify"
    " upload".split()
)
READING_COMMANDS = frozenset(
    "ls pwd cat head tail wc grep rg fgrep egrep which whoami date file stat du df ps id uname".split()
)
READING_GIT = frozenset("status log diff show blame rev-parse ls-files describe".split())

FOLDERS = frozenset(
    ".git .hg .svn .jj .ael node_modules vendor third_party bower_components .venv venv __pycache__ .tox .nox"
    " .mypy_cache .ruff_cache .pytest_cache .gradle .terraform .next .nuxt".split()
)
NAMES = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lockb bun.lock go.sum cargo.lock poetry.lock"
    " uv.lock pdm.lock pipfile.lock composer.lock gemfile.lock flake.lock deno.lock .ds_store".split()
)
ENDS = (
    *(
        ".min.js",
        ".min.css",
        ".map",
        ".lock",
        ".snap",
        ".pyc",
        "_pb2.py",
        "_pb2_grpc.py",
        ".pb.go",
        ".pb.cc",
        ".pb.h",
    ),
    *(
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".pdf",
        ".zip",
        ".gz",
        ".so",
        ".dll",
        ".exe",
        ".woff",
        ".woff2",
        ".ico",
    ),
)


# --- which calls ------------------------------------------------------------------------------------------------------


def scope_of(tool: str, given: "Any", paths: "list[str]", server: str = "") -> str:
    """Return the files that a call may write: `files` (those it names), `all`, or an empty text for none.

    Args:
        tool: the agent's name of it; the name of an MCP tool contains that of its server.
        given: the parameters.
        paths: the files in the parameters.
        server: the MCP server, if the agent names it.
    """
    name = "".join(each for each in tool.lower() if each.isalnum())
    if tool.startswith(("mcp__", "MCP:", "mcp_")):
        words = _words(_own_name(tool, server))
        return "" if words & READING_WORDS and not words & WRITING_WORDS else "all"
    if name in READERS:
        return ""
    if name in WRITERS:
        return "files" if paths else "all"
    if name in SHELLS and isinstance(given, dict):
        command = given.get("command", given.get("cmd"))
        if isinstance(command, str) and _only_reads(command):
            return ""
    return "all"


def _own_name(tool: str, server: str) -> str:
    """Return the name of an MCP tool without its server; empty if the two cannot be separated."""
    if tool.startswith(("mcp__", "MCP:")):
        return tool.rpartition("__" if tool.startswith("mcp__") else ":")[2]
    prefix = "mcp_" + "".join(each if each.isalnum() else "_" for each in server.lower()) + "_"
    plain = "".join(each if each.isalnum() else "_" for each in tool.lower())
    return tool[len(prefix) :] if server and plain.startswith(prefix) else ""


def _words(name: str) -> "set[str]":
    """Return the words of a name, in lower case: of `readFile` and `read-file`, `read` and `file`."""
    text = ""
    for at, each in enumerate(name):
        text += f" {each}" if each.isupper() and at and name[at - 1].islower() else each
    return set("".join(each if each.isalnum() else " " for each in text).lower().split())


def _only_reads(command: str) -> bool:
    if any(each in command for each in "><|;&`$()\n{}"):
        return False
    words = command.split()
    if not words:
        return True
    if words[0] == "git":
        return (
            len(words) > 1
            and words[1] in READING_GIT
            and not any(each.startswith("--output") for each in words)
        )
    return words[0] in READING_COMMANDS


def is_ignored(path: str) -> bool:
    """Return whether a relative path is a lock file, or generated, vendored or minified by its name."""
    *folders, name = path.lower().split("/")
    return name in NAMES or name.endswith(ENDS) or ".generated." in name or not FOLDERS.isdisjoint(folders)


# --- where ------------------------------------------------------------------------------------------------------------


class Place:
    """The root of a workspace and its Git folders, which are empty texts without a repository of this user."""

    def __init__(self, root: str, git: str = "", common: str = "") -> None:
        self.root = root
        self.git = git
        self.common = common

    @property
    def repository(self) -> str:
        """The folder that holds the history, which all worktrees of a repository share."""
        return self.common or self.root


def place_of(folder: str) -> "Place | None":
    """Return the workspace that contains a folder; None inside a bare repository or a Git folder."""
    folder = os.path.realpath(folder)
    at = folder
    for _ in range(64):
        git = f"{at}/.git"
        try:
            found = os.lstat(git)
        except OSError:
            if (
                os.path.isfile(f"{at}/HEAD")
                and os.path.isdir(f"{at}/objects")
                and os.path.isdir(f"{at}/refs")
            ):
                return None
            parent = os.path.dirname(at)
            if parent == at:
                break
            at = parent
            continue
        if not _own(found) or not _own(os.lstat(at)):
            return Place(folder)
        if stat.S_ISDIR(found.st_mode):
            return Place(at, git, git)
        if not stat.S_ISREG(found.st_mode):
            return Place(folder)
        return _linked(at, git) or Place(folder)
    return Place(folder)


def _linked(root: str, file: str) -> "Place | None":
    """Return the workspace of a worktree or a submodule, whose `.git` is a file with the path of the Git folder."""
    try:
        text = _text(file)
        if not text.startswith("gitdir: "):
            return None
        git = os.path.realpath(os.path.join(root, text[8:].rstrip("\n")))
        if not _own(os.lstat(git)):
            return None
        common = git
        if os.path.exists(f"{git}/commondir"):
            common = os.path.realpath(os.path.join(git, _text(f"{git}/commondir").strip()))
            if not _own(os.lstat(common)):
                return None
    except OSError:
        return None
    return Place(root, git, common)


def _own(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(64 * 1024).decode("utf-8", "surrogateescape")


def head_of(place: Place) -> "str | None":
    """Return the commit that is checked out, from the files of the repository; None if they do not have it."""
    try:
        text = _text(f"{place.git}/HEAD").strip()
        if not text.startswith("ref: "):
            return _commit(text)
        name = text[5:]
        for folder in (place.git, place.common):
            try:
                return _commit(_text(f"{folder}/{name}").strip())
            except OSError:
                continue
        with open(f"{place.common}/packed-refs", "rb") as file:
            for line in file.read(8 * MAX_FILE).splitlines():
                if line.endswith(b" " + name.encode("utf-8", "surrogateescape")):
                    return _commit(line.split(b" ")[0].decode("ascii", "replace"))
    except (OSError, ValueError):
        pass
    return None


def _commit(text: str) -> "str | None":
    return text if len(text) in {40, 64} and text.isalnum() and text.isascii() else None


def workspace_folder(home: str, root: str) -> str:
    """Return the folder with the snapshots of a workspace."""
    return f"{home}/spool/snapshots/{_digest(root)}"


def _digest(text: str) -> str:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from hashlib import sha256
    return str(sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20])


# --- snapshots --------------------------------------------------------------------------------------------------------


class Stopped(Exception):  # noqa: N818 - a reason, not a fault
    """A snapshot ended early; the message is the reason."""


class Snapshot:
    """A snapshot of one workspace.

    Args:
        place: the workspace.
        folder: where the snapshot is written.
        excluded: returns whether a path is excluded; such a file is not read.
        deadline_s: seconds after which the snapshot is abandoned.
    """

    def __init__(
        self, place: Place, folder: str, excluded: "Callable[[str], bool]", deadline_s: float = DEADLINE_S
    ) -> None:
        self.place = place
        self.folder = folder
        self.excluded = excluded
        self.end = time.monotonic() + deadline_s
        self.files: dict[str, list[str]] = {}
        self.index = ""
        self.bytes = 0

    def at(self, scope: str, paths: "list[str]") -> str:
        """Record the files that a call of this scope may write; return why that ended early, or an empty text."""
        try:
            if scope == "all":
                return self.whole()
            self.named(paths)
        except Stopped as stopped:
            return str(stopped)
        except OSError as error:
            return "disk_full" if error.errno in {28, 122} else "unreadable"
        return ""

    def note(
        self, at: int, phase: str, about: "dict[str, Any]", scope: str, reason: str, number: int = 0
    ) -> None:
        """Write an observation for the worker.

        Args:
            at: when the snapshot began or ended, in nanoseconds since 1970.
            phase: as in `take`.
            about: the event of the call.
            scope: the result of `scope_of`.
            reason: why nothing, or not everything, was recorded.
            number: distinguishes observations of one snapshot.
        """
        import json

        observation = {
            "v": VERSION,
            "t": at,
            "phase": phase,
            "scope": scope,
            "root": self.place.root,
            "git": self.place.git,
            "common": self.place.common,
            "head": head_of(self.place) if self.place.git else None,
            "index": self.index,
            "files": {} if reason else self.files,
            "reason": reason,
            **about,
        }
        data = json.dumps(observation, separators=(",", ":")).encode("ascii")
        write_file(f"{self.folder}/{at}-{os.getpid()}-{number}.json", data)

    def whole(self) -> str:
        """Record all files; return why that ended early, or an empty text."""
        large = f"{self.folder}/large"
        try:
            held = _text(large)
            if time.time() - os.stat(large).st_mtime < PAUSES_S.get(held, 60.0):
                return held or "deadline"
        except OSError:
            pass
        reason = ""
        try:
            if self.place.git:
                self._by_git()
            else:
                self._by_scan()
        except Stopped as stopped:
            reason = str(stopped)
        if reason in PAUSES_S:
            write_file(large, reason.encode())
        return reason

    def named(self, paths: "list[str]") -> None:
        """Record some files, by paths relative to the root."""
        for path in paths:
            self._add(path)

    # A file is `[identity, reason]`. With an empty reason, its content is in the pool under its identity. A missing
    # file is `["", ""]`.

    def _by_git(self) -> None:
        self._copy_index()
        changed = self._names("diff-files", "--name-only", "-z", "--no-ext-diff", "--ignore-submodules=all")
        excludes = [f"--exclude={name}/" for name in sorted(FOLDERS)]
        others = self._names("ls-files", "--others", "-z", "--exclude-standard", *excludes)
        names = [
            name
            for name in dict.fromkeys([*changed, *others])
            if not name.endswith("/") and not is_ignored(name)
        ]
        if len(names) > MAX_FILES:
            raise Stopped("too_many_files")
        skipped = self._by_attribute([name for name in names if not self._in_pool(name)])
        for name in names:
            if name in skipped:
                self.files[name] = [self._identity(name), skipped[name]]
            else:
                self._add(name)

    def _by_scan(self) -> None:
        home = os.path.realpath(os.path.expanduser("~"))
        if self.place.root == "/" or f"{home}/".startswith(f"{self.place.root}/"):
            raise Stopped("not_a_workspace")
        seen = 0
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = list(os.scandir(f"{self.place.root}/{folder}"))
            except OSError:
                continue
            seen += len(entries)
            if seen > MAX_SCANNED:
                raise Stopped("too_many_files")
            self._check()
            for entry in entries:
                name = f"{folder}{entry.name}"
                if is_ignored(name) or entry.name.lower() in FOLDERS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not os.path.lexists(f"{self.place.root}/{name}/.git"):
                        pending.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    if len(self.files) >= MAX_FILES:
                        raise Stopped("too_many_files")
                    self._add(name)

    def _check(self) -> None:
        if time.monotonic() > self.end:
            raise Stopped("deadline")

    def _identity(self, name: str) -> str:
        try:
            return identity(name, os.lstat(f"{self.place.root}/{name}"))
        except OSError:
            return ""

    def _in_pool(self, name: str) -> bool:
        found = self._identity(name)
        return not found or os.path.exists(f"{self.folder}/pool/{found}")

    def _add(self, name: str) -> None:
        """Record a file, and copy its content into the pool unless it is there."""
        self._check()
        path = f"{self.place.root}/{name}"
        if self.excluded(path):
            return
        try:
            found = os.lstat(path)
        except OSError:
            self.files[name] = ["", ""]
            return
        key = identity(name, found)
        self.files[name] = [key, self._read(path, key, found)]

    def _read(self, path: str, key: str, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "not_a_file"
        if found.st_size > MAX_FILE:
            return "too_large"
        pooled = f"{self.folder}/pool/{key}"
        if os.path.exists(pooled):
            return ""
        self.bytes += found.st_size
        if self.bytes > MAX_BYTES:
            raise Stopped("too_many_files")
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            try:
                opened = os.fstat(file)
                data = os.read(file, MAX_FILE + 1) if stat.S_ISREG(opened.st_mode) else b""
                if len(data) != opened.st_size or not stat.S_ISREG(opened.st_mode):
                    return "changing"
            finally:
                os.close(file)
        except OSError:
            return "unreadable"
        try:
            write_file(pooled, data)
        except OSError:
            return "disk_full"
        return ""

    def _by_attribute(self, names: "list[str]") -> "dict[str, str]":
        """Return the files that must not be read, with the reason: a filter other than LFS, or generated."""
        if not names:
            return {}
        listed = f"{self.folder}/paths-{os.getpid()}"
        write_file(listed, b"\0".join(map(os.fsencode, names)) + b"\0")
        try:
            words = self._git("check-attr", "-z", "--stdin", "filter", "linguist-generated", stdin=listed)
        finally:
            os.unlink(listed)
        skipped: dict[str, str] = {}
        parts = words.split(b"\0")
        for at in range(0, len(parts) - 2, 3):
            name, attribute, value = (os.fsdecode(each) for each in parts[at : at + 3])
            if attribute == "filter" and value not in {"unspecified", "unset", "lfs", "set"}:
                skipped[name] = "filter"
            elif attribute == "linguist-generated" and value in {"set", "true"}:
                skipped[name] = "generated"
        return skipped

    # --- Git ----------------------------------------------------------------------------------------------------------

    def _copy_index(self) -> None:
        """Copy the index, unless the last copy is of the same index.

        The copy's time is later than that of every file it lists, by more than the one second of resolution of some
        builds of Git. Git then compares files by size, times and inode number only; otherwise it would read them and
        run filters.
        """
        path = f"{self.place.git}/index"
        try:
            found = os.stat(path)
        except OSError:
            self.index = "none.index"
            return
        if found.st_size > 64 * MAX_FILE:
            raise Stopped("too_many_files")
        self.index = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}.index"
        if not os.path.exists(f"{self.folder}/{self.index}"):
            with open(path, "rb") as file:
                write_file(f"{self.folder}/{self.index}", file.read(64 * MAX_FILE), time.time() + 2.0)

    def _names(self, *words: str) -> "list[str]":
        return [os.fsdecode(name) for name in self._git(*words).split(b"\0") if name]

    def _git(self, *words: str, stdin: str = "") -> bytes:
        env = environment(os.environ, self.place, f"{self.folder}/{self.index}")
        answer = run(["git", *GUARDS, *words], env, self.place.root, self.end, stdin)
        if answer is None:
            self._check()
            raise Stopped("git")
        return answer


def identity(name: str, found: os.stat_result) -> str:
    """Return a text that changes when a file does: its name, size, times and inode number, without content."""
    return f"{_digest(name)}-{found.st_size:x}-{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{found.st_ino:x}"


GUARDS = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false"),
    *("-c", "core.bare=false", "-c", "core.quotePath=false", "-c", "core.preloadIndex=false"),
    *("-c", "core.ignoreStat=false", "-c", "protocol.allow=never", "-c", "core.safecrlf=false"),
)
"""Options that keep Git from running programs, using a network, or using caches of the repository."""

PASSED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "SYSTEMROOT", "USERPROFILE")


def environment(environ: "Any", place: Place, index: str) -> "dict[str, str]":
    """Return the environment of a Git process that changes nothing in the repository of a workspace."""
    env = {name: environ[name] for name in PASSED if name in environ}
    return {
        **env,
        "LC_ALL": "C",
        "GIT_DIR": place.git,
        "GIT_WORK_TREE": place.root,
        "GIT_INDEX_FILE": index,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PAGER": "",
    }


def run(
    command: "list[str]",
    env: "dict[str, str]",
    folder: str,
    end: float,
    stdin: str = "",
    most: int = 16 * MAX_FILE,
) -> "bytes | None":
    """Return the output of a program; None if it fails, is missing, writes too much, or takes too long."""
    if not hasattr(os, "posix_spawnp"):
        return _run_elsewhere(command, env, folder, end, stdin, most)
    import select
    import signal

    command = [command[0], "-C", folder, *command[1:]] if command[0] == "git" else command
    reader, writer = os.pipe()
    actions: list[Any] = [
        (os.POSIX_SPAWN_OPEN, 0, stdin or os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    data = bytearray()
    try:
        try:
            child = os.posix_spawnp(command[0], command, env, file_actions=actions)
        except OSError:
            return None
        finally:
            os.close(writer)
        whole = False
        while len(data) <= most:
            left = end - time.monotonic()
            if left <= 0 or not select.select([reader], [], [], left)[0]:
                break
            part = os.read(reader, 256 * 1024)
            if not part:
                whole = True
                break
            data += part
        if not whole:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(reader)
    return bytes(data) if whole and status == 0 else None


def _run_elsewhere(
    command: "list[str]", env: "dict[str, str]", folder: str, end: float, stdin: str, most: int
) -> "bytes | None":
    import subprocess

    try:
        with open(stdin or os.devnull, "rb") as given:
            done = subprocess.run(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=env,
                cwd=folder,
                timeout=max(0.01, end - time.monotonic()),
                check=False,
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= most else None


def write_file(path: str, data: bytes, changed_s: float = 0.0) -> None:
    """Write a file of this user, completely or not at all; with `changed_s` as the time of its last change."""
    temporary = f"{path}.{os.getpid()}~"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(temporary, flags, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
        finally:
            os.close(file)
        if changed_s:
            os.utime(temporary, (changed_s, changed_s))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# --- one call ---------------------------------------------------------------------------------------------------------


def take(
    home: str,
    record: "dict[str, Any]",
    phase: str,
    scope: str,
    excluded: "Callable[[str], bool]",
    now: int,
    clock: "Callable[[], int]" = time.time_ns,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Take a snapshot of the files that a call may write, and write an observation for the worker.

    Args:
        home: the folder of this user's files.
        record: the event as it is spooled; its `content` is left out.
        phase: `before` or `after` the call, `denied`, or `end` of a turn or session, which ends its open calls.
        scope: the result of `scope_of`.
        excluded: returns whether a path is excluded.
        now: when the hook began, in nanoseconds since 1970.
        clock: returns the current time in nanoseconds since 1970.
        deadline_s: seconds after which a snapshot is abandoned.
    """
    cwd = str(record.get("cwd") or "")
    if not os.path.isabs(cwd):
        return
    event = {name: value for name, value in record.items() if name not in {"content", "paths"}}
    for place, paths in places_of(cwd, record.get("paths") or [] if scope == "files" else [], scope):
        folder = workspace_folder(home, place.root)
        if phase == "end" and not os.path.isdir(folder):
            continue
        lock = open_folder(home, folder)
        try:
            # From the end of the first snapshot to the beginning of the second: the time in which the call can write.
            snapshot = Snapshot(place, folder, excluded, deadline_s)
            reason = "" if phase == "end" else snapshot.at(scope, paths)
            at = clock() if phase == "before" else now
            snapshot.note(at, phase, {"event": event}, scope, reason)
        finally:
            if lock >= 0:
                os.close(lock)


def places_of(cwd: str, paths: "list[str]", scope: str) -> "Iterator[tuple[Place, list[str]]]":
    """Yield the workspaces of a call, each with the files in it that the call names, relative to its root."""
    if scope != "files":
        place = place_of(cwd)
        if place is not None:
            yield place, []
        return
    found: dict[str, tuple[Place, list[str]]] = {}
    for path in paths[:64]:
        whole = os.path.join(cwd, path)
        parent = os.path.realpath(os.path.dirname(whole))
        at = parent
        while not os.path.isdir(at) and os.path.dirname(at) != at:
            at = os.path.dirname(at)
        place = place_of(at)
        if place is None:
            continue
        root = os.path.realpath(cwd)
        if not place.git and f"{parent}/".startswith(f"{root}/"):
            place = Place(root)
        name = os.path.join(parent, os.path.basename(whole))[len(place.root.rstrip("/")) + 1 :]
        if name and not is_ignored(name) and ".git" not in name.split("/"):
            found.setdefault(place.root, (place, []))[1].append(name.replace(os.sep, "/"))
    yield from found.values()


def prepare_folders(home: str, folder: str) -> None:
    for each in (f"{home}/spool", f"{home}/spool/snapshots", folder, f"{folder}/pool"):
        try:
            os.mkdir(each, 0o700)
        except FileExistsError:
            found = os.lstat(each)
            if not stat.S_ISDIR(found.st_mode) or not _own(found) or found.st_mode & 0o022:
                raise PermissionError(each) from None


def open_folder(home: str, folder: str) -> int:
    """Create the folder of a workspace unless it exists, and lock it; return the result of `hold`.

    Raises:
        OSError: it cannot be created, or others can write to it.
    """
    for _ in range(_TRIES):
        try:
            prepare_folders(home, folder)
            lock = hold(f"{folder}/lock")
        except FileNotFoundError:
            continue  # the worker has just deleted it, since it was empty
        try:
            if lock < 0 or os.path.samestat(os.fstat(lock), os.stat(f"{folder}/lock")):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)
    raise FileNotFoundError(folder)


_TRIES = 20
HOLD_S = 0.05
"""Maximum seconds that `hold` waits for the worker, which locks a folder while it deletes in it."""


def hold(path: str) -> int:
    """Lock the folder, so that the worker does not delete it meanwhile; return -1 if that is not possible."""
    if sys.platform == "win32":
        return -1
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    end = time.monotonic() + HOLD_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.0005)
                continue
        except OSError:
            pass
        return file
