"""`ael blame` and `ael attribution stats` on a real repository, with changes in the ledger of the store."""

import json
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ael_otel.attribution.changes import Change, FileChange, LineRange
from ael_otel.attribution.history import History
from ael_otel.attribution.ledger import Ledger, Version
from ael_otel.attribution.lines import range_hash
from ael_otel.cli import cli
from ael_otel.cli.attribution.stats import command as stats
from ael_otel.cli.blame import command as blame
from ael_otel.store.sqlite import SqliteStore
from tests.support.git_repository import Repository
from tests.support.needs import require

BY_PERSON = ["def first_of_a_person():", "    return 'person'"]
BY_AI = ["def second_of_an_agent(value):", "    return value * 42"]
BY_BOTH = ["def third_of_two_agents(value):", "    return value * 43"]
AT_US = 1_790_000_000_000_000


def ael(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with lines of a person, of one agent, and of two at once; the store is in it."""
    require("git")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "140")
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH", "AEL_TELEMETRY_DB", "AEL_HOME", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    made = Repository(tmp_path / "work")
    monkeypatch.chdir(made.root)
    made.write(".gitignore", ".ael/")
    made.write("src/app.py", *BY_PERSON)
    made.commit("start", author="Grace")
    made.write("src/app.py", *BY_PERSON, *BY_AI, *BY_BOTH)
    made.commit("more")
    history = History.around(made.root)
    assert history is not None

    def change(key: str, session: str, agent: str, start: int, lines: list[str]) -> Change:
        return Change(
            key=key,
            contributor="ai",
            source="hook",
            at_us=AT_US,
            started_us=AT_US,
            repository=str(history.folder),
            workspace=str(made.root),
            agent=agent,
            session_id=session,
            call_id=f"call-{key}",
            tool="Edit",
            model_id="claude-opus-4-5" if agent == "claude-code" else None,
            trace_id="ab" * 16,
            files=[
                FileChange(
                    path="src/app.py",
                    ranges=[
                        LineRange(start=start, end=start + len(lines) - 1, content_hash=range_hash(lines))
                    ],
                )
            ],
        )

    one = change("one", "session-1", "claude-code", 3, BY_AI)
    two = change("two", "session-2", "codex", 5, BY_BOTH)
    store = SqliteStore(made.root / ".ael" / "telemetry.db")
    authors = [(), (), (one.id,), (one.id,), (one.id, two.id), (one.id, two.id)]
    Ledger(store).record_all(
        [one, two],
        [Version.of(str(history.folder), "src/app.py", AT_US, [*BY_PERSON, *BY_AI, *BY_BOTH], authors)],
    )
    store.close()
    return made


def lines_of(*arguments: str) -> list[dict]:
    """Return the lines that `ael blame` has as JSON."""
    done = ael("blame", "src/app.py", "--output", "json", *arguments)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["lines"]


def kinds(*arguments: str) -> str:
    """Return the contributor of each line by its first letter."""
    return "".join(line["contributor"]["type"][0] for line in lines_of(*arguments))


def test_each_line_has_its_contributor_session_and_call(repository: Repository) -> None:
    """Lines of one agent with its model, of two at once without a choice between them, and of an unknown author."""
    person, _, agent, _, both, _ = lines_of()
    assert person["contributor"] == {"type": "unknown"}
    assert (person["author"], person["session_id"], person["time"]) == ("Grace", None, None)
    assert agent["contributor"] == {"type": "ai", "model_id": "claude-opus-4-5"}
    assert {
        name: agent[name] for name in ("line", "agent", "session_id", "call_id", "trace_id", "commit")
    } == {
        "line": 3,
        "agent": "claude-code",
        "session_id": "session-1",
        "call_id": "call-one",
        "trace_id": "ab" * 16,
        "commit": repository.git("rev-parse", "HEAD"),
    }
    assert both["contributor"] == {"type": "mixed"}
    assert (both["session_id"], both["trace_id"]) == (None, "ab" * 16)
    assert [each["session_id"] for each in both["changes"]] == ["session-1", "session-2"]


def test_lines_after_a_persons_edit_keep_theirs(repository: Repository) -> None:
    """Lines that are not committed have no commit; those around them are found all the same, with CRLF too."""
    repository.write(
        "src/app.py",
        "import os_of_a_person",
        *BY_PERSON,
        *BY_AI,
        "edited_by_a_person = 1",
        *BY_BOTH[1:],
        end="\r\n",
    )
    assert kinds() == "uuuaaum"
    new = lines_of("-L", "1")
    assert [(line["line"], line["commit"], line["text"]) for line in new] == [
        (1, None, "import os_of_a_person")
    ]


def test_range_of_lines_and_revision(repository: Repository) -> None:
    """`-L` in each form, `--rev` of a revision before the agent's, and what is none."""
    assert kinds("-L", "2,3") == "ua"
    assert kinds("-L", "5,") == "mm"
    assert kinds("-L", ",3") == "uua"
    assert kinds("-L", "4,99") == "amm"
    assert kinds("--rev", "HEAD~1") == "uu"
    for arguments, code in (
        (["-L", "3,2"], 2),
        (["-L", "x"], 2),
        (["-L", "0"], 2),
        (["-L", "99"], 1),
        (["--rev", "-x"], 1),
    ):
        assert ael("blame", "src/app.py", *arguments).exit_code == code


def test_table_and_porcelain(repository: Repository) -> None:
    """A row a line for people; the format of Git with further headers for programs."""
    rows = ael("blame", "src/app.py").stdout.splitlines()
    assert rows[0].split()[:4] == ["line", "by", "agent", "session"]
    assert rows[3].split()[:5] == ["3", "ai", "claude-code", "session-1", "Edit"]
    assert "claude-code+codex" in rows[5]
    assert rows[4].endswith(f" {BY_AI[1]}"), "with its indentation"
    repository.write("wide.py", "    a  = 1\t# \x1b[31m")
    assert ael("blame", "wide.py").stdout.splitlines()[1].endswith("     a  = 1  # \ufffd[31m")
    blocks = ael("blame", "src/app.py", "--output", "porcelain").stdout.split("\t")
    head = repository.git("rev-parse", "HEAD")
    assert f"\n{head} 3 3 1\n" in blocks[2]
    assert "\nael-contributor ai\nael-agent claude-code\nael-model-id claude-opus-4-5\n" in blocks[2]


@pytest.mark.parametrize("rewrite", ["amend", "squash", "rebase", "rename", "indent"])
def test_history_that_is_rewritten_loses_no_author(repository: Repository, rewrite: str) -> None:
    """Lines are bound to their content, not to commits that are gone."""
    path = "src/app.py"
    if rewrite == "amend":
        repository.git("commit", "--quiet", "--amend", "-m", "other")
    elif rewrite == "squash":
        repository.git("reset", "--quiet", "--soft", "HEAD~1")
        repository.git("commit", "--quiet", "--amend", "-m", "squashed")
    elif rewrite == "rebase":
        repository.git("checkout", "--quiet", "-b", "side", "HEAD~1")
        repository.write("other.txt", "x")
        repository.commit("side")
        repository.git("checkout", "--quiet", "main")
        repository.git("rebase", "--quiet", "side")
    elif rewrite == "rename":
        path = "lib/core.py"
        (repository.root / "lib").mkdir()
        repository.git("mv", "src/app.py", path)
        repository.commit("moved")
    else:
        lines = [*BY_PERSON, *BY_AI, *BY_BOTH]
        repository.write("src/app.py", lines[0], *(f"    {line}" for line in lines[1:]))
    done = ael("blame", path, "--output", "json")
    found = [line["contributor"]["type"][0] for line in json.loads(done.stdout)["lines"]]
    assert "".join(found)[-6:] == "uuaamm"


def test_file_that_cannot_be_blamed_is_named(repository: Repository, tmp_path: Path) -> None:
    """Absent, binary, excluded: one line on stderr, exit code 1."""
    (repository.root / "data.bin").write_bytes(b"\0\1")
    (repository.root / ".env").write_text("KEY=1\n")
    (repository.root / "ael-config.yaml").write_text("telemetry:\n  privacy:\n    excluded_paths: [.env]\n")
    for arguments, reason in (
        (["none.py"], "none.py: does not exist in the work tree"),
        (["none.py", "--rev", "HEAD"], "none.py: does not exist in HEAD"),
        (["data.bin"], "cannot be read as text in the work tree"),
        (["src"], "cannot be read as text in the work tree"),
        (["src", "--rev", "HEAD"], "cannot be read as text in HEAD"),
        ([".env"], "excluded by the configuration"),
    ):
        done = ael("blame", *arguments, "-c", "ael-config.yaml")
        assert (done.exit_code, done.stdout) == (1, "")
        assert reason in done.stderr
    (tmp_path / "plain").mkdir()
    assert ael("blame", str(tmp_path / "plain" / "x.py"), "--rev", "HEAD").exit_code == 1


def test_shares_of_lines_now_and_added(repository: Repository) -> None:
    """All tracked files, in total and by agent, model, directory, day and Git's author."""
    repository.write("package-lock.json", "{}")
    repository.commit("lock")
    counted = json.loads(ael("attribution", "stats", "--output", "json").stdout)
    assert counted["total"] == {
        "name": "total",
        "now": {"ai": 2, "mixed": 2, "unknown": 3},
        "added": {"ai": 4},
    }
    assert (counted["files"], counted["rows"]) == (2, [])
    by = {}
    for name in ("agent", "model", "directory", "day", "author"):
        rows = json.loads(ael("attribution", "stats", "--by", name, "--output", "json").stdout)["rows"]
        by[name] = {row["name"]: row["now"] for row in rows if row["now"]}
    assert by["agent"] == {"-": {"unknown": 3}, "claude-code": {"ai": 2}, "claude-code+codex": {"mixed": 2}}
    assert by["model"] == {"-": {"unknown": 3}, "claude-opus-4-5": {"ai": 2, "mixed": 2}}
    assert by["directory"] == {"src": {"unknown": 2, "ai": 2, "mixed": 2}, ".": {"unknown": 1}}
    assert by["day"] == {"-": {"unknown": 3}, "2026-09-21": {"ai": 2, "mixed": 2}}
    assert by["author"] == {"Ada": {"ai": 2, "mixed": 2}, "Grace": {"unknown": 3}}
    late = json.loads(ael("attribution", "stats", "--since", "2026-10-01", "--output", "json").stdout)
    assert late["total"]["added"] == {}
    table = ael("attribution", "stats", "--by", "agent").stdout
    assert table.splitlines()[-1].split()[:6] == ["total", "7", "29%", "-", "29%", "43%"]


@pytest.mark.parametrize("command", [blame, stats], ids=["blame", "stats"])
def test_every_example_works(repository: Repository, command: click.Command) -> None:
    """Those of the help texts, in a repository that has the file which they name."""
    repository.write("src/app.ts", *(f"line_{number} = {number}" for number in range(20)))
    repository.commit("another")
    repository.git("commit", "--quiet", "--allow-empty", "-m", "empty")
    lines = (command.epilog or "").splitlines()[2:]
    assert len(lines) == 3
    for line in lines:
        done = ael(*shlex.split(line)[1:])
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout


@pytest.mark.parametrize("setting", ["textconv", "clean"])
def test_blame_executes_nothing_of_the_repository(
    repository: Repository, tmp_path: Path, setting: str
) -> None:
    """Neither for the work tree nor for a revision."""
    ran = tmp_path / "ran"
    repository.write(".gitattributes", "*.py diff=own filter=own")
    repository.git(
        "config", "diff.own.textconv" if setting == "textconv" else "filter.own.clean", f"touch {ran}; cat"
    )
    assert kinds() == "uuaamm"
    assert kinds("--rev", "HEAD") == "uuaamm"
    assert ael("attribution", "stats", "--by", "author").exit_code == 0
    assert not ran.exists()
