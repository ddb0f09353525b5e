"""The recorder and switches of the instrumentation that is in force; wrappers read them at each call."""

from collections.abc import Callable
from dataclasses import dataclass

from ael_otel.lifecycle import Recorder


@dataclass(slots=True)
class Active:
    """What the instrumentor was given.

    `native_spans` lets the engine's own flat spans through, `native_store` its own telemetry database. `on_open` is
    called before an engine opens in this process, `on_server_stop` when an HTTP server has stopped; neither raises.
    """

    recorder: Recorder
    native_spans: bool = False
    native_store: bool = False
    on_open: Callable[[], None] | None = None
    on_server_stop: Callable[[], None] | None = None


class _InForce:
    active: Active | None = None


def activate(active: Active | None) -> None:
    """Set what is in force, None to switch off."""
    previous = _InForce.active
    if previous is not None and (active is None or active.recorder is not previous.recorder):
        previous.recorder.stop_counting()
    _InForce.active = active


def current() -> Active | None:
    """Return what is in force."""
    return _InForce.active
