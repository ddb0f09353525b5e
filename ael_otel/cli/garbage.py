"""When Python looks for garbage in reference cycles: hardly while a command starts, and not once more at its end."""

import atexit
import gc
from typing import Final

_NORMAL: Final = gc.get_threshold()


def postpone() -> None:
    """Collect hardly ever from now on, and not at the end: what is imported stays, so that a search finds nothing.

    With the engine, whose import makes some hundred thousand objects, that is a quarter of the time of a short run.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def resume() -> None:
    """Collect as often as Python does by itself, in a process that stays."""
    gc.set_threshold(*_NORMAL)
