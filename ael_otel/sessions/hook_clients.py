"""The coding agents whose hooks call `ael-hook`: their settings files, the form of an entry, and the hooked events.

The command of an entry never changes, because Codex trusts a hook by its hash. It exits with 0 even if the package is
no longer installed, since some agents refuse a tool call when a hook fails.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

type Scope = Literal["user", "project", "shared"]

COMMAND: Final = "command -v ael-hook >/dev/null 2>&1 && ael-hook auto; exit 0"
POWERSHELL: Final = (
    "if (Get-Command ael-hook -ErrorAction SilentlyContinue) { $input | ael-hook auto }; exit 0"
)
SECONDS: Final = 5
"""Seconds that an agent waits for a hook; the hook ends earlier by itself."""

_TOOL_EVENTS: Final = frozenset(
    {
        *("PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "PermissionDenied"),
        *("BeforeTool", "AfterTool"),
    }
)


@dataclass(frozen=True, slots=True)
class Client:
    """A coding agent.

    `files` are its settings files by scope, relative to the home or to the project; a missing scope has no suitable
    file. `own` are files that contain only our hooks. `commands` are the names of its program.
    """

    name: str
    title: str
    files: Mapping[Scope, str]
    events: tuple[str, ...]
    entry: Callable[[str], dict[str, Any]]
    commands: tuple[str, ...]
    home_variable: str = ""
    """Variable with the folder that replaces the first part of the user's path."""
    own: bool = False
    version: int | None = None
    note: str = ""

    def path(self, scope: Scope, project: Path, environ: Mapping[str, str]) -> Path | None:
        """Return the settings file of a scope; None if the agent has none."""
        name = self.files.get(scope)
        if name is None:
            return None
        if scope != "user":
            return project / name
        folder = environ.get(self.home_variable, "") if self.home_variable else ""
        if folder:
            return Path(folder).expanduser() / name.partition("/")[2]
        return Path(os.path.expanduser("~")) / name  # noqa: PTH111 - no error without a home


def _grouped(event: str) -> dict[str, Any]:
    hook = {"type": "command", "command": COMMAND, "timeout": SECONDS}
    return {"matcher": "*", "hooks": [hook]} if event in _TOOL_EVENTS else {"hooks": [hook]}


def _gemini(event: str) -> dict[str, Any]:
    hook = {"name": "ael", "type": "command", "command": COMMAND, "timeout": SECONDS * 1000}
    return {"matcher": ".*", "hooks": [hook]} if event in _TOOL_EVENTS else {"hooks": [hook]}


def _cursor(_event: str) -> dict[str, Any]:
    return {"command": COMMAND, "timeout": SECONDS}


def _copilot(_event: str) -> dict[str, Any]:
    return {"type": "command", "command": COMMAND, "powershell": POWERSHELL, "timeoutSec": SECONDS}


_TURNS: Final = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse")
_SUBAGENTS: Final = ("SubagentStart", "SubagentStop", "Stop", "PreCompact")
_COPILOT_FILES: Final[Mapping[Scope, str]] = {
    "user": ".copilot/hooks/ael.json",
    "shared": ".github/hooks/ael.json",
}
_COPILOT_EVENTS: Final = (
    *_TURNS,
    *_SUBAGENTS,
    *("PostToolUseFailure", "PermissionRequest", "Notification", "ErrorOccurred", "SessionEnd"),
)

CLIENTS: Final[Mapping[str, Client]] = {
    client.name: client
    for client in (
        Client(
            "claude-code",
            "Claude Code",
            {
                "user": ".claude/settings.json",
                "project": ".claude/settings.local.json",
                "shared": ".claude/settings.json",
            },
            (
                *_TURNS,
                *_SUBAGENTS,
                *("PostToolUseFailure", "PermissionRequest", "PermissionDenied", "Notification"),
                *("StopFailure", "SessionEnd"),
            ),
            _grouped,
            ("claude",),
            home_variable="CLAUDE_CONFIG_DIR",
        ),
        Client(
            "cursor",
            "Cursor",
            {"user": ".cursor/hooks.json", "shared": ".cursor/hooks.json"},
            (
                *("sessionStart", "beforeSubmitPrompt", "preToolUse", "postToolUse", "postToolUseFailure"),
                *("afterFileEdit", "subagentStart", "subagentStop", "stop", "preCompact", "sessionEnd"),
            ),
            _cursor,
            ("cursor", "cursor-agent"),
            version=1,
        ),
        Client(
            "copilot-cli",
            "GitHub Copilot CLI",
            _COPILOT_FILES,
            _COPILOT_EVENTS,
            _copilot,
            ("copilot",),
            own=True,
            version=1,
        ),
        Client(
            "vscode",
            "VS Code",
            _COPILOT_FILES,
            _COPILOT_EVENTS,
            _copilot,
            ("code",),
            own=True,
            version=1,
            note="reads the same file as GitHub Copilot CLI",
        ),
        Client(
            "codex",
            "Codex",
            {"user": ".codex/hooks.json", "shared": ".codex/hooks.json"},
            (*_TURNS, "PermissionRequest", *_SUBAGENTS, "SessionEnd"),
            _grouped,
            ("codex",),
            home_variable="CODEX_HOME",
            note="runs only hooks that you trust: start codex, type /hooks, and trust those of ael-hook",
        ),
        Client(
            "gemini-cli",
            "Gemini CLI",
            {"user": ".gemini/settings.json", "shared": ".gemini/settings.json"},
            (
                *("SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "AfterAgent"),
                *("Notification", "PreCompress", "SessionEnd"),
            ),
            _gemini,
            ("gemini",),
        ),
        Client(
            "opencode",
            "OpenCode",
            {"user": ".config/opencode/plugins/ael.js", "shared": ".opencode/plugins/ael.js"},
            (
                *("session.created", "chat.message", "tool.execute.before", "tool.execute.after"),
                *("message.updated", "session.status", "session.error", "session.deleted"),
            ),
            _cursor,
            ("opencode",),
            own=True,
        ),
    )
}

PLUGIN: Final = """\
// Written by `ael hooks install`; removed by `ael hooks uninstall`. Sends events of OpenCode to ael-hook.
import { spawn } from "node:child_process"

const send = (event) => {
  try {
    const hook = spawn("ael-hook", ["opencode"], { stdio: ["pipe", "ignore", "ignore"], detached: true })
    hook.on("error", () => {})
    hook.stdin.on("error", () => {})
    hook.stdin.end(JSON.stringify({ agent: "opencode", timestamp: Date.now(), ...event }))
    hook.unref()
  } catch {}
}
const cut = (text) => (typeof text === "string" ? text.slice(0, 1000000) : undefined)
const seen = new Set()

export const AelHooks = async ({ directory }) => ({
  "chat.message": async (input) => {
    send({ hook_event_name: "chat.message", session_id: input.sessionID, directory, turn_id: input.messageID })
  },
  "tool.execute.before": async (input, output) => {
    send({
      hook_event_name: "tool.execute.before", session_id: input.sessionID, directory,
      tool_name: input.tool, call_id: input.callID, tool_input: output.args,
    })
  },
  "tool.execute.after": async (input, output) => {
    send({
      hook_event_name: "tool.execute.after", session_id: input.sessionID, directory,
      tool_name: input.tool, call_id: input.callID, tool_input: input.args, tool_output: cut(output?.output),
      status: output?.metadata?.exit ? "failure" : undefined,
    })
  },
  event: async ({ event }) => {
    const about = event.properties ?? {}
    const info = about.info ?? {}
    const base = { hook_event_name: event.type, session_id: about.sessionID ?? info.sessionID ?? info.id, directory }
    if (event.type === "session.created" || event.type === "session.deleted") {
      send({ ...base, session_id: info.id, parent_session_id: info.parentID, version: info.version })
    } else if (event.type === "session.status" && about.status?.type === "idle") {
      send({ ...base, status: "idle" })
    } else if (event.type === "message.part.updated" && about.part?.type === "tool") {
      // A tool that fails sends no `tool.execute.after`.
      const part = about.part
      if (part.state?.status !== "error") return
      send({
        ...base, hook_event_name: "tool.execute.after", session_id: part.sessionID, tool_name: part.tool,
        call_id: part.callID, status: "failure",
      })
    } else if (event.type === "session.error") {
      send({ ...base, error: about.error?.name ?? "unknown" })
    } else if (event.type === "message.updated" && info.role === "assistant" && info.time?.completed) {
      if (seen.has(info.id)) return
      if (seen.size > 10000) seen.clear()
      seen.add(info.id)
      const tokens = info.tokens ?? {}
      send({
        ...base, turn_id: info.id, model: `${info.providerID}/${info.modelID}`, cost: info.cost,
        tokens: {
          input: tokens.input, output: tokens.output, reasoning: tokens.reasoning,
          cache_read: tokens.cache?.read, cache_write: tokens.cache?.write,
        },
      })
    }
  },
})
"""
"""The plugin of OpenCode; `ael-hook` writes only the sizes of the texts that it sends."""


def is_own(command: object) -> bool:
    """Return whether a command in a settings file was written by an installation, also of an older version."""
    if not isinstance(command, str):
        return False
    words = command.split()
    if words[:3] == ["command", "-v", "ael-hook"] and command.endswith("; exit 0"):
        return True
    return 0 < len(words) <= 2 and words[0].replace("\\", "/").rpartition("/")[2] in {
        "ael-hook",
        "ael-hook.exe",
    }
