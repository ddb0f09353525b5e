"""`telemetry.enabled: false`: the engine works as without us, and nothing is searched for secrets."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.engine.lab.client import clean_environment, mcp_session
from tests.engine.lab.files import write_configuration
from tests.engine.lab.serving import BIN, Served

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up

SPY = """\
import atexit, os
from ael_otel.privacy.redactor import Redactor

searched = []
def spied(name, real):
    def method(self, *given):
        searched.append(name)
        return real(self, *given)

    setattr(Redactor, name, method)

for name in ("text", "value", "field", "attributes", "path", "names_excluded"):
    spied(name, getattr(Redactor, name))

def write():
    with open(os.environ["SEARCHED"], "w") as file:
        file.write("\\n".join(searched))

atexit.register(write)
from ael_otel.cli import main
main()
"""


def prepared(folder: Path, telemetry: Mapping[str, Any]) -> tuple[Path, Path, dict[str, str]]:
    """Return a configuration, a program that is `ael` and records each search for secrets, and its variables."""
    program = folder / "spy.py"
    program.write_text(SPY, "utf-8")
    path = write_configuration(folder / "work", telemetry=telemetry)
    return path, program, {"SEARCHED": str(folder / "searched.txt"), "HOME": str(folder)}


@pytest.mark.parametrize("wrapper", [[], [str(BIN / "opentelemetry-instrument")]], ids=["ael", "wrapper"])
@pytest.mark.parametrize("enabled", [False, True], ids=["disabled", "enabled"])
def test_run_with_telemetry_disabled_searches_nothing(
    tmp_path: Path, enabled: bool, wrapper: list[str]
) -> None:
    """With `-v`, so that log lines are written; enabled, the same run searches. Also under the wrapper."""
    path, program, variables = prepared(tmp_path, {"enabled": enabled})
    words = ["run", "input_invalid", "-c", str(path), "-v", "--input", f"order={SECRET}"]
    done = subprocess.run(
        [*wrapper, sys.executable, str(program), *words],
        cwd=tmp_path,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert bool((tmp_path / "searched.txt").read_text("utf-8")) is enabled
    assert (SECRET in done.stderr) is not enabled


def test_serve_with_telemetry_disabled_searches_nothing_and_logs_as_the_engine_does(tmp_path: Path) -> None:
    """The engine logs the arguments of each call: with telemetry disabled that is not ours to change."""
    path, program, variables = prepared(tmp_path, {"enabled": False})
    command = ("python", str(program), "serve", "-c", str(path), "--port", "{port}")

    async def call(port: int) -> Any:
        async with mcp_session(port) as session:
            return await session.call_tool("input_invalid", {"order": SECRET})

    with Served(command, tmp_path, environment=variables) as served:
        served.wait_ready()
        assert not asyncio.run(call(served.port)).isError
        code, _ = served.stop(signal.SIGTERM)
    assert code in {0, 143, -signal.SIGTERM}
    assert (tmp_path / "searched.txt").read_text("utf-8") == ""
    assert SECRET in served.stdout
