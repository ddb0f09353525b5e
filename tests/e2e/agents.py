"""A coding agent as its hooks report it: the real `ael-hook`, and the workers that hooks start, one after the other."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ael_otel.sessions.session import SessionRecord
from ael_otel.sessions.table import CALLS, SESSIONS, SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.e2e.programs import environment, program
from tests.support.session_worker import stop_worker
from tests.support.waiting import until

AGENT: Final = "claude-code"
SERVICE: Final = "e2e-agents"
SENT: Final = 60.0
"""Seconds that a worker may take to start, store and send."""

CALLS_OF_TWO_LIVES: Final = Counter({"success": 3, "error": 1, "denied": 1, "cancelled": 1})
"""Tool calls of both lives together, by outcome."""


class CodingAgent:
    """One agent and its two sessions, of which the second is idle from one worker's life to the next.

    Args:
        home: the folder of the user's own store and spool.
        endpoint: where workers send OTLP.
    """

    def __init__(self, home: Path, endpoint: str) -> None:
        self.home = home
        self._environment = environment(home, SERVICE, endpoint, AEL_HOME=str(home))
        (home / "config.yaml").write_text("telemetry:\n  sessions: {idle_seconds: 1}\n", "utf-8")
        (home / "hooks.json").write_text(json.dumps({"v": 1, "python": sys.executable}), "utf-8")

    def first_life(self) -> None:
        """Report a whole session with a call of each outcome, and one that begins; the worker is killed afterwards."""
        self._hook("s-1", "SessionStart", source="startup")
        self._hook("s-1", "UserPromptSubmit", prompt_id="p-1")
        ends: tuple[tuple[str, dict[str, Any]], ...] = (
            ("PostToolUse", {"tool_response": {"success": True}}),
            ("PostToolUseFailure", {"error": "exit 2"}),
            ("PostToolUseFailure", {"error": "interrupted", "is_interrupt": True}),
            ("PermissionDenied", {"reason": "no"}),
        )
        for number, (end, more) in enumerate(ends):
            self._call("s-1", number, end, more)
        self._hook("s-1", "Stop", stop_hook_active=False)
        self._hook("s-1", "SessionEnd", reason="logout")
        self._hook("s-2", "SessionStart", source="startup")
        self._leave(sessions=1, calls=4)

    def second_life(self) -> None:
        """Have the next worker continue: two calls, and the end of the second session."""
        started = self.home / "spool" / "worker.start"
        os.utime(started, (0, 0))  # a hook starts no second worker within seconds
        for number in (4, 5):
            self._call("s-2", number, "PostToolUse", {"tool_response": {"success": True}})
        self._hook("s-2", "SessionEnd", reason="logout")
        self._leave(sessions=2, calls=6)

    def records(self) -> list[SessionRecord]:
        """Return its sessions as they are stored."""
        store = SqliteStore(self.home / "telemetry.db")
        try:
            return SessionTable(store).select()
        finally:
            store.close()

    def _call(self, session: str, number: int, end: str, more: Mapping[str, Any]) -> None:
        tool = {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": f"t-{number}"}
        self._hook(session, "PreToolUse", **tool)
        self._hook(session, end, **tool, **more)

    def _hook(self, session: str, event: str, **more: Any) -> None:
        payload = {
            "session_id": session,
            "hook_event_name": event,
            "cwd": str(self.home),
            "transcript_path": "/home/user/.claude/x.jsonl",
            "permission_mode": "default",
            **more,
        }
        done = subprocess.run(
            [program("ael-hook"), "auto"],
            env=self._environment,
            input=json.dumps(payload).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def _leave(self, **wanted: int) -> None:
        """Wait until receivers have taken everything, and kill the worker, which would stay for a while."""
        try:
            until(lambda: self._sent() == wanted, self._words, seconds=SENT)
        finally:
            ended = stop_worker(self.home, signal.SIGKILL)
        assert ended == 1, "the worker that a hook has started"

    def _sent(self) -> dict[str, int]:
        """Return how many sessions and calls the receivers have taken; spans and log events go before these."""
        file = self.home / "telemetry.db"
        if not file.exists():
            return {}
        store = SqliteStore(file)
        try:
            table = SessionTable(store)
            sent = table.sent()
            waits = table.finished(1) or table.unlogged(1)
        finally:
            store.close()
        if waits:
            return {}
        return {
            "sessions": sum(value for key, value in sent.items() if key.name == SESSIONS),
            "calls": sum(value for key, value in sent.items() if key.name == CALLS),
        }

    def _words(self) -> str:
        log = self.home / "spool" / "worker.log"
        return f"sent: {self._sent()}; {log.read_text('utf-8') if log.exists() else 'no log'}"
