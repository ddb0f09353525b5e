"""The one way to wait in this suite: poll until nothing is missing, and fail at the deadline with the rest."""

import time
from collections.abc import Callable


def wait_until_nothing_is_missing(missing: Callable[[], str], *, seconds: float, every: float = 0.3) -> None:
    """Call `missing` until it returns an empty text.

    Args:
        missing: returns a description of the missing items; a failed query counts as missing.
        seconds: after that time the last text fails the test.
        every: seconds between two polls.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    while text := missing():
        assert time.monotonic() < deadline, f"after {seconds:g} s: {text}"
        time.sleep(every)


def difference(what: str, wanted: dict[str, float], found: dict[str, float], *, shown: int = 12) -> str:
    """Return the rows in which two tables differ, empty when they are equal."""
    rows = sorted(
        f"{key}: {found.get(key, 'absent')} instead of {wanted.get(key, 'absent')}"
        for key in wanted.keys() | found.keys()
        if wanted.get(key) != found.get(key)
    )
    if not rows:
        return ""
    more = f"\n  and {len(rows) - shown} more" if len(rows) > shown else ""
    return f"{len(rows)} rows of {what} differ:\n  " + "\n  ".join(rows[:shown]) + more
