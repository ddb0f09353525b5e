"""One failure, from where it occurs to where it ends: classified once, counted once, the same type on every frame.

An error travels tool -> step -> workflow, and the engine replaces the exception on the way (an MCP time-out becomes
TOOL_FAILED). The innermost frame that handles it decides its type and component; the exception object then carries the
`Failure`, so that the outer frames use the same type and do not count it again.
"""

import asyncio
import logging
from typing import Final

from msgspec.structs import replace

from ael_otel._generated.attributes import ERROR_TYPE_VALUES, ErrorComponent, ErrorType
from ael_otel.core.redaction import active_redaction
from ael_otel.core.run_context import current_run
from ael_otel.emit import events
from ael_otel.lifecycle.redacted_exception import stand_in
from ael_otel.privacy.engine_logs import quotes_input
from ael_otel.store import ErrorRecord
from ael_otel.store.records import MAX_CAUSE_DEPTH

MAX_MESSAGE: Final = 2_000
"""Maximum characters of an error's text."""

logger: Final = logging.getLogger("ael.lifecycle")

_MARK: Final = "_ael_otel_failure"
_CODES: Final = frozenset(ERROR_TYPE_VALUES)
_TIMEOUTS: Final = frozenset({"WORKFLOW_TIMEOUT", "TOOL_TIMEOUT", "CODE_TIMEOUT", "timeout"})


class Failure:
    """Why a frame failed: an error type of the registry's closed set, the component where it occurred, and its text.

    `message` is the redacted text for the run store; `log_message` is the same for logs, without the values that the
    caller of the run or the tool passed in: those are available only where the failure is created. `step_id` and
    `tool_name` are those of the scope in which it was created, or those that the engine's error contains.
    """

    __slots__ = (
        "_record",
        "_run",
        "_wrapped_in",
        "category",
        "component",
        "counted",
        "error",
        "log_message",
        "message",
        "retryable",
        "settled",
        "step_id",
        "tool_name",
        "type",
    )

    def __init__(
        self,
        type: ErrorType,  # noqa: A002 - the registry's word for it
        component: ErrorComponent,
        message: str,
        *,
        error: BaseException | None = None,
        category: str = "",
        retryable: bool = False,
    ) -> None:
        self.type: ErrorType = type
        self.component: ErrorComponent = component
        self._run = run = current_run.get()
        self.step_id = (run.step_id if run is not None else "") or _named(error, "step_id")
        self.tool_name = (run.tool_name if run is not None else "") or _named(error, "tool_name")
        self._record: ErrorRecord | None = None
        self._wrapped_in: BaseException | None = None
        self.message = bounded(message)
        hidden = active_redaction().without_given(message)
        self.log_message = self.message if hidden == message else bounded(hidden)
        self.error = error
        self.category = category or component
        self.retryable = retryable
        self.counted = False
        self.settled = False

    @property
    def cancelled(self) -> bool:
        """Whether the work was cancelled rather than failing by itself."""
        return self.type == "cancelled"

    @property
    def timed_out(self) -> bool:
        """Whether the work exceeded a time limit."""
        return self.type in _TIMEOUTS

    def clean(self, text: str) -> str:
        """Return a text of this failure redacted for logs."""
        token = current_run.set(self._run)
        try:
            return active_redaction().error_text(text)
        finally:
            current_run.reset(token)

    def record(self, *, step_id: str | None = None, tool_name: str | None = None) -> ErrorRecord:
        """Return the failure as a record for the store, with up to three causes.

        Args:
            step_id: the step that reports it; by default the step in which it occurred.
            tool_name: the tool of the call that reports it; by default the tool in which it occurred.
        """
        if self._record is None:
            # Redacted in the scope in which it occurred: outer frames lack that scope's excluded values.
            token = current_run.set(self._run)
            try:
                self._record = ErrorRecord(
                    code=self.type,
                    category=self.category,
                    message=self.message,
                    detail=_detail_of(self.error) or _detail_of(self._wrapped_in),
                    retryable=self.retryable,
                    cause=_cause_of(self.error, MAX_CAUSE_DEPTH),
                )
            finally:
                current_run.reset(token)
        return replace(
            self._record,
            step_id=step_id or self.step_id or None,
            tool_name=tool_name or self.tool_name or None,
        )

    def wrapped_in(self, error: BaseException) -> None:
        """Store the error that replaced this one on its way out: it may have a detail where this one has none."""
        if error is not self.error and self._wrapped_in is None:
            self._wrapped_in = error
            self._record = None


def bounded(text: str) -> str:
    """Return the text of an error, redacted and cut to `MAX_MESSAGE` characters, followed by its original length."""
    text = active_redaction().error_text(text, for_log=False)
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[:MAX_MESSAGE]}… ({len(text)} characters)"


def classify(error: BaseException, component: ErrorComponent) -> Failure:
    """Return the failure that an exception already carries, or a new one that occurred in `component`.

    The type is the engine's error code if the exception has one (`other` if that code is not in the registry),
    `timeout` and `cancelled` for asyncio's exceptions, and `internal` for everything else.
    """
    carried = carried_by(error)
    if carried is not None:
        return carried
    code = getattr(error, "code", None)
    kind: ErrorType
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)):
        kind = "cancelled"
    elif isinstance(error, TimeoutError):
        kind = "timeout"
    elif isinstance(code, str):
        kind = code if code in _CODES else "other"  # pyright: ignore[reportAssignmentType]
    else:
        kind = "internal"
    failure = Failure(
        kind,
        component,
        text_of(error),
        error=error,
        category=_category_of(error),
        retryable=bool(getattr(error, "retryable", False)),
    )
    mark(error, failure)
    return failure


def text_of(error: BaseException) -> str:
    """Return the text of an exception, or its class name if the text is empty; never raises.

    The engine's validation errors have their text only in `detail`, all others in `message`.
    """
    message = getattr(error, "message", None)
    detail = getattr(error, "detail", None)
    if isinstance(message, str) and message:
        if isinstance(detail, str) and detail and _category_of(error) == "VALIDATION":
            return f"{message}: {detail}"
        return message
    try:
        return str(error) or type(error).__qualname__
    except Exception:
        return type(error).__qualname__


def shows_input(error: BaseException) -> bool:
    """Return whether the text of an exception, or of one of its causes, quotes a value that a caller passed in."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if quotes_input(text_of(current)):
            return True
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return False


def _category_of(error: BaseException) -> str:
    value = getattr(getattr(error, "category", None), "value", "")
    return value if isinstance(value, str) else ""


def mark(error: BaseException, failure: Failure) -> None:
    """Make `error` carry `failure`; an exception that does not accept attributes is left unchanged."""
    failure.wrapped_in(error)
    try:
        setattr(error, _MARK, failure)
    except (AttributeError, TypeError):
        return


def carried_by(error: BaseException) -> Failure | None:
    """Return the failure that `error` carries, if any, and only while its run is in flight.

    A client may raise one exception object again and again (a lost connection): in each run that it ends, it is a
    separate failure.
    """
    found = last_carried_by(error)
    return None if found is None or found.settled else found


def last_carried_by(error: BaseException) -> Failure | None:
    """Return the failure that `error` carries, even if its run has ended; None if it carries none."""
    found = getattr(error, _MARK, None)
    return found if isinstance(found, Failure) else None


def _cause_of(error: BaseException | None, depth: int) -> ErrorRecord | None:
    """Return the cause of an exception as a record: the engine's `cause` attribute, else Python's exception chain."""
    if error is None or depth == 0:
        return None
    cause = getattr(error, "cause", None)
    if not isinstance(cause, BaseException):
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or cause is error:
        return None
    code = getattr(cause, "code", None)
    return ErrorRecord(
        code=active_redaction().name(code) if isinstance(code, str) and code else type(cause).__qualname__,
        category=_category_of(cause) or "cause",
        message=bounded(text_of(cause)),
        detail=_detail_of(cause),
        retryable=bool(getattr(cause, "retryable", False)),
        step_id=_named(cause, "step_id") or None,
        tool_name=_named(cause, "tool_name") or None,
        cause=_cause_of(cause, depth - 1),
    )


def _detail_of(error: BaseException | None) -> str | None:
    detail = getattr(error, "detail", None)
    return bounded(detail) if isinstance(detail, str) and detail else None


def _named(error: BaseException | None, attribute: str) -> str:
    """Return an attribute of the engine's error, a step or tool name, redacted; empty if there is none."""
    name = getattr(error, attribute, None)
    return active_redaction().name(name) if isinstance(name, str) and name else ""


def shown(failure: Failure) -> BaseException | None:
    """Return the exception to log with the failure; None if its text quotes a validator's input.

    A handler of the log record prints its text and those of its causes. If one of them must not be printed, the result
    is a stand-in with the same class name and traceback, and a redacted text.
    """
    error = failure.error
    if error is None or shows_input(error):
        return None
    return stand_in(error, failure.clean)


def log_failure(
    failure: Failure, component: ErrorComponent, message: str, severity: int = logging.ERROR
) -> None:
    """Log a failure for which no event is emitted."""
    if logger.isEnabledFor(severity):
        events.line(
            logger,
            severity,
            message,
            component=component,
            error_type=failure.type,
            error_message=failure.log_message,
            exception=shown(failure),
        )
