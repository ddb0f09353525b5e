"""Consoles for stdout and stderr: colour and width as the terminal has them, and NO_COLOR kept."""

import errno
import os
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDEST: Final = 1_000_000
"""Columns of a table in a pipe, at most."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the group of the verb what that means; rich would end the process as a failure."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """Return a console that neither guesses at markup nor highlights numbers in what workflows put out."""
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def ascii_only(target: Console) -> bool:
    """Whether a console cannot show more than ASCII."""
    return not target.encoding.lower().startswith("utf")


def is_pipe(target: Console) -> bool:
    """Whether a console writes into a pipe or a file, also where colour is forced: nothing is cut or folded there."""
    return not target.file.isatty()


def print_table(target: Console, table: Table) -> None:
    """Print a table; into a pipe or a file a row is a line, as wide as it is and without spaces at its end."""
    if not is_pipe(target):
        target.print(table)
        return
    options = target.options.update(max_width=_WIDEST)
    for segments in target.render_lines(table, options, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        target.print(line, soft_wrap=True)
