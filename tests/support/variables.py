"""The variables of the programs that tests start: nothing of the person's own, and nowhere to send telemetry."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOWHERE: Final = "http://127.0.0.1:9"
"""An endpoint where nobody listens. The default one would be that of a stack that the person runs beside the tests."""

EXPORT_NOTHING: Final[Mapping[str, str]] = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}

# What configures telemetry, the engine, pytest, or how a program prints.
_DROPPED: Final = (
    *("OTEL_", "AEL_", "PLOSTON_", "TELEMETRY_STORE_", "PYTEST_", "PYTHONPATH"),
    *("COLUMNS", "FORCE_COLOR"),
)


def clean_variables(endpoint: str | None = NOWHERE, **more: str) -> dict[str, str]:
    """Return this process's environment without what would configure the program, and with `more`.

    Args:
        endpoint: where it sends OTLP; None says nothing, for a program whose configuration file names it.
        more: further variables; they win.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return kept | ({} if endpoint is None else {ENDPOINT: endpoint}) | more


def send_nowhere() -> None:
    """Take the person's own settings of OpenTelemetry from this process, and give it nowhere to send to."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ[ENDPOINT] = NOWHERE


def keep_bytecode(folder: Path) -> None:
    """Have this process and those that it starts keep compiled modules in a folder, where they would keep none.

    With `PYTHONDONTWRITEBYTECODE`, as in many containers, each of some thousand programs that tests start compiles the
    engine, the SDK and this package again. The variable is about the source tree, which stays as it is.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder)
        sys.dont_write_bytecode = False
