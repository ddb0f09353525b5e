"""The recorder and switches of the instrumentation that is in force; wrappers read them at each call."""

from dataclasses import dataclass

from ael_otel.lifecycle import Recorder


@dataclass(slots=True)
class Active:
    """What the instrumentor was given.

    `native_spans` lets the engine's own flat spans through, `native_store` its own telemetry database.
    """

    recorder: Recorder
    native_spans: bool = False
    native_store: bool = False


_active: Active | None = None


def activate(active: Active | None) -> None:
    """Set what is in force, None to switch off."""
    global _active
    if _active is not None and (active is None or active.recorder is not _active.recorder):
        _active.recorder.stop_counting()
    _active = active


def current() -> Active | None:
    """Return what is in force."""
    return _active
