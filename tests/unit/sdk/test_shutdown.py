"""The end of a process: closers run side by side, bounded in time, and once."""

import sys
import threading
import time

import pytest

from ael_otel.sdk import shutdown as module
from ael_otel.sdk.shutdown import GRACE_SECONDS, ParallelShutdown
from tests.support.waiting import until


def waits(thread: threading.Thread) -> bool:
    """Whether a thread has come to a wait for an event or a lock."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code.co_name != "wait":
        frame = frame.f_back
    return frame is not None


def test_everything_is_closed_side_by_side() -> None:
    """Closers run at the same time, and the answer is that all ended."""
    meeting = threading.Barrier(3)
    closed: list[int] = []

    def closer(number: int) -> None:
        meeting.wait(10)
        closed.append(number)

    shutdown = ParallelShutdown([lambda number=number: closer(number) for number in range(3)], [])
    assert shutdown.run(10) is True
    assert sorted(closed) == [0, 1, 2]


def test_nothing_runs_before_it_is_asked_to() -> None:
    """The threads exist from the start (an exiting interpreter may refuse new ones) and wait."""
    closed: list[str] = []
    before = set(threading.enumerate())
    shutdown = ParallelShutdown([lambda: closed.append("a"), lambda: closed.append("b")], [])
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    until(lambda: all(map(waits, threads)))
    assert closed == []
    shutdown.run(10)
    assert sorted(closed) == ["a", "b"]


def test_a_closer_that_hangs_is_aborted() -> None:
    """Before the deadline the aborts are called; a closer that then returns is waited for, one that does not is not."""
    stop, never = threading.Event(), threading.Event()
    quick: list[str] = []
    shutdown = ParallelShutdown(
        [lambda: stop.wait(30), lambda: quick.append("closed"), lambda: never.wait(30)],
        [stop.set, lambda: quick.append("aborted")],
    )
    before = time.monotonic()
    assert shutdown.run(0.3) is False
    taken = time.monotonic() - before
    assert 0.3 <= taken < 0.3 + 1
    assert quick == ["closed", "aborted"]
    never.set()


@pytest.mark.parametrize(
    ("timeout_s", "aborted_after_s"), [(1.5, 1.5 - GRACE_SECONDS), (0.1, 0.075), (0.0, 0.0)]
)
def test_time_for_aborted_closers_is_part_of_the_timeout(
    timeout_s: float, aborted_after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves with a clock of the test that closers that never end take the time-out, aborts included."""
    clock, never, aborted = [100.0], threading.Event(), []

    class NeverDone(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            clock[0] += timeout
            return False

    shutdown = ParallelShutdown([lambda: never.wait(30)] * 2, [lambda: aborted.append(clock[0] - 100)])
    shutdown._done = [NeverDone(), NeverDone()]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    assert shutdown.run(timeout_s) is False
    assert aborted == [pytest.approx(aborted_after_s)]
    assert clock[0] - 100 == pytest.approx(timeout_s)
    never.set()


def test_time_is_not_reserved_where_nothing_can_be_aborted() -> None:
    """Proves that closers have all of the time-out if no abort could make them return."""
    never = threading.Event()
    shutdown = ParallelShutdown([lambda: never.wait(30)], [])
    assert shutdown.grace_of(1.5) == 0
    never.set()


def test_faults_of_closing_are_ignored() -> None:
    """A closer and an abort that raise do not prevent the others from closing."""
    closed: list[str] = []

    def broken() -> None:
        raise RuntimeError("already closed")

    never = threading.Event()
    assert ParallelShutdown([broken, lambda: closed.append("other")], []).run(10) is True
    hanging = ParallelShutdown([lambda: never.wait(30)], [broken, never.set])
    assert hanging.run(0.05) is False
    assert closed == ["other"]
    assert never.is_set()


def test_a_second_call_closes_nothing_twice() -> None:
    """A second run waits for the first and returns the same."""
    closed: list[str] = []
    shutdown = ParallelShutdown([lambda: closed.append("once")], [])
    assert [shutdown.run(10), shutdown.run(10)] == [True, True]
    assert closed == ["once"]


def test_nothing_to_close() -> None:
    """A pipeline without exporters ends at once."""
    assert ParallelShutdown([], []).run(0) is True
