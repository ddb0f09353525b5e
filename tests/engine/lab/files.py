"""Writing the laboratory's configuration and workflows to a folder, as the engine wants them."""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
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
    folder: Path,
    *,
    telemetry: Mapping[str, Any] | None = None,
    python: str = sys.executable,
    servers: Mapping[str, Sequence[str | Path]] | None = None,
    texts: Mapping[str, str] = SOURCES,
) -> Path:
    """Write configuration and workflows below `folder` and return the configuration's path.

    Args:
        folder: where; made if need be.
        telemetry: the `telemetry` section; metrics are not served and nothing is sent unless it enables that.
        python: the interpreter that runs the tool server.
        servers: other tool servers by name, each with its program and its arguments; default the one of these tests.
        texts: the workflows, by name; default those of these tests.
    """
    workflows = folder / "workflows"
    workflows.mkdir(parents=True)
    for name, text in texts.items():
        (workflows / f"{name}.yaml").write_text(text, "utf-8")
    commands = {
        name: {"command": shlex.join([python, *map(str, words)])}
        for name, words in (servers or {"lab": [HERE / "tools.py"]}).items()
    }
    path = folder / "ael.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "tools": {"mcp_servers": commands},
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
