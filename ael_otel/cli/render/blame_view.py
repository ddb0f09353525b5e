"""Render the lines of a file with their authors as a table for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.attribution.blame import BlameLine
from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.store.times import from_us

_STYLE: Final = {"ai": "magenta", "human": "green", "mixed": "yellow", "unknown": "dim"}
_ROOM_FOR_ALL: Final = 110
_COMMIT: Final = 8


def table(lines: Sequence[BlameLine], *, width: int | None = 100, zone: Zone = UTC_ZONE) -> Table:
    """Return a table with one row for each line.

    Args:
        lines: the lines.
        width: columns of the terminal; None, for a pipe, cuts nothing. A narrow table has neither calls nor times.
        zone: time zone of the times.
    """
    wide = width is None or width >= _ROOM_FOR_ALL
    listed = bare_table(gap=1)
    headings = ["line", "by", "agent", "session"]
    headings += ["call", f"time ({zone.name})"] if wide else []
    headings += ["commit", "author", "text"]
    for heading in headings:
        listed.add_column(
            heading,
            no_wrap=True,
            overflow="crop",
            justify="right" if heading == "line" else "left",
            ratio=1 if heading == "text" and width is not None else None,
        )
    for line in lines:
        cells = [Text(str(line.line), style="dim"), Text(line.contributor, style=_STYLE[line.contributor])]
        cells += [Text(words.one_line(each)) for each in _who(line, width, zone, wide=wide)]
        cells.append(Text((line.commit or "")[:_COMMIT] or "-", style="dim"))
        cells.append(Text(words.one_line(line.author or "-"), style="dim"))
        cells.append(Text(words.printable(line.text.expandtabs(4))))
        listed.add_row(*cells)
    return listed


def _who(line: BlameLine, width: int | None, zone: Zone, *, wide: bool) -> Iterator[str]:
    def joined(values: Sequence[str | None]) -> str:
        return "+".join(dict.fromkeys(each for each in values if each)) or "-"

    def short(identifier: str | None) -> str | None:
        return identifier if width is None or identifier is None else words.short_id(identifier)

    yield joined([change.agent or ("ael" if change.source == "engine" else None) for change in line.changes])
    yield joined([short(change.session_id or change.execution_id) for change in line.changes])
    if wide:
        yield joined([change.tool for change in line.changes])
        latest = line.change
        yield "-" if latest is None else zone.when(from_us(latest.at_us))
