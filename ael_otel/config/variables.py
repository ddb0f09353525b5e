"""Check the OTEL_* variables before the SDK reads them: users copy them from guides for other programs.

OpenTelemetry's specification defines the handling of an invalid value: a warning, and the default for numbers and for
words of a closed set (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). The SDK
raises for some, ignores others silently, and reports a wrong cause for the rest. A variable without a sensible default,
such as an endpoint or a certificate, is an error. An empty variable counts as not set.
"""

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["FAULTS_VARIABLE", "Fault", "check_variables", "drop_unusable", "is_text"]

FAULTS_VARIABLE: Final = "AEL_OTEL_VARIABLE_FAULTS"
"""Variables that `drop_unusable` has removed, for code that reads its settings later, even after `exec`."""


class Fault(NamedTuple):
    """The mistake in one variable.

    Attributes:
        variable: its name.
        message: one sentence with variable, value and remedy; no secret.
        fatal: whether telemetry cannot do what was configured without the variable.
        instead: the value that is used; None means that it counts as not set.
    """

    variable: str
    message: str
    fatal: bool = False
    instead: str | None = None


def is_text(value: str) -> bool:
    """Return whether a text can be encoded as UTF-8: Python decodes other bytes of variables as lone surrogates."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


type Check = Callable[[str, str], Fault | None]

LARGEST: Final = 2_147_483_647
"""The largest number in a variable: threads cannot wait for longer, and lists cannot contain more."""

_LONGEST_SHOWN: Final = 60


def _shown(value: str) -> str:
    return repr(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "…")


def _ignored(variable: str, value: str, what: str, instead: str | None = None) -> Fault:
    used = "the default is used" if instead is None else f"{instead} is used"
    return Fault(variable, f"{variable}: {_shown(value)} {what}; {used}", instead=instead)


def _whole(unit: str, smallest: int = 0) -> Check:
    """Return a check for whole numbers from `smallest` to `LARGEST`, in `unit`."""

    def check(variable: str, value: str) -> Fault | None:
        # Python refuses to parse a number of thousands of digits.
        digits = value.lstrip("0") or "0"
        if value.isascii() and value.isdigit() and len(digits) <= 10 and smallest <= int(digits) <= LARGEST:
            return None
        return _ignored(
            variable,
            value,
            f"is not a whole number of {unit} from {smallest} to {LARGEST}, without a unit",
        )

    return check


def _delay(variable: str, value: str) -> Fault | None:
    if value.isascii() and value.isdigit() and not value.strip("0"):
        return _ignored(variable, value, "must be above 0 for the SDK's own processors", "1")
    return _whole("milliseconds", 1)(variable, value)


def _seconds(variable: str, value: str) -> Fault | None:
    try:
        if 0 < float(value) <= LARGEST:
            return None
    except ValueError:
        pass
    return _ignored(variable, value, f"is not a number of seconds above 0, {LARGEST} at most, without a unit")


def _ratio(variable: str, value: str) -> Fault | None:
    try:
        if 0 <= float(value) <= 1:
            return None
    except ValueError:
        pass
    return _ignored(variable, value, "is not a ratio from 0 to 1", "1.0")


def _flag(variable: str, value: str) -> Fault | None:
    if value.lower() in {"true", "false"}:
        return None
    return _ignored(variable, value, "is not true or false", "false")


def _one_of(*words: str, remark: str = "") -> Check:
    def check(variable: str, value: str) -> Fault | None:
        if value.lower() in words:
            return None
        return _ignored(variable, value, f"is not one of {', '.join(words)}{remark}")

    return check


_STAND_INS: Final = "ael_otel.core.absent_propagators:"
"""Prefix of our own entry points that stand in for propagators that are not installed."""


@lru_cache
def _installed(group: str) -> frozenset[str]:
    return frozenset(
        entry.name for entry in entry_points(group=group) if not entry.value.startswith(_STAND_INS)
    )


def _from_list(group: str, built_in: str, what: str) -> Check:
    """Return a check for a list of names, built in or of installed packages; unknown ones are left out."""
    known = frozenset(built_in.split())

    def check(variable: str, value: str) -> Fault | None:
        names = [name.strip() for name in value.split(",") if name.strip()]
        unknown = [name for name in names if name not in known and name not in _installed(group)]
        if not unknown:
            return None
        left = ",".join(name for name in names if name not in unknown)
        choice = ", ".join(sorted(known | _installed(group)))
        return _ignored(
            variable, ",".join(unknown), f"is not an installed {what} (available: {choice})", left or None
        )

    return check


_SAMPLERS: Final = frozenset(
    f"{parent}{name}"
    for parent in ("", "parentbased_")
    for name in ("always_on", "always_off", "traceidratio")
)


def _sampler(variable: str, value: str) -> Fault | None:
    known = _SAMPLERS
    if value.lower() in known or value in _installed("opentelemetry_traces_sampler"):
        return None
    choice = ", ".join(sorted(known | _installed("opentelemetry_traces_sampler")))
    return _ignored(variable, value, f"is not an installed sampler (available: {choice})")


def _file(variable: str, value: str) -> Fault | None:
    path = Path(value)
    try:
        with path.open("rb") as file:
            # A pipe can be read only once, by the code that uses it.
            if not path.is_file() or b"-----BEGIN " in file.read(_LARGEST_PEM):
                return None
            reason = "contains no `-----BEGIN ...-----`"
    except (OSError, ValueError) as error:  # a value error is a NUL in the name
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return Fault(variable, f"{variable}: {_shown(value)} {reason}; name a PEM file or unset it", fatal=True)


def _provider(variable: str, value: str) -> Fault | None:
    group = "opentelemetry_otlp_credential_provider"
    if value in _installed(group):
        return None
    choice = ", ".join(sorted(_installed(group))) or "none"
    message = (
        f"{variable}: {_shown(value)} is not an installed credential provider (available: {choice}); install its"
        " package or unset the variable"
    )
    return Fault(variable, message, fatal=True)


def _address(variable: str, value: str) -> Fault | None:
    text = value if "://" in value else f"//{value}"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        usable = host and host.isprintable() and not any(map(str.isspace, host))
        # For a host without a port, gRPC would use port 443 and wait for it silently.
        if (
            usable
            and parts.port != 0
            and (parts.scheme in {"http", "https"} or (not parts.scheme and parts.port))
        ):
            return None
    except ValueError:
        pass  # a port that is not a number
    message = f"{variable}: {_shown(_without_login(value))} is not an address with its port such as http://localhost:4317"
    return Fault(variable, message, fatal=True)


def _without_login(value: str) -> str:
    head, at, tail = value.rpartition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if at else value


_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[ !#-+\--:<-\[\]-~]*")
"""Characters that the SDK accepts: printable ASCII without `"`, `,`, `;` and `\\`. It logs other values unredacted."""
_PRINTABLE: Final = re.compile(r"[ -~]*")


def _is_header(item: str) -> bool:
    name, equals, value = item.partition("=")
    decoded = unquote(name).strip()
    return bool(
        equals
        and _HEADER_NAME.fullmatch(decoded)
        # gRPC accepts bytes only for these names.
        and not decoded.lower().endswith("-bin")
        and _HEADER_VALUE.fullmatch(value.strip())
        and _PRINTABLE.fullmatch(unquote(value.strip()))
    )


def _headers(variable: str, value: str) -> Fault | None:
    """Check `name=value` pairs; messages never contain values."""
    good: list[str] = []
    bad: list[int] = []
    for number, item in enumerate(value.split(","), 1):
        if not item.strip():
            continue
        if _is_header(item.strip()):
            good.append(item.strip())
        else:
            bad.append(number)
    if not bad:
        return None
    which = ", ".join(map(str, bad))
    message = (
        f"{variable}: item {which} is not name=value in printable ASCII (write a comma in a value as %2C, a quotation"
        " mark as %22); it is left out"
    )
    return Fault(variable, message, instead=",".join(good) or None)


def _attributes(variable: str, value: str) -> Fault | None:
    items = [item.strip() for item in value.split(",") if item.strip()]
    good = [item for item in items if item.partition("=")[0].strip() and "=" in item]
    if len(good) == len(items):
        return None
    which = ", ".join(str(number) for number, item in enumerate(items, 1) if item not in good)
    message = f"{variable}: item {which} is not name=value; it is left out"
    return Fault(variable, message, instead=",".join(good) or None)


def _declarative(variable: str, value: str) -> Fault | None:
    if find_spec("opentelemetry.configuration") is not None:
        return None
    message = (
        f"{variable}: {_shown(value)} needs opentelemetry-configuration, which is not installed; the file is ignored,"
        " use the section `telemetry` of the configuration of ael instead"
    )
    return Fault(variable, message)


_LARGEST_PEM: Final = 1024 * 1024
_SIGNALS: Final = ("", "TRACES_", "METRICS_", "LOGS_")
_OTLP: Final[Mapping[str, Check]] = {
    "ENDPOINT": _address,
    "PROTOCOL": _one_of("grpc", "http/protobuf", remark=" (http/json is not supported)"),
    "HEADERS": _headers,
    "TIMEOUT": _seconds,
    "COMPRESSION": _one_of("none", "gzip", "deflate"),
    "INSECURE": _flag,
    "CERTIFICATE": _file,
    "CLIENT_KEY": _file,
    "CLIENT_CERTIFICATE": _file,
}
_LIMITS: Final = (
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT "
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT OTEL_SPAN_LINK_COUNT_LIMIT "
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT "
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"
)

CHECKS: Final[Mapping[str, Check]] = {
    **{f"OTEL_EXPORTER_OTLP_{signal}{name}": check for signal in _SIGNALS for name, check in _OTLP.items()},
    **{
        f"OTEL_{signal}_EXPORTER": _from_list(
            f"opentelemetry_{signal.lower()}_exporter",
            "none otlp otlp_proto_grpc otlp_proto_http console",
            "exporter",
        )
        for signal in ("TRACES", "METRICS", "LOGS")
    },
    **dict.fromkeys(_LIMITS.split(), _whole("items or characters")),
    **{
        f"OTEL_{kind}_{name}": check
        for kind in ("BSP", "BLRP")
        for name, check in {
            "SCHEDULE_DELAY": _delay,
            "EXPORT_TIMEOUT": _whole("milliseconds"),
            "MAX_QUEUE_SIZE": _whole("items", 1),
            "MAX_EXPORT_BATCH_SIZE": _whole("items", 1),
        }.items()
    },
    "OTEL_METRIC_EXPORT_INTERVAL": _whole("milliseconds", 1),
    "OTEL_METRIC_EXPORT_TIMEOUT": _whole("milliseconds", 1),
    "OTEL_METRICS_EXEMPLAR_FILTER": _one_of("always_on", "always_off", "trace_based"),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": _one_of("cumulative", "delta", "lowmemory"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": _one_of(
        "explicit_bucket_histogram", "base2_exponential_bucket_histogram"
    ),
    "OTEL_PROPAGATORS": _from_list("opentelemetry_propagator", "tracecontext baggage none", "propagator"),
    "OTEL_TRACES_SAMPLER": _sampler,
    "OTEL_TRACES_SAMPLER_ARG": _ratio,
    "OTEL_RESOURCE_ATTRIBUTES": _attributes,
    "OTEL_SDK_DISABLED": _flag,
    "OTEL_CONFIG_FILE": _declarative,
    "OTEL_PYTHON_ID_GENERATOR": _from_list("opentelemetry_id_generator", "random", "id generator"),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": _from_list(
        "opentelemetry_resource_detector", "otel *", "resource detector"
    ),
    **{
        f"OTEL_PYTHON_{kind}_PROVIDER": _from_list(
            f"opentelemetry_{kind.lower()}_provider", f"default_{kind.lower()}_provider", "provider"
        )
        for kind in ("TRACER", "METER", "LOGGER")
    },
    **{
        f"OTEL_PYTHON_EXPORTER_OTLP_{protocol}_{signal}CREDENTIAL_PROVIDER": _provider
        for protocol in ("GRPC", "HTTP")
        for signal in _SIGNALS
    },
}
"""The check of each variable."""

_RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio")
_SDK_QUEUE: Final = 2_048
_SDK_BATCH: Final = 512
"""The SDK's defaults for the queue size and batch size of a batch processor."""


def check_variables(environ: Mapping[str, str]) -> list[Fault]:
    """Return the mistakes in the OTEL_* variables of `environ`, including those that `drop_unusable` removed."""
    return drop_unusable(dict(environ))


def _check(environ: Mapping[str, str]) -> list[Fault]:
    found: list[Fault] = []
    for variable in sorted(CHECKS.keys() & environ.keys()):
        value = environ[variable].strip()
        if not value:
            continue
        if variable == "OTEL_TRACES_SAMPLER_ARG" and not _takes_a_ratio(environ):
            continue  # another sampler defines the meaning of its argument
        fault = CHECKS[variable](variable, value)
        if fault is not None:
            found.append(fault)
    wrong = {fault.variable for fault in found}
    for name in sorted(environ.keys() - wrong):
        # Python decodes such bytes as lone surrogates, which no exporter can encode: a whole signal would be lost.
        if name.startswith("OTEL_") and not is_text(environ[name]):
            found.append(Fault(name, f"{name}: its value is not UTF-8; set it in UTF-8; it is left out"))
            wrong.add(name)
    return found + [fault for fault in _together(environ) if fault.variable not in wrong]


def _together(environ: Mapping[str, str]) -> list[Fault]:
    """Return the mistakes in variables that are valid alone but not together."""
    found: dict[str, Fault] = {}
    for signal in _SIGNALS:
        for one, other in (("CLIENT_KEY", "CLIENT_CERTIFICATE"), ("CLIENT_CERTIFICATE", "CLIENT_KEY")):
            if (fault := _alone(environ, signal, one, other)) is not None:
                found[fault.variable] = fault
        endpoint, protocol = (_in_force(environ, signal, name) for name in ("ENDPOINT", "PROTOCOL"))
        value = _value(environ, endpoint)
        if value and "://" not in value and _value(environ, protocol).lower() == "http/protobuf":
            message = (
                f"{endpoint}: {_shown(_without_login(value))} has no scheme, which http/protobuf needs; put http:// or"
                " https:// before it"
            )
            found[endpoint] = Fault(endpoint, message, fatal=True)
    for kind in ("BSP", "BLRP"):
        queue, batch = f"OTEL_{kind}_MAX_QUEUE_SIZE", f"OTEL_{kind}_MAX_EXPORT_BATCH_SIZE"
        room, wanted = _number(environ, queue, _SDK_QUEUE), _number(environ, batch, _SDK_BATCH)
        if wanted > room and _value(environ, batch):
            what = f"is above {queue} ({room}), which the SDK's own processors do not accept"
            found[batch] = _ignored(batch, str(wanted), what, str(room))
    return list(found.values())


def _in_force(environ: Mapping[str, str], signal: str, name: str) -> str:
    """Return the variable that applies to an OTLP setting of a signal: its own if set, else that of all signals."""
    own = f"OTEL_EXPORTER_OTLP_{signal}{name}"
    return own if _value(environ, own) else f"OTEL_EXPORTER_OTLP_{name}"


def _alone(environ: Mapping[str, str], signal: str, name: str, other: str) -> Fault | None:
    """Return a fault for a client key without its certificate, or the reverse: gRPC aborts the process for it."""
    variable = f"OTEL_EXPORTER_OTLP_{signal}{name}"
    value = _value(environ, variable)
    if not value or _value(environ, _in_force(environ, signal, other)):
        return None
    message = (
        f"{variable}: {_shown(value)} is set without OTEL_EXPORTER_OTLP_{signal}{other}; set both or neither"
    )
    return Fault(variable, message, fatal=True)


def _value(environ: Mapping[str, str], variable: str) -> str:
    return environ.get(variable, "").strip()


def _number(environ: Mapping[str, str], variable: str, default: int) -> int:
    value = _value(environ, variable)
    return int(value) if value and CHECKS[variable](variable, value) is None else default


def _takes_a_ratio(environ: Mapping[str, str]) -> bool:
    return environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() in _RATIO_SAMPLERS


def _noted(environ: Mapping[str, str]) -> list[Fault]:
    try:
        return [Fault(*each) for each in json.loads(environ.get(FAULTS_VARIABLE, "") or "[]")]
    except (ValueError, TypeError):
        return []


def drop_unusable(environ: MutableMapping[str, str]) -> list[Fault]:
    """Remove variables from `environ` that the SDK cannot read, and empty ones; return all faults.

    The faults are recorded in the environment: a second call, and `check_variables`, return them as well.
    """
    new: list[Fault] = []
    # Removing a variable can leave another one without its partner.
    while faults := _check(environ):
        for fault in faults:
            if fault.instead is None:
                del environ[fault.variable]
            else:
                environ[fault.variable] = fault.instead
        new += faults
    for variable in CHECKS.keys() & environ.keys():
        if not environ[variable].strip():
            del environ[variable]
    for kind in ("BSP", "BLRP"):
        # The SDK raises if the queue is smaller than its own default of a batch.
        room = _number(environ, f"OTEL_{kind}_MAX_QUEUE_SIZE", _SDK_QUEUE)
        if room < _SDK_BATCH:
            environ.setdefault(f"OTEL_{kind}_MAX_EXPORT_BATCH_SIZE", str(room))
    noted = _noted(environ) + new
    if new:
        environ[FAULTS_VARIABLE] = json.dumps(noted)
    return noted
