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
    """A transport that gives a list of answers one by one, then `TAKEN`."""

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
    """One running request on a separate thread."""

    def __init__(self, receiver: Receiver) -> None:
        self.attempts = Attempts("metrics", receiver)
        self._answers: list[Answer] = []
        self._thread = Thread(target=self._send, daemon=True)
        self._thread.start()
        assert receiver.refused.wait(10)

    def _send(self) -> None:
        self._answers.append(self.attempts.send(b"body", monotonic() + 3600))

    def answer(self) -> Answer:
        """Return its outcome."""
        self._thread.join(10)
        assert self._answers, "the request still waits"
        return self._answers[0]


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause longer than any test, so that only the tested call can end it."""
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


def test_request_after_an_ended_hurry_pauses() -> None:
    """A flush that no pause followed does not shorten the pause of a later outage; `abort` still does."""
    receiver = Receiver(AWAY, AWAY)
    attempts = Attempts("traces", receiver)
    attempts.hurry()
    attempts.end_hurry()
    answers: list[Answer] = []
    sending = Thread(target=lambda: answers.append(attempts.send(b"body", monotonic() + 3600)), daemon=True)
    sending.start()
    assert receiver.refused.wait(10)
    attempts.abort()
    attempts.end_hurry()
    sending.join(10)
    assert answers == [Answer("shutdown_timeout")]
    assert receiver.asked == 1


def test_pause_of_retry_after_holds_at_shutdown() -> None:
    """`Retry-After` holds to the end; items that remain then are counted as dropped at shutdown."""
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
        """Answer once the test allows it."""
        self.refused.set()
        assert self.end.wait(10)
        return super().send(body, timeout_s)


def test_metric_export_without_an_answer_at_the_end_is_counted_once() -> None:
    """Proves `shutdown_timeout` for an export under way, no count for one that was accepted, and no second count
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
