"""Wrappers for telemetry that other code emits for the same events: the engine's own, and the MCP library's."""

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, get_current_span

from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import active_redaction
from ael_otel.instrument.active import current
from ael_otel.instrument.engine_records import EngineRules, redact_stored, redacted_text
from ael_otel.instrument.wrap_engine import Args, Kwargs, argument
from ael_otel.lifecycle import ToolCall, current_frame

logger = logging.getLogger("ael_otel")

ENGINE_STORE_VARIABLES: Final = ("TELEMETRY_STORE_SQLITE_PATH", "PLOSTON_TELEMETRY_BACKEND")
"""Variables with which a user enables the engine's own telemetry database."""


def without_tracer(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`get_telemetry`: return the engine's telemetry without its tracer, whose spans are all root spans.

    Its metrics (`ploston_*`) are unchanged.
    """
    telemetry: object = wrapped(*args, **kwargs)
    active = current()
    if active is None or active.native_spans or not isinstance(telemetry, dict):
        return telemetry
    return {**cast("dict[str, Any]", telemetry), "tracer": None}


def quiet_setup(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`setup_telemetry`: set up no second exporters beside ours, and no warnings that the providers are already set."""
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


MEMORY_STORE: Final = ("ploston_core.telemetry.store.memory", "MemoryTelemetryStore")
"""Module and class of the engine's records in memory; any other store may write its records elsewhere."""

_RULES: Final[WeakKeyDictionary[Any, EngineRules]] = WeakKeyDictionary()


def collector_opens(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`TelemetryCollector.__init__`: record whether the engine's own records stay in memory."""
    result = wrapped(*args, **kwargs)
    with fault_barrier("TelemetryCollector"):
        store = cast("type[object]", type(instance._store))
        if (store.__module__, store.__name__) == MEMORY_STORE:
            _RULES[instance._redactor] = EngineRules(instance._redactor, in_memory=True)
    return result


def redact_records(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`Redactor.redact`: redact the engine's own records with the engine's result, in linear time.

    Unless they stay in memory, our rules are applied first.
    """
    if current() is None or len(args) != 1:
        return wrapped(*args, **kwargs)
    try:
        rules = _RULES.get(instance) or _RULES.setdefault(instance, EngineRules(instance))
        if not rules.enabled:
            return wrapped(*args)
        value = args[0] if rules.in_memory else _stored(args[0])
        return rules.redact(value, redacted_text if rules.linear else instance._redact_patterns)
    except Exception as error:
        logger.debug("left to the engine's own redactor: %s", type(error).__name__)
    return wrapped(_stored(args[0]))


def _stored(value: Any) -> Any:
    try:
        return redact_stored(value, active_redaction().redactor.value)
    except Exception:
        return active_redaction().fault()


ENGINE_TEXT: Final = 2_048
"""Maximum characters of a text that the engine's own patterns are applied to: that takes 4 ms at most."""


def redact_patterns(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`Redactor._redact_patterns`: redact long texts of the engine's own records by our rules.

    One of its patterns takes time that is quadratic in the length of a run of letters: 256 kB of `sk-` stopped the
    event loop for minutes, and SIGTERM with it. Our rules match everything that its patterns match, and more, in linear
    time.
    """
    text: object = argument(args, kwargs, 0, "text")
    if current() is None or not isinstance(text, str) or len(text) <= ENGINE_TEXT:
        return wrapped(*args, **kwargs)
    try:
        return active_redaction().redactor.text(text)
    except Exception:
        return active_redaction().fault()


def store_in_memory(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`_build_telemetry_store_config_from_env`: keep the engine's records in memory instead of in its database.

    With the database, a step that is retried fails the whole run (a unique key that ignores the attempt). The
    database is used if `TELEMETRY_STORE_SQLITE_PATH` or `PLOSTON_TELEMETRY_BACKEND` names it, or if
    `telemetry.engine.telemetry_store` is set.
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
    """Creates no span and leaves the current one in place, so that the current span's context is injected."""

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *args: Any, **kwargs: Any
    ) -> Generator[Span]:
        yield NonRecordingSpan(get_current_span().get_span_context())


_PASS_THROUGH: Final = _PassThroughTracer()


def client_tracer(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`fastmcp.client.telemetry.get_tracer`: inside our `MCP Request`, create no span for the same call."""
    return _PASS_THROUGH if _ours_stands_for_it() else wrapped(*args, **kwargs)


def client_span(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`mcp.shared.jsonrpc_dispatcher.otel_span`: the same for the MCP library, which has spans from version 2 on."""
    return _PASS_THROUGH.start_as_current_span() if _ours_stands_for_it() else wrapped(*args, **kwargs)


def _ours_stands_for_it() -> bool:
    """Return whether the current call has our `MCP Request` and must have no other span."""
    active = current()
    if active is None or active.recorder.mcp_spans != "ael":
        return False
    frame = current_frame.get()
    return isinstance(frame, ToolCall) and not frame.ended and frame.span is not None
