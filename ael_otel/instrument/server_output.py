"""The output of MCP servers other than responses: log messages of the protocol, and lines on stderr.

Each becomes one record of the log contract, redacted, with the server's name and the ids of the run that it belongs to.
Neither carries an id of its call, so the open calls of the server determine it. With one open call, the record belongs
to that call. With several, it belongs to the only call whose inputs the text repeats; otherwise it gets what the calls
have in common: the run if it is the same, or no ids, since a wrong id is worse than none. The inputs of all open calls,
and the secrets that were detected in their runs, are redacted in each case.
"""

import json
import logging
import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import set_span_in_context

from ael_otel.core.faults import fault_barrier
from ael_otel.core.log_contract import log_is_owned
from ael_otel.core.metrics import shared_metrics
from ael_otel.core.redaction import active_redaction
from ael_otel.core.run_context import RunScope, current_run, log_origin
from ael_otel.emit.events import line
from ael_otel.instrument.active import current
from ael_otel.instrument.wrap_engine import Args, Kwargs, Wrapped, argument, recorder
from ael_otel.lifecycle import Frame, ToolCall, current_frame
from ael_otel.privacy.run_secrets import JointInputs, RunSecrets

if TYPE_CHECKING:
    from ael_otel.instrument.server_stderr import StderrReader, StderrStream

KIBIBYTES_PER_SECOND: Final = 200
BURST_KIBIBYTES: Final = 2_000
"""Log allowance of one server: a line costs 1, and 1 more for each KiB. Excess is dropped (`rate_limit`)."""

MAX_DATA: Final = 65_536
"""Characters of a log message's data that are logged; the rest is ignored."""

MAX_COMPARED: Final = 64
"""Maximum number of open calls whose inputs are searched for in a text, to find the call that it belongs to."""

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "emergency": logging.CRITICAL,
}

message_logger: Final = logging.getLogger("fastmcp.client.from_server")
"""FastMCP's own logger for these messages, so that its level and `FASTMCP_LOG_LEVEL` apply as before."""

_PLAIN_LOG: Final = "FASTMCP_ENABLE_RICH_LOGGING"
"""Variable for FastMCP's servers on stdio: Rich would wrap lines, and secrets in them, at 80 columns, and draw frames
around stack traces with source lines. A value in the server's configuration takes precedence."""

stderr_logger: Final = logging.getLogger("ael.mcp.stderr")


class ServerConnection:
    """One connection of the engine to an MCP server, for the connection's tasks and for its stderr.

    Args:
        server: the server's name in the configuration.
    """

    def __init__(self, server: str) -> None:
        self.server = active_redaction().name(server)
        self.connecting = True
        self.reader: StderrReader[tuple[Frame, ...]] | None = None
        self._calls: tuple[Frame, ...] = ()
        self._lock = Lock()
        self._born_in = current_run.get()
        self._context = get_current()
        self._allowance = float(BURST_KIBIBYTES)
        self._refilled = monotonic()

    # --- calls --------------------------------------------------------------------------------------------------------

    def begin(self, call: Frame) -> None:
        """Record that a call of the server begins; earlier output of the server is not about this call."""
        with self._lock:
            self._set_calls((*self._calls, call))

    def end(self, call: Frame) -> None:
        """Record that the call has ended; earlier output of the server may be about it."""
        with self._lock:
            self._set_calls(tuple(each for each in self._calls if each is not call))

    def _set_calls(self, calls: tuple[Frame, ...]) -> None:
        if self.reader is not None:
            self.reader.mark(calls)
        self._calls = calls

    # --- LogOrigin ----------------------------------------------------------------------------------------------------

    def decides(self) -> bool:
        """Return False while connecting, when the caller's run is correct, and inside any run begun since."""
        return not self.connecting and current_run.get() is self._born_in

    def entered(self) -> AbstractContextManager[None]:
        """Make current the run of the open calls, and this server."""
        calls = self._calls_here()
        return self._about(calls, calls)

    def _calls_here(self) -> tuple[Frame, ...]:
        """Return the open calls; only the one of the current context if the client library keeps it (HTTP, mcp 2)."""
        call = current_frame.get()
        if current_run.get() is not self._born_in and call in self._calls:
            return (call,)
        return self._calls

    @contextmanager
    def _about(self, calls: tuple[Frame, ...], whose: tuple[Frame, ...]) -> Generator[None]:
        """Make current the run of `whose`, and this server; values of all `calls` are redacted."""
        scope, context = self._place(calls, whose)
        run = current_run.set(scope)
        token = attach(context)
        try:
            yield
        finally:
            detach(token)
            current_run.reset(run)

    def _place(self, calls: tuple[Frame, ...], whose: tuple[Frame, ...]) -> tuple[RunScope, Context]:
        """Return the scope and the context that the calls `whose` have in common."""
        frame = _innermost_common(whose)
        scope = None if frame is None else frame.scope
        context = Context()
        if not calls and self.connecting:
            scope, context = self._born_in, self._context
        while frame is not None:
            if frame.span is not None:
                context = set_span_in_context(frame.span, context)
                break
            frame = frame.parent
        found = (
            RunScope("", "", server=self.server)
            if scope is None
            else RunScope(
                scope.workflow_id, scope.execution_id, scope.step_id, scope.tool_name, server=self.server
            )
        )
        scopes = [each.scope for each in calls if each.scope is not None] or (
            [] if scope is None else [scope]
        )
        found.exclusions = tuple(exclusion for each in scopes for exclusion in each.exclusions)
        given = [each.given for each in scopes if each.given is not None]
        secrets = [each.secrets for each in scopes if each.secrets is not None]
        found.given = JointInputs(given) if len(given) > 1 else next(iter(given), None)
        found.secrets = next(iter(secrets), None)
        if any(each is not found.secrets for each in secrets):
            found.secrets = RunSecrets()
            for each in secrets:
                found.secrets.take_over(each)
        return found, context

    # --- records ------------------------------------------------------------------------------------------------------

    def message(self, level: str, logger_name: str | None, data: Any) -> None:
        """Log one message of the protocol, unless its level is disabled or the server exceeds its allowance."""
        number = _LEVELS.get(level.lower(), logging.INFO)
        if not message_logger.isEnabledFor(number):
            return
        text = _text_of(data)
        if logger_name:
            text = f"{logger_name}: {text}"
        if not self.allows(len(text)):
            self.dropped(1)
            return
        calls = self._calls_here()
        with self._about(calls, _repeated_by(text, calls)):
            # For handlers of the application too, which do not redact.
            self._log(message_logger, number, active_redaction().error_text(text))

    def lines(self, text: str, calls: tuple[Frame, ...]) -> None:
        """Log lines of stderr that were written while `calls` were open; a secret that spans lines is redacted too."""
        if not stderr_logger.isEnabledFor(logging.INFO):
            return
        for whose, block in groupby(text.split("\n"), lambda each: _repeated_by(each, calls)):
            with self._about(calls, whose):
                for each in active_redaction().error_text("\n".join(block)).split("\n"):
                    if each.strip():
                        self._log(stderr_logger, logging.INFO, each)

    def _log(self, logger: logging.Logger, level: int, text: str) -> None:
        line(logger, level, text, component=f"mcp.{self.server}")

    def allows(self, size: int) -> bool:
        """Subtract a line of `size` bytes from the server's allowance; return False if the allowance is too small."""
        now = monotonic()
        with self._lock:
            earned = (now - self._refilled) * KIBIBYTES_PER_SECOND
            self._allowance = min(BURST_KIBIBYTES, self._allowance + earned)
            self._refilled = now
            cost = 1 + size / 1024
            if self._allowance < cost:
                return False
            self._allowance -= cost
            return True

    def dropped(self, lines: int) -> None:
        """Count lines that were not logged."""
        active = current()
        metrics = shared_metrics() if active is None else active.recorder.metrics
        metrics.lost("logs", "rate_limit", lines)

    # --- stderr -------------------------------------------------------------------------------------------------------

    def stderr(self) -> "StderrStream":
        """Return a stream for the server's stderr, whose lines are logged until it is closed."""
        # Its modules do not exist on Windows.
        from ael_otel.instrument.server_stderr import open_stderr

        stream, self.reader = open_stderr(self, self._calls)
        return stream


def _text_of(data: Any) -> str:
    """Return the data of a log message as text: FastMCP's servers send `msg` and `extra`, others any JSON value."""
    if isinstance(data, dict):
        fields = cast("dict[str, Any]", data)
        if isinstance(fields.get("msg"), str) and not fields.keys() - {"msg", "extra"}:
            extra = fields.get("extra")
            data = fields["msg"] if not extra else f"{fields['msg']} {json.dumps(extra, default=str)}"
    text = data if isinstance(data, str) else json.dumps(data, default=str, ensure_ascii=False)
    return text if len(text) <= MAX_DATA else text[: max(text.rfind(" ", 0, MAX_DATA), MAX_DATA // 2)]


def _repeated_by(text: str, calls: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """Return the only call whose caller's inputs `text` repeats; all calls if there is not exactly one."""
    if not 1 < len(calls) <= MAX_COMPARED:
        return calls
    found = [
        call
        for call in calls
        if call.scope is not None and call.scope.given is not None and call.scope.given.hide(text) != text
    ]
    return (found[0],) if len(found) == 1 else calls


def _innermost_common(calls: tuple[Frame, ...]) -> Frame | None:
    """Return the innermost frame that contains all calls; None for calls of several runs, and for no calls."""
    if len(calls) == 1:
        return calls[0]
    common: list[Frame] | None = None
    for call in calls:
        path: list[Frame] = []
        frame: Frame | None = call
        while frame is not None:
            path.append(frame)
            frame = frame.parent
        path.reverse()
        common = [one for one, other in zip(common or path, path, strict=False) if one is other]
        if not common:
            return None
    return common[-1] if common else None


# --- wrappers ---------------------------------------------------------------------------------------------------------

_connections: WeakKeyDictionary[Any, ServerConnection] = WeakKeyDictionary()


async def connect(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPConnection._connect_once`: mark the tasks that the client starts here with their server."""
    connection = None
    token = None
    if recorder() is not None:
        with fault_barrier("connect"):
            connection = _connections[instance] = ServerConnection(str(getattr(instance, "name", "")))
            token = log_origin.set(connection)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        if connection is not None:
            connection.connecting = False
        if token is not None:
            log_origin.reset(token)


def stdio_transport(wrapped: Any, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPConnection._create_stdio_transport`: log the server's stderr, unless the engine writes it to a file."""
    transport = wrapped(*args, **kwargs)
    with fault_barrier("stdio_transport"):
        connection = _connections.get(instance)
        # On Windows a pipe can neither be waited for nor queried for its content.
        if (
            connection is not None
            and os.name == "posix"
            and log_is_owned()
            and getattr(transport, "log_file", transport) is None
        ):
            transport.log_file = connection.stderr()
            transport.env = {_PLAIN_LOG: "false", **(transport.env or {})}
    return transport


async def server_call(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPConnection.call_tool`: assign the server's output to this call until it ends."""
    connection = _connections.get(instance)
    call = current_frame.get()
    if connection is None or not isinstance(call, ToolCall) or call.ended:
        return await wrapped(*args, **kwargs)
    with fault_barrier("server_call"):
        connection.begin(call)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        with fault_barrier("server_call"):
            connection.end(call)


async def server_message(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`default_log_handler` of FastMCP's client: log one record of a server's message instead of its wrapped text."""
    connection = log_origin.get()
    if isinstance(connection, ServerConnection) and recorder() is not None:
        with fault_barrier("server_message"):
            message = argument(args, kwargs, 0, "message")
            connection.message(str(message.level), message.logger, message.data)
            return None
    return await wrapped(*args, **kwargs)
