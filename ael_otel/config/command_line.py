"""Find the configuration file on a command line: ours, or that of an application that hosts the engine."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["command_config", "config_argument"]

_SECTION: Final = re.compile(r"^(tools|workflows|telemetry)[ \t]*:", re.MULTILINE)
_LONGEST: Final = 1_048_576


def config_argument(command: Sequence[str]) -> str | None:
    """Return the file in `-c FILE`, `-cFILE`, `--config FILE` or `--config=FILE`; None if there is none."""
    words = iter(command)
    for word in words:
        if word in ("-c", "--config"):
            return next(words, None)
        if word.startswith("--config="):
            return word.removeprefix("--config=")
        if word.startswith("-c") and not word.startswith("--") and len(word) > 2:
            return word[2:]
    return None


def command_config(command: Sequence[str]) -> Path | None:
    """Return the engine's configuration file on the command line of another program, None if there is none.

    `-c` means something else to many programs (`python -c CODE`, `gunicorn -c gunicorn.conf.py`), so only a YAML file
    with a section of the engine counts.
    """
    named = config_argument(command)
    if named is None or not named.endswith((".yaml", ".yml")):
        return None
    path = Path(named)
    try:
        text = path.read_text("utf-8") if path.stat().st_size <= _LONGEST else ""
    except (OSError, ValueError):
        return None
    return path.absolute() if _SECTION.search(text) else None
