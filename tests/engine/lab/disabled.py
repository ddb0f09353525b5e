"""The engine in a process whose telemetry is disabled; prints the wrapped targets and how runs ended, as JSON.

The command line is the configuration file and how the engine is opened: `host` or `command`.
"""

import asyncio
import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any

WORKFLOWS = ("success", "tool_error", "retry_succeeds")


def attributes() -> dict[str, Any]:
    """Return the current object of each target."""
    from ael_otel.instrument.targets import TARGETS

    found: dict[str, Any] = {}
    for target in TARGETS:
        try:
            owner: Any = importlib.import_module(target.module)
        except ImportError:
            continue  # the MCP library has that module from version 2 on
        *path, name = target.attribute.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        if owner is not None and name in vars(owner):
            found[f"{target.module}:{target.attribute}"] = vars(owner)[name]
    return found


async def host(file: Path, opened: list[str], before: dict[str, Any]) -> dict[str, str]:
    """Open the engine as an application does, with the instrumentor at work, and run."""
    from ploston_core.application import PlostApplication

    from ael_otel import AelInstrumentor

    AelInstrumentor().instrument(config=file, serve_metrics=False)
    application = PlostApplication(config_path=str(file), log_output=io.StringIO())
    await application.initialize()
    opened += wrapped(before)
    try:
        return {
            name: (await application.workflow_engine.execute(name, {})).status.value
            for name in WORKFLOWS[
                :2
            ]  # the engine alone cannot retry a step: its database refuses the second row
        }
    finally:
        await application.shutdown()


async def command(file: Path, opened: list[str], before: dict[str, Any]) -> dict[str, str]:
    """Open the engine as the commands of this package do, and run."""
    from ael_otel import load_settings
    from ael_otel.instrument.engine import open_application, run_workflow
    from ael_otel.runtime import start

    runtime = start(load_settings(file), log_stream=io.StringIO())
    application = await open_application(file, rest=False)
    opened += wrapped(before)
    try:
        return {name: (await run_workflow(application, name, {})).status for name in WORKFLOWS}
    finally:
        await application.shutdown()
        runtime.shutdown()


def wrapped(before: dict[str, Any]) -> list[str]:
    """Return the names that do not refer to the engine's own function."""
    return [name for name, now in attributes().items() if now is not before[name]]


def main() -> None:
    """Run and print."""
    file, how = Path(sys.argv[1]), sys.argv[2]
    before = attributes()
    opened: list[str] = []
    ended = asyncio.run({"host": host, "command": command}[how](file, opened, before))
    found = {"targets": len(before), "opened": opened, "ended": wrapped(before), "runs": ended}
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
