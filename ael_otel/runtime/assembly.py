"""Telemetry of one process, put together: pipeline, instrumentation, store and admin server."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

from prometheus_client import REGISTRY

from ael_otel.admin import AdminServer, LiveSchema
from ael_otel.config import Settings
from ael_otel.config.settings import MEBIBYTE
from ael_otel.core.faults import fault_barrier, logger
from ael_otel.core.redaction import content_on_spans
from ael_otel.errors import AelOtelError
from ael_otel.instrument.active import Active
from ael_otel.lifecycle.recorder import redacted
from ael_otel.runtime.last_start import note_start
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.providers import WRAPPER_FOLDER, Pipeline
from ael_otel.store import Capture, TelemetryStore, open_store
from ael_otel.store.background_writer import QueuedStore

STORE_SECONDS: Final = 1.5
"""What the run store gets to write what is left, also when nobody waits for an endpoint."""


class Runtime:
    """The running telemetry of this process; made by `assemble`."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: TelemetryStore | None,
        admin: AdminServer | None,
        *,
        owns_store: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.store = store
        self._owns_store = owns_store
        self._admin = admin

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self.pipeline.settings

    @property
    def metrics_url(self) -> str | None:
        """Where the metrics can be pulled, None when they are not served."""
        return None if self._admin is None else self._admin.url

    @property
    def otlp_reachable(self) -> bool:
        """Whether something answers at the OTLP endpoint."""
        return self.pipeline.otlp_reachable

    def after_fork(self) -> None:
        """Leave the metrics endpoint to the parent: in a forked child no thread answers it."""
        if self._admin is not None:
            self._admin.abandon()
            self._admin = None

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send and write what is queued now; returns whether all of it was taken in time."""
        deadline = monotonic() + timeout_s
        sent = self.pipeline.flush(timeout_s)
        return (self.store is None or self.store.flush(max(0.0, deadline - monotonic()))) and sent

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Stop serving metrics, send and write what is queued, and end: within `timeout_s` seconds and a little grace.

        The default is `telemetry.limits.shutdown_seconds`.
        The run store gets `STORE_SECONDS` at least, less what the last metric export needs: it writes while the
        pipeline waits for its endpoint.
        """
        if os.name == "posix":
            from ael_otel.instrument.server_stderr import finish_reading

            finish_reading()
        store = self.store if self._owns_store else None
        if timeout_s is None:
            timeout_s = self.settings.limits.shutdown_seconds
        deadline = monotonic() + max(timeout_s, STORE_SECONDS)
        if isinstance(store, QueuedStore):
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
    """Put store and metrics endpoint to a pipeline, and have the instrumentation write there.

    Args:
        pipeline: the running pipeline.
        active: the instrumentation in force.
        store: where execution records go; None opens the configured one.
        serve_metrics: answer `GET /metrics` on the configured address.
        ready: what `/readyz` answers.
        shared_port: several processes of one application have this configuration, so a port in use is not a mistake.
    """
    settings = pipeline.settings
    owns_store = store is None and settings.enabled
    if owns_store:
        store = open_store(settings, on_drop=partial(pipeline.metrics.lost, "store"))
    if isinstance(store, QueuedStore):
        pipeline.metrics.watch("store", store)
    if active is not None:
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
    leave_children_alone()
    serves = serve_metrics and pipeline.pull is not None
    admin = _serve(pipeline, ready, shared_port=shared_port) if serves else None
    if owns_store:
        with fault_barrier("note_start"):
            note_start(settings)
    for notice in settings.notices:
        logger.warning("%s", notice)
    return Runtime(pipeline, store, admin, owns_store=owns_store)


def _serve(pipeline: Pipeline, ready: Callable[[], bool], *, shared_port: bool) -> AdminServer | None:
    """Serve the metrics to who asks for them; None, and a line in the log, where the address cannot be used."""
    pull = pipeline.pull
    assert isinstance(pull, PrometheusReader)
    # The engine's own /metrics serves this registry, and its own reader gets nothing: the providers are ours.
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
                "process %d does not serve its metrics on %s:%d: another process does, perhaps of this application; "
                "they still go out by OTLP and by the engine's own GET /metrics",
                os.getpid(),
                metrics.host,
                metrics.port,
            )
        else:
            logger.warning("%s", error)
        return None


def leave_children_alone() -> None:
    """Keep the wrapper out of the sandbox's helper processes: an SDK in each costs 0.2 s and sends nothing."""
    path = os.environ.get("PYTHONPATH")
    if path:
        kept = [part for part in path.split(os.pathsep) if not part.rstrip(os.sep).endswith(WRAPPER_FOLDER)]
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
