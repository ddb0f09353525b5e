"""Render a waterfall as a page: rows with bars in time, in one file that a browser opens without network or script.

The page loads and runs nothing, which its content security policy enforces; every text is escaped. Rows open without
scripts (`<details>`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

import msgspec

TICKS: Final = 5
BAD: Final = ("failed", "error", "timeout", "cancelled")
COLOURED: Final = ("skipped", "running", "pending", "denied", "unknown")
_NOT_ALLOWED: Final = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Link(msgspec.Struct, frozen=True):
    """A text that links to another page; `page` is a file name in the same folder or a path, quoted for a URL."""

    text: str
    page: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the waterfall; `facts` and `blocks` are visible when it is opened."""

    depth: int
    name: str
    remark: str
    status: str
    started: datetime
    took_ms: float | None
    look: str = ""
    facts: Sequence[tuple[str, str | Link]]
    blocks: list[tuple[str, str]]


class Sheet(msgspec.Struct, frozen=True):
    """A table: headings, and rows with the same number of cells."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Link]]


class Section(msgspec.Struct, frozen=True):
    """A titled part of a page below its waterfall: tables and notes."""

    title: str
    sheets: Sequence[Sheet]
    notes: Sequence[str]


class Waterfall(msgspec.Struct, frozen=True, kw_only=True):
    """A page: heading, waterfall, sections.

    Attributes:
        title: the heading.
        status: the final status of the run or session; also the class of its colour.
        summary: facts for the line below the heading.
        ids: names and values of ids, for the line below the summary.
        why: the error, in a box above the waterfall; None if there is none.
        rows: the lines of the waterfall.
        started: the time of its left edge.
        span_ms: the milliseconds of its whole width.
        sections: sections below it.
        footer: the last line.
    """

    title: str
    status: str
    summary: Sequence[str]
    ids: Sequence[tuple[str, str]]
    why: str | None = None
    rows: Sequence[Row]
    started: datetime
    span_ms: float
    sections: Sequence[Section] = ()
    footer: str


def document(page: Waterfall) -> str:
    """Return a page as HTML."""
    dot = " &middot; "
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(page.title)}: {text(page.status)}</title>",
        f"<style>{style()}</style></head><body>",
        f'<header><h1>{text(page.title)}<span class="status {word(page.status)}">{text(page.status)}</span></h1>',
        f"<p>{dot.join(map(text, page.summary))}</p>",
        f"<p>{dot.join(f'{text(name)} <code>{text(value)}</code>' for name, value in page.ids)}</p></header>",
    ]
    if page.why is not None:
        parts.append(f'<p class="why" role="alert">{text(page.why)}</p>')
    rows = (_row(row, page.started, page.span_ms) for row in page.rows)
    parts += ['<main class="waterfall">', _scale(page.span_ms), *rows, "</main>"]
    parts += map(_section, page.sections)
    parts += [f"<footer>{text(page.footer)}</footer></body></html>", ""]
    return "\n".join(parts)


def style() -> str:
    """Return the style sheet."""
    return Path(__file__).with_name("waterfall.css").read_text("utf-8")


def _row(row: Row, origin: datetime, span_ms: float) -> str:
    bad = row.status in BAD
    look = "bad" if bad else row.look
    facts = "".join(f"<dt>{text(name)}</dt><dd>{_value(value)}</dd>" for name, value in row.facts)
    blocks = "".join(f"<h2>{text(name)}</h2><pre>{text(value)}</pre>" for name, value in row.blocks)
    colour = f" {word(row.status)}" if bad or row.status in COLOURED else ""
    left, width = bar(row, origin, span_ms)
    name = text(row.name)
    return (
        f'<details style="--depth:{row.depth}"><summary class="row">'
        f'<span class="name{colour}" title="{name}">{name}<small>{text(row.remark)}</small></span>'
        f'<span class="took{colour}">{text(lasted(row))}</span>'
        f'<span class="lane"><i class="{look}" style="left:{left:.3f}%;width:{width:.3f}%"></i></span>'
        f'</summary><div class="more"><dl><dt>started</dt><dd><code>{moment(row.started)}</code></dd>{facts}</dl>'
        f"{blocks}</div></details>"
    )


def _section(section: Section) -> str:
    sheets = "".join(
        f"<table><thead><tr>{_cells('th', sheet.heads)}</tr></thead><tbody>"
        + "".join(f"<tr>{_cells('td', row)}</tr>" for row in sheet.rows)
        + "</tbody></table>"
        for sheet in section.sheets
    )
    notes = "".join(f"<p>{text(note)}</p>" for note in section.notes)
    return f'<section><h2>{text(section.title)}</h2><div class="sheets">{sheets}</div>{notes}</section>'


def _cells(tag: str, cells: Sequence[str | Link]) -> str:
    return "".join(f"<{tag}>{text(cell) if isinstance(cell, str) else _link(cell)}</{tag}>" for cell in cells)


def _value(value: str | Link) -> str:
    return f"<code>{text(value)}</code>" if isinstance(value, str) else _link(value)


def _link(link: Link) -> str:
    return f'<a href="{text(link.page)}">{text(link.text)}</a>'


def bar(row: Row, origin: datetime, span_ms: float) -> tuple[float, float]:
    """Return the start and the length of the bar, in percent."""
    begin = (row.started - origin).total_seconds() * 1e3 / span_ms * 100
    begin = min(max(begin, 0.0), 100.0)
    length = 100.0 - begin if row.took_ms is None else max(row.took_ms, 0.0) / span_ms * 100
    return begin, min(length, 100.0 - begin)


def _scale(span_ms: float) -> str:
    ticks = "".join(
        f'<span class="at" style="left:{100 * tick / (TICKS - 1):.0f}%">{took(span_ms * tick / (TICKS - 1))}</span>'
        for tick in range(TICKS)
    )
    return (
        '<div class="row scale" aria-hidden="true"><span class="name" style="--depth:0"></span>'
        f'<span class="took"></span><span class="lane">{ticks}</span></div>'
    )


def lasted(row: Row) -> str:
    """Return the duration of a row as text; empty for an instant."""
    if row.look == "mark":
        return ""
    return row.status if row.status in ("skipped", "unknown") else took(row.took_ms)


def took(milliseconds: float | None) -> str:
    """Return a duration as text for pages; None is the duration of something that is still running."""
    if milliseconds is None:
        return "running"
    if milliseconds >= 60_000:
        minutes, rest = divmod(round(milliseconds / 1e3), 60)
        return f"{minutes} min {rest:02} s"
    if milliseconds >= 1_000:
        return f"{milliseconds / 1e3:.2f} s"
    return f"{milliseconds:.1f} ms"


def moment(at: datetime) -> str:
    """Return a time as text for pages, in UTC with milliseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def word(status: str) -> str:
    """Return a status as the name of a class."""
    return "".join(c for c in status if c.isalpha())


def text(raw: str) -> str:
    """Escape a text; characters that HTML does not allow are replaced."""
    return escape(allowed(raw), quote=True)


def allowed(raw: str) -> str:
    """Return a text with the characters replaced that HTML does not allow."""
    return _NOT_ALLOWED.sub("\N{REPLACEMENT CHARACTER}", raw)
