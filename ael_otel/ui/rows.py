"""The waterfall of a run or session as HTML without any inline style, which the policy of the page forbids.

Bars are SVG, whose positions are attributes. The facts and the content of rows are in the page up to a budget of bytes;
further rows, and long values, are links to a page of their own.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from markupsafe import Markup

from ael_otel.export.waterfall import (
    BAD,
    COLOURED,
    TICKS,
    Link,
    Row,
    Waterfall,
    bar,
    lasted,
    moment,
    text,
    took,
    word,
)

MAX_ROWS: Final = 12_000
"""Rows of one page; the next ones are on the next page."""

GROUP: Final = 100
"""Rows that a browser lays out together."""

INLINE: Final = 200_000
"""Characters of content in one page, without the rows themselves."""

MAX_BLOCK: Final = 10_000
"""Characters of one value that are shown inside a waterfall."""

MAX_VALUE: Final = 1_000_000
"""Characters of one value on the page of its row."""


def rows(page: Waterfall, address: str, first: int = 0, inline: int = INLINE) -> Markup:
    """Return the rows as HTML, from number `first` on.

    Args:
        page: what they are part of.
        address: the address of the page of a row, without the number of the row at its end.
        first: number of the first row.
        inline: characters of content that are in the page.
    """
    parts = list(_rows(page, text(address), first, inline))
    # A browser lays out only the groups that are in view; doing that for each row would take longer than the rows.
    groups = (
        f'<div class="group{" full" if at + GROUP <= len(parts) else ""}">{"".join(parts[at : at + GROUP])}</div>'
        for at in range(0, len(parts), GROUP)
    )
    return Markup(_scale(page.span_ms) + "".join(groups))  # noqa: S704 - every text in it is escaped


def _rows(page: Waterfall, address: str, first: int, left: int) -> Iterator[str]:
    for number, row in enumerate(page.rows[first : first + MAX_ROWS], first):
        if left >= 0:
            left -= sum(len(value) if isinstance(value, str) else 40 for _, value in row.facts)
            left -= sum(min(len(value), MAX_BLOCK) for _, value in row.blocks)
        line = _line(page, row)
        if left < 0:
            yield f'<a class="row stop d{row.depth}" id="r{number}" href="{address}{number}">{line}</a>'
        else:
            yield (
                f'<details class="d{row.depth}" id="r{number}"><summary class="row stop">{line}</summary>'
                f"{content(row, f'{address}{number}', MAX_BLOCK)}</details>"
            )


def _line(page: Waterfall, row: Row) -> str:
    bad = row.status in BAD
    look = "bad" if bad else row.look
    shown = f" {word(row.status)}" if bad or row.status in COLOURED else ""
    begin, length = bar(row, page.started, page.span_ms)
    # A colour alone tells nothing to somebody who does not see it.
    state = f'<span class="sr"> {text(row.status)}</span>' if bad else ""
    return (
        f'<span class="name{shown}">{text(row.name)}{state}<small>{text(row.remark)}</small></span>'
        f'<span class="took{shown}">{text(lasted(row))}</span>'
        f'<svg class="lane" aria-hidden="true"><rect class="{look}" x="{begin:.2f}%" width="{length:.2f}%"/></svg>'
    )


def content(row: Row, address: str = "", most: int = MAX_VALUE) -> Markup:
    """Return the facts and values of a row; a value longer than `most` ends with a link to `address` (escaped)."""
    facts = "".join(f"<dt>{text(name)}</dt><dd>{_value(value)}</dd>" for name, value in row.facts)
    blocks = "".join(_block(name, value, address, most) for name, value in row.blocks)
    return Markup(  # noqa: S704 - every text in it is escaped
        f'<div class="more"><dl><dt>started</dt><dd><code>{moment(row.started)}</code></dd>{facts}</dl>{blocks}</div>'
    )


def _block(name: str, value: str, address: str, most: int) -> str:
    left = len(value) - most
    more = ""
    if left > 0 and most < MAX_VALUE:
        more = f'<p><a href="{address}">{left:,} more characters</a></p>'
    elif left > 0:
        more = f"<p>{left:,} more characters: see <code>ael trace show --output json</code></p>"
    # A value that scrolls has to be reached by the keyboard.
    return (
        f'<p class="label">{text(name)}</p>'
        f'<pre tabindex="0" role="group" aria-label="{text(name)}">{text(value[:most])}</pre>{more}'
    )


def _value(value: str | Link) -> str:
    if isinstance(value, Link):
        return f'<a href="{text(value.page)}">{text(value.text)}</a>'
    return f"<code>{text(value)}</code>"


def _scale(span_ms: float) -> str:
    ticks = "".join(
        f'<span class="at t{tick}">{took(span_ms * tick / (TICKS - 1))}</span>' for tick in range(TICKS)
    )
    return (
        '<div class="row scale" aria-hidden="true"><span class="name d0"></span><span class="took"></span>'
        f'<span class="lane">{ticks}</span></div>'
    )


def failures(page: Waterfall, most: int) -> Sequence[tuple[int, Row]]:
    """Return the number and the row of the first failures, without the run itself."""
    found = ((number, row) for number, row in enumerate(page.rows) if number and row.status in BAD)
    return [each for each, _ in zip(found, range(most), strict=False)]
