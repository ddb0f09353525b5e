"""An SDK that was built before our settings reached it."""

from tests.support.interpreters import answer

PROGRAM = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
from ael_otel.config import default_settings
from ael_otel.sdk.providers import start
pipeline = start(default_settings())
print(len(trace.get_tracer_provider()._active_span_processor._span_processors), os.environ.get("AEL_OTEL_OTLP_SIGNALS"))
pipeline.shutdown(0.1)
"""


def test_an_sdk_that_was_built_without_us_keeps_its_exporters_alone() -> None:
    """Where somebody built the SDK before our settings reached it, no second pair of exporters is added."""
    assert answer(PROGRAM).split() == ["0", "None"]
