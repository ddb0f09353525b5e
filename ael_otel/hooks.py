"""What runs when `opentelemetry-instrument` has set everything up (entry point `opentelemetry_post_instrument`)."""

import atexit
import os
from collections.abc import Callable
from typing import Final

EXIT_SECONDS: Final = 2.0
"""How long a process may take to hand over its last telemetry; the SDK alone takes up to 16 s with no Collector."""


def post_instrument() -> None:
    """Bound the time that the stock providers take at exit: all at once and at most `EXIT_SECONDS`.

    Registered last, so it runs before the providers' own exit handlers, which then find their work done.
    """
    from ael_otel.core.faults import fault_barrier

    with fault_barrier("post_instrument"):
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        from opentelemetry._logs import get_logger_provider
        from opentelemetry.metrics import get_meter_provider
        from opentelemetry.trace import get_tracer_provider

        from ael_otel.sdk.shutdown import ParallelShutdown

        closers: list[Callable[[], object]] = [
            shutdown
            for provider in (get_tracer_provider(), get_meter_provider(), get_logger_provider())
            if (shutdown := getattr(provider, "shutdown", None)) is not None
        ]
        atexit.register(ParallelShutdown(closers, []).run, EXIT_SECONDS)
