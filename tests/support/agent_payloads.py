"""Events of coding agents written by hand from their documentation, and the fields that the hook may keep of each.

Every text of a person or a model contains `SECRET`, so that a test can search for it on the disk.
"""

from typing import Any, Final, NamedTuple

SECRET: Final = "do-not-keep"
PATCH: Final = (
    f"*** Begin Patch\n*** Update File: src/a.py\n@@\n-{SECRET}\n+{SECRET}\n*** Add File: src/b.py\n+x\n"
    "*** Delete File: src/c.py\n*** End Patch\n"
)


class Sample(NamedTuple):
    """An event, and the fields of its spool file besides `v`, `t`, `sizes` and `hashes`."""

    payload: dict[str, Any]
    kept: dict[str, Any]


def _claude(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {
        "session_id": "c-1",
        "prompt_id": "p-1",
        "transcript_path": "/home/user/.claude/projects/x/c-1.jsonl",
        "cwd": "/home/user/app",
        "permission_mode": "acceptEdits",
        "hook_event_name": event,
    }
    base = {"agent": "claude-code", "event": event, "session": "c-1", "turn": "p-1", "cwd": "/home/user/app"}
    return Sample({**common, **payload}, {**base, "permission_mode": "acceptEdits", **kept})


def _cursor(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {
        "conversation_id": "u-1",
        "generation_id": "g-1",
        "model": "gpt-5",
        "hook_event_name": event,
        "cursor_version": "3.13.1",
        "workspace_roots": ["/home/user/app"],
        "user_email": f"{SECRET}@example.com",
        "transcript_path": None,
    }
    base = {"agent": "cursor", "event": event, "session": "u-1", "turn": "g-1", "model": "gpt-5"}
    return Sample({**common, **payload}, {**base, "agent_version": "3.13.1", "cwd": "/home/user/app", **kept})


def _copilot(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {"sessionId": "h-1", "timestamp": 1_790_000_000_000, "cwd": "/home/user/app"}
    base = {"agent": "copilot-cli", "event": event, "session": "h-1", "at": 1_790_000_000_000_000_000}
    return Sample({**common, **payload}, {**base, "cwd": "/home/user/app", **kept})


def _codex(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {
        "session_id": "x-1",
        "turn_id": "t-1",
        "model": "gpt-5-codex",
        "permission_mode": "default",
        "cwd": "/home/user/app",
        "transcript_path": None,
        "hook_event_name": event,
    }
    base = {"agent": "codex", "event": event, "session": "x-1", "turn": "t-1", "model": "gpt-5-codex"}
    return Sample(
        {**common, **payload}, {**base, "cwd": "/home/user/app", "permission_mode": "default", **kept}
    )


def _gemini(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {
        "session_id": "m-1",
        "transcript_path": "/home/user/.gemini/tmp/x/chats/m-1.json",
        "cwd": "/home/user/app",
        "hook_event_name": event,
        "timestamp": "2026-11-28T10:00:00.500Z",
    }
    base = {"agent": "gemini-cli", "event": event, "session": "m-1", "cwd": "/home/user/app"}
    return Sample({**common, **payload}, {**base, "at": 1_795_860_000_500_000_000, **kept})


def _vscode(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    common = {
        "timestamp": "2026-11-28T10:00:00.000Z",
        "cwd": "/home/user/app",
        "sessionId": "v-1",
        "hookEventName": event,
        "transcript_path": "/home/user/.config/Code/x.json",
    }
    base = {"agent": "vscode", "event": event, "session": "v-1", "cwd": "/home/user/app"}
    return Sample({**common, **payload}, {**base, "at": 1_795_860_000_000_000_000, **kept})


def _opencode(event: str, payload: dict[str, Any], kept: dict[str, Any]) -> Sample:
    base = {"agent": "opencode", "event": event, "session": "o-1"}
    return Sample(
        {"agent": "opencode", "hook_event_name": event, "session_id": "o-1", **payload}, {**base, **kept}
    )


SAMPLES: Final = (
    _claude("SessionStart", {"source": "startup", "model": "opus"}, {"source": "startup", "model": "opus"}),
    _claude("UserPromptSubmit", {"prompt": SECRET}, {}),
    _claude(
        "PreToolUse",
        {"tool_name": "Bash", "tool_use_id": "b-1", "tool_input": {"command": f"cat /etc/{SECRET}"}},
        {"tool": "Bash", "call": "b-1"},
    ),
    _claude(
        "PostToolUse",
        {
            "tool_name": "Edit",
            "tool_use_id": "b-2",
            "tool_input": {"file_path": "/home/user/app/a.py", "old_string": SECRET, "new_string": SECRET},
            "tool_response": {"filePath": "/home/user/app/a.py", "originalFile": SECRET},
            "duration_ms": 12,
        },
        {"tool": "Edit", "call": "b-2", "duration_ms": 12, "paths": ["/home/user/app/a.py"]},
    ),
    _claude(
        "PostToolUse",
        {
            "tool_name": "mcp__files__read",
            "tool_use_id": "b-3",
            "tool_input": {"path": SECRET},
            "tool_response": SECRET,
            "agent_id": "a-1",
            "agent_type": "Explore",
        },
        {
            "tool": "mcp__files__read",
            "mcp_server": "files",
            "call": "b-3",
            "subagent": "a-1",
            "subagent_type": "Explore",
        },
    ),
    _claude(
        "PostToolUseFailure",
        {
            "tool_name": "Bash",
            "tool_use_id": "b-4",
            "error": SECRET,
            "is_interrupt": True,
            "duration_ms": 3.5,
        },
        {"tool": "Bash", "call": "b-4", "failure": "error", "interrupt": True, "duration_ms": 3.5},
    ),
    _claude("StopFailure", {"error": "rate_limit"}, {"failure": "rate_limit"}),
    _claude(
        "Notification",
        {"notification_type": "idle_prompt", "message": SECRET, "title": SECRET},
        {"notification": "idle_prompt"},
    ),
    _claude("Stop", {"stop_hook_active": True, "last_assistant_message": SECRET}, {"stop_hook_active": True}),
    _claude(
        "SubagentStart",
        {"agent_id": "a-2", "agent_type": "Plan"},
        {"subagent": "a-2", "subagent_type": "Plan"},
    ),
    _claude("PermissionDenied", {"tool_name": "Bash", "reason": f"no {SECRET}"}, {"tool": "Bash"}),
    _claude("PreCompact", {"trigger": "auto", "custom_instructions": SECRET}, {"source": "auto"}),
    _claude("SessionEnd", {"reason": "prompt_input_exit"}, {"reason": "prompt_input_exit"}),
    _cursor("sessionStart", {"session_id": "u-1", "composer_mode": "agent"}, {"source": "agent"}),
    _cursor(
        "beforeSubmitPrompt",
        {"prompt": SECRET, "attachments": [{"type": "file", "file_path": "/a/b.py"}]},
        {"paths": ["/a/b.py"]},
    ),
    _cursor(
        "preToolUse",
        {
            "tool_name": "Shell",
            "tool_input": {"command": SECRET, "cwd": ""},
            "tool_use_id": "w-1",
            "cwd": "",
            "agent_message": SECRET,
        },
        {"tool": "Shell", "call": "w-1"},
    ),
    _cursor(
        "postToolUseFailure",
        {
            "tool_name": "Write",
            "tool_use_id": "w-2",
            "error_message": SECRET,
            "failure_type": "timeout",
            "is_interrupt": False,
            "duration": 9,
        },
        {"tool": "Write", "call": "w-2", "failure": "timeout", "interrupt": False, "duration_ms": 9},
    ),
    _cursor(
        "afterFileEdit",
        {"file_path": "/home/user/app/a.py", "edits": [{"old_string": SECRET, "new_string": SECRET}]},
        {"tool": "Write", "paths": ["/home/user/app/a.py"]},
    ),
    _cursor(
        "afterShellExecution",
        {"command": SECRET, "output": SECRET, "duration": 5},
        {"tool": "Shell", "duration_ms": 5},
    ),
    _cursor(
        "afterMCPExecution",
        {
            "tool_name": "search",
            "tool_input": f'{{"path":"{SECRET}"}}',
            "url": f"https://{SECRET}",
            "result_json": SECRET,
        },
        {"tool": "search"},
    ),
    _cursor("afterAgentResponse", {"text": SECRET}, {}),
    _cursor(
        "stop",
        {
            "status": "completed",
            "loop_count": 1,
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_tokens": 3,
            "cache_write_tokens": 2,
        },
        {
            "status": "completed",
            "loop_count": 1,
            "tokens": {"input": 10, "output": 5, "cache_read": 3, "cache_write": 2},
        },
    ),
    _cursor(
        "sessionEnd",
        {"reason": "aborted", "duration_ms": 7, "final_status": "x"},
        {"reason": "aborted", "duration_ms": 7},
    ),
    _copilot("sessionStart", {"source": "new", "initialPrompt": SECRET}, {"source": "new"}),
    _copilot("userPromptSubmitted", {"prompt": SECRET}, {}),
    _copilot(
        "preToolUse",
        {"toolName": "edit", "toolArgs": f'{{"path":"/a.py","new_str":"{SECRET}"}}'},
        {"tool": "edit", "paths": ["/a.py"]},
    ),
    _copilot(
        "postToolUse",
        {
            "toolName": "bash",
            "toolArgs": {"command": SECRET},
            "toolResult": {"resultType": "failure", "textResultForLlm": SECRET},
        },
        {"tool": "bash", "status": "failure", "failure": "error"},
    ),
    _copilot(
        "errorOccurred",
        {"error": {"message": SECRET, "name": SECRET}, "errorContext": "model_call"},
        {"failure": "model_call"},
    ),
    _copilot("sessionEnd", {"reason": "complete"}, {"reason": "complete"}),
    Sample(
        {
            "hook_event_name": "PostToolUse",
            "session_id": "h-2",
            "timestamp": "2026-11-28T10:00:00Z",
            "cwd": "/home/user/app",
            "tool_name": "Write",
            "tool_input": {"file_path": "/a.py", "content": SECRET},
            "tool_result": {"result_type": "success", "text_result_for_llm": SECRET},
        },
        {
            "agent": "copilot-cli",
            "event": "PostToolUse",
            "session": "h-2",
            "at": 1_795_860_000_000_000_000,
            "cwd": "/home/user/app",
            "tool": "Write",
            "status": "success",
            "paths": ["/a.py"],
        },
    ),
    _vscode(
        "PostToolUse",
        {
            "tool_name": "editFiles",
            "tool_input": {"files": ["/a.py", "/b.py"]},
            "tool_use_id": "e-1",
            "tool_response": SECRET,
        },
        {"tool": "editFiles", "call": "e-1", "paths": ["/a.py", "/b.py"]},
    ),
    _vscode("SessionStart", {"source": "new"}, {"source": "new"}),
    _vscode("Stop", {"stop_hook_active": False}, {"stop_hook_active": False}),
    Sample(
        {
            "session_id": "x-3",
            "transcript_path": "/srv/codex/sessions/2026/11/28/rollout-x-3.jsonl",
            "cwd": "/home/user/app",
            "hook_event_name": "SessionStart",
            "model": "gpt-5-codex",
            "permission_mode": "default",
            "source": "startup",
        },
        {
            "agent": "codex",
            "event": "SessionStart",
            "session": "x-3",
            "cwd": "/home/user/app",
            "model": "gpt-5-codex",
            "permission_mode": "default",
            "source": "startup",
        },
    ),
    *(
        Sample(
            {
                "session_id": "x-3",
                "transcript_path": transcript,
                "cwd": "/home/user/app",
                "hook_event_name": "SessionEnd",
                "reason": "other",
            },
            {
                "agent": "codex",
                "event": "SessionEnd",
                "session": "x-3",
                "cwd": "/home/user/app",
                "reason": "other",
            },
        )
        for transcript in (None, "/srv/codex/sessions/2026/11/28/rollout-x-3.jsonl")
    ),
    _codex(
        "PostToolUse",
        {
            "tool_name": "apply_patch",
            "tool_use_id": "k-1",
            "tool_input": {"command": PATCH},
            "tool_response": SECRET,
        },
        {"tool": "apply_patch", "call": "k-1", "paths": ["src/a.py", "src/b.py", "src/c.py"]},
    ),
    _codex(
        "PermissionRequest",
        {"tool_name": "Bash", "tool_input": {"command": SECRET, "description": SECRET}},
        {"tool": "Bash"},
    ),
    _codex(
        "Stop", {"stop_hook_active": False, "last_assistant_message": SECRET}, {"stop_hook_active": False}
    ),
    Sample(
        {
            "type": "agent-turn-complete",
            "thread-id": "x-2",
            "turn-id": "t-2",
            "cwd": "/w",
            "input-messages": [SECRET],
            "last-assistant-message": SECRET,
        },
        {"agent": "codex", "event": "agent-turn-complete", "session": "x-2", "turn": "t-2", "cwd": "/w"},
    ),
    _gemini("SessionStart", {"source": "startup"}, {"source": "startup"}),
    _gemini(
        "AfterTool",
        {
            "tool_name": "write_file",
            "tool_input": {"file_path": "/a.py", "content": SECRET},
            "tool_response": {"llmContent": SECRET, "error": {"message": SECRET}},
        },
        {"tool": "write_file", "paths": ["/a.py"], "failure": "error"},
    ),
    _gemini(
        "BeforeTool",
        {
            "tool_name": "list",
            "tool_input": {"path": SECRET},
            "mcp_context": {"server_name": "files", "command": SECRET},
        },
        {"tool": "list", "mcp_server": "files"},
    ),
    _gemini(
        "AfterModel",
        {
            "llm_request": {"model": "gemini-3", "messages": [SECRET]},
            "llm_response": {
                "text": SECRET,
                "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2},
            },
        },
        {"model": "gemini-3", "tokens": {"input": 4, "output": 2}},
    ),
    _gemini(
        "AfterAgent",
        {"prompt": SECRET, "prompt_response": SECRET, "stop_hook_active": False},
        {"stop_hook_active": False},
    ),
    _gemini(
        "Notification",
        {"notification_type": "ToolPermission", "message": SECRET, "details": {"x": SECRET}},
        {"notification": "ToolPermission"},
    ),
    _opencode(
        "session.created", {"parent_session_id": "o-0", "directory": "/w"}, {"parent": "o-0", "cwd": "/w"}
    ),
    _opencode(
        "tool.execute.after",
        {
            "tool_name": "edit",
            "call_id": "l-1",
            "tool_input": {"filePath": "/w/a.py", "oldString": SECRET},
            "tool_output": SECRET,
        },
        {"tool": "edit", "call": "l-1", "paths": ["/w/a.py"]},
    ),
    _gemini(
        "AfterTool",
        {
            "tool_name": "run_shell_command",
            "tool_input": {"command": SECRET},
            "tool_response": {"llmContent": f"Output: {SECRET}\nExit Code: 3\nProcess Group PGID: 1"},
        },
        {"tool": "run_shell_command", "failure": "error"},
    ),
    _gemini(
        "AfterTool",
        {
            "tool_name": "run_shell_command",
            "tool_input": {"command": SECRET},
            "tool_response": {"llmContent": f"Output: Exit Code: 3 {SECRET}"},
        },
        {"tool": "run_shell_command"},
    ),
    _opencode(
        "message.updated",
        {
            "model": "anthropic/opus",
            "tokens": {"input": 7, "output": 2, "reasoning": 1, "cache_read": 3, "cache_write": 4},
            "cost": 0.25,
        },
        {
            "model": "anthropic/opus",
            "tokens": {"input": 7, "output": 2, "reasoning": 1, "cache_read": 3, "cache_write": 4},
            "cost": {"usd": 0.25},
        },
    ),
)
