"""An open engine with its telemetry, for the time of one verb."""

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
from ael_otel.store import ExecutionRecord, StoreError, refuse_unusable, skipped_folder

NO_COLLECTOR_FLUSH_S: Final = 0.1
"""The same when nothing answers at the endpoint: waiting longer would change nothing."""

CLOSE_S: Final = 5.0
"""How long the tool servers get to stop."""

_NOTHING: Final = nullcontext()
_NOT_BY_EXPORT: Final = frozenset(
    {"cardinality", "keep_expired", "keep_full", "rate_limit", "redaction_error"}
)
"""Reasons of what was delivered in another form, or was not to be sent as it was."""
_DEFAULT_ENDPOINTS: Final = ("localhost:4317", "localhost:4318")


@dataclass(frozen=True, slots=True)
class Destination:
    """The OTLP endpoint as host and port, whether anything is sent there, and whether something answers."""

    endpoint: str
    enabled: bool
    reachable: bool
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """How many items did not arrive there, by signal and reason."""

    @property
    def is_default(self) -> bool:
        """Whether the endpoint is the one that the stack of `make up` listens on, by gRPC or HTTP."""
        return self.endpoint in _DEFAULT_ENDPOINTS


def host_and_port(url: str) -> str:
    """Return `host:port` of a URL, the port by scheme where it names none; a password in it is left out."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or (443 if parts.scheme == 'https' else 4317)}"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The telemetry of one verb: what runs, what it kept, where it goes."""

    runtime: Runtime
    dropped_before: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def record(self, execution_id: str) -> ExecutionRecord | None:
        """Return the record of a run that has ended; None when its end is not kept, also because that failed."""
        store = self.runtime.store
        try:
            found = None if store is None else store.get(execution_id)
        except StoreError:
            return None  # the log has said why, and the run went well without
        return None if found is None or found.status in ("pending", "running") else found

    @property
    def keeps(self) -> bool:
        """Whether runs are to be kept."""
        return self.runtime.store is not None

    def why_not_kept(self, execution_id: str) -> str:
        """Return why the end of a run is not kept."""
        store = self.runtime.store
        trouble = getattr(store, "trouble", None)  # of a store that is fed in the background
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
        """Where the runs stay for `ael trace`: a file, as seen from here, or a database; None when nowhere."""
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
        """Where telemetry goes, asked now: this connects to the endpoint, for 0.3 s at most.

        What was dropped is whole once telemetry has ended.
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
    """What came of one run: the engine's outcome, the record of it if there is one, where its telemetry went.

    `kept_in` says where the record stays, None when nowhere; `lost` why it could not be kept, None where it was or was
    not to be.
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
    """Start telemetry, its run store included, and end it in bounded time.

    Args:
        settings: the configuration.
        log_stream: where log lines go; None shows none.
        serve_metrics: whether the metrics are served too.
        ready: what `/readyz` answers.
        synchronous_logs: have a log line written before the call that logs it returns.

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
        # Without any handler the engine adds one that prints to stdout.
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        yield Telemetry(runtime, runtime.pipeline.metrics.losses())
    finally:
        runtime.shutdown(None if runtime.otlp_reachable else NO_COLLECTOR_FLUSH_S)


def as_json(outcome: RunOutcome) -> dict[str, Any]:
    """Return what `--json` tells about a run; the duration is in milliseconds."""
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
    """The configuration file, read once: where it is, its settings, the workflow files that the engine will skip."""

    path: Path
    settings: Settings
    passed_over: tuple[str, ...]


def read_configuration(config: Path | None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Find, read and check the configuration file; workflow files that the engine will skip are named on stderr.

    Raises ConfigError for a file that cannot be used, as `load_settings` and `preflight.check` do.
    """
    path = find_config(config, environ)
    document = read_document(path)
    settings = settings_from_document(document, environ)
    passed_over = preflight.check(document, environ)
    for fault in passed_over:
        _warn(f"this workflow is not loaded: {fault}")
    return Configuration(path, settings, passed_over)


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
    """Open the engine on a configuration file and close it again, its tool servers included.

    `while_opening` is entered for the time of opening only.

    Raises ConfigError for what the engine would not start with, or would start without.
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
) -> Ending:
    """Run one workflow and return what came of it; stdout stays untouched.

    `on_start` is called with the execution id and the trace id as soon as the run has them.

    What a person should know of the configuration and of tool servers that are not there goes to stderr.

    Raises ConfigError, EngineUnavailableError or WorkflowNotFoundError.
    """
    read = read_configuration(config, environ)
    settings = read.settings
    refuse_unusable(settings, environ=environ)
    if not verbose:
        # The log says them too, where it is shown.
        for notice in settings.notices:
            _warn(notice)
        if not settings.logs.enabled:
            # Without a handler of ours, tool servers and their client would print on stderr.
            settings = replace(settings, logs=replace(settings.logs, enabled=True, output="stdout"))
    if sys.stderr.isatty():
        # Lines for a person; what is piped or kept follows the configuration.
        settings = replace(settings, logs=replace(settings.logs, format="text"))
    with (
        stdout_to_stderr(),
        nowhere() as devnull,
        # The log is on stderr then, among what this command and the tool servers print there.
        telemetry(settings, log_stream=sys.stderr if verbose else None, synchronous_logs=verbose) as sent,
    ):
        async with engine(read.path, log_output=sys.stderr if verbose else devnull) as app:
            for name, reason in disconnected_servers(app).items():
                _warn(
                    f"MCP server {name} is not connected: {words.one_line(reason)} (tools.mcp_servers.{name})"
                )
            try:
                outcome = await run_workflow(app, workflow, dict(inputs), timeout_s, on_start)
            except WorkflowNotFoundError as error:
                if read.passed_over:
                    error.args = (f"{error}; it may be in a file that was not loaded: {read.passed_over[0]}",)
                raise
        record = sent.record(outcome.execution_id)
        lost = sent.why_not_kept(outcome.execution_id) if record is None and sent.keeps else None
        kept_in = sent.kept_in if lost is None else None
    return Ending(outcome, record, sent.destination, kept_in, lost)
