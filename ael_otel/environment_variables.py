"""Variables of this package (entry point `opentelemetry_environment_variables`), and the file's part of them.

`opentelemetry-instrument` loads this module before it starts the command and reads its own flags afterwards. For the
command `ael` this is the moment at which the configuration file can still reach the SDK's configurator: what the file
says becomes environment, unless the environment already says it. A wrong file is left for `ael` itself to report.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

OTEL_PYTHON_AEL_CONFIG: Final = "OTEL_PYTHON_AEL_CONFIG"
"""The configuration file to prepare the SDK from, where the command line does not name it."""

_COMMANDS_WITH_CONFIG: Final = frozenset({"serve", "run"})
_DEMO_CONFIG: Final = Path(__file__).with_name("demo") / "config.yaml"


def wrapped_command(arguments: Sequence[str]) -> list[str] | None:
    """Return the `ael` command line inside a wrapper's arguments, or None when the command is another one."""
    if not arguments or PurePath(arguments[0]).name != "opentelemetry-instrument":
        return None
    start = 1
    while start < len(arguments) and arguments[start].startswith("-"):
        # Past a flag goes its value, which may well be `ael` too: that is our service name.
        start += 1 if arguments[start] == "--" or "=" in arguments[start] else 2
    for index in range(start, len(arguments)):
        if PurePath(arguments[index]).name == "ael":
            return list(arguments[index:])
    return None


def config_argument(command: Sequence[str]) -> str | None:
    """Return the file that `-c FILE`, `-cFILE`, `--config FILE` or `--config=FILE` names."""
    words = iter(command)
    for word in words:
        if word in ("-c", "--config"):
            return next(words, None)
        if word.startswith("--config="):
            return word.removeprefix("--config=")
        if word.startswith("-c") and not word.startswith("--") and len(word) > 2:
            return word[2:]
    return None


def _prepare() -> None:
    command = wrapped_command(sys.argv)
    _check_variables(reported_later=command is not None)
    if command is None or len(command) < 2:
        return
    named: str | Path | None
    if command[1] == "demo":
        named = _DEMO_CONFIG
    elif command[1] in _COMMANDS_WITH_CONFIG:
        named = config_argument(command) or os.environ.get(OTEL_PYTHON_AEL_CONFIG)
    else:
        return
    from ael_otel.config import load_settings
    from ael_otel.errors import AelOtelError
    from ael_otel.sdk.otel_variables import prepare

    try:
        settings = load_settings(named)
    except AelOtelError:
        return
    prepare(settings, os.environ)


def _check_variables(*, reported_later: bool) -> None:
    """Take out OTEL_* variables that the SDK could not read; `ael` reports them itself, for others it is done here."""
    if not sys.argv or PurePath(sys.argv[0]).name != "opentelemetry-instrument":
        return
    from ael_otel.config.variables import drop_unusable

    for fault in drop_unusable(os.environ):
        if not reported_later:
            print(f"ael-otel: {'error' if fault.fatal else 'warning'}: {fault.message}", file=sys.stderr)  # noqa: T201


try:
    _prepare()
except Exception as error:  # noqa: BLE001 - a fault here must not keep the user's command from starting
    print(f"ael-otel: the configuration file was not applied to the SDK: {error}", file=sys.stderr)  # noqa: T201
