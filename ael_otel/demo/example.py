"""Write the demo to a folder: a configuration, its workflows and its tool server, to run and to change."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ael_otel.errors import ConfigError

CONFIG_NAME: Final = "ael-config.yaml"
WORKFLOWS_NAME: Final = "workflows"
TOOLS_NAME: Final = "tools.py"

_HERE: Final = Path(__file__).parent


def write_example(directory: Path, *, server_environment: Mapping[str, str] | None = None) -> Path:
    """Write the demo to `directory`, created if it is missing; return the path of its configuration file.

    The paths in the configuration are absolute, so that it works from every folder; the tool server runs with the
    current
    Python interpreter.

    Args:
        directory: where to write.
        server_environment: environment variables for the tool server, besides the few that MCP passes on.

    Raises:
        ConfigError: one of the files exists already (nothing is written then), or writing fails.
    """
    root = directory.absolute()
    sources = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted((_HERE / WORKFLOWS_NAME).glob("*.yaml"))
    }
    tools = root / TOOLS_NAME
    files = {root / WORKFLOWS_NAME / name: text for name, text in sources.items()}
    files[tools] = (_HERE / "tools.py").read_text(encoding="utf-8")
    files[root / CONFIG_NAME] = _fill_in(
        (_HERE / "config.yaml").read_text(encoding="utf-8"),
        command=shlex.join([sys.executable, str(tools)]),
        workflows=str(root / WORKFLOWS_NAME),
        env=dict(server_environment or {}),
    )
    write_new_files(files)
    return root / CONFIG_NAME


def write_new_files(files: Mapping[Path, str]) -> None:
    """Write new files: all of them, or none if one exists.

    Raises ConfigError that names the file: it exists, or cannot be written.
    """
    for path in files:
        if path.exists() or path.is_symlink():
            raise ConfigError(f"{path} exists already and is left as it is; choose another folder", path=path)
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}", path=path) from error


def _fill_in(config: str, *, command: str, workflows: str, env: Mapping[str, str]) -> str:
    """Replace the three values of the bundled configuration that depend on its folder."""
    for bundled, value in (
        ('"${AEL_DEMO_COMMAND:-python -m ael_otel.demo.tools}"', command),
        ('"${AEL_DEMO_WORKFLOWS:-ael_otel/demo/workflows}"', workflows),
        ("{}", env),
    ):
        # JSON is YAML, and its quoting works for every path; the engine reads `$$` as one dollar sign.
        config = config.replace(bundled, json.dumps(value, ensure_ascii=False).replace("$", "$$"), 1)
    head = [line for line in config.splitlines() if "from the root of a checkout" not in line]
    return "\n".join(head) + "\n"
