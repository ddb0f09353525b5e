"""Remove tool arguments from the engine's log lines and from the texts of errors.

The engine logs each call's full arguments at INFO, in the message text. A filter on those loggers cuts them before any
handler sees the record, so it holds for every output, also for handlers of the application. An argument of a wrong
type comes back in the error that refuses it: validators quote their input.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ael_otel.privacy.validator_messages import without_values

MARKER: Final = "[REDACTED]"

_SIGNS: Final = ("arguments=", "params=")
_ARGUMENTS: Final = re.compile(r"\b(?:arguments|params)=")

# What pydantic (FastMCP's servers) and the MCP SDK's own server say about an argument that does not fit.
_QUOTES: Final = ("input_value=", "Input validation error: ")
# Without the sign behind a value, or where a text was cut before it, nothing tells how far the value goes: all goes.
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
"""Fields of the engine's log context that hold names and numbers, never what a user wrote.

`file` is the workflow file that the engine could not load. The `error` beside it stays out: it quotes the file.
"""


def without_arguments(message: str) -> str:
    """Return `message` with everything behind `arguments=` or `params=`, and what a validator quotes, replaced."""
    # Quotes first: a quoted value may hold `arguments=`, and cutting there would take the sign of its end away.
    message = without_quotes(message)
    # Looked for as plain text before: this runs for each line that the engine logs of a call.
    candidates = [at for sign in _SIGNS if (at := message.find(sign)) >= 0]
    found = _ARGUMENTS.search(message, min(candidates)) if candidates else None
    return message if found is None else f"{message[: found.end()]}{MARKER}"


def quotes_input(text: str) -> bool:
    """Return whether an error's text quotes the input of a validator."""
    return any(sign in text for sign in _QUOTES)


def without_quotes(text: str) -> str:
    """Return an error's text with what a validator quotes of its input replaced by a marker."""
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
    """Cuts arguments out of a record; it never drops one.

    Args:
        applies: whether to do so now; not while telemetry is disabled.
    """

    def __init__(self, applies: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._applies = applies

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message when it shows arguments, and forget the unformatted parts."""
        if not self._applies():
            return True
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a text that cannot be built shows as it stands
            # Left in place, the arguments would be printed by logging's own complaint about them.
            record.args = None
            return True
        clean = without_arguments(message)
        if clean != message:
            record.msg, record.args = clean, None
        return True
