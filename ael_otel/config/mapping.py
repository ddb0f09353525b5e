"""From the mapping under `telemetry:` to Settings: our keys, the engine's keys beside them, and errors that name them."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from ael_otel.config.file import Source, Substituted, kind_of, nearest
from ael_otel.config.keys import KEYS
from ael_otel.config.settings import MASK, Settings

__all__ = ["ALIASES", "SECTION", "Alias", "build_settings", "settings_as_mapping", "settings_from_mapping"]

SECTION: Final = "telemetry"


def _itself(value: Any) -> object:
    return value


def _silent(_value: Any) -> str | None:
    return None


class Alias(Struct, frozen=True):
    """A key that is accepted beside ours: the engine's own, or a short form.

    `type` and `allowed` are as for a Key. `translate` gives the value for our key `target`, or None where the given
    value says nothing; without a target, `notice` gives what to report about the given value, or None.
    """

    type: Any
    allowed: str
    meaning: str
    target: str = ""
    translate: Callable[[Any], object] = _itself
    notice: Callable[[Any], str | None] = _silent
    secret: bool = False


def _same(target: str, meaning: str, translate: Callable[[Any], object] = _itself) -> Alias:
    key = KEYS[target]
    return Alias(key.type, key.allowed, meaning, target, translate, secret=key.secret)


def _unless(expected: bool, otherwise: str) -> Callable[[Any], str | None]:
    return lambda value: None if value is expected else otherwise


def _looked_up(values: Mapping[str, str]) -> Callable[[Any], object]:
    return lambda value: values[value]


_BACKENDS: Final = {"memory": "memory", "file": "sqlite", "postgres": "postgresql"}
_PROTOCOLS: Final = {"grpc": "grpc", "http": "http/protobuf", "http/protobuf": "http/protobuf"}

# From the most to the least specific: where two keys give the same value of ours, the first one counts.
ALIASES: Final[Mapping[str, Alias]] = MappingProxyType(
    {
        "export.enabled": _same("exporters.otlp.enabled", "short form"),
        "export.endpoint": Alias(
            str,
            "a URL such as http://localhost:4317",
            "short form; empty says nothing",
            "exporters.otlp.endpoint",
            lambda value: value or None,
            secret=True,
        ),
        "export.otlp.enabled": _same("exporters.otlp.enabled", "engine key"),
        "export.otlp.endpoint": _same("exporters.otlp.endpoint", "engine key"),
        "export.otlp.insecure": _same("exporters.otlp.insecure", "engine key"),
        "export.otlp.protocol": Alias(
            Literal["grpc", "http", "http/protobuf"],
            "grpc or http",
            "engine key; `http` is `http/protobuf`",
            "exporters.otlp.protocol",
            _looked_up(_PROTOCOLS),
        ),
        "export.otlp.headers": _same("exporters.otlp.headers", "engine key"),
        "storage.type": Alias(
            Literal["memory", "file", "postgres"],
            "memory, file or postgres",
            "engine key; `file` is `sqlite`, `postgres` is `postgresql`",
            "store.backend",
            _looked_up(_BACKENDS),
        ),
        "tracing.enabled": _same("traces.enabled", "engine key"),
        "tracing.sample_rate": Alias(
            Annotated[float, Meta(ge=0.01, le=1)],
            "a ratio from 0.01 to 1",
            "engine key; a ratio, so 0.5 is 50 percent",
            "sampling.rate",
            lambda value: round(value * 100, 9),
        ),
        "tracing.export_to_otlp": Alias(
            bool,
            "true or false",
            "engine key; `false` has no effect",
            notice=_unless(
                True,
                f"use {SECTION}.traces.enabled or {SECTION}.exporters.otlp.enabled to keep traces in the process",
            ),
        ),
        "logging.enabled": _same("logs.enabled", "engine key"),
        "logging.export_to_otlp": Alias(
            bool,
            "true or false",
            "engine key; `true` is `both`, `false` is `stdout`",
            "logs.output",
            lambda value: "both" if value else "stdout",
        ),
        "logging.include_trace_context": Alias(
            bool,
            "true or false",
            "engine key; `false` has no effect",
            notice=_unless(True, "every line written inside a run carries its trace ids; remove the key"),
        ),
    }
)


def _branches() -> frozenset[str]:
    found: set[str] = set()
    for name in (*KEYS, *ALIASES):
        parts = name.split(".")
        found.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(found)


_BRANCHES: Final = _branches()
_EVERY_NAME: Final = (*KEYS, *ALIASES, *sorted(_BRANCHES))


def settings_from_mapping(section: Mapping[str, object], *, path: Path | str | None = None) -> Settings:
    """Build Settings from what stands under `telemetry:`, with ${VAR} references already resolved.

    `path` is only said in errors and kept in the result. Raises ConfigError that names the dotted key.
    """
    return build_settings(section, Source(Path(path) if path is not None else None))


def settings_as_mapping(settings: Settings, *, show_secrets: bool = False) -> dict[str, object]:
    """Return the mapping that stands for `settings` under `telemetry:`, every key written out.

    Secrets that are set appear as `***` unless `show_secrets`; only then can the mapping be loaded to equal settings.
    """
    root: dict[str, object] = {}
    for key in KEYS.values():
        value: object = settings
        branch = root
        *parents, leaf = key.name.split(".")
        for name in parents:
            value = getattr(value, name)
            branch = cast("dict[str, object]", branch.setdefault(name, {}))
        value = getattr(value, leaf)
        if key.secret and value and value != key.default and not show_secrets:
            value = MASK
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        branch[leaf] = msgspec.to_builtins(value)
    return root


def build_settings(section: object, source: Source) -> Settings:
    """Build Settings from the value under `telemetry:`; None, an empty section, gives the defaults.

    Raises ConfigError led by file and line where `source` knows them.
    """
    given: dict[str, object] = {}
    if section is not None:
        _collect(section, "", given, source)
    ours = {name: _check(name, value, source) for name, value in given.items() if name in KEYS}
    others = {name: _check(name, given[name], source) for name in ALIASES if name in given}
    notices: list[str] = []
    origin = {name: name for name in ours}
    for name, value in others.items():
        alias = ALIASES[name]
        if not alias.target:
            if what := alias.notice(value):
                notices.append(f"{SECTION}.{name} has no effect here: {what}")
            continue
        translated = alias.translate(value)
        if translated is None:
            continue
        if alias.target not in ours:
            ours[alias.target] = translated
            origin[alias.target] = name
        elif ours[alias.target] != translated:
            notices.append(f"{SECTION}.{name} is ignored: {SECTION}.{origin[alias.target]} says otherwise")
    settings = cast("Settings", _nest(ours, origin, source))
    notices.extend(_cautions(settings, given))
    return msgspec.structs.replace(
        settings, notices=tuple(notices), path=str(source.path) if source.path is not None else None
    )


def _collect(section: object, prefix: str, given: dict[str, object], source: Source) -> None:
    where = f"{SECTION}.{prefix}".rstrip(".")
    if not isinstance(section, Mapping):
        raise source.error(where, f"{where} must be a mapping of keys, not {kind_of(section)}")
    for name, value in cast("Mapping[object, object]", section).items():
        if not isinstance(name, str):
            raise source.error(where, f"{where} has a key that is {kind_of(name)}; keys must be text")
        dotted = prefix + name
        if dotted in KEYS or dotted in ALIASES:
            given[dotted] = value
        elif dotted not in _BRANCHES:
            raise _unknown(dotted, prefix, source)
        elif value is not None:
            _collect(value, dotted + ".", given, source)


def _unknown(dotted: str, prefix: str, source: Source) -> Exception:
    # A dot inside a key, a line break or a page of text must not distort the message.
    shown = (
        dotted
        if len(dotted) <= 80 and dotted.isprintable()
        else dotted.encode("unicode_escape").decode()[:77] + "..."
    )
    siblings = sorted(
        {name[len(prefix) :].partition(".")[0] for name in _EVERY_NAME if name.startswith(prefix)}
    )
    leaf = dotted[len(prefix) :].lower()
    if near := nearest(leaf, siblings):
        hint = f"did you mean {SECTION}.{prefix}{near}?"
    else:
        # The right key at the wrong level: `telemetry.port` means `telemetry.metrics.port`.
        elsewhere = [name for name in KEYS if name.rpartition(".")[2] == leaf]
        far = elsewhere[0] if len(elsewhere) == 1 else nearest(dotted.lower(), list(_EVERY_NAME))
        hint = f"did you mean {SECTION}.{far}?" if far else f"valid here: {', '.join(siblings)}"
    return source.error(f"{SECTION}.{dotted}", f"{SECTION}.{shown} is not a known key; {hint}")


def _check(name: str, value: object, source: Source) -> object:
    dotted = f"{SECTION}.{name}"
    entry = KEYS.get(name) or ALIASES[name]
    if name == "logs.level" and isinstance(value, str):
        # The engine writes WARN, and case carries no meaning in a level.
        upper = value.upper()
        value = "WARNING" if upper == "WARN" else upper
    lax = isinstance(value, Substituted)
    plain = str(value) if isinstance(value, Substituted) else _plain(value)
    try:
        checked: object = msgspec.convert(plain, entry.type, strict=not lax)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError):
        raise _refused(name, value, entry.allowed, entry.secret, source) from None
    extra = _EXTRA_CHECKS.get(name)
    if extra is not None and (wrong := extra(checked)):
        raise source.error(dotted, f"{dotted} {wrong}")
    return checked


def _plain(value: object) -> object:
    # Text inside a container keeps its type there; the marker class would only confuse the conversion.
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in cast("dict[object, object]", value).items()}
    return str(value) if isinstance(value, Substituted) else value


def _refused(name: str, value: object, allowed: str, secret: bool, source: Source) -> Exception:
    dotted = f"{SECTION}.{name}"
    hint = ""
    shown = kind_of(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not secret and len(repr(value)) <= 24:
            shown = repr(value)
        if name == "sampling.rate" and 0 < value < 1:
            hint = f"; it is a percentage, not a ratio: use {round(value * 100, 9):g}"
        elif name == "tracing.sample_rate" and 1 < value <= 100:
            hint = f"; it is a ratio, not a percentage: use {round(value / 100, 9):g}, or {SECTION}.sampling.rate"
        elif name in ("sampling.rate", "tracing.sample_rate") and value == 0:
            hint = f"; to export no traces set {SECTION}.traces.enabled to false"
    elif isinstance(value, str) and not secret and not value:
        shown = "empty text"
    elif value is None:
        hint = "; give a value or remove the key"
    elif isinstance(value, str) and (entry := KEYS.get(name)) and entry.choices:
        near = nearest(value.lower(), list(entry.choices))
        hint = f"; did you mean {near}?" if near else ""
        shown = "another text"
    elif isinstance(value, str) and isinstance(value, Substituted):
        shown = "the text an environment variable gives"
    elif isinstance(value, list | dict) and kind_of(value) in allowed:
        shown = f"{kind_of(value)} that holds something else"
    return source.error(dotted, f"{dotted} must be {allowed}, not {shown}{hint}")


# --- checks that a type cannot state; each returns what is wrong, without the value, or None --------------------------


def _endpoint_fault(value: Any) -> str | None:
    try:
        parts = urlsplit(value)
        # `localhost:4317` parses as the scheme "localhost"; gRPC takes it, so it counts as a bare address.
        if "://" not in value:
            parts = urlsplit(f"//{value}")
        port = parts.port
    except ValueError:
        return "is not a valid URL: check the port and any brackets"
    if parts.scheme not in ("", "http", "https"):
        return "must start with http:// or https://"
    if not parts.hostname or port == 0:
        return "must name a host, such as http://localhost:4317"
    return None


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _headers_fault(value: Any) -> str | None:
    for position, (name, text) in enumerate(cast("dict[str, str]", value).items(), start=1):
        if not _HEADER_NAME.fullmatch(name):
            return f"has a header ({position}) whose name is not valid in HTTP"
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            return f"has a header ({position}) whose value holds a control character"
    return None


def _patterns_fault(value: Any) -> str | None:
    for position, pattern in enumerate(cast("tuple[str, ...]", value), start=1):
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            reason = error.msg if isinstance(error, re.error) else "too large"
            return f"has a pattern ({position}) that is not a regular expression: {reason}"
    return None


def _paths_fault(value: Any) -> str | None:
    for position, path in enumerate(cast("tuple[str, ...]", value), start=1):
        if not path.strip() or "\0" in path:
            return f"has a path ({position}) that is empty or holds a NUL character"
    return None


_EXTRA_CHECKS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "exporters.otlp.endpoint": _endpoint_fault,
    "export.otlp.endpoint": _endpoint_fault,
    "export.endpoint": lambda value: _endpoint_fault(value) if value else None,
    "exporters.otlp.headers": _headers_fault,
    "export.otlp.headers": _headers_fault,
    "redaction.sensitive_field_patterns": _patterns_fault,
    "privacy.excluded_paths": _paths_fault,
}


def _nest(values: Mapping[str, object], origin: Mapping[str, str], source: Source) -> object:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    settings = msgspec.convert(tree, Settings)
    otlp = settings.exporters.otlp
    if otlp.protocol == "http/protobuf":
        endpoint_key = f"{SECTION}.{origin.get('exporters.otlp.endpoint', 'exporters.otlp.endpoint')}"
        if "://" not in otlp.endpoint:
            raise source.error(
                endpoint_key,
                f"{endpoint_key} must start with http:// or https:// with protocol http/protobuf",
            )
        if not otlp.insecure and not otlp.endpoint.lower().startswith("https://"):
            # Over HTTP the scheme alone decides; sending in the clear although TLS was asked for would be a leak.
            raise source.error(
                endpoint_key,
                f"{endpoint_key} must start with https:// when insecure is false and protocol is http/protobuf",
            )
    return settings


def _cautions(settings: Settings, given: Mapping[str, object]) -> list[str]:
    cautions: list[str] = []
    if settings.metrics.enabled and not _is_loopback(settings.metrics.host):
        cautions.append(
            f"{SECTION}.metrics.host is not a loopback address: anyone who reaches it can read the metrics"
        )
    rate = given.get("sampling.rate")
    if isinstance(rate, float) and rate == 1:
        cautions.append(f"{SECTION}.sampling.rate 1.0 is 1 percent of traces; for every trace write 100")
    return cautions


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
