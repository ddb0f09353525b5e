"""Render sessions of agents: the table of `ael session list`, the tree of `show`, the lines of `tail`."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table
from ael_otel.cli.render.zone import UTC_ZONE, Zone
from ael_otel.sessions.session import Entry, Session, SessionRecord
from ael_otel.sessions.wording import (
    NOT_REPORTED,
    cost_of,
    counts,
    inner_of,
    lasted_us,
    name_of,
    state,
    unknown_of,
    verdict_of,
)
from ael_otel.store.times import from_us

_STYLE: Final = {"running": "cyan", "idle": "yellow", "ended": "green", "abandoned": "yellow"}
_TROUBLE: Final = {
    "error": "bold red",
    "timeout": "bold red",
    "denied": "yellow",
    "cancelled": "yellow",
    "unknown": "dim",
}
_ROOM_FOR_DATES: Final = 96
_LONGEST: Final = 120
_PATHS: Final = 3


def table(found: Sequence[SessionRecord], *, width: int | None = 100, zone: Zone = UTC_ZONE) -> Table:
    """Return a table with one row for each session.

    Args:
        found: the sessions.
        width: columns of the terminal; None, for a pipe, cuts nothing. A narrow table has no starting times.
        zone: time zone of the times.
    """
    wide = width is None or width >= _ROOM_FOR_DATES
    listed = bare_table(gap=2 if wide else 1)
    headings = ["agent", "status", "turns", "calls", "failed", "idle", "lasted", "id"]
    if wide:
        headings.insert(0, f"started ({zone.name})")
    for heading in headings:
        numeric = heading in ("turns", "calls", "failed", "idle", "lasted")
        listed.add_column(heading, no_wrap=True, justify="right" if numeric else "left")
    for record in found:
        identifier = record.session_id if width is None else words.short_id(record.session_id)
        failed = record.failed_calls + record.errors
        cells = [
            Text(words.one_line(record.agent)),
            Text(state(record), style=_STYLE.get(record.status, "")),
            Text(str(record.turns)),
            Text(str(record.tool_calls)),
            Text(str(failed) if failed else "-", style="red" if failed else ""),
            Text(words.duration(record.idle_us / 1e3) if record.idle_us else "-"),
            Text(words.duration(lasted_us(record) / 1e3)),
            Text(words.one_line(identifier), style="dim"),
        ]
        if wide:
            cells.insert(0, Text(zone.when(from_us(record.started_us)), style="dim"))
        listed.add_row(*cells)
    return listed


def tree(
    session: Session,
    runs: Sequence[str] = (),
    *,
    width: int = 100,
    ascii_only: bool = False,
    zone: Zone = UTC_ZONE,
) -> Text:
    """Return one session as a tree: its summary, then its turns with the calls, decisions and idle times in them.

    Args:
        session: the session.
        runs: execution ids of the runs that the session caused.
        width: columns of the terminal.
        ascii_only: draw with plain ASCII.
        zone: time zone of the times.
    """
    lines = _header(session.record, zone)
    branch, last, through = ("|- ", "`- ", "|  ") if ascii_only else ("├─ ", "└─ ", "│  ")
    outer = [entry for entry in session.entries if entry.turn is None or entry.turn == entry.key]
    inner = inner_of(session)
    turn = 0
    for position, entry in enumerate(outer):
        closes = position == len(outer) - 1
        turn += entry.kind == "turn"
        lines.append(Text.assemble((last if closes else branch, "dim"), _entry(entry, zone, turn)))
        parts = inner.get(entry.key, []) if entry.kind == "turn" else []
        for place, each in enumerate(parts):
            guide = ("   " if closes else through) + (last if place == len(parts) - 1 else branch)
            lines.append(Text.assemble((guide, "dim"), _entry(each, zone, 0)))
    named = {entry.execution_id for entry in session.entries}
    if others := [run for run in runs if run not in named]:
        lines.append(Text(f"runs: {', '.join(others)}"))
    for text in lines:
        if text.cell_len > width:
            text.truncate(width, overflow="ellipsis")
    # The header contains model and tokens, so these are left out. Not cut: the reason is at the end.
    lines += [
        Text(f"unknown: {subject}: {why}", style="dim")
        for subject, why in unknown_of(session)
        if subject not in ("model", "cost", "tokens and cost")
    ]
    return Text("\n").join(lines)


def line(record: SessionRecord, entry: Entry, zone: Zone = UTC_ZONE) -> str:
    """Return one line about an entry of a session that has ended."""
    return (
        f"{words.one_line(record.agent)} {words.short_id(record.session_id)}  {_entry(entry, zone, 0).plain}"
    )


def _header(record: SessionRecord, zone: Zone) -> list[Text]:
    version = f" {record.agent_version}" if record.agent_version else ""
    how = f" ({words.one_line(record.reason)})" if record.reason else ""
    lasted = words.duration(lasted_us(record) / 1e3)
    lines = [
        Text.assemble(
            (words.one_line(record.agent + version), "bold"),
            "  ",
            (state(record), _STYLE.get(record.status, "")),
            f" after {lasted}{how}  ",
            (f"session {words.one_line(record.session_id)}  trace {words.short_id(record.trace_id)}", "dim"),
        )
    ]
    started = f"started {zone.when(from_us(record.started_us))} ({zone.name})"
    again = f", reopened {record.reopened} times" if record.reopened else ""
    lines.append(Text(f"{started}{again}"))
    if record.workspace:
        lines.append(Text(f"workspace {words.one_line(record.workspace)}"))
    model = ", ".join(record.models) if record.models else NOT_REPORTED
    tokens = counts(record.tokens) or NOT_REPORTED
    lines.append(Text(f"model {words.one_line(model)}  tokens {tokens}"))
    if cost := cost_of(record):
        lines.append(Text(f"cost {cost}"))
    idle = f", idle {words.duration(record.idle_us / 1e3)}" if record.idle_us else ""
    failed = f" ({record.failed_calls} failed)" if record.failed_calls else ""
    lines.append(
        Text(
            f"{words.plural(record.turns, 'turn')}, {words.plural(record.tool_calls, 'tool call')}{failed},"
            f" {words.plural(record.errors, 'error')}{idle}"
        )
    )
    return lines


def _entry(entry: Entry, zone: Zone, turn: int) -> Text:
    clock = f"{zone.at(from_us(entry.at_us)):%H:%M:%S}"
    took = None if entry.end_us is None else (entry.end_us - entry.at_us) / 1e3
    if entry.kind in ("decision", "message", "error"):
        took = None
    name, how = words.one_line(name_of(entry, turn)), words.one_line(verdict_of(entry))
    trouble = _TROUBLE.get(entry.outcome or "", "red" if entry.kind == "error" else "")
    lasted = "" if took is None else f"  {words.duration(took)}"
    return Text.assemble(
        (f"{clock}  ", "dim"),
        (name, "bold" if entry.kind == "turn" else ""),
        (f"  {how}" if how else "", trouble),
        (lasted, "dim"),
        _files(entry),
        (f"  run {entry.execution_id}" if entry.execution_id else "", "cyan"),
    )


def _files(entry: Entry) -> str:
    named = [words.one_line(path) for path in entry.paths[:_PATHS]]
    more = len(entry.paths) - len(named)
    parts = [*named, *([f"{more} more"] if more > 0 else [])]
    if entry.excluded_paths:
        parts.append(words.plural(entry.excluded_paths, "excluded file"))
    return f"  {', '.join(parts)}"[: _LONGEST * 4] if parts else ""
