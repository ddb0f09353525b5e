"""Start the telemetry of an `ael` process; `hosting` does this for an application that embeds the engine."""

import os
from collections.abc import Callable
from typing import TextIO

from ael_otel.config import Settings
from ael_otel.config.environment import sdk_disabled
from ael_otel.core.redaction import ActiveRedaction, DisabledRedaction, set_active_redaction
from ael_otel.instrument.active import current
from ael_otel.instrument.instrumentation import leave_engine_alone
from ael_otel.runtime import hosting
from ael_otel.runtime.assembly import Runtime, assemble
from ael_otel.runtime.instrumentor import AelInstrumentor
from ael_otel.sdk.otel_variables import settle
from ael_otel.sdk.providers import start as start_pipeline
from ael_otel.store import TelemetryStore


def start(
    settings: Settings,
    *,
    log_stream: TextIO | None = None,
    serve_metrics: bool = False,
    store: TelemetryStore | None = None,
    ready: Callable[[], bool] = lambda: True,
    synchronous_logs: bool = False,
) -> Runtime:
    """Start telemetry, the same with and without `opentelemetry-instrument` around the process.

    Args:
        settings: the configuration.
        log_stream: where log lines go; None writes none.
        serve_metrics: answer `GET /metrics` on the configured address. A port in use is logged, not raised: metrics are
            still sent by OTLP.
        store: where runs are recorded; None opens the configured store, which `Runtime.shutdown` closes.
        ready: the answer of `/readyz`.
        synchronous_logs: write a log line before the logging call returns, for output in which log lines and other
            lines have to be in order.
    """
    set_active_redaction(ActiveRedaction(settings) if settings.enabled else DisabledRedaction(settings))
    # `opentelemetry-instrument` may have prepared this process for an application that hosts the engine.
    pipeline = hosting.hand_over()
    if pipeline is None:
        pipeline = start_pipeline(
            settings, log_stream=log_stream, pull=serve_metrics, synchronous_logs=synchronous_logs
        )
    else:
        pipeline.take_over_logs(log_stream, synchronous=synchronous_logs)
    settle(os.environ)
    instrumentor = AelInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(skip_dep_check=True)
    if not settings.enabled or sdk_disabled(os.environ):
        leave_engine_alone(owns_log=True)
    hosting.hand_over()  # building the SDK has loaded the instrumentor too
    return assemble(pipeline, current(), store=store, serve_metrics=serve_metrics, ready=ready)
