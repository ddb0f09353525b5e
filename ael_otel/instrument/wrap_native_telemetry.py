"""Wrappers around telemetry that others emit for the same events: the engine's own, and the MCP client library's."""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, get_current_span

from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.instrument.active import current
from ael_otel.instrument.wrap_engine import Args, Kwargs, argument
from ael_otel.lifecycle import ToolCall, current_frame

ENGINE_STORE_VARIABLES: Final = ("TELEMETRY_STORE_SQLITE_PATH", "PLOSTON_TELEMETRY_BACKEND")
"""Variables with which a user asks for the engine's own telemetry database."""


def without_tracer(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`get_telemetry`: the engine's telemetry without its tracer, whose spans are all roots of their own.

    Its metrics (`ploston_*`) stay.
    """
    telemetry: object = wrapped(*args, **kwargs)
    active = current()
    if active is None or active.native_spans or not isinstance(telemetry, dict):
        return telemetry
    return {**cast("dict[str, Any]", telemetry), "tracer": None}


def quiet_setup(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`setup_telemetry`: no second exporters beside ours, and no warnings that the providers are already set."""
    active = current()
    if active is None:
        return wrapped(*args, **kwargs)
    with fault_barrier("setup_telemetry"):
        config = args[0] if args else kwargs.get("config")
        if config is not None:
            config.traces_enabled = False
            config.logs_enabled = False
    with _without_override_warnings():
        return wrapped(*args, **kwargs)


@contextmanager
def _without_override_warnings() -> Generator[None]:
    def passes(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Overriding of current")

    sources = [
        logging.getLogger(name)
        for name in (
            "opentelemetry.trace",
            "opentelemetry.metrics._internal",
            "opentelemetry._logs._internal",
        )
    ]
    for source in sources:
        source.addFilter(passes)
    try:
        yield
    finally:
        for source in sources:
            source.removeFilter(passes)


ENGINE_TEXT: Final = 2_048
"""Characters of a text up to which the engine's own patterns are left to it: about 4 ms at most."""


def redact_patterns(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`Redactor._redact_patterns`: long texts of the engine's own records are redacted by our rules.

    One of its patterns takes time that grows with the square of a run of letters: 256 kB of `sk-` stopped the event
    loop for minutes, and SIGTERM with it. Our rules know what its patterns know, and more, in linear time.
    """
    text: object = argument(args, kwargs, 0, "text")
    if current() is None or not isinstance(text, str) or len(text) <= ENGINE_TEXT:
        return wrapped(*args, **kwargs)
    try:
        return active_redaction().redactor.text(text)
    except Exception:
        return active_redaction().fault()


def store_in_memory(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`_build_telemetry_store_config_from_env`: the engine's records in memory instead of in its database.

    With the database, a step that is retried fails the whole run (a unique key that ignores the attempt). Whoever
    names it by `TELEMETRY_STORE_SQLITE_PATH` or `PLOSTON_TELEMETRY_BACKEND`, or sets
    `telemetry.engine.telemetry_store`, keeps it.
    """
    config = wrapped(*args, **kwargs)
    active = current()
    if (
        active is not None
        and not active.native_store
        and not any(os.environ.get(name) for name in ENGINE_STORE_VARIABLES)
    ):
        with fault_barrier("store_in_memory"):
            config.storage_type = "memory"
    return config


class _PassThroughTracer(NoOpTracer):
    """Makes no span and leaves the current one in place, so that what is injected is the current span's context."""

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *args: Any, **kwargs: Any
    ) -> Generator[Span]:
        yield NonRecordingSpan(get_current_span().get_span_context())


_PASS_THROUGH: Final = _PassThroughTracer()


def client_tracer(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`fastmcp.client.telemetry.get_tracer`: inside our `MCP Request` the library makes no span for the same call."""
    return _PASS_THROUGH if _ours_stands_for_it() else wrapped(*args, **kwargs)


def client_span(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`mcp.shared.jsonrpc_dispatcher.otel_span`: the same for the MCP library, which makes spans from version 2 on."""
    return _PASS_THROUGH.start_as_current_span() if _ours_stands_for_it() else wrapped(*args, **kwargs)


def _ours_stands_for_it() -> bool:
    """Whether the current call has our `MCP Request` and shall have no other span."""
    active = current()
    if active is None or active.recorder.mcp_spans != "ael":
        return False
    frame = current_frame.get()
    return isinstance(frame, ToolCall) and not frame.ended and frame.span is not None
