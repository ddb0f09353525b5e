"""A day on one repository: two agents and a person edit in turns, commit, rebase and squash; then `ael blame` is asked.

The real hook, the real worker, a real repository; only the agents are simulated.
"""

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ael_otel.attribution.agent_trace import problems
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.trace_mirror import TraceMirror
from ael_otel.cli import cli
from ael_otel.config import Settings
from ael_otel.runtime.session_worker import Worker
from ael_otel.sessions.hook_files import write_hook_settings
from ael_otel.sessions.spool import Spool
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.process.hook.test_process import run
from tests.support.git_repository import Repository
from tests.support.needs import require
from tests.support.pages import command_lines

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "attribution.md"


class Day:
    """A person, two agents that report through the hook, and the worker behind it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.repository = Repository(folder / "work")
        self._calls = 0
        write_hook_settings(self.home, ())

    def agent(self, name: str, tool: str, path: str, *lines: str) -> None:
        """Let an agent write a file in one tool call, with events before and after it."""
        self._calls += 1
        file = self.repository.root / path
        given = {"file_path": str(file)} if tool == "Edit" else {"command": "make it so"}
        call: dict[str, object] = {
            "session_id": f"{name}-session",
            "cwd": str(self.repository.root),
            "permission_mode": "default",
            "tool_name": tool,
            "tool_input": given,
            "tool_use_id": f"call-{self._calls}",
        }
        if name == "codex":
            call |= {"turn_id": "t", "model": "gpt-5-codex", "transcript_path": None}
        self._hook(name, {"hook_event_name": "PreToolUse", **call})
        self.repository.write(path, *lines)
        self._hook(name, {"hook_event_name": "PostToolUse", "tool_response": {}, **call})

    def _hook(self, name: str, event: dict[str, object]) -> None:
        run(self.home, json.dumps(event).encode(), name)

    def worker(self) -> None:
        """Run the worker until its spool is empty."""
        store = SqliteStore(self.home / "telemetry.db")
        try:
            Worker(
                Spool(self.home),
                SessionTable(store),
                Settings(),
                None,
                ledger=Ledger(store),
                mirror=TraceMirror(self.home / "traces"),
            ).run(quiet_s=0.1)
        finally:
            store.close()

    def blame(self, path: str) -> dict[str, tuple[str, str | None]]:
        """Return contributor and agent of each line of a file, by its text without indentation."""
        store = self.home / "telemetry.db"
        done = CliRunner().invoke(
            cli, ["blame", str(self.repository.root / path), "--db", str(store), "--output", "json"]
        )
        assert done.exit_code == 0, done.stderr
        found = json.loads(done.stdout)["lines"]
        return {line["text"].strip(): (line["contributor"]["type"], line["agent"]) for line in found}


@pytest.fixture
def day(tmp_path: Path) -> Day:
    """An empty repository with hooks that take snapshots of it."""
    require("git")
    return Day(tmp_path)


def lines(author: str, topic: str, count: int = 3) -> list[str]:
    """Return lines that name who wrote them."""
    return [f"{topic}_{number}_of_{author} = compute_{topic}({number})" for number in range(count)]


def test_every_answer_is_right_or_unknown(day: Day) -> None:
    """After edits in turns, a rebase and a squash, nothing of the person is `ai` and nothing of an agent another's."""
    repository = day.repository
    person = lines("person", "setup", 5)
    repository.write("app.py", *person)
    repository.commit("start")
    repository.git("checkout", "--quiet", "-b", "feature")

    first = lines("claude-code", "parse")
    day.agent("claude-code", "Edit", "app.py", *person, *first)
    between = lines("person", "between")
    repository.write("app.py", *person, *first, *between)
    day.worker()
    repository.commit("first")

    second = lines("codex", "render")
    day.agent("codex", "Bash", "view.py", *second)
    third = lines("claude-code", "store")
    day.agent("claude-code", "Bash", "app.py", *person, *first, *between, *third)
    repository.commit("second")
    changed = f"{third[1]} + changed_by_person"
    repository.write("app.py", *person, *first, *between, third[0], changed, third[2])
    repository.commit("by hand")
    day.worker()

    fourth = lines("codex", "close")
    day.agent(
        "codex",
        "Edit",
        "app.py",
        *person[:2],
        *fourth,
        *person[2:],
        *first,
        *between,
        third[0],
        changed,
        third[2],
    )
    repository.commit("third")
    day.worker()

    repository.git("checkout", "--quiet", "main")
    repository.write("other.py", *lines("person", "other"))
    repository.commit("meanwhile", author="Grace")
    repository.git("checkout", "--quiet", "feature")
    repository.git("rebase", "--quiet", "main")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--squash", "feature")
    repository.commit("squashed")
    repository.git("mv", "app.py", "core.py")
    repository.commit("renamed")
    repository.git("branch", "--quiet", "-D", "feature")

    answers = day.blame("core.py") | day.blame("view.py") | day.blame("other.py")
    wrong: dict[str, tuple[str, str | None]] = {}
    missed: list[str] = []
    for text, (kind, agent) in answers.items():
        writer = next(
            (name for name in ("claude-code", "codex") if f"of_{name} " in text and "person" not in text),
            None,
        )
        if kind == "unknown":
            missed += [text] if writer is not None else []
        elif (kind, agent) != ("ai", writer):
            wrong[text] = kind, agent
    records = [json.loads(path.read_text()) for path in (day.home / "traces").glob("*/trace-*.json")]
    assert len(records) == 4
    assert [problem for record in records for problem in problems(record)] == []
    assert len(answers) == 23
    assert wrong == {}
    assert missed == []


def test_added_lines_are_grouped_by_the_author_of_their_commit(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the commit after the call that has the lines; those that no commit has are under `-`."""
    start = lines("person", "setup", 5)
    day.repository.write("app.py", *start)
    day.repository.commit("start")
    first, second, third = (
        lines("claude-code", topic, count) for topic, count in (("a", 3), ("b", 2), ("c", 4))
    )
    day.agent("claude-code", "Edit", "app.py", *start, *first)
    day.repository.commit("first", author="Grace")
    day.agent("claude-code", "Bash", "app.py", *start, *first, *second)
    day.repository.commit("second")
    day.agent("claude-code", "Bash", "app.py", *start, *first, *second, *third)
    day.worker()
    monkeypatch.chdir(day.repository.root)
    arguments = ["attribution", "stats", "--by", "author", "--output", "json"]
    done = CliRunner().invoke(cli, [*arguments, "--db", str(day.home / "telemetry.db")])
    assert done.exit_code == 0, done.stderr
    added = {row["name"]: row["added"] for row in json.loads(done.stdout)["rows"]}
    assert added == {"Grace": {"ai": 3}, "Ada": {"ai": 2}, "-": {"ai": 4}}


def test_commands_of_the_page_answer(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command line of the page on attribution ends well in a repository where an agent has edited its file."""
    person = lines("person", "setup", 10)
    day.repository.write("src/app.ts", *person)
    day.repository.commit("start")
    day.agent("claude-code", "Edit", "src/app.ts", *person, *lines("claude-code", "parse", 12))
    day.worker()
    monkeypatch.chdir(day.repository.root)
    monkeypatch.setenv("AEL_TELEMETRY_DB", str(day.home / "telemetry.db"))
    answers = {}
    for line in command_lines(PAGE):
        done = CliRunner().invoke(cli, shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.stderr)
        answers[line] = done.output
    assert all("claude-code" in answer for line, answer in answers.items() if " export " not in line), answers
    record = json.loads((day.repository.root / "traces.jsonl").read_text("utf-8").splitlines()[0])
    assert problems(record) == []
