"""When a request is tried again: in growing pauses, at once where time is short, as late as the receiver asks."""

from collections.abc import Iterator
from threading import Event, Thread
from time import monotonic

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData

from ael_otel.sdk import otlp_exporters
from ael_otel.sdk.otlp_exporters import Attempts, OtlpMetricExporter
from ael_otel.sdk.otlp_transport import Answer

AWAY = Answer("unavailable", again=True)
TAKEN = Answer(None)


class Receiver:
    """A transport whose answers are given one after the other, then `TAKEN`."""

    address = "receiver:4317"

    def __init__(self, *answers: Answer) -> None:
        self._answers: Iterator[Answer] = iter(answers)
        self.asked = 0
        self.refused = Event()
        self.closed = Event()

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Take one request."""
        self.asked += 1
        answer = next(self._answers, TAKEN)
        if answer.reason is not None:
            self.refused.set()
        return answer

    def close(self) -> None:
        """Note that nothing more is sent."""
        self.closed.set()


class Sending:
    """One request that is under way on a thread of its own."""

    def __init__(self, receiver: Receiver) -> None:
        self.attempts = Attempts("metrics", receiver)
        self._answers: list[Answer] = []
        self._thread = Thread(target=self._send, daemon=True)
        self._thread.start()
        assert receiver.refused.wait(10)

    def _send(self) -> None:
        self._answers.append(self.attempts.send(b"body", monotonic() + 3600))

    def answer(self) -> Answer:
        """What became of it."""
        self._thread.join(10)
        assert self._answers, "the request still waits"
        return self._answers[0]


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that no test outlives, so that only what ends it can."""
    monkeypatch.setattr(otlp_exporters, "_FIRST_PAUSE", 600.0)


def test_a_hurried_request_is_tried_at_once() -> None:
    """A process that ends has a second: it does not spend it in the pause that an outage has left behind."""
    receiver = Receiver(AWAY)
    sending = Sending(receiver)
    sending.attempts.hurry()
    assert sending.answer() == TAKEN
    assert receiver.asked == 2


def test_a_hurry_skips_one_pause_only() -> None:
    """A receiver that stays away is not flooded: after the hurried attempt there are pauses again."""
    receiver = Receiver(AWAY, AWAY)
    sending = Sending(receiver)
    receiver.refused.clear()
    sending.attempts.hurry()
    assert receiver.refused.wait(10)
    sending.attempts.abort()
    assert sending.answer() == Answer("shutdown_timeout")
    assert receiver.asked == 2


def test_a_pause_that_the_receiver_asks_for_is_kept_in_a_hurry() -> None:
    """`Retry-After` holds to the end; what then remains is counted as lost at shutdown."""
    receiver = Receiver(AWAY._replace(after_s=600.0))
    sending = Sending(receiver)
    sending.attempts.hurry()
    sending.attempts.abort()
    assert sending.answer() == Answer("shutdown_timeout")
    assert receiver.asked == 1


def test_an_aborted_request_ends_its_pause() -> None:
    """The connection is closed and nothing more is sent."""
    receiver = Receiver(AWAY)
    sending = Sending(receiver)
    sending.attempts.abort()
    assert sending.answer() == Answer("shutdown_timeout")
    assert receiver.closed.is_set()


class Trickling(Receiver):
    """A receiver whose answer begins in time and does not end: closing the connection does not end the wait."""

    def __init__(self) -> None:
        super().__init__()
        self.end = Event()

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Answer when the test says so."""
        self.refused.set()
        assert self.end.wait(10)
        return super().send(body, timeout_s)


def test_metric_export_without_an_answer_at_the_end_is_counted_once() -> None:
    """Proves `shutdown_timeout` for an export that is on its way, nothing for one that was taken, and no second count
    when the answer comes after all.
    """
    receiver = Trickling()
    dropped: list[tuple[str, str, int]] = []
    exporter = OtlpMetricExporter(receiver, lambda *loss: dropped.append(loss))
    results: list[MetricExportResult] = []
    exporting = Thread(target=lambda: results.append(exporter.export(MetricsData([]))), daemon=True)
    exporting.start()
    assert receiver.refused.wait(10)
    exporter.abort()
    exporter.abandon()
    assert (dropped, exporter.lost) == ([("metrics", "shutdown_timeout", 1)], 1)
    receiver.end.set()
    exporting.join(10)
    assert results == [MetricExportResult.FAILURE]
    assert exporter.export(MetricsData([])) is MetricExportResult.SUCCESS
    exporter.abandon()
    assert exporter.lost == len(dropped) == 1
