"""Bounded processors: every item is delivered, counted as dropped with a reason, or still on its way: none unseen."""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from ael_otel._generated.attributes import TELEMETRY_DROP_REASON_VALUES
from ael_otel.sdk.batch_processors import QUEUE_SIZE, BoundedLogProcessor, BoundedSpanProcessor, Ledger

type Send = Callable[[Sequence[object]], bool]


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


class Traces(SpanExporter):
    """Passes batches to `send`."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def export(self, spans):
        """Export one batch."""
        return SpanExportResult.SUCCESS if self._send(spans) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Have nothing to shut."""


class Logs(LogRecordExporter):
    """Passes batches to `send`."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def export(self, batch):
        """Export one batch."""
        return LogRecordExportResult.SUCCESS if self._send(batch) else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Have nothing to shut."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have nothing to flush."""
        return True


class Line:
    """One signal's way out: `emit()` puts one item in, `send` is what the exporter does with a batch."""

    def __init__(self, signal: str, send: Send, queue_size: int | None = None) -> None:
        self.drops = Drops(signal)
        self.delivered = 0
        if signal == "traces":
            self.processor = BoundedSpanProcessor(Traces(self._sent(send)), self.drops, queue_size)
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(self.processor)
            tracer = provider.get_tracer("test")
            self.emit = lambda: tracer.start_span("item").end()
        else:
            self.processor = BoundedLogProcessor(Logs(self._sent(send)), self.drops, queue_size)
            logs = LoggerProvider(shutdown_on_exit=False)
            logs.add_log_record_processor(self.processor)
            logger = logs.get_logger("test")
            self.emit = lambda: logger.emit(LogRecord(body="item"))
        self.ledger: Ledger = self.processor.ledger

    def _sent(self, send: Send) -> Send:
        def export(items: Sequence[object]) -> bool:
            sent = send(items)
            self.delivered += len(items) if sent else 0
            return sent

        return export

    def account(self) -> tuple[int, int, int]:
        """What was delivered, what was dropped, what is still on its way."""
        return self.delivered, self.drops.total(), self.ledger.pending

    def settle(self, seconds: float = 10) -> None:
        """Wait until nothing is on its way any more."""
        deadline = time.monotonic() + seconds
        while self.ledger.pending and time.monotonic() < deadline:
            time.sleep(0.005)


class Gate:
    """An exporter that holds each batch until it is opened, then does `then`."""

    def __init__(self, then: Send = lambda items: True) -> None:
        self.taken = threading.Event()
        self.open = threading.Event()
        self._then = then

    def __call__(self, items: Sequence[object]) -> bool:
        """Hold one batch."""
        self.taken.set()
        assert self.open.wait(30)
        return self._then(items)


@pytest.fixture(params=["traces", "logs"])
def signal(request: pytest.FixtureRequest) -> str:
    """Both kinds of processor keep the same promises."""
    return request.param


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker that wakes every millisecond, threads that switch often, and no chatter of the SDK."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
    interval = sys.getswitchinterval()
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
    sys.setswitchinterval(interval)


def fails(items: Sequence[object]) -> bool:
    """A Collector that takes nothing."""
    return False


def raises(items: Sequence[object]) -> bool:
    """An exporter that cannot encode what it is given."""
    raise ValueError("not encodable")


def slow(items: Sequence[object]) -> bool:
    """A Collector that takes its time."""
    time.sleep(0.002)
    return True


class Fickle:
    """Delivers, fails and raises in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, items: Sequence[object]) -> bool:
        """Do the next thing."""
        self._turn += 1
        return (slow, fails, raises)[self._turn % 3](items)


def test_what_goes_in_comes_out(signal: str) -> None:
    """With an exporter that keeps up, everything is delivered and nothing is counted as lost."""
    line = Line(signal, lambda items: True)
    for _ in range(2_000):
        line.emit()
    line.settle()
    assert line.account() == (2_000, 0, 0)


@pytest.mark.parametrize(
    ("send", "reason"), [(fails, "export_failed"), (raises, "serialization")], ids=["fails", "raises"]
)
def test_what_the_exporter_loses_is_counted_with_its_reason(signal: str, send: Send, reason: str) -> None:
    """A batch that is refused or cannot be encoded is lost whole, counted by item, and the worker goes on."""
    line = Line(signal, send)
    for _ in range(1_000):
        line.emit()
    line.settle()
    assert line.account() == (0, 1_000, 0)
    assert line.drops == {reason: 1_000}


def test_one_bad_item_does_not_take_its_batch_along(signal: str) -> None:
    """An item that cannot be encoded is lost alone: the rest of its batch is sent without it."""
    seen = 0

    def picky(items: Sequence[object]) -> bool:
        nonlocal seen
        if bad in items:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        seen += len(items)
        return True

    gate = Gate(picky)
    line = Line(signal, gate)
    bad: object = None
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(300):
        line.emit()
    queue = line.processor._batch_processor._queue
    bad = queue[117]
    gate.open.set()
    line.settle()
    assert line.account() == (300, 1, 0)
    assert line.drops == {"serialization": 1}
    assert seen == 300


def test_a_full_queue_drops_what_does_not_fit(signal: str) -> None:
    """While the exporter holds a batch, the queue takes its size and each further item is counted as dropped."""
    gate = Gate()
    line = Line(signal, gate, queue_size=10)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(25):
        line.emit()
    assert line.account() == (0, 15, 11)
    assert line.drops == {"queue_full": 15}
    gate.open.set()
    line.settle()
    assert line.account() == (11, 15, 0)


def test_the_caller_never_waits(signal: str) -> None:
    """With the exporter hanging and the queue full, putting in 5,000 items is a matter of microseconds each."""
    gate = Gate()
    line = Line(signal, gate, queue_size=4)
    before = time.perf_counter()
    for _ in range(5_000):
        line.emit()
    assert time.perf_counter() - before < 5
    assert sum(line.account()) == 5_000
    gate.open.set()


@pytest.mark.parametrize("send", [slow, fails, raises, Fickle()], ids=["slow", "fails", "raises", "fickle"])
@pytest.mark.parametrize("queue_size", [1, 7, 64])
def test_the_books_balance_under_load(signal: str, send: Send, queue_size: int) -> None:
    """Whatever the exporter does while threads race for a small queue: entered == delivered + dropped + on its way."""
    line = Line(signal, send, queue_size)
    sys.setswitchinterval(1e-5)

    def work() -> None:
        for turn in range(300):
            line.emit()
            if turn % 40 == 0:
                time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line.settle()
    delivered, dropped, pending = line.account()
    assert (delivered + dropped, pending) == (1_200, 0)


def test_an_item_that_finds_room_is_not_counted_as_dropped(
    signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch leaves the queue before the ledger knows: an item that comes in between must not count twice."""
    taken, go_on = threading.Event(), threading.Event()
    handed_over = Ledger.handed_over

    def late(self: Ledger, count: int) -> None:
        taken.set()
        go_on.wait(10)
        handed_over(self, count)

    monkeypatch.setattr(Ledger, "handed_over", late)
    line = Line(signal, lambda items: True, queue_size=1)
    line.emit()
    assert taken.wait(10)
    line.emit()
    go_on.set()
    line.settle()
    time.sleep(0.05)
    delivered, dropped, pending = line.account()
    assert (delivered + dropped, pending) == (2, 0)


def test_what_is_left_at_the_end_is_counted(signal: str) -> None:
    """Both what is queued and what an exporter still holds are lost when the process gives up on them, once."""
    gate = Gate(fails)
    line = Line(signal, gate, queue_size=100)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(5):
        line.emit()
    assert line.ledger.abandon() == 6
    assert line.drops == {"shutdown_timeout": 6}
    assert line.account() == (0, 6, 0)
    # The exporter comes back after all: too late to be counted a second time.
    gate.open.set()
    time.sleep(0.05)
    line.emit()
    assert line.ledger.abandon() == 0
    assert line.drops == {"shutdown_timeout": 7}


def test_shutdown_sends_what_is_queued(signal: str) -> None:
    """An orderly end delivers everything; what comes after it is counted like what was left."""
    line = Line(signal, lambda items: True)
    for _ in range(50):
        line.emit()
    line.processor.shutdown()
    assert line.ledger.abandon() == 0
    assert line.account() == (50, 0, 0)
    line.emit()
    assert line.account() == (50, 1, 0)
    assert line.drops == {"shutdown_timeout": 1}


def test_unsampled_spans_are_not_counted() -> None:
    """A span that sampling leaves out is not lost."""
    drops = Drops("traces")
    processor = BoundedSpanProcessor(Traces(lambda spans: True), drops)
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("unseen").end()
    assert (processor.ledger.pending, drops) == (0, {})


@pytest.mark.parametrize(
    ("value", "size"),
    [(None, QUEUE_SIZE), ("", QUEUE_SIZE), ("many", QUEUE_SIZE), ("3", 3), ("0", 1), ("-4", 1)],
)
def test_the_environment_sets_the_queue(
    signal: str, monkeypatch: pytest.MonkeyPatch, value: str | None, size: int
) -> None:
    """OTel's own variable sets how much is kept; what is no number leaves the default."""
    variable = {"traces": "OTEL_BSP_MAX_QUEUE_SIZE", "logs": "OTEL_BLRP_MAX_QUEUE_SIZE"}[signal]
    if value is None:
        monkeypatch.delenv(variable, raising=False)
    else:
        monkeypatch.setenv(variable, value)
    gate = Gate()
    line = Line(signal, gate)
    line.emit()
    assert gate.taken.wait(10)
    for _ in range(size + 2):
        line.emit()
    assert line.drops == {"queue_full": 2}
    gate.open.set()
