"""Render the result of `ael run`: the steps of the run, its outputs, its ids, and where to find it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render import tree
from ael_otel.store import ExecutionRecord

if TYPE_CHECKING:
    from ael_otel.cli.open_engine import Destination

GRAFANA_URL = "http://localhost:3000/d/ael-overview"
_ITEMS: Final = {"traces": "span", "logs": "log record", "metrics": "metric export"}
"""Order in which the drops of each signal are shown."""


class Outcome(Protocol):
    """The part of a run's outcome that is displayed."""

    @property
    def execution_id(self) -> str:
        """The engine's id of the run."""
        ...

    @property
    def workflow(self) -> str:
        """The name of the workflow."""
        ...

    @property
    def status(self) -> str:
        """The final status of the run."""
        ...

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The outputs of the run."""
        ...

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The error of a failed run, else None."""
        ...

    @property
    def trace_id(self) -> str:
        """The id of its trace, empty if there is none."""
        ...

    @property
    def duration_ms(self) -> float:
        """The duration in milliseconds."""
        ...


def run(
    outcome: Outcome,
    record: ExecutionRecord | None,
    hint: Text,
    *,
    width: int = 100,
    ascii_only: bool = False,
) -> RenderableType:
    """Return one run for a terminal: its tree, its outputs, its ids in full, and `hint`.

    Errors and outputs are not cut; outputs that a failed run could not compute are left out. Without a record (if
    telemetry is disabled) the tree is one line.
    """
    if record is not None:
        head = tree.tree(record, width=width, ascii_only=ascii_only)
    else:
        head = tree.headline(outcome.workflow, outcome.status, outcome.duration_ms)
        if outcome.error is not None:
            head.append(
                f"\n{outcome.error.get('code')}: {words.one_line(str(outcome.error.get('message')))}",
                style="red",
            )
    parts: list[RenderableType] = [head, Text()]
    completed = outcome.status == "completed"
    shown = {name: value for name, value in outcome.outputs.items() if value is not None or completed}
    label = max(len(name) for name in [*shown, "execution"])
    if record is not None and record.error is not None:
        # The tree cuts it to one line, and omits it if a step failed too, as in a run that exceeded its time limit.
        parts.append(labelled("error", words.whole_error(record.error), label, style="red"))
    for name, value in shown.items():
        parts.append(labelled(name, readable(value), label))
    parts.append(labelled("execution", outcome.execution_id or "none", label, style="dim"))
    parts.append(labelled("trace", outcome.trace_id or "none: telemetry is off", label, style="dim"))
    parts.extend([Text(), hint])
    return Group(*parts)


def where_to_look(destination: "Destination", *, what: str) -> Text:
    """Return a line that says where the telemetry of `what`, for example `this run`, can be viewed."""
    if not destination.enabled:
        return Text(f"OTLP export is off: {what} is not sent anywhere.", style="dim")
    if destination.reachable and destination.dropped:
        return Text(
            f"Not all telemetry of {what} could be delivered to {destination.endpoint}; dropped:"
            f" {dropped(destination.dropped)}. `ael run -v` logs what the receiver answered."
        )
    if destination.reachable:
        return Text.assemble(f"Sent to {destination.endpoint}. Grafana: ", (GRAFANA_URL, "cyan"))
    # Items that could not be delivered are gone: a stack that is started now receives later runs only.
    if not destination.is_default:
        return Text(f"Nothing answers at {destination.endpoint}: the telemetry of {what} was dropped.")
    return Text(
        f"No Collector on {destination.endpoint}: to see {what} in Grafana, run it again after `make up`."
    )


def dropped(counts: Mapping[tuple[str, str], int]) -> str:
    """Return the number of dropped items as text, by signal and reason."""
    return ", ".join(
        f"{words.plural(number, item)} ({reason})"
        for signal, item in _ITEMS.items()
        for (dropped_of, reason), number in sorted(counts.items())
        if dropped_of == signal
    )


def kept(location: str, record: ExecutionRecord) -> Text:
    """Return a line with the place where runs are stored, and the command that shows one of them."""
    name = words.short_id(record.trace_id or record.execution_id)
    return Text.assemble(
        f"Stored in {location}:  ",
        ("ael trace list", "cyan"),
        " | ",
        (f"ael trace show {name} [--web]", "cyan"),
    )


def labelled(name: str, value: str, width: int, style: str = "") -> Text:
    """Return a value beside its name, which takes `width` columns; further lines are indented."""
    first, *more = value.splitlines() or [""]
    text = Text.assemble((name.ljust(width), "dim"), "  ", (first, style))
    for line in more:
        text.append("\n" + " " * (width + 2) + line, style=style)
    return text


def readable(value: Any) -> str:
    """Return a value in readable form: text without terminal control codes, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return "\n".join(
        "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
        for line in text.splitlines()
    )
