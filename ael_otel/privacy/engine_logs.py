"""Takes tool arguments out of the engine's log lines.

The engine logs each call's full arguments at INFO, in the message text. A filter on those loggers cuts them before any
handler sees the record, so it holds for every output, also for handlers of the application.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

MARKER: Final = "[REDACTED]"

_ARGUMENTS: Final = re.compile(r"\b(arguments|params)=.*", re.DOTALL)

HARMLESS_FIELDS: Final = frozenset(
    {
        "attempt",
        "bridge",
        "duration_ms",
        "error_code",
        "event",
        "max_attempts",
        "runner_id",
        "server",
        "source",
        "status",
        "step_id",
        "tool_name",
        "version",
    }
)
"""Fields of the engine's log context that hold names and numbers, never what a user wrote."""


def without_arguments(message: str) -> str:
    """Return `message` with everything behind `arguments=` or `params=` replaced by a marker."""
    return _ARGUMENTS.sub(rf"\1={MARKER}", message)


def harmless(context: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of an engine log context that may leave the process."""
    if not context:
        return {}
    return {
        key: value
        for key, value in context.items()
        if key in HARMLESS_FIELDS and isinstance(value, (str, int, float, bool)) and value != ""
    }


class ArgumentFilter(logging.Filter):
    """Cuts arguments out of a record; it never drops one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message when it shows arguments, and forget the unformatted parts."""
        message = record.getMessage()
        clean = without_arguments(message)
        if clean != message:
            record.msg, record.args = clean, None
        return True
