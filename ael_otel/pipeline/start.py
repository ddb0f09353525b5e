"""Building the pipeline: the SDK by its own configurator, then our processors, readers and the log handler on it."""

import os
import socket
from collections.abc import Callable
from typing import TextIO
from urllib.parse import urlsplit

from opentelemetry._logs import get_logger_provider
from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import get_tracer_provider

from ael_otel.config import Settings
from ael_otel.pipeline.environment import otlp_signals, prepare
from ael_otel.pipeline.export import BoundedLogProcessor, BoundedSpanProcessor
from ael_otel.pipeline.guard import logger
from ael_otel.pipeline.logs import RunLogHandler, install, remove_doubles, uninstall
from ael_otel.pipeline.metrics import AelMetrics, shared_metrics
from ael_otel.pipeline.pull import PullReader
from ael_otel.pipeline.shutdown import ParallelShutdown

PROBE_SECONDS = 0.3


class Pipeline:
    """The running pipeline of one process; made by `start`."""

    def __init__(self, settings: Settings, metrics: AelMetrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.pull: PullReader | None = None
        self.log_handler: RunLogHandler | None = None
        self._displaced: list[object] = []
        self._spans: BoundedSpanProcessor | None = None
        self._logs: BoundedLogProcessor | None = None
        self._reader: PeriodicExportingMetricReader | None = None
        self._shutdown: ParallelShutdown | None = None
        self._closed = False

    @property
    def otlp_reachable(self) -> bool:
        """Whether something answers at the OTLP endpoint: a TCP connection within 0.3 s."""
        url = urlsplit(self.settings.exporters.otlp.endpoint)
        address = (url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 4317))
        try:
            with socket.create_connection(address, PROBE_SECONDS):
                return True
        except OSError:
            return False

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what is queued now; returns whether all of it was taken within `timeout_s` seconds."""
        flushes: list[Callable[[], object]] = []
        if self._spans is not None:
            flushes.append(self._spans.force_flush)
        if self._logs is not None:
            flushes.append(self._logs.force_flush)
        if self._reader is not None:
            flushes.append(self._reader.force_flush)
        return ParallelShutdown(flushes, []).run(timeout_s)

    def shutdown(self, timeout_s: float = 2.0) -> None:
        """Send what is queued and end all signals at once, within `timeout_s` seconds and a little grace.

        What cannot be delivered by then is counted as dropped (`shutdown_timeout`). A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        if self._shutdown is not None:
            self._shutdown.run(timeout_s)
        left = sum(part.ledger.abandon() for part in (self._spans, self._logs) if part is not None)
        if left:
            logger.warning(
                "%d spans and log records were not delivered: nothing took them at %s within %g s",
                left,
                self.settings.exporters.otlp.endpoint,
                timeout_s,
            )

    def own_the_log(self) -> None:
        """Take away log handlers that were added after `start` and would write every record twice."""
        if self.log_handler is not None:
            remove_doubles(self.log_handler)

    def detach(self) -> None:
        """Shut down and give the root logger back; for tests and for a process that goes on without telemetry."""
        self.shutdown()
        if self.log_handler is not None:
            uninstall(self.log_handler, self._displaced)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            self.log_handler = None


def start(settings: Settings, *, log_stream: TextIO | None = None, pull: bool = False) -> Pipeline:
    """Start telemetry for this process, whether or not `opentelemetry-instrument` has already built the SDK.

    Args:
        settings: the configuration.
        log_stream: where log lines go; None writes none (they still go to OTLP if the settings say so).
        pull: also offer the metrics to whoever asks (`Pipeline.pull`).
    """
    prepare(settings, os.environ)
    if not isinstance(get_tracer_provider(), TracerProvider):
        _initialize_sdk()
    metrics = shared_metrics()
    pipeline = Pipeline(settings, metrics)
    enabled = settings.enabled and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
    signals = otlp_signals(os.environ) if enabled else frozenset[str]()

    def on_drop(signal: str, reason: str, count: int) -> None:
        metrics.dropped.add((signal, reason), count)

    closers: list[Callable[[], object]] = []
    aborts: list[Callable[[], object]] = []
    traces, meters, logs = get_tracer_provider(), get_meter_provider(), get_logger_provider()
    if "traces" in signals and isinstance(traces, TracerProvider):
        spans = BoundedSpanProcessor(_span_exporter(), on_drop)
        traces.add_span_processor(spans)
        pipeline._spans = spans  # pyright: ignore[reportPrivateUsage] - built here, owned there
        closers.append(spans.shutdown)
        aborts.append(spans.exporter.shutdown)
    if "logs" in signals and isinstance(logs, LoggerProvider):
        records = BoundedLogProcessor(_log_exporter(), on_drop)
        logs.add_log_record_processor(records)
        pipeline._logs = records  # pyright: ignore[reportPrivateUsage]
        closers.append(records.shutdown)
        aborts.append(records.exporter.shutdown)
    if enabled and isinstance(meters, MeterProvider):
        if "metrics" in signals:
            exporter = _metric_exporter()
            reader = PeriodicExportingMetricReader(exporter)
            _add_reader(meters, reader)
            pipeline._reader = reader  # pyright: ignore[reportPrivateUsage]
            closers.append(reader.shutdown)
            aborts.append(exporter.shutdown)
        if pull and settings.metrics.enabled:
            pipeline.pull = PullReader()
            _add_reader(meters, pipeline.pull)
    if settings.logs.enabled:
        _take_over_logs(pipeline, settings, log_stream, on_drop if enabled else None)
    pipeline._shutdown = ParallelShutdown(closers, aborts)  # pyright: ignore[reportPrivateUsage]
    return pipeline


def _initialize_sdk() -> None:
    # The same path as under opentelemetry-instrument, so that both give the same telemetry: distro, configurator, and
    # every instrumentor that is installed.
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()


def _take_over_logs(
    pipeline: Pipeline,
    settings: Settings,
    stream: TextIO | None,
    on_drop: Callable[[str, str, int], None] | None,
) -> None:
    output = settings.logs.output
    provider = get_logger_provider() if on_drop is not None and output != "stdout" else None
    handler = RunLogHandler(
        stream=stream if output != "otlp" else None,
        provider=provider,
        as_json=settings.logs.format == "json",
        level=_level(settings.logs.level),
        on_drop=on_drop,
    )
    pipeline._displaced = list(install(handler, _level(settings.logs.level)))  # pyright: ignore[reportPrivateUsage]
    pipeline.log_handler = handler


def _level(name: str) -> int:
    import logging

    return {
        "DEBUG": logging.DEBUG,
        "INFO": logging.INFO,
        "WARN": logging.WARNING,
        "WARNING": logging.WARNING,
    }.get(name.upper(), logging.ERROR)


def _add_reader(provider: MeterProvider, reader: object) -> None:
    add = getattr(provider, "add_metric_reader", None)
    if add is None:
        logger.error(
            "this opentelemetry-sdk cannot take another metric reader: metrics are not exported; install a newer one"
        )
        return
    add(reader)


def _protocol(signal: str) -> str:
    specific = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "").strip()
    return specific or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "grpc"


def _span_exporter() -> SpanExporter:
    if _protocol("traces") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _log_exporter() -> LogRecordExporter:
    if _protocol("logs") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter()


def _metric_exporter() -> MetricExporter:
    if _protocol("metrics") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()
