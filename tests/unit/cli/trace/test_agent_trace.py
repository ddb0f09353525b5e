"""Changes of the ledger in `ael trace export --format agent-trace`, `trace show` and `session show`."""

import json

import pytest
from click.testing import CliRunner

from ael_otel.attribution.agent_trace import problems
from ael_otel.attribution.changes import Change, FileChange, LineRange
from ael_otel.attribution.ledger import Ledger
from ael_otel.cli import cli
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.session import Limits
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.unit.cli.trace.runs import NOON, ael, runs

ADA, BOB, *_ = runs()
NOON_US = int(NOON.timestamp() * 1e6)
LINES = LineRange(start=1, end=2, content_hash="sha256:" + "0" * 64)


def change(key, at_s, **more):
    """A change of one file, some seconds after noon."""
    return Change(
        key=key,
        contributor="ai",
        source="hook",
        at_us=NOON_US + at_s * 10**6,
        started_us=NOON_US,
        repository="/w/.git",
        workspace="/w",
        files=[FileChange(path="src/app.py", ranges=[LINES])],
        **more,
    )


@pytest.fixture
def ledger(place):
    """The store of the folder, with changes of a session and of two runs."""
    store = SqliteStore(place / ".ael" / "telemetry.db")
    SessionTable(store, Limits(), exports=False).add(
        [SessionEvent(session_id="s-0001", agent="codex", kind="session.start", at_us=NOON_US, key="k")]
    )
    Ledger(store).record_all(
        [
            change("one", 1, session_id="s-0001", agent="codex", tool="apply_patch"),
            change("two", 2, execution_id=ADA.execution_id, tool="write_file"),
            change("three", 3, execution_id=BOB.execution_id),
        ]
    )
    store.close()
    return place


def keys(*arguments):
    """Return the keys of the changes in an export; each record of it is valid."""
    done = ael("export", *arguments, "--format", "agent-trace")
    assert done.exit_code == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [problem for record in records for problem in problems(record)] == []
    return [record["metadata"]["dev.ael"]["key"] for record in records]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--all"], ["three", "two", "one"]),
        (["--all", "--session", "s-0001"], ["one"]),
        (["--all", "--tool", "write_file"], ["two"]),
        (["--all", "--since", "2026-11-20T12:00:02Z", "--until", "2026-11-20T12:00:03Z"], ["two"]),
        (["--all", "--status", "failed"], []),
        (["--all", "--workflow", "mixed"], ["three", "two"]),
        (["a0f6"], ["two"]),
        (["a0f6", "b1e2", "a0f6"], ["two", "three"]),
        (["s-00"], ["one"]),
    ],
)
def test_ids_and_filters_choose_changes(ledger, arguments, expected):
    """Of runs, of sessions, and of both; one line a record."""
    assert keys(*arguments) == expected


def test_id_that_names_nothing_is_not_found(ledger):
    """Exit code 3, as for runs."""
    done = ael("export", "zzz", "--format", "agent-trace")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "begins with 'zzz'" in done.stderr


def test_export_without_changes_says_so_beside_an_empty_file(ledger):
    """A run that wrote nothing: stdout is empty and valid, stderr says why; with changes stderr is silent."""
    quiet = ael("export", runs()[2].execution_id, "--format", "agent-trace")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    assert "No changes of files are recorded" in quiet.stderr
    assert ael("export", "a0f6", "--format", "agent-trace").stderr == ""


def test_records_cannot_be_sent(ledger):
    """Exit code 2: a server takes spans."""
    done = ael("export", "--all", "--format", "agent-trace", "--endpoint", "http://localhost:4318")
    assert done.exit_code == 2


def test_run_shows_the_lines_that_its_calls_wrote(ledger):
    """With `--attribution`, in the terminal and in JSON; without changes it says that there are none."""
    attribution = json.loads(ael("show", "a0f6", "--attribution", "--output", "json").stdout)["attribution"]
    assert attribution["line_ranges"] == "recorded"
    (written,) = attribution["written"]
    assert (written["path"], written["change_type"], written["tool"]) == (
        "src/app.py",
        "modified",
        "write_file",
    )
    assert written["ranges"] == [{"start": 1, "end": 2}]
    shown = ael("show", "a0f6", "--attribution").stdout
    assert "1-2" in shown
    assert "Line ranges are not recorded" not in shown
    other = ael("show", "c3d45e60", "--attribution", "--output", "json")
    assert json.loads(other.stdout)["attribution"]["written"] == []


def test_session_shows_the_lines_that_its_calls_wrote(ledger):
    """In the terminal below the tree, and in JSON."""
    done = CliRunner().invoke(cli, ["session", "show", "s-0001", "--output", "json"])
    (written,) = json.loads(done.stdout)["written"]
    assert (written["path"], written["contributor"], written["tool"]) == ("src/app.py", "ai", "apply_patch")
    assert "src/app.py" in CliRunner().invoke(cli, ["session", "show", "s-0001"]).stdout
