"""`ael cost`: the table of tokens and costs, and the lines below it."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.table import bare_table
from ael_otel.cost import CostRow
from ael_otel.cost.price_table import is_installed
from ael_otel.cost.wording import amounts

_WIDE: Final = 100
_ALL: Final = ("calls", "input", "cached", "written", "output", "reasoning", "cost", "no price")
_NARROW: Final = ("calls", "input", "output", "cost")
_LONGEST_NAME: Final = 80


def table(by: str, rows: Sequence[CostRow], *, width: int | None = 100) -> Table:
    """List the figures of each key; a narrow terminal has those that tell most.

    `width` is the columns of the terminal; None, for a pipe, is wide enough for all.
    """
    wide = width is None or width >= _WIDE
    found = bare_table(gap=2 if wide else 1)
    found.add_column(by, overflow="fold")
    shown = [*(_ALL if wide else _NARROW)]
    if any(row.repriced_nano for row in rows):
        shown.append("repriced")
    for heading in shown:
        found.add_column(heading, no_wrap=True, justify="right")
    for row in rows:
        figures = {
            "calls": f"{row.calls:,}",
            "input": f"{row.input_tokens:,}",
            "cached": f"{row.cache_read_tokens:,}",
            "written": f"{row.cache_write_tokens:,}",
            "output": f"{row.output_tokens:,}",
            "reasoning": f"{row.reasoning_tokens:,}",
            "cost": amounts(row.cost_nano),
            "no price": f"{row.no_price:,}" if row.no_price else "-",
            "repriced": amounts(row.repriced_nano),
        }
        key = Text(words.one_line(row.key))
        if width is not None:
            key.truncate(max(width, _LONGEST_NAME), overflow="ellipsis")
        found.add_row(
            key,
            *(
                Text(figures[name], style="yellow" if name == "no price" and row.no_price else "")
                for name in shown
            ),
        )
    return found


def _or_install() -> str:
    return "" if is_installed() else ", or install the extra `cost`"


def summary(total: CostRow, unpriced: Sequence[tuple[str, int]]) -> list[str]:
    """Return the lines below the table: the sum, the models without a price, and what was counted once only."""
    tokens = f"{total.input_tokens:,} tokens in, {total.output_tokens:,} out"
    lines = [f"{words.plural(total.calls, 'model call')}: {tokens}, {amounts(total.cost_nano)}."]
    if total.no_price:
        named = ", ".join(f"{words.one_line(model)} ({count:,})" for model, count in unpriced)
        lines.append(
            f"{words.plural(total.no_price, 'call')} without a price, in no amount: {named}."
            f" Name prices in telemetry.cost.prices{_or_install()}."
        )
    if total.copies:
        lines.append(
            f"{words.plural(total.copies, 'record')} of responses that are counted already left out."
        )
    return lines
