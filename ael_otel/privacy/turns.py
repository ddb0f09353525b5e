"""Let other threads run while a long value is redacted.

A thread that computes keeps the interpreter's lock for up to 5 ms each time that the event loop wants it. Beside 256 kB
of short texts these add up: each answer of the loop waits several times. So the thread that redacts for a queue gives
way after each millisecond of work by itself. Work is counted in the microseconds of `budget`; no clock is read.
"""

from collections.abc import Callable
from threading import local
from typing import Final

TURN: Final = 1_000
"""Microseconds of work after which a thread gives way."""


class _Turn(local):
    """What one thread has left of its turn; most threads never give way."""

    give_way: Callable[[], object] | None = None
    left: float = TURN


_turn: Final = _Turn()


def begin(give_way: Callable[[], object] | None) -> None:
    """Begin a turn of the calling thread.

    Args:
        give_way: called after each turn, as a short sleep is; None for a thread that does not give way.
    """
    _turn.give_way = give_way
    _turn.left = TURN


def worked(cost: float) -> None:
    """Count work of the calling thread, in microseconds, and give way at the end of its turn."""
    give_way = _turn.give_way
    if give_way is None:
        return
    _turn.left -= cost
    if _turn.left <= 0:
        _turn.left = TURN
        give_way()
