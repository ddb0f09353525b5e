"""The list of configuration keys, derived from the settings structs: one entry for each value that a user can set."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeGuard, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from ael_otel.config.settings import Settings

__all__ = ["KEYS", "SECTION", "Key"]

SECTION: Final = "telemetry"
"""The section of the engine's file that contains our keys."""

_NOT_KEYS: Final = frozenset({"notices", "path"})


class Key(Struct, frozen=True):
    """One key of the section.

    `name` is dotted, without the leading `telemetry.`; `type` is the type for msgspec; `allowed` completes "must be
    ...";
    `choices` is empty unless the value is one of a closed set, `choices_within` unless it is a list or a mapping of
    such values; `pattern` is true if not every text is allowed; `env` names the variables that take precedence.
    """

    name: str
    type: Any
    allowed: str
    choices: tuple[str, ...]
    choices_within: tuple[str, ...]
    pattern: bool
    default: object
    meaning: str
    env: str
    secret: bool


def _key(name: str, annotation: object, default: object) -> Key:
    if get_origin(annotation) is not Annotated:
        raise TypeError(f"{name} has no description")
    base, meta = get_args(annotation)
    if not isinstance(meta, Meta) or meta.description is None:
        raise TypeError(f"{name} has no description")
    choices = _words(base)
    if base is bool:
        allowed = "true or false"
    elif choices:
        allowed = f"{', '.join(choices[:-1])} or {choices[-1]}"
    else:
        allowed = meta.title or ""
    extra = meta.extra or {}
    return Key(
        name,
        annotation,
        allowed,
        choices,
        () if choices else next(filter(None, [_words(part) for part in get_args(base)]), ()),
        meta.pattern is not None,
        default,
        meta.description,
        extra["env"],
        extra["secret"],
    )


def _words(annotation: object) -> tuple[str, ...]:
    """Return the words of a closed set; an empty tuple for any other type."""
    return cast("tuple[str, ...]", get_args(annotation)) if get_origin(annotation) is Literal else ()


def _is_struct(annotation: object) -> TypeGuard[type[Struct]]:
    return isinstance(annotation, type) and issubclass(annotation, Struct)


def _walk(struct: type[Struct], prefix: str) -> Iterator[Key]:
    for field in msgspec.structs.fields(struct):
        name = prefix + field.name
        if name in _NOT_KEYS:
            continue
        annotation = cast("object", field.type)
        if _is_struct(annotation):
            yield from _walk(annotation, name + ".")
        elif field.default_factory is msgspec.NODEFAULT:
            yield _key(name, annotation, field.default)
        else:
            yield _key(name, annotation, field.default_factory())


KEYS: Final = MappingProxyType({key.name: key for key in _walk(Settings, "")})
"""Every key by its dotted name, in the order of the structs."""
