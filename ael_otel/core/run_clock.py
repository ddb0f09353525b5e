"""Times of one run from one reading of the wall clock: setting that clock during a run changes none of them."""

from datetime import UTC, datetime, timedelta
from time import perf_counter_ns, time_ns
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RunClock:
    """A clock that is read from the wall once, when it is made, and goes on monotonically."""

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        self._offset_ns = time_ns() - perf_counter_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self._offset_ns + perf_counter_ns()

    def now(self) -> datetime:
        """Return the time in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.now_ns() // 1_000)
