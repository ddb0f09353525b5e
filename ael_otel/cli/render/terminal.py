"""Consoles for stdout and stderr: colour and width as the terminal has them, and NO_COLOR kept."""

from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Return a console that neither guesses at markup nor highlights numbers in what workflows put out."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def ascii_only(target: Console) -> bool:
    """Whether a console cannot show more than ASCII."""
    return not target.encoding.lower().startswith("utf")
