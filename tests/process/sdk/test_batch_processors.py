"""Bounded processors after a fork."""

import logging
import sys
from collections.abc import Iterator

import pytest

from tests.support.interpreters import answer


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


FORK = """
import os, threading
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from ael_otel.sdk.batch_processors import BoundedSpanProcessor

go_on = threading.Event()


class Held(SpanExporter):
    def export(self, spans):
        go_on.wait(10)
        return SpanExportResult.SUCCESS


processor = BoundedSpanProcessor(Held(), lambda *drop: None, 10)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("fork")
for _ in range(4):
    tracer.start_span("before").end()
child = os.fork()
if child == 0:
    at_first = processor.ledger.pending
    tracer.start_span("after").end()
    print(at_first, processor.ledger.pending, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(processor.ledger.pending)
go_on.set()
"""


def test_a_forked_child_has_books_of_its_own() -> None:
    """The child's queue is empty, and so are its books; the parent's stay as they are."""
    assert answer(FORK).split() == ["0", "1", "4"]
