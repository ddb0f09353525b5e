"""Every drop is counted: on unique ids, accepted <= delivered + dropped by reason + queued, for every fault.

The receiver counts delivered items. The two sides are equal except where an answer was lost on the way.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Literal

import grpc
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider

from ael_otel.sdk import otlp_exporters
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor
from ael_otel.sdk.export_queue import GRACE_SECONDS
from ael_otel.sdk.otlp_exporters import OtlpDelivery, OtlpMetricExporter, log_delivery, span_delivery
from ael_otel.sdk.otlp_transport import Target
from tests.process.sdk.receivers import (
    RECEIVERS,
    Behaviour,
    Refusal,
    closed_port,
    hanging_up_receiver,
    http_receiver,
    silent_receiver,
)
from tests.support.waiting import until

SIGNALS = ("traces", "logs")
PROTOCOLS = ("grpc", "http/protobuf")
Code = grpc.StatusCode


def target(signal: str, protocol: str, port: int, **variables: str) -> Target:
    """Where a signal goes."""
    return Target.of(
        signal,
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            **variables,
        },
    )


class Way:
    """One signal from the API to a receiver: `emit` makes one item with a unique id."""

    def __init__(
        self, signal: str, protocol: str, port: int, *, patience_s: float = 10, items: int = 100_000
    ):
        self.dropped: Counter[str] = Counter()
        self.accepted = 0
        self._lock = threading.Lock()
        self._numbers = count()
        transport = target(signal, protocol, port).open()
        if signal == "traces":
            self.delivery: OtlpDelivery[Any] = span_delivery(transport, patience_s)
            self.processor: Any = BoundedSpanProcessor(self.delivery, self._drop, items)
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(self.processor)
            tracer = provider.get_tracer("test")
            self._emit: Callable[[str, str], object] = lambda n, more: tracer.start_span(
                "item", attributes={"n": n, "more": more}
            ).end()
        else:
            self.delivery = log_delivery(transport, patience_s)
            self.processor = BoundedLogProcessor(self.delivery, self._drop, items)
            logs = LoggerProvider(shutdown_on_exit=False)
            logs.add_log_record_processor(self.processor)
            logger = logs.get_logger("test")
            self._emit = lambda n, more: logger.emit(LogRecord(body=n, attributes={"more": more}))

    def _drop(self, _signal: str, reason: str, number: int, /) -> None:
        with self._lock:
            self.dropped[reason] += number

    def emit(self, number: int, more: str = "") -> None:
        """Emit items."""
        for _ in range(number):
            self._emit(f"id-{next(self._numbers)}", more)
        self.accepted += number

    def surplus(self, behaviour: Behaviour) -> int:
        """How many items are counted twice: those that the receiver has and whose answer is on its way."""
        pending = self.processor.queue.pending  # first: what is settled in between is in the other numbers
        return len(behaviour.delivered) + self.dropped.total() + pending - self.accepted

    def holds(self, behaviour: Behaviour) -> bool:
        """Whether the law holds, with equality and no item delivered twice."""
        return self.surplus(behaviour) == 0 and max(behaviour.delivered.values(), default=1) == 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches leave at once, and pauses between attempts are short."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
    monkeypatch.setattr(otlp_exporters, "_FIRST_PAUSE", 0.02)


@pytest.fixture(params=SIGNALS)
def signal(request: pytest.FixtureRequest) -> str:
    """Each signal of items."""
    return request.param


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol."""
    return request.param


@pytest.fixture
def behaviour() -> Behaviour:
    """Behaviour of the receiver; it accepts everything unless a test changes it."""
    return Behaviour()


@pytest.fixture
def port(protocol: str, behaviour: Behaviour) -> Iterator[int]:
    """A receiver's port."""
    with RECEIVERS[protocol](behaviour) as found:
        yield found


def test_everything_is_delivered(signal: str, protocol: str, port: int, behaviour: Behaviour) -> None:
    """A receiver that keeps up gets every item once."""
    way = Way(signal, protocol, port)
    way.emit(1_500)
    assert way.processor.force_flush(10_000)
    assert len(behaviour.delivered) == 1_500
    assert way.holds(behaviour)


def test_overload_is_counted(signal: str, protocol: str, port: int, behaviour: Behaviour) -> None:
    """Ten times the rate of a slow receiver: items without room are counted, the rest arrives."""
    behaviour.delay_s = 0.02
    way = Way(signal, protocol, port, items=200)
    way.emit(2_000)
    assert 0 <= way.surplus(behaviour) <= 200, "not more than a batch"
    assert way.processor.force_flush(10_000)
    assert set(way.dropped) == {"queue_full"}
    assert way.holds(behaviour)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (Refusal(Code.UNAUTHENTICATED, 401), "unauthenticated"),
        (Refusal(Code.PERMISSION_DENIED, 403), "unauthenticated"),
        (Refusal(Code.INVALID_ARGUMENT, 400), "invalid"),
        (Refusal(Code.UNIMPLEMENTED, 404), "invalid"),
        (Refusal(Code.INTERNAL, 500), "rejected"),
        (Refusal(Code.UNAVAILABLE, 503), "unavailable"),
        (Refusal(Code.RESOURCE_EXHAUSTED, 429, 0.05), "unavailable"),
    ],
    ids=lambda value: value.code.name if isinstance(value, Refusal) else value,
)
def test_refusals_are_counted_by_reason(
    signal: str, protocol: str, port: int, behaviour: Behaviour, refusal: Refusal, reason: str
) -> None:
    """Bad credentials, bad requests and a full receiver are distinguished; only retryable requests are retried."""
    behaviour.refusal = refusal
    way = Way(signal, protocol, port, patience_s=0.15)
    way.emit(20)
    way.processor.force_flush(10_000)
    assert way.dropped == {reason: 20}
    assert way.holds(behaviour)
    assert (behaviour.requests > 1) == (reason == "unavailable")


def test_receiver_that_recovers_gets_everything(
    signal: str, protocol: str, port: int, behaviour: Behaviour
) -> None:
    """A request that a full receiver refuses is sent again until it is accepted."""
    behaviour.refusal = Refusal(Code.UNAVAILABLE, 503)
    way = Way(signal, protocol, port)
    way.emit(700)
    until(lambda: behaviour.requests >= 2)
    behaviour.refusal = None
    assert way.processor.force_flush(10_000)
    assert len(behaviour.delivered) == 700
    assert way.holds(behaviour)


def test_receiver_that_starts_late_gets_everything(signal: str, protocol: str, behaviour: Behaviour) -> None:
    """A Collector that was away when the items were made."""
    port = closed_port()
    way = Way(signal, protocol, port)
    way.emit(300)
    time.sleep(0.1)
    with RECEIVERS[protocol](behaviour, port):
        assert way.processor.force_flush(10_000)
    assert len(behaviour.delivered) == 300
    assert way.holds(behaviour)


def test_absent_receiver_is_unavailable(signal: str, protocol: str, behaviour: Behaviour) -> None:
    """Items are dropped after the retry time, and counted."""
    way = Way(signal, protocol, closed_port(), patience_s=0.2)
    way.emit(600)
    way.processor.force_flush(10_000)
    assert way.dropped == {"unavailable": 600}
    assert way.holds(behaviour)


def test_partial_success_is_counted(signal: str, protocol: str, port: int, behaviour: Behaviour) -> None:
    """Items that a receiver rejects within an accepted request are counted as rejected, and not as delivered."""
    behaviour.rejects = 3
    way = Way(signal, protocol, port)
    way.emit(100)
    way.processor.force_flush(10_000)
    way.emit(100)
    way.processor.force_flush(10_000)
    assert set(way.dropped) == {"rejected"}
    assert way.dropped["rejected"] == 3 * behaviour.requests
    assert way.processor.queue.lost == way.dropped["rejected"]
    assert way.holds(behaviour)


def test_too_large_request_is_halved(signal: str, protocol: str, port: int, behaviour: Behaviour) -> None:
    """A receiver that takes small requests only gets all items in small requests."""
    behaviour.largest = 60
    way = Way(signal, protocol, port)
    way.emit(500)
    assert way.processor.force_flush(10_000)
    assert len(behaviour.delivered) == 500
    assert way.holds(behaviour)


def test_one_too_large_item_is_lost_alone(
    signal: str, protocol: str, port: int, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item above the largest request is counted; the others of its batch arrive."""
    way = Way(signal, protocol, port)
    monkeypatch.setattr(way.delivery, "_max_request_bytes", 100_000)
    way.emit(50)
    way.emit(1, "x" * 200_000)
    way.emit(50)
    way.processor.force_flush(10_000)
    assert way.dropped == {"too_large": 1}
    assert len(behaviour.delivered) == 100
    assert way.holds(behaviour)


def test_one_item_that_cannot_be_encoded_is_lost_alone(
    signal: str, protocol: str, port: int, behaviour: Behaviour
) -> None:
    """A lone surrogate is not UTF-8: it costs its own item only."""
    way = Way(signal, protocol, port)
    encode, clean = way.delivery._encode, way.delivery._clean
    broken: list[Any] = []

    def picky(items: Any) -> Any:
        if any(item in broken for item in items):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return encode(items)

    def noting(item: Any) -> Any:
        found = clean(item)
        if not broken:
            broken.append(found)
        return found

    way.delivery._clean = noting
    way.delivery._encode = picky
    way.emit(64)
    way.processor.force_flush(10_000)
    assert way.dropped == {"serialization": 1}
    assert len(behaviour.delivered) == 63
    assert way.holds(behaviour)


def test_silent_receiver_is_a_timeout(
    signal: str, protocol: str, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer it is unknown whether the items arrived: a separate reason."""
    monkeypatch.setattr(otlp_exporters, "ATTEMPT_SECONDS", 0.1)
    with silent_receiver() as port:
        way = Way(signal, protocol, port, patience_s=0.3)
        way.emit(10)
        way.processor.force_flush(10_000)
    assert way.dropped == {"timeout": 10}
    assert way.holds(behaviour)


def test_connection_that_is_hung_up_is_counted(signal: str, protocol: str, behaviour: Behaviour) -> None:
    """A half-open way out: connections that end after the request was sent."""
    with hanging_up_receiver() as port:
        way = Way(signal, protocol, port, patience_s=0.3)
        way.emit(10)
        way.processor.force_flush(10_000)
    assert way.dropped.total() == 10
    assert set(way.dropped) <= {"unavailable", "timeout"}
    assert way.holds(behaviour)


@pytest.mark.parametrize("cut", ["before", "within"])
def test_answer_that_is_lost_on_the_way_is_a_timeout(
    signal: str, behaviour: Behaviour, cut: Literal["before", "within"]
) -> None:
    """The receiver took the request and its answer was cut off: the one reason under which items may have arrived."""
    behaviour.cut = cut
    with http_receiver(behaviour) as port:
        way = Way(signal, "http/protobuf", port, patience_s=0.3)
        way.emit(10)
        way.processor.force_flush(10_000)
    assert way.dropped == {"timeout": 10}
    assert len(behaviour.delivered) == 10


def test_receiver_that_asks_for_no_pause_is_not_flooded(
    signal: str, protocol: str, port: int, behaviour: Behaviour
) -> None:
    """`Retry-After: 0` does not make a busy receiver busier."""
    behaviour.refusal = Refusal(Code.RESOURCE_EXHAUSTED, 429, 0)
    way = Way(signal, protocol, port, patience_s=0.3)
    way.emit(10)
    way.processor.force_flush(10_000)
    assert way.dropped == {"unavailable": 10}
    assert behaviour.requests < 30


@pytest.mark.parametrize(
    ("protocol", "header", "reason"),
    [
        ("grpc", "a-bin=b", "invalid"),
        ("grpc", "a=b%0Ac", "rejected"),
        ("http/protobuf", "a=b%0Ac", "invalid"),
    ],
)
def test_header_that_cannot_be_sent_is_an_answer(protocol: str, header: str, reason: str) -> None:
    """Not an exception, which would end an export of metrics, and not tried again."""
    transport = target("traces", protocol, closed_port(), OTEL_EXPORTER_OTLP_HEADERS=header).open()
    answer = transport.send(b"", 0.5)
    assert (answer.reason, answer.again) == (reason, False)


def test_shutdown_in_the_middle_of_overload(
    signal: str, protocol: str, port: int, behaviour: Behaviour
) -> None:
    """Items queued when time is over are counted; those just sent may have arrived."""
    behaviour.open.clear()
    way = Way(signal, protocol, port)
    way.emit(3_000)
    until(lambda: behaviour.arrived)
    assert not way.processor.queue.close(0.25)
    way.emit(5)
    in_flight = 512
    dropped = way.dropped.total()
    assert set(way.dropped) == {"shutdown_timeout"}
    behaviour.open.set()
    until(lambda: behaviour.requests == behaviour.arrived)
    delivered = len(behaviour.delivered)
    assert way.accepted <= delivered + dropped <= way.accepted + in_flight


def test_shutdown_without_a_receiver_is_bounded(signal: str, protocol: str, behaviour: Behaviour) -> None:
    """A silent receiver does not delay the end, for any queue."""
    with silent_receiver() as port:
        way = Way(signal, protocol, port)
        way.emit(20, "x" * 500_000)
        before = time.monotonic()
        way.processor.queue.close(0.2)
        assert time.monotonic() - before < 5
    assert way.dropped.total() == 20
    assert way.holds(behaviour)


BIG = "".join(f"line {n} of a build log: compiled module{n % 97}.py\n" for n in range(200_000))[:9_000_000]
"""One attribute of 9 MB of ordinary text, which costs its redaction and its encoding."""

SLACK_S = 1.0
"""Seconds that a busy machine may add to a configured time; redacting or encoding one item would add more."""


@pytest.mark.parametrize("kind", ["silent", "slow"])
def test_flush_and_shutdown_keep_their_time_with_9_mb_attributes(
    kind: str, signal: str, protocol: str, port: int, behaviour: Behaviour
) -> None:
    """For any queue, `flush` returns within its time-out and `close` within its own plus the grace period."""
    behaviour.delay_s = 1.0
    with silent_receiver() as nobody:
        way = Way(signal, protocol, nobody if kind == "silent" else port)
        way.emit(6, BIG)
        before = time.monotonic()
        assert not way.processor.queue.flush(0.75)
        flushed = time.monotonic()
        way.processor.queue.close(0.5)
        closed = time.monotonic()
    assert flushed - before <= 0.75 + SLACK_S
    assert closed - flushed <= 0.5 + GRACE_SECONDS + SLACK_S
    assert len(behaviour.delivered) + way.dropped.total() >= way.accepted


# --- metrics ----------------------------------------------------------------------------------------------------------


def metered(
    protocol: str, port: int, timeout_s: float
) -> tuple[Any, PeriodicExportingMetricReader, Counter[str]]:
    """A counter, its reader, and the counted drops."""
    dropped: Counter[str] = Counter()

    def drop(signal: str, reason: str, number: int, /) -> None:
        assert signal == "metrics"
        dropped[reason] += number

    exporter = OtlpMetricExporter(target("metrics", protocol, port).open(), drop, timeout_s)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    return provider.get_meter("test").create_counter("things"), reader, dropped


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (Refusal(Code.UNAVAILABLE, 503), "unavailable"),
        (Refusal(Code.UNAUTHENTICATED, 401), "unauthenticated"),
        (Refusal(Code.INVALID_ARGUMENT, 400), "invalid"),
    ],
    ids=["unavailable", "unauthenticated", "invalid"],
)
def test_lost_metric_exports_are_counted_and_later_sums_are_complete(
    protocol: str, port: int, behaviour: Behaviour, refusal: Refusal, reason: str
) -> None:
    """Each export that did not arrive counts once; after recovery the receiver's total is the process's."""
    # Only retried exports take their whole time.
    things, reader, dropped = metered(protocol, port, 0.5 if reason == "unavailable" else 10)
    things.add(3)
    assert reader.force_flush()
    behaviour.refusal = refusal
    for _ in range(2):
        things.add(1)
        reader.force_flush()
    assert dropped == {reason: 2}
    behaviour.refusal = None
    things.add(1)
    assert reader.force_flush()
    assert behaviour.sums["things"] == 6
    reader.shutdown()


@pytest.mark.parametrize("receiver", [silent_receiver, hanging_up_receiver])
def test_unanswered_metric_exports_are_counted_and_later_sums_are_complete(
    protocol: str, behaviour: Behaviour, receiver: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging and a half-open Collector: each export counts once, and the sums arrive with the next one."""
    monkeypatch.setattr(otlp_exporters, "ATTEMPT_SECONDS", 0.1)
    with receiver() as port:
        things, reader, dropped = metered(protocol, port, 0.3)
        things.add(3)
        reader.force_flush()  # the SDK's result does not report the outcome
    assert dropped.total() == 1
    assert set(dropped) <= ({"timeout"} if receiver is silent_receiver else {"timeout", "unavailable"})
    with RECEIVERS[protocol](behaviour, port):
        monkeypatch.setattr(otlp_exporters, "ATTEMPT_SECONDS", 10)
        reader._exporter._timeout_s = 10
        things.add(1)
        assert reader.force_flush()
        reader.shutdown()
    assert behaviour.sums["things"] == 4
    assert dropped.total() == 1


def test_metrics_of_a_slow_receiver_are_whole(protocol: str, port: int, behaviour: Behaviour) -> None:
    """Ten times as many updates as exports: none is lost, since each export has the sums."""
    behaviour.delay_s = 0.05
    things, reader, dropped = metered(protocol, port, 10)
    for _ in range(4):
        for _ in range(500):
            things.add(1)
        assert reader.force_flush()
    reader.shutdown()
    assert behaviour.sums["things"] == 2_000
    assert dropped == {}


def test_last_metric_export_is_counted(protocol: str) -> None:
    """The final export of a process is counted like any other when it is lost."""
    things, reader, dropped = metered(protocol, closed_port(), 0.1)
    things.add(1)
    reader.shutdown()
    assert dropped == {"unavailable": 1}


def test_partial_success_of_metrics_is_counted(protocol: str, port: int, behaviour: Behaviour) -> None:
    """Data points that a receiver rejects count as a lost export."""
    things, reader, dropped = metered(protocol, port, 1)
    things.add(1)
    reader.force_flush()
    assert dropped == {}
    behaviour.take = lambda request: (None, 1)  # type: ignore[method-assign]
    reader.force_flush()
    assert dropped == {"rejected": 1}
    reader.shutdown()
