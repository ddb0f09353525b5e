"""Render one run for `ael trace show`: its tree, inputs, outputs, ids and spans, and the output of its code."""

from collections.abc import Sequence
from typing import Any, Final, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ael_otel._generated import attributes as attr
from ael_otel.cli.render import text as words
from ael_otel.cli.render import tree
from ael_otel.cli.render.run_result import labelled, readable
from ael_otel.cli.render.table import bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.cost.wording import usage_of
from ael_otel.export.span_tree import Span
from ael_otel.store import ExecutionRecord

MAX_LINES: Final = 16
MAX_COLUMNS: Final = 1_000
"""Maximum lines and characters of one value; the JSON contains all of it."""

_ROOM_FOR_WHAT: Final = 72
_TIME, _SPAN_ID = 8, 16


def run(
    record: ExecutionRecord, *, width: int = 100, ascii_only: bool = False, zone: Zone = UTC_ZONE
) -> RenderableType:
    """Return one run for a terminal."""
    parts: list[RenderableType] = [tree.tree(record, width=width, ascii_only=ascii_only), Text()]
    facts: list[tuple[str, str, str]] = []
    for name, value in (("inputs", record.inputs), ("outputs", record.outputs)):
        if not _is_nothing(value):
            facts.append((name, shortened(value), ""))
    if record.error is not None:
        facts.append(("error", words.whole_error(record.error), "red"))
    if used := usage_of(record.model_calls):
        facts.append(("models", used, ""))
    facts.append(("started", zone.full(record.started_at), "dim"))
    if record.workflow_version:
        facts.append(("version", words.one_line(record.workflow_version), "dim"))
    if record.caller_id:
        facts.append(("caller", words.one_line(record.caller_id), "dim"))
    for name, value in record.metadata.items():
        facts.append((words.one_line(name), words.one_line(shortened(value)), "dim"))
    facts.append(("execution", record.execution_id, "dim"))
    facts.append(("trace", record.trace_id or "none", "dim"))
    space = max(len(name) for name, _, _ in facts)
    parts += [labelled(name, value, space, style) for name, value, style in facts]
    return Group(*parts)


def shortened(value: Any) -> str:
    """Return a value in readable form, cut to a maximum, with the number of lines that were left out."""
    lines = readable(value).splitlines()
    shown = [line if len(line) <= MAX_COLUMNS else f"{line[:MAX_COLUMNS]}…" for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        shown.append(f"… {words.plural(len(lines) - MAX_LINES, 'line')} more: see --output json")
    return "\n".join(shown)


def _is_nothing(value: Any) -> bool:
    """Return whether a value is empty; each output that a failed run could not compute is None."""
    if isinstance(value, dict):
        return all(item is None for item in cast("dict[str, Any]", value).values())
    return value is None or value == ""


def spans(found: Sequence[Span], *, width: int = 100) -> Table:
    """Return a table of a run's spans, each below its parent, with ids; a narrow one lacks the column `what`."""
    wide = width >= _ROOM_FOR_WHAT
    table = bare_table(gap=2 if wide else 1)
    table.add_column("span", overflow="fold")
    table.add_column("starts", no_wrap=True, justify="right", style="dim", min_width=_TIME)
    table.add_column("duration", no_wrap=True, justify="right", min_width=_TIME)
    if wide:
        table.add_column("what", overflow="fold")
    table.add_column("id", no_wrap=True, style="dim", min_width=_SPAN_ID)
    depths: dict[str, int] = {}
    first = found[0].start_ns if found else 0
    for span in found:
        depth = depths[span.span_id] = depths.get(span.parent_id, -1) + 1
        failed = span.status == "error"
        table.add_row(
            Text("  " * depth + words.one_line(span.name), style="red" if failed else ""),
            f"+{words.duration((span.start_ns - first) / 1e6)}",
            words.duration((span.end_ns - span.start_ns) / 1e6),
            *([Text(_what(span), style="red" if failed else "")] if wide else []),
            span.span_id,
        )
    return table


def _what(span: Span) -> str:
    names = (attr.AEL_WORKFLOW_NAME, attr.AEL_STEP_NAME, attr.AEL_TOOL_NAME, attr.AEL_MCP_SERVER)
    own = names[:1] if not span.parent_id else names[1:]
    said = [str(span.attributes[name]) for name in own if name in span.attributes]
    if span.status_message:
        said.append(span.status_message)
    return words.one_line(" ".join(said))


def printed(record: ExecutionRecord) -> list[tuple[str, str, str]]:
    """Return the printed output of each step's code: the step, `stdout` or `stderr`, the text."""
    return [
        (step.step_id, name, readable(text))
        for step in record.steps
        if step.code is not None
        for name, text in (("stdout", step.code.stdout), ("stderr", step.code.stderr))
        if text
    ]
