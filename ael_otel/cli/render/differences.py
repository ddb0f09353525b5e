"""Render the comparison of two runs for `ael trace diff`."""

from typing import Any, Final, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.run_table import identifier, value
from ael_otel.cli.render.table import STATUS_STYLE, bare_table
from ael_otel.cli.render.zone import UTC_ZONE
from ael_otel.export.compare import Comparison, Difference, Timing
from ael_otel.store import ExecutionRecord

MAX_SHOWN: Final = 50
"""Maximum differences in the table; the JSON contains all."""

_ROOM_FOR_DATES: Final = 80
_NOTABLE: Final = 1.5
"""Ratio of durations from which the longer one is coloured, if it is at least some milliseconds."""


def comparison(
    found: Comparison, a: ExecutionRecord, b: ExecutionRecord, *, width: int = 100
) -> RenderableType:
    """Return the outcome of both runs, the duration of each step, and the differing values; no dates if narrow."""
    dates = width >= _ROOM_FOR_DATES
    heads = bare_table(gap=2)
    for heading in ("", "workflow", "status", *(["started (UTC)"] if dates else []), "duration", "id"):
        heads.add_column(heading, overflow="fold", no_wrap=heading != "workflow")
    for letter, run in (("A", a), ("B", b)):
        heads.add_row(
            Text(letter, style="bold"),
            Text(words.one_line(run.workflow_name or "(direct call)")),
            Text(run.status, style=STATUS_STYLE.get(run.status, "")),
            *([UTC_ZONE.when(run.started_at)] if dates else []),
            words.lasted(run.status, run.duration_ms),
            Text(identifier(run.trace_id, run.execution_id), style="dim"),
        )
    parts: list[RenderableType] = [heads, Text()]
    if len(found.timings) > 1:
        parts += [_timings(found.timings[1:]), Text()]
    if not found.differences:
        parts.append(Text("No difference but the times.", style="green"))
        return Group(*parts)
    parts.append(_values(found.differences[:MAX_SHOWN]))
    if len(found.differences) > MAX_SHOWN:
        left = words.plural(len(found.differences) - MAX_SHOWN, "difference")
        parts.append(Text(f"{left} more: see --output json", style="dim"))
    return Group(*parts)


def _timings(timings: list[Timing]) -> Table:
    table = bare_table(gap=2)
    table.add_column("step", overflow="fold")
    for heading in ("A", "B", "change"):
        table.add_column(heading, no_wrap=True, justify="right")
    for row in timings:
        table.add_row(
            Text(words.one_line(row.step)),
            _how(row.a_status, row.a_ms),
            _how(row.b_status, row.b_ms),
            _change(row.a_ms, row.b_ms),
        )
    return table


def _how(status: str | None, took_ms: float | None) -> Text:
    if status is None:
        return Text("-", style="dim")
    if status == "completed":
        return Text(words.duration(took_ms))
    text = status if status == "skipped" else f"{status} {words.lasted(status, took_ms)}"
    return Text(text, style=STATUS_STYLE.get(status, ""))


def _change(a_ms: float | None, b_ms: float | None) -> Text:
    if not a_ms or b_ms is None:
        return Text("")
    ratio = b_ms / a_ms
    notable = abs(b_ms - a_ms) > 1
    style = "red" if notable and ratio > _NOTABLE else "green" if notable and ratio < 1 / _NOTABLE else "dim"
    return Text(f"{ratio:.1f}x" if ratio >= 2 else f"{ratio - 1:+.0%}", style=style)


def _values(found: list[Difference]) -> Table:
    table = bare_table(gap=2)
    table.add_column("what", overflow="fold", ratio=2)
    table.add_column("A", overflow="fold", ratio=3)
    table.add_column("B", overflow="fold", ratio=3)
    for row in found:
        a, b = row.a, row.b
        if row.in_a != row.in_b and row.path.startswith("steps."):
            # For a step that only one run has, its presence is enough information.
            a, b = _in_a_word(a), _in_a_word(b)
        table.add_row(Text(words.one_line(row.path)), _value(a, there=row.in_a), _value(b, there=row.in_b))
    return table


def _in_a_word(item: Any) -> Any:
    return cast("dict[str, Any]", item).get("status", item) if isinstance(item, dict) else item


def _value(item: Any, *, there: bool) -> Text:
    return Text(value(item)) if there else Text("absent", style="dim italic")
