"""Put the telemetry of one process together: pipeline, instrumentation, store and admin server."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from prometheus_client import REGISTRY

from ael_otel.admin import AdminServer, LiveSchema
from ael_otel.config import Settings
from ael_otel.config.settings import MEBIBYTE
from ael_otel.core.faults import fault_barrier, logger
from ael_otel.core.redaction import content_on_spans
from ael_otel.cost import close as close_prices
from ael_otel.cost import install as install_prices
from ael_otel.errors import AelOtelError
from ael_otel.instrument.active import Active
from ael_otel.instrument.clients import clients
from ael_otel.lifecycle.recorder import GENAI_OPT_IN, SEMCONV_OPT_IN, redacted
from ael_otel.runtime.last_start import note_start
from ael_otel.runtime.session_spans import SessionSpans
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.providers import WRAPPER_FOLDER, Pipeline
from ael_otel.sessions.counted import CountedTable
from ael_otel.sessions.live import Intake, LateTable, intake, set_intake
from ael_otel.sessions.session import Limits
from ael_otel.sessions.table import SessionTable
from ael_otel.store import Capture, TelemetryStore, open_store
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.factory import open_database

if TYPE_CHECKING:
    from ael_otel.attribution.engine_snapshots import EngineSnapshots

STORE_SECONDS: Final = 1.5
"""Minimum seconds for the run store to write its queue, even if no endpoint is waited for."""

PRICES_SHARE: Final = 0.25
"""Share of the run store's time for loading the price table; without it, model calls have no price."""

SESSIONS_SECONDS: Final = 0.5
"""Maximum seconds to store the events of sessions, before the rest of telemetry ends."""

LINES_SECONDS: Final = 0.8
"""Maximum seconds to attribute the lines of the last calls; the next process attributes the rest."""


class Runtime:
    """The running telemetry of this process; created by `assemble`."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: TelemetryStore | None,
        admin: AdminServer | None,
        *,
        owns_store: bool = False,
        snapshots: "EngineSnapshots | None" = None,
    ) -> None:
        self.pipeline = pipeline
        self._snapshots = snapshots
        self.store = store
        self._owns_store = owns_store
        self._admin = admin

    @property
    def settings(self) -> Settings:
        """The active configuration."""
        return self.pipeline.settings

    @property
    def metrics_url(self) -> str | None:
        """The URL of the metrics; None if they are not served."""
        return None if self._admin is None else self._admin.url

    @property
    def otlp_reachable(self) -> bool:
        """Whether something answers at the OTLP endpoint."""
        return self.pipeline.otlp_reachable

    def after_fork(self) -> None:
        """Leave the metrics endpoint to the parent: a forked child has no thread that serves it."""
        if self._admin is not None:
            self._admin.abandon()
            self._admin = None

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send and write what is queued; return whether all of it was accepted within `timeout_s` seconds."""
        deadline = monotonic() + timeout_s
        if self._snapshots is not None:
            self._snapshots.flush(timeout_s)
        sent = self.pipeline.flush(max(0.0, deadline - monotonic()))
        return (self.store is None or self.store.flush(max(0.0, deadline - monotonic()))) and sent

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Stop serving metrics, send and write what is queued, and end, within `timeout_s` seconds.

        The default is `telemetry.limits.shutdown_seconds`.
        The run store gets at least `STORE_SECONDS`, less the time of the last metric export: it writes while the
        pipeline waits for its endpoint.
        """
        if os.name == "posix":
            from ael_otel.instrument.server_stderr import finish_reading

            finish_reading()
        store = self.store if self._owns_store else None
        with fault_barrier("shutdown.clients"):
            clients.close_all("shutdown")
        if timeout_s is None:
            timeout_s = self.settings.limits.shutdown_seconds
        deadline = monotonic() + max(timeout_s, STORE_SECONDS)
        kept = intake()
        if kept is not None:
            set_intake(None)
            kept.close(min(SESSIONS_SECONDS, timeout_s))
        if self._snapshots is not None:
            self._snapshots.close(min(LINES_SECONDS, timeout_s))
        if isinstance(store, QueuedStore):
            close_prices((deadline - monotonic()) * PRICES_SHARE)
            store.begin_close(deadline - monotonic())
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        if self.pipeline.pull is not None:
            with suppress(KeyError):
                REGISTRY.unregister(self.pipeline.pull)
        self.pipeline.shutdown(timeout_s, close_store=None if store is None else store.close)
        if store is not None:
            store.close(max(0.0, deadline - monotonic()))


def assemble(
    pipeline: Pipeline,
    active: Active | None,
    *,
    store: TelemetryStore | None = None,
    serve_metrics: bool = False,
    ready: Callable[[], bool] = lambda: True,
    shared_port: bool = False,
) -> Runtime:
    """Return the runtime of a pipeline: with a store and a metrics endpoint, and the instrumentation connected to them.

    Args:
        pipeline: the running pipeline.
        active: the active instrumentation.
        store: where runs are recorded; None opens the configured store.
        serve_metrics: answer `GET /metrics` on the configured address.
        ready: the answer of `/readyz`.
        shared_port: several processes of one application have this configuration, so a port in use is not a mistake.
    """
    settings = pipeline.settings
    owns_store = store is None and settings.enabled
    if owns_store:
        store = open_store(settings, on_drop=partial(pipeline.metrics.lost, "store"))
    if settings.enabled:
        install_prices(settings)
    if isinstance(store, QueuedStore):
        pipeline.metrics.watch("store", store)
    if owns_store:
        # Without a run store, sessions are only watched for idle time, which hooks are called for.
        table = LateTable(partial(_session_table, pipeline)) if isinstance(store, QueuedStore) else None
        set_intake(Intake(table, partial(pipeline.metrics.lost, "sessions"), settings.sessions.idle_seconds))
    snapshots = None
    if active is not None:
        active.recorder.watch = None
        if owns_store and settings.attribution.enabled and settings.attribution.roots:
            from ael_otel.runtime.engine_attribution import watch_calls

            if (watch := watch_calls(settings, pipeline.metrics)) is not None:
                active.recorder.watch, snapshots = watch, watch.snapshots
        active.recorder.store = store
        limit, redaction = settings.redaction.max_result_size, settings.redaction
        active.recorder.capture_input = Capture(limit, blank=redaction.redact_inputs, redact=redacted)
        active.recorder.capture_output = Capture(limit, blank=redaction.redact_outputs, redact=redacted)
        active.recorder.max_run_bytes = settings.limits.run_mb * MEBIBYTE
        active.recorder.max_run_calls = settings.limits.run_calls
        active.recorder.spans_carry_content = settings.enabled and content_on_spans()
        active.recorder.mcp_spans = settings.traces.mcp_spans
        active.native_spans = settings.engine.native_spans
        active.native_store = settings.engine.telemetry_store
        active.issues_session_ids = settings.sessions.issue_ids
    leave_children_alone()
    serves = serve_metrics and pipeline.pull is not None
    admin = _serve(pipeline, ready, shared_port=shared_port) if serves else None
    if owns_store:
        with fault_barrier("note_start"):
            note_start(settings)
    for notice in settings.notices:
        logger.warning("%s", notice)
    return Runtime(pipeline, store, admin, owns_store=owns_store, snapshots=snapshots)


def _session_table(pipeline: Pipeline) -> CountedTable:
    """Open the sessions in the configured run store, on a separate connection; export each part that ends."""
    settings = pipeline.settings
    limits = Limits.of(settings)
    table = SessionTable(open_database(settings), limits, exports=False, counts=False)
    resource = pipeline.span_resource
    if resource is not None:
        genai = GENAI_OPT_IN in os.environ.get(SEMCONV_OPT_IN, "")
        table.on_ended = SessionSpans(pipeline.export_span, resource, genai=genai).ended
    return CountedTable(table, pipeline.metrics, partial(pipeline.metrics.lost, "sessions"))


def _serve(pipeline: Pipeline, ready: Callable[[], bool], *, shared_port: bool) -> AdminServer | None:
    """Serve the metrics; if the address cannot be used, log one line and return None."""
    pull = pipeline.pull
    assert isinstance(pull, PrometheusReader)
    # The engine's own /metrics serves this registry, but its reader gets no data: the providers are ours.
    REGISTRY.register(pull)
    metrics, admin = pipeline.settings.metrics, pipeline.settings.admin
    try:
        return AdminServer(
            pull,
            host=metrics.host,
            port=metrics.port,
            path=metrics.endpoint,
            ready=ready,
            live_schema=LiveSchema(pipeline.metrics, pull, token=admin.token) if admin.live_schema else None,
        )
    except AelOtelError as error:
        cause = error.__cause__
        if shared_port and isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            logger.warning(
                "process %d does not serve its metrics on %s:%d: another process, perhaps of this application, uses "
                "the port; they still go out by OTLP and by the engine's own GET /metrics",
                os.getpid(),
                metrics.host,
                metrics.port,
            )
        else:
            logger.warning("%s", error)
        return None


def leave_children_alone() -> None:
    """Disable `opentelemetry-instrument` in the sandbox's helper processes: each SDK costs 0.2 s and sends nothing."""
    path = os.environ.get("PYTHONPATH")
    if path:
        kept = [part for part in path.split(os.pathsep) if not part.rstrip(os.sep).endswith(WRAPPER_FOLDER)]
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
