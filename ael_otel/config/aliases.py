"""Keys that are accepted in addition to ours: the engine's own, and short forms, each with the key that it sets."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from ael_otel.config.keys import KEYS, SECTION

__all__ = ["ALIASES", "Alias"]


def _itself(value: Any) -> object:
    return value


def _silent(_value: Any) -> str | None:
    return None


class Alias(Struct, frozen=True):
    """A key that is accepted in addition to ours: one of the engine, or a short form.

    `type` and `allowed` are as in `Key`. `translate` returns the value for our key `target`, or None if the value of
    the alias sets nothing; without a target, `notice` returns what to report about the value, or None.
    """

    type: Any
    allowed: str
    meaning: str
    target: str = ""
    translate: Callable[[Any], object] = _itself
    notice: Callable[[Any], str | None] = _silent
    choices: tuple[str, ...] = ()
    choices_within: tuple[str, ...] = ()
    pattern: bool = False
    secret: bool = False


def _same(target: str, meaning: str) -> Alias:
    key = KEYS[target]
    return Alias(key.type, key.allowed, meaning, target, pattern=key.pattern, secret=key.secret)


def _unless(expected: bool, otherwise: str) -> Callable[[Any], str | None]:
    return lambda value: None if value is expected else otherwise


def _looked_up(values: Mapping[str, str]) -> Callable[[Any], object]:
    return lambda value: values[value]


_BACKENDS: Final = {"memory": "memory", "file": "sqlite", "postgres": "postgresql"}
_PROTOCOLS: Final = {"grpc": "grpc", "http": "http/protobuf", "http/protobuf": "http/protobuf"}

# From the most to the least specific: if two keys set the same key of ours, the first one counts.
ALIASES: Final[Mapping[str, Alias]] = MappingProxyType(
    {
        "export.enabled": _same("exporters.otlp.enabled", "short form"),
        "export.endpoint": Alias(
            str,
            "a URL such as http://localhost:4317",
            "short form; empty sets nothing",
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
            choices=tuple(_PROTOCOLS),
        ),
        "export.otlp.headers": _same("exporters.otlp.headers", "engine key"),
        "storage.type": Alias(
            Literal["memory", "file", "postgres"],
            "memory, file or postgres",
            "engine key; `file` is `sqlite`, `postgres` is `postgresql`",
            "store.backend",
            _looked_up(_BACKENDS),
            choices=tuple(_BACKENDS),
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
            "engine key; `false` is reported: use `traces.enabled`",
            notice=_unless(
                True,
                f"to export no traces use {SECTION}.traces.enabled or {SECTION}.exporters.otlp.enabled",
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
            "engine key; `false` is reported: lines always carry the ids",
            notice=_unless(True, "every line written inside a run carries its trace ids; remove the key"),
        ),
    }
)
