"""Check the environment variables: values that cannot be used, and names that nothing reads."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from ael_otel.config.file import PATH_VARIABLES
from ael_otel.config.variables import CHECKS, check_variables
from ael_otel.doctor.finding import Finding, failure, ok, warning

AREA: Final = "variables"

_OURS: Final = """
AEL_ADMIN_TOKEN AEL_CONFIG_PATH AEL_EXTRAS AEL_HOME AEL_HOOK_DISABLED AEL_HOOK_NO_WORKER AEL_INSIGHTS_HISTORIES
AEL_LOKI_URL AEL_OTEL_OTLP_SIGNALS AEL_OTEL_RAISE_FAULTS AEL_OTEL_SAMPLER AEL_OTEL_VARIABLE_FAULTS AEL_REDIS_URL
AEL_SESSION_AGENT AEL_SESSION_ID AEL_TELEMETRY_DB AEL_TEST_POSTGRES_DSN AEL_TIMEZONE
"""
_STACK: Final = """
AEL_ALERTMANAGER_CONFIG AEL_ALERTMANAGER_IMAGE AEL_ALERTMANAGER_PORT AEL_COLLECTOR_CONFIG AEL_COLLECTOR_IMAGE
AEL_COLLECTOR_METRICS_PORT AEL_COLLECTOR_QUEUE_BYTES AEL_GRAFANA_CONFIG AEL_GRAFANA_IMAGE AEL_GRAFANA_PORT
AEL_GRAFANA_URL AEL_LOGS_RETENTION AEL_LOKI_CONFIG AEL_LOKI_ENDPOINT AEL_LOKI_IMAGE AEL_LOKI_PORT
AEL_METRICS_MAX_SIZE AEL_METRICS_RETENTION AEL_OTLP_GRPC_PORT AEL_OTLP_HTTP_PORT AEL_PROMETHEUS_CONFIG
AEL_PROMETHEUS_ENDPOINT AEL_PROMETHEUS_IMAGE AEL_PROMETHEUS_PORT AEL_RUNBOOK_URL AEL_TAIL_SAMPLING_PERCENT
AEL_TAIL_SAMPLING_SLOW_MS AEL_TAIL_SAMPLING_WAIT AEL_TEMPO_CONFIG AEL_TEMPO_ENDPOINT AEL_TEMPO_GENERATES
AEL_TEMPO_IMAGE AEL_TEMPO_PORT AEL_TRACES_RETENTION
"""
_OTHERS: Final = """
OTEL_EXPORTER_PROMETHEUS_HOST OTEL_EXPORTER_PROMETHEUS_PORT OTEL_LOG_LEVEL OTEL_RESOURCE_ATTRIBUTES
OTEL_SEMCONV_STABILITY_OPT_IN OTEL_SERVICE_NAME
"""

KNOWN: Final = frozenset((_OURS + _STACK).split())
"""AEL_* variables that this package, its hooks, the engine, the repository and the Compose stack read."""

_NEAR: Final = 0.89
"""Similarity from which an unknown OTEL_* variable counts as misspelled: other programs have variables too."""


def check(environ: Mapping[str, str], referenced: str = "") -> list[Finding]:
    """Check the OTEL_* and AEL_* variables.

    Args:
        environ: the environment.
        referenced: text of the configuration file; an AEL_* variable that it names is not unknown.
    """
    found = [
        failure(AREA, each.message, f"correct or unset {each.variable}")
        if each.fatal
        else warning(AREA, each.message, f"correct or unset {each.variable}")
        for each in check_variables(environ)
    ]
    wrong = len(found)
    otel = known_otel()
    for name in sorted(environ):
        if name.startswith("OTEL_") and name not in otel:
            near = get_close_matches(name, otel, n=1, cutoff=_NEAR)
            if near:
                found.append(_unknown(name, near))
        elif name.startswith("AEL_") and name not in KNOWN and f"${{{name}" not in referenced:
            found.append(_unknown(name, get_close_matches(name, KNOWN, n=1, cutoff=0.6)))
    if not found:
        number = sum(each.startswith(("OTEL_", "AEL_")) for each in environ)
        return [ok(AREA, f"{number} variables OTEL_* and AEL_* are set, and all can be used")]
    return sorted(found[:wrong], key=lambda each: each.level) + found[wrong:]


def known_otel() -> frozenset[str]:
    """Return the OTEL_* variables that OpenTelemetry's installed packages and this package read."""
    names = {*CHECKS, *_OTHERS.split(), *(each for each in PATH_VARIABLES if each.startswith("OTEL_"))}
    for entry in entry_points(group="opentelemetry_environment_variables"):
        if entry.value.startswith("opentelemetry."):  # others may do work when they are loaded, as ours does
            values = vars(import_module(entry.value)).values()
            names.update(each for each in values if isinstance(each, str) and each.startswith("OTEL_"))
    return frozenset(names)


def _unknown(name: str, near: list[str]) -> Finding:
    if near:
        return warning(
            AREA, f"nothing reads the variable {name}", f"did you mean {near[0]}? Rename or unset it"
        )
    return warning(
        AREA, f"nothing reads the variable {name}", "unset it, or look up its name in the documentation"
    )
