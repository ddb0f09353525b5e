"""Environment variables of this package, and those that the configuration file sets for the SDK.

This module is the entry point `opentelemetry_environment_variables`: `opentelemetry-instrument` loads it before it
starts the command, and reads its own flags afterwards. Only at that point can the configuration file still reach the
SDK's configurator: its settings become `OTEL_*` variables, unless these are set already. For the command `ael` the file
is the one that the command itself will use, for other commands the one that an option or a variable names. An invalid
file is reported later, by the command or when the engine opens.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

OTEL_PYTHON_AEL_CONFIG: Final = "OTEL_PYTHON_AEL_CONFIG"
"""The engine's configuration file, if the command line does not name one."""

_LOG_VARIABLE: Final = "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION"
_COMMANDS_WITH_CONFIG: Final = frozenset({"serve", "run"})
_DEMO_CONFIG: Final = Path(__file__).with_name("demo") / "config.yaml"


def wrapped_command(arguments: Sequence[str]) -> list[str] | None:
    """Return the `ael` command line in the arguments of `opentelemetry-instrument`, or None for another command."""
    if not arguments or PurePath(arguments[0]).name != "opentelemetry-instrument":
        return None
    start = 1
    while start < len(arguments) and arguments[start].startswith("-"):
        # Skip the value of a flag: it may be `ael` too, which is the default service name.
        start += 1 if arguments[start] == "--" or "=" in arguments[start] else 2
    for index in range(start, len(arguments)):
        if PurePath(arguments[index]).name == "ael":
            return list(arguments[index:])
    return None


def _prepare() -> None:
    if not sys.argv or PurePath(sys.argv[0]).name != "opentelemetry-instrument":
        return
    command = wrapped_command(sys.argv)
    _check_variables(reported_later=command is not None)
    from ael_otel.config import load_settings
    from ael_otel.config.command_line import command_config, config_argument
    from ael_otel.config.file import named_config
    from ael_otel.errors import AelOtelError
    from ael_otel.sdk.otel_variables import prepare

    try:
        if command is None:
            named = named_config(command_config(sys.argv[1:]))
            if named is None:
                return
            # Child processes have other command lines; an absolute path is valid in each of them.
            os.environ[OTEL_PYTHON_AEL_CONFIG] = str(named.absolute())
            settings = load_settings(named)
        elif command[1:2] == ["demo"]:
            settings = load_settings(_DEMO_CONFIG)
        elif len(command) > 1 and command[1] in _COMMANDS_WITH_CONFIG:
            settings = load_settings(config_argument(command))
        else:
            return
    except AelOtelError:
        return
    before = os.environ.get(_LOG_VARIABLE)
    prepare(settings, os.environ)
    if command is None and before is None:
        # Until an engine opens, which many processes never do, the SDK's handler writes the application's log.
        os.environ.pop(_LOG_VARIABLE, None)


def _check_variables(*, reported_later: bool) -> None:
    """Remove OTEL_* variables that the SDK cannot read; report them unless the command `ael` will do so."""
    from ael_otel.config.variables import drop_unusable

    for fault in drop_unusable(os.environ):
        if not reported_later:
            print(f"ael-otel: {'error' if fault.fatal else 'warning'}: {fault.message}", file=sys.stderr)  # noqa: T201


try:
    _prepare()
except Exception as error:  # noqa: BLE001 - a fault here must not keep the user's command from starting
    print(f"ael-otel: the configuration file was not applied to the SDK: {error}", file=sys.stderr)  # noqa: T201
