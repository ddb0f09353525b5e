"""`ael session`: output of stored sessions for a terminal, a pipe and a script."""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ael_otel.cli import cli
from ael_otel.sessions.events import SessionEvent, trace_id_of
from ael_otel.sessions.table import SessionTable
from ael_otel.store import ExecutionRecord
from ael_otel.store.sqlite import SqliteStore
from ael_otel.store.times import from_us
from tests.unit.sessions.test_session import T0, call, event

type Ael = Callable[..., Result]


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SqliteStore, SqliteStore]]:
    """The store of an engine in the working directory, and this user's store of hooks, in another folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEL_HOME", str(tmp_path / "home" / ".ael"))
    for name in ("AEL_TELEMETRY_DB", "AEL_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    engine = SqliteStore(tmp_path / "work" / ".ael" / "telemetry.db")
    user = SqliteStore(tmp_path / "home" / ".ael" / "telemetry.db")
    yield engine, user
    engine.close()
    user.close()


@pytest.fixture
def ael(stores: tuple[SqliteStore, SqliteStore]) -> Ael:
    """Run `ael session` with a session of a hook, and a session of an engine's client with a run."""
    engine, user = stores
    SessionTable(user).add(
        [
            event("session.start", 0, workspace="/w", agent_version="2.1", source="startup"),
            event("turn.start", 1),
            *call(1, 2, 3),
            *call(2, 6, 1, "error"),
            event("turn.end", 8),
            event("turn.start", 100),
            event("decision", 101, about="permission", decision="deny"),
            event("turn.end", 102),
            event("session.end", 103, reason="logout"),
        ]
    )
    client = SessionEvent(
        session_id="c-9", agent="inspector", kind="session.start", at_us=T0 + 10**9, key="k"
    )
    SessionTable(engine).add([client])
    run = ExecutionRecord("exec-77", "workflow", "completed", from_us(T0), metadata={"session_id": "s-1"})
    engine.put([run])

    def invoke(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, ["session", *arguments], **options)

    return invoke


@pytest.fixture
def folder_of_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_list_has_the_sessions_of_both_stores(ael: Ael) -> None:
    """Newest first, of hooks and of the engine's clients; filters choose."""
    rows = json.loads(ael("list", "--output", "json").stdout)
    assert [(row["session_id"], row["agent"]) for row in rows] == [
        ("c-9", "inspector"),
        ("s-1", "claude-code"),
    ]
    table = ael("list").stdout
    assert "claude-code" in table
    assert "inspector" in table
    assert len(ael("list", "--agent", "claude-code", "--output", "jsonl").stdout.splitlines()) == 1
    nothing = ael("list", "--status", "abandoned")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "No sessions match.\n")


def test_show_draws_turns_calls_decisions_and_runs(ael: Ael) -> None:
    """A person reads what happened, and what the agent does not report."""
    shown = ael("show", "s-1").stdout
    for text in (
        "turn 1",
        "turn 2",
        "Bash  error",
        "permission  deny",
        "waiting for a person",
        "runs: exec-77",
    ):
        assert text in shown, text
    assert "model not reported in this session" in shown
    document = json.loads(ael("show", "s-", "--output", "json").stdout)
    assert [entry["kind"] for entry in document["entries"]] == [
        "turn",
        "call",
        "call",
        "idle",
        "turn",
        "decision",
    ]
    assert document["runs"] == ["exec-77"]


def test_web_writes_a_page_of_the_session_and_of_its_runs(ael: Ael, folder_of_pages: Path) -> None:
    """It has the tree and what is unknown, links to the page of the run beside it, and only its owner reads it."""
    shown = ael("show", "s-1", "--web", "--no-open")
    assert shown.exit_code == 0, shown.output
    path = Path(shown.stdout.strip())
    page = path.read_text("utf-8")
    for text in (
        "turn 1",
        "turn 2",
        "Bash",
        "permission",
        "waiting for a person",
        "no event of this session names it",
    ):
        assert text in page, text
    (name,) = re.findall(r'<a href="([^"]+)">exec-77</a>', page)
    assert "<code>exec-77</code>" in (path.parent / name).read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.parent.parent == folder_of_pages
    assert ael("show", "s-1", "--web", "--output", "json").exit_code == 2


def test_page_is_deleted_with_its_session(ael: Ael, folder_of_pages: Path) -> None:
    """Deleting removes the page of the session, not those of its runs."""
    path = Path(ael("show", "s-1", "--web", "--no-open").stdout.strip())
    assert len(list(folder_of_pages.rglob("*.html"))) == 2
    assert ael("delete", "s-1", "--yes").exit_code == 0
    assert not path.exists()
    assert len(list(folder_of_pages.rglob("*.html"))) == 1


def test_page_of_yesterday_is_removed(ael: Ael, folder_of_pages: Path) -> None:
    """The next verb removes it."""
    path = Path(ael("show", "s-1", "--web", "--no-open").stdout.strip())
    for page in path.parent.iterdir():
        os.utime(page, (0, 0))
    ael("list")
    assert list(folder_of_pages.rglob("*.html")) == []


def test_unknown_session_is_an_error_with_exit_code_3(ael: Ael) -> None:
    """The message names the verb that lists sessions."""
    result = ael("show", "nobody")
    assert result.exit_code == 3
    assert "ael session list" in result.stderr


def test_export_writes_lines_or_spans(ael: Ael) -> None:
    """JSON lines hold session and tree; OTLP holds one trace."""
    lines = [json.loads(line) for line in ael("export").stdout.splitlines()]
    assert [line["record"]["session_id"] for line in lines] == ["c-9", "s-1"]
    (document,) = [json.loads(line) for line in ael("export", "s-1", "--output", "otlp").stdout.splitlines()]
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert sorted(span["name"] for span in spans) == sorted(
        ["session", "turn", "turn", "tool.execute", "tool.execute", "enforcement.idle", "decision"]
    )
    assert len({span["traceId"] for span in spans}) == 1
    assert ael("export", "s-1", "--agent", "x").exit_code == 2


def test_delete_asks_and_leaves_runs(ael: Ael) -> None:
    """Only the session goes; without a yes nothing does."""
    assert ael("delete", "s-1", input="n\n").exit_code != 0
    assert "Deleted 1 session" in ael("delete", "s-1", "--yes").stdout
    assert ael("show", "s-1").exit_code == 3
    assert "exec-77" in CliRunner().invoke(cli, ["trace", "list", "--output", "json"]).stdout


def test_sessions_of_two_agents_with_one_id_are_distinguished(
    ael: Ael, stores: tuple[SqliteStore, SqliteStore]
) -> None:
    """An export has both; either is shown by its trace id, which the message names."""
    other = SessionEvent(session_id="s-1", agent="codex", kind="session.start", at_us=T0, key="k")
    SessionTable(stores[1]).add([other])
    lines = [json.loads(line)["record"] for line in ael("export").stdout.splitlines()]
    assert sorted(each["agent"] for each in lines) == ["claude-code", "codex", "inspector"]
    trace_id = next(each["trace_id"] for each in lines if each["agent"] == "codex")
    refused = ael("show", "s-1")
    assert refused.exit_code == 2
    assert (
        f"write a trace id: {trace_id} (codex)" in refused.stderr or f", {trace_id} (codex)" in refused.stderr
    )
    assert json.loads(ael("show", trace_id, "--output", "json").stdout)["agent"] == "codex"


def test_runs_of_two_agents_with_one_session_id_are_distinguished(
    ael: Ael, stores: tuple[SqliteStore, SqliteStore]
) -> None:
    """Each run is the session's whose agent called it; one whose caller is no agent of them is listed with both."""
    engine, user = stores
    other = SessionEvent(session_id="s-1", agent="codex", kind="session.start", at_us=T0, key="k")
    SessionTable(user).add([other])
    engine.put(
        [
            ExecutionRecord(
                f"exec-{caller}",
                "workflow",
                "completed",
                from_us(T0 + 1),
                caller_id=caller,
                metadata={"session_id": "s-1"},
            )
            for caller in ("codex", "claude-code", "ael-run")
        ]
    )
    for agent, theirs in (("codex", "claude-code"), ("claude-code", "codex")):
        shown = json.loads(ael("show", trace_id_of(agent, "s-1"), "--output", "json").stdout)
        assert shown["agent"] == agent
        assert sorted(shown["runs"]) == sorted(["exec-77", f"exec-{agent}", "exec-ael-run"])
        assert f"exec-{theirs}" not in ael("show", trace_id_of(agent, "s-1")).stdout


def test_latest_session_that_two_stores_have_is_read_where_its_later_event_is(
    ael: Ael, stores: tuple[SqliteStore, SqliteStore]
) -> None:
    """Whichever store is searched first."""
    engine, user = stores
    begun = [
        SessionEvent(session_id="n-1", agent="codex", kind=kind, at_us=T0 + 2 * 10**9 + at, key=str(at))
        for at, kind in ((0, "session.start"), (1, "session.end"))
    ]
    for short, long in ((engine, user), (user, engine)):
        for store in (engine, user):
            SessionTable(store).delete(SessionTable(store).find("n-1"))
        SessionTable(short).add(begun[:1])
        SessionTable(long).add(begun)
        assert json.loads(ael("show", "--output", "json").stdout)["status"] == "ended"


def test_session_that_two_stores_have_is_shown_once_and_deleted_from_both(
    ael: Ael, stores: tuple[SqliteStore, SqliteStore]
) -> None:
    """It is read where its later event is, and is not there again once it is deleted."""
    engine, user = stores
    (record,) = SessionTable(user).find("s-1")
    SessionTable(engine).add(SessionTable(user).events(record)[:3])
    listed = [json.loads(line)["session_id"] for line in ael("list", "--output", "jsonl").stdout.splitlines()]
    assert listed == ["c-9", "s-1"]
    assert json.loads(ael("show", "s-1", "--output", "json").stdout)["status"] == "ended"
    assert "Deleted 1 session." in ael("delete", "s-1", "--yes").stdout
    assert ael("show", "s-1").exit_code == 3


class Clock:
    """Time that passes in sleep alone; `then` happens in the first."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.slept: list[float] = []
        self._then = then

    def monotonic(self) -> float:
        """Return the seconds that were slept."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if not self.slept:
            self._then()
        self.slept.append(seconds)


def test_tail_shows_runs_that_end_from_now_on(
    ael: Ael, stores: tuple[SqliteStore, SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that end while it looks are shown once, earlier ones are not."""
    from ael_otel.cli.session import tail
    from ael_otel.store.owner import now_us

    table = SessionTable(stores[1])
    now = now_us()

    def live(kind: Any, key: str, **fields: Any) -> SessionEvent:
        return SessionEvent(session_id="live", agent="codex", kind=kind, at_us=now, key=key, **fields)

    table.add(
        [
            live("tool.execute.before", "a", call_id="1", tool="Old"),
            live("tool.execute.after", "b", call_id="1"),
        ]
    )
    clock = Clock(
        lambda: table.add([live("tool.execute.after", "c", call_id="2", tool="New", outcome="success")])
    )
    monkeypatch.setattr(tail, "time", clock)
    lines = ael("tail", "--seconds", "1", "--interval", "0.3", "--output", "jsonl").stdout.splitlines()
    assert [json.loads(line)["entry"]["name"] for line in lines] == ["New"]
    assert clock.slept == pytest.approx([0.3, 0.3, 0.3, 0.1])


def test_no_store_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 and a message, and no store is made by looking."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEL_HOME", str(tmp_path / "home" / ".ael"))
    monkeypatch.delenv("AEL_TELEMETRY_DB", raising=False)
    looked = CliRunner().invoke(cli, ["session", "list"])
    assert looked.exit_code == 3
    assert "ael hooks install" in looked.stderr
    assert list(tmp_path.rglob("*.db")) == []


def test_store_that_the_users_configuration_names_is_read(
    ael: Ael, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stores sessions there, so `ael session` looks there too."""
    named = tmp_path / "elsewhere.db"
    home = tmp_path / "agents"
    home.mkdir()
    monkeypatch.setenv("AEL_HOME", str(home))
    (home / "config.yaml").write_text(f"telemetry:\n  store: {{path: {named}}}\n", "utf-8")
    store = SqliteStore(named)
    SessionTable(store).add(
        [SessionEvent(session_id="e-1", agent="codex", kind="session.start", at_us=T0, key="k")]
    )
    store.close()
    rows = json.loads(ael("list", "--output", "json").stdout)
    assert {row["session_id"] for row in rows} == {"c-9", "e-1"}
