"""Build the pipeline: the SDK by its own configurator, then our processors, readers and the log handler."""

import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import urlsplit

from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.metrics import get_meter_provider, set_meter_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import get_tracer_provider, set_tracer_provider

from ael_otel._generated import attributes as attr
from ael_otel.config import Settings
from ael_otel.config.environment import RECORDING_SAMPLER, sdk_disabled
from ael_otel.config.settings import MEBIBYTE, Limits, masked
from ael_otel.core import baggage
from ael_otel.core.faults import logger
from ael_otel.core.metrics import AelMetrics, shared_metrics
from ael_otel.core.telemetry_thread import run_thread, telemetry_thread
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor, DropCounter, queue_items
from ael_otel.sdk.export_queue import ExportQueue
from ael_otel.sdk.logs import RunLogHandler, install
from ael_otel.sdk.otel_variables import otlp_signals, prepare
from ael_otel.sdk.otlp_exporters import OtlpMetricExporter, log_delivery, span_delivery
from ael_otel.sdk.otlp_transport import Signal, Target, Transport
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.sampling import recording_sampler
from ael_otel.sdk.shutdown import ParallelShutdown
from ael_otel.sdk.unknown_names import UnknownNames

if TYPE_CHECKING:
    from ael_otel.sdk.tail_sampling import TailSampler

WRAPPER_FOLDER: Final = "auto_instrumentation"
"""The folder that `opentelemetry-instrument` adds to PYTHONPATH, for its `sitecustomize`."""

PROBE_SECONDS: Final = 0.3
QUEUES_SHARE: Final = 0.6
"""Seconds that the last metric export waits for spans and log records to end, to report their drops."""

LAST_EXPORT_SECONDS: Final = 0.3
"""Seconds reserved for the last metric export after the run store has ended, to report its drops too."""

NOTES_SHARE: Final = 0.4
"""Seconds to format noted log lines before the queues that they go to are closed."""

_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}


class Pipeline:
    """The running pipeline of one process; created by `start`.

    Args:
        settings: the active configuration.
        metrics: the metric sets.
        parts: our parts on the SDK's providers.
    """

    def __init__(self, settings: Settings, metrics: AelMetrics, parts: "_Parts") -> None:
        self.settings = settings
        self.metrics = metrics
        self.pull = parts.pull
        self.log_handler = parts.log_handler
        self._parts = parts
        self._deadline = 0.0
        self._queues_closed = Event()
        self._close_store: Callable[[float], object] | None = None
        closers: list[Callable[[], object]] = [self._close_queues]
        if parts.reader is not None:
            closers.append(self._close_reader)
        aborts: list[Callable[[], object]] = [] if parts.exporter is None else [parts.exporter.abort]
        self._shutdown = ParallelShutdown(closers, aborts)
        self._closed = False
        limits = settings.limits
        for notes in (telemetry_thread(), run_thread()):
            notes.limit(limits.note_items, limits.note_mb * MEBIBYTE)
            metrics.watch("notes", notes)

    @property
    def span_resource(self) -> Resource | None:
        """The resource of the spans that this pipeline exports; None if it exports none."""
        return self._parts.resource

    def export_span(self, span: ReadableSpan) -> None:
        """Queue an ended span that no tracer created: it is redacted, and sampled by its flags."""
        if self._parts.spans is not None:
            self._parts.spans.on_end(span)

    @property
    def otlp_reachable(self) -> bool:
        """Whether the OTLP endpoint accepts a TCP connection within 0.3 s."""
        url = urlsplit(self.settings.exporters.otlp.endpoint)
        address = (url.hostname or "localhost", url.port or (443 if url.scheme == "https" else 4317))
        try:
            with socket.create_connection(address, PROBE_SECONDS):
                return True
        except OSError:
            return False

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what is queued; return whether all of it was accepted within `timeout_s` seconds."""
        deadline = monotonic() + timeout_s
        written = self.write_logs(timeout_s)
        timeout_s = max(0.0, deadline - monotonic())
        before = self._lost()
        flushes: list[Callable[[], object]] = [
            partial(queue.flush, timeout_s) for queue in self._parts.queues
        ]
        if self._parts.reader is not None:
            self._hurry_metrics()
            flushes.append(partial(self._parts.reader.force_flush, timeout_s * 1e3))
        return ParallelShutdown(flushes, []).run(timeout_s) and self._lost() == before and written

    def write_logs(self, timeout_s: float, *, through: bool = False) -> bool:
        """Write the noted log lines and queue their records; return whether `timeout_s` seconds sufficed.

        With `through`, each later line is written before its logging call returns: the process may end without notice.
        """
        handler = self.log_handler
        if handler is None:
            return True
        return handler.write_through(timeout_s) if through else handler.write_noted(timeout_s)

    def shutdown(
        self, timeout_s: float | None = None, *, close_store: Callable[[float], object] | None = None
    ) -> None:
        """Send what is queued and end all signals in parallel, within `timeout_s` seconds.

        The default is `telemetry.limits.shutdown_seconds`.
        Items that cannot be delivered by then are counted as dropped (`shutdown_timeout`). A second call does nothing.
        `close_store` ends the run store within the seconds that it is passed; it is called before the last metric
        export, if there is one and time for both, so that the export reports the store's drops.
        """
        if self._closed:
            return
        self._closed = True
        self._close_store = close_store
        if timeout_s is None:
            timeout_s = self.settings.limits.shutdown_seconds
        grace = self._shutdown.grace_of(timeout_s)
        self._deadline = monotonic() + timeout_s - grace
        if self.log_handler is not None:
            self.log_handler.stop_sending(timeout_s * NOTES_SHARE)
        _say_stopped(self.metrics)
        before = self._lost()
        self._shutdown.run(self._left() + grace)
        for queue in self._parts.queues:
            queue.abandon()
        if self._parts.exporter is not None:
            self._parts.exporter.abandon()
        left = self._lost() - before
        if left:
            logger.warning(
                "%d spans, log records and metric exports were not delivered: not accepted at %s within %g s",
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
        # Last, so that it reports the drops of the others; with reserved time, in case they use all of theirs.
        self._hurry_metrics()
        self._queues_closed.wait(self._left() * QUEUES_SHARE)
        left = self._left() - LAST_EXPORT_SECONDS
        if self._close_store is not None and left > 0:
            self._close_store(left)
        reader: Any = self._parts.reader
        reader.shutdown()

    def _hurry_metrics(self) -> None:
        # An export that waits for a retry since an outage would delay the last one.
        if self._parts.exporter is not None:
            self._parts.exporter.hurry()

    def _left(self) -> float:
        return max(0.0, self._deadline - monotonic())

    def take_over_logs(self, stream: TextIO | None, *, synchronous: bool = False) -> None:
        """Write every record of the process once, to `stream` and by OTLP as the settings say; a second call does
        nothing.

        With `synchronous` a line is written before its logging call returns, as it always is on a terminal.
        """
        settings = self.settings
        if settings.logs.enabled and self.log_handler is None:
            enabled = settings.enabled and not sdk_disabled(os.environ)
            otlp = enabled and settings.logs.output != "stdout"
            _take_over_logs(
                self._parts, settings, stream, self.metrics.lost, otlp=otlp, synchronous=synchronous
            )
            self.log_handler = self._parts.log_handler

    def detach(self) -> None:
        """Shut down and restore the root logger; for tests and for a process that continues without telemetry."""
        self.shutdown()
        if self.log_handler is not None:
            self._parts.give_back_log()
            self.log_handler = None


@dataclass(slots=True)
class _Parts:
    """Our parts on the providers; each is flushed, closed and, if it hangs, aborted."""

    queues: list[ExportQueue[Any]] = field(default_factory=list[ExportQueue[Any]])
    spans: BoundedSpanProcessor | None = None
    resource: Resource | None = None
    sampler: "TailSampler | None" = None
    reader: PeriodicExportingMetricReader | None = None
    exporter: OtlpMetricExporter | None = None
    pull: PrometheusReader | None = None
    log_handler: RunLogHandler | None = None
    give_back_log: Callable[[], None] = lambda: None


def start(
    settings: Settings,
    *,
    log_stream: TextIO | None = None,
    pull: bool = False,
    logs: bool = True,
    synchronous_logs: bool = False,
    instrumentors: bool = True,
    tracer_provider: object | None = None,
    meter_provider: object | None = None,
    metrics: AelMetrics | None = None,
) -> Pipeline:
    """Start telemetry for this process, whether or not `opentelemetry-instrument` has already built the SDK.

    Args:
        settings: the configuration.
        log_stream: stream for log lines; None writes none (they are still sent by OTLP if the settings say so).
        pull: also make the metrics available through `Pipeline.pull`.
        logs: take over the root logger now; else `Pipeline.take_over_logs` does it, or nothing.
        synchronous_logs: write a log line before its logging call returns.
        instrumentors: if no SDK has been built, also load every installed instrumentor.
        tracer_provider: the application's provider; None uses the global one, which is created if there is none.
        meter_provider: the same for metrics.
        metrics: the metric sets; None uses those on the global meter provider.
    """
    enabled = settings.enabled and not sdk_disabled(os.environ)
    providers = _providers(
        settings, tracer_provider, meter_provider, enabled=enabled, instrumentors=instrumentors
    )
    metrics = shared_metrics() if metrics is None else metrics
    metrics.limit(settings.limits)
    parts = _Parts()
    if enabled:
        baggage.install()
        _say_running(metrics)
        if settings.cost.budget:
            metrics.model_budget.bind(currency=settings.cost.budget_currency).add(budget=settings.cost.budget)
        _watch_names(settings, providers.tracer)
        _export_traces(parts, settings, providers, metrics)
        _export_logs(parts, settings, providers, metrics)
        _export_metrics(
            parts,
            providers,
            metrics.lost,
            pull=pull and settings.metrics.enabled and settings.metrics.prometheus_enabled,
        )
    pipeline = Pipeline(settings, metrics, parts)
    if logs:
        pipeline.take_over_logs(log_stream, synchronous=synchronous_logs)
    return pipeline


@dataclass(frozen=True, slots=True)
class _Providers:
    """The providers of this process, and the signals for which we add OTLP exporters."""

    tracer: object
    meter: object
    logger: object
    signals: frozenset[str]


class _Configured:
    by_us = False


def _providers(
    settings: Settings, tracer: object | None, meter: object | None, *, enabled: bool, instrumentors: bool
) -> _Providers:
    """Return the providers; those that neither the application nor `opentelemetry-instrument` has built are built here.

    A provider of the application has its own exporters: ours would send everything twice.
    """
    theirs = {name for name, given in (("traces", tracer), ("metrics", meter)) if given is not None}
    configured = _Configured.by_us or under_wrapper()
    if not configured:
        for name, provider, kind in (
            ("traces", get_tracer_provider(), TracerProvider),
            ("metrics", get_meter_provider(), MeterProvider),
            ("logs", get_logger_provider(), LoggerProvider),
        ):
            if isinstance(provider, kind):
                theirs.add(name)
    if not configured and not theirs:
        prepare(settings, os.environ)
        _initialize_sdk() if instrumentors else _configure_sdk()
        _Configured.by_us = True
    elif not configured and enabled:
        prepare(settings, os.environ)
        _build_missing(theirs, tracer if tracer is not None else get_tracer_provider())
    return _Providers(
        get_tracer_provider() if tracer is None else tracer,
        get_meter_provider() if meter is None else meter,
        get_logger_provider(),
        otlp_signals(os.environ) - theirs,
    )


def under_wrapper() -> bool:
    """Return whether `opentelemetry-instrument` built the SDK of this process before the application started."""
    file = getattr(sys.modules.get("sitecustomize"), "__file__", None) or ""
    return PurePath(file).parent.name == WRAPPER_FOLDER


def _build_missing(theirs: set[str], tracer_provider: object) -> None:
    """Build the missing providers, with the resource of the application's tracer provider."""
    resource = Resource.create()
    given = getattr(tracer_provider, "resource", None)
    if isinstance(given, Resource):
        stated = {
            key: value
            for key, value in given.attributes.items()
            if not (key == attr.SERVICE_NAME and str(value).startswith("unknown_service"))
        }
        resource = resource.merge(Resource(stated))
    if "traces" not in theirs:
        sampler = recording_sampler(os.environ.get("OTEL_TRACES_SAMPLER_ARG")) if _records_all() else None
        set_tracer_provider(TracerProvider(sampler, resource, shutdown_on_exit=False))
    if "metrics" not in theirs:
        set_meter_provider(MeterProvider(resource=resource, shutdown_on_exit=False))
    if "logs" not in theirs:
        set_logger_provider(LoggerProvider(resource, shutdown_on_exit=False))


def _records_all() -> bool:
    return os.environ.get("OTEL_TRACES_SAMPLER") == RECORDING_SAMPLER


def _say_running(metrics: AelMetrics) -> None:
    row = metrics.process.bind()
    row.add(running=1 - row.running)


def _say_stopped(metrics: AelMetrics) -> None:
    # Before the final export, so that a clean exit differs from a kill. Set to 0, not decremented by 1: a forked child
    # starts at 0 and never reported that it runs.
    row = metrics.process.bind()
    row.add(running=-row.running)


def _watch_names(settings: Settings, provider: object) -> None:
    if settings.admin.live_schema and isinstance(provider, TracerProvider):
        provider.add_span_processor(UnknownNames())


def _export_traces(parts: _Parts, settings: Settings, providers: _Providers, metrics: AelMetrics) -> None:
    provider = providers.tracer
    if "traces" in providers.signals and isinstance(provider, TracerProvider):
        limits = settings.limits
        processor = BoundedSpanProcessor(
            span_delivery(*_open("traces", limits)),
            metrics.lost,
            queue_items("OTEL_BSP_MAX_QUEUE_SIZE", limits.export_items),
            limits.export_mb * MEBIBYTE,
        )
        provider.add_span_processor(processor)
        parts.spans, parts.resource = processor, provider.resource
        parts.queues.append(processor.queue)
        metrics.watch("traces", processor.queue)
        if settings.sampling.keep:
            from ael_otel.sdk.tail_sampling import TailSampler

            parts.sampler = TailSampler(
                processor.on_end,
                settings.sampling.keep,
                settings.sampling.slow_over,
                metrics.lost,
                max_traces=limits.keep_traces,
                max_spans=limits.keep_spans_per_trace,
                max_total=limits.keep_spans,
                max_bytes=limits.keep_mb * MEBIBYTE,
                max_age=limits.keep_seconds,
            )
            provider.add_span_processor(parts.sampler)
            metrics.watch("keep", parts.sampler)


def _export_logs(parts: _Parts, settings: Settings, providers: _Providers, metrics: AelMetrics) -> None:
    provider = providers.logger
    if "logs" in providers.signals and isinstance(provider, LoggerProvider):
        limits = settings.limits
        processor = BoundedLogProcessor(
            log_delivery(*_open("logs", limits)),
            metrics.lost,
            queue_items("OTEL_BLRP_MAX_QUEUE_SIZE", limits.export_items),
            limits.export_mb * MEBIBYTE,
        )
        provider.add_log_record_processor(processor)
        parts.queues.append(processor.queue)
        metrics.watch("logs", processor.queue)


def _export_metrics(parts: _Parts, providers: _Providers, on_drop: DropCounter, *, pull: bool) -> None:
    provider = providers.meter
    if not isinstance(provider, MeterProvider):
        return
    if "metrics" in providers.signals:
        target = Target.of("metrics")
        parts.exporter = OtlpMetricExporter(target.open(), on_drop, target.timeout_s)
        parts.reader = PeriodicExportingMetricReader(parts.exporter)
        _add_reader(provider, parts.reader)
    if pull:
        parts.pull = PrometheusReader()
        _add_reader(provider, parts.pull.reader)


def _open(signal: Signal, limits: Limits) -> tuple[Transport, float, int]:
    """Return the transport of a signal, the seconds a batch is retried, and the maximum bytes of a request."""
    target = Target.of(signal)
    patience = limits.export_seconds if target.timeout_s is None else target.timeout_s
    return target.open(), patience, limits.request_mb * MEBIBYTE


def _initialize_sdk() -> None:
    # The same path as under opentelemetry-instrument, so that both give the same telemetry: distro, configurator, and
    # every installed instrumentor.
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()


def _configure_sdk() -> None:
    # The SDK's configurator alone: the application decides which other libraries are instrumented.
    from opentelemetry.distro import OpenTelemetryConfigurator, OpenTelemetryDistro

    for each in (OpenTelemetryDistro, OpenTelemetryConfigurator):
        made: Any = each()
        made.configure()


def _take_over_logs(
    parts: _Parts,
    settings: Settings,
    stream: TextIO | None,
    on_drop: DropCounter,
    *,
    otlp: bool,
    synchronous: bool,
) -> None:
    level = _LEVELS.get(settings.logs.level, logging.INFO)
    parts.log_handler = RunLogHandler(
        stream=stream if settings.logs.output != "otlp" else None,
        provider=get_logger_provider() if otlp else None,
        as_json=settings.logs.format == "json",
        level=level,
        on_drop=on_drop,
        max_chars=settings.limits.log_chars,
        synchronous=synchronous or None,
    )
    parts.give_back_log = install(parts.log_handler, level)


def _add_reader(provider: MeterProvider, reader: object) -> None:
    add = getattr(provider, "add_metric_reader", None)
    if add is None:
        logger.error(
            "this opentelemetry-sdk accepts only one metric reader: metrics are not exported; install a newer one"
        )
        return
    add(reader)
