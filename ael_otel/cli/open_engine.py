"""Open the engine with its telemetry for the duration of one verb."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TextIO
from urllib.parse import urlsplit

import click
from msgspec.structs import replace

from ael_otel.cli import garbage, preflight
from ael_otel.cli.render import text as words
from ael_otel.cli.streams import nowhere, stdout_to_stderr
from ael_otel.config import Settings, find_config, read_document, settings_from_document
from ael_otel.errors import WorkflowNotFoundError
from ael_otel.instrument.engine import (
    RunOutcome,
    disconnected_servers,
    open_application,
    refuse_without_engine,
    run_workflow,
)
from ael_otel.runtime import Runtime, start
from ael_otel.sessions.callers import called_by_command
from ael_otel.store import ExecutionRecord, StoreError, refuse_unusable, skipped_folder

NO_COLLECTOR_FLUSH_S: Final = 0.1
"""Seconds to flush if nothing answers at the endpoint: waiting longer would change nothing."""

CLOSE_S: Final = 5.0
"""Seconds that the tool servers have to stop."""

_NOTHING: Final = nullcontext()
_NOT_BY_EXPORT: Final = frozenset(
    {"cardinality", "keep_expired", "keep_full", "rate_limit", "redaction_error"}
)
"""Drop reasons of items that were delivered in another form, or were not meant to be sent unchanged."""
_DEFAULT_ENDPOINTS: Final = ("localhost:4317", "localhost:4318")


@dataclass(frozen=True, slots=True)
class Destination:
    """The OTLP endpoint as host and port, whether export is enabled, and whether something answers there."""

    endpoint: str
    enabled: bool
    reachable: bool
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Number of items that were not delivered, by signal and reason."""

    @property
    def is_default(self) -> bool:
        """Whether the endpoint is that of the Compose stack (`make up`), by gRPC or HTTP."""
        return self.endpoint in _DEFAULT_ENDPOINTS


def host_and_port(url: str) -> str:
    """Return `host:port` of a URL, with the default port of its scheme if it has none, and without a password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or (443 if parts.scheme == 'https' else 4317)}"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The telemetry of one verb: its runtime, its store, its destination."""

    runtime: Runtime
    dropped_before: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def record(self, execution_id: str) -> ExecutionRecord | None:
        """Return the record of a run that has ended; None if its end is not stored, for whatever reason."""
        store = self.runtime.store
        try:
            found = None if store is None else store.get(execution_id)
        except StoreError:
            return None  # the log contains the reason, and the run itself succeeded
        return None if found is None or found.status in ("pending", "running") else found

    @property
    def keeps(self) -> bool:
        """Whether runs are to be stored."""
        return self.runtime.store is not None

    def why_not_kept(self, execution_id: str) -> str:
        """Return why the end of a run is not stored."""
        store = self.runtime.store
        trouble = getattr(store, "trouble", None)  # set by a store that is written in the background
        if trouble is not None:
            return str(trouble)
        try:
            assert store is not None
            store.get(execution_id)
        except StoreError as error:
            return str(error)
        return "it was not written in time"

    @property
    def kept_in(self) -> str | None:
        """Where the runs are stored for `ael trace`: a file, relative to here, or a database; None if nowhere."""
        store = self.runtime.store
        if store is None or self.runtime.settings.store.backend == "memory":
            return None
        try:
            location = store.info().location
        except StoreError:
            return None
        path = Path(location)
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else location

    @property
    def destination(self) -> Destination:
        """Where telemetry is sent; this connects to the endpoint, for 0.3 s at most.

        The counts of drops are complete once telemetry has ended.
        """
        settings = self.runtime.settings
        enabled = settings.enabled and settings.exporters.otlp.enabled
        endpoint = host_and_port(settings.exporters.otlp.endpoint)
        return Destination(endpoint, enabled, enabled and self.runtime.otlp_reachable, self._dropped())

    def _dropped(self) -> dict[tuple[str, str], int]:
        return {
            (signal, reason): number
            for (signal, reason), total in self.runtime.pipeline.metrics.losses().items()
            if signal != "store"
            and reason not in _NOT_BY_EXPORT
            and (number := total - self.dropped_before.get((signal, reason), 0))
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """The result of one run: the engine's outcome, its record if there is one, where its telemetry was sent.

    `kept_in` is where the record is stored, None if nowhere; `lost` is why it could not be stored, None if it was
    stored or was not to be.
    """

    outcome: RunOutcome
    record: ExecutionRecord | None
    destination: Destination
    kept_in: str | None = None
    lost: str | None = None


@contextmanager
def telemetry(
    settings: Settings,
    *,
    log_stream: TextIO | None,
    serve_metrics: bool = False,
    ready: Callable[[], bool] = lambda: True,
    synchronous_logs: bool = False,
) -> Generator[Telemetry]:
    """Start telemetry, including its run store, and end it in bounded time.

    Args:
        settings: the configuration.
        log_stream: stream for log lines; None writes none.
        serve_metrics: whether to serve the metrics too.
        ready: the answer of `/readyz`.
        synchronous_logs: write a log line before its logging call returns.

    Raises:
        EngineUnavailableError: the engine is not installed; nothing has been started then.
    """
    refuse_without_engine()
    if log_stream is None and settings.enabled and (skipped := skipped_folder(settings)):
        _warn(skipped)
    runtime = start(
        settings,
        log_stream=log_stream,
        serve_metrics=serve_metrics,
        ready=ready,
        synchronous_logs=synchronous_logs,
    )
    if not logging.getLogger().handlers:
        # Without any handler, the engine adds one that prints to stdout.
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        yield Telemetry(runtime, runtime.pipeline.metrics.losses())
    finally:
        runtime.shutdown(None if runtime.otlp_reachable else NO_COLLECTOR_FLUSH_S)


def as_json(outcome: RunOutcome) -> dict[str, Any]:
    """Return a run in the form of `--json`; the duration is in milliseconds."""
    return {
        "execution_id": outcome.execution_id,
        "workflow": outcome.workflow,
        "status": outcome.status,
        "outputs": outcome.outputs,
        "error": outcome.error,
        "trace_id": outcome.trace_id,
        "duration_ms": round(outcome.duration_ms, 3),
    }


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file, read once: its path, its settings, the workflow files that the engine will skip."""

    path: Path
    settings: Settings
    passed_over: tuple[str, ...]


def read_configuration(config: Path | None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Find, read and check the configuration file; workflow files that the engine will skip are named on stderr.

    Raises ConfigError for a file that cannot be used; see `load_settings` and `preflight.check`.
    """
    path = find_config(config, environ)
    document = read_document(path)
    settings = settings_from_document(document, environ)
    passed_over = preflight.check(document, environ)
    for fault in passed_over:
        _warn(f"this workflow is not loaded: {fault}")
    return Configuration(path, settings, passed_over)


def refuse_roots(settings: Settings) -> None:
    """Check the folders of `telemetry.attribution.roots` before the engine starts.

    Raises ConfigError that names the key and what to set: one does not exist, or the store keeps no lines.
    """
    if settings.attribution.roots:
        from ael_otel.runtime.engine_attribution import check_roots

        check_roots(settings)


def _warn(text: str) -> None:
    click.echo(f"ael: warning: {text}", err=True)


@asynccontextmanager
async def engine(
    config: Path,
    *,
    transport: Literal["http", "stdio"] = "http",
    host: str = "127.0.0.1",
    port: int = 8082,
    rest: bool = False,
    log_output: TextIO | None = None,
    while_opening: AbstractContextManager[None] = _NOTHING,
) -> AsyncGenerator[Any]:
    """Open the engine on a configuration file and close it at the end, including its tool servers.

    `while_opening` is entered only while the engine opens.

    Raises ConfigError for mistakes with which the engine would not start, or would start incompletely.
    """
    with while_opening:
        app = await open_application(
            config, transport=transport, host=host, port=port, rest=rest, log_output=log_output
        )
    garbage.resume()
    try:
        yield app
    finally:
        try:
            async with asyncio.timeout(CLOSE_S):
                await app.shutdown()
        except Exception:
            logging.getLogger(__name__).warning("the engine did not close cleanly", exc_info=True)


async def run_once(
    config: Path | None,
    workflow: str,
    inputs: Mapping[str, Any],
    timeout_s: float | None,
    *,
    verbose: bool,
    environ: Mapping[str, str] = os.environ,
    on_start: Callable[[str, str], None] | None = None,
    approve: Callable[[Any], None] | None = None,
) -> Ending:
    """Run one workflow and return its result; nothing is written to stdout.

    `on_start` is called with the execution id and the trace id as soon as they are assigned, `approve` with the open
    engine before the run: what it raises is raised here, and nothing is run.

    Warnings about the configuration and about tool servers that are not connected go to stderr.

    Raises ConfigError, EngineUnavailableError or WorkflowNotFoundError.
    """
    read = read_configuration(config, environ)
    settings = read.settings
    refuse_unusable(settings, environ=environ)
    refuse_roots(settings)
    if not verbose:
        # The log contains them too, if it is shown.
        for notice in settings.notices:
            _warn(notice)
        if not settings.logs.enabled:
            # Without a handler of ours, tool servers and their client library would print to stderr.
            settings = replace(settings, logs=replace(settings.logs, enabled=True, output="stdout"))
    if sys.stderr.isatty():
        # On a terminal, lines are readable text; in a pipe or file they follow the configuration.
        settings = replace(settings, logs=replace(settings.logs, format="text"))
    with (
        stdout_to_stderr(),
        nowhere() as devnull,
        # The log is on stderr then, where this command and the tool servers print too.
        telemetry(settings, log_stream=sys.stderr if verbose else None, synchronous_logs=verbose) as sent,
    ):
        async with engine(read.path, log_output=sys.stderr if verbose else devnull) as app:
            for name, reason in disconnected_servers(app).items():
                _warn(
                    f"MCP server {name} is not connected: {words.one_line(reason)} (tools.mcp_servers.{name})"
                )
            if approve is not None:
                approve(app)
            try:
                with called_by_command("ael run", environ):
                    outcome = await run_workflow(app, workflow, dict(inputs), timeout_s, on_start)
            except WorkflowNotFoundError as error:
                if read.passed_over:
                    error.args = (f"{error}; it may be in a file that was not loaded: {read.passed_over[0]}",)
                raise
        record = sent.record(outcome.execution_id)
        lost = sent.why_not_kept(outcome.execution_id) if record is None and sent.keeps else None
        kept_in = sent.kept_in if lost is None else None
    return Ending(outcome, record, sent.destination, kept_in, lost)
