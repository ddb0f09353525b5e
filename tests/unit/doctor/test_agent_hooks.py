"""The hooks of an agent, and when its last event arrived."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ael_otel.doctor.agent_hooks import check, finding
from ael_otel.sessions.hook_status import AgentHooks, Installed
from tests.support.findings import assert_found, assert_well

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CURRENT = Installed("user", "/opt/ada/.codex/hooks.json", True, None)


def agent(installed: Installed = CURRENT, last: datetime | None = NOW) -> AgentHooks:
    """Return an agent with hooks whose last event arrived at a time."""
    return AgentHooks("codex", True, (installed,), None if last is None else int(last.timestamp() * 1e6), ())


def test_agent_whose_events_arrive_is_well() -> None:
    """The time of the last one is named."""
    found = finding(agent(last=NOW - timedelta(days=6)), NOW)
    assert_well([found])
    assert found.cause == "codex: the last event arrived on 2026-02-23 12:00 UTC"


@pytest.mark.parametrize(
    ("hooks", "level", "cause", "remedy"),
    [
        (agent(last=None), "warning", "no event has arrived", "use the agent once"),
        (
            agent(last=NOW - timedelta(days=8)),
            "warning",
            "arrived on 2026-02-21 12:00 UTC",
            "ael hooks install",
        ),
        (agent(CURRENT._replace(current=False)), "warning", "have an older form", "ael hooks install"),
        (
            agent(CURRENT._replace(error="line 3: not JSON")),
            "failure",
            "line 3: not JSON",
            "correct /opt/ada",
        ),
    ],
)
def test_agent_that_needs_something(hooks: AgentHooks, level: str, cause: str, remedy: str) -> None:
    """No event yet, none for a week, hooks of an older version, a settings file that cannot be read."""
    assert_found([finding(hooks, NOW)], level, cause=cause, remedy=remedy)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AEL_CONFIG_PATH", raising=False)
    monkeypatch.delenv("AEL_TELEMETRY_DB", raising=False)
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return tmp_path


def test_no_hooks_are_well(home: Path) -> None:
    """Hooks are optional; nothing is created to look for them."""
    assert_well(check({"HOME": str(home)}, home, NOW))
    assert list(home.iterdir()) == []


def test_settings_file_that_cannot_be_read_is_a_failure(home: Path) -> None:
    """The agent itself would ignore it."""
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"hooks": ')
    assert_found(
        check({"HOME": str(home)}, home, NOW), "failure", cause="claude-code", remedy=f"correct {path}"
    )


def test_events_without_a_worker_are_a_warning(home: Path) -> None:
    """A thousand waiting events mean that nothing stores them; so do dropped ones."""
    new = home / ".ael" / "spool" / "new"
    new.mkdir(parents=True)
    for number in range(1_001):
        (new / f"{number}.json").write_text(json.dumps({"agent": "codex", "event": "Stop", "t": number}))
    (home / ".ael" / "spool" / "drops").write_bytes(b"...")
    found = check({"HOME": str(home)}, home, NOW)
    assert_found(
        found, "warning", cause="1001 events of agents wait", remedy="ael_otel.runtime.session_worker"
    )
    assert_found(found, "warning", cause="3 events of agents were dropped", remedy="ael hooks status")


def test_store_of_sessions_that_is_damaged_is_a_failure(home: Path) -> None:
    """It is read without being repaired or created."""
    (home / ".ael").mkdir()
    (home / ".ael" / "telemetry.db").write_bytes(b"no database " * 100)
    found = check({"HOME": str(home)}, home, NOW)
    assert_found(found, "failure", cause="the stored events of agents cannot be read", remedy="correct")
