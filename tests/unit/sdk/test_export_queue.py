"""The export queue: every item is delivered, dropped by a counted reason, or queued, for any outcome of delivery."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from ael_otel._generated.attributes import TELEMETRY_DROP_REASON_VALUES
from ael_otel.sdk.batch_processors import QUEUE_SIZE, BoundedLogProcessor, BoundedSpanProcessor
from ael_otel.sdk.export_queue import BATCH_BYTES, BATCH_SIZE, ExportQueue
from tests.support.waiting import until

type Settled = Callable[[int, str | None], None]
type Send = Callable[[Sequence[object], Settled], None]


class Drops(Counter[str]):
    """A drop counter: losses by reason; every reason must be one of the registry's."""

    def __init__(self, signal: str) -> None:
        super().__init__()
        self._signal = signal
        self._lock = threading.Lock()

    def __call__(self, signal: str, reason: str, count: int, /) -> None:
        """Count a loss."""
        assert signal == self._signal
        assert reason in TELEMETRY_DROP_REASON_VALUES
        assert count > 0
        with self._lock:
            self[reason] += count


class Way:
    """A delivery that calls a function, and counts the items it settled as delivered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.delivered = 0
        self.batches: list[int] = []
        self.hurried = threading.Event()
        self.aborted = threading.Event()

    def deliver(self, batch: Sequence[object], settled: Settled) -> None:
        """Deliver one batch."""
        self.batches.append(len(batch))

        def count(number: int, lost: str | None) -> None:
            self.delivered += number if lost is None else 0
            settled(number, lost)

        self._send(batch, count)

    def hurry(self) -> None:
        """Note that there is little time left."""
        self.hurried.set()

    def abort(self) -> None:
        """Note that delivery was asked to end."""
        self.aborted.set()


class Line:
    """One queue: `emit()` puts one item in, `send` is called with a batch."""

    def __init__(self, send: Send, *, items: int = QUEUE_SIZE, size: int = 1 << 26, of: int = 1) -> None:
        self.drops = Drops("traces")
        self.way = Way(send)
        self.queue: ExportQueue[object] = ExportQueue(
            "traces",
            self.way,
            self.drops,
            size_of=lambda item: item if isinstance(item, int) else of,
            max_items=items,
            max_bytes=size,
            interval_s=0.001,
        )

    def emit(self, item: object = None) -> bool:
        """Put one item in."""
        return self.queue.put(item)

    def account(self) -> tuple[int, int, int]:
        """Numbers of items delivered, dropped, and still queued or being delivered."""
        return self.way.delivered, self.drops.total(), self.queue.pending

    def settle(self, seconds: float = 10) -> None:
        """Wait until nothing is pending any more, and until the counter has each loss: the queue reports it last."""
        assert self.queue.flush(seconds)
        until(lambda: self.queue.lost == self.drops.total(), seconds=seconds)


class Gate:
    """A delivery that holds each batch until it is opened, then does `then`."""

    def __init__(self, then: Send | None = None) -> None:
        self.taken = threading.Event()
        self.open = threading.Event()
        self._then: Send = takes if then is None else then

    def __call__(self, items: Sequence[object], settled: Settled) -> None:
        """Hold one batch."""
        self.taken.set()
        assert self.open.wait(30)
        self._then(items, settled)


def takes(items: Sequence[object], settled: Settled) -> None:
    """A receiver that takes everything."""
    settled(len(items), None)


def fails(items: Sequence[object], settled: Settled) -> None:
    """A receiver that is away."""
    settled(len(items), "unavailable")


def raises(items: Sequence[object], settled: Settled) -> None:
    """A faulty delivery."""
    raise ValueError("fault")


def forgets(items: Sequence[object], settled: Settled) -> None:
    """A faulty delivery that reports the outcome of one item only."""
    settled(1, None)


def in_parts(items: Sequence[object], settled: Settled) -> None:
    """A receiver that takes a part of each batch."""
    part = len(items) // 3
    settled(len(items) - part, None)
    settled(part, "rejected")


class Fickle:
    """Takes, fails, raises and forgets in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, items: Sequence[object], settled: Settled) -> None:
        """Do the next thing."""
        self._turn += 1
        (takes, fails, raises, forgets, in_parts)[self._turn % 5](items, settled)


@pytest.fixture
def racing() -> Iterator[None]:
    """Threads that switch often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_all_items_are_delivered_when_delivery_keeps_up() -> None:
    """No drop is counted."""
    line = Line(takes)
    for _ in range(2_000):
        line.emit()
    line.settle()
    assert line.account() == (2_000, 0, 0)
    assert max(line.way.batches) <= BATCH_SIZE


@pytest.mark.parametrize(
    ("send", "delivered", "drops"),
    [
        (fails, 0, {"unavailable": 9}),
        (raises, 0, {"internal": 9}),
        (forgets, 1, {"internal": 8}),
        (in_parts, 6, {"rejected": 3}),
    ],
)
def test_lost_items_are_counted_with_their_reason(send: Send, delivered: int, drops: dict[str, int]) -> None:
    """By item, also where delivery is at fault or takes a part; the thread lives on."""
    gate = Gate()
    line = Line(gate)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(9):
        line.emit()
    gate._then = send
    line.way._send = send
    gate.open.set()
    line.settle()
    # The first item was sent alone, before `send` was replaced.
    first = {fails: "unavailable", raises: "internal"}.get(send)
    expected = Counter(drops) + Counter({first: 1} if first else {})
    assert line.drops == expected
    assert line.way.delivered == delivered + (0 if first else 1)


def test_full_queue_turns_the_newest_item_away() -> None:
    """While delivery holds a batch, the queue takes its size and each further item is counted."""
    gate = Gate()
    line = Line(gate, items=10)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(25):
        line.emit()
    assert line.account() == (0, 15, 11)
    assert line.drops == {"queue_full": 15}
    assert line.queue.fill == 1
    gate.open.set()
    line.settle()
    assert line.account() == (11, 15, 0)


def test_bytes_are_bounded_too() -> None:
    """Ten large items fill a queue that has room for thousands; one larger than the queue has another reason."""
    gate = Gate()
    line = Line(gate, size=1_000)
    line.emit(100)
    assert gate.taken.wait(10)
    for _ in range(12):
        line.emit(100)
    assert not line.emit(1_001)
    assert line.drops == {"queue_full": 2, "too_large": 1}
    gate.open.set()
    line.settle()
    assert line.account() == (11, 3, 0)


def test_batches_end_with_the_bytes_of_a_request() -> None:
    """Large items do not make one large batch."""
    gate = Gate()
    line = Line(gate, size=100 * BATCH_BYTES)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(8):
        line.emit(BATCH_BYTES // 2)
    gate.open.set()
    line.settle()
    assert line.way.batches == [1, 2, 2, 2, 2]


def test_caller_never_waits() -> None:
    """With delivery hanging and the queue full, putting in 5,000 items takes microseconds each."""
    gate = Gate()
    line = Line(gate, items=4)
    before = time.thread_time()
    for _ in range(5_000):
        line.emit()
    assert time.thread_time() - before < 2
    assert sum(line.account()) == 5_000
    gate.open.set()


@pytest.mark.parametrize(
    "send", [takes, fails, raises, in_parts, Fickle()], ids=["takes", "fails", "raises", "in_parts", "fickle"]
)
@pytest.mark.parametrize("items", [1, 7, 64])
@pytest.mark.usefixtures("racing")
def test_books_balance_while_threads_race(send: Send, items: int) -> None:
    """For any outcome of delivery: entered == delivered + dropped + pending."""
    line = Line(send, items=items)

    def work() -> None:
        for _ in range(300):
            line.emit()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line.settle()
    delivered, dropped, pending = line.account()
    assert (delivered + dropped, pending) == (1_200, 0)
    assert line.queue.lost == dropped


def test_close_delivers_queued_items() -> None:
    """An orderly end drops nothing; later items are counted as dropped."""
    line = Line(takes)
    for _ in range(50):
        line.emit()
    assert line.queue.close(10)
    assert line.account() == (50, 0, 0)
    line.emit()
    assert line.drops == {"shutdown_timeout": 1}
    assert line.queue.close(10)


def test_close_counts_undelivered_items_once() -> None:
    """Queued items and those in delivery are dropped when time is over, and not counted again later."""
    gate = Gate(fails)
    line = Line(gate, items=100)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(5):
        line.emit()
    assert not line.queue.close(0.01)
    assert line.way.aborted.is_set()
    assert line.drops == {"shutdown_timeout": 6}
    gate.open.set()
    line.emit()
    assert line.queue.abandon() == 0
    assert line.drops == {"shutdown_timeout": 7}
    assert line.account() == (0, 7, 0)


def test_close_waits_for_the_result_of_an_aborted_delivery() -> None:
    """A delivery that returns on abort has its own reason counted."""
    line = Line(takes)

    def until_aborted(items: Sequence[object], settled: Settled) -> None:
        assert line.way.aborted.wait(10)
        settled(len(items), "timeout")

    line.way._send = until_aborted
    line.emit()
    line.queue.close(0.01)
    assert line.drops.total() == 1


@pytest.mark.parametrize(
    "ends", [lambda queue: queue.flush(10), lambda queue: queue.close(10)], ids=["flush", "close"]
)
def test_flush_and_close_hurry_a_delivery_that_pauses(ends: Callable[[ExportQueue[object]], bool]) -> None:
    """A delivery that waits for its next attempt makes it at once, within the remaining time."""
    taken = threading.Event()

    def pauses(items: Sequence[object], settled: Settled) -> None:
        taken.set()
        assert line.way.hurried.wait(10)
        settled(len(items), None)

    line = Line(pauses)
    line.emit()
    assert taken.wait(10)
    assert ends(line.queue)
    assert line.account() == (1, 0, 0)


def test_flush_returns_false_when_time_is_over() -> None:
    """Items in delivery are not flushed, and not dropped either."""
    gate = Gate()
    line = Line(gate)
    line.emit()
    assert not line.queue.flush(0.01)
    gate.open.set()
    line.settle()
    assert line.account() == (1, 0, 0)


def test_flush_from_the_thread_itself_returns() -> None:
    """A delivery that flushes its own queue does not wait for itself."""
    line = Line(takes)
    answers: list[bool] = []

    def flushing(items: Sequence[object], settled: Settled) -> None:
        answers.append(line.queue.flush(5))
        settled(len(items), None)

    line.way._send = flushing
    line.emit()
    line.settle()
    assert answers == [False]


def test_forked_child_begins_empty() -> None:
    """The child has none of the parent's items, and starts its own thread with its first item."""
    gate = Gate()
    line = Line(gate)
    line.emit()
    assert gate.taken.wait(10)
    line.emit()
    line.queue.after_fork()  # the first call in a child
    line.way._send = takes
    assert line.queue.pending == 0
    line.emit()
    line.settle()
    gate.open.set()


# --- processors on it -------------------------------------------------------------------------------------------------


def processor_of(signal: str, send: Send, drops: Drops, **bounds: int):
    """A processor of one signal, and a function that emits one item to it."""
    way = Way(send)
    if signal == "traces":
        processor = BoundedSpanProcessor(way, drops, **bounds)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        return processor, lambda text: tracer.start_span("item", attributes={"text": text}).end()
    processor = BoundedLogProcessor(way, drops, **bounds)
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(processor)
    logger = logs.get_logger("test")
    return processor, lambda text: logger.emit(LogRecord(body=text))


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_processors_bound_bytes(signal: str) -> None:
    """200 items of 1 MB do not stay in memory: the queue takes as many as its bytes allow."""
    drops = Drops(signal)
    gate = Gate()
    processor, emit = processor_of(signal, gate, drops, max_bytes=8 << 20)
    emit("x")
    processor.queue.flush(0.001)
    assert gate.taken.wait(10)
    for _ in range(200):
        emit("x" * 1_000_000)
    assert drops == {"queue_full": 192}
    gate.open.set()
    processor.shutdown()


def test_unsampled_spans_are_not_counted() -> None:
    """A span that sampling leaves out is not a drop."""
    drops = Drops("traces")
    processor = BoundedSpanProcessor(Way(takes), drops)
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("unseen").end()
    assert (processor.queue.pending, drops) == (0, {})


@pytest.mark.parametrize("signal", ["traces", "logs"])
@pytest.mark.parametrize(
    ("value", "size"),
    [(None, QUEUE_SIZE), ("", QUEUE_SIZE), ("many", QUEUE_SIZE), ("3", 3), ("0", 1), ("-4", 1)],
)
def test_environment_sets_the_queue(
    signal: str, monkeypatch: pytest.MonkeyPatch, value: str | None, size: int
) -> None:
    """OTel's own variable sets the size of the queue; a value that is not a number leaves the default."""
    variable = {"traces": "OTEL_BSP_MAX_QUEUE_SIZE", "logs": "OTEL_BLRP_MAX_QUEUE_SIZE"}[signal]
    if value is None:
        monkeypatch.delenv(variable, raising=False)
    else:
        monkeypatch.setenv(variable, value)
    drops = Drops(signal)
    gate = Gate()
    processor, emit = processor_of(signal, gate, drops)
    emit("x")
    processor.queue.flush(0.001)
    assert gate.taken.wait(10)
    for _ in range(size + 2):
        emit("x")
    assert drops == {"queue_full": 2}
    gate.open.set()


def test_level_is_read_while_another_thread_holds_the_lock() -> None:
    """A reader of the gauges never waits for those who fill the queue, nor they for it."""
    queue = ExportQueue(
        "traces",
        Way(lambda batch, settled: settled(len(batch), None)),
        Drops("traces"),
        size_of=len,
        max_items=10,
        max_bytes=100,
        interval_s=60.0,
    )
    for text in ("x" * 30, "x" * 20):
        queue.put(text)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with queue._changed:
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        assert queue.level == (2, 50, 0.5)
    finally:
        done.set()
        holder.join()
        queue.close(1.0)
