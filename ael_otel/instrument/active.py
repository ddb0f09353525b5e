"""The recorder and switches of the active instrumentation; wrappers read them at each call."""

from collections.abc import Callable
from dataclasses import dataclass

from ael_otel.lifecycle import Recorder


@dataclass(slots=True)
class Active:
    """The arguments of the instrumentor.

    `native_spans` lets the engine emit its own flat spans, `native_store` lets it write its own telemetry database.
    `issues_session_ids` assigns a session id to MCP clients over HTTP that send none. `on_open` is called before an
    engine opens in this process, `on_server_stop` when an HTTP server has stopped; neither raises.
    """

    recorder: Recorder
    native_spans: bool = False
    native_store: bool = False
    issues_session_ids: bool = True
    on_open: Callable[[], None] | None = None
    on_server_stop: Callable[[], None] | None = None


class _InForce:
    active: Active | None = None


def activate(active: Active | None) -> None:
    """Make `active` the active instrumentation; None switches it off."""
    previous = _InForce.active
    if previous is not None and (active is None or active.recorder is not previous.recorder):
        previous.recorder.stop_counting()
    _InForce.active = active


def current() -> Active | None:
    """Return the active instrumentation; None if there is none."""
    return _InForce.active
