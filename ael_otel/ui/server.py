"""Listen on a loopback address and serve the pages until the process is asked to end."""

import asyncio
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from ael_otel.errors import AelOtelError, ConfigError
from ael_otel.ui.application import Pages, application, load_templates
from ael_otel.ui.gate import TOKEN, Gate
from ael_otel.ui.grafana import Grafana
from ael_otel.ui.live import Live
from ael_otel.ui.readers import SECONDS, Readers
from ael_otel.ui.sources import Source

STOP_S: Final = 2
"""Seconds in which open requests may end when the server is stopped."""

MAX_CONNECTIONS: Final = 64
MAX_HEAD: Final = 32_768
"""Bytes of a request's first line and headers."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address; with port 0, on a free one.

    Raises:
        ConfigError: the address is not a loopback address.
        AelOtelError: it cannot be used.
    """
    if host.lower() == "localhost":
        host = "127.0.0.1"
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ConfigError(
            f"ael ui listens on loopback addresses only, not on {host}: it has neither encryption nor accounts, and"
            " shows the content of runs. From another machine, forward the port by SSH"
            " (ssh -L 8300:127.0.0.1:8300 HOST); for several people, put a reverse proxy that authenticates them on"
            " this machine"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # Only of sockets that name the protocol does asyncio turn Nagle's algorithm off, which delays each page by 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((str(address), port))
        listening.listen(MAX_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise AelOtelError(
            f"the page cannot be served on {host}:{port} ({error.strerror or error}): choose another port with --port"
        ) from error
    return listening


def serve(
    listening: socket.socket,
    opened: Callable[[], Source],
    *,
    ready: Callable[[str], None],
    prepare: Callable[[], None],
    seconds: float = SECONDS,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        listening: the socket of `listen`.
        opened: opens the stores, for one thread.
        ready: called with the address that the first browser opens.
        prepare: called in a thread meanwhile; makes what the first pages would have to wait for.
        seconds: how long a page may read the store; some may three times as long.
    """
    import uvicorn

    host, port = listening.getsockname()[:2]
    readers = Readers(opened, seconds=seconds)
    pages = Pages(readers, Grafana(), Live(lambda: server.should_exit))
    gate = Gate(application(pages), port)
    server = uvicorn.Server(
        uvicorn.Config(
            gate,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_level="error",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_graceful_shutdown=STOP_S,
        )
    )

    async def until_stopped() -> None:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{port}/?{TOKEN}={gate.token}")
        loop = asyncio.get_running_loop()
        preparing = [loop.run_in_executor(None, each) for each in (load_templates, prepare)]
        try:
            await server.serve(sockets=[listening])
        finally:
            readers.close()
            await asyncio.wait(preparing)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # The server has handlers of its own while it serves, restores these at its end, and sends the signal again.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(until_stopped())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
