"""Remove tool arguments from the engine's log lines and from the texts of errors.

The engine logs each call's full arguments at INFO, in the message text. A filter on those loggers removes them before
any handler gets the record, so it protects every output, including handlers of the application. An argument of a wrong
type is also in the error that refuses it, because validators quote their input.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ael_otel.privacy.validator_messages import without_values

MARKER: Final = "[REDACTED]"

_SIGNS: Final = ("arguments=", "params=")
_ARGUMENTS: Final = re.compile(r"\b(?:arguments|params)=")

# How pydantic (FastMCP's servers) and the MCP SDK's own server report an invalid argument.
_QUOTES: Final = ("input_value=", "Input validation error: ")
# If the sign after a value is missing, or the text is cut before it, the end of the value is unknown: all is removed.
_QUOTED: Final = re.compile(r"(input_value=)(?:.*(?=, input_type=)|[\s\S]*)")

HARMLESS_FIELDS: Final = frozenset(
    {
        "attempt",
        "bridge",
        "duration_ms",
        "error_code",
        "event",
        "file",
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
"""Fields of the engine's log context with names and numbers, never with user data.

`file` is the workflow file that the engine could not load. The `error` beside it is left out, since it quotes the file.
"""


def without_arguments(message: str) -> str:
    """Return `message` with everything after `arguments=` or `params=`, and a validator's quotes, replaced."""
    # Quotes first: a quoted value may contain `arguments=`, and cutting there would remove the sign of its end.
    message = without_quotes(message)
    # Plain substring searches first, since this runs for each log line of the engine about a call.
    candidates = [at for sign in _SIGNS if (at := message.find(sign)) >= 0]
    found = _ARGUMENTS.search(message, min(candidates)) if candidates else None
    return message if found is None else f"{message[: found.end()]}{MARKER}"


def quotes_input(text: str) -> bool:
    """Return whether an error's text has the form in which a validator quotes its input."""
    return any(sign in text for sign in _QUOTES)


def without_quotes(text: str) -> str:
    """Return an error's text with the input that a validator quotes replaced by a marker."""
    if not quotes_input(text):
        return text
    before, sign, message = text.partition(_QUOTES[1])
    return _QUOTED.sub(rf"\1{MARKER}", before) + sign + (without_values(message) if message else "")


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
    """Removes arguments from a record; never drops the record.

    Args:
        applies: returns whether to do so now; False while telemetry is disabled.
    """

    def __init__(self, applies: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._applies = applies

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message if it contains arguments, and clear the unformatted parts."""
        if not self._applies():
            return True
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a text that cannot be formatted is passed on unformatted
            # Otherwise logging's own error report would print the arguments.
            record.args = None
            return True
        clean = without_arguments(message)
        if clean != message:
            record.msg, record.args = clean, None
        return True
