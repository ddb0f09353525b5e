"""Notes of log records, taken on the thread that logs, and the fields that the telemetry thread makes of them.

A note holds everything that may change later: the text, the ids, the exception, the inputs of the run's caller. It
refers to the run's own set of secrets, not to a copy, so secrets that are detected before the fields are made are
redacted too.
"""

import logging
import traceback
from collections.abc import Mapping
from math import isfinite
from time import time
from typing import Any, Final, cast

import msgspec
from opentelemetry.context import Context, get_current

from ael_otel._generated import events
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.run_context import Exclusion, RunScope, current_run
from ael_otel.emit import events as extras
from ael_otel.emit.activity import note_unknown
from ael_otel.privacy.run_secrets import CallerInputs

MAX_MESSAGE: Final = 16_384
"""Maximum characters of a message and a stack trace: an entry stays far below Loki's 64 KB of structured metadata."""

MAX_READ: Final = 65_536
"""Maximum characters of a message or a stack trace that are redacted: a tool server may send megabytes in one line."""

_EVENT_NAMES: Final = frozenset(spec.name for spec in events.ALL)
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_NOTE_BYTES: Final = 768
_FIELD_BYTES: Final = 96
_FRAME_BYTES: Final = 640


class LogNote(msgspec.Struct, frozen=True, gc=False):
    """A log record as it was when it was logged.

    `fields` are the extras of the instrumentation, already redacted if `fields_redacted` is set. `stack` is formatted
    later and holds no frame. `scope` is the run's own object, for its names and its secrets; the parts of it that may
    change are copied to `execution_id`, `given` and `exclusions`. `echo` says that the record was logged during work on
    another note, `sends` that it is to be sent by OTLP.
    """

    created: float
    level: int
    name: str
    message: str
    component: str
    event: str
    fields: Mapping[str, Any] | None
    fields_redacted: bool
    error_type: Any
    error_message: str
    exception_type: str
    exception_text: str
    stack: traceback.TracebackException | str | None
    scope: RunScope | None
    execution_id: str
    given: CallerInputs | None
    exclusions: tuple[Exclusion, ...]
    context: Context
    redaction: ActiveRedaction
    echo: bool
    sends: bool
    size: int


def note_of(record: logging.LogRecord, *, echo: bool = False, sends: bool = False) -> LogNote:
    """Return the note of a record that this thread logs now.

    Of a record's extras, only those of the instrumentation (`ael_*`) are read: any other may hold arguments or results.
    `ael_event` is the name of the event, if the record is one.
    """
    extra = record.__dict__.get
    component, error_message = extra(extras.COMPONENT) or record.name, extra(extras.ERROR_MESSAGE, "")
    exception_type = exception_text = ""
    stack: traceback.TracebackException | str | None = None
    size = 0
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        exception_type = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        text = _text_of(error)
        exception_text = readable(text)
        if trace is not None:
            # The note keeps neither frames nor their variables alive; source lines are read when it is formatted.
            stack = traceback.TracebackException(kind, error, trace, lookup_lines=False, compact=True)
            if len(text) > MAX_READ:
                stack = _readable_end("".join(stack.format()))
            size = _size_of(stack)
        size += 2 * len(exception_text)
    return _note(
        record.created,
        record.levelno,
        record.name,
        _message_of(record),
        component if type(component) is str else _text_of(component),
        extra(extras.FIELDS),
        echo,
        sends,
        event=extra(extras.EVENT) or "",
        error_type=extra(extras.ERROR_TYPE),
        error_message=error_message if type(error_message) is str else _text_of(error_message),
        exception_type=exception_type,
        exception_text=exception_text,
        stack=stack,
        size=size,
    )


def note_of_line(
    name: str,
    level: int,
    message: str,
    component: str,
    fields: Mapping[str, Any] | None,
    *,
    echo: bool = False,
    sends: bool = False,
) -> LogNote:
    """Return the note of a line without an exception that this thread logs now."""
    return _note(time(), level, name, readable(message), component, fields, echo, sends)


def _note(
    created: float,
    level: int,
    name: str,
    message: str,
    component: str,
    fields: Mapping[str, Any] | None,
    echo: bool,
    sends: bool,
    *,
    event: str = "",
    error_type: Any = None,
    error_message: str = "",
    exception_type: str = "",
    exception_text: str = "",
    stack: traceback.TracebackException | str | None = None,
    size: int = 0,
) -> LogNote:
    """Return a note with the current run, context and redaction; `size` is that of the exception, in bytes."""
    scope, redaction = current_run.get(), active_redaction()
    size += _NOTE_BYTES + len(message) + (0 if message.isascii() else 3 * len(message))
    fields_redacted = False
    if fields:
        fields, fields_redacted = _frozen(fields, redaction)
        size += sum(_FIELD_BYTES + (len(each) if type(each) is str else 0) for each in fields.values())
    given = None if scope is None else scope.given
    if given is not None and (level >= logging.WARNING or exception_type or error_type is not None):
        given.freeze()
    return LogNote(
        created,
        level,
        name,
        message,
        component,
        event,
        fields,
        fields_redacted,
        error_type,
        error_message,
        exception_type,
        exception_text,
        stack,
        scope,
        "" if scope is None else scope.execution_id,
        given,
        () if scope is None else scope.exclusions,
        get_current(),
        redaction,
        echo,
        sends,
        size,
    )


def _frozen(fields: Any, redaction: ActiveRedaction) -> tuple[Mapping[str, Any], bool]:
    """Return immutable fields, and whether they are redacted: values that may change are converted to text now."""
    if isinstance(fields, Mapping):
        fields = fixed = dict(cast("Mapping[str, Any]", fields))
        if _SCALARS.issuperset(map(type, fixed.values())):
            return fixed, False
    redacted = redaction.attributes(fields) or {}
    return {key: _plain(value) for key, value in redacted.items()}, True


def fields_of(note: LogNote, max_chars: int = MAX_MESSAGE) -> dict[str, Any]:
    """Return a note's fields without time, level and trace ids: the contract's fields first, then the other extras.

    This sets the current run to that of the note, which redaction reads; the caller restores the previous one.
    """
    scope, guard = note.scope, note.redaction
    server = ""
    if scope is None:
        current_run.set(None)
    else:
        server = scope.server
        run = RunScope(
            scope.workflow_id,
            note.execution_id,
            scope.step_id,
            scope.tool_name,
            secrets=scope.secrets,
            given=note.given,
            server=server,
        )
        run.exclusions = note.exclusions
        run.counted = False
        current_run.set(run)
    # Error messages, and the output of tool servers about their calls, repeat the caller's inputs: those are redacted
    # there. An ordinary line that contains the same word is left whole.
    complains = note.level >= logging.WARNING or server != ""
    message = guard.error_text(note.message) if complains else guard.log_text(note.message)
    fields: dict[str, Any] = {
        events.LOG_COMPONENT: guard.name(note.component),
        events.LOG_WORKFLOW_ID: "" if scope is None else scope.workflow_id,
        events.LOG_EXECUTION_ID: note.execution_id,
        events.LOG_MESSAGE: message if len(message) <= max_chars else message[:max_chars] + "…",
    }
    if scope is not None:
        if scope.step_id:
            fields[events.LOG_STEP_ID] = scope.step_id
        if scope.tool_name:
            fields[events.LOG_TOOL_NAME] = scope.tool_name
        if server:
            fields[events.LOG_SERVER] = server
    if note.event:
        fields[events.LOG_EVENT_NAME] = note.event
        if note.event not in _EVENT_NAMES:
            note_unknown("events", note.event)
    if note.fields:
        fields.update(note.fields if note.fields_redacted else guard.attributes(note.fields) or {})
    if note.error_type is not None:
        fields[events.LOG_ERROR_TYPE] = note.error_type
        fields[events.LOG_EXCEPTION_MESSAGE] = guard.error_text(note.error_message)
    if note.exception_type:
        fields[events.LOG_EXCEPTION_TYPE] = note.exception_type
        fields.setdefault(events.LOG_EXCEPTION_MESSAGE, guard.error_text(note.exception_text)[:max_chars])
        if note.stack is not None:
            text = guard.error_text(
                note.stack if isinstance(note.stack, str) else "".join(note.stack.format())
            )
            # The end of a stack trace contains the failing line, so the beginning is cut.
            fields[events.LOG_EXCEPTION_STACKTRACE] = (
                text if len(text) <= max_chars else "…" + text[-max_chars:]
            )
    for key, value in fields.items():
        if type(value) is not str or not value.isascii():
            fields[key] = _plain(value)
    return fields


def _message_of(record: logging.LogRecord) -> str:
    """Return a record's text; if its arguments do not fit the format, the format alone."""
    try:
        text = record.getMessage()
    except Exception:
        text = _text_of(record.msg)
    return text if len(text) <= MAX_READ else readable(text)


def readable(text: str) -> str:
    """Return the beginning of a text, of the length that is redacted: cut at a blank, not inside a secret."""
    if len(text) <= MAX_READ:
        return text
    cut = text[:MAX_READ]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"), MAX_MESSAGE)]


def _readable_end(text: str) -> str:
    """Return the end of a text, of the length that is redacted: cut at a blank, not inside a secret."""
    cut = text[-MAX_READ:]
    starts = [at + 1 for at in (cut.find(" "), cut.find("\n")) if 0 <= at < MAX_READ - MAX_MESSAGE]
    return cut[min(starts, default=MAX_READ - MAX_MESSAGE) :]


def _size_of(stack: traceback.TracebackException | str) -> int:
    """Return the approximate bytes of a stack in memory, including its causes."""
    if isinstance(stack, str):
        return len(stack)
    size = 0
    seen: set[int] = set()
    left = [stack]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        size += _FRAME_BYTES * (1 + len(one.stack))
        left += [
            each for each in (one.__cause__, one.__context__, *(one.exceptions or ())) if each is not None
        ]
    return size


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__qualname__


def _plain(value: object) -> str | int | float:
    """Return a value that stdout and OTLP represent the same: a finite 64-bit number, or valid Unicode text.

    A lone surrogate (a cut emoji, a file name) is not UTF-8: it would drop this line on stdout and a whole OTLP batch.
    """
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, int) and value.bit_length() < 64:
        return value
    return _text_of(value).encode("utf-8", "replace").decode("utf-8")
