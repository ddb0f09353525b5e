"""Listening for telemetry for a while, or until a person has seen enough."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event
from types import FrameType

from tools.telemetry_schema.live.check import LiveCheck
from tools.telemetry_schema.live.sink import Sink


def listen(
    live: LiveCheck, *, grpc: str | None, http: str | None, seconds: float | None, say: Callable[[str], None]
) -> None:
    """Feed `live` with what arrives at these addresses for `seconds`, or until Ctrl-C or SIGTERM."""
    over = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sink(live.feed, grpc=grpc, http=http) as sink:
            if sink.grpc_port:
                say(f"OTLP over gRPC: http://127.0.0.1:{sink.grpc_port}")
            if sink.http_port:
                say(f"OTLP over HTTP: http://127.0.0.1:{sink.http_port}")
            say(f"Listening {f'for {seconds:g} s' if seconds is not None else 'until Ctrl-C'}.")
            over.wait(seconds)
            say(f"{sink.requests} requests taken.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
