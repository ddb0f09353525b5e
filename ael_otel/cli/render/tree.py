"""Render one run as a tree of steps, attempts and tool calls, each with a bar for its place in the run's time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import STATUS_STYLE
from ael_otel.cost.wording import count_of, figures_of
from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord

MIN_WIDTH, MAX_WIDTH = 40, 120
"""Minimum and maximum columns of the tree: less leaves no room for a bar, and a wider bar adds no information."""

_GAP = "  "
_MIN_BAR = 8


@dataclass(frozen=True, slots=True)
class _Marks:
    branch: str
    last: str
    through: str
    empty: str
    bar: str


_UNICODE = _Marks(branch="├─ ", last="└─ ", through="│  ", empty="   ", bar="▆")
_ASCII = _Marks(branch="|- ", last="`- ", through="|  ", empty="   ", bar="#")


@dataclass(frozen=True, slots=True)
class _Row:
    """One line. `name`, `kind` and `tool` are columns of a step; the `name` of a child spans all columns."""

    guide: str
    below: str
    name: str
    status: str
    kind: str | None = None
    tool: str = ""
    took: str = ""
    span: tuple[float, float] | None = None
    note: str = ""
    trouble: str = ""


def tree(run: ExecutionRecord, *, width: int = 100, ascii_only: bool = False) -> Text:
    """Return one run as a tree.

    Args:
        run: the run; one in flight is drawn up to now.
        width: columns of the terminal.
        ascii_only: draw with plain ASCII, for terminals that cannot display more.
    """
    width = max(min(width, MAX_WIDTH), MIN_WIDTH)
    marks = _ASCII if ascii_only else _UNICODE
    rows = list(_rows(run, marks))
    lines = _header(run, width)
    if run.error is not None and not any(step.status == "failed" for step in run.steps):
        lines.append(Text(words.error(run.error, run.duration_ms), style="red"))
    if rows:
        lines.extend(_lines(rows, width, marks))
    return Text("\n").join(_fit(line, width) for line in lines)


def headline(workflow: str, status: str, duration_ms: float | None) -> Text:
    """Return the first part of a run's header: `mixed  completed in 41.2 ms`."""
    joint = "in" if status == "completed" else "after"
    styled = (status, STATUS_STYLE.get(status, ""))
    took = words.lasted(status, duration_ms)
    return Text.assemble((workflow, "bold"), _GAP, styled, "" if took == "-" else f" {joint} {took}")


def _header(run: ExecutionRecord, width: int) -> list[Text]:
    left = headline(run.workflow_name or "(direct call)", run.status, run.duration_ms)
    trace = f"  trace {words.short_id(run.trace_id)}" if run.trace_id else ""
    right = Text(f"execution {run.execution_id}{trace}", style="dim")
    space = width - left.cell_len - right.cell_len
    if space < len(_GAP):
        return [left, right]
    return [Text.assemble(left, " " * space, right)]


def _fit(line: Text, width: int) -> Text:
    line = line.copy()
    line.rstrip()
    if line.cell_len > width:
        line.truncate(width, overflow="ellipsis")
    return line


def _rows(run: ExecutionRecord, marks: _Marks) -> Iterator[_Row]:
    scale = _Scale(run)
    if run.type == "direct":
        for call, last in _with_last(run.tool_calls):
            below = marks.empty if last else marks.through
            yield _call_row(call, scale, marks.last if last else marks.branch, below, "", "")
        return
    for step, last in _with_last(sorted(run.steps, key=lambda step: step.index)):
        below = marks.empty if last else marks.through
        yield _step_row(step, scale, marks.last if last else marks.branch, below)
        used = [call for call in run.model_calls if call.step_id == step.step_id]
        for call, last_call in _with_last(_calls_below(step)):
            ends = last_call and not used
            guide = below + (marks.last if ends else marks.branch)
            below_call = below + (marks.empty if ends else marks.through)
            label = f"attempt {call.sequence}" if step.retried else ""
            remark = " (called from the code)" if call.source == "code_block" else ""
            yield _call_row(call, scale, guide, below_call, label, remark)
        if used:
            yield _Row(
                guide=below + marks.last,
                below=below + marks.empty,
                name=count_of(used),
                status="completed",
                note=figures_of(used),
            )


def _calls_below(step: StepRecord) -> list[ToolCallRecord]:
    """Return the calls with a separate line: all except the one that a tool step, or a foreign span, represents."""
    if step.step_type == "tool" and step.tool_name is not None and len(step.tool_calls) == 1:
        return []
    return [call for call in step.tool_calls if not call.span_id or call.span_id != step.span_id]


def _with_last[T](items: Sequence[T]) -> Iterator[tuple[T, bool]]:
    for index, item in enumerate(items, 1):
        yield item, index == len(items)


def _step_row(step: StepRecord, scale: "_Scale", guide: str, below: str) -> _Row:
    skipped = step.status == "skipped"
    trouble = ""
    if step.status == "failed" and step.error is not None:
        trouble = words.error(step.error)
    return _Row(
        guide=guide,
        below=below,
        name=step.label,
        status=step.status,
        kind=words.step_type(step),
        tool=words.tool(step.tool_name, step.server) if step.tool_name else "",
        took="" if skipped else words.lasted(step.status, step.duration_ms),
        span=None if skipped else scale.part(step.started_at, step.duration_ms),
        note=words.skip_reason(step) if skipped else "",
        trouble=trouble,
    )


def _call_row(call: ToolCallRecord, scale: "_Scale", guide: str, below: str, label: str, remark: str) -> _Row:
    name = label or words.tool(call.tool_name, call.server)
    trouble = "" if call.error is None else words.error(call.error)
    return _Row(
        guide=guide,
        below=below,
        name=name if trouble else name + remark,
        status={"success": "completed", "running": "running", "cancelled": "cancelled"}.get(
            call.status, "failed"
        ),
        took=words.lasted(call.status, call.duration_ms),
        span=scale.part(call.started_at, call.duration_ms),
        trouble=trouble,
    )


class _Scale:
    """Maps times to positions in the run: 0 is its start and 1 its end."""

    def __init__(self, run: ExecutionRecord) -> None:
        self._start = run.started_at
        self._length = run.duration_ms if run.duration_ms and run.duration_ms > 0 else None

    def part(self, started: datetime, took_ms: float | None) -> tuple[float, float] | None:
        if self._length is None:
            return None
        begin = (started - self._start).total_seconds() * 1e3 / self._length
        end = 1.0 if took_ms is None else begin + took_ms / self._length
        return min(max(begin, 0.0), 1.0), min(max(end, 0.0), 1.0)


def _lines(rows: Sequence[_Row], width: int, marks: _Marks) -> Iterator[Text]:
    steps = [row for row in rows if row.kind is not None]
    names = max((cell_len(row.guide + row.name) for row in steps), default=0)
    kinds = max((len(row.kind or "") for row in steps), default=0)
    tools = max((cell_len(row.tool) for row in steps), default=0)
    took = max(len(row.took) for row in rows)
    # The text before the duration. That of a child may use all of it, and widens it up to half of the line.
    head = names + len(_GAP) + kinds + len(_GAP) + tools if steps else 0
    longest = max(cell_len(row.guide + row.name) + (0 if row.kind else _inline(row)) for row in rows)
    head = min(max(head, min(longest, width // 2)), width - took - _MIN_BAR - 2 * len(_GAP))
    bar = width - head - took - 2 * len(_GAP)
    for row in rows:
        inline = row.kind is None and cell_len(row.guide + row.name) + _inline(row) <= head
        line = _head(row, names, kinds, head, row.trouble if inline else "")
        if row.note:
            line.append(_GAP + row.note, style="dim" if row.kind is None else "yellow")
        else:
            line.append(_GAP + row.took.rjust(took))
            if row.span is not None:
                line.append(_GAP)
                line.append(_bar(row.span, bar, marks), style="cyan" if row.status == "completed" else "red")
        yield line
        if row.trouble and not inline:
            yield Text.assemble((row.below, "dim"), "  ", (row.trouble, "red"))


def _inline(row: _Row) -> int:
    return cell_len(row.trouble) + 1 if row.trouble else 0


def _head(row: _Row, names: int, kinds: int, head: int, trouble: str) -> Text:
    style = {"failed": "red", "skipped": "yellow", "cancelled": "yellow"}.get(
        row.status, "" if row.kind else "dim"
    )
    line = Text.assemble((row.guide, "dim"), (row.name, style))
    if row.kind is not None:
        line.pad_right(names - line.cell_len)
        line.append(_GAP + row.kind.ljust(kinds), style="dim")
        line.append(_GAP + row.tool)
    elif trouble:
        line.append(f" {trouble}", style=style)
    line.truncate(head, overflow="ellipsis", pad=True)
    return line


def _bar(span: tuple[float, float], width: int, marks: _Marks) -> str:
    begin = min(int(span[0] * width), width - 1)
    length = max(1, min(round((span[1] - span[0]) * width), width - begin))
    return " " * begin + marks.bar * length
