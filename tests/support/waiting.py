"""Wait for a condition: what a test does instead of waiting for a time."""

import time
from collections.abc import Callable


def until[T](
    condition: Callable[[], T], what: str | Callable[[], object] = "", *, seconds: float = 30.0
) -> T:
    """Call `condition` every 5 ms until what it returns is true, and return that.

    Args:
        condition: looks once.
        what: printed if the condition does not come true; a function is called then.
        seconds: after that time the test fails.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, (
            f"after {seconds:g} s: {(what() if callable(what) else what) or found!r}"
        )
        time.sleep(0.005)
    return found
