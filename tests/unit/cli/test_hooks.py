"""`ael hooks`: what it writes, prints and leaves alone."""

import json
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import ael_hook
from ael_otel.cli import cli
from ael_otel.cli.hooks.install import refuse_windows
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.hook_clients import CLIENTS
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without agents, and a project in it that is the working directory."""
    for name in ("AEL_HOME", "AEL_CONFIG_PATH", "AEL_TELEMETRY_DB", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    """Run `ael hooks`."""
    result = CliRunner().invoke(cli, ["hooks", *arguments])
    assert result.exit_code == code, result.output
    return result


def files(home: Path) -> dict[str, str]:
    """Return the files below the home but for the package's own."""
    return {
        str(path.relative_to(home)): path.read_text("utf-8")
        for path in home.rglob("*")
        if path.is_file() and ".ael" not in path.parts
    }


def test_installation_of_all_agents_is_undone(home: Path) -> None:
    """Each agent gets its file, and no file is left; `hooks.json` is private and names this interpreter."""
    run("install", "--agent", "all")
    assert set(files(home)) == {client.files["user"] for client in CLIENTS.values()}
    settings = home / ".ael/hooks.json"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert json.loads(settings.read_text()) == {
        "v": 1,
        "excluded_paths": list(ael_hook.EXCLUDED_PATHS),
        "content": False,
        "attribution": True,
        "python": sys.executable,
    }
    run("uninstall", "--agent", "codex")
    assert settings.exists(), "others need it"
    run("uninstall", "--dry-run")
    assert settings.exists()
    run("uninstall")
    assert files(home) == {}
    assert not settings.exists()


def test_list_of_excluded_paths_outlives_the_last_hook(home: Path) -> None:
    """Hooks in other projects go by a user's own list; built-in values need no file."""
    (home / ".ael").mkdir()
    (home / ".ael/config.yaml").write_text("telemetry: {privacy: {excluded_paths: ['*.pem', '*.mine']}}\n")
    run("install", "--agent", "codex")
    run("uninstall")
    assert "*.mine" in (home / ".ael/hooks.json").read_text("utf-8")


@pytest.mark.parametrize(("answer", "code"), [(0, 0), (1, 2), (128, 0)])
def test_project_file_that_git_does_not_ignore_is_refused(
    answer: int, code: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git answers 0 for an ignored file, 1 for one that can be committed, 128 outside a repository."""
    asked: list[list[str]] = []

    def git(command: list[str], **options: Any) -> Any:
        asked.append(command)
        assert options["timeout"] <= 5
        return SimpleNamespace(returncode=answer)

    monkeypatch.setattr("ael_otel.cli.hooks.settings_files.run", git)
    result = run("install", "--project", "--agent", "claude-code", code=code)
    assert set(files(home)) == (set() if code else {"project/.claude/settings.local.json"})
    assert ("Git does not ignore" in result.output) == bool(code)
    assert (home / ".ael/hooks.json").exists() == (not code)
    (command,) = asked
    assert "core.fsmonitor=false" in command, "a program that the repository names"


def test_only_agents_that_are_here_get_hooks(home: Path) -> None:
    """By their program on PATH or their folder of settings; without any, the output says what to do."""
    assert "name one with --agent" in run("install").output
    assert not (home / ".ael").exists()
    (home / ".gemini").mkdir()
    (home / "bin/codex").write_text("#!/bin/sh\n")
    (home / "bin/codex").chmod(0o755)
    output = run("install").output
    assert "/hooks" in output
    assert {name for name in files(home) if "bin" not in name} == {
        ".gemini/settings.json",
        ".codex/hooks.json",
    }


def test_project_scope_writes_no_committed_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an agent has no file that Git ignores, nothing is written and the output says so."""
    ignored = SimpleNamespace(returncode=0)
    monkeypatch.setattr("ael_otel.cli.hooks.settings_files.run", lambda *_arguments, **_options: ignored)
    output = run("install", "--project", "--agent", "all").output
    assert "no settings file that Git ignores" in output
    assert set(files(home)) == {"project/.claude/settings.local.json"}
    run("uninstall", "--project", "--agent", "claude-code")
    assert files(home) == {}


def test_shared_scope_writes_the_files_of_the_project(home: Path) -> None:
    """Committed files, only when asked for."""
    run("install", "--shared", "--agent", "all")
    assert set(files(home)) == {f"project/{client.files['shared']}" for client in CLIENTS.values()}


def test_dry_run_prints_the_change_and_writes_nothing(home: Path) -> None:
    """A difference as of `diff -u`."""
    assert "+++ " in run("install", "--dry-run", "--agent", "cursor").output
    assert files(home) == {}
    assert not (home / ".ael").exists()


def test_file_with_comments_is_left_and_the_snippet_printed(home: Path) -> None:
    """The others are installed; exit code 2."""
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text("// mine\n{}")
    result = run("install", "--agent", "claude-code", "--agent", "cursor", code=2)
    assert "not rewritten" in result.output
    assert '"PreToolUse"' in result.output
    assert files(home)[".claude/settings.json"] == "// mine\n{}"
    assert ".cursor/hooks.json" in files(home)


def test_uninstallation_leaves_the_link_that_led_to_the_file(home: Path) -> None:
    """Settings that were made through a link are deleted where they are; the link is the owner's."""
    link, target = home / ".claude/settings.json", home / "dotfiles/claude.json"
    link.parent.mkdir()
    link.symlink_to(target)
    run("install", "--agent", "claude-code")
    assert "ael-hook" in target.read_text("utf-8")
    run("uninstall", "--agent", "claude-code")
    assert (link.is_symlink(), target.exists()) == (True, False)


@pytest.mark.parametrize("place", ["file for a folder", "named pipe"])
def test_file_that_cannot_be_read_is_reported_in_one_line(home: Path, place: str) -> None:
    """The snippet is printed, and nothing waits for a writer of the pipe."""
    if place == "named pipe":
        (home / ".claude").mkdir()
        os.mkfifo(home / ".claude/settings.json")
    else:
        (home / ".claude").write_text("")
    refused = run("install", "--agent", "claude-code", code=2)
    assert refused.stderr.startswith(f"ael: {home}/.claude/settings.json: ")
    assert "PreToolUse" in refused.stdout
    run("uninstall", "--agent", "claude-code", code=2)


def test_home_that_cannot_hold_the_spool_is_reported(home: Path) -> None:
    """A file in the place of `~/.ael` is named, without a traceback."""
    (home / ".ael").write_text("")
    refused = run("install", "--agent", "claude-code", code=2)
    assert f"{home}/.ael: hooks cannot write there: File exists" in refused.output


def test_status_reports_files_events_and_the_spool(home: Path) -> None:
    """Where hooks are, in which form, the last event, the events that never came, dead letters and drops."""
    run("install", "--agent", "claude-code", "--agent", "codex")
    (home / ".codex/hooks.json").write_text(
        json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "ael-hook codex"}]}]}})
    )
    spool = ael_hook.Spool(str(home / ".ael"))
    at = 1_795_860_000 * 10**9
    spool.write({"v": 1, "t": at, "agent": "claude-code", "event": "Stop", "session": "s"}, at)
    spool.write({"v": 1, "t": at, "agent": "auto", "why": "not_json", "shape": "str"}, at, "dead")
    spool.count("drops")
    spool.count("not_understood")
    spool.count("not_understood")
    spool.count("not_looked_at")
    report = json.loads(run("status", "--output", "json").output)
    agents = {agent["agent"]: agent for agent in report["agents"]}
    claude = agents["claude-code"]
    assert [(each["scope"], each["current"]) for each in claude["installed"]] == [("user", True)]
    assert claude["last_event_at"] == "2026-11-28T10:00:00Z"
    assert set(claude["never_came"]) == set(CLIENTS["claude-code"].events) - {"Stop", "StopFailure"}
    assert [each["current"] for each in agents["codex"]["installed"]] == [False]
    assert agents["cursor"]["installed"] == []
    assert (report["waiting"], report["dead_letters"], report["drops"], report["worker"]) == (1, 1, 1, False)
    assert (report["not_understood"], report["not_looked_at"]) == (2, 1)
    output = run("status").output
    assert "1 events wait, 2 could not be read, 1 were dropped, the files of 1 calls could not be" in output
    assert "older form" in output
    assert "no worker is running" in output
    assert "the next event of an agent starts one" in output


def test_installation_warns_where_agents_would_not_find_the_hook(home: Path) -> None:
    """The rule in the settings finds `ael-hook` by the PATH, and is silent where there is none."""
    warned = run("install", "--agent", "codex").stderr
    assert "ael-hook is not on the PATH" in warned
    assert str(Path(sys.executable).parent) in warned
    (home / "bin" / "ael-hook").write_text("#!/bin/sh\n", "utf-8")
    (home / "bin" / "ael-hook").chmod(0o755)
    assert run("install", "--agent", "codex").stderr == ""


def test_status_counts_stored_events_by_their_kind(home: Path) -> None:
    """An event came if one of its kind is in the store; the newest of store and spool is the last one."""
    run("install", "--agent", "claude-code", "--agent", "codex")
    _store(
        home,
        SessionEvent(
            session_id="s", agent="claude-code", kind="turn.end", at_us=1_795_860_000 * 10**6, key="1"
        ),
        SessionEvent(
            session_id="s",
            agent="claude-code",
            kind="tool.execute.after",
            at_us=1_795_860_060 * 10**6,
            key="2",
        ),
    )
    at = 1_795_859_000 * 10**9
    spool = ael_hook.Spool(str(home / ".ael"))
    spool.write({"v": 1, "t": at, "agent": "claude-code", "event": "PreToolUse", "session": "s"}, at)
    agents = {each["agent"]: each for each in json.loads(run("status", "--output", "json").output)["agents"]}
    claude = agents["claude-code"]
    assert claude["last_event_at"] == "2026-11-28T10:01:00Z"
    came = {"Stop", "StopFailure", "PreToolUse", "PostToolUse", "PostToolUseFailure"}
    assert set(claude["never_came"]) == set(CLIENTS["claude-code"].events) - came
    assert agents["codex"]["last_event_at"] is None
    assert agents["codex"]["never_came"] == list(CLIENTS["codex"].events)


def test_status_looks_at_the_store_without_changing_it(home: Path) -> None:
    """No store is made, and one that cannot be read is reported beside the rest."""
    run("install", "--agent", "codex")
    run("status")
    store = home / ".ael/telemetry.db"
    assert not store.exists()
    store.write_bytes(b"not a database" * 100)
    report = json.loads(run("status", "--output", "json").output)
    assert "telemetry.db" in report["store_error"]
    assert "cannot be read" in run("status").output
    (home / ".ael/config.yaml").write_text("telemetry: {privcy: {}}\n")
    assert "privcy" in run("status").output


def _store(home: Path, *events: SessionEvent) -> None:
    """Put events into the user's store."""
    backend = SqliteStore(home / ".ael/telemetry.db")
    try:
        SessionTable(backend).add(events)
    finally:
        backend.close()


def test_installation_on_windows_is_refused() -> None:
    """A rule of a POSIX shell would end with an error there, for which some agents refuse the tool."""
    with pytest.raises(click.UsageError, match="WSL 2"):
        refuse_windows("win32")
    refuse_windows("linux")
    refuse_windows("darwin")


def test_status_of_an_agent_without_events_lists_none_that_never_came(home: Path) -> None:
    """A list of all events says nothing; the JSON has it."""
    run("install", "--agent", "codex")
    assert "(no event yet)" in run("status").stdout
    assert "SubagentStop" not in run("status").stdout
    (codex,) = [
        each
        for each in json.loads(run("status", "--output", "json").stdout)["agents"]
        if each["agent"] == "codex"
    ]
    assert "SubagentStop" in codex["never_came"]
