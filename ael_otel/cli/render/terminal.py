"""Consoles for stdout and stderr: colour and width as the terminal has them, and NO_COLOR kept."""

import errno
import os

from rich.console import Console


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
