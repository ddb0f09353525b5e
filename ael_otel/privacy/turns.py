"""Let other threads run while a long value is redacted.

A thread that computes holds the interpreter's lock for up to 5 ms each time that the event loop wants it. With 256 kB
of short texts these waits add up, since each response of the loop waits several times. So the thread that redacts for a
queue gives up the lock after each millisecond of work. Work is counted in the microseconds of `budget`; no clock is
read.
"""

from collections.abc import Callable
from threading import local
from typing import Final

TURN: Final = 1_000
"""Microseconds of work after which a thread gives up the lock."""


class _Turn(local):
    """The rest of one thread's turn; most threads never give up the lock."""

    give_way: Callable[[], object] | None = None
    left: float = TURN


_turn: Final = _Turn()


def begin(give_way: Callable[[], object] | None) -> None:
    """Begin a turn of the calling thread.

    Args:
        give_way: called after each turn, for example a short sleep; None for a thread that does not give up the lock.
    """
    _turn.give_way = give_way
    _turn.left = TURN


def worked(cost: float) -> None:
    """Count work of the calling thread, in microseconds, and give up the lock at the end of its turn."""
    give_way = _turn.give_way
    if give_way is None:
        return
    _turn.left -= cost
    if _turn.left <= 0:
        _turn.left = TURN
        give_way()
