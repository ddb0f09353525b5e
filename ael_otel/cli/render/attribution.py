"""`ael trace show --attribution`: who took part in a run, and which calls named which files."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from ael_otel.attribution import Attribution, Contributor, Touch
from ael_otel.attribution.written import Written
from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import STATUS_STYLE, bare_table
from ael_otel.export.waterfall import Section, Sheet

TITLE: Final = "Attribution"
MAX_ROWS: Final = 50
"""Maximum rows of each table on a terminal; the JSON and the page contain all."""

_ROOM_FOR_ALL: Final = 96
_SHORT_HASH: Final = 12
_WHO: Final = ("kind", "who", "type", "what")
_FILES: Final = ("file", "access", "step", "call", "outcome", "by", "started (UTC)", "call id")
_LINES: Final = ("file", "change", "lines", "count", "type", "by", "time (UTC)", "call id")
_NARROW: Final = 5
"""Columns of the table of files on a narrow terminal."""

_LINE_RANGES: Final = (
    "Line ranges are not recorded: the record does not contain which lines of a file a call wrote."
)


def terminal(found: Attribution, *, width: int = 100) -> RenderableType:
    """Return the attribution for display below a run."""
    wide = width >= _ROOM_FOR_ALL
    parts: list[RenderableType] = [Text(TITLE, style="bold"), _table(_WHO, list(_who(found)), width), Text()]
    if found.files:
        files = [row if wide else row[:_NARROW] for row in _files(found)]
        parts += [_table(_FILES if wide else _FILES[:_NARROW], files, width), Text()]
    if found.written:
        parts += [Text("Lines", style="bold"), _table(_LINES, list(lines(found.written)), width), Text()]
    parts += [Text(note, style="dim") for note in _notes(found)]
    return Group(*parts)


def section(found: Attribution) -> Section:
    """Return the attribution as a section of the page of a run."""
    sheets = [Sheet(_WHO, list(_who(found, whole=True)))]
    if found.files:
        sheets.append(Sheet(_FILES, list(_files(found))))
    if found.written:
        sheets.append(lines_sheet(found.written))
    return Section(TITLE, sheets, list(_notes(found)))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> RenderableType:
    table = bare_table(gap=2 if width >= _ROOM_FOR_ALL else 1)
    for place, head in enumerate(heads):
        table.add_column(
            head, overflow="fold", no_wrap=head not in ("file", "who", "what", "step", "call", "lines")
        )
        table.columns[place].style = "dim" if head in ("kind", "started (UTC)", "call id") else ""
    styled = [head in ("type", "access", "outcome", "by") for head in heads]
    for row in rows[:MAX_ROWS]:
        cells = zip(row, styled, strict=True)
        table.add_row(*(Text(cell, style=_STYLE.get(cell, "") if style else "") for cell, style in cells))
    if len(rows) <= MAX_ROWS:
        return table
    more = words.plural(len(rows) - MAX_ROWS, "row")
    return Group(table, Text(f"{more} more: see --output json", style="dim"))


_STYLE: Final = STATUS_STYLE | {"write": "bold", "unknown": "dim", "error": "red", "timeout": "red"}


def _who(found: Attribution, *, whole: bool = False) -> Iterator[tuple[str, ...]]:
    for each in found.contributors:
        name = each.name
        if each.kind == "code" and not whole:
            name = name[:_SHORT_HASH]
        elif each.kind == "tool":
            name = words.tool(name, each.server)
        name = " ".join(filter(None, (name, each.version)))
        yield each.kind, words.one_line(name), each.type, words.one_line(_about(each))


def _about(each: Contributor) -> str:
    facts: list[str] = []
    if each.provider:
        facts.append(f"of {each.provider}")
    if each.imports:
        facts.append(f"imports {', '.join(each.imports)}")
    if each.calls:
        of = f" of {', '.join(each.tools)}" if each.tools else ""
        facts.append(f"{words.plural(each.calls, 'call')}{of}")
    if each.steps:
        facts.append(f"in {', '.join(each.steps)}")
    return "; ".join(facts)


def _files(found: Attribution) -> Iterator[tuple[str, ...]]:
    for file in found.files:
        for place, touch in enumerate(file.calls):
            yield (words.one_line(file.path) if place == 0 else "", *_touch(touch))


def _touch(touch: Touch) -> tuple[str, ...]:
    source = {"code_block": " from code", "direct": " directly"}.get(touch.source, "")
    return (
        touch.access,
        words.one_line(touch.step_id or "-"),
        words.one_line(words.tool(touch.tool_name, touch.server)) + source,
        touch.outcome,
        words.one_line(touch.agent) if touch.agent else touch.contributor,
        f"{touch.started_at.astimezone(UTC):%H:%M:%S.%f}"[:-3],
        words.one_line(touch.call_id),
    )


def _notes(found: Attribution) -> Iterator[str]:
    if not found.files:
        yield "No call named a file." if found.calls else "No tool was called."
    if found.calls_unread:
        of = f"{found.calls_unread} of {words.plural(found.calls, 'call')}"
        yield f"The parameters of {of} are not recorded, or not whole: files that they named are missing here."
    if any(file.excluded for file in found.files):
        yield "All excluded files share one marker, so their number is not recorded."
    if not any(each.kind in ("caller", "session", "agent") for each in found.contributors):
        yield "The caller of the run is not recorded."
    if not found.written:
        yield _LINE_RANGES


def lines_table(written: Sequence[Written], *, width: int = 100) -> RenderableType:
    """Return a table of the lines that each call wrote."""
    return _table(_LINES, list(lines(written)), width)


def lines_sheet(written: Sequence[Written]) -> Sheet:
    """Return the lines that each call wrote as a table of a page."""
    return Sheet(_LINES, list(lines(written)))


def lines(written: Sequence[Written]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each file of each call."""
    for each in written:
        name = each.path if each.path_before is None else f"{each.path_before} -> {each.path}"
        ranges = ", ".join(_range(lines.start, lines.end, lines.contributor) for lines in each.ranges)
        yield (
            words.one_line(name),
            each.change_type,
            ranges or "-",
            f"+{each.added} -{each.removed}",
            each.contributor,
            words.one_line(each.tool or each.step_id or "-"),
            f"{each.at.astimezone(UTC):%H:%M:%S}",
            words.one_line(each.call_id or "-"),
        )


def _range(start: int, end: int, contributor: str | None) -> str:
    numbers = str(start) if start == end else f"{start}-{end}"
    return numbers if contributor is None else f"{numbers} ({contributor})"
