"""The environment of programs that tests start: no personal settings, and no telemetry endpoint."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOWHERE: Final = "http://127.0.0.1:9"
"""An endpoint where nothing listens. The default one could be that of a stack that the developer runs."""

EXPORT_NOTHING: Final[Mapping[str, str]] = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}

# Variables that configure telemetry, the engine, pytest, or output.
_DROPPED: Final = (
    *("OTEL_", "AEL_", "PLOSTON_", "TELEMETRY_STORE_", "PYTEST_", "PYTHONPATH"),
    *("COLUMNS", "FORCE_COLOR"),
)


def clean_variables(endpoint: str | None = NOWHERE, **more: str) -> dict[str, str]:
    """Return this process's environment without variables that configure the program, and with `more`.

    Args:
        endpoint: OTLP endpoint to set; None sets none, for a program whose configuration file contains it.
        more: further variables; they override the others.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return kept | ({} if endpoint is None else {ENDPOINT: endpoint}) | more


def send_nowhere() -> None:
    """Remove the developer's OpenTelemetry settings from this process, and set an endpoint where nothing listens."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ[ENDPOINT] = NOWHERE


def keep_bytecode(folder: Path) -> None:
    """Make this process and its children store compiled modules in a folder, where they would store none.

    With `PYTHONDONTWRITEBYTECODE`, as in many containers, each of the thousand programs that tests start compiles the
    engine, the SDK and this package again. The variable is meant for the source tree, which stays clean.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder)
        sys.dont_write_bytecode = False
