"""Every log line once, in the log contract: one JSON object on the stream and the same record to the Collector.

One handler on the root logger does both, so that a record is formatted, bounded and given its ids in one place. Ids
come from the current span when the record is handled, also when its trace is not sampled.
"""

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from time import time_ns
from typing import Any, Final, Literal, TextIO, cast

from opentelemetry._logs import Logger, LoggerProvider, LogRecord, SeverityNumber, get_logger
from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span
from pythonjsonlogger.msgspec import MsgspecFormatter

from ael_otel._generated import SCHEMA_URL, events, scopes
from ael_otel.core.redaction import active_redaction
from ael_otel.core.run_context import current_run, log_origin
from ael_otel.emit import events as extras
from ael_otel.emit.activity import note_unknown
from ael_otel.sdk.batch_processors import DropCounter
from ael_otel.sdk.log_takeover import is_replaced, take_over
from ael_otel.version import __version__

MAX_MESSAGE: Final = 16_384
"""Characters kept of a message and of a stack trace: an entry stays far below Loki's 64 KB of structured metadata."""

MAX_READ: Final = 65_536
"""Characters of a message or a stack trace that are looked at: a tool server may send megabytes in one line."""

_LOGIN: Final = re.compile(r"(^|[\s/'\"])[^\s/@'\"]+:[^\s/@'\"]*@")

QUIET_SECONDS: Final = 60.0
"""How long a message of the SDK is not repeated."""

INTERNAL_LOGGERS: Final = ("opentelemetry", "ael_otel")
"""Not sent by OTLP: a failing exporter reports itself here, and would feed its own queue."""

_SEVERITIES: Final[Mapping[int, tuple[str, SeverityNumber]]] = {
    logging.DEBUG: ("DEBUG", SeverityNumber.DEBUG),
    logging.INFO: ("INFO", SeverityNumber.INFO),
    logging.WARNING: ("WARN", SeverityNumber.WARN),
    logging.ERROR: ("ERROR", SeverityNumber.ERROR),
    logging.CRITICAL: ("FATAL", SeverityNumber.FATAL),
}
_EVENT_NAMES: Final = frozenset(spec.name for spec in events.ALL)


class LogContractFormatter(MsgspecFormatter):
    """Formats the fields of one line as JSON, in their order and with nothing added."""

    def __init__(self) -> None:
        super().__init__(json_default=str)  # pyright: ignore[reportUnknownMemberType] - a bare Callable there

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Take the fields as they are: renaming, defaults and a record's extras are the library's generic part."""
        log_data.update(message_dict)

    def format_fields(self, fields: dict[str, Any]) -> str:
        """Return the line of `fields`, without its line break."""
        return self.format(cast("logging.LogRecord", _Fields(fields)))


class _Fields:
    """As much of a log record as the formatter reads; making a whole one costs more than formatting it."""

    __slots__ = ("message", "msg")
    exc_info = exc_text = stack_info = None

    def __init__(self, fields: dict[str, Any]) -> None:
        self.msg = fields


class RunLogHandler(logging.Handler):
    """Writes each record as the log contract has it.

    Args:
        stream: where JSON lines (or text lines) go; None writes none.
        provider: where OTLP records go; None sends none.
        as_json: one JSON object per line; else one readable line.
        level: the lowest level handled.
        on_drop: told of records that could not be written.
        max_chars: characters kept of a message, and as many of a stack trace.
    """

    writes_log_contract: Literal[True] = True

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        provider: LoggerProvider | None = None,
        as_json: bool = True,
        level: int = logging.INFO,
        on_drop: DropCounter | None = None,
        max_chars: int = MAX_MESSAGE,
    ) -> None:
        super().__init__(level)
        self._max_chars = max_chars
        self._stream = stream
        self._json = LogContractFormatter() if as_json else None
        self._on_drop = on_drop
        self._closing = False
        self._said: dict[tuple[str, int, int], float] = {}
        self._otel: Logger | None = (
            None if provider is None else get_logger(scopes.AEL_LOG, __version__, provider, SCHEMA_URL)
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a failure is counted and otherwise silent."""
        try:
            origin = log_origin.get()
            if origin is not None and origin.decides():
                with origin.entered():
                    self._emit(record)
            else:
                self._emit(record)
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry.") and (self._closing or self._repeats(record)):
            return
        fields = fields_of(record, self._max_chars)
        if record.name.startswith("opentelemetry."):
            # An exporter names the endpoint as it was configured, with its user and password.
            fields[events.LOG_MESSAGE] = _LOGIN.sub(r"\1***@", fields[events.LOG_MESSAGE])
        severity, number = _severity(record.levelno)
        if self._stream is not None:
            try:
                self._write(record, severity, fields)
            except Exception:
                # A stream that is gone must not keep the record from the Collector.
                self.handleError(record)
        if self._otel is not None and not record.name.startswith(INTERNAL_LOGGERS):
            message = fields.pop(events.LOG_MESSAGE)
            event_name = fields.pop(events.LOG_EVENT_NAME, None)
            self._otel.emit(
                LogRecord(
                    timestamp=int(record.created * 1e9),
                    observed_timestamp=time_ns(),
                    context=get_current(),
                    severity_text=severity,
                    severity_number=number,
                    body=message,
                    event_name=event_name,
                    attributes={key: value for key, value in fields.items() if value != ""},
                )
            )

    def stop_sending(self) -> None:
        """Send nothing by OTLP from now on; what is logged while telemetry shuts down goes to the stream only.

        The SDK's own remarks on being shut down are left out: the pipeline says in one line what was lost.
        """
        self._otel = None
        self._closing = True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - name of logging.Handler
        """Count the lost record instead of printing a traceback into a stream that may be the one that fails."""
        if self._on_drop is not None:
            self._on_drop("logs", "internal", 1)

    def _repeats(self, record: logging.LogRecord) -> bool:
        """Tell whether the SDK said the same within a minute: with the Collector away it says so every second."""
        key = (record.name, record.levelno, record.lineno)
        last = self._said.get(key)
        if last is not None and record.created - last < QUIET_SECONDS:
            return True
        self._said[key] = record.created
        return False

    def _write(self, record: logging.LogRecord, severity: str, fields: dict[str, Any]) -> None:
        assert self._stream is not None
        time = datetime.fromtimestamp(record.created, UTC)
        if self._json is None:
            run, error = fields[events.LOG_EXECUTION_ID], fields.get(events.LOG_EXCEPTION_MESSAGE)
            line = f"{time:%H:%M:%S} {severity:<5} {fields[events.LOG_COMPONENT]}{f' [{run}]' if run else ''}"
            line += f" {fields[events.LOG_MESSAGE]}{'' if error is None else f' {error}'}"
            self._stream.write(line + "\n")
        else:
            context = get_current_span().get_span_context()
            entry = {
                events.LOG_TIMESTAMP: time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                events.LOG_LEVEL: severity,
                events.LOG_COMPONENT: fields[events.LOG_COMPONENT],
                events.LOG_WORKFLOW_ID: fields[events.LOG_WORKFLOW_ID],
                events.LOG_EXECUTION_ID: fields[events.LOG_EXECUTION_ID],
                events.LOG_MESSAGE: fields[events.LOG_MESSAGE],
                events.LOG_TRACE_ID: format(context.trace_id, "032x") if context.is_valid else "",
                events.LOG_SPAN_ID: format(context.span_id, "016x") if context.is_valid else "",
            }
            entry.update((key, value) for key, value in fields.items() if key not in entry)
            self._stream.write(self._json.format_fields(entry) + "\n")
        self._stream.flush()


def fields_of(record: logging.LogRecord, max_chars: int = MAX_MESSAGE) -> dict[str, Any]:
    """Return a record's fields without time, level and trace ids: the contract's first, then known extras.

    Only what the instrumentation put there on purpose (`ael_*`) is taken from a record's extras: anything else may
    hold arguments or results. `ael_event` is the name of the event that the record is.
    """
    scope, guard = current_run.get(), active_redaction()
    message = _message_of(record)
    # What a caller passed in comes back in complaints, and in whatever a tool's server says of its calls; an ordinary
    # line that has the same word in it stays whole.
    complains = record.levelno >= logging.WARNING or (scope is not None and scope.server != "")
    message = guard.error_text(message) if complains else guard.log_text(message)
    fields: dict[str, Any] = {
        events.LOG_COMPONENT: guard.name(getattr(record, extras.COMPONENT, None) or record.name),
        events.LOG_WORKFLOW_ID: "" if scope is None else scope.workflow_id,
        events.LOG_EXECUTION_ID: "" if scope is None else scope.execution_id,
        events.LOG_MESSAGE: message if len(message) <= max_chars else message[:max_chars] + "…",
    }
    if scope is not None:
        if scope.step_id:
            fields[events.LOG_STEP_ID] = scope.step_id
        if scope.tool_name:
            fields[events.LOG_TOOL_NAME] = scope.tool_name
        if scope.server:
            fields[events.LOG_SERVER] = scope.server
    event = getattr(record, extras.EVENT, None)
    if event:
        fields[events.LOG_EVENT_NAME] = event
        if event not in _EVENT_NAMES:
            note_unknown("events", event)
    extra: Mapping[str, Any] | None = getattr(record, extras.FIELDS, None)
    if extra:
        fields.update(cast("Mapping[str, Any]", guard.attributes(extra)))
    error_type = getattr(record, extras.ERROR_TYPE, None)
    if error_type is not None:
        fields[events.LOG_ERROR_TYPE] = error_type
        fields[events.LOG_EXCEPTION_MESSAGE] = guard.error_text(getattr(record, extras.ERROR_MESSAGE, ""))
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        fields[events.LOG_EXCEPTION_TYPE] = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        fields.setdefault(events.LOG_EXCEPTION_MESSAGE, guard.error_text(_text_of(error))[:max_chars])
        if trace is not None:
            text = guard.error_text("".join(traceback.format_exception(kind, error, trace)))
            # The end of a stack trace tells where it broke, so the beginning goes.
            fields[events.LOG_EXCEPTION_STACKTRACE] = (
                text if len(text) <= max_chars else "…" + text[-max_chars:]
            )
    for key, value in fields.items():
        if type(value) is not str or not value.isascii():
            fields[key] = _plain(value)
    return fields


def _message_of(record: logging.LogRecord) -> str:
    """Return a record's text; as it stands, without its arguments, when they do not fit it."""
    try:
        text = record.getMessage()
    except Exception:
        text = _text_of(record.msg)
    return readable(text)


def readable(text: str) -> str:
    """Return the beginning of a text, as much of it as is redacted: cut at a blank, not inside a secret."""
    if len(text) <= MAX_READ:
        return text
    cut = text[:MAX_READ]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"), MAX_MESSAGE)]


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__qualname__


def _plain(value: object) -> str | int | float:
    """Return what both ends take and show alike: a finite 64-bit number, or text that is valid Unicode.

    A lone surrogate (a cut emoji, a file name) is no UTF-8: it would cost this line here and a whole batch there.
    """
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, int) and value.bit_length() < 64:
        return value
    return _text_of(value).encode("utf-8", "replace").decode("utf-8")


def install(handler: RunLogHandler, level: int) -> Callable[[], None]:
    """Make `handler` the only way of every logger to the stream and to OTLP; returns what undoes it.

    Handlers that others put on loggers for files or their own purposes stay; console handlers and the OTLP handler of
    `opentelemetry-instrumentation-logging` get nothing, since each would write the record a second time.
    """
    root = logging.getLogger()
    displaced = [other for other in root.handlers if is_replaced(other)]
    for other in displaced:
        root.removeHandler(other)
    root.addHandler(handler)
    if root.level == logging.NOTSET or root.level > level:
        root.setLevel(level)
    give_back = take_over(handler)

    def undo() -> None:
        give_back()
        root.removeHandler(handler)
        for other in displaced:
            root.addHandler(other)

    return undo


def _severity(level: int) -> tuple[str, SeverityNumber]:
    found = _SEVERITIES.get(level)
    if found is not None:
        return found
    floor = max((known for known in _SEVERITIES if known <= level), default=logging.DEBUG)
    return _SEVERITIES[floor]
