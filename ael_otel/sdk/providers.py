"""Building the pipeline: the SDK by its own configurator, then our processors, readers and the log handler on it."""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TextIO
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
from ael_otel.config.settings import masked
from ael_otel.core import baggage
from ael_otel.core.faults import logger
from ael_otel.core.metrics import AelMetrics, shared_metrics
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor, DropCounter, Ledger
from ael_otel.sdk.logs import RunLogHandler, install, remove_doubles, uninstall
from ael_otel.sdk.otel_variables import otlp_signals, prepare
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.redacting_exporters import (
    RedactingLogExporter,
    RedactingMetricExporter,
    RedactingSpanExporter,
)
from ael_otel.sdk.shutdown import ParallelShutdown
from ael_otel.sdk.unknown_names import UnknownNames

PROBE_SECONDS: Final = 0.3
SHUTDOWN_SECONDS: Final = 1.5
"""Together with what else happens at exit this keeps a process without a Collector below 2 s."""

PATIENCE_SECONDS: Final = 60.0
"""How long spans and logs are offered again while the Collector restarts; `OTEL_EXPORTER_OTLP_TIMEOUT` wins.

The SDK's default of 10 s ends its retries after 7, so an outage of a few seconds more cost the batch in hand although
the queue behind it had room for minutes. Metrics keep the default: the next export has the same sums.
"""

_RECONNECT: Final[Any] = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
"""gRPC's own pauses grow to two minutes, and an export that falls into one fails although the Collector is back."""

_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}


class Pipeline:
    """The running pipeline of one process; made by `start`.

    Args:
        settings: the configuration in force.
        metrics: the metric rows.
        parts: what `start` has put on the SDK's providers.
    """

    def __init__(self, settings: Settings, metrics: AelMetrics, parts: "_Parts") -> None:
        self.settings = settings
        self.metrics = metrics
        self.pull = parts.pull
        self.log_handler = parts.log_handler
        self._parts = parts
        self._shutdown = ParallelShutdown(parts.closers, parts.aborts)
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
        before = self._lost()
        return ParallelShutdown(self._parts.flushes, []).run(timeout_s) and self._lost() == before

    def shutdown(self, timeout_s: float = SHUTDOWN_SECONDS) -> None:
        """Send what is queued and end all signals at once, within `timeout_s` seconds and 0.2 s of grace.

        What cannot be delivered by then is counted as dropped (`shutdown_timeout`). A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        if self.log_handler is not None:
            self.log_handler.stop_sending()
        _say_stopped(self.metrics)
        before = self._lost()
        self._shutdown.run(timeout_s)
        for ledger in self._parts.ledgers:
            ledger.abandon()
        left = self._lost() - before
        if left:
            logger.warning(
                "%d spans and log records were not delivered: nothing took them at %s within %g s",
                left,
                masked("endpoint", self.settings.exporters.otlp.endpoint),
                timeout_s,
            )

    def _lost(self) -> int:
        return sum(ledger.lost for ledger in self._parts.ledgers)

    def own_the_log(self) -> None:
        """Take away log handlers that were added after `start` and would write every record twice."""
        if self.log_handler is not None:
            remove_doubles(self.log_handler)

    def detach(self) -> None:
        """Shut down and give the root logger back; for tests and for a process that goes on without telemetry."""
        self.shutdown()
        if self.log_handler is not None:
            uninstall(self.log_handler, self._parts.displaced)
            self.log_handler = None


@dataclass(slots=True)
class _Parts:
    """What is on the providers, and how each signal is flushed, closed and, when it hangs, aborted."""

    ledgers: list[Ledger] = field(default_factory=list[Ledger])
    flushes: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])
    closers: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])
    aborts: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])
    pull: PrometheusReader | None = None
    log_handler: RunLogHandler | None = None
    displaced: list[logging.Handler] = field(default_factory=list[logging.Handler])

    def add(
        self, flush: Callable[[], object], close: Callable[[], object], abort: Callable[[], object]
    ) -> None:
        """Add one signal."""
        self.flushes.append(flush)
        self.closers.append(close)
        self.aborts.append(abort)


def start(settings: Settings, *, log_stream: TextIO | None = None, pull: bool = False) -> Pipeline:
    """Start telemetry for this process, whether or not `opentelemetry-instrument` has already built the SDK.

    Args:
        settings: the configuration.
        log_stream: where log lines go; None writes none (they still go to OTLP if the settings say so).
        pull: also offer the metrics to whoever asks (`Pipeline.pull`).
    """
    if not isinstance(get_tracer_provider(), TracerProvider):
        prepare(settings, os.environ)
        _initialize_sdk()
    # An SDK that somebody built before `prepare` has exporters of its own: another pair would send everything twice.
    metrics = shared_metrics()
    parts = _Parts()
    enabled = settings.enabled and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"

    if enabled:
        baggage.install()
        _say_running(metrics)
        _watch_names(settings)
        signals = otlp_signals(os.environ)
        _export_traces(parts, settings, signals, metrics.lost)
        _export_logs(parts, signals, metrics.lost)
        _export_metrics(
            parts, signals, pull=pull and settings.metrics.enabled and settings.metrics.prometheus_enabled
        )
    if settings.logs.enabled:
        _take_over_logs(
            parts, settings, log_stream, metrics.lost, otlp=enabled and settings.logs.output != "stdout"
        )
    return Pipeline(settings, metrics, parts)


def _say_running(metrics: AelMetrics) -> None:
    row = metrics.process.bind()
    row.add(running=1 - row.running)


def _say_stopped(metrics: AelMetrics) -> None:
    # Before the last export, which tells an end in order from a kill. Zero and not one less: a forked child begins at
    # zero and never said that it runs.
    row = metrics.process.bind()
    row.add(running=-row.running)


def _watch_names(settings: Settings) -> None:
    provider = get_tracer_provider()
    if settings.admin.live_schema and isinstance(provider, TracerProvider):
        provider.add_span_processor(UnknownNames())


def _export_traces(parts: _Parts, settings: Settings, signals: frozenset[str], on_drop: DropCounter) -> None:
    provider = get_tracer_provider()
    if "traces" in signals and isinstance(provider, TracerProvider):
        processor = BoundedSpanProcessor(RedactingSpanExporter(_span_exporter()), on_drop)
        provider.add_span_processor(processor)
        parts.ledgers.append(processor.ledger)
        close: Callable[[], object] = processor.shutdown
        if settings.sampling.keep:
            from ael_otel.sdk.tail_sampling import TailSampler

            keeper = TailSampler(
                processor.on_end, settings.sampling.keep, settings.sampling.slow_over, on_drop
            )
            provider.add_span_processor(keeper)

            def close_both() -> None:
                keeper.shutdown()
                _shut(processor)

            close = close_both

        parts.add(processor.force_flush, close, processor.exporter.shutdown)


def _export_logs(parts: _Parts, signals: frozenset[str], on_drop: DropCounter) -> None:
    provider = get_logger_provider()
    if "logs" in signals and isinstance(provider, LoggerProvider):
        processor = BoundedLogProcessor(RedactingLogExporter(_log_exporter()), on_drop)
        provider.add_log_record_processor(processor)
        parts.ledgers.append(processor.ledger)
        parts.add(processor.force_flush, processor.shutdown, lambda: _shut(processor.exporter))


def _export_metrics(parts: _Parts, signals: frozenset[str], *, pull: bool) -> None:
    provider = get_meter_provider()
    if not isinstance(provider, MeterProvider):
        return
    if "metrics" in signals:
        exporter = RedactingMetricExporter(_metric_exporter())
        reader = PeriodicExportingMetricReader(exporter)
        _add_reader(provider, reader)
        parts.add(reader.force_flush, lambda: _shut(reader), lambda: _shut(exporter))
    if pull:
        parts.pull = PrometheusReader()
        _add_reader(provider, parts.pull.reader)


def _shut(part: Any) -> None:
    part.shutdown()


def _initialize_sdk() -> None:
    # The same path as under opentelemetry-instrument, so that both give the same telemetry: distro, configurator, and
    # every instrumentor that is installed.
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()


def _take_over_logs(
    parts: _Parts, settings: Settings, stream: TextIO | None, on_drop: DropCounter, *, otlp: bool
) -> None:
    level = _LEVELS.get(settings.logs.level, logging.INFO)
    parts.log_handler = RunLogHandler(
        stream=stream if settings.logs.output != "otlp" else None,
        provider=get_logger_provider() if otlp else None,
        as_json=settings.logs.format == "json",
        level=level,
        on_drop=on_drop,
    )
    parts.displaced = install(parts.log_handler, level)


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


def _patience(signal: str) -> float | None:
    """Return our time-out of an export, None where a variable sets one, which the exporter then reads itself."""
    named = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    return None if any(os.environ.get(name, "").strip() for name in named) else PATIENCE_SECONDS


def _span_exporter() -> SpanExporter:
    if _protocol("traces") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter(timeout=_patience("traces"))
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(timeout=_patience("traces"), channel_options=_RECONNECT)


def _log_exporter() -> LogRecordExporter:
    if _protocol("logs") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter

        return HttpExporter(timeout=_patience("logs"))
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter(timeout=_patience("logs"), channel_options=_RECONNECT)


def _metric_exporter() -> MetricExporter:
    if _protocol("metrics") == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(channel_options=_RECONNECT)
