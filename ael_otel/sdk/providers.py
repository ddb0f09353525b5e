"""Building the pipeline: the SDK by its own configurator, then our processors, readers and the log handler on it."""

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import urlsplit

from opentelemetry._logs import get_logger_provider
from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_tracer_provider

from ael_otel.config import Settings
from ael_otel.config.settings import masked
from ael_otel.core import baggage
from ael_otel.core.faults import logger
from ael_otel.core.metrics import AelMetrics, shared_metrics
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor, DropCounter
from ael_otel.sdk.export_queue import ExportQueue
from ael_otel.sdk.logs import RunLogHandler, install
from ael_otel.sdk.otel_variables import otlp_signals, prepare
from ael_otel.sdk.otlp_exporters import PATIENCE_SECONDS, OtlpMetricExporter, log_delivery, span_delivery
from ael_otel.sdk.otlp_transport import Signal, Target, Transport
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.shutdown import ParallelShutdown
from ael_otel.sdk.unknown_names import UnknownNames

if TYPE_CHECKING:
    from ael_otel.sdk.tail_sampling import TailSampler

PROBE_SECONDS: Final = 0.3
SHUTDOWN_SECONDS: Final = 1.5
"""Together with what else happens at exit this keeps a process without a Collector below 2 s."""

QUEUES_SHARE: Final = 0.6
"""How much of that time the last metric export waits for spans and log records, whose losses it reports."""

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
        self._deadline = 0.0
        self._queues_closed = Event()
        closers: list[Callable[[], object]] = [self._close_queues]
        if parts.reader is not None:
            closers.append(self._close_reader)
        aborts: list[Callable[[], object]] = [] if parts.exporter is None else [parts.exporter.abort]
        self._shutdown = ParallelShutdown(closers, aborts)
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
        flushes: list[Callable[[], object]] = [
            partial(queue.flush, timeout_s) for queue in self._parts.queues
        ]
        if self._parts.reader is not None:
            flushes.append(partial(self._parts.reader.force_flush, timeout_s * 1e3))
        return ParallelShutdown(flushes, []).run(timeout_s) and self._lost() == before

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
        self._deadline = monotonic() + timeout_s
        self._shutdown.run(timeout_s)
        for queue in self._parts.queues:
            queue.abandon()
        left = self._lost() - before
        if left:
            logger.warning(
                "%d spans, log records and metric exports were not delivered: nothing took them at %s within %g s",
                left,
                masked("endpoint", self.settings.exporters.otlp.endpoint),
                timeout_s,
            )

    def _lost(self) -> int:
        exporter = self._parts.exporter
        return sum(queue.lost for queue in self._parts.queues) + (0 if exporter is None else exporter.lost)

    def _close_queues(self) -> None:
        if self._parts.sampler is not None:
            self._parts.sampler.shutdown()
        for queue in self._parts.queues:
            queue.begin_close()
        for queue in self._parts.queues:
            queue.close(self._left())
        self._queues_closed.set()

    def _close_reader(self) -> None:
        # Last, so that it reports what the others lost; with time of its own where they need theirs.
        self._queues_closed.wait(self._left() * QUEUES_SHARE)
        reader: Any = self._parts.reader
        reader.shutdown()

    def _left(self) -> float:
        return max(0.0, self._deadline - monotonic())

    def detach(self) -> None:
        """Shut down and give the root logger back; for tests and for a process that goes on without telemetry."""
        self.shutdown()
        if self.log_handler is not None:
            self._parts.give_back_log()
            self.log_handler = None


@dataclass(slots=True)
class _Parts:
    """What is on the providers; each is flushed, closed and, when it hangs, aborted."""

    queues: list[ExportQueue[Any]] = field(default_factory=list[ExportQueue[Any]])
    sampler: "TailSampler | None" = None
    reader: PeriodicExportingMetricReader | None = None
    exporter: OtlpMetricExporter | None = None
    pull: PrometheusReader | None = None
    log_handler: RunLogHandler | None = None
    give_back_log: Callable[[], None] = lambda: None


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
            parts,
            signals,
            metrics.lost,
            pull=pull and settings.metrics.enabled and settings.metrics.prometheus_enabled,
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
        processor = BoundedSpanProcessor(span_delivery(*_open("traces")), on_drop)
        provider.add_span_processor(processor)
        parts.queues.append(processor.queue)
        if settings.sampling.keep:
            from ael_otel.sdk.tail_sampling import TailSampler

            parts.sampler = TailSampler(
                processor.on_end, settings.sampling.keep, settings.sampling.slow_over, on_drop
            )
            provider.add_span_processor(parts.sampler)


def _export_logs(parts: _Parts, signals: frozenset[str], on_drop: DropCounter) -> None:
    provider = get_logger_provider()
    if "logs" in signals and isinstance(provider, LoggerProvider):
        processor = BoundedLogProcessor(log_delivery(*_open("logs")), on_drop)
        provider.add_log_record_processor(processor)
        parts.queues.append(processor.queue)


def _export_metrics(parts: _Parts, signals: frozenset[str], on_drop: DropCounter, *, pull: bool) -> None:
    provider = get_meter_provider()
    if not isinstance(provider, MeterProvider):
        return
    if "metrics" in signals:
        target = Target.of("metrics")
        parts.exporter = OtlpMetricExporter(target.open(), on_drop, target.timeout_s)
        parts.reader = PeriodicExportingMetricReader(parts.exporter)
        _add_reader(provider, parts.reader)
    if pull:
        parts.pull = PrometheusReader()
        _add_reader(provider, parts.pull.reader)


def _open(signal: Signal) -> tuple[Transport, float]:
    """Return the connection of a signal and how long a batch is offered to it."""
    target = Target.of(signal)
    return target.open(), PATIENCE_SECONDS if target.timeout_s is None else target.timeout_s


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
    parts.give_back_log = install(parts.log_handler, level)


def _add_reader(provider: MeterProvider, reader: object) -> None:
    add = getattr(provider, "add_metric_reader", None)
    if add is None:
        logger.error(
            "this opentelemetry-sdk cannot take another metric reader: metrics are not exported; install a newer one"
        )
        return
    add(reader)
