"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def examples(*lines: str) -> str:
    """Return the end of a verb's help text: command lines that work as they stand."""
    # The mark keeps click from filling the lines to one paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def config_option[F: Callable[..., Any]](function: F) -> F:
    """Add `-c/--config FILE`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The engine's configuration file. Default: $AEL_CONFIG_PATH, ./ael-config.yaml, ~/.ael/config.yaml.",
    )(function)
