"""Check whether runs are instrumented, and how."""

import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from ael_otel.config import Settings
from ael_otel.config.environment import sdk_disabled
from ael_otel.doctor.finding import Finding, failure, ok, warning

AREA: Final = "instrumentation"

_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def check(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Check the switches, the entry point of the instrumentor, and the command `opentelemetry-instrument`."""
    found: list[Finding] = []
    if sdk_disabled(environ):
        found.append(warning(AREA, "OTEL_SDK_DISABLED is true: nothing is recorded or sent", "unset it"))
    elif not settings.enabled:
        cause = "telemetry.enabled is false: nothing is recorded or sent"
        found.append(warning(AREA, cause, "set telemetry.enabled to true in the configuration file"))
    left_out = {each.strip() for each in environ.get(_DISABLED, "").split(",")}
    if left_out & {"ael", "*"}:
        found.append(
            warning(
                AREA,
                f"{_DISABLED} leaves out the instrumentor `ael`: a host application under `opentelemetry-instrument` is"
                " not instrumented",
                f"remove `ael` and `*` from {_DISABLED}",
            )
        )
    if not entry_points(group="opentelemetry_instrumentor", name="ael"):
        found.append(
            failure(
                AREA,
                "ael-otel is on the path without its entry points: `opentelemetry-instrument` does not load it",
                "install the package with pip instead of copying its folder or setting PYTHONPATH",
            )
        )
    if found:
        return found
    return [ok(AREA, f"`ael run` and `ael serve` instrument themselves; {_how()}")]


def _how() -> str:
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

    if not isinstance(get_tracer_provider(), ProxyTracerProvider):
        return "this command runs under `opentelemetry-instrument`"
    beside = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
    command = shutil.which("opentelemetry-instrument") or beside
    if command is None:
        return "`opentelemetry-instrument`, for host applications, is not on PATH"
    return f"host applications run under {command}"
