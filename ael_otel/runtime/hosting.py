"""Telemetry of an application that hosts the engine: prepared by the instrumentor, started when an engine opens.

Telemetry starts late because many processes load the instrumentor and few run the engine: the supervisor of `uvicorn
--workers`, tool servers and sandboxes must neither open the run store nor take the port of the metrics endpoint.
"""

import atexit
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from ael_otel.config import Settings, load_settings
from ael_otel.config.command_line import command_config
from ael_otel.config.environment import sdk_disabled
from ael_otel.config.file import PATH_VARIABLES, named_config
from ael_otel.core.faults import fault_barrier, logger
from ael_otel.core.metrics import AelMetrics
from ael_otel.errors import AelOtelError, ConfigError
from ael_otel.instrument.active import Active, activate, current
from ael_otel.instrument.instrumentation import leave_engine_alone
from ael_otel.lifecycle import Recorder
from ael_otel.sessions import hooks
from ael_otel.sessions.live import intake

if TYPE_CHECKING:
    from ael_otel.runtime.assembly import Runtime
    from ael_otel.sdk.providers import Pipeline
    from ael_otel.store import TelemetryStore

EXIT_SECONDS: Final = 1.8
"""Maximum duration of shutdown at process exit; with the interpreter's own exit that stays below 2 s."""

NO_COLLECTOR_SECONDS: Final = 0.1
"""Seconds to wait for an endpoint that does not answer: waiting longer would change nothing."""

LOGS_SECONDS: Final = 0.5
"""Share of `EXIT_SECONDS` for formatting noted log lines; the store gets the rest, and OTLP what then remains."""

NOT_KEPT: Final = (
    "runs are not recorded and metrics are not served: no configuration is named; set "
    f"{PATH_VARIABLES[0]} (or {PATH_VARIABLES[1]}) to the engine's configuration file, "
    "or pass config= to AelInstrumentor().instrument()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """Choices of the application; None uses the configuration."""

    config: Settings | Path | str | None = None
    store: "TelemetryStore | None" = None
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    serve_metrics: bool = True
    logs: bool = True
    mcp_spans: str | None = None
    native_spans: bool | None = None
    native_store: bool | None = None


class Hosting:
    """The telemetry of this process as host of an engine, or of runs that the application records itself.

    Args:
        options: choices of the application.
        pipeline: the pipeline, if `opentelemetry-instrument` has built one in this process already.
    """

    def __init__(self, options: HostOptions, pipeline: "Pipeline | None" = None) -> None:
        self.options = options
        self.pipeline = pipeline
        self.runtime: Runtime | None = None
        self.begun = False
        self._lock = RLock()
        self._folder = Path.cwd()
        self._exit_by: float | None = None
        recorder = Recorder(
            tracer_provider=options.tracer_provider,
            metrics=None if options.meter_provider is None else AelMetrics(options.meter_provider),
            store=options.store,
        )
        self.active = Active(recorder, on_open=self.begin, on_server_stop=self.server_stopped)
        self._apply_options()

    def _apply_options(self) -> None:
        options, active = self.options, self.active
        if options.mcp_spans is not None:
            active.recorder.mcp_spans = options.mcp_spans
        if options.native_spans is not None:
            active.native_spans = options.native_spans
        if options.native_store is not None:
            active.native_store = options.native_store

    def settings(self) -> Settings | None:
        """Return the configuration, or None if none is named.

        It is named by the argument, else by `-c` on the command line, else by the variables in `PATH_VARIABLES`.

        Raises:
            ConfigError: the file that is named does not exist or is wrong.
        """
        config = self.options.config
        if isinstance(config, Settings):
            return config
        if config is not None:
            config = self._folder / config
        path = named_config(config if config is not None else command_config(sys.orig_argv[1:]))
        return None if path is None else load_settings(path)

    def begin(self) -> None:
        """Start what the configuration enables, on the first call; log one line if runs are not stored, and why."""
        with self._lock:
            if self.begun:
                return
            self.begun = True
            try:
                settings = self.settings()
            except AelOtelError as error:
                _say(f"runs are not recorded and metrics are not served: {error}")
                return
            if settings is not None:
                self._start(settings)
            elif self.options.store is None:
                _say(NOT_KEPT)

    def begin_now(self) -> None:
        """Start at once; if no configuration is named but a store is passed, start with the defaults.

        Raises:
            ConfigError: no configuration is named, or the one that is named is wrong.
        """
        with self._lock:
            settings = self.settings()
            if settings is None and self.options.store is not None:
                from ael_otel.config import with_environment

                settings = with_environment(Settings(), os.environ)
            if settings is None:
                raise ConfigError(
                    f"no configuration is named: pass one, or set {PATH_VARIABLES[0]} (or {PATH_VARIABLES[1]})"
                )
            self.begun = True
            self._start(settings)

    def open_pipeline(self) -> None:
        """Send spans, metrics and logs from now on, in a process that `opentelemetry-instrument` has prepared for this.

        Such a process has no exporters of the SDK, whether or not an engine opens in it.
        """
        with self._lock:
            try:
                settings = self.settings()
            except AelOtelError:
                return  # reported when an engine opens
            if settings is not None and self.pipeline is None:
                self._build(settings)

    def _build(self, settings: Settings) -> "Pipeline":
        from ael_otel.core.redaction import ActiveRedaction, DisabledRedaction, set_active_redaction
        from ael_otel.sdk.otel_variables import settle
        from ael_otel.sdk.providers import start

        options = self.options
        metrics = None if options.meter_provider is None else self.active.recorder.metrics
        redaction = ActiveRedaction(settings, metrics) if settings.enabled else DisabledRedaction(settings)
        set_active_redaction(redaction)
        self.pipeline = start(
            settings,
            pull=options.serve_metrics,
            logs=False,
            instrumentors=False,
            tracer_provider=options.tracer_provider,
            meter_provider=options.meter_provider,
            metrics=metrics,
        )
        settle(os.environ)
        atexit.register(self.close)
        return self.pipeline

    def _start(self, settings: Settings) -> None:
        from ael_otel.runtime.assembly import assemble

        pipeline = self._build(settings) if self.pipeline is None else self.pipeline
        enabled = settings.enabled and not sdk_disabled(os.environ)
        if not enabled:
            leave_engine_alone()
        # With telemetry disabled the engine prints its lines itself: our handler would print each a second time.
        if self.options.logs and enabled:
            pipeline.take_over_logs(sys.stdout)
        self.runtime = assemble(
            pipeline,
            self.active,
            store=self.options.store,
            serve_metrics=self.options.serve_metrics,
            shared_port=True,
        )
        self._apply_options()
        if enabled and _exporters_came_first():
            # If our handler writes the log, it prints this line too.
            say = logger.warning if pipeline.log_handler is not None else _say
            say(_other_exporters(settings, self.options))

    def server_stopped(self) -> None:
        """Write and send what is queued: the process may end at once, by the default action of a signal."""
        with fault_barrier("server_stopped"):
            runtime = self.runtime
            if runtime is None:
                return
            limits = runtime.pipeline.settings.limits
            self._exit_by = monotonic() + max(EXIT_SECONDS, limits.shutdown_seconds)
            runtime.pipeline.write_logs(LOGS_SECONDS, through=True)
            if runtime.store is not None and not runtime.store.flush(self._left()):
                logger.warning(
                    "the run store did not write all runs before the server ended: the most recent ones may be missing;"
                    " telemetry.limits.shutdown_seconds allows more time"
                )
            if runtime.otlp_reachable:
                runtime.pipeline.flush(max(NO_COLLECTOR_SECONDS, self._left()))

    def _left(self) -> float:
        return 0.0 if self._exit_by is None else max(0.0, self._exit_by - monotonic())

    def flush(self, timeout_s: float) -> bool:
        """Write and send what is queued; return whether all of it was accepted within `timeout_s` seconds."""
        runtime = self.runtime
        return True if runtime is None else runtime.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """End telemetry within `timeout_s` seconds; the default is the time allowed at process exit."""
        with fault_barrier("hosting.close"):
            pipeline, runtime = self.pipeline, self.runtime
            if pipeline is None:
                return
            if timeout_s is None:
                most = pipeline.settings.limits.shutdown_seconds
                left = most if self._exit_by is None else min(most, self._exit_by - monotonic())
                timeout_s = max(NO_COLLECTOR_SECONDS, left)
                if not pipeline.otlp_reachable:
                    timeout_s = NO_COLLECTOR_SECONDS
            if runtime is None:
                pipeline.shutdown(timeout_s)
            else:
                runtime.shutdown(timeout_s)
        atexit.unregister(self.close)


def _exporters_came_first() -> bool:
    """Return whether `opentelemetry-instrument` created its exporters before the configuration was named."""
    from ael_otel.sdk.otel_variables import SIGNALS_VARIABLE
    from ael_otel.sdk.providers import under_wrapper

    return SIGNALS_VARIABLE not in os.environ and under_wrapper()


def _other_exporters(settings: Settings, options: HostOptions) -> str:
    """Return the warning that a configuration came too late for the exporters of `opentelemetry-instrument`."""
    passed = {"traces": options.tracer_provider, "metrics": options.meter_provider, "logs": None}
    signals = [signal for signal, provider in passed.items() if provider is None]
    remedy = "set these variables"
    if settings.path is not None:
        remedy = f"set {PATH_VARIABLES[0]}={settings.path} before the start, or these variables"
    return (
        f"{settings.path or 'the configuration that was passed'} has no effect on exporters and sampling: "
        f"opentelemetry-instrument made them before the application named it, so {' and '.join(signals)} go where the "
        f"OTEL_* variables say (OTEL_EXPORTER_OTLP_ENDPOINT, else localhost); {remedy}; runs are kept as it says"
    )


def _say(line: str) -> None:
    """Log one warning; print it too if only an exporter handles the log."""
    logger.warning("%s", line)
    handlers: list[logging.Handler] = []
    at: logging.Logger | None = logger
    while at is not None:
        handlers += at.handlers
        at = at.parent if at.propagate else None
    if handlers and not any(isinstance(each, logging.StreamHandler) for each in handlers):
        print(line, file=sys.stderr)  # noqa: T201 - see above


class _State:
    host: Hosting | None = None
    lock = RLock()


def prepare(options: HostOptions) -> Hosting:
    """Prepare this process as a host; a second call replaces the options as long as no engine has opened."""
    with _State.lock:
        host = _State.host
        if host is not None and host.begun:
            if options != host.options and options != HostOptions():
                logger.warning(
                    "telemetry has started already: the arguments of this instrument() call have no effect"
                )
            return host
        if host is not None:
            atexit.unregister(host.close)
        _State.host = host = Hosting(options, None if host is None else host.pipeline)
        if host.pipeline is not None:
            atexit.register(host.close)
        return host


def hand_over() -> "Pipeline | None":
    """Leave this process to an `ael` command; return the pipeline if there is one already."""
    with _State.lock:
        host, _State.host = _State.host, None
        if host is None:
            return None
        host.active.on_open = host.active.on_server_stop = None
        atexit.unregister(host.close)
        return host.pipeline


def drop() -> None:
    """Remove a host that has started nothing, since its instrumentation is being undone."""
    with _State.lock:
        if _State.host is not None and _State.host.runtime is None and _State.host.pipeline is None:
            _State.host = None


def configure(
    config: Settings | Path | str | None = None,
    *,
    store: "TelemetryStore | None" = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    serve_metrics: bool = True,
    logs: bool = True,
) -> None:
    """Start telemetry in this process now, for runs that the application records itself.

    An application that hosts the engine uses `AelInstrumentor` instead, which starts the same when an engine opens.
    Call this once, in the process that runs the work, before the first `execution`.

        >>> import ael_otel
        >>> ael_otel.configure("ael-config.yaml")
        >>> with ael_otel.execution("nightly-report", inputs={"day": "monday"}) as run:
        ...     run.finished({"pages": 3})
        >>> ael_otel.flush()
        True

    Args:
        config: settings or the path of a configuration file; None takes the file that `-c` on the command line names,
            else OTEL_PYTHON_AEL_CONFIG, AEL_CONFIG_PATH or PLOSTON_CONFIG_PATH.
        store: where runs are kept; None opens the store that the configuration names.
        tracer_provider: where spans go; None takes the global one, which is made from the configuration if the
            application has made none.
        meter_provider: the same for metrics.
        serve_metrics: answer `GET /metrics` on `telemetry.metrics.port`; where another process has that port, one line
            in the log says so.
        logs: write each record of the process's log once, as JSON on stdout and by OTLP, as `telemetry.logs` says;
            False leaves logging as it is.

    Raises:
        ConfigError: no configuration is named, or the one that is named is wrong.
        AelOtelError: telemetry has started already.
    """
    options = HostOptions(
        config=config,
        store=store,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        serve_metrics=serve_metrics,
        logs=logs,
    )
    with _State.lock:
        host = _State.host
        if host is not None and host.begun:
            raise AelOtelError(
                "telemetry has started already in this process: configure() comes first, and once"
            )
        host = prepare(options)
        activate(host.active)
        host.begin_now()


def flush(timeout_s: float = 5.0) -> bool:
    """Write and send what is queued; return whether all of it was accepted within `timeout_s` seconds.

    Telemetry is written in the background and once more when the process exits. Call this only if a reader is in the
    same process, or if the process exits without running exit handlers.

        >>> import ael_otel
        >>> ael_otel.flush(timeout_s=1.0)
        True
    """
    deadline = monotonic() + timeout_s
    called = hooks.flush(timeout_s)
    kept = intake()
    stored = kept is None or kept.flush(max(0.0, deadline - monotonic()))
    host = _State.host
    sent = host is None or host.flush(max(0.0, deadline - monotonic()))
    return called and stored and sent


def shutdown(timeout_s: float = 1.5) -> None:
    """Write and send what is queued and end telemetry permanently, within `timeout_s` seconds.

    This happens by itself when the process exits.

        >>> import ael_otel
        >>> ael_otel.shutdown(timeout_s=1.0)
    """
    host = _State.host
    if host is not None:
        host.close(timeout_s)


def recorder() -> Recorder:
    """Return the recorder of this process; telemetry is started if it has not been."""
    active = current()
    if active is None:
        active = prepare(HostOptions()).active
        activate(active)
    if active.on_open is not None:
        with fault_barrier("recorder"):
            active.on_open()
    return active.recorder


def _after_fork_in_child() -> None:
    host = _State.host
    if host is not None and host.runtime is not None:
        with fault_barrier("after_fork"):
            host.runtime.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def is_command_of_ours(command: list[str] | None = None) -> bool:
    """Return whether this process is an `ael` command, which starts its own telemetry."""
    words: list[Any] = list(sys.orig_argv if command is None else command)[:4]
    return any(Path(word).name == "ael" or word == "ael_otel.cli" for word in words)
