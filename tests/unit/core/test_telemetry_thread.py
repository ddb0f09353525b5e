"""The queue of notes: order, bounds, exact books, a thread that is never in the way of its callers."""

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.core import telemetry_thread as module
from ael_otel.core.telemetry_thread import HURRY, RESERVE, SLICE, TelemetryThread, telemetry_thread
from tests.support.waiting import until


class Takes:
    """A consumer that collects its notes; `gate` blocks it, `fails` makes it raise."""

    def __init__(self) -> None:
        self.taken: list[object] = []
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.lost: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.fails: Callable[[Sequence[object]], bool] = lambda _notes: False

    def take(self, notes: Sequence[object]) -> None:
        """Take notes once the gate is open."""
        self.entered.set()
        assert self.gate.wait(10)
        self.threads.add(threading.get_ident())
        if self.fails(notes):
            raise RuntimeError("a fault of the consumer")
        self.batches.append(len(notes))
        self.taken.extend(notes)

    def dropped(self, reason: str, count: int) -> None:
        """Count a loss."""
        self.lost[reason] += count


@contextmanager
def paused(queue: TelemetryThread) -> Iterator[Takes]:
    """Block the thread in the work on a first note, which goes to a separate consumer."""
    holder = Takes()
    holder.gate.clear()
    queue.submit(holder, "first", 0)
    assert holder.entered.wait(10)
    try:
        yield holder
    finally:
        holder.gate.set()


@pytest.fixture
def hectic() -> Iterator[None]:
    """Have threads take turns, and signals arrive, between any two steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def made() -> Iterator[Callable[..., TelemetryThread]]:
    """Make queues whose threads end with the test."""
    queues: list[TelemetryThread] = []

    def make(**options: Any) -> TelemetryThread:
        queues.append(TelemetryThread(**options))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close(1)


type Make = Callable[..., TelemetryThread]


def books(queue: TelemetryThread) -> bool:
    """Return whether accepted = processed + dropped + queued; no other call may run meanwhile."""
    return queue.accepted == queue.delivered + queue.dropped + queue.pending


def test_notes_are_worked_on_in_order_by_another_thread(made: Make) -> None:
    """Proves that the order of the calls is that of the work, in slices, and that the caller does none of it."""
    queue, takes = made(gather_s=0.01), Takes()
    count = 5 * SLICE + 3
    for number in range(count):
        assert queue.submit(takes, number, 10)
    assert queue.flush(10)
    assert takes.taken == list(range(count))
    assert max(takes.batches) <= SLICE
    assert threading.get_ident() not in takes.threads
    assert (queue.accepted, queue.delivered, queue.dropped, queue.pending) == (count, count, 0, 0)


def test_thread_gives_way_between_slices_unless_someone_waits(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that the thread sleeps after each slice, so that the event loop is next, and not during a flush."""
    pauses: list[float] = []
    monkeypatch.setattr(module, "pause", pauses.append)
    queue, takes = made(gather_s=0.01), Takes()
    with paused(queue):
        for number in range(3 * SLICE):
            queue.submit(takes, number, 1)
    until(lambda: queue.pending == 0 and len(pauses) == 4)
    assert pauses == [module.GIVE_WAY_SECONDS] * 3 + [0]
    with paused(queue):
        for number in range(3 * SLICE):
            queue.submit(takes, number, 1)
        assert not queue.flush(0.01)
    until(lambda: queue.pending == 0 and len(pauses) == 8)
    assert set(pauses[4:]) == {0}


def test_consumers_share_the_queue_and_keep_the_order_of_the_calls(made: Make) -> None:
    """Proves that notes of two consumers are handed over in the order in which they were submitted."""
    queue = made(gather_s=0.01)
    seen: list[tuple[str, object]] = []

    class Named(Takes):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def take(self, notes: Sequence[object]) -> None:
            seen.extend((self.name, note) for note in notes)

    one, other = Named("one"), Named("other")
    calls = [(one if number % 3 else other, number) for number in range(50)]
    for consumer, number in calls:
        queue.submit(consumer, number, 1)
    assert queue.flush(10)
    assert seen == [(consumer.name, number) for consumer, number in calls]


@pytest.mark.usefixtures("hectic")
def test_callers_from_many_threads_each_keep_their_order(made: Make) -> None:
    """Proves that no note of one caller is lost or reordered while others submit, flush and drain."""
    queue, takes = made(gather_s=0.001), Takes()

    def call(name: int) -> None:
        for number in range(300):
            queue.submit(takes, (name, number), 1)
            if number % 50 == name:
                queue.drain()
            if number % 70 == name:
                assert queue.flush(10)

    threads = [threading.Thread(target=call, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.flush(10)
    for name in range(6):
        assert [number for who, number in takes.taken if who == name] == list(range(300))
    assert books(queue)


def test_full_queue_drops_by_reason_and_does_not_block(made: Make) -> None:
    """Proves that with the thread held up a caller returns at once, and that each drop is counted."""
    queue, takes = made(max_notes=10), Takes()
    with paused(queue):
        begun = time.monotonic()
        queued = [queue.submit(takes, number, 1) for number in range(100)]
        assert time.monotonic() - begun < 5
        assert queued == [True] * 9 + [False] * 91
        assert takes.lost == {"queue_full": 91}
        assert queue.level.fill == 1.0
        assert books(queue)
        assert not queue.flush(0.01)
    assert queue.flush(10)
    assert takes.taken == list(range(9))
    assert (queue.accepted, queue.delivered, queue.dropped) == (101, 10, 91)
    assert queue.level.fill == 0.0


def test_bytes_are_bounded_too(made: Make) -> None:
    """Proves that notes being processed count, and that a note that does not fit is dropped while smaller ones fit."""
    queue, takes = made(max_bytes=1000), Takes()
    with paused(queue):
        assert queue.submit(takes, "large", 900)
        assert not queue.submit(takes, "larger than what is left", 101)
        assert queue.submit(takes, "small", 100)
        assert takes.lost == {"queue_full": 1}
        assert queue.level.fill == 1.0
    assert queue.flush(10)
    assert takes.taken == ["large", "small"]


def test_report_of_drops_has_reserved_room(made: Make) -> None:
    """Proves that reports of drops are queued beyond the bound, and that their number is bounded too."""
    queue, takes = made(max_notes=4), Takes()
    with paused(queue):
        for number in range(10):
            queue.submit(takes, number, 1)
        reports = [queue.submit(takes, "report", 1, reserved=True) for _ in range(RESERVE + 5)]
        assert reports == [True] * RESERVE + [False] * 5
        assert queue.level.fill == 1.0
    assert queue.flush(10)
    assert takes.taken == [0, 1, 2] + ["report"] * RESERVE
    assert books(queue)


def test_fault_of_a_consumer_drops_its_batch_only(made: Make) -> None:
    """Proves that a batch whose work raises is counted as `internal`, and that the thread lives on."""
    queue, takes = made(), Takes()
    takes.fails = lambda notes: "bad" in notes
    with paused(queue):
        queue.submit(takes, "bad", 1)
    assert queue.flush(10)
    queue.submit(takes, "good", 1)
    assert queue.flush(10)
    assert (takes.taken, takes.lost) == (["good"], {"internal": 1})
    assert (queue.delivered, queue.dropped) == (2, 1)


def test_notes_gather_and_many_do_not_wait(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the first note waits for others, and that `HURRY` of them end the wait."""
    monkeypatch.setattr(module, "SLICE", 10 * HURRY)
    queue, takes = made(gather_s=60), Takes()
    for number in range(HURRY):
        assert takes.taken == []
        queue.submit(takes, number, 1)
    queue.submit(takes, "last", 1)
    until(lambda: len(takes.taken) >= HURRY)


def test_a_line_of_work_may_submit_and_may_not_wait_for_itself(made: Make) -> None:
    """Proves that work which submits, flushes or drains ends, and that its own note is done next."""
    queue = made(gather_s=0.001)
    answers: list[bool] = []

    class Recursive(Takes):
        def take(self, notes: Sequence[object]) -> None:
            super().take(notes)
            if "outer" in notes:
                queue.submit(self, "inner", 1)
                answers.extend((queue.flush(10), queue.drain(10)))

    takes = Recursive()
    queue.submit(takes, "outer", 1)
    until(lambda: len(takes.taken) >= 2)
    assert takes.taken == ["outer", "inner"]
    assert answers == [False, False]
    assert queue.flush(10)
    assert books(queue)


def test_caller_does_the_work_where_no_thread_can_be_started(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that a process which may start no thread (interpreter shutdown) has its notes worked on at once."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    queue, takes = made(), Takes()
    assert queue.submit(takes, "late", 1)
    assert takes.taken == ["late"]
    assert takes.threads == {threading.get_ident()}
    assert queue.flush(0)


def test_drain_gives_up_on_a_batch_that_another_thread_does_not_end(made: Make) -> None:
    """Proves that a caller who waits for a stuck stream has a bound."""
    queue, takes = made(), Takes()
    with paused(queue):
        queue.submit(takes, "waits", 1)
        assert not queue.drain(0.01)
        assert not queue.flush(0.01)
        assert takes.taken == []
    assert queue.drain()
    assert takes.taken == ["waits"]


@pytest.mark.usefixtures("hectic")
def test_signal_handler_may_submit_in_the_middle_of_a_submit(made: Make) -> None:
    """Proves that a handler which logs while its own thread holds the lock neither deadlocks nor breaks the books."""
    queue, takes = made(gather_s=0.001), Takes()
    done, handled = threading.Event(), threading.Event()

    def handle(*_signal: object) -> None:
        queue.submit(takes, "from the handler", 1)
        queue.drain(0.01)
        handled.set()

    before = signal.signal(signal.SIGUSR1, handle)
    main = threading.main_thread().ident

    def disturb() -> None:
        while not done.is_set():
            handled.clear()
            signal.pthread_kill(main, signal.SIGUSR1)
            handled.wait(1)

    disturber = threading.Thread(target=disturb)
    try:
        disturber.start()
        for number in range(3000):
            queue.submit(takes, number, 1)
            if number % 100 == 0:
                queue.drain()
    finally:
        done.set()
        disturber.join()
        signal.signal(signal.SIGUSR1, before)
    assert queue.flush(10)
    assert [each for each in takes.taken if isinstance(each, int)] == list(range(3000))
    assert "from the handler" in takes.taken
    assert books(queue)
    assert queue.pending == 0


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("submit"), st.integers(0, 60), st.booleans()),
            st.tuples(st.just("flush"), st.none(), st.none()),
            st.tuples(st.just("drain"), st.none(), st.none()),
            st.tuples(st.just("pause"), st.none(), st.none()),
            st.tuples(st.just("go on"), st.none(), st.none()),
            st.tuples(st.just("fault"), st.none(), st.none()),
        ),
        max_size=60,
    )
)
def test_counts_are_exact_for_any_sequence_of_calls(
    actions: list[tuple[str, int | None, bool | None]],
) -> None:
    """Proves accepted = delivered + dropped + pending after each action, bounds that hold, and order at the end."""
    queue, takes = TelemetryThread(max_notes=6, max_bytes=100, gather_s=0.0005), Takes()
    sent: list[int] = []
    broken: set[int] = set()
    takes.fails = lambda notes: bool(broken.intersection(notes))
    for number, (action, size, reserved) in enumerate(actions):
        if action == "submit":
            assert size is not None
            if queue.submit(takes, number, size, reserved=bool(reserved)):
                sent.append(number)
        elif action == "flush":
            assert queue.flush(10 if takes.gate.is_set() else 0.001) or not takes.gate.is_set()
        elif action == "drain" and takes.gate.is_set():
            queue.drain()
        elif action == "pause":
            takes.gate.clear()
        elif action == "go on":
            takes.gate.set()
        elif action == "fault":
            broken.add(number + 1)
        with queue._changed:
            pending = len(queue._notes) + queue._in_hand
            assert queue.accepted == queue.delivered + queue.dropped + pending
            assert pending <= 6 + RESERVE
    takes.gate.set()
    assert queue.flush(10)
    assert queue.delivered == len(takes.taken)
    assert takes.taken == sorted(takes.taken)
    assert sum(takes.lost.values()) == queue.dropped
    assert set(takes.taken) <= set(sent)
    assert queue.delivered + queue.dropped == sum(action == "submit" for action, *_ in actions)
    queue.close(1)


def test_closed_queue_has_its_callers_do_the_work(made: Make) -> None:
    """Proves that closing processes the queue and ends the thread, and that a later note is processed at once."""
    queue, takes = made(), Takes()
    for number in range(3):
        queue.submit(takes, number, 1)
    assert queue.close(10)
    until(lambda: queue._worker is None)
    queue.submit(takes, "late", 1)
    assert takes.taken == [0, 1, 2, "late"]
    assert (queue.delivered, queue.pending) == (4, 0)


def test_process_has_one_queue() -> None:
    """Proves that every caller gets the same queue, which a fork therefore handles once."""
    assert telemetry_thread() is telemetry_thread()


def test_alarm_rings_after_notes_and_by_itself(made: Callable[..., TelemetryThread]) -> None:
    """The thread calls it after its notes and again when its seconds are over, then waits for notes."""
    rung = threading.Event()
    calls: list[int] = []
    takes = Takes()

    def alarm() -> float | None:
        calls.append(len(takes.taken))
        if len(calls) < 3:
            return 0.001
        rung.set()
        return None

    queue = made(alarm=alarm, gather_s=0)
    assert queue.submit(takes, "note", 1)
    assert rung.wait(10)
    assert calls == [1, 1, 1]
    assert queue.submit(takes, "later", 1)
    until(lambda: len(calls) == 4)
    assert takes.taken == ["note", "later"]


def test_alarm_that_fails_rings_again_after_the_next_note(
    made: Callable[..., TelemetryThread], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in it neither ends the thread nor loses a note."""
    monkeypatch.setenv("AEL_OTEL_RAISE_FAULTS", "0")
    calls: list[int] = []

    def alarm() -> float | None:
        calls.append(1)
        raise OSError("made up")

    takes = Takes()
    queue = made(alarm=alarm, gather_s=0)
    for number in (1, 2):
        assert queue.submit(takes, number, 1)
        until(lambda count=number: len(calls) == count)  # type: ignore[misc]
    assert queue.flush(10)
    assert takes.taken == [1, 2]
