"""An SDK that was built before our settings reached it."""

from tests.support.interpreters import answer

PROGRAM = """
import os
from opentelemetry import trace
from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
from ael_otel.config import default_settings
from ael_otel.sdk.providers import start
pipeline = start(default_settings())
spans = trace.get_tracer_provider()._active_span_processor._span_processors
logs = get_logger_provider()._multi_log_record_processor._log_record_processors
print(len(spans), len(logs), sorted(queue.signal for queue in pipeline._parts.queues))
pipeline.shutdown(0.1)
"""


def test_sdk_that_was_built_without_us_keeps_only_its_exporters() -> None:
    """A tracer provider that somebody built before our settings reached it gets no exporter of ours.

    The signals that have no provider yet get one, and it exports once.
    """
    assert answer(PROGRAM) == "0 1 ['logs']"
