"""Bounded processors after a fork."""

from tests.support.interpreters import answer

FORK = """
import os, threading
from opentelemetry.sdk.trace import TracerProvider
from ael_otel.sdk.batch_processors import BoundedSpanProcessor

go_on = threading.Event()


class Held:
    def deliver(self, batch, settled):
        go_on.wait(10)
        settled(len(batch), None)

    def hurry(self):
        pass

    def abort(self):
        go_on.set()


processor = BoundedSpanProcessor(Held(), lambda *drop: None, 10)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("fork")
for _ in range(4):
    tracer.start_span("before").end()
child = os.fork()
if child == 0:
    at_first = processor.queue.pending
    tracer.start_span("after").end()
    print(at_first, processor.queue.pending, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(processor.queue.pending)
go_on.set()
"""


def test_forked_child_has_its_own_counts() -> None:
    """The child's queue and counts are empty; the parent's do not change."""
    assert answer(FORK).split() == ["0", "1", "4"]
