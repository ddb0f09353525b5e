"""The hook that `opentelemetry-instrument` calls after its setup (entry point `opentelemetry_post_instrument`)."""

import atexit
import os
from collections.abc import Callable
from typing import Final

EXIT_SECONDS: Final = 2.0
"""Seconds that a process may take to send its last telemetry; the SDK alone takes up to 16 s with no Collector."""


def post_instrument() -> None:
    """Limit the time that the SDK's providers take at exit: they shut down in parallel, within `EXIT_SECONDS`.

    Registered last, so it runs before the providers' own exit handlers, which then have nothing left to do.
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
