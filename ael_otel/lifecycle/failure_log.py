"""The log record of a failure, and those of a step's events."""

import logging
from typing import Any

from ael_otel._generated import events
from ael_otel.lifecycle.failure import Failure, shows_input
from ael_otel.lifecycle.outcome import status_of

logger = logging.getLogger("ael.lifecycle")


def end_fields(failure: Failure, seconds: float) -> dict[str, Any]:
    """How a run or a call that failed ended."""
    return {events.LOG_STATUS: status_of(failure), events.LOG_DURATION_MS: round(seconds * 1e3)}


def log_event(name: str, message: str, fields: dict[str, Any], level: int = logging.INFO) -> None:
    """Log an event of a step that carries no exception."""
    if logger.isEnabledFor(level):
        logger.log(
            level, "%s", message, extra={"ael_component": "step", "ael_event": name, "ael_fields": fields}
        )


def log_failure(
    failure: Failure,
    component: str,
    message: str,
    level: int = logging.ERROR,
    *,
    event: str = "",
    fields: dict[str, Any] | None = None,
) -> None:
    """Log a failure once: as the event it is, or as a plain line, with the exception unless that quotes input."""
    if not logger.isEnabledFor(level):
        return
    error, extra = (
        failure.error,
        {
            "ael_component": component,
            "ael_event": event,
            "ael_fields": fields,
            "ael_error_type": failure.type,
            "ael_error_message": failure.message,
        },
    )
    if error is not None and shows_input(error):
        # Whoever handles the record would print the exception's own text.
        error = None
    logger.log(level, "%s", message, exc_info=error, extra=extra)
