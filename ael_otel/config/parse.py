"""Parse the mapping under `telemetry:` to Settings; errors name the dotted key."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from ael_otel.config.aliases import ALIASES, Alias
from ael_otel.config.file import UNRESOLVED, Source, Substituted, kind_of, nearest, shown_name
from ael_otel.config.keys import KEYS, SECTION, Key
from ael_otel.config.patterns import field_fault, path_fault, pattern_fault, text_pattern_fault
from ael_otel.config.settings import CustomPattern, Metrics, Settings, masked
from ael_otel.errors import ConfigError

__all__ = [
    "OPEN_METRICS",
    "SAMPLING_RATES",
    "build_settings",
    "serves_openly",
    "settings_as_mapping",
    "settings_from_mapping",
]

SAMPLING_RATES: Final = MappingProxyType({"production": 1, "normal": 10, "debugging": 100})
"""Names that are allowed for `sampling.rate`, with their percentages."""

OPEN_METRICS: Final = "anyone who reaches it can read the metrics"


def _branches() -> frozenset[str]:
    found: set[str] = set()
    for name in (*KEYS, *ALIASES):
        parts = name.split(".")
        found.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(found)


_BRANCHES: Final = _branches()
_EVERY_NAME: Final = dict.fromkeys((*KEYS, *ALIASES, *sorted(_BRANCHES)))


def _leaves() -> dict[str, str]:
    last = [key.rpartition(".")[2] for key in KEYS]
    return {leaf: key for leaf, key in zip(last, KEYS, strict=True) if last.count(leaf) == 1}


# The keys whose last part is unique.
_LEAVES: Final = _leaves()


def settings_from_mapping(section: Mapping[str, object], *, path: Path | str | None = None) -> Settings:
    """Return Settings from the mapping under `telemetry:`, with ${VAR} references already resolved.

    `path` is used only in errors and in the result. Raises ConfigError that names the dotted key.
    """
    return build_settings(section, Source(Path(path) if path is not None else None))


def settings_as_mapping(settings: Settings, *, show_secrets: bool = False) -> dict[str, object]:
    """Return the mapping under `telemetry:` that corresponds to `settings`, with every key.

    Secrets that are set are replaced by `***` unless `show_secrets`; only with them does the mapping load to equal
    settings.
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
        if key.secret and not show_secrets:
            value = masked(leaf, value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        branch[leaf] = msgspec.to_builtins(value)
    return root


def build_settings(section: object, source: Source, before: Sequence[ConfigError] = ()) -> Settings:
    """Return Settings from the value under `telemetry:`; None, an empty section, gives the defaults.

    Raises ConfigError that begins with file and line if `source` has them, for all mistakes and those in `before`.
    """
    given: dict[str, object] = {}
    wrong: list[ConfigError] = [*before, *_repeated(source)]
    if section is not None:
        _collect(section, "", given, source, wrong)
    ours = _all_checked([name for name in given if name in KEYS], given, source, wrong)
    others = _all_checked([name for name in ALIASES if name in given], given, source, wrong)
    if wrong:
        raise ConfigError.all_of(sorted(wrong, key=lambda error: source.line_of(error.key) or 0))
    return _assembled(ours, others, source)


def _assembled(ours: dict[str, object], others: Mapping[str, object], source: Source) -> Settings:
    """Return Settings from the checked values of our keys and of aliases."""
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
            notices.append(f"{SECTION}.{name} is ignored: {SECTION}.{origin[alias.target]} overrides it")
    settings = cast("Settings", _nest(ours, origin, source))
    notices.extend(_cautions(settings))
    return msgspec.structs.replace(
        settings, notices=tuple(notices), path=str(source.path) if source.path is not None else None
    )


def _repeated(source: Source) -> list[ConfigError]:
    """Return an error for each key that occurs more than once in the file.

    YAML forbids it (1.2.2, section 3.2.1.3), and PyYAML silently uses the last one: if a section has been pasted twice,
    the tool servers or settings of the first one are ignored.
    """
    return [
        source.error(
            name,
            f"{shown} occurs more than once, in lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}; "
            "remove all but one",
        )
        for name, lines in source.repeated.items()
        for shown in [".".join(map(shown_name, name.split(".")))]
    ]


def _all_checked(
    names: Iterable[str], given: Mapping[str, object], source: Source, wrong: list[ConfigError]
) -> dict[str, object]:
    """Return the valid values of `names`, and add an error to `wrong` for each invalid one."""
    checked: dict[str, object] = {}
    for name in names:
        if _is_unresolved(given[name]):
            continue  # reported when its reference was resolved
        try:
            checked[name] = _check(name, given[name], source)
        except ConfigError as error:
            wrong.append(error)
    return checked


def _is_unresolved(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_is_unresolved, cast("list[object]", value)))
    if isinstance(value, dict):
        return any(map(_is_unresolved, cast("dict[object, object]", value).values()))
    return value is UNRESOLVED


def _collect(
    section: object, prefix: str, given: dict[str, object], source: Source, wrong: list[ConfigError]
) -> None:
    where = f"{SECTION}.{prefix}".rstrip(".")
    if not isinstance(section, Mapping):
        wrong.append(source.error(where, f"{where} must be a mapping of keys, not {kind_of(section)}"))
        return
    for name, value in cast("Mapping[object, object]", section).items():
        if not isinstance(name, str):
            wrong.append(source.error(where, f"{where} has a key that is {kind_of(name)}; keys must be text"))
            continue
        dotted = prefix + name
        if "." in name or dotted not in _EVERY_NAME:
            wrong.append(_unknown(name, prefix, source))
        elif dotted not in _BRANCHES:
            given[dotted] = value
        elif value is not None:
            _collect(value, dotted + ".", given, source, wrong)


def _unknown(name: str, prefix: str, source: Source) -> ConfigError:
    shown = shown_name(name)
    dotted = f"{SECTION}.{prefix}{shown}"
    # The name without its separators: `token:abc` is a key if the space after the colon is missing.
    if shown != name and prefix + shown in _EVERY_NAME:
        return source.error(dotted, f"{dotted} needs a space after the colon")
    if prefix + name in _EVERY_NAME:
        return source.error(dotted, f"{dotted} contains dots; nest the keys instead")
    siblings = sorted({key[len(prefix) :].partition(".")[0] for key in _EVERY_NAME if key.startswith(prefix)})
    leaf = shown.lower()
    # A valid key at the wrong level (`telemetry.port` for `telemetry.metrics.port`) is a better hint than a similar
    # one.
    near = _LEAVES.get(leaf)
    if near is None and (sibling := nearest(leaf, siblings)):
        near = prefix + sibling
    if near is None and (elsewhere := nearest(leaf, list(_LEAVES))):
        near = _LEAVES[elsewhere]
    hint = f"did you mean {SECTION}.{near}?" if near else f"valid here: {', '.join(siblings)}"
    return source.error(dotted, f"{dotted} is not a known key; {hint}")


_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")


def _check(name: str, value: object, source: Source) -> object:
    entry = KEYS.get(name) or ALIASES[name]
    plain = _plain(value)
    if name == "logs.level" and isinstance(plain, str):
        # The engine writes WARN, and levels are not case-sensitive.
        plain = {"WARN": "WARNING"}.get(plain.upper(), plain.upper())
    plain = _in_short(name, plain)
    if name == "privacy.patterns" and (wrong := _items_fault(plain)):
        raise source.error(f"{SECTION}.{name}", f"{SECTION}.{name} {wrong}")
    try:
        checked: object = msgspec.convert(plain, entry.type, strict=not isinstance(value, Substituted))
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError):
        raise _refused(name, value, entry, source) from None
    if name == "sampling.rate" and _reads_like_a_ratio(plain):
        raise source.error(
            f"{SECTION}.{name}",
            f"{SECTION}.{name} 1.0 looks like a ratio, but the value is a percentage: "
            "write 100 to export every trace, 1 for one in a hundred",
        )
    extra = _EXTRA_CHECKS.get(name)
    if extra is not None and (wrong := extra(checked)):
        raise source.error(f"{SECTION}.{name}", f"{SECTION}.{name} {wrong}")
    if isinstance(checked, str) and _NO_TEXT.search(checked):
        raise source.error(
            f"{SECTION}.{name}",
            f"{SECTION}.{name} contains a NUL or a lone surrogate, which no variable or address can hold; remove it",
        )
    return checked


def _in_short(name: str, plain: object) -> object:
    """Return the full form of a short form: the name of a rate, `keep` as one text."""
    if not isinstance(plain, str):
        return plain
    if name == "sampling.rate":
        return SAMPLING_RATES.get(plain.strip().lower(), plain)
    if name == "sampling.keep":
        return [word.strip() for word in plain.split(",") if word.strip()]
    return plain


def _plain(value: object) -> object:
    # The marker class decides how the whole value is converted; inside a container, text is only text.
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in cast("dict[object, object]", value).items()}
    return str(value) if isinstance(value, Substituted) else value


def _refused(name: str, value: object, entry: Key | Alias, source: Source) -> ConfigError:
    """Return an error with the allowed and the actual value: a number itself, the type of anything else."""
    shown, hint = kind_of(value), ""
    number = _number(value)
    if number is not None and isinstance(value, Substituted) and not _takes_number(entry):
        # A wrong variable may contain a secret that consists of digits.
        shown = "a number"
    elif number is not None:
        if not entry.secret and len(repr(number)) <= 24:
            shown = repr(number)
        hint = _rate_hint(name, number)
    elif value is None:
        hint = "; set a value or remove the key"
    elif isinstance(value, str):
        shown = "text" if value else "empty text"
        near = nearest(value.lower(), list(SAMPLING_RATES if name == "sampling.rate" else entry.choices))
        hint = f"; did you mean {near}?" if near else ""
        if (entry.choices or entry.choices_within) and value:
            shown = "another text"
        elif entry.pattern and value:
            shown = "text in another form"
    elif isinstance(value, list):
        found = cast("list[object]", value)
        shown = (
            _odd_one(found, "a list whose item") or _odd_choice(found, "a list whose item", entry) or shown
        )
    elif isinstance(value, dict):
        items = cast("dict[object, object]", value)
        shown = (
            _odd_one(list(items), "a mapping whose key")
            or _odd_one(list(items.values()), "a mapping whose value")
            or _odd_choice(list(items.values()), "a mapping whose value", entry)
            or shown
        )
    dotted = f"{SECTION}.{name}"
    return source.error(dotted, f"{dotted} must be {entry.allowed}, not {shown}{hint}")


def _number(value: object) -> float | None:
    # Text from the environment counts as a number if it is one.
    if isinstance(value, Substituted):
        try:
            number = float(value)
        except ValueError:
            return None
        return int(number) if number.is_integer() else number
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _takes_number(entry: Key | Alias) -> bool:
    return any(word in entry.allowed for word in ("whole number", "percentage", "ratio"))


def _rate_hint(name: str, number: float) -> str:
    if name not in ("sampling.rate", "tracing.sample_rate"):
        return ""
    if number == 0:
        return f"; to export no traces set {SECTION}.traces.enabled to false"
    if name == "sampling.rate" and 0 < number < 1:
        return f"; it is a percentage, not a ratio: use {round(number * 100, 9):g}"
    if name == "tracing.sample_rate" and 1 < number <= 100:
        return f"; it is a ratio, not a percentage: use {round(number / 100, 9):g}"
    return ""


def _reads_like_a_ratio(plain: object) -> bool:
    if isinstance(plain, str):
        return "." in plain and float(plain) == 1
    return isinstance(plain, float) and plain == 1.0


def _odd_one(items: list[object], what: str) -> str | None:
    for position, item in enumerate(items, start=1):
        if not isinstance(item, str):
            return f"{what} {position} is {kind_of(item)}"
    return None


def _odd_choice(items: list[object], what: str, entry: Key | Alias) -> str | None:
    """Return which text in a list or a mapping is not one of the key's valid words, with the nearest; None if none."""
    words = entry.choices_within
    for position, item in enumerate(map(str, items) if words else (), start=1):
        if item not in words:
            near = nearest(item.lower(), list(words))
            return f"{what} {position} is an unknown word" + (f"; did you mean {near}?" if near else "")
    return None


# Checks that a type cannot express: each returns what is wrong, without the value, or None.


def _endpoint_fault(value: Any) -> str | None:
    try:
        # `localhost:4317`, which gRPC accepts, would parse as the scheme "localhost".
        url = str(value)
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = parts.port
    except ValueError:
        return "is not a valid URL: check the port and any brackets"
    if parts.scheme not in ("", "http", "https"):
        return "must start with http:// or https://"
    if not parts.hostname or port == 0:
        return "must name a host, such as http://localhost:4317"
    if not parts.scheme and port is None:
        # gRPC would use port 443 and wait for it silently.
        return "must name a port, such as http://localhost:4317 for gRPC or http://localhost:4318 for http/protobuf"
    return None


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _headers_fault(value: Any) -> str | None:
    for position, (name, text) in enumerate(cast("dict[str, str]", value).items(), start=1):
        if not _HEADER_NAME.fullmatch(name):
            return f"has a header ({position}) whose name is not valid in HTTP"
        if not (text.isascii() and text.isprintable()):
            return f"has a header ({position}) whose value is not printable ASCII"
    return None


def _patterns_fault(value: Any) -> str | None:
    for position, pattern in enumerate(cast("tuple[str, ...]", value), start=1):
        if fault := pattern_fault(pattern):
            return f"has a pattern ({position}: {_excerpt(pattern)}) that {fault}"
    return None


_ITEM_FIELDS: Final = {field.name: field.required for field in msgspec.structs.fields(CustomPattern)}


def _items_fault(value: object) -> str | None:
    """Return which item of a list of patterns has a wrong form, and what to set; None if all are valid."""
    if not isinstance(value, list):
        return None
    for position, item in enumerate(cast("list[object]", value), start=1):
        if not isinstance(item, dict):
            return f"must be a list of mappings; item {position} is {kind_of(item)}"
        fields = cast("dict[object, object]", item)
        for field in fields:
            if field not in _ITEM_FIELDS:
                return (
                    f"has an item ({position}) with the key {shown_name(str(field))}; "
                    f"valid there: {', '.join(_ITEM_FIELDS)}"
                )
        for field, required in _ITEM_FIELDS.items():
            text = fields.get(field)
            if field not in fields and required:
                return f"has an item ({position}) without the key {field}"
            if field in fields and not isinstance(text, str):
                return f"has an item ({position}) whose {field} is {kind_of(text)}; it must be text"
        try:
            msgspec.convert(fields, CustomPattern)
        except msgspec.ValidationError as error:
            field = "marker" if "marker" in str(error) else "name"
            wanted = {
                "name": "small letters, digits and _",
                "marker": "capital letters, digits and _, such as TICKET",
            }[field]
            return f"has an item ({position}) whose {field} must be {wanted}"
    return None


def _custom_fault(value: Any) -> str | None:
    names: set[str] = set()
    for position, item in enumerate(cast("tuple[CustomPattern, ...]", value), start=1):
        if item.name in names:
            return f"contains two items with the name {item.name}"
        names.add(item.name)
        if fault := text_pattern_fault(item.regex):
            return f"has an item ({position}, {item.name}) whose regex {_excerpt(item.regex)} {fault}"
    return None


def _excerpt(pattern: str) -> str:
    # A pattern is not a secret: it matches names. The message quotes it, so that it can be located in a long list.
    return repr(pattern if len(pattern) <= _SHOWN_PATTERN else pattern[:_SHOWN_PATTERN] + "…")


def _fields_fault(value: Any) -> str | None:
    for position, name in enumerate(cast("tuple[str, ...]", value), start=1):
        if fault := field_fault(name):
            return f"has a name ({position}) that {fault}"
    return None


def _tools_fault(value: Any) -> str | None:
    for position, tool in enumerate(cast("dict[str, str]", value), start=1):
        if not tool.strip():
            return f"has a name ({position}) that is empty"
    return None


def _paths_fault(value: Any) -> str | None:
    for position, path in enumerate(cast("tuple[str, ...]", value), start=1):
        if fault := path_fault(path):
            return f"has a path ({position}) that {fault}"
    return None


def _roots_fault(value: Any) -> str | None:
    for position, path in enumerate(cast("tuple[str, ...]", value), start=1):
        if not path.strip() or "\0" in path:
            return f"has a path ({position}) that is empty or holds a NUL character"
    return None


_SHOWN_PATTERN: Final = 80

_EXTRA_CHECKS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "exporters.otlp.endpoint": _endpoint_fault,
    "export.otlp.endpoint": _endpoint_fault,
    "export.endpoint": lambda value: _endpoint_fault(value) if value else None,
    "exporters.otlp.headers": _headers_fault,
    "export.otlp.headers": _headers_fault,
    "redaction.sensitive_field_patterns": _patterns_fault,
    "redaction.allow_fields": _fields_fault,
    "redaction.tools": _tools_fault,
    "privacy.excluded_paths": _paths_fault,
    "attribution.roots": _roots_fault,
    "privacy.patterns": _custom_fault,
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
            # Over HTTP only the scheme counts; sending in plain text although TLS was configured would leak data.
            raise source.error(
                endpoint_key,
                f"{endpoint_key} must start with https:// with protocol http/protobuf and insecure false",
            )
    return settings


def _cautions(settings: Settings) -> list[str]:
    cautions = [
        f"{SECTION}.redaction.tools is full for {shown_name(tool)}: run records contain its parameters and results "
        "unredacted, with all secrets"
        for tool, mode in settings.redaction.tools.items()
        if mode == "full"
    ]
    if serves_openly(settings.metrics):
        cautions.append(f"{SECTION}.metrics.host is not a loopback address: {OPEN_METRICS}")
    if settings.sampling.keep and settings.sampling.rate == 100:
        cautions.append(f"{SECTION}.sampling.keep has no effect: every trace is exported at rate 100")
    return cautions


def serves_openly(metrics: Metrics) -> bool:
    """Return whether other machines can reach the pull endpoint."""
    return metrics.enabled and metrics.prometheus_enabled and not _is_loopback(metrics.host)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
