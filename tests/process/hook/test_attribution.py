"""From the hook's stdin to the author of a line: the real hook, the real worker, a real repository."""

import json
import subprocess
from pathlib import Path

from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.lines import Hashes
from ael_otel.config import Settings
from ael_otel.config.settings import Privacy
from ael_otel.runtime.session_outlets import Drops
from ael_otel.runtime.session_worker import Worker
from ael_otel.sessions.events import trace_id_of
from ael_otel.sessions.hook_files import write_hook_settings
from ael_otel.sessions.spool import Spool
from ael_otel.sessions.table import LINES, SessionTable, TotalKey
from ael_otel.store.sqlite import SqliteStore
from tests.process.hook.test_process import disk, run


def test_line_that_an_agent_wrote_is_attributed_to_its_call(tmp_path: Path) -> None:
    """With the model of the session; no snapshot is taken if attribution is off."""
    home, root = tmp_path / "home", tmp_path / "work"
    root.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    (root / "a.py").write_text("first = 1\n")
    write_hook_settings(home, ())

    def hook(event: str, **more: object) -> None:
        payload = {
            "session_id": "s-1",
            "hook_event_name": event,
            "cwd": str(root),
            "permission_mode": "default",
        }
        run(home, json.dumps({**payload, **more}).encode(), "claude-code")

    shell = {"tool_name": "Bash", "tool_input": {"command": "make it"}}
    hook("SessionStart", source="startup", model="claude-x")
    hook("PreToolUse", **shell, tool_use_id="t-1")
    (root / "a.py").write_text("first = 1\nline_of_the_agent = 2\n")
    hook("PostToolUse", **shell, tool_use_id="t-1", tool_response={})
    (root / "a.py").write_text("first = 1\nline_of_the_agent = 2\nline_of_somebody = 3\n")
    hook("PreToolUse", **shell, tool_use_id="t-2")
    hook("PostToolUse", **shell, tool_use_id="t-2", tool_response={})
    hook("PreToolUse", **shell, tool_use_id="t-3")
    hook("Stop")
    assert b"line_of_somebody" in disk(home)

    store = SqliteStore(home / "telemetry.db")
    ledger = Ledger(store)
    Worker(Spool(home), SessionTable(store), Settings(), ledger=ledger).run(quiet_s=0.5)
    lines = (root / "a.py").read_text().splitlines()
    authors = ledger.authors(str(root / ".git"), "a.py", Hashes.of(lines))
    (change,) = ledger.changes()
    assert authors == [(), (change.id,), None]
    assert (change.agent, change.model_id, change.session_id, change.call_id, change.tool) == (
        "claude-code",
        "claude-x",
        "s-1",
        "t-1",
        "Bash",
    )
    assert change.trace_id == trace_id_of("claude-code", "s-1")
    lines_counted = {key: value for key, value in SessionTable(store).totals().items() if key.name == LINES}
    assert lines_counted == {TotalKey(LINES, "claude-code", "ai"): 1}
    store.close()
    assert b"line_of" not in disk(home)

    write_hook_settings(home, (), attribution=False)
    before = sorted(home.rglob("*"))
    hook("PreToolUse", **shell, tool_use_id="t-4")
    assert not [path for path in set(home.rglob("*")) - set(before) if "snapshots" in path.parts]


def test_file_excluded_by_a_path_with_links_is_neither_read_nor_recorded(tmp_path: Path) -> None:
    """A pattern may lead through links, such as a home folder that is one; snapshots name files by their real path."""
    home, root, link = tmp_path / "home", tmp_path / "work", tmp_path / "link"
    (root / "private").mkdir(parents=True)
    link.symlink_to(root)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    excluded = (f"{link}/private/*", f"{link}/*.key")
    write_hook_settings(home, excluded)
    payload = {
        "session_id": "s-1",
        "cwd": str(link),
        "permission_mode": "default",
        "tool_name": "Bash",
        "tool_use_id": "t-1",
        "tool_input": {"command": "make it"},
    }
    run(home, json.dumps({**payload, "hook_event_name": "PreToolUse"}).encode(), "claude-code")
    for name in ("private/a.py", "b.key", "c.py"):
        (root / name).write_text(f"content_of_{name} = 1\n")
    run(home, json.dumps({**payload, "hook_event_name": "PostToolUse"}).encode(), "claude-code")
    assert [path.read_text() for path in home.rglob("pool/*")] == ["content_of_c.py = 1\n"]
    store = SqliteStore(home / "telemetry.db")
    ledger = Ledger(store)
    settings = Settings(privacy=Privacy(excluded_paths=excluded))
    Worker(Spool(home), SessionTable(store), settings, ledger=ledger).run(quiet_s=0.5)
    (change,) = ledger.changes()
    assert [each.path for each in change.files] == ["c.py"]
    store.close()


def test_look_that_the_worker_cannot_read_is_counted_as_dropped(tmp_path: Path) -> None:
    """With its reason, in the totals that every worker of the store adds to."""
    home, root = tmp_path / "home", tmp_path / "work"
    root.mkdir()
    (root / "a.py").write_text("first = 1\n")
    write_hook_settings(home, ())
    edit = {
        "session_id": "s-1",
        "hook_event_name": "PreToolUse",
        "cwd": str(root),
        "tool_name": "Edit",
        "tool_input": {"file_path": str(root / "a.py")},
        "tool_use_id": "t-1",
    }
    run(home, json.dumps(edit).encode(), "claude-code")
    (look,) = (home / "spool" / "snapshots").rglob("*.json")
    look.write_text("{}")
    store = SqliteStore(home / "telemetry.db")
    table, drops = SessionTable(store), Drops()
    Worker(Spool(home), table, Settings(), drops=drops, ledger=Ledger(store)).attribute()
    assert drops.take() == {("attribution", "not_understood"): 1}
    assert not look.exists()
    store.close()
