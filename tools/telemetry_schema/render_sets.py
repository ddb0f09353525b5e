"""Render the metric sets: one typed class for each set and one for its rows."""

from __future__ import annotations

from tools.telemetry_schema.layout import bracketed, docstring, function, imported, module
from tools.telemetry_schema.metric_sets import MetricSet, field_name, metric_sets
from tools.telemetry_schema.model import Attribute, Metric, Registry
from tools.telemetry_schema.names import signal_constant, type_name, values_name

_TYPES = {"string": "str", "int": "int", "double": "float", "boolean": "bool"}
_CONTEXT = "context: Context | None = None"


def render_metric_sets(registry: Registry) -> str:
    """`_generated/metric_sets.py`."""
    sets = metric_sets(registry.metrics)
    labels = [label for group in sets for label in group.labels if label.values]
    values = {label.key for group in sets if group.registration for label in group.measurement}
    return module(
        "Metric sets: metrics that share their attributes, updated together in one call.",
        [
            "from typing import Any",
            "from opentelemetry.context import Context\nfrom opentelemetry.metrics import Meter",
            "\n".join(
                part
                for part in (
                    imported("ael_otel._generated", ["metrics"]),
                    imported(
                        "ael_otel._generated.attributes",
                        [type_name(_owner(label)) for label in labels]
                        + [values_name(_owner(label)) for label in labels if label.key in values],
                    ),
                    imported("ael_otel.emit.metric_sets", ["MetricSet", "OnOverflow", "Row", "ignore"]),
                )
                if part
            ),
        ],
        [
            *((block, True) for group in sets for block in (_row(group), _set(group))),
            (_all(sets), True),
        ],
    )


def _title(group: MetricSet) -> str:
    return "".join(word.capitalize() for word in _field(group).split("_"))


def _field(group: MetricSet) -> str:
    return group.name.rpartition(".")[2]


def _owner(label: Attribute) -> str:
    return label.ael.values_of or label.key


def _type(label: Attribute) -> str:
    return type_name(_owner(label)) if label.values else _TYPES[label.type]


def _number(metric: Metric) -> str:
    return "float" if metric.value_type == "double" else "int"


def _slot(metric: Metric) -> str:
    name = field_name(metric)
    if metric.instrument == "gauge":
        return f"{name}: {_number(metric)} | None = None"
    return f"{name}: {_number(metric)} = 0"


def _row(group: MetricSet) -> str:
    title = _title(group)
    lines = [
        f"class {title}Row(Row):",
        f'    """One row of `{group.name}`: {_list(group.metrics)}."""',
        "",
        "    __slots__ = ()",
    ]
    for slot, metric in enumerate(group.slots):
        lines += [
            "",
            "    @property",
            function(
                field_name(metric),
                ["self"],
                _number(metric),
                [*docstring(metric.brief, f"The value so far, `{metric.unit}`."), _read(metric, slot)],
                4,
            ),
        ]
    if group.slots:
        lines += ["", _add(group)]
    if group.histograms:
        lines += ["", _record(group)]
    return "\n".join(lines)


def _read(metric: Metric, slot: int) -> str:
    return f"return {_number(metric)}(self.slots[{slot}])"


def _add(group: MetricSet) -> str:
    names = [field_name(metric) for metric in group.slots]
    updates: list[str] = []
    for slot, metric in enumerate(group.slots):
        if metric.instrument == "gauge":
            updates += [f"    if {names[slot]} is not None:", f"        slots[{slot}] = {names[slot]}"]
        else:
            updates.append(f"    slots[{slot}] += {names[slot]}")
    inside = f"{names[0]}," if len(names) == 1 else ", ".join(names)
    together = " together" if len(names) > 1 else ""
    return function(
        "add",
        ["self", "*", *map(_slot, group.slots), _CONTEXT],
        "None",
        [
            f'"""Update {_list(group.slots)}{together}; a sampled `context` becomes the exemplar."""',
            # Acquired inside the try: a Ctrl-C that comes right after must not leave it locked for ever. `with` would
            # do as well, at twice the price.
            "lock = self.lock",
            "try:",
            "    lock.acquire()",
            "    slots = self.slots",
            *updates,
            "    self.updates += 1",
            "    if context is not None:",
            "        self.context = context",
            "finally:",
            "    lock.release()",
            "if self.overflowed is not None:",
            f"    self.overflowed(({inside}))",
        ],
        4,
    )


def _record(group: MetricSet) -> str:
    only = len(group.histograms) == 1
    values = [f"{field_name(metric)}: float{'' if only else ' | None = None'}" for metric in group.histograms]
    rest = ", and update the rest of the row: one event, one call" if group.slots else ""
    body = [f'"""Record {_list(group.histograms)} in `context`{rest}."""']
    if group.slots:
        arguments = [f"{field_name(metric)}={field_name(metric)}" for metric in group.slots]
        body.append(bracketed("self.add(", [*arguments, "context=context"], indent=8))
    for index, metric in enumerate(group.histograms):
        name = field_name(metric)
        call = f"self.points[{index}].record({name}, context)"
        body += [call] if only else [f"if {name} is not None:", f"    {call}"]
    return function("record", ["self", "*", *values, *map(_slot, group.slots), _CONTEXT], "None", body, 4)


def _set(group: MetricSet) -> str:
    title = _title(group)
    specs = {
        "counters": [f"metrics.{signal_constant(metric.name)}" for metric in group.slots],
        "histograms": [f"metrics.{signal_constant(metric.name)}" for metric in group.histograms],
    }
    arguments = ["meter", f"{title}Row"]
    # One column for the comma that follows in the call.
    arguments += [
        bracketed(f"{name}=(", names, ",)" if len(names) == 1 else ")", indent=13)
        for name, names in specs.items()
        if names
    ]
    lines = [
        f"class {title}Metrics(MetricSet[{title}Row]):",
        f'    """The metric set `{group.name}`: {_list(group.metrics)}."""',
        "",
        function(
            "__init__",
            ["self", "meter: Meter", "on_overflow: OnOverflow = ignore"],
            "None",
            [bracketed("super().__init__(", [*arguments, "on_overflow=on_overflow"], indent=8)],
            4,
        ),
        "",
        _bind(group),
    ]
    if group.registration:
        lines += ["", _expect(group)]
    return "\n".join(lines)


def _bind(group: MetricSet) -> str:
    names = [_name(label) for label in group.labels]
    inside = f"{names[0]}," if len(names) == 1 else ", ".join(names)
    return function(
        "bind",
        ["self", *(["*"] if names else []), *(f"{_name(label)}: {_type(label)}" for label in group.labels)],
        f"{_title(group)}Row",
        [
            '"""Return the row of these values, at zero when it is new; the same one each time."""',
            f"return self.row(({inside}))",
        ],
        4,
    )


def _expect(group: MetricSet) -> str:
    loops: list[str] = []
    for depth, label in enumerate(group.measurement):
        loops.append(f"{'    ' * depth}for {_name(label)} in {values_name(_owner(label))}:")
    pad = "    " * len(loops)
    arguments = [f"{_name(label)}={_name(label)}" for label in group.labels]
    return function(
        "expect",
        ["self", "*", *(f"{_name(label)}: {_type(label)}" for label in group.registration)],
        "None",
        [
            '"""Emit zeros for these values and all that can follow, so that a first event is an increase."""',
            *loops,
            pad + bracketed("self.bind(", arguments, indent=8 + len(pad)),
        ],
        4,
    )


def _all(sets: tuple[MetricSet, ...]) -> str:
    return "\n".join(
        [
            "class MetricSets:",
            '    """Every metric set, on one meter."""',
            "",
            function(
                "__init__",
                ["self", "meter: Meter", "on_overflow: OnOverflow = ignore"],
                "None",
                [
                    *(f"self.{_field(group)} = {_title(group)}Metrics(meter, on_overflow)" for group in sets),
                    bracketed(
                        "self.all: tuple[MetricSet[Any], ...] = (",
                        [f"self.{_field(group)}" for group in sets],
                        ",)" if len(sets) == 1 else ")",
                        indent=8,
                    ),
                ],
                4,
            ),
        ]
    )


def _name(label: Attribute) -> str:
    return label.key.removeprefix("ael.").replace(".", "_")


def _list(metrics: tuple[Metric, ...]) -> str:
    names = [field_name(metric) for metric in metrics]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
