"""Writing the laboratory's configuration and workflows to a folder, as the engine wants them."""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.variables import NOWHERE

HERE = Path(__file__).parent
SOURCES: Mapping[str, str] = {
    re.search(r"^name: (\w+)$", text, re.MULTILINE)[1]: text  # type: ignore[index]
    for text in (HERE / "workflows.yaml").read_text("utf-8").split("\n---\n")
}
"""The YAML text of each workflow by its name."""

TOOLS = ("add", "die", "echo", "flaky", "refuse", "traceparent", "wait")
SANDBOX_SECONDS = 1


def write_configuration(
    folder: Path, *, telemetry: Mapping[str, Any] | None = None, python: str = sys.executable
) -> Path:
    """Write configuration and workflows below `folder` and return the configuration's path.

    Args:
        folder: where; made if need be.
        telemetry: the `telemetry` section; metrics are not served and nothing is sent unless it says so.
        python: the interpreter that runs the tool server.
    """
    workflows = folder / "workflows"
    workflows.mkdir(parents=True)
    for name, text in SOURCES.items():
        (workflows / f"{name}.yaml").write_text(text, "utf-8")
    server = {"command": shlex.join([python, str(HERE / "tools.py")])}
    path = folder / "ael.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "tools": {"mcp_servers": {"lab": server}},
                "workflows": {"directory": str(workflows)},
                "python_exec": {"timeout": SANDBOX_SECONDS},
                "logging": {"level": "INFO", "format": "json"},
                "telemetry": {
                    "service_name": "lab",
                    "metrics": {"prometheus_enabled": False},
                    "exporters": {"otlp": {"endpoint": NOWHERE}},
                }
                | dict(telemetry or {}),
            }
        ),
        "utf-8",
    )
    return path


def json_lines(text: str) -> list[dict[str, Any]]:
    """Parse text that must hold one JSON object per line and nothing else."""
    return [json.loads(line) for line in text.splitlines()]
