"""Render the functions that start, complete and fail spans and that emit events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.layout import bracketed, docstring, function, imported, module, text
from tools.telemetry_schema.model import Attribute, Event, Registry, Span
from tools.telemetry_schema.names import constant_name, signal_constant, type_name

_TYPES = {"string": "str", "int": "int", "double": "float", "boolean": "bool"}
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")
_EXCEPTION = ("exception.type", "exception.message", "exception.stacktrace")
"""What a handler takes from the exception itself, except its message, which is passed beside it."""


def render_emitters(registry: Registry) -> str:
    """`_generated/emitters.py`."""
    blocks: list[tuple[str, bool]] = [
        (
            "\n".join(
                [
                    *(
                        f"_{signal_constant(span.type)}: Final = "
                        f"SpanType({text(span.type)}, SpanKind.{span.kind.upper()})"
                        for span in registry.spans
                    ),
                    *(
                        f"_{signal_constant(event.name)}: Final = EventType({text(event.name)})"
                        for event in registry.events
                    ),
                ]
            ),
            False,
        )
    ]
    for span in registry.spans:
        blocks += [(block, True) for block in _span(span)]
    failing = _fail(registry.spans)
    blocks += [(failing, True)] if failing else []
    blocks += [(_span_event(event, registry), True) for event in registry.events if event.ael.span_event]
    places = _Places(registry)
    blocks += [(_event(event, places), True) for event in registry.events]
    used = set(re.findall(r"\w+", re.sub(r'"""[\s\S]*?"""', "", "\n".join(block for block, _ in blocks))))
    return module(
        "Functions that start, complete and fail spans and that emit events; their parameters are the attributes.",
        [
            "from functools import lru_cache\nfrom logging import Logger\nfrom typing import Final",
            "from opentelemetry.context import Context\n"
            "from opentelemetry.trace import Span, SpanKind, Tracer"
            + ("\nfrom opentelemetry.util.types import AttributeValue" if "AttributeValue" in used else ""),
            "\n".join(
                part
                for part in (
                    imported("ael_otel._generated.attributes", used & _attribute_names(registry)),
                    imported("ael_otel._generated.events", used & _field_names(registry)),
                    imported("ael_otel._generated.spans", used & _span_event_names(registry)),
                    imported("ael_otel.emit.events", ["EventType"]),
                    imported(
                        "ael_otel.emit.spans",
                        used & {"CACHED", "Attributes", "SpanType", "add_event", "fail", "given"},
                    ),
                )
                if part
            ),
        ],
        blocks,
    )


def _attribute_names(registry: Registry) -> set[str]:
    names: set[str] = set()
    for attribute in registry.attributes:
        names |= {constant_name(attribute.key), f"LABEL_{constant_name(attribute.key)}"}
        names |= {type_name(attribute.key)} if attribute.values else set()
    return names


def _field_names(registry: Registry) -> set[str]:
    return {
        f"LOG_{constant_name(field.key)}" for group in registry.attribute_groups for field in group.attributes
    }


def _span_event_names(registry: Registry) -> set[str]:
    return {f"SPAN_EVENT_{constant_name(name)}" for span in registry.spans for name in span.span_events}


# --- spans ------------------------------------------------------------------------------------------------------------


class _Span:
    """The attributes of a span by the moment at which they are known."""

    def __init__(self, span: Span) -> None:
        in_name = set(_PLACEHOLDER.findall(span.name))
        normal = [attribute for attribute in span.attributes if attribute not in span.error_attributes]
        required = [attribute for attribute in normal if attribute.requirement_level == "required"]
        self.known = [
            attribute
            for attribute in normal
            if (attribute in required and attribute.sampling_relevant) or attribute.key in in_name
        ]
        """Each span starts with them."""
        self.due = [attribute for attribute in required if attribute not in self.known]
        """Each span has them in the end; where they are known they are said at the start."""
        self.optional = [
            attribute
            for attribute in normal
            if attribute not in (*self.known, *self.due)
            and (attribute.sampling_relevant or attribute.requirement_level == "opt_in")
        ]
        self.later = [
            attribute
            for attribute in (*normal, *span.tolerable)
            if attribute not in self.known and attribute.requirement_level != "opt_in"
        ]
        """What may be said once the span has started."""
        _check_names(span.type, [_parameter(attribute.key) for attribute in (*normal, *span.tolerable)])

    @property
    def at_start(self) -> list[Attribute]:
        return [*self.known, *self.due, *self.optional]


def _span(span: Span) -> list[str]:
    name, parts = signal_constant(span.type).lower(), _Span(span)
    cached = [attribute for attribute in parts.at_start if attribute.ael.cardinality == "bounded"]
    rest = [attribute for attribute in parts.at_start if attribute not in cached]
    return [
        *([_cached(span, name, parts, cached)] if cached else []),
        _start(span, name, parts, cached, rest),
        *([_update(span, name, parts)] if parts.later else []),
    ]


def _cached(span: Span, name: str, parts: _Span, cached: Sequence[Attribute]) -> str:
    """The name and those attributes that are worth keeping, built once for each combination."""
    template = _PLACEHOLDER.sub(lambda match: f"{{{_parameter(match[1])}}}", span.name)
    return "@lru_cache(maxsize=CACHED)\n" + function(
        f"_{name}",
        [
            f"{_parameter(attribute.key)}: {_type(attribute)}{'' if attribute in parts.known else ' | None'}"
            for attribute in cached
        ],
        "tuple[str, Attributes]",
        [
            *_mapping("attributes = ", cached, all(attribute in parts.known for attribute in cached)),
            f"return {'f' if template != span.name else ''}{text(template)}, attributes",
        ],
    )


def _start(
    span: Span, name: str, parts: _Span, cached: Sequence[Attribute], rest: Sequence[Attribute]
) -> str:
    body = docstring(f"Start a span `{span.name}`.", span.brief)
    if cached:
        arguments = [_parameter(attribute.key) for attribute in cached]
        body.append(bracketed(f"name, attributes = _{name}(", arguments, indent=4))
        if rest:
            body += _mapping("attributes = ", rest, complete=False, base="attributes")
        label = "name"
    else:
        body += _mapping("attributes = ", rest, complete=not rest)
        label = text(span.name)
    body.append(f"return _{name.upper()}.start(tracer, {label}, attributes, context)")
    parameters = [
        *(f"{_parameter(attribute.key)}: {_type(attribute)}" for attribute in parts.known),
        *(f"{_parameter(attribute.key)}: {_type(attribute)} | None" for attribute in parts.due),
        *(f"{_parameter(attribute.key)}: {_type(attribute)} | None = None" for attribute in parts.optional),
        "context: Context | None = None",
    ]
    return function(f"start_{name}", ["tracer: Tracer", "*", *parameters], "Span", body)


def _update(span: Span, name: str, parts: _Span) -> str:
    parameters = [
        f"{_parameter(attribute.key)}: {_type(attribute)} | None = None" for attribute in parts.later
    ]
    body = [
        f'"""Say what is known by now of a span `{span.name}`; None says nothing."""',
        "if not span.is_recording():",
        "    return",
        "attributes: dict[str, AttributeValue] = {}",
    ]
    for attribute in parts.later:
        body += [
            f"if {_parameter(attribute.key)} is not None:",
            f"    attributes[{_constant(attribute)}] = {_parameter(attribute.key)}",
        ]
    return function(
        f"update_{name}", ["span: Span", "*", *parameters], "None", [*body, "span.set_attributes(attributes)"]
    )


def _fail(spans: Iterable[Span]) -> str:
    """One function for all spans, of the error attributes that each of them has."""
    errors = [{attribute.key: attribute for attribute in span.error_attributes} for span in spans]
    common = [key for key in (errors[0] if errors else {}) if all(key in each for each in errors)]
    if not common:
        return ""
    attributes = [errors[0][key] for key in common]
    kind = next((_type(attribute) for attribute in attributes if attribute.values), "str")
    return function(
        "fail_span",
        ["span: Span", "*", f"error_type: {kind}"],
        "None",
        [
            '"""Say that what a span of any type stands for failed, and with which kind of error."""',
            "fail(",
            "    span,",
            "    error_type,",
            "    {",
            *(f"        {_constant(attribute)}: error_type," for attribute in attributes),
            "    },",
            ")",
        ],
    )


def _span_event(event: Event, registry: Registry) -> str:
    shape = event.ael.span_event
    assert shape is not None
    attributes = [
        attribute for key in shape.attributes for attribute in registry.attributes if attribute.key == key
    ]
    _check_names(event.name, [_parameter(attribute.key) for attribute in attributes])
    name = constant_name(shape.name)
    return function(
        f"add_{name.lower()}",
        [
            "span: Span",
            *(["*"] if attributes else []),
            *(f"{_parameter(attribute.key)}: {_type(attribute)}" for attribute in attributes),
        ],
        "None",
        [
            *docstring(f"Add the event `{shape.name}` to a span.", event.brief),
            "add_event(",
            "    span,",
            f"    SPAN_EVENT_{name},",
            "    {",
            *(f"        {_constant(attribute)}: {_parameter(attribute.key)}," for attribute in attributes),
            "    },",
            ")",
        ],
    )


# --- events -----------------------------------------------------------------------------------------------------------


class _Places:
    """Where the constant of an event's field is: beside the log fields, the labels or the attributes."""

    def __init__(self, registry: Registry) -> None:
        self._fields = {field.key for group in registry.attribute_groups for field in group.attributes}
        self._labels = {label.key for metric in registry.metrics for label in metric.attributes}

    def constant(self, field: Attribute) -> str:
        """Name of the constant."""
        name = constant_name(field.key)
        if not field.ael.bare_key:
            return name
        if field.key in self._fields:
            return f"LOG_{name}"
        if field.key in self._labels:
            return f"LABEL_{name}"
        raise SchemaError("", field.key, "is neither a log field nor a label, so no event can have it")


def _event(event: Event, places: _Places) -> str:
    name = signal_constant(event.name)
    own = [field for field in event.attributes if field.key not in _EXCEPTION]
    tells_error = len(own) < len(event.attributes)
    parameters = {_parameter(field.key): field for field in own}
    _check_names(event.name, [_parameter(field.key) for field in own])
    component = parameters.get("component")
    required = [field for field in own if field.requirement_level == "required" and field is not component]
    optional = [field for field in own if field not in required and field is not component]
    aside = {"error_type"} if tells_error else set[str]()
    fields = [field for field in (*required, *optional) if _parameter(field.key) not in aside]
    extra = [f"error_type={'error_type' if 'error_type' in parameters else 'None'}"] if tells_error else []
    extra += ["error_message=exception_message", "exception=exception"] if tells_error else []
    return function(
        f"emit_{name.lower()}",
        [
            "logger: Logger",
            "severity: int",
            "message: str",
            "*",
            f"component: {_type(component) if component else 'str'}",
            *(f"{_parameter(field.key)}: {_type(field)}" for field in required),
            *(f"{_parameter(field.key)}: {_type(field)} | None = None" for field in optional),
            *(
                ["exception: BaseException | None = None", "exception_message: str | None = None"]
                if tells_error
                else []
            ),
        ],
        "None",
        [
            *docstring(f"Emit the event `{event.name}`.", event.brief),
            f"_{name}.emit(",
            "    logger,",
            "    severity,",
            "    message,",
            "    component,",
            "    {",
            *(f"        {places.constant(field)}: {_parameter(field.key)}," for field in fields),
            "    },",
            *(f"    {argument}," for argument in extra),
            ")",
        ],
    )


# --- one attribute ----------------------------------------------------------------------------------------------------


def _constant(attribute: Attribute) -> str:
    return constant_name(attribute.key)


def _parameter(key: str) -> str:
    return key.removeprefix("ael.").replace(".", "_")


def _type(attribute: Attribute) -> str:
    if attribute.values:
        return type_name(attribute.ael.values_of or attribute.key)
    element = attribute.type.removesuffix("[]")
    return f"tuple[{_TYPES[element]}, ...]" if element != attribute.type else _TYPES[element]


def _mapping(head: str, attributes: Sequence[Attribute], complete: bool, base: str = "") -> list[str]:
    """An assignment of a mapping; unless `complete`, entries without a value are left out."""
    entries = [f"{_constant(attribute)}: {_parameter(attribute.key)}" for attribute in attributes]
    if complete:
        return (
            [f"{head}{{", *(f"    {entry}," for entry in entries), "}"]
            if entries
            else ["attributes: Attributes = {}"]
        )
    first = [f"        **{base},"] if base else []
    return [
        f"{head}given(",
        "    {",
        *first,
        *(f"        {entry}," for entry in entries),
        "    }",
        ")",
    ]


def _check_names(signal: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SchemaError("", signal, f"two attributes would both be the parameter {name}; rename one")
