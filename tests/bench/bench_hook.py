"""`python tests/bench/bench_hook.py`: what one hook of a coding agent costs beyond starting Python.

Both are started in turn; processor time is that of the child, delay is elapsed time as an agent waits for it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 40
EVENT = {
    "session_id": "s",
    "hook_event_name": "PostToolUse",
    "cwd": "/app",
    "permission_mode": "default",
    "tool_name": "Edit",
    "tool_use_id": "t",
    "tool_input": {"file_path": "/app/a.py", "old_string": "a" * 1000, "new_string": "b" * 1000},
    "tool_response": {"filePath": "/app/a.py", "originalFile": "a" * 10_000},
}


def cost(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Return processor and elapsed time of one start, in milliseconds."""
    before, began = os.times(), time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, env=env)
    child.communicate(json.dumps(EVENT).encode())
    elapsed, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used * 1e3, elapsed * 1e3


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "AEL_HOME": home, "AEL_HOOK_NO_WORKER": "1"}
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "ael-hook auto": [str(Path(sys.executable).parent / "ael-hook"), "auto"],
        }
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                costs[name].append(cost(command, env))
    plain, hook = [sum(each[0] for each in costs[name]) / ROUNDS for name in commands]
    plain_delay, hook_delay = [median(each[1] for each in costs[name]) for name in commands]
    print(f"processor time: {plain:.1f} ms, {hook:.1f} ms: {hook - plain:+.1f} ms, x{hook / plain:.2f}")
    print(f"delay (median): {plain_delay:.1f} ms, {hook_delay:.1f} ms: {hook_delay - plain_delay:+.1f} ms")


if __name__ == "__main__":
    main()
