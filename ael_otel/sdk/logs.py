"""Write every log line once, in the log contract: one JSON object on the stream and the same record by OTLP.

One handler on the root logger does both, so that a record gets its format, bounds and ids in one place. The
thread that logs only notes the record; the telemetry thread redacts, formats, writes and sends it. Ids come from the
current span when the record is noted, also when its trace is not sampled.
"""

import logging
import os
import re
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from threading import get_ident, main_thread
from time import time_ns
from typing import Any, Final, Literal, TextIO, cast

from opentelemetry._logs import Logger, LoggerProvider, LogRecord, SeverityNumber, get_logger
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.trace import get_current_span
from pythonjsonlogger.msgspec import MsgspecFormatter

from ael_otel._generated import SCHEMA_URL, events, scopes
from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core import drop_events
from ael_otel.core.faults import under_test
from ael_otel.core.run_context import current_run, log_origin
from ael_otel.core.telemetry_thread import FLUSH_SECONDS, TelemetryThread, telemetry_thread
from ael_otel.sdk.batch_processors import BoundedLogProcessor, DropCounter
from ael_otel.sdk.export_queue import ExportQueue
from ael_otel.sdk.log_notes import (
    MAX_MESSAGE,
    MAX_READ,
    LogNote,
    fields_of,
    note_of,
    note_of_line,
    readable,
)
from ael_otel.sdk.log_takeover import is_replaced, take_over
from ael_otel.version import __version__

__all__ = [
    "INTERNAL_LOGGERS",
    "MAX_MESSAGE",
    "MAX_READ",
    "QUIET_SECONDS",
    "LogContractFormatter",
    "RunLogHandler",
    "install",
    "log_record",
    "readable",
]

_LOGIN: Final = re.compile(r"(^|[\s/'\"])[^\s/@'\"]+:[^\s/@'\"]*@")

QUIET_SECONDS: Final = 60.0
"""Seconds in which a repeated message of the SDK is suppressed."""

THROUGH_SECONDS: Final = 1.0
"""Seconds a line waits for earlier ones, if it has to be written before the call returns."""

PIPE_BYTES: Final = getattr(select, "PIPE_BUF", 512)
"""Maximum bytes of one write, unless one line is longer, so that processes sharing a pipe do not interleave lines."""

INTERNAL_LOGGERS: Final = ("opentelemetry", "ael_otel")
"""Loggers whose records are not sent by OTLP: a failing exporter reports itself here, and would feed its own queue."""

_SEVERITIES: Final[Mapping[int, tuple[str, SeverityNumber]]] = {
    logging.DEBUG: ("DEBUG", SeverityNumber.DEBUG),
    logging.INFO: ("INFO", SeverityNumber.INFO),
    logging.WARNING: ("WARN", SeverityNumber.WARN),
    logging.ERROR: ("ERROR", SeverityNumber.ERROR),
    logging.CRITICAL: ("FATAL", SeverityNumber.FATAL),
}


class LogContractFormatter(MsgspecFormatter):
    """Formats the fields of one line as JSON, in their order and with nothing added."""

    def __init__(self) -> None:
        super().__init__(json_default=str)  # pyright: ignore[reportUnknownMemberType] - a bare Callable there

    def format_fields(self, fields: dict[str, Any]) -> str:
        """Return the line of `fields`, without its line break.

        This does not use `format`: the library's generic part (renaming, defaults, a record's extras) costs as much as
        all the rest.
        """
        return self.jsonify_log_record(fields)


class _Sender:
    """Sends records by OTLP: into our own queue if no other processor receives them, else through the provider.

    Args:
        provider: the provider of the records.
    """

    def __init__(self, provider: LoggerProvider) -> None:
        self._logger: Logger = get_logger(scopes.AEL_LOG, __version__, provider, SCHEMA_URL)
        # Private names; with a version of the SDK that has others, everything goes through the provider.
        self._all: Any = getattr(provider, "_multi_log_record_processor", None)
        limits = getattr(self._logger, "_log_record_limits", None)
        self._limits = limits if isinstance(limits, LogRecordLimits) else LogRecordLimits()
        # The SDK's own metrics count what goes through the provider.
        self._counts = os.environ.get(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "").strip().lower() == "true"
        self._seen: object = None
        self._queue: ExportQueue[ReadableLogRecord] | None = None
        self._foreign = True

    @property
    def foreign(self) -> bool:
        """Whether a processor that is not ours receives the records: it must be called by the thread that logs."""
        processors: Any = getattr(self._all, "_log_record_processors", None)
        if processors is not self._seen or processors is None:
            found = cast("tuple[object, ...] | None", processors if type(processors) is tuple else None)
            ours = [each.queue for each in found or () if type(each) is BoundedLogProcessor]
            self._foreign = found is None or len(ours) < len(found)
            direct = not self._foreign and len(ours) == 1 and not self._counts
            self._queue = ours[0] if direct else None
            self._seen = processors
        return self._foreign

    def send(self, records: Sequence[LogRecord]) -> int:
        """Send records in order, under the limits of the provider; return how many of them failed."""
        failed = 0
        emit: Callable[[LogRecord], object] = self._logger.emit
        if not self.foreign and self._queue is not None:
            if not self._logger.enabled():
                return 0
            emit = self._put
        for record in records:
            try:
                emit(record)
            except Exception:
                failed += 1
        return failed

    def _put(self, record: LogRecord) -> None:
        """Do what the provider does: limit the attributes, and pass the record on with its resource and scope."""
        assert self._queue is not None
        limits, attributes = self._limits, record.attributes or {}
        most, longest = limits.max_log_record_attributes, limits.max_log_record_attribute_length
        if longest is not None or (most is not None and len(attributes) > most):
            record.attributes = BoundedAttributes(most, attributes, immutable=False, max_value_len=longest)
        logger: Any = self._logger
        self._queue.put(ReadableLogRecord(record, logger.resource, logger.instrumentation_scope, limits))


class RunLogHandler(logging.Handler):
    """Writes each record in the log contract.

    The thread that logs waits for the line to be written in these cases: `synchronous`, a stream that is a terminal or
    in memory, a test of pytest, a processor on `provider` that is not ours, a line of level FATAL, and after
    `write_through`.

    Args:
        stream: stream for JSON lines (or text lines); None writes none.
        provider: provider for OTLP records; None sends none.
        as_json: write one JSON object per line; else one readable line.
        level: the lowest level handled.
        on_drop: called for records that could not be written.
        max_chars: maximum characters of a message, and of a stack trace.
        synchronous: whether the thread that logs does all the work; None decides by the cases above.
        queue: queue of notes; None uses the queue of the process.
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
        synchronous: bool | None = None,
        queue: TelemetryThread | None = None,
    ) -> None:
        super().__init__(level)
        self._max_chars = max_chars
        self._stream = stream
        self._json = LogContractFormatter() if as_json else None
        self._on_drop = on_drop
        self._queue = telemetry_thread() if queue is None else queue
        self._synchronous = (under_test() or _is_read_at_once(stream)) if synchronous is None else synchronous
        self._through = False
        self._closing = False
        self._working_thread = 0
        self._works_on_echo = False
        self._said: dict[tuple[str, int, int], float] = {}
        self._sender = None if provider is None else _Sender(provider)

    # --- the thread that logs -----------------------------------------------------------------------------------------

    def handle(self, record: logging.LogRecord) -> bool:
        """Handle a record without the handler's lock, which notes do not need; return what Python's handler returns."""
        found: Any = self.filter(record)
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return cast("bool", found)  # a record, as Python's own returns it

    def emit(self, record: logging.LogRecord) -> None:
        """Note one record, or write it at once; a failure is counted and not reported otherwise."""
        try:
            if record.name.startswith("opentelemetry.") and (self._closing or self._repeats(record)):
                return
            self._note(record.name, partial(note_of, record))
        except Exception:
            self.handleError(record)

    def note_line(
        self, name: str, level: int, message: str, component: str, fields: Mapping[str, Any] | None
    ) -> None:
        """Note a line of the logger `name` that no other handler reads, without creating a log record."""
        try:
            self._note(name, partial(note_of_line, name, level, message, component, fields))
        except Exception:
            self.dropped("internal", 1)

    def _note(self, name: str, make: Callable[..., LogNote]) -> None:
        """Queue the note that `make` returns, or write it at once."""
        # A record that is logged while another one is processed is written; one logged while processing that is not.
        echo = self._working_thread != 0 and self._working_thread == get_ident()
        if echo and self._works_on_echo:
            self.dropped("internal", 1)
            return
        sender = self._sender
        sends = sender is not None and not name.startswith(INTERNAL_LOGGERS)
        origin = log_origin.get()
        if origin is not None and origin.decides():
            with origin.entered():
                note = make(echo=echo, sends=sends)
        else:
            note = make(echo=echo, sends=sends)
        # Not for an echo, which comes from the telemetry thread: the lock's owner may be waiting for that thread.
        if self._synchronous or (sender is not None and sender.foreign and not echo):
            with cast("Any", self.lock):
                self.take((note,))
            return
        reports = name == drop_events.logger.name
        if self._queue.submit(self, note, note.size, reserved=reports):
            if self._through:
                self._queue.drain(THROUGH_SECONDS)
            elif note.level >= logging.CRITICAL:
                # The caller may end the process at once, without exit handlers.
                self._queue.flush(THROUGH_SECONDS)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - name of logging.Handler
        """Count the dropped record instead of printing a traceback to a stream that may be the one that fails."""
        del record
        self.dropped("internal", 1)

    def dropped(self, reason: TelemetryDropReason, count: int) -> None:
        """Count records that are not written or not sent."""
        if self._on_drop is not None:
            self._on_drop("logs", reason, count)

    def _repeats(self, record: logging.LogRecord) -> bool:
        """Return whether the SDK logged the same within a minute: without a Collector it repeats it every second."""
        key = (record.name, record.levelno, record.lineno)
        last = self._said.get(key)
        if last is not None and record.created - last < QUIET_SECONDS:
            return True
        self._said[key] = record.created
        return False

    def flush(self) -> None:
        """Wait until all notes are written, for 2 s at most."""
        self.write_noted(FLUSH_SECONDS)

    def write_noted(self, timeout_s: float) -> bool:
        """Wait until all notes are written; return whether that took less than `timeout_s` seconds."""
        return self._queue.flush(timeout_s)

    def close(self) -> None:
        """Write all notes; if the process is exiting, write each later record before its call returns.

        `logging.config.dictConfig` closes all handlers too, even those that stay in use: uvicorn calls it when it
        starts, which would have every later line redacted and written on the thread of its event loop.

        A stream that is not read blocks this, as it blocks the exit of every program: the interpreter flushes it too,
        and aborts if another thread is in the middle of writing.
        """
        if main_thread().is_alive():
            self.write_noted(FLUSH_SECONDS)
        else:
            self.write_through(FLUSH_SECONDS)
            self._queue.drain()
        super().close()

    def write_through(self, timeout_s: float) -> bool:
        """Write each record before its call returns, from now on: the process may end without notice.

        Returns whether everything before is written; it waits `timeout_s` seconds at most.
        """
        self._through = True
        return self._queue.flush(timeout_s)

    def stop_sending(self, timeout_s: float = 0.0) -> None:
        """Stop sending by OTLP; records that are logged while telemetry shuts down go to the stream only.

        Notes are sent first, within `timeout_s` seconds; records that are not sent by then are counted as dropped. The
        SDK's own messages about the shutdown are left out: the pipeline logs one line with the number of drops.
        """
        self.write_through(timeout_s)
        self._sender = None
        self._closing = True

    # --- the telemetry thread -----------------------------------------------------------------------------------------

    def take(self, notes: Sequence[LogNote]) -> None:
        """Redact, format, write and send notes; a failure drops only the line concerned."""
        before = current_run.get()
        outer = self._working_thread, self._works_on_echo
        self._working_thread = get_ident()
        lines: list[str] = []
        unsent: list[LogRecord] = []
        try:
            for note in notes:
                self._works_on_echo = note.echo
                try:
                    self._make(note, lines, unsent)
                except Exception:
                    self.dropped("internal", 1)
            # A closed stream must not keep the records from the Collector.
            self._write(lines)
            if unsent:
                self._send(unsent)
        finally:
            self._working_thread, self._works_on_echo = outer
            current_run.set(before)

    def _make(self, note: LogNote, lines: list[str], unsent: list[LogRecord]) -> None:
        """Add the line and the OTLP record of a note to `lines` and `unsent`."""
        fields = fields_of(note, self._max_chars)
        if note.name.startswith("opentelemetry."):
            # An exporter logs the endpoint as it is configured, with user and password.
            fields[events.LOG_MESSAGE] = _LOGIN.sub(r"\1***@", fields[events.LOG_MESSAGE])
        severity, _ = _severity(note.level)
        if self._stream is not None:
            try:
                lines.append(self._line(note, severity, fields))
            except Exception:
                self.dropped("internal", 1)
        if note.sends:
            unsent.append(_record(note, fields))

    def _line(self, note: LogNote, severity: str, fields: dict[str, Any]) -> str:
        time = datetime.fromtimestamp(note.created, UTC)
        if self._json is None:
            run, error = fields[events.LOG_EXECUTION_ID], fields.get(events.LOG_EXCEPTION_MESSAGE)
            line = f"{time:%H:%M:%S} {severity:<5} {fields[events.LOG_COMPONENT]}{f' [{run}]' if run else ''}"
            return f"{line} {fields[events.LOG_MESSAGE]}{'' if error is None else f' {error}'}\n"
        context = get_current_span(note.context).get_span_context()
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
        return self._json.format_fields(entry) + "\n"

    def _write(self, lines: Sequence[str]) -> None:
        stream = self._stream
        if stream is None:
            return
        for block in _blocks(lines):
            try:
                stream.write("".join(block))
                stream.flush()
            except UnicodeError:
                # The encoding of the stream lacks a character of one line: nothing of the block has been written.
                if len(block) == 1:
                    self.dropped("internal", 1)
                else:
                    for line in block:
                        self._write((line,))
            except Exception:
                self.dropped("internal", len(block))

    def _send(self, records: Sequence[LogRecord]) -> None:
        sender = self._sender
        if sender is None:
            self.dropped("shutdown_timeout", len(records))
        elif failed := sender.send(records):
            self.dropped("internal", failed)


def log_record(note: LogNote) -> LogRecord:
    """Return the OTLP log record of a note."""
    before = current_run.get()
    try:
        return _record(note, fields_of(note))
    finally:
        current_run.set(before)


def _record(note: LogNote, fields: dict[str, Any]) -> LogRecord:
    message = fields.pop(events.LOG_MESSAGE)
    event_name = fields.pop(events.LOG_EVENT_NAME, None)
    severity, number = _severity(note.level)
    return LogRecord(
        timestamp=int(note.created * 1e9),
        observed_timestamp=time_ns(),
        context=note.context,
        severity_text=severity,
        severity_number=number,
        body=message,
        event_name=event_name,
        attributes={key: value for key, value in fields.items() if value != ""},
    )


def _is_read_at_once(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal, or not a file of the operating system: this process reads it then."""
    if stream is None:
        return False
    try:
        return stream.isatty() or stream.fileno() < 0
    except Exception:
        return True


def _blocks(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the lines in order, grouped into blocks of at most the size of one write."""
    if len(lines) == 1:
        yield lines
        return
    block: list[str] = []
    size = 0
    for line in lines:
        length = len(line) if line.isascii() else len(line.encode("utf-8", "replace"))
        if block and size + length > PIPE_BYTES:
            yield block
            block, size = [], 0
        block.append(line)
        size += length
    if block:
        yield block


def install(handler: RunLogHandler, level: int) -> Callable[[], None]:
    """Make `handler` the only way of every logger to the stream and to OTLP; return a function that undoes this.

    Other handlers, for files or for an application's purposes, are left in place; console handlers and the OTLP handler
    of `opentelemetry-instrumentation-logging` get nothing, since each would write the record a second time.
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
