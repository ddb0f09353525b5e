"""Wait for a condition instead of a fixed time."""

import time
from collections.abc import Callable


def until[T](
    condition: Callable[[], T], what: str | Callable[[], object] = "", *, seconds: float = 30.0
) -> T:
    """Call `condition` every 5 ms until its result is true, and return the result.

    Args:
        condition: checks once.
        what: description printed if the condition does not become true; a function is called at that time.
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
