"""Listen for telemetry for some time, or until the user ends it."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Lock
from types import FrameType
from typing import Any

from tools.otlp_server import OtlpServer
from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.check import LiveCheck
from tools.telemetry_schema.live.sources import from_message


class _Receiver(OtlpServer):
    """Feeds a live check with each request that arrives."""

    def __init__(self, live: LiveCheck, host: str, port: int | None, http_port: int | None) -> None:
        self.requests = 0
        self._live = live
        self._lock = Lock()
        super().__init__(host, port, http_port)

    def take(self, request: Any) -> None:
        with self._lock:
            self.requests += 1
            self._live.feed(from_message(request))


def listen(
    live: LiveCheck, *, grpc: str | None, http: str | None, seconds: float | None, say: Callable[[str], None]
) -> None:
    """Feed `live` with telemetry that arrives at these addresses for `seconds`, or until Ctrl-C or SIGTERM."""
    over = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        receivers: list[_Receiver] = []
        for protocol, address in (("gRPC", grpc), ("HTTP", http)):
            if address is not None:
                receiver = _open(live, address, protocol)
                stack.callback(receiver.stop)
                receivers.append(receiver)
                say(
                    f"OTLP over {protocol}: "
                    f"{receiver.endpoint if protocol == 'gRPC' else receiver.http_endpoint}"
                )
        say(f"Listening {f'for {seconds:g} s' if seconds is not None else 'until Ctrl-C'}.")
        over.wait(seconds)
    say(f"{sum(receiver.requests for receiver in receivers)} requests received.")


def _open(live: LiveCheck, address: str, protocol: str) -> _Receiver:
    host, _, text = address.rpartition(":")
    if not text.isdigit() or int(text) > 65535:
        raise SchemaError(address, "", "is not an address; write host:port, such as 127.0.0.1:4317")
    port = int(text)
    try:
        return _Receiver(
            live,
            host or "127.0.0.1",
            port if protocol == "gRPC" else None,
            port if protocol == "HTTP" else None,
        )
    except OSError as error:
        raise SchemaError(address, "", "cannot be listened on; choose another port") from error
