"""The command of the settings files, run by a shell as an agent does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ael_otel.sessions.client_settings import new_text
from ael_otel.sessions.hook_clients import CLIENTS, COMMAND, Client
from tests.process.hook.test_process import environment, events

JSON_CLIENTS = [client for client in CLIENTS.values() if client.name != "opencode"]


def commands(value: object) -> set[str]:
    """Return the commands in a settings file."""
    if isinstance(value, dict):
        own = {value["command"]} if "command" in value else set()
        return own.union(*map(commands, value.values()))
    return set().union(*map(commands, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("client", JSON_CLIENTS, ids=lambda each: each.name)
def test_rule_lets_tools_run_when_the_package_is_not_installed(client: Client, tmp_path: Path) -> None:
    """Without ael-hook on PATH the very command of the file ends with 0 and prints nothing."""
    (command,) = commands(json.loads(new_text(client)))
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, input=b"{}", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_command_spools_an_event(tmp_path: Path) -> None:
    """With the package on PATH the same command writes what an agent sends."""
    env = environment(tmp_path, PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    event = json.dumps({"session_id": "s", "hook_event_name": "Stop"}).encode()
    done = subprocess.run(["/bin/sh", "-c", COMMAND], env=env, input=event, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [each["event"] for each in events(tmp_path)] == ["Stop"]
