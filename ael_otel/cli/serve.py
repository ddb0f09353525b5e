"""`ael serve`: the engine over MCP, and REST, until it is stopped.

Start, report the addresses, and stop in bounded time after flushing telemetry.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, cast

import click

from ael_otel.cli.options import config_option, examples

if TYPE_CHECKING:
    import asyncio

    from ael_otel.cli.open_engine import Telemetry

GRACE_S: Final = 5.0
"""Seconds after a signal for open requests to finish; then they are cancelled."""

CANCEL_S: Final = 1.0
"""Seconds for cancelled requests to end."""

READY_S: Final = 30.0
"""Seconds that the start-up summary waits for the port to answer."""


@click.command(
    "serve",
    short_help="Serve the engine over MCP and REST.",
    epilog=examples(
        "ael serve -c ael-config.yaml",
        "ael serve --port 9000 --no-rest",
        "opentelemetry-instrument ael serve -c ael-config.yaml",
        "AEL_CONFIG_PATH=ael-config.yaml opentelemetry-instrument ael serve",
        "ael serve --transport stdio",
    ),
)
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on (http).")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8082, show_default=True, help="Port to listen on (http)."
)
@click.option(
    "--transport",
    type=click.Choice(["http", "stdio"]),
    default="http",
    show_default=True,
    help="stdio: JSON-RPC on stdin and stdout, log lines on stderr.",
)
@click.option("--rest/--no-rest", default=True, show_default=True, help="Serve the REST API too (http).")
def command(
    config: Path | None, host: str, port: int, transport: Literal["http", "stdio"], rest: bool
) -> None:
    """Serve the engine's workflows and tools until Ctrl-C or SIGTERM.

    Log lines are JSON, on stdout; traces, metrics and logs are also sent to the Collector. Both are the same with and
    without opentelemetry-instrument. That command uses `--config` for itself: write -c, or set AEL_CONFIG_PATH.
    """
    serve(config, Listen(transport=transport, host=host, port=port, rest=rest))


@dataclass(frozen=True, slots=True)
class Listen:
    """Address and transport of the server."""

    transport: Literal["http", "stdio"]
    host: str
    port: int
    rest: bool

    @property
    def url(self) -> str:
        """The address for a client on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def serve(config: Path | None, listen: Listen, environ: Mapping[str, str] = os.environ) -> None:
    """Serve until SIGINT or SIGTERM, or until stdin ends; then flush telemetry and return.

    Raises ConfigError for a configuration, a store or a port that cannot be used, EngineUnavailableError if the engine
    cannot be used.
    """
    import asyncio

    from ael_otel.cli.open_engine import read_configuration, refuse_roots, telemetry
    from ael_otel.cli.preflight import check_free
    from ael_otel.cli.streams import keep_stdout_for_json_rpc
    from ael_otel.store import refuse_unusable

    read = read_configuration(config, environ)
    refuse_unusable(read.settings, environ=environ)
    refuse_roots(read.settings)
    on_http = listen.transport == "http"
    if on_http:
        check_free(listen.host, listen.port)
    log_stream = sys.stdout if on_http else sys.stderr
    ready = Event()
    if not on_http:
        # Before telemetry starts, since an exporter may write to stdout.
        keep_stdout_for_json_rpc()
    with telemetry(read.settings, log_stream=log_stream, serve_metrics=True, ready=ready.is_set) as sent:
        asyncio.run(_until_stopped(_Server(read.path, listen, sent, log_stream, ready)))


@dataclass(frozen=True, slots=True)
class _Server:
    config: Path
    listen: Listen
    sent: "Telemetry"
    log_stream: TextIO
    ready: Event


async def _until_stopped(server: _Server) -> None:
    import asyncio

    stop = asyncio.Event()
    _on_signals(stop)
    # Opening and closing happen in one task, since the task that opened a tool server's connection must close it.
    work = asyncio.create_task(_serve(server, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not work.done():
        if server.ready.is_set():
            # The HTTP server receives the signal too and ends by itself once open requests are answered.
            await asyncio.wait({work}, timeout=GRACE_S)
        work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def _serve(server: _Server, stop: "asyncio.Event") -> None:
    from ael_otel.cli.open_engine import engine

    listen = server.listen
    async with engine(
        server.config,
        transport=listen.transport,
        host=listen.host,
        port=listen.port,
        rest=listen.rest,
        log_output=server.log_stream,
    ) as app:
        server.ready.set()
        try:
            if listen.transport == "stdio":
                await _serve_stdio(app, stop)
            else:
                await _serve_http(app, server)
        finally:
            server.ready.clear()


async def _serve_http(app: Any, server: _Server) -> None:
    import asyncio

    before = asyncio.all_tasks()
    if sys.stderr.isatty():
        announcement = asyncio.create_task(_announce(app, server))
        announcement.add_done_callback(_log_failure)
    try:
        await app.start()
    finally:
        # Runs that have not ended end as cancelled here, while their tool servers can still be notified.
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CANCEL_S)


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logging.getLogger(__name__).warning("the start-up summary could not be shown: %s", error)


async def _serve_stdio(app: Any, stop: "asyncio.Event") -> None:
    import asyncio

    from ael_otel.cli.stdin import StoppableStdin

    stdin = StoppableStdin()
    real_stdin = sys.stdin
    sys.stdin = cast("TextIO", stdin)
    waker = asyncio.create_task(_then(stop, stdin.stop))
    try:
        await app.start()
    finally:
        waker.cancel()
        stdin.stop()
        sys.stdin = real_stdin


async def _then(event: "asyncio.Event", action: Callable[[], None]) -> None:
    await event.wait()
    action()


def _on_signals(stop: "asyncio.Event") -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            # The HTTP server replaces this handler by its own while it serves. The loop still receives the signal
            # through its wake-up descriptor, and receives it again when the server restores the handler.
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            # On Windows the loop has no signal handlers.
            signal.signal(number, _stopper(loop, stop))


def _stopper(loop: "asyncio.AbstractEventLoop", stop: "asyncio.Event") -> Callable[[int, object], None]:
    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    return handle


async def _announce(app: Any, server: _Server) -> None:
    """Print all addresses on stderr once the port answers."""
    import asyncio

    from ael_otel.cli.render import startup
    from ael_otel.cli.render.terminal import console
    from ael_otel.instrument.engine import disconnected_servers, tool_names, workflow_names

    listen = server.listen
    if not await asyncio.to_thread(_wait_until_answering, listen.host, listen.port):
        return
    destination = await asyncio.to_thread(lambda: server.sent.destination)
    console(stderr=True).print(
        startup.summary(
            workflows=workflow_names(app),
            tools=tool_names(app),
            broken=disconnected_servers(app),
            base_url=listen.url,
            rest=listen.rest,
            metrics_url=server.sent.runtime.metrics_url,
            metrics_wanted=server.sent.runtime.settings.metrics.enabled,
            destination=destination,
        )
    )


def _wait_until_answering(host: str, port: int) -> bool:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host, port), timeout=0.5):
            return True
        time.sleep(0.05)
    return False
