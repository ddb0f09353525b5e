"""Consoles for stdout and stderr, with the colour and width of the terminal; NO_COLOR is respected."""

import errno
import os
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDEST: Final = 1_000_000
"""Maximum columns of a table in a pipe."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the verb's group decide the exit code; rich would end the process as a failure."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """Return a console that neither interprets markup nor highlights numbers in the output of workflows."""
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def ascii_only(target: Console) -> bool:
    """Return whether a console can display only ASCII."""
    return not target.encoding.lower().startswith("utf")


def is_pipe(target: Console) -> bool:
    """Return whether a console writes to a pipe or a file, even if colour is forced: nothing is cut or folded there."""
    return not target.file.isatty()


def print_table(target: Console, table: Table) -> None:
    """Print a table; in a pipe each row is one line, without a maximum width or trailing spaces."""
    if not is_pipe(target):
        target.print(table)
        return
    options = target.options.update(max_width=_WIDEST)
    for segments in target.render_lines(table, options, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        target.print(line, soft_wrap=True)
