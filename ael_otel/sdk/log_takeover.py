"""Route every record of the process to one handler, including those of loggers with handlers of their own.

Libraries bypass the root logger: FastMCP's loggers do not propagate and print on stderr with their own handlers, which
are set up again whenever a level is set. Therefore the method in which a logger looks up its handlers is replaced
(`logging.Logger.callHandlers`): a handler that writes to the console is skipped, and the record reaches ours exactly
once, whatever handlers are added or disabled later. All other handlers get the record as before.
"""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from ael_otel.core.log_contract import TAKEOVER

_CONSOLE_DESCRIPTORS: Final = frozenset({1, 2})
_by_descriptor: WeakKeyDictionary[logging.Handler, tuple[object, bool]] = WeakKeyDictionary()


def take_over(ours: logging.Handler) -> Callable[[], None]:
    """Send every record of the process to `ours` exactly once; return a function that undoes this.

    A record reaches `ours` in three cases: the root logger would pass it on; a console handler on its way would have
    printed it (subject to its level and filters); or a logger that does not propagate has another handler that is not a
    `NullHandler`. A silenced logger (only such handlers, no propagation) stays silent.
    """
    stock = logging.Logger.callHandlers

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        logger: logging.Logger | None = self
        reached = wanted = False
        count = 0
        while logger is not None:
            for handler in logger.handlers:
                count += 1
                if handler is ours:
                    reached = True
                    if record.levelno >= handler.level:
                        handler.handle(record)
                elif is_replaced(handler):
                    wanted = wanted or _prints(handler, record)
                elif record.levelno >= handler.level:
                    handler.handle(record)
                    wanted = wanted or not isinstance(handler, logging.NullHandler)
            logger = logger.parent if logger.propagate else None
        if not count:
            # Python's handler of last resort prints these on stderr.
            wanted = record.levelno >= logging.WARNING
        if wanted and not reached and record.levelno >= ours.level:
            ours.handle(record)

    setattr(call_handlers, TAKEOVER, call_handlers)
    setattr(logging.Logger, "callHandlers", call_handlers)  # noqa: B010 - mypy refuses to assign to a method

    def undo() -> None:
        if logging.Logger.callHandlers is call_handlers:
            setattr(logging.Logger, "callHandlers", stock)  # noqa: B010

    return undo


def is_replaced(handler: logging.Handler) -> bool:
    """Return whether a handler would write the record a second time: on the console, or by OTLP."""
    if type(handler).__module__.startswith("opentelemetry."):
        return True
    if isinstance(handler, logging.handlers.MemoryHandler):
        return handler.target is not None and is_replaced(handler.target)
    if isinstance(handler, logging.FileHandler):
        return False
    stream: Any = getattr(handler, "stream", None)
    if stream is None:
        # A RichHandler writes to the current file of its console.
        stream = getattr(getattr(handler, "console", None), "file", None)
    if stream is None:
        return False
    if any(stream is each for each in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return True
    known = _by_descriptor.get(handler)
    if known is None or known[0] is not stream:
        known = _by_descriptor[handler] = (stream, _descriptor_of(stream) in _CONSOLE_DESCRIPTORS)
    return known[1]


def _descriptor_of(stream: Any) -> int | None:
    """Return the file descriptor of a stream; None if there is none, as for one saved before a redirection."""
    with suppress(Exception):
        return int(stream.fileno())
    return None


def _prints(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """Return whether a skipped handler would have written the record."""
    try:
        return record.levelno >= handler.level and bool(handler.filter(record))
    except Exception:
        return True
