"""Turn settings into the environment variables that the SDK's own configurator reads, before it reads them.

The SDK's configurator builds the providers, with or without `opentelemetry-instrument`: resource, sampler, limits, ids
and propagators are standard and every OTEL_* variable has its standard meaning. Only the OTLP exporters are ours
(`AEL_OTEL_OTLP_SIGNALS` names their signals), because the SDK's batch processors neither count drops nor shut down in
bounded time.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final

from ael_otel.config import Settings, otel_environment
from ael_otel.config.environment import RECORDING_SAMPLER, SAMPLER_VARIABLE
from ael_otel.config.variables import drop_unusable

SIGNALS_VARIABLE: Final = "AEL_OTEL_OTLP_SIGNALS"
_SIGNALS: Final = ("traces", "metrics", "logs")
_OTLP_PROTOCOLS: Final = {"otlp_proto_grpc": "grpc", "otlp_proto_http": "http/protobuf"}
_OTLP_NAMES: Final = frozenset({"otlp", *_OTLP_PROTOCOLS})


def prepare(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Set the variables that the settings require and `environ` does not have; a second call changes nothing."""
    if SIGNALS_VARIABLE in environ:
        return
    # The settings' notices have reported the variables that are removed here; the SDK would raise, or name a wrong
    # cause.
    drop_unusable(environ)
    environ.update(otel_environment(settings, environ))
    ours: list[str] = []
    for signal in _SIGNALS:
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        names = [name.strip() for name in environ.get(variable, "otlp").split(",") if name.strip()]
        if _OTLP_NAMES.intersection(names):
            ours.append(signal)
            environ[variable] = ",".join(name for name in names if name not in _OTLP_NAMES) or "none"
            for name, protocol in _OTLP_PROTOCOLS.items():
                if name in names:
                    environ.setdefault(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", protocol)
    environ[SIGNALS_VARIABLE] = ",".join(ours)
    if settings.sampling.keep or settings.admin.live_schema:
        _record_everything(environ)


def _record_everything(environ: MutableMapping[str, str]) -> None:
    """Wrap the active sampler in ours: unsampled spans are recorded, for the span processors of this process."""
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip() or "parentbased_always_on"
    environ["OTEL_TRACES_SAMPLER"] = RECORDING_SAMPLER
    environ[SAMPLER_VARIABLE] = sampler


def settle(environ: MutableMapping[str, str]) -> None:
    """Restore the original sampler's name once the providers are built.

    A provider that is created later, in this process (the engine does so) or in a child process, has no use for our
    sampler and would log a warning.
    """
    if environ.get("OTEL_TRACES_SAMPLER") == RECORDING_SAMPLER and environ.get(SAMPLER_VARIABLE):
        environ["OTEL_TRACES_SAMPLER"] = environ.pop(SAMPLER_VARIABLE)


def otlp_signals(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the signals whose OTLP exporter is ours; none if `prepare` did not run before the SDK was built."""
    return frozenset(name for name in environ.get(SIGNALS_VARIABLE, "").split(",") if name)
