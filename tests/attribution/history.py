"""Random histories of a real Git repository in which the author of each line is known by construction.

Each line that counts holds a token of its own, and whoever writes a token first is its author: whatever Git, a
formatter or a move does with the line later, the truth is read off the token. Lines that several authors may write
(`}`, empty ones) are in the files as well, and are counted apart.
"""

import os
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import ael_snapshot
from ael_otel.attribution.changes import change_id
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.lines import Hashes, lines_of
from ael_otel.attribution.observations import seen_workspaces
from ael_otel.attribution.windows import Attributor
from ael_otel.store.sqlite import SqliteStore

START: Final = 1_800_000_000 * 10**9
PATIENCE_S: Final = 60.0
"""Deadline of a snapshot: one that a busy machine leaves incomplete proves nothing about the authors of lines."""

COMMON: Final = ("}", "", "return None", "    pass", "end", "else:")
WORDS: Final = ("alpha", "beta", "gamma", "delta", "omega", "总计", "変数", "größe", "sum", "left", "right")

OTHER: Final = "other"
OVERLAP: Final = "overlap"
CRASH: Final = "crash"


class History:
    """One history.

    Args:
        seed: makes it the same each time.
        folder: an empty folder.
        kinds: what happens besides edits: names of `_KINDS`.
    """

    def __init__(self, seed: int, folder: Path, kinds: tuple[str, ...] = ()) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a history, not a secret
        self.kinds = kinds
        self.home = folder / "home"
        self.root = folder / "repository"
        self.home.mkdir()
        self.root.mkdir()
        self.now = START
        self.truth: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self.lost: Counter[str] = Counter()
        self.calls = 0
        self.tokens = 0
        self.happened: Counter[str] = Counter()
        self.store = SqliteStore(folder / "telemetry.db")
        self.ledger = Ledger(self.store)
        self.attributor = Attributor(self.ledger)
        self.crlf = self.random.random() < 0.2
        self.git("init", "-q", "-b", "main")
        for name in ("a.py", "b.py", "lib/c.js"):
            self.write(name, self.block(OTHER, self.random.randrange(5, 60)))
        if "large" in kinds:
            self.write("large.py", self.block(OTHER, 10_000))
        self.write_bytes("logo.bin", bytes(self.random.randrange(256) for _ in range(200)) + b"\0")
        self.commit("start")

    # --- the repository -----------------------------------------------------------------------------------------------

    def git(self, *words: str, check: bool = True) -> str:
        """Run Git at the present of the history."""
        self.now += 2 * 10**9
        stamp = f"{self.now // 10**9} +0000"
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_AUTHOR_DATE": stamp,
            "GIT_COMMITTER_DATE": stamp,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            **{
                f"GIT_{who}_{what}": f"{who}@b.example"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        done = subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "core.autocrlf=false", *words],
            cwd=self.root, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"git {words}: {done.stdout}{done.stderr}")
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def files(self) -> list[str]:
        """The text files of the worktree."""
        found = [each.relative_to(self.root) for each in self.root.rglob("*") if each.is_file()]
        return sorted(str(each) for each in found if each.parts[0] != ".git" and each.suffix != ".bin")

    def read(self, name: str) -> list[str]:
        """The lines of a file."""
        return lines_of((self.root / name).read_bytes()) or []

    def write(self, name: str, lines: list[str]) -> None:
        """Write a file anew, so that its number changes."""
        end = "\r\n" if self.crlf else "\n"
        self.write_bytes(name, "".join(line + end for line in lines).encode())

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file anew."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + "~")
        temporary.write_bytes(data)
        temporary.replace(path)

    # --- lines --------------------------------------------------------------------------------------------------------

    def line(self, author: str) -> str:
        """A line that only this author has written, or now and then one that anybody may have."""
        if self.random.random() < 0.15:
            return self.random.choice(COMMON)
        self.tokens += 1
        token = f"tok{self.tokens}x"
        self.truth[token] = author
        word, other = self.random.choice(WORDS), self.random.choice(WORDS)
        indent = "    " * self.random.randrange(3)
        line = f"{indent}{word}_{token} = {other}('{self.random.randrange(10**6)}', {word})"
        self.written[token] = line
        return line

    def block(self, author: str, lines: int) -> list[str]:
        """Some lines of an author."""
        return [self.line(author) for _ in range(lines)]

    def edit(self, author: str, name: str | None = None) -> None:
        """Insert, replace and delete lines of a file."""
        names = self.files()
        name = name or self.random.choice(names)
        lines = self.read(name) if name in names else []
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(lines) + 1)
            gone = self.random.choice((0, 0, 1, 2, 5))
            new = self.block(author, self.random.choice((0, 1, 1, 2, 4, 9)))
            lines[at : at + gone] = new
        self.write(name, lines)

    def reindent(self, name: str) -> None:
        """Indent a stretch of a file, as a formatter does."""
        lines = self.read(name)
        low = self.random.randrange(len(lines) + 1)
        self.write(
            name, [f"    {line}" if low <= at < low + 12 and line else line for at, line in enumerate(lines)]
        )

    def reflow(self, name: str) -> None:
        """Break lines that are long, as a formatter does."""
        broken: list[str] = []
        for line in self.read(name):
            if "', " in line and self.random.random() < 0.3:
                head, tail = line.split("', ", 1)
                broken += [f"{head}',", f"        {tail}"]
            else:
                broken.append(line)
        self.write(name, broken)

    def move(self) -> None:
        """Move a block of five lines or more to another place or file."""
        source = self.random.choice(self.files())
        lines = self.read(source)
        if len(lines) < 12:
            return
        at, size = self.random.randrange(len(lines) - 8), self.random.randrange(5, 9)
        block = lines[at : at + size]
        rest = lines[:at] + lines[at + size :]
        target = self.random.choice(self.files())
        there = rest if target == source else self.read(target)
        place = self.random.randrange(len(there) + 1)
        self.write(source, rest)
        self.write(target, there[:place] + block + there[place:])

    def rename(self) -> None:
        """Rename a file."""
        source = self.random.choice(self.files())
        target = self.root / f"moved/{self.random.randrange(10**6)}.py"
        target.parent.mkdir(exist_ok=True)
        (self.root / source).rename(target)

    def delete(self) -> None:
        """Delete a file."""
        names = self.files()
        if len(names) > 3:
            (self.root / self.random.choice(names)).unlink()

    # --- calls of agents ----------------------------------------------------------------------------------------------

    def look(
        self, phase: str, call: str, paths: list[str], agent: str = "claude-code", tool: str = "Bash"
    ) -> None:
        """Do what `ael-hook` does around a call."""
        self.now += 10**9
        events = {"before": "PreToolUse", "after": "PostToolUse", "end": "Stop"}
        record: dict[str, Any] = {
            "agent": agent,
            "event": events[phase],
            "session": f"session of {agent}",
            "cwd": str(self.root),
            "tool": tool,
            "paths": [str(self.root / path) for path in paths],
            "model": f"model of {agent}",
        }
        if phase != "end":
            record["call"] = call
        scope = "files" if paths else "all"
        ael_snapshot.take(
            str(self.home), record, phase, scope, lambda _path: False, self.now, lambda: self.now, PATIENCE_S
        )
        self.now += 10**9

    def call(self, work: Callable[[str], None], paths: list[str] | None = None) -> None:
        """Do something in a tool call."""
        self.calls += 1
        call = f"call-{self.calls}"
        self.look("before", call, paths or [])
        work(call)
        self.look("after", call, paths or [])

    def attribute(self) -> None:
        """Do what the worker does."""
        self.now += 10**9
        for seen in seen_workspaces(self.home):
            self.attributor.work(seen, self.now // 1000)

    # --- what happens -------------------------------------------------------------------------------------------------

    def agent_writes(self) -> None:
        """A tool that names its file, also a new one."""
        name = self.random.choice([*self.files(), f"new/{self.random.randrange(10**6)}.py"])
        self.call(lambda call: self.edit(call, name), [name])

    def agent_runs(self) -> None:
        """A command that writes files, and sometimes commits them."""

        def work(call: str) -> None:
            for _ in range(self.random.randrange(1, 4)):
                self.edit(call)
            if self.random.random() < 0.3:
                self.commit(f"by {call}")

        self.call(work)

    def other_edits(self) -> None:
        """Somebody, of whom nothing is recorded."""
        self.edit(OTHER)

    def agent_moves(self) -> None:
        """A block, a renamed or a deleted file, inside a call."""
        work = self.random.choice((self.move, self.rename, self.delete))
        self.call(lambda _call: work())

    def other_moves(self) -> None:
        """A renamed or a deleted file, outside any call."""
        self.random.choice((self.rename, self.delete))()

    def commits(self) -> None:
        """A commit, sometimes an amended one."""
        self.commit("by hand")
        if self.random.random() < 0.3:
            self.edit(OTHER)
            self.git("add", "-A")
            self.git("commit", "-q", "--amend", "--allow-empty", "-m", "amended")

    def branch(self) -> None:
        """Work on a branch that is merged, squashed, rebased or picked, outside calls or by a call."""
        self.commit("before the branch")
        name = f"feature-{self.now}"
        self.git("checkout", "-q", "-b", name)
        for _ in range(self.random.randrange(1, 4)):
            self.random.choice((self.agent_writes, self.agent_runs, self.other_edits))()
            self.attribute()
            self.commit("on the branch")
        self.git("checkout", "-q", "main")
        if self.random.random() < 0.6:
            self.random.choice((self.agent_writes, self.other_edits))()
            self.attribute()
            self.commit("on main")
        how = self.random.choice(("merge", "squash", "rebase", "pick"))
        self.happened[how] += 1
        if self.random.random() < 0.4:
            self.call(lambda _call: self.bring(how, name))
        else:
            self.bring(how, name)

    def bring(self, how: str, name: str) -> None:
        """Bring a branch to main; conflicts are resolved by one of the sides."""
        side = self.random.choice(("ours", "theirs"))
        if how == "merge":
            self.git("merge", "-q", "-X", side, "-m", "merged", name, check=False)
        elif how == "squash":
            self.git("merge", "-q", "-X", side, "--squash", name, check=False)
        elif how == "rebase":
            self.git("checkout", "-q", name)
            self.git("rebase", "-q", "-X", side, "main", check=False)
            if (self.root / ".git/rebase-merge").exists():
                self.git("rebase", "--abort", check=False)
            self.git("checkout", "-q", "main")
            self.git("merge", "-q", "-X", side, "-m", "merged", name, check=False)
        else:
            self.git("cherry-pick", "-X", side, f"main..{name}", check=False)
        self.settle()

    def settle(self) -> None:
        """End what Git has left open, with the side of main."""
        if self.git("ls-files", "-u"):
            self.happened["conflict"] += 1
            self.git("checkout", "-q", "--ours", "--", ".", check=False)
        self.git("add", "-A")
        self.git("cherry-pick", "--quit", check=False)
        self.git("commit", "-q", "--allow-empty", "-m", "settled", check=False)

    def formats(self) -> None:
        """A formatter, inside or outside a call."""
        name = self.random.choice(self.files())
        work = self.random.choice((self.reindent, self.reflow))
        if self.random.random() < 0.5:
            self.call(lambda _call: work(name))
        else:
            work(name)

    def overlaps(self) -> None:
        """Two agents whose calls overlap: what was written while both ran is of both."""
        self.calls += 2
        one, other = f"call-{self.calls - 1}", f"call-{self.calls}"
        self.look("before", one, [])
        self.edit(one)
        self.look("before", other, [], "codex")
        self.edit(OVERLAP)
        self.look("after", one, [])
        self.edit(other)
        self.look("after", other, [], "codex")

    def crashes(self) -> None:
        """A call whose end is never reported."""
        self.calls += 1
        self.look("before", f"call-{self.calls}", [])
        self.edit(CRASH)
        self.look("end", "", [])

    def play(self, steps: int = 10) -> None:
        """Let things happen."""
        usual = [self.agent_writes] * 4 + [self.agent_runs] * 4 + [self.other_edits] * 4
        usual += [
            self.agent_moves,
            self.agent_moves,
            self.other_moves,
            self.commits,
            self.commits,
            self.branch,
        ]
        more = {"format": self.formats, "overlap": self.overlaps, "crash": self.crashes}
        usual += [more[kind] for kind in self.kinds if kind in more] * 4
        for _ in range(steps):
            step = self.random.choice(usual)
            self.happened[step.__name__] += 1
            step()
            if self.random.random() < 0.7:
                self.attribute()
        self.attribute()

    # --- the truth ----------------------------------------------------------------------------------------------------

    def form(self, line: str, token: str) -> str:
        """Return what has happened to a line since it was written."""
        before = self.written[token]
        if line == before:
            return "as it was written"
        return "indented" if line.strip() == before.strip() else "broken differently"

    def judged(self) -> Counter[tuple[str, str]]:
        """Count the lines of the worktree by their true author and the one that is attributed.

        Both are `ai`, `mixed` or `unknown`; `wrong` is a call that did not write the line.
        """
        found: Counter[tuple[str, str]] = Counter()
        repository = str((self.root / ".git").resolve())
        keys = {
            change_id(f"{agent}:session of {agent}:call-{number}"): f"call-{number}"
            for agent in ("claude-code", "codex")
            for number in range(1, self.calls + 1)
        }
        for name in self.files():
            lines = self.read(name)
            authors = self.ledger.authors(repository, name, Hashes.of(lines))
            for line, author in zip(lines, authors, strict=True):
                who = "unknown" if not author else "mixed" if len(author) > 1 else keys[author[0]]
                token = next(
                    (word for word in line.replace("_", " ").split() if word.startswith("tok")), None
                )
                truth = "common" if token is None else self.truth[token]
                attributed = (
                    who if who in {"unknown", "mixed"} else "ai" if truth in {who, "common"} else "wrong"
                )
                known = {OTHER: "unknown", OVERLAP: "mixed", CRASH: "unknown"}
                by = "common" if token is None else known.get(truth, "ai")
                found[by, attributed] += 1
                if token is not None and (by, attributed) == ("ai", "unknown"):
                    self.lost[self.form(line, token)] += 1
        return found
