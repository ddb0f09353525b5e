"""Apply OTEL_* variables to settings, and turn settings into OTEL_* variables."""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote, unquote

import msgspec

from ael_otel._generated import attributes as attr
from ael_otel.config.keys import KEYS
from ael_otel.config.parse import OPEN_METRICS, serves_openly
from ael_otel.config.settings import Otlp, Sampling, Settings
from ael_otel.config.variables import drop_unusable
from ael_otel.errors import ConfigError

__all__ = ["RECORDING_SAMPLER", "SAMPLER_VARIABLE", "otel_environment", "with_environment"]

SAMPLER_VARIABLE: Final = "AEL_OTEL_SAMPLER"
"""The sampler that decides, if ours wraps it; it reads its own argument from `OTEL_TRACES_SAMPLER_ARG`."""

RECORDING_SAMPLER: Final = "ael_record"
"""Our sampler for `OTEL_TRACES_SAMPLER`: it makes another sampler's decisions, but records every span."""

_DEFAULT_ENDPOINT: Final = KEYS["exporters.otlp.endpoint"].default
_HTTP_ENDPOINT: Final = "http://localhost:4318"
_RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio")
_ALL_SAMPLERS: Final = ("always_on", "parentbased_always_on")

# Shorter than the SDK's defaults (60 s, 5 s, 5 s), so that users find the data of a run soon after it.
_INTERVALS: Final = {
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    "OTEL_BLRP_SCHEDULE_DELAY": "1000",
}


def otel_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the OTEL_* variables that correspond to `settings` and that `environ` does not set.

    A variable that is set but empty counts as not set, as OpenTelemetry defines it. OTEL_RESOURCE_ATTRIBUTES is the
    only variable that is returned although it is set: with `service.version` added. The result contains the exporter
    headers, so it is as secret as they are.
    """
    attributes = _resource_attributes(environ)
    otlp = settings.exporters.otlp
    wanted: dict[str, str] = {}
    if not settings.enabled:
        wanted["OTEL_SDK_DISABLED"] = "true"
    if attr.SERVICE_NAME not in attributes:
        wanted["OTEL_SERVICE_NAME"] = settings.service_name
    for signal, exported in (
        ("TRACES", settings.traces.enabled),
        ("METRICS", settings.metrics.enabled),
        ("LOGS", settings.logs.enabled and settings.logs.output != "stdout"),
    ):
        wanted[f"OTEL_{signal}_EXPORTER"] = "otlp" if otlp.enabled and exported else "none"
    protocol = _set(environ, "OTEL_EXPORTER_OTLP_PROTOCOL") or otlp.protocol
    wanted["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    if not _set(environ, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        wanted["OTEL_EXPORTER_OTLP_ENDPOINT"] = _endpoint(otlp.endpoint, protocol)
        # Only for our own endpoint: the scheme of an endpoint in the environment decides, and our default must not
        # disable its TLS.
        tls = not otlp.insecure or otlp.endpoint.lower().startswith("https://")
        wanted["OTEL_EXPORTER_OTLP_INSECURE"] = "false" if tls else "true"
    if otlp.headers:
        wanted["OTEL_EXPORTER_OTLP_HEADERS"] = ",".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in otlp.headers.items()
        )
    if settings.sampling.rate < 100 and not _set(environ, "OTEL_TRACES_SAMPLER"):
        wanted["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio"
        wanted["OTEL_TRACES_SAMPLER_ARG"] = repr(round(settings.sampling.rate / 100, 9))
    wanted |= _INTERVALS
    # `otel` reads OTEL_RESOURCE_ATTRIBUTES and comes last, so that the environment overrides the detector `ael`.
    wanted["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"] = "ael,otel"
    # Our own handler writes the log contract; the SDK's would send every line a second time.
    wanted["OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION"] = "false"
    missing = {name: value for name, value in wanted.items() if not _set(environ, name)}
    if settings.service_version and attr.SERVICE_VERSION not in attributes:
        present = _set(environ, "OTEL_RESOURCE_ATTRIBUTES")
        added = f"{attr.SERVICE_VERSION}={quote(settings.service_version, safe='')}"
        missing["OTEL_RESOURCE_ATTRIBUTES"] = f"{present},{added}" if present else added
    return missing


def sdk_disabled(environ: Mapping[str, str]) -> bool:
    """Return whether OTEL_SDK_DISABLED disables all telemetry of this process, whatever the configuration says."""
    return _set(environ, "OTEL_SDK_DISABLED").lower() == "true"


def with_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return `settings` with the OTEL_* variables in `environ` applied.

    A variable whose value cannot be used counts as not set and adds a notice, and so does a sampler that cannot be
    expressed as a percentage. Raises one ConfigError for all variables that have no default instead.
    """
    environ = dict(environ)
    if settings.exporters.otlp.protocol != "grpc" and not _set(environ, "OTEL_EXPORTER_OTLP_PROTOCOL"):
        environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = settings.exporters.otlp.protocol
    faults = drop_unusable(environ)
    if fatal := [fault for fault in faults if fault.fatal]:
        raise ConfigError.all_of([ConfigError(fault.message, key=fault.variable) for fault in fatal])
    attributes = _resource_attributes(environ)
    otlp = settings.exporters.otlp
    protocol = _protocol(environ, otlp)
    endpoint = _set(environ, "OTEL_EXPORTER_OTLP_ENDPOINT") or _endpoint(otlp.endpoint, protocol)
    insecure = otlp.insecure
    if stated := _set(environ, "OTEL_EXPORTER_OTLP_INSECURE"):
        insecure = stated.lower() == "true"
    elif _set(environ, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        insecure = endpoint.lower().startswith("http://")
    headers = otlp.headers
    if stated := _set(environ, "OTEL_EXPORTER_OTLP_HEADERS"):
        headers = _pairs(stated)
    sampling, sampling_notice = _sampling(settings.sampling, environ)
    metrics = msgspec.structs.replace(
        settings.metrics,
        host=_set(environ, "OTEL_EXPORTER_PROMETHEUS_HOST") or settings.metrics.host,
        port=_port(environ) or settings.metrics.port,
    )
    host_notice = None
    if metrics.host != settings.metrics.host and serves_openly(metrics):
        host_notice = "OTEL_EXPORTER_PROMETHEUS_HOST is not a loopback address: " + OPEN_METRICS
    return msgspec.structs.replace(
        settings,
        enabled=settings.enabled and not sdk_disabled(environ),
        service_name=_set(environ, "OTEL_SERVICE_NAME")
        or attributes.get(attr.SERVICE_NAME)
        or settings.service_name,
        service_version=attributes.get(attr.SERVICE_VERSION) or settings.service_version,
        metrics=metrics,
        exporters=msgspec.structs.replace(
            settings.exporters,
            otlp=msgspec.structs.replace(
                otlp, endpoint=endpoint, insecure=insecure, protocol=protocol, headers=headers
            ),
        ),
        sampling=sampling,
        notices=(
            *settings.notices,
            *(fault.message for fault in faults),
            *filter(None, (sampling_notice, host_notice)),
        ),
    )


def _set(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _endpoint(endpoint: str, protocol: str) -> str:
    # The unchanged default is the port of gRPC; OTLP over HTTP has another one.
    return _HTTP_ENDPOINT if protocol == "http/protobuf" and endpoint == _DEFAULT_ENDPOINT else endpoint


def _protocol(environ: Mapping[str, str], otlp: Otlp) -> Literal["grpc", "http/protobuf"]:
    match _set(environ, "OTEL_EXPORTER_OTLP_PROTOCOL"):
        case "grpc":
            return "grpc"
        case "http/protobuf":
            return "http/protobuf"
        case _:
            return otlp.protocol


def _port(environ: Mapping[str, str]) -> int | None:
    name = "OTEL_EXPORTER_PROMETHEUS_PORT"
    stated = _set(environ, name)
    if not stated:
        return None
    if not (stated.isascii() and stated.isdecimal() and len(stated) <= 5 and 1 <= int(stated) <= 65535):
        raise ConfigError(f"{name} must be {KEYS['metrics.port'].allowed}", key=name)
    return int(stated)


def _sampling(sampling: Sampling, environ: Mapping[str, str]) -> tuple[Sampling, str | None]:
    stated = _set(environ, "OTEL_TRACES_SAMPLER")
    sampler = _set(environ, SAMPLER_VARIABLE) if stated == RECORDING_SAMPLER else stated
    argument = _set(environ, "OTEL_TRACES_SAMPLER_ARG")
    if not sampler:
        return sampling, None
    if sampler in _ALL_SAMPLERS:
        return msgspec.structs.replace(sampling, rate=100.0), None
    if sampler in _RATIO_SAMPLERS:
        try:
            ratio = float(argument or "1")
        except ValueError:
            ratio = 1.0  # as in the SDK, which logs a warning
        if 0 < ratio <= 1:
            return msgspec.structs.replace(sampling, rate=round(ratio * 100, 9)), None
    return sampling, "telemetry.sampling.rate is ignored: OTEL_TRACES_SAMPLER overrides it"


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if equals and name.strip():
            pairs[unquote(name).strip()] = unquote(value).strip()
    return pairs


def _resource_attributes(environ: Mapping[str, str]) -> dict[str, str]:
    return _pairs(_set(environ, "OTEL_RESOURCE_ATTRIBUTES"))
